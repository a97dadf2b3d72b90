using FailbackWorkflows.Persistence.Identity;
using FailbackWorkflows.Server.Identity;
using Microsoft.AspNetCore.Http.HttpResults;

namespace FailbackWorkflows.Server.Api.Audit;

/// <summary>A part of the audit log, oldest first.</summary>
/// <param name="NextAfter">Give it as <c>after</c> to read on.</param>
public sealed record AuditPage(IReadOnlyList<AuditEntry> Items, long NextAfter);

internal static class AuditEndpoints
{
    public static void MapAudit(this IEndpointRouteBuilder api) => api.MapGet("/audit-log", ReadAsync)
        .RequireAuthorization(Permissions.Audit)
        .WithTags("Audit")
        .WithSummary("The audit log, oldest first: who did what, when, why, with which result; refused attempts included");

    private static async Task<Results<Ok<AuditPage>, Problem>> ReadAsync(
        HttpContext context, IAuditLog log, ViewingTrail viewings, CancellationToken cancellationToken, long after = 0, int take = 200)
    {
        var errors = new FieldErrors();
        errors.Between("take", take, 1, 1000);
        if (after < 0)
        {
            errors.Add("after", "It must be 0 or more.");
        }

        if (errors.Any)
        {
            return errors.ToProblem();
        }

        await viewings.NoteAsync(context, "read audit log", null, cancellationToken);
        var items = await log.ReadAsync(after, take, cancellationToken);
        return TypedResults.Ok(new AuditPage(items, items.Count == 0 ? after : items[^1].Sequence));
    }
}
