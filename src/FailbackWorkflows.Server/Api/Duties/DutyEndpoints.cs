using FailbackWorkflows.Failback.Abandonment;
using FailbackWorkflows.Failback.Adoption;
using FailbackWorkflows.Failback.Obligations;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Server.Api.Runs;
using FailbackWorkflows.Server.Api.Servers;
using FailbackWorkflows.Server.Identity;
using Microsoft.AspNetCore.Http.HttpResults;

namespace FailbackWorkflows.Server.Api.Duties;

/// <summary>What recorders must still be told.</summary>
public sealed record ObligationList(IReadOnlyList<Obligation> Items);

/// <summary>Leaves the duty with the failed server as it stands.</summary>
/// <param name="RequestId">Made by the caller once; the same id again starts nothing new.</param>
/// <param name="Reason">Required.</param>
public sealed record AdoptRequest(string? RequestId, string? Reason);

/// <summary>Gives up a failback that an error stopped.</summary>
/// <param name="HolderServerId">Who has the duty from now on: failed or failover server.</param>
/// <param name="RequestId">Made by the caller once; the same id again starts nothing new.</param>
/// <param name="Reason">Required.</param>
public sealed record AbandonRequest(string? HolderServerId, string? RequestId, string? Reason);

/// <summary>Binds another machine to a broken server.</summary>
/// <param name="OldMachineId">The id known so far, as it was shown.</param>
/// <param name="NewMachineId">The id of the machine that is there now, as it was shown.</param>
/// <param name="Credential">The new machine's bearer token; not the old machine's. Kept encrypted, never shown again.</param>
/// <param name="Reason">Required.</param>
/// <param name="BaseUrl">Where it answers, when that has changed.</param>
public sealed record MachineReplacementRequest(string? OldMachineId, string? NewMachineId, string? Credential, string? Reason, string? BaseUrl = null);

/// <summary>Duties in the hands of people: what is owed, adoption, abandonment, machine replacement.</summary>
internal static class DutyEndpoints
{
    public static void MapDuties(this IEndpointRouteBuilder api)
    {
        api.MapGet("/obligations", ListAsync)
            .RequireAuthorization(Permissions.Read)
            .WithTags("Duties")
            .WithSummary("What recorders must still be told, oldest first; of an entry also what was told already");
        api.MapPost("/failover-log/{entryId}/adopt", AdoptAsync)
            .RequireAuthorization(Permissions.Operate)
            .WithTags("Duties")
            .WithSummary("Leaves the duty with the failed server as it stands");
        api.MapPost("/runs/{runId}/abandon", AbandonAsync)
            .RequireAuthorization(Permissions.Administer)
            .WithTags("Duties")
            .WithSummary("Gives up a failback that an error stopped, and says who has the duty");
        api.MapGet("/servers/{serverId}/machine", LookAsync)
            .RequireAuthorization(Permissions.Administer)
            .WithTags("Duties")
            .WithSummary("Which machine answers for a server, next to the one that is known");
        api.MapPost("/servers/{serverId}/replace-machine", ReplaceMachineAsync)
            .RequireAuthorization(Permissions.Administer)
            .WithTags("Duties")
            .WithSummary("Binds another machine to a broken server");
    }

    private static async Task<Results<Ok<ObligationList>, Problem>> ListAsync(IObligations obligations, CancellationToken cancellationToken, string? server = null, string? entry = null)
    {
        var errors = new FieldErrors();
        errors.Optional("server", server, 64);
        errors.Optional("entry", entry, 128);
        if (errors.Any)
        {
            return errors.ToProblem();
        }

        var items = string.IsNullOrEmpty(entry) ? await obligations.ListOpenAsync(cancellationToken) : await obligations.ListOfEntryAsync(entry, cancellationToken);
        return TypedResults.Ok(new ObligationList([.. items.Where(o => string.IsNullOrEmpty(server) || o.ServerId == server)]));
    }

    private static async Task<Results<Accepted<StartedRun>, Problem>> AdoptAsync(
        string entryId, AdoptRequest request, HttpContext context, StartAdoption start, CancellationToken cancellationToken)
    {
        var errors = new FieldErrors();
        errors.Required("requestId", request.RequestId, 64);
        errors.Required("reason", request.Reason, 1000);
        if (errors.Any)
        {
            return errors.ToProblem();
        }

        context.Audit(entryId, request.Reason);
        return StartedRun.Answer(
            await start.ExecuteAsync(new StartAdoptionRequest(entryId, request.RequestId!, CurrentActor.Of(context), request.Reason), cancellationToken), Problems.UnknownEntry);
    }

    private static async Task<Results<Accepted<StartedRun>, Problem>> AbandonAsync(
        string runId, AbandonRequest request, HttpContext context, AbandonFailback abandon, CancellationToken cancellationToken)
    {
        var errors = new FieldErrors();
        errors.Required("requestId", request.RequestId, 64);
        errors.Required("holderServerId", request.HolderServerId, 64);
        errors.Required("reason", request.Reason, 1000);
        if (errors.Any)
        {
            return errors.ToProblem();
        }

        context.Audit(runId, request.Reason);
        return StartedRun.Answer(
            await abandon.ExecuteAsync(new AbandonFailbackRequest(runId, request.HolderServerId!, request.RequestId!, CurrentActor.Of(context), request.Reason), cancellationToken),
            Problems.UnknownRun);
    }

    private static async Task<Results<Ok<SeenMachine>, Problem>> LookAsync(string serverId, ReplaceMachine replace, CancellationToken cancellationToken) =>
        await replace.LookAsync(serverId, null, null, cancellationToken) is { } seen
            ? TypedResults.Ok(seen)
            : new Problem(Problems.UnknownServer, "GET /api/v1/servers lists the servers there are.");

    private static async Task<Results<Ok<ServerResponse>, Problem>> ReplaceMachineAsync(
        string serverId, MachineReplacementRequest request, HttpContext context, ReplaceMachine replace, ServerViews views, CancellationToken cancellationToken)
    {
        var errors = new FieldErrors();
        errors.Optional("oldMachineId", request.OldMachineId, 128);
        errors.Required("newMachineId", request.NewMachineId, 128);
        errors.Required("credential", request.Credential, 4096);
        errors.Required("reason", request.Reason, 1000);
        var address = string.IsNullOrEmpty(request.BaseUrl) ? null : RecorderAddress.Check(request.BaseUrl, errors, "baseUrl");
        if (errors.Any)
        {
            return errors.ToProblem();
        }

        context.Audit(serverId, $"{request.OldMachineId} → {request.NewMachineId}: {request.Reason}");
        var result = await replace.ExecuteAsync(
            new ReplaceMachineRequest(serverId, request.OldMachineId, request.NewMachineId!, address, request.Credential!, CurrentActor.Of(context), request.Reason), cancellationToken);
        return result switch
        {
            { Server: { } server } => TypedResults.Ok(await views.DescribeAsync(server, cancellationToken)),
            { IsUnknown: true } => new Problem(Problems.UnknownServer, result.Message!),
            { RunId: { } runId } => new Problem(Problems.RunInTheWay, result.Message!) { RunId = runId },
            _ => new Problem(Problems.Refused, result.Message!),
        };
    }
}
