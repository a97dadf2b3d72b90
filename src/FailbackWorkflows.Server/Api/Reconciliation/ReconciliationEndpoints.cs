using FailbackWorkflows.Failback.Reconciliation;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Server.Identity;
using Microsoft.AspNetCore.Http.HttpResults;

namespace FailbackWorkflows.Server.Api.Reconciliation;

/// <summary>Duties of which the recorders know more than the database, and those that were reconciled.</summary>
/// <param name="Open">What is in doubt now.</param>
/// <param name="Done">What was reconciled, newest first.</param>
public sealed record ReconciliationList(IReadOnlyList<ReconciliationAlert> Open, IReadOnlyList<DutyReconciliation> Done);

/// <summary>Takes the word of the recorders that answer.</summary>
/// <param name="Reason">Why those that do not answer need not be waited for; required.</param>
public sealed record ReconcileBody(string? Reason);

/// <summary>What was changed.</summary>
/// <param name="Next">What is left to do; null: nothing.</param>
public sealed record ReconcileResponse(DutyReconciliation Reconciliation, string? Next);

/// <summary>After a database was restored from a backup.</summary>
internal static class ReconciliationEndpoints
{
    private const int MostDone = 200;

    public static void MapReconciliations(this IEndpointRouteBuilder api)
    {
        api.MapGet("/reconciliations", ListAsync)
            .RequireAuthorization(Permissions.Read)
            .WithTags("Reconciliation")
            .WithSummary("Duties of which the recorders know more than the database, and those that were reconciled, newest first");
        api.MapPost("/servers/{serverId}/reconcile", ReconcileAsync)
            .RequireAuthorization(Permissions.Administer)
            .WithTags("Reconciliation")
            .WithSummary("Takes the word of the recorders that answer about the server's duty; tells no recorder anything");
    }

    private static async Task<Results<Ok<ReconciliationList>, Problem>> ListAsync(
        ReconciliationAlerts alerts, IReconciliations reconciliations, CancellationToken cancellationToken, string? server = null, int take = 50)
    {
        var errors = new FieldErrors();
        errors.Optional("server", server, 64);
        errors.Between("take", take, 1, MostDone);
        if (errors.Any)
        {
            return errors.ToProblem();
        }

        var only = string.IsNullOrEmpty(server) ? null : server;
        return TypedResults.Ok(new ReconciliationList(
            [.. (await alerts.ListAsync(cancellationToken)).Where(a => only is null || a.Identity == only)],
            await reconciliations.ListAsync(only, take, cancellationToken)));
    }

    private static async Task<Results<Ok<ReconcileResponse>, Problem>> ReconcileAsync(
        string serverId, ReconcileBody request, HttpContext context, IVmsServers servers, ReconcileDuties reconcile, CancellationToken cancellationToken)
    {
        var errors = new FieldErrors();
        errors.Required("reason", request.Reason, 1000);
        if (errors.Any)
        {
            return errors.ToProblem();
        }

        if (await servers.FindAsync(serverId, cancellationToken) is null)
        {
            return new Problem(Problems.UnknownServer, "GET /api/v1/servers lists the servers there are.");
        }

        context.Audit(serverId, request.Reason);
        return await reconcile.ExecuteAsync(new ReconcileRequest(serverId, CurrentActor.Of(context), request.Reason), cancellationToken) switch
        {
            { Reconciliation: { } made, Message: var next } => TypedResults.Ok(new ReconcileResponse(made, next)),
            { RunId: { } runId, Message: var message } => new Problem(Problems.RunInTheWay, message!) { RunId = runId },
            { Message: var message } => new Problem(Problems.Refused, message!),
        };
    }
}
