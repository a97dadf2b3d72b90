using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Persistence.Identity;
using FailbackWorkflows.Server.Resources;

namespace FailbackWorkflows.Server.Pages.History;

/// <summary>What a record is about, as the page shows it.</summary>
/// <param name="Text">Its name; the stored subject when nothing better is known.</param>
/// <param name="Address">Its page; null: it has none.</param>
/// <param name="Rest">What of the stored subject the text does not say.</param>
internal sealed record AuditSubject(AuditSubjectKind Kind, string Text, string? Address = null, string? Rest = null);

/// <summary>Finds what the records of a page are about: two questions to the database for all of them together.</summary>
internal sealed class AuditSubjects
{
    private readonly Dictionary<string, string> _entries;
    private readonly Dictionary<string, string> _servers;

    private AuditSubjects(Dictionary<string, string> entries, Dictionary<string, string> servers)
    {
        _entries = entries;
        _servers = servers;
    }

    public static async Task<AuditSubjects> FindAsync(IEnumerable<AuditEntry> records, IFailoverLog log, IVmsServers servers, CancellationToken cancellationToken)
    {
        var ids = records.Where(entry => IsOfSite(entry.Record)).Select(entry => IdOf(entry.Record.Subject)).OfType<string>().ToHashSet(StringComparer.Ordinal);
        if (ids.Count == 0)
        {
            return new([], []);
        }

        var entries = await log.ListFailedServersAsync(ids, cancellationToken);
        ids.UnionWith(entries.Values);
        return new(new(entries, StringComparer.Ordinal), new(await servers.ListNamesAsync(ids, cancellationToken), StringComparer.Ordinal));
    }

    /// <summary>Null: the record is about nothing in particular.</summary>
    public AuditSubject? Of(AuditRecord record)
    {
        if (record.Subject is not { Length: > 0 } subject)
        {
            return null;
        }

        if (!IsOfSite(record))
        {
            return new(AuditSubjectKind.Other, subject);
        }

        var id = IdOf(subject)!;
        if (_entries.TryGetValue(id, out var failed))
        {
            return new(AuditSubjectKind.Entry, Texts.Of("Entry of {0}", _servers.GetValueOrDefault(failed, failed)), $"/failover-log/{Uri.EscapeDataString(id)}", subject);
        }

        if (_servers.TryGetValue(id, out var name))
        {
            return new(AuditSubjectKind.Server, name, $"/servers/{Uri.EscapeDataString(id)}", name == subject ? null : subject);
        }

        // A run is not asked for: the action says that it is one.
        return IsOfRun(record) && subject == id ? new(AuditSubjectKind.Run, Texts.Of("Run {0}", id), $"/runs/{Uri.EscapeDataString(id)}")
            : subject == "system" ? new(AuditSubjectKind.Other, Texts.Of("The whole system"), null, subject)
            : new(AuditSubjectKind.Other, subject);
    }

    /// <summary>Only there a subject may be an entry, a server or a run: a user may have the name of one.</summary>
    private static bool IsOfSite(AuditRecord record) =>
        Has(record, "failover-log") || Has(record, "servers") || Has(record, "maintenance") || IsOfRun(record)
        || record.Action.Replace(' ', '-') is "read-settings" or "view-restored-material" or "export-evidence";

    private static bool IsOfRun(AuditRecord record) =>
        Has(record, "runs/{runId}") || Has(record, "?handler=Abandon") || (Has(record, "history") && record.Subject != "history" && record.Result != "no such run" && !Has(record, "chained"));

    private static bool Has(AuditRecord record, string part) => record.Action.Contains(part, StringComparison.Ordinal);

    /// <summary>Some subjects name a part of it after its id.</summary>
    private static string? IdOf(string? subject) => subject?.Split(' ', 2)[0];
}
