using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Persistence.Identity;
using FailbackWorkflows.Server.Identity;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc.RazorPages;

namespace FailbackWorkflows.Server.Pages.History;

/// <summary>The audit log, oldest first from a place on. Who reads it is written into it.</summary>
[Authorize(Permissions.Audit)]
public sealed class AuditLogModel(IAuditLog log, IFailoverLog failoverLog, IVmsServers servers, ViewingTrail viewings) : PageModel
{
    private const int PerPage = 200;

    private AuditSubjects? subjects;

    public IReadOnlyList<AuditEntry> Entries { get; private set; } = [];

    public long After { get; private set; }

    public long? NextAfter { get; private set; }

    public async Task OnGetAsync(CancellationToken cancellationToken, long after = 0)
    {
        await viewings.NoteAsync(HttpContext, "read audit log", null, cancellationToken);
        After = Math.Max(0, after);
        Entries = await log.ReadAsync(After, PerPage, cancellationToken);
        NextAfter = Entries.Count == PerPage ? Entries[^1].Sequence : null;
        subjects = await AuditSubjects.FindAsync(Entries, failoverLog, servers, cancellationToken);
    }

    internal AuditSubject? SubjectOf(AuditRecord record) => subjects?.Of(record);
}
