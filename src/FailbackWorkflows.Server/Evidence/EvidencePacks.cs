using System.Globalization;
using System.Text;
using System.Text.Json;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.MaterialCopy;
using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Persistence.Seals;
using FailbackWorkflows.Persistence.Workflows;
using FailbackWorkflows.Recorders;

namespace FailbackWorkflows.Server.Evidence;

/// <summary>An evidence pack as it is handed out.</summary>
public sealed record EvidenceArchive(string FileName, byte[] Tar);

/// <summary>
/// Makes evidence packs: everything about one failover, from its journals to the coverage of its material, with what proves on another machine that it is what was
/// written here. See <c>docs/auditors.md</c>.
/// </summary>
public sealed class EvidencePacks(
    IFailoverLog log,
    IWorkflowInstances instances,
    IRunReports reports,
    IHistorySeals seals,
    ISealedHistory history,
    IHistoryVerifications verifications,
    EntrySettings settings,
    IMaterialCopies copies,
    TimeProvider time)
{
    private const int PageSize = 200;

    /// <summary>How long before and after the failover people's doings outside of workflows are added.</summary>
    private static readonly TimeSpan Around = TimeSpan.FromHours(1);

    private static readonly JsonSerializerOptions Indented = new(RecorderJson.Options) { WriteIndented = true };

    /// <summary>
    /// Seals what is unsealed, then makes the pack; null when there is no such entry. Throws <see cref="SealConflictException"/> when nothing can be sealed, because
    /// a pack without seals proves nothing.
    /// </summary>
    public async Task<EvidenceArchive?> MakeAsync(string entryId, Actor by, CancellationToken cancellationToken)
    {
        if (await log.FindAsync(entryId, cancellationToken) is not { } entry)
        {
            return null;
        }

        while (await seals.SealAsync(cancellationToken) is { Heads.Count: >= IHistorySeals.MostNew })
        {
            // There is more, from before an upgrade.
        }

        var now = time.GetUtcNow();
        var name = $"evidence-{Named(entry.Id)}";
        var pack = new EvidencePack(name, now);
        var checkpoints = new SortedDictionary<long, CheckpointText>();
        foreach (var checkpoint in await history.ListKeysAsync(cancellationToken))
        {
            checkpoints[checkpoint.Number] = checkpoint;
        }

        var ids = await RunsOfAsync(entry, cancellationToken);
        var runs = await AddRunsAsync(pack, ids, checkpoints, cancellationToken);
        var audit = await history.ReadAuditAsync(entry.FailoverStartedAt - Around, (entry.FailbackEndedAt ?? now) + Around, cancellationToken);
        if (audit is not null)
        {
            pack.Add("audit-log.ndjson", Lines(audit.Lines));
            pack.Add("audit-log.before", audit.Before + "\n");
            AddProof(pack, AuditChain.Name, audit.Proof, checkpoints);
        }

        var findings = await AddFindingsAsync(pack, ids, audit, cancellationToken);
        AddCheckpoints(pack, checkpoints.Values);
        var changed = await settings.ReadAsync(entry, cancellationToken);
        pack.Add("entry.json", JsonSerializer.Serialize(entry, Indented));
        pack.Add("settings.json", JsonSerializer.Serialize(changed, Indented));
        var coverage = await AddCoverageAsync(pack, entry, cancellationToken);
        var people = EvidencePeople.Of(entry.Id, runs, audit);
        pack.Add("people.json", JsonSerializer.Serialize(people, Indented));
        var reportsOfRuns = new List<RunReport>();
        foreach (var run in runs)
        {
            if (await reports.FindAsync(run.RunId, cancellationToken) is { } report)
            {
                reportsOfRuns.Add(report);
            }
        }

        pack.Add("report.html", EvidenceReport.Write(entry, reportsOfRuns, people, changed, coverage, runs, findings, by, now));
        pack.Add("verify.sh", Script());
        await SignAsync(pack, cancellationToken);
        return new($"{name}.tar", await pack.ToTarAsync(cancellationToken));
    }

    /// <summary>The script that checks a pack, as every pack holds it.</summary>
    internal static byte[] Script()
    {
        using var stream = typeof(EvidencePacks).Assembly.GetManifestResourceStream("evidence-verify.sh")!;
        var script = new byte[stream.Length];
        stream.ReadExactly(script);
        return script;
    }

    private async Task<IReadOnlyCollection<string>> RunsOfAsync(FailoverLogEntry entry, CancellationToken cancellationToken)
    {
        var ids = new SortedSet<string>(StringComparer.Ordinal);
        ids.UnionWith(new[] { entry.FailoverRunId, entry.FailbackRunId }.OfType<string>());
        string? before = null;
        do
        {
            var page = await instances.ListAsync(new WorkflowInstanceQuery(CorrelationId: entry.Id, Before: before, Take: PageSize), cancellationToken);
            ids.UnionWith(page.Select(run => run.Id));
            before = page.Count == PageSize ? page[^1].Id : null;
        }
        while (before is not null);

        return ids;
    }

    /// <summary>
    /// What a pack holds proves itself against a checkpoint; whether somebody has had this server seal anew what was sealed before, only the file of checkpoints here says.
    /// </summary>
    private async Task<IReadOnlyList<string>> AddFindingsAsync(EvidencePack pack, IReadOnlyCollection<string> ids, AuditEvidence? audit, CancellationToken cancellationToken)
    {
        var report = await verifications.VerifyAsync(ids, audit is null ? null : (audit.Entries[0].Sequence, audit.Proof.Head.Sequence), cancellationToken);
        var findings = report.Findings.Select(finding => finding.Message.ReplaceLineEndings(" ")).ToList();
        pack.Add("findings.txt", Lines(findings));
        return findings;
    }

    private async Task<IReadOnlyList<RunEvidence>> AddRunsAsync(EvidencePack pack, IReadOnlyCollection<string> ids, SortedDictionary<long, CheckpointText> checkpoints, CancellationToken cancellationToken)
    {
        var runs = new List<RunEvidence>();
        var definitions = new HashSet<string>(StringComparer.Ordinal);
        foreach (var id in ids)
        {
            if (await history.FindRunAsync(id, cancellationToken) is not { Proof: { } proof } run)
            {
                continue;
            }

            runs.Add(run);
            pack.Add($"journal/{run.RunId}.ndjson", Lines(run.Lines));
            pack.Add($"journal/{run.RunId}.genesis", run.GenesisLine);
            AddProof(pack, run.RunId, proof, checkpoints);
            if (definitions.Add(run.DefinitionVersionId))
            {
                pack.Add($"definitions/{Named(run.DefinitionVersionId)}.json", run.DefinitionJson);
            }
        }

        return runs;
    }

    private async Task<IReadOnlyList<KeptCoverage>> AddCoverageAsync(EvidencePack pack, FailoverLogEntry entry, CancellationToken cancellationToken)
    {
        var coverage = new List<KeptCoverage>();
        foreach (var isDisputed in new[] { false, true })
        {
            var kept = isDisputed
                ? await copies.FindCoverageOfTaskAsync(MaterialCopyTask.IdOf(entry.Id, entry.FailoverServerId, isDisputed: true), cancellationToken)
                : await copies.FindCoverageAsync(entry.Id, cancellationToken);
            if (kept is not null)
            {
                coverage.Add(kept);

                // As the recorder wrote it: its digest is in the journal.
                pack.Add($"coverage/{(isDisputed ? "disputed" : "copy")}.json", JsonSerializer.Serialize(kept.Report, RecorderJson.Options));
                pack.Add($"coverage/{(isDisputed ? "disputed" : "copy")}.digest", kept.Sha256 + "\n");
            }
        }

        return coverage;
    }

    private async Task SignAsync(EvidencePack pack, CancellationToken cancellationToken)
    {
        // Whoever it is signed by is in the manifest himself.
        var (keyId, _) = await history.SignAsync("", cancellationToken);
        pack.Add("manifest.key", keyId + "\n");
        var manifest = pack.MakeManifest();
        var (_, signature) = await history.SignAsync(manifest, cancellationToken);
        pack.Add(EvidencePack.Manifest, manifest);
        pack.Add(EvidencePack.ManifestSignature, Convert.FromBase64String(signature));
    }

    private static void AddProof(EvidencePack pack, string chain, SealProof proof, SortedDictionary<long, CheckpointText> checkpoints)
    {
        checkpoints[proof.Checkpoint.Number] = proof.Checkpoint;
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"checkpoint {proof.Checkpoint.Number}\n{proof.Head.Line}\n");
        foreach (var (side, hash) in proof.Steps)
        {
            text.Append(CultureInfo.InvariantCulture, $"{side} {hash}\n");
        }

        pack.Add($"proofs/{chain}.proof", text.ToString());
    }

    private static void AddCheckpoints(EvidencePack pack, IEnumerable<CheckpointText> checkpoints)
    {
        foreach (var checkpoint in checkpoints)
        {
            var number = checkpoint.Number.ToString(CultureInfo.InvariantCulture);
            pack.Add($"checkpoints/{number}.line", checkpoint.Line);
            pack.Add($"checkpoints/{number}.sig", Convert.FromBase64String(checkpoint.Signature));
            if (Checkpoint.Parse(checkpoint.Line).NewKey is { } key)
            {
                pack.Add($"keys/{SealingKey.IdOf(key)}.pem", SealingKey.ToPem(key));
            }
        }
    }

    private static string Lines(IReadOnlyList<string> lines) => lines.Count == 0 ? "" : string.Join('\n', lines) + "\n";

    /// <summary>An id as a part of a file's name.</summary>
    private static string Named(string id) => string.Concat(id.Select(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' ? c : '-'));
}
