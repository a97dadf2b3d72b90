using System.Globalization;
using System.Text.Json;

namespace FailbackWorkflows.Demo;

/// <summary>One thing that must hold at the end.</summary>
internal sealed record Postcondition(string Name, bool Holds, string Detail);

/// <summary>
/// What must hold after a failback, seen at the recorders themselves, at the management server and by a listening client. Only looks.
/// </summary>
internal sealed class Postconditions(Processes processes, DemoState state, ChangeListener client, bool isAutomatic)
{
    private const string Identity = Processes.Failed;
    private const int Steps = 11;

    public async Task<IReadOnlyList<Postcondition>> LookAsync(CancellationToken cancellationToken) =>
    [
        .. await RunAsync(cancellationToken),
        .. await RolesAsync(cancellationToken),
        .. await SettingsAsync(cancellationToken),
        .. await MaterialAsync(cancellationToken),
        .. await CopyAsync(cancellationToken),
        .. await CommandsAsync(cancellationToken),
        .. Notified(),
        .. await ByItselfAsync(cancellationToken),
    ];

    /// <summary>With <c>--automatic</c>: who started the runs.</summary>
    private async Task<IEnumerable<Postcondition>> ByItselfAsync(CancellationToken cancellationToken)
    {
        if (!isAutomatic)
        {
            return [];
        }

        var failover = (await processes.Management.GetRunAsync(state.FailoverRunId!, cancellationToken)).StartedBy;
        var failback = (await processes.Management.GetRunAsync(state.FailbackRunId!, cancellationToken)).StartedBy;
        return
        [
            new("the failover began by itself", failover is { Kind: "schedule", Id: "automatic-failover" }, failover.Name),
            new("the failback began by itself", failback is { Kind: "schedule", Id: "automatic-failback" }, failback.Name),
            new("the material copy began by itself", state.CopyAttempt == 1, state.CopyAttempt == 1 ? "nobody asked for it" : $"the demo had to ask {state.CopyAttempt - 1} times"),
        ];
    }


    private async Task<IEnumerable<Postcondition>> RunAsync(CancellationToken cancellationToken)
    {
        var run = await processes.Management.GetRunAsync(state.FailbackRunId!, cancellationToken);
        var entry = await processes.Management.GetEntryAsync(state.EntryId!, cancellationToken);
        var done = run.Steps.Where(s => s.Number is not null && s.State == "done" && s.StartedAt is not null && s.EndedAt is not null).Select(s => s.Number).ToList();
        return
        [
            new("failback run ended as done", run.Result == "done", run.Message ?? run.Result),
            new("all 11 steps done, with times", done.SequenceEqual(Enumerable.Range(1, Steps).Select(n => (int?)n)), string.Join(' ', done)),
            new(
                "failover log entry",
                entry is { Failover: "done", Failback: "done", FailbackStartedAt: not null, FailbackEndedAt: not null } && entry.FailbackRunId == run.RunId,
                $"failover {entry.Failover}, failback {entry.Failback}, material copy {entry.MaterialCopy}"),
        ];
    }

    private async Task<IEnumerable<Postcondition>> RolesAsync(CancellationToken cancellationToken)
    {
        var servers = await processes.Management.ListServersAsync(cancellationToken);
        var failed = servers.First(s => s.Id == Processes.Failed);
        var granted = servers.SelectMany(s => s.ActsAs.Select(d => (Server: s.Id, Duty: d))).ToList();
        var epoch = granted.FirstOrDefault(g => g.Duty.Identity == Identity).Duty?.Epoch ?? 0;
        var atFailed = await DutyAsync(Processes.Failed, Identity, cancellationToken);
        var atFailover = await DutyAsync(Processes.Failover, Identity, cancellationToken);
        var results = new List<Postcondition>
        {
            new("registry: recorder-1 is ok and has its duty", failed.State == "ok" && failed.ActsAs.Any(d => d.Identity == Identity), $"{failed.State}, epoch {epoch}"),
            new("recorder-1 records its duty", atFailed is { Role: "recorder", Recording: true, Disputed: false } && atFailed.Epoch == epoch, Describe(atFailed)),
            new("recorder-2 is its failover server, stopped", atFailover is { Role: "failoverServer", Recording: false } && atFailover.Epoch == epoch, Describe(atFailover)),
        };
        foreach (var name in new[] { Processes.Failover, Processes.Bystander })
        {
            var own = await DutyAsync(name, name, cancellationToken);
            results.Add(new($"{name} records its own duty as before", own is { Role: "recorder", Recording: true }, Describe(own)));
        }

        return results;
    }

    private async Task<IEnumerable<Postcondition>> SettingsAsync(CancellationToken cancellationToken)
    {
        var atFailed = await processes.Recorders[Processes.Failed].FindSettingsAsync(Identity, cancellationToken);
        var atFailover = await processes.Recorders[Processes.Failover].FindSettingsAsync(Identity, cancellationToken);
        if (atFailed is null || atFailover is null)
        {
            return [new("settings of recorder-1 at both servers", false, "missing")];
        }

        var unmasked = atFailed.UnmaskedChannels();
        return
        [
            new(
                "settings of recorder-2 came home (sha256)",
                atFailed.Sha256 == state.SettingsSha256 && atFailover.Sha256 == state.SettingsSha256,
                $"{Short(atFailed.Sha256)} = {Short(atFailover.Sha256)}"),
            new(
                "settings revision is the one taken over",
                atFailover.Revision == state.SettingsRevision && atFailed.Revision > 1,
                $"revision {atFailover.Revision} of recorder-2 is revision {atFailed.Revision} of recorder-1"),
            new("settings can be changed again", !atFailed.Frozen && !atFailover.Frozen, atFailover.Frozen ? "frozen" : "not frozen"),
            new(
                "privacy masks are there, the new one too",
                unmasked.Count == 0 && atFailed.Content.ToJsonString().Contains($"\"{DemoMask.IdOf(state.Round)}\"", StringComparison.Ordinal),
                unmasked.Count == 0 ? $"{atFailed.MaskCount} masks" : $"without a mask: {string.Join(", ", unmasked)}"),
        ];
    }

    private async Task<IEnumerable<Postcondition>> MaterialAsync(CancellationToken cancellationToken)
    {
        var entry = await processes.Management.GetEntryAsync(state.EntryId!, cancellationToken);
        var hold = await processes.Recorders[Processes.Failover].FindHoldAsync(state.EntryId!, cancellationToken);
        var last = entry.LastTimes ?? new Dictionary<string, DateTimeOffset>();
        var first = entry.AuthorityEnds ?? new Dictionary<string, DateTimeOffset>();
        var wasInterrupted = state.WasInterrupted || processes.Restarted.Count > 0;
        var overlaps = first.Where(f => last.ContainsKey(f.Key)).Select(f => last[f.Key] - f.Value).ToList();
        var channels = await processes.Recorders[Processes.Failed].GetRecordingAsync(Identity, cancellationToken);
        var required = channels.Where(c => c.Enabled && c.Required).ToList();
        return
        [
            new("every required channel records", required.Count > 0 && required.All(c => c.Recording && c.FirstFrameAt is not null), $"{required.Count(c => c.Recording)} of {required.Count}"),
            new(
                "no gap at the switch on any channel",
                overlaps.Count > 0 && overlaps.Count == required.Count && (wasInterrupted || overlaps.All(o => o >= TimeSpan.Zero)),
                overlaps.Count == 0
                    ? "times missing"
                    : string.Create(CultureInfo.InvariantCulture, $"both recorded for {overlaps.Min().TotalMilliseconds:0} to {overlaps.Max().TotalMilliseconds:0} ms{(wasInterrupted ? "; programs were killed meanwhile" : "")}")),
            new(
                "material of the failover was held until it was home",
                hold is { ToUtc: not null, Release: "verifiedCopy" } && hold.Identity == Identity && last.Count > 0 && hold.ToUtc >= last.Values.Max(),
                hold is null ? "no hold" : $"{hold.FromUtc:HH:mm:ss} to {hold.ToUtc:HH:mm:ss}, {hold.Release ?? "not released"}"),
        ];
    }

    /// <summary>The report is the copier's own word; what it says is compared at the two recorders themselves.</summary>
    private async Task<IEnumerable<Postcondition>> CopyAsync(CancellationToken cancellationToken)
    {
        var entry = await processes.Management.GetEntryAsync(state.EntryId!, cancellationToken);
        var coverage = await processes.Management.GetCoverageAsync(state.EntryId!, cancellationToken);
        var kinds = coverage.Tracks.Where(t => t is { IsVerified: true, Copied.Segments: > 0 }).Select(t => t.Kind)
            .Concat(coverage.Records.Where(r => r is { IsVerified: true, Copied: > 0 }).Select(r => r.Kind)).ToHashSet();
        var lacking = MaterialKinds.All.Where(k => !kinds.Contains(k)).ToList();
        var (segments, noSegments) = await CompareSegmentsAsync(coverage, cancellationToken);
        var (records, noRecords) = await CompareRecordsAsync(coverage, cancellationToken);
        return
        [
            new("material copy of the log entry", entry.MaterialCopy == "copied", entry.MaterialCopy),
            new(
                "coverage report: everything verified, no loss",
                coverage.IsVerified && coverage.Losses.Count == 0 && coverage.Tracks.All(t => t.IsVerified) && coverage.Records.All(r => r.IsVerified),
                $"{Terminal.Count(coverage.Tracks.Sum(t => t.Verified.Segments), "segment")}, {Terminal.Count(coverage.Records.Sum(r => r.Expected), "record")}"),
            new("all six kinds were copied and verified", lacking.Count == 0, lacking.Count == 0 ? string.Join(", ", MaterialKinds.All) : $"not {string.Join(", ", lacking)}"),
            new("every segment of the period is at both recorders", segments > 0 && noSegments.Count == 0, Compared(segments, noSegments, "id, size and sha256")),
            new("every record of the period is at both recorders", records > 0 && noRecords.Count == 0, Compared(records, noRecords, "id, revision and sha256")),
        ];
    }

    private async Task<(int Same, IReadOnlyList<string> Other)> CompareSegmentsAsync(Coverage coverage, CancellationToken cancellationToken)
    {
        var (same, other) = (0, new List<string>());
        foreach (var track in coverage.Tracks)
        {
            var source = await processes.Recorders[Processes.Failover].ListSegmentsAsync(track.TrackId, track.From, track.To, cancellationToken);
            var target = await processes.Recorders[Processes.Failed].ListSegmentsAsync(track.TrackId, track.From, track.To, cancellationToken);
            foreach (var segment in source.Where(s => s.Disputed == "none"))
            {
                // What the failed server recorded itself, while both did, is there already and is not stored twice.
                if (target.Any(t => t.Id == segment.Id && t.Sha256 == segment.Sha256 && t.Bytes == segment.Bytes) || target.Any(t => t.From < segment.To && t.To > segment.From && t.Id != segment.Id))
                {
                    same++;
                }
                else
                {
                    other.Add(segment.Id);
                }
            }
        }

        return (same, other);
    }

    private async Task<(int Same, IReadOnlyList<string> Other)> CompareRecordsAsync(Coverage coverage, CancellationToken cancellationToken)
    {
        var (same, other) = (0, new List<string>());
        foreach (var records in coverage.Records)
        {
            var source = await processes.Recorders[Processes.Failover].ListRecordsAsync(Identity, records.Kind, records.ChannelId, records.From, records.To, cancellationToken);
            var target = (await processes.Recorders[Processes.Failed].ListRecordsAsync(Identity, records.Kind, records.ChannelId, records.From, records.To, cancellationToken)).ToDictionary(r => r.Id);
            foreach (var record in source.Where(s => s.Disputed == "none"))
            {
                // An alarm that was open at the switch goes on at the failed server, under later revisions. A line of text that both took down
                // while both recorded is one line under two ids, and is not stored twice.
                if ((target.TryGetValue(record.Id, out var there) && (there.Sha256 == record.Sha256 || there.Revision > record.Revision))
                    || (records.Kind == MaterialKinds.Text && target.Values.Any(t => t.TimeUtc == record.TimeUtc && t.Disputed == "none" && JsonElement.DeepEquals(t.Body, record.Body))))
                {
                    same++;
                }
                else
                {
                    other.Add(record.Id);
                }
            }
        }

        return (same, other);
    }

    private static string Compared(int same, IReadOnlyList<string> other, string by) =>
        other.Count == 0 ? $"{same} compared by {by}" : $"not at recorder-1: {string.Join(' ', other.Take(3))}";

    private async Task<IEnumerable<Postcondition>> CommandsAsync(CancellationToken cancellationToken)
    {
        var keys = new List<RecorderKey>();
        foreach (var name in new[] { Processes.Failed, Processes.Failover })
        {
            keys.AddRange(await processes.Recorders[name].ListKeysAsync(state.FailbackRunId!, cancellationToken));
        }

        return [new("no recorder command took effect twice", keys.Any(k => k.EffectCount == 1) && keys.All(k => k.EffectCount <= 1), $"{keys.Count} commands, {keys.Sum(k => k.Replays)} repeats answered from memory")];
    }

    private IEnumerable<Postcondition> Notified()
    {
        var heard = client.Heard;
        return [new("clients were notified of the system change", heard.Any(c => c.Kind == "systemChange"), $"{heard.Count} events heard")];
    }

    private Task<RecorderDuty?> DutyAsync(string recorder, string identity, CancellationToken cancellationToken) =>
        processes.Recorders[recorder].FindDutyAsync(identity, cancellationToken);

    private static string Describe(RecorderDuty? duty) => duty is null
        ? "unknown"
        : $"{duty.Role}, epoch {duty.Epoch}{(duty.Recording ? ", recording" : "")}{(duty.Disputed ? ", disputed" : "")}";

    private static string Short(string sha256) => sha256[..Math.Min(12, sha256.Length)];
}
