using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.Failover;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Server.Api.Runs;
using FailbackWorkflows.Server.Api.SettingsCache;
using FailbackWorkflows.Server.Identity;
using Microsoft.AspNetCore.Http.HttpResults;

namespace FailbackWorkflows.Server.Api.Servers;

/// <summary>A VMS server as clients see it; its credential never leaves.</summary>
/// <param name="ActsAs">The recorded identities whose duty it holds now.</param>
/// <param name="Settings">How the cached settings of its own duty stand; null when the cache has none.</param>
public sealed record ServerResponse(
    string Id,
    string Name,
    Uri BaseUrl,
    VmsServerState State,
    ConnectionState Connection,
    DateTimeOffset? LastSeenAt,
    string? MachineId,
    string? BootId,
    string? SoftwareVersion,
    string? FailoverGroup,
    bool IsFailoverEnabled,
    bool IsAutomaticFailbackEnabled,
    DateTimeOffset CreatedAt,
    IReadOnlyList<HeldDuty> ActsAs,
    SettingsState? Settings)
{
    internal static ServerResponse From(VmsServer server, IEnumerable<Duty> duties, IReadOnlyDictionary<string, SettingsAge> ages) => new(
        server.Id,
        server.Name,
        server.BaseUrl,
        server.State,
        server.Connection,
        server.LastSeenAt,
        server.MachineId,
        server.BootId,
        server.SoftwareVersion,
        server.FailoverGroup,
        server.IsFailoverEnabled,
        server.IsAutomaticFailbackEnabled,
        server.CreatedAt,
        [.. duties.Where(duty => duty.HolderServerId == server.Id).Select(duty => new HeldDuty(duty.Identity, duty.Epoch))],
        SettingsState.From(ages.GetValueOrDefault(server.Id)));
}

/// <summary>A duty a server holds, with its epoch.</summary>
public sealed record HeldDuty(string Identity, long Epoch);

/// <summary>All VMS servers.</summary>
public sealed record ServerList(IReadOnlyList<ServerResponse> Items);

/// <summary>A recorder to add. It is asked who it is; nothing is stored when it does not answer.</summary>
/// <param name="Id">1–64 characters of <c>a–z 0–9 - _ .</c>; never changes.</param>
/// <param name="BaseUrl">Root of the recorder's API; plain HTTP on loopback only.</param>
/// <param name="Credential">The recorder's bearer token; kept encrypted, never shown again.</param>
public sealed record AddServerRequest(
    string? Id,
    string? Name,
    string? BaseUrl,
    string? Credential,
    string? FailoverGroup = null,
    bool IsFailoverEnabled = true,
    bool IsAutomaticFailbackEnabled = false);

/// <summary>Moves the duty of a server to a failover server.</summary>
/// <param name="RequestId">Made by the caller once; the same id again starts nothing new.</param>
public sealed record FailoverRequest(string? FailoverServerId, string? RequestId, string? Reason = null);

internal static class ServerEndpoints
{
    public static void MapServers(this IEndpointRouteBuilder api)
    {
        var servers = api.MapGroup("/servers").WithTags("VMS servers");
        servers.MapGet("", ListAsync)
            .RequireAuthorization(Permissions.Read)
            .WithSummary("All VMS servers with state, connection and the duties they hold");
        servers.MapGet("/{serverId}", GetAsync)
            .RequireAuthorization(Permissions.Read)
            .WithSummary("One VMS server");
        servers.MapPost("", AddAsync)
            .RequireAuthorization(Permissions.Administer)
            .WithSummary("Adds a recorder after asking it who it is");
        servers.MapPost("/{serverId}/failover", StartFailoverAsync)
            .RequireAuthorization(Permissions.Operate)
            .WithSummary("Starts a failover of the server's duty to a failover server");
    }

    private static async Task<Ok<ServerList>> ListAsync(IVmsServers servers, IDuties duties, SettingsAges ages, CancellationToken cancellationToken)
    {
        var held = await duties.ListAsync(cancellationToken);
        var settings = await ages.ListAsync(cancellationToken);
        return TypedResults.Ok(new ServerList([.. (await servers.ListAsync(cancellationToken)).Select(server => ServerResponse.From(server, held, settings))]));
    }

    private static async Task<Results<Ok<ServerResponse>, Problem>> GetAsync(string serverId, IVmsServers servers, IDuties duties, SettingsAges ages, CancellationToken cancellationToken) =>
        await servers.FindAsync(serverId, cancellationToken) is { } server
            ? TypedResults.Ok(ServerResponse.From(server, await duties.ListAsync(cancellationToken), await ages.ListAsync(cancellationToken)))
            : new Problem(Problems.UnknownServer, "GET /api/v1/servers lists the servers there are.");

    private static async Task<Results<Created<ServerResponse>, Problem>> AddAsync(
        AddServerRequest request,
        HttpContext context,
        RegisterVmsServer register,
        IDuties duties,
        SettingsAges ages,
        CancellationToken cancellationToken)
    {
        var errors = new FieldErrors();
        errors.Required("id", request.Id, 64);
        errors.Required("name", request.Name, 200);
        errors.Required("credential", request.Credential, 4096);
        errors.Optional("failoverGroup", request.FailoverGroup, 64);
        var address = RecorderAddress.Check(request.BaseUrl, errors, "baseUrl");
        if (errors.Any || address is null)
        {
            return errors.ToProblem();
        }

        context.Audit(request.Id);
        var result = await register.ExecuteAsync(
            new RegisterVmsServerRequest(
                request.Id!,
                request.Name!,
                address,
                request.Credential!,
                request.FailoverGroup,
                request.IsFailoverEnabled,
                request.IsAutomaticFailbackEnabled),
            cancellationToken);
        if (result.Server is not { } server)
        {
            return new Problem(result.IsDuplicate ? Problems.ServerExists : Problems.ServerNotAdded, result.Message ?? "Nothing was stored.");
        }

        return TypedResults.Created(
            $"/api/v1/servers/{Uri.EscapeDataString(server.Id)}",
            ServerResponse.From(server, await duties.ListAsync(cancellationToken), await ages.ListAsync(cancellationToken)));
    }

    private static async Task<Results<Accepted<StartedRun>, Problem>> StartFailoverAsync(
        string serverId,
        FailoverRequest request,
        HttpContext context,
        StartFailover start,
        CancellationToken cancellationToken)
    {
        var errors = new FieldErrors();
        errors.Required("failoverServerId", request.FailoverServerId, 64);
        StartedRun.Check(request.RequestId, request.Reason, errors);
        if (errors.Any)
        {
            return errors.ToProblem();
        }

        context.Audit(serverId, request.Reason);
        var result = await start.ExecuteAsync(
            new StartFailoverRequest(serverId, request.FailoverServerId!, request.RequestId!, CurrentActor.Of(context), request.Reason),
            cancellationToken);
        return StartedRun.Answer(result, Problems.UnknownServer);
    }
}
