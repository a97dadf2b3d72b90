using FailbackWorkflows.Failback.Maintenance;
using FailbackWorkflows.Server.Identity;
using Microsoft.AspNetCore.Http.HttpResults;

namespace FailbackWorkflows.Server.Api.Maintenance;

/// <summary>A maintenance mode as clients see it.</summary>
/// <param name="ServerId">Null: the whole system.</param>
/// <param name="IsOn">It holds now.</param>
public sealed record MaintenanceModeResponse(
    string? ServerId, bool IsOn, string? Reason, string? StartedBy, DateTimeOffset? StartedAt, DateTimeOffset? EndsAt, string? EndedBy, DateTimeOffset? EndedAt)
{
    internal static MaintenanceModeResponse From(string? serverId, MaintenanceMode? mode, DateTimeOffset now) =>
        new(serverId, mode?.IsActive(now) == true, mode?.Reason, mode?.StartedBy, mode?.StartedAt, mode?.EndsAt, mode?.EndedBy, mode?.EndedAt);
}

/// <summary>The maintenance modes that hold now, the system's first.</summary>
public sealed record MaintenanceModeList(IReadOnlyList<MaintenanceModeResponse> Items);

/// <summary>Turns maintenance mode on.</summary>
/// <param name="EndsAt">When it ends by itself; null: when somebody turns it off.</param>
public sealed record MaintenanceModeRequest(string? Reason, DateTimeOffset? EndsAt = null);

internal static class MaintenanceEndpoints
{
    public static void MapMaintenance(this IEndpointRouteBuilder api)
    {
        var all = api.MapGroup("/maintenance").WithTags("Maintenance mode");
        all.MapGet("", ListAsync).RequireAuthorization(Permissions.Read).WithSummary("The maintenance modes that hold now");
        all.MapPut("", (MaintenanceModeRequest request, HttpContext context, ChangeMaintenanceMode change, TimeProvider time, CancellationToken cancellationToken) =>
                TurnOnAsync(null, request, context, change, time, cancellationToken))
            .RequireAuthorization(Permissions.Administer)
            .WithSummary("Turns maintenance mode on for the whole system");
        all.MapDelete("", (HttpContext context, ChangeMaintenanceMode change, TimeProvider time, CancellationToken cancellationToken) =>
                TurnOffAsync(null, context, change, time, cancellationToken))
            .RequireAuthorization(Permissions.Administer)
            .WithSummary("Turns maintenance mode off for the whole system; a server's own stays");

        var server = api.MapGroup("/servers/{serverId}/maintenance").WithTags("Maintenance mode");
        server.MapPut("", TurnOnAsync).RequireAuthorization(Permissions.Administer).WithSummary("Turns maintenance mode on for a server");
        server.MapDelete("", TurnOffAsync).RequireAuthorization(Permissions.Administer).WithSummary("Turns maintenance mode off for a server");
    }

    private static async Task<Ok<MaintenanceModeList>> ListAsync(IMaintenanceModes modes, TimeProvider time, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var on = (await modes.ListOnAsync(cancellationToken)).Where(mode => mode.IsActive(now));
        return TypedResults.Ok(new MaintenanceModeList([.. on.OrderBy(mode => mode.ServerId).Select(mode => MaintenanceModeResponse.From(mode.ServerId, mode, now))]));
    }

    private static async Task<Results<Ok<MaintenanceModeResponse>, Problem>> TurnOnAsync(
        string? serverId, MaintenanceModeRequest request, HttpContext context, ChangeMaintenanceMode change, TimeProvider time, CancellationToken cancellationToken)
    {
        var errors = new FieldErrors();
        errors.Required("reason", request.Reason, 1000);
        if (request.EndsAt <= time.GetUtcNow())
        {
            errors.Add("endsAt", "It lies in the past. Give a later instant, or none.");
        }

        if (errors.Any)
        {
            return errors.ToProblem();
        }

        context.Audit(serverId ?? MaintenanceMode.System, request.Reason);
        return Answer(serverId, await change.TurnOnAsync(serverId, request.Reason!, request.EndsAt, CurrentActor.Of(context), cancellationToken), time);
    }

    private static async Task<Results<Ok<MaintenanceModeResponse>, Problem>> TurnOffAsync(
        string? serverId, HttpContext context, ChangeMaintenanceMode change, TimeProvider time, CancellationToken cancellationToken)
    {
        context.Audit(serverId ?? MaintenanceMode.System);
        return Answer(serverId, await change.TurnOffAsync(serverId, CurrentActor.Of(context), cancellationToken), time);
    }

    private static Results<Ok<MaintenanceModeResponse>, Problem> Answer(string? serverId, ChangeMaintenanceResult result, TimeProvider time) => result switch
    {
        { IsUnknown: true } => new Problem(Problems.UnknownServer, "GET /api/v1/servers lists the servers there are."),
        { Message: { } message } => new Problem(Problems.Refused, message),
        _ => TypedResults.Ok(MaintenanceModeResponse.From(serverId, result.Mode, time.GetUtcNow())),
    };
}
