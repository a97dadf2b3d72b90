using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.MaterialCopy;
using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Persistence.Seals;
using FailbackWorkflows.Server.Pages;

namespace FailbackWorkflows.Server.Evidence;

/// <summary>The part of a pack that a person reads: one page of HTML that needs nothing from anywhere.</summary>
internal sealed class EvidenceReport
{
    private const string Style =
        "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#16202c;background:#fff}table{border-collapse:collapse;width:100%}"
        + "th,td{text-align:left;vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid #dde3ea}h2{margin-top:2rem}code{overflow-wrap:anywhere}";

    private readonly StringBuilder _html = new();

    private EvidenceReport()
    {
    }

    public static string Write(
        FailoverLogEntry entry,
        IReadOnlyList<RunReport> reports,
        IReadOnlyList<PersonsDoing> people,
        EntrySettingsReport settings,
        IReadOnlyList<KeptCoverage> coverage,
        IReadOnlyList<RunEvidence> runs,
        IReadOnlyList<string> findings,
        Actor by,
        DateTimeOffset at)
    {
        var report = new EvidenceReport();
        report._html.Append(CultureInfo.InvariantCulture, $"<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Failover of {Text(entry.FailedServerId)}</title><style>{Style}</style></head><body>");
        report._html.Append(CultureInfo.InvariantCulture, $"<h1>Failover of {Text(entry.FailedServerId)}</h1><p>Exported {Text(Time(at))} by {Text(by.Name)}. This page is for reading; what proves it are the files beside it. Check them with <code>sh verify.sh</code>, best with a copy of that script that did not come with them.</p>");
        if (findings.Count > 0)
        {
            report.Table("What the server that exported this found to be wrong", [""], findings.Select(f => new[] { f }));
        }

        report.Facts(entry);
        report.Runs(reports, runs);
        report.Table("People and reasons", ["When", "Who", "What", "Why", "Where"], people.Select(p => new[] { Time(p.At), Name(p.Actor), p.What, p.Reason ?? "–", p.Where }));
        report.Settings(settings);
        report.Table("Material", ["Report", "SHA-256", "Kept"], coverage.Select(c => new[] { c.TaskId, c.Sha256, Time(c.KeptAt) }));
        report._html.Append("<h2>What is proven, and what not</h2><p>The journals and the part of the audit log are, byte by byte, what was sealed by the checkpoints beside them. The other files are what the management server said when it exported them: it signed them, and nothing else proves them. ");
        report._html.Append("Nothing here proves what was written before it was sealed (up to a minute), nor that the management server's clock was right, nor that its private key was kept secret. Compare the ids of the keys with those that the server shows.</p></body></html>\n");
        return report._html.ToString();
    }

    private void Facts(FailoverLogEntry entry) => Table("The failover", ["", ""], new (string Name, string? Value)[]
    {
        ("Entry", entry.Id),
        ("Failed server", entry.FailedServerId),
        ("Failover server", entry.FailoverServerId),
        ("Failover", $"{entry.Failover}, {Time(entry.FailoverStartedAt)} to {Time(entry.FailoverEndedAt)}"),
        ("Failback", $"{entry.Failback}, {Time(entry.FailbackStartedAt)} to {Time(entry.FailbackEndedAt)}"),
        ("Material copy", entry.MaterialCopy.ToString()),
        ("Started by", entry.StartedBy),
        ("Reason", entry.Reason),
        ("Clock of the failover server at the failover", Clock(entry.Clocks?.FailoverServerAtStart)),
        ("Clock of the failover server at the failback", Clock(entry.Clocks?.FailoverServerAtEnd)),
        ("Clock of the failed server at the failback", Clock(entry.Clocks?.FailedServerAtEnd)),
        ("What happened last", entry.Message),
    }.Select(fact => new[] { fact.Name, fact.Value ?? "–" }));

    private void Runs(IReadOnlyList<RunReport> reports, IReadOnlyList<RunEvidence> runs)
    {
        foreach (var run in reports)
        {
            var evidence = runs.First(r => r.RunId == run.RunId);
            Table(
                $"{run.DefinitionId}, version {run.DefinitionVersion}: {run.Result}",
                ["Step", "State", "From", "To", "What it said"],
                run.Steps.Select(s => new[] { $"{s.Number} {s.Name}".Trim(), s.State.ToString(), Time(s.StartedAt), Time(s.EndedAt), s.Message ?? s.Outcome ?? "–" }));
            _html.Append(CultureInfo.InvariantCulture, $"<p>Run <code>{Text(run.RunId)}</code>, started by {Text(Name(run.StartedBy))}. Definition <code>{Text(evidence.DefinitionVersionId)}</code>; {evidence.Lines.Count} events in <code>journal/{Text(run.RunId)}.ndjson</code>, sealed by checkpoint {evidence.Proof!.Checkpoint.Number}.</p>");
        }
    }

    private void Settings(EntrySettingsReport settings)
    {
        Table("Settings", ["Bundle", "SHA-256", "Taken"], new[] { ("before", settings.Before), ("now", settings.Now), ("at the failed server", settings.AtFailedServer) }
            .Where(s => s.Item2 is not null).Select(s => new[] { s.Item1, s.Item2!.Sha256, Time(s.Item2.TakenAt) }));
        Table("Changes of settings during the failover", ["What"], settings.Changes.Select(c => new[] { c.Sentence }));
    }

    private void Table(string title, string[] columns, IEnumerable<string[]> rows)
    {
        _html.Append(CultureInfo.InvariantCulture, $"<h2>{Text(title)}</h2>");
        var all = rows.ToList();
        if (all.Count == 0)
        {
            _html.Append("<p>There is none.</p>");
            return;
        }

        _html.Append("<table>");
        if (columns.Any(c => c.Length > 0))
        {
            _html.Append(CultureInfo.InvariantCulture, $"<tr>{string.Concat(columns.Select(c => $"<th scope=\"col\">{Text(c)}</th>"))}</tr>");
        }

        foreach (var row in all)
        {
            _html.Append(CultureInfo.InvariantCulture, $"<tr>{string.Concat(row.Select(cell => $"<td>{Text(cell)}</td>"))}</tr>");
        }

        _html.Append("</table>");
    }

    private static string Name(Actor actor) => actor.Address is null ? $"{actor.Name} ({actor.Kind})" : $"{actor.Name} ({actor.Kind}, {actor.Address})";

    private static string? Clock(Failback.Clocks.ClockOffset? clock) => clock is null ? null : Wording.Clock(clock);

    private static string Time(DateTimeOffset? at) => at?.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss.fff 'UTC'", CultureInfo.InvariantCulture) ?? "–";

    private static string Text(string text) => HtmlEncoder.Default.Encode(text);
}
