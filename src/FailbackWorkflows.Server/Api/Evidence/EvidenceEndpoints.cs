using FailbackWorkflows.Persistence.Identity;
using FailbackWorkflows.Persistence.Seals;
using FailbackWorkflows.Server.Evidence;
using FailbackWorkflows.Server.Identity;

namespace FailbackWorkflows.Server.Api.Evidence;

internal static class EvidenceEndpoints
{
    public static void MapEvidence(this IEndpointRouteBuilder api) => api.MapGet("/failover-log/{entryId}/evidence", ExportAsync)
        .RequireAuthorization(Permissions.Audit)
        .Produces<byte[]>(StatusCodes.Status200OK, "application/x-tar")
        .WithTags("Audit")
        .WithSummary("The evidence pack of a failover: journals, definitions, settings, coverage, people, seals, and a script that verifies them anywhere; exporting it is written into the audit log");

    private static async Task<IResult> ExportAsync(string entryId, HttpContext context, EvidencePacks packs, IAuditLog audit, TimeProvider time, CancellationToken cancellationToken)
    {
        var actor = CurrentActor.Of(context);
        try
        {
            if (await packs.MakeAsync(entryId, actor, cancellationToken) is not { } archive)
            {
                return new Problem(Problems.UnknownEntry, "Ids of entries are in the failover log.");
            }

            // Before the first byte leaves.
            await audit.AppendAsync(new AuditRecord(time.GetUtcNow(), actor, "export evidence", entryId, null, "done"), CancellationToken.None);
            return Results.File(archive.Tar, "application/x-tar", archive.FileName);
        }
        catch (SealConflictException conflict)
        {
            return new Problem(Problems.Refused, conflict.Message);
        }
    }
}
