using FailbackWorkflows.Failback.AutomaticFailover;
using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.Failover;
using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Server.Api.Runs;
using FailbackWorkflows.Server.Api.SettingsCache;
using FailbackWorkflows.Server.Identity;
using Microsoft.AspNetCore.Http.HttpResults;

namespace FailbackWorkflows.Server.Api.Servers;

/// <summary>A VMS server as clients see it; its credential never leaves.</summary>
/// <param name="PollInterval">Null: as the site has it.</param>
/// <param name="StabilityDelay">How long it must have answered every poll before an automatic failback.</param>
/// <param name="LossesWithinTheHour">The flap counter: how often it was lost or restarted within the last hour.</param>
/// <param name="ClockOffset">Its clock minus ours, when it last changed noticeably.</param>
/// <param name="ActsAs">The recorded identities whose duty it holds now.</param>
/// <param name="IsAutomaticFailoverEnabled">Its duty is taken over by itself when whoever has it is lost; only with failover enabled.</param>
/// <param name="FailoverAfterPolls">So many polls in a row must have failed before that.</param>
/// <param name="MostDutiesOfOthers">How many duties of others it has at most when it is chosen by itself.</param>
/// <param name="RoomPerDutyBytes">Free bytes above its reserve that it needs for each of them.</param>
/// <param name="LastSeenAt">When it was last seen; of a connected server, asked at a management server that is not on watch: it was seen at least as late as this.</param>
/// <param name="FailedPolls">Polls in a row that have failed, up to the last one; null: another management server is on watch and counts them.</param>
/// <param name="Settings">How the cached settings of its own duty stand; null when the cache has none.</param>
/// <param name="CredentialProblem">Why it cannot be asked and what to do: its stored credential cannot be read; null: it can.</param>
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
    TimeSpan? PollInterval,
    TimeSpan StabilityDelay,
    DateTimeOffset? ConnectedSince,
    int LossesWithinTheHour,
    TimeSpan? ClockOffset,
    DateTimeOffset CreatedAt,
    IReadOnlyList<HeldDuty> ActsAs,
    bool IsAutomaticFailoverEnabled,
    int FailoverAfterPolls,
    int MostDutiesOfOthers,
    long RoomPerDutyBytes,
    int? FailedPolls,
    SettingsState? Settings,
    string? CredentialProblem)
{
    internal static ServerResponse From(VmsServer server, IEnumerable<Duty> duties, DateTimeOffset? seenAt, int losses, int? failedPolls, SettingsAge? settings, string? credentialProblem) => new(
        server.Id,
        server.Name,
        server.BaseUrl,
        server.State,
        server.Connection,
        seenAt,
        server.MachineId,
        server.BootId,
        server.SoftwareVersion,
        server.FailoverGroup,
        server.IsFailoverEnabled,
        server.IsAutomaticFailbackEnabled,
        server.PollInterval,
        server.StabilityDelay,
        server.ConnectedSince,
        losses,
        server.ClockOffset,
        server.CreatedAt,
        [.. duties.Select(duty => new HeldDuty(duty.Identity, duty.Epoch))],
        server.IsAutomaticFailoverEnabled,
        server.FailoverAfterPolls,
        server.MostDutiesOfOthers,
        server.RoomPerDutyBytes,
        failedPolls,
        SettingsState.From(settings),
        credentialProblem);
}

/// <summary>A duty a server holds, with its epoch.</summary>
public sealed record HeldDuty(string Identity, long Epoch);

/// <summary>VMS servers, by name.</summary>
/// <param name="NextAfter">Give it as <c>after</c> to read on; null at the end.</param>
public sealed record ServerList(IReadOnlyList<ServerResponse> Items, string? NextAfter);

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

/// <summary>Name and address of a server; both, the one that stays included.</summary>
/// <param name="Name">1–200 characters.</param>
/// <param name="BaseUrl">Where the same machine answers: https, or http on this machine.</param>
public sealed record AddressRequest(string? Name, string? BaseUrl, string? Reason = null);

/// <summary>Another credential of the same machine, which is asked who it is with it before it is stored.</summary>
/// <param name="Credential">The recorder's bearer token; kept encrypted, never shown again.</param>
public sealed record CredentialRequest(string? Credential, string? Reason = null);

/// <summary>The general settings of a server; all of them, those that stay included.</summary>
/// <param name="IsAutomaticFailbackEnabled">Possible only with failover enabled.</param>
/// <param name="PollInterval">1 s to 1 h; null: as the site has it.</param>
/// <param name="StabilityDelay">0 s to 24 h.</param>
public sealed record GeneralSettingsRequest(bool IsFailoverEnabled, bool IsAutomaticFailbackEnabled, TimeSpan? PollInterval, TimeSpan StabilityDelay, string? Reason = null)
{
    internal GeneralSettings? Check(FieldErrors errors)
    {
        if (IsAutomaticFailbackEnabled && !IsFailoverEnabled)
        {
            errors.Add("isAutomaticFailbackEnabled", "It is possible only with failover enabled.");
        }

        if (PollInterval is { } interval)
        {
            errors.Between("pollInterval", interval, GeneralSettings.ShortestPollInterval, GeneralSettings.LongestPollInterval);
        }

        errors.Between("stabilityDelay", StabilityDelay, TimeSpan.Zero, GeneralSettings.LongestStabilityDelay);
        errors.Optional("reason", Reason, 1000);
        return errors.Any ? null : new(IsFailoverEnabled, IsAutomaticFailbackEnabled, PollInterval, StabilityDelay);
    }
}

/// <summary>Who may take a server's duty over, when that happens by itself, and how much the server takes over itself; all of them, those that stay included.</summary>
/// <param name="Group">Servers of the same group stand in for each other; null: none.</param>
/// <param name="IsAutomatic">Its duty is taken over by itself; has an effect only while failover is enabled.</param>
/// <param name="AfterPolls">1 to 1,000 failed polls in a row before that. Default: 3.</param>
/// <param name="MostDuties">0 to 1,000 duties of others that it has at most when it is chosen by itself. Default: 1.</param>
/// <param name="RoomPerDutyBytes">0 to 1 PB free above its reserve for each duty that it takes over or still owes material of. Default: 1 GB.</param>
public sealed record FailoverSettingsRequest(
    string? Group,
    bool IsAutomatic,
    int AfterPolls = FailoverSettings.DefaultAfterPolls,
    int MostDuties = FailoverSettings.DefaultMostDuties,
    long RoomPerDutyBytes = FailoverSettings.DefaultRoomPerDutyBytes,
    string? Reason = null)
{
    internal FailoverSettings? Check(FieldErrors errors)
    {
        errors.Optional("group", Group, FailoverSettings.MostGroupCharacters);
        errors.Between("afterPolls", AfterPolls, 1, FailoverSettings.MostAfterPolls);
        errors.Between("mostDuties", MostDuties, 0, FailoverSettings.MostMostDuties);
        if (RoomPerDutyBytes is < 0 or > FailoverSettings.MostRoomPerDutyBytes)
        {
            errors.Add("roomPerDutyBytes", $"It must be from 0 to {FailoverSettings.MostRoomPerDutyBytes}.");
        }

        errors.Optional("reason", Reason, 1000);
        return errors.Any ? null : new(string.IsNullOrWhiteSpace(Group) ? null : Group.Trim(), IsAutomatic, AfterPolls, MostDuties, RoomPerDutyBytes);
    }
}

/// <summary>Whether a duty is taken over by itself, and how the attempts went.</summary>
/// <param name="Sentence">Why or why not, as things stand now.</param>
/// <param name="FailedPolls">Polls in a row of whoever has the duty that have failed; null: another management server is on watch and counts them.</param>
/// <param name="NextAt">When the next attempt may begin; null: now, or not by time.</param>
/// <param name="Attempts">Attempts that have ended.</param>
/// <param name="Refusal">Why it was refused, since <paramref name="RefusedAt"/>.</param>
public sealed record AutomaticFailoverResponse(
    AutomaticVerdict Verdict,
    string Sentence,
    string? HolderServerId,
    int? FailedPolls,
    int FailoverAfterPolls,
    DateTimeOffset? NextAt,
    int Attempts,
    string? RunId,
    string? LastRunId,
    DateTimeOffset? LastEndedAt,
    string? LastMessage,
    string? Refusal,
    DateTimeOffset? RefusedAt);

/// <summary>One page of the history of a server's connection, newest first.</summary>
/// <param name="NextBefore">Give it as <c>before</c> to read on; null at the end.</param>
public sealed record ConnectivityPage(IReadOnlyList<ConnectivityTransition> Items, long? NextBefore);

/// <summary>Moves the duty of a server to a failover server.</summary>
/// <param name="FailoverServerId">Who takes it over; left out: the server is chosen as <c>failover-candidates</c> shows.</param>
/// <param name="RequestId">Made by the caller once; the same id again starts nothing new.</param>
public sealed record FailoverRequest(string? FailoverServerId, string? RequestId, string? Reason = null);

/// <summary>What is told of servers beyond their rows: duties, flap counters, when they were last seen, how their cached settings stand.</summary>
internal sealed class ServerViews(IDuties duties, SettingsAges ages, IConnectivityHistory history, PollRecorders poll, TimeProvider time)
{
    public async Task<ServerResponse> DescribeAsync(VmsServer server, CancellationToken cancellationToken) => (await DescribeAsync([server], cancellationToken))[0];

    public async Task<IReadOnlyList<ServerResponse>> DescribeAsync(IReadOnlyList<VmsServer> servers, CancellationToken cancellationToken)
    {
        var since = time.GetUtcNow() - PollRecorder.FlapWindow;
        string[]? ids = servers.Count > VmsServerQuery.MostPerPage ? null : [.. servers.Select(server => server.Id)];
        var held = (ids is null ? await duties.ListAsync(cancellationToken) : await duties.ListHeldAsync(ids, cancellationToken)).ToLookup(duty => duty.HolderServerId);
        var losses = ids is null ? await history.CountLossesAsync(since, cancellationToken) : await history.CountLossesAsync(ids, since, cancellationToken);
        var settings = ids is null ? await ages.ListAsync(cancellationToken) : await ages.ListAsync(ids, cancellationToken);
        return [.. servers.Select(server => ServerResponse.From(server, held[server.Id], poll.SeenAt(server), losses.GetValueOrDefault(server.Id), poll.FailedPollsOf(server.Id), settings.GetValueOrDefault(server.Id), poll.CredentialProblemOf(server.Id)))];
    }
}

internal static class ServerEndpoints
{
    private const int MostTransitions = 200;

    public static void MapServers(this IEndpointRouteBuilder api)
    {
        var servers = api.MapGroup("/servers").WithTags("VMS servers");
        servers.MapGet("", ListAsync)
            .RequireAuthorization(Permissions.Read)
            .WithSummary("VMS servers by name, with state, connection and the duties they hold: all of them, or with take one page; of all, those with q in name, id, address or group, and those in a state (broken, notConnected, actingForOthers, notReady)");
        servers.MapGet("/{serverId}", GetAsync)
            .RequireAuthorization(Permissions.Read)
            .WithSummary("One VMS server");
        servers.MapPost("", AddAsync)
            .RequireAuthorization(Permissions.Administer)
            .WithSummary("Adds a recorder after asking it who it is");
        servers.MapPut("/{serverId}/address", PutAddressAsync)
            .RequireAuthorization(Permissions.Administer)
            .WithSummary("Changes the name of a server, or the address of the same machine, after asking who answers there");
        servers.MapDelete("/{serverId}", RemoveAsync)
            .RequireAuthorization(Permissions.Administer)
            .WithSummary("Removes a server that nothing depends on any more");
        servers.MapPut("/{serverId}/general-settings", PutGeneralSettingsAsync)
            .RequireAuthorization(Permissions.Administer)
            .WithSummary("Changes the general settings of a server");
        servers.MapPut("/{serverId}/credential", PutCredentialAsync)
            .RequireAuthorization(Permissions.Administer)
            .WithSummary("Stores another credential of the same machine, after asking it who it is");
        servers.MapPut("/{serverId}/failover-settings", PutFailoverSettingsAsync)
            .RequireAuthorization(Permissions.Administer)
            .WithSummary("Changes a server's failover group, its automatic failover, and how much it takes over itself");
        servers.MapGet("/{serverId}/failover-candidates", ListCandidatesAsync)
            .RequireAuthorization(Permissions.Read)
            .WithSummary("Who would take the server's duty over now, and why the others would not; asks them");
        servers.MapGet("/{serverId}/automatic-failover", GetAutomaticAsync)
            .RequireAuthorization(Permissions.Read)
            .WithSummary("Whether the server's duty is taken over by itself now, why or why not, and how its attempts went");
        servers.MapGet("/{serverId}/connectivity", ListConnectivityAsync)
            .RequireAuthorization(Permissions.Read)
            .WithSummary("The history of a server's connection, newest first");
        servers.MapPost("/{serverId}/failover", StartFailoverAsync)
            .RequireAuthorization(Permissions.Operate)
            .WithSummary("Starts a failover of the server's duty to a failover server");
    }

    /// <summary>Without <paramref name="take"/> everything at once, as it was before there were pages.</summary>
    private static async Task<Results<Ok<ServerList>, Problem>> ListAsync(
        IVmsServers servers, ServerViews views, CancellationToken cancellationToken, string? q = null, string show = "all", string? after = null, int? take = null)
    {
        var errors = new FieldErrors();
        errors.Optional("q", q, VmsServerQuery.MostTextCharacters);
        errors.Optional("after", after, VmsServerQuery.MostMarkCharacters);
        if (take is { } wanted)
        {
            errors.Between("take", wanted, 1, VmsServerQuery.MostPerPage);
        }

        if (!Enum.TryParse<VmsServerFilter>(show, ignoreCase: true, out var filter) || !show.All(char.IsAsciiLetter))
        {
            errors.Add("show", "It must be all, broken, notConnected, actingForOthers or notReady.");
        }

        if (errors.Any)
        {
            return errors.ToProblem();
        }

        var query = new VmsServerQuery { Text = string.IsNullOrWhiteSpace(q) ? null : q.Trim(), Filter = filter, After = string.IsNullOrEmpty(after) ? null : after, Take = take };
        var page = await servers.ListAsync(query, cancellationToken);
        return TypedResults.Ok(new ServerList(await views.DescribeAsync(page, cancellationToken), page.Count == take ? VmsServerQuery.MarkOf(page[^1]) : null));
    }

    private static async Task<Results<Ok<ServerResponse>, Problem>> GetAsync(string serverId, IVmsServers servers, ServerViews views, CancellationToken cancellationToken) =>
        await servers.FindAsync(serverId, cancellationToken) is { } server ? TypedResults.Ok(await views.DescribeAsync(server, cancellationToken)) : Unknown();

    private static Problem Unknown() => new(Problems.UnknownServer, "GET /api/v1/servers lists the servers there are.");

    private static async Task<Results<Ok<ServerResponse>, Problem>> PutGeneralSettingsAsync(
        string serverId, GeneralSettingsRequest request, HttpContext context, ChangeGeneralSettings change, ServerViews views, CancellationToken cancellationToken)
    {
        var errors = new FieldErrors();
        if (request.Check(errors) is not { } settings)
        {
            return errors.ToProblem();
        }

        context.Audit(serverId, request.Reason);
        return await change.ExecuteAsync(serverId, settings, cancellationToken) is { } server ? TypedResults.Ok(await views.DescribeAsync(server, cancellationToken)) : Unknown();
    }

    private static async Task<Results<Ok<ServerResponse>, Problem>> PutAddressAsync(
        string serverId, AddressRequest request, HttpContext context, ChangeAddress change, ServerViews views, CancellationToken cancellationToken)
    {
        var errors = new FieldErrors();
        errors.Required("name", request.Name, 200);
        errors.Optional("reason", request.Reason, 1000);
        var address = RecorderAddress.Check(request.BaseUrl, errors, "baseUrl");
        if (errors.Any)
        {
            return errors.ToProblem();
        }

        context.Audit(serverId, request.Reason);
        var result = await change.ExecuteAsync(serverId, request.Name!.Trim(), address!, cancellationToken);
        return result switch
        {
            { Server: { } server } => TypedResults.Ok(await views.DescribeAsync(server, cancellationToken)),
            { IsUnknown: true } => Unknown(),
            _ => new Problem(Problems.Refused, result.Message!),
        };
    }

    private static async Task<Results<NoContent, Problem>> RemoveAsync(
        string serverId, HttpContext context, RemoveVmsServer remove, CancellationToken cancellationToken, string? reason = null)
    {
        var errors = new FieldErrors();
        errors.Optional("reason", reason, 1000);
        if (errors.Any)
        {
            return errors.ToProblem();
        }

        context.Audit(serverId, reason);
        var result = await remove.ExecuteAsync(serverId, cancellationToken);
        return result switch
        {
            { IsRemoved: true } => TypedResults.NoContent(),
            { IsUnknown: true } => Unknown(),
            { RunId: { } runId } => new Problem(Problems.RunInTheWay, result.Message!) { RunId = runId },
            _ => new Problem(Problems.Refused, result.Message!),
        };
    }

    private static async Task<Results<Ok<ServerResponse>, Problem>> PutCredentialAsync(
        string serverId, CredentialRequest request, HttpContext context, ChangeCredential change, ServerViews views, CancellationToken cancellationToken)
    {
        var errors = new FieldErrors();
        errors.Required("credential", request.Credential, 4096);
        errors.Optional("reason", request.Reason, 1000);
        if (errors.Any)
        {
            return errors.ToProblem();
        }

        context.Audit(serverId, request.Reason);
        var result = await change.ExecuteAsync(serverId, request.Credential!, cancellationToken);
        return result switch
        {
            { Server: { } server } => TypedResults.Ok(await views.DescribeAsync(server, cancellationToken)),
            { IsUnknown: true } => Unknown(),
            _ => new Problem(Problems.Refused, result.Message!),
        };
    }

    private static async Task<Results<Ok<ServerResponse>, Problem>> PutFailoverSettingsAsync(
        string serverId, FailoverSettingsRequest request, HttpContext context, ChangeGeneralSettings change, ServerViews views, CancellationToken cancellationToken)
    {
        var errors = new FieldErrors();
        if (request.Check(errors) is not { } settings)
        {
            return errors.ToProblem();
        }

        context.Audit(serverId, request.Reason);
        return await change.ChangeFailoverAsync(serverId, settings, cancellationToken) is { } server ? TypedResults.Ok(await views.DescribeAsync(server, cancellationToken)) : Unknown();
    }

    private static async Task<Results<Ok<FailoverSelection>, Problem>> ListCandidatesAsync(
        string serverId, IVmsServers servers, FailoverServerSelection selection, CancellationToken cancellationToken) =>
        await servers.FindAsync(serverId, cancellationToken) is null ? Unknown() : TypedResults.Ok(await selection.SelectAsync(serverId, enough: null, cancellationToken));

    private static async Task<Results<Ok<AutomaticFailoverResponse>, Problem>> GetAutomaticAsync(
        string serverId, AutomaticFailoverCheck check, PollRecorders poll, CancellationToken cancellationToken)
    {
        var decision = await check.DecideAsync(serverId, null, cancellationToken);
        if (decision.Server is not { } server)
        {
            return Unknown();
        }

        var state = decision.State;
        return TypedResults.Ok(new AutomaticFailoverResponse(
            decision.Verdict,
            decision.Sentence,
            decision.Holder?.Id,
            decision.Holder is null ? 0 : poll.FailedPollsOf(decision.Holder.Id),
            server.FailoverAfterPolls,
            decision.NextAt,
            state?.Attempts ?? 0,
            state?.RunId,
            state?.LastRunId,
            state?.LastEndedAt,
            state?.LastMessage,
            state?.Refusal,
            state?.RefusedAt));
    }

    private static async Task<Results<Ok<ConnectivityPage>, Problem>> ListConnectivityAsync(
        string serverId, IVmsServers servers, IConnectivityHistory history, CancellationToken cancellationToken, long? before = null, int take = 50)
    {
        var errors = new FieldErrors();
        errors.Between("take", take, 1, MostTransitions);
        if (errors.Any)
        {
            return errors.ToProblem();
        }

        if (await servers.FindAsync(serverId, cancellationToken) is null)
        {
            return Unknown();
        }

        var items = await history.ListAsync(serverId, before, take, cancellationToken);
        return TypedResults.Ok(new ConnectivityPage(items, items.Count == take ? items[^1].Sequence : null));
    }

    private static async Task<Results<Created<ServerResponse>, Problem>> AddAsync(
        AddServerRequest request,
        HttpContext context,
        RegisterVmsServer register,
        ServerViews views,
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
            await views.DescribeAsync(server, cancellationToken));
    }

    private static async Task<Results<Accepted<StartedRun>, Problem>> StartFailoverAsync(
        string serverId,
        FailoverRequest request,
        HttpContext context,
        StartFailover start,
        CancellationToken cancellationToken)
    {
        var errors = new FieldErrors();
        errors.Optional("failoverServerId", request.FailoverServerId, 64);
        StartedRun.Check(request.RequestId, request.Reason, errors);
        if (errors.Any)
        {
            return errors.ToProblem();
        }

        context.Audit(serverId, request.Reason);
        var result = await start.ExecuteAsync(
            new StartFailoverRequest(serverId, string.IsNullOrEmpty(request.FailoverServerId) ? null : request.FailoverServerId, request.RequestId!, CurrentActor.Of(context), request.Reason),
            cancellationToken);
        return StartedRun.Answer(result, Problems.UnknownServer);
    }
}
