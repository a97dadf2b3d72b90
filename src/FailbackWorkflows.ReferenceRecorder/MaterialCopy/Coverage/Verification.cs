using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.ReferenceRecorder.MaterialCopy.Copying;
using FailbackWorkflows.ReferenceRecorder.MaterialCopy.Queue;
using FailbackWorkflows.ReferenceRecorder.Settings;

namespace FailbackWorkflows.ReferenceRecorder.MaterialCopy.Coverage;

/// <summary>
/// The last word on a task: reads again what is stored of the period, compares it with what the source lists now, and says in a report
/// what became of everything. Nothing counts as copied because somebody remembers having copied it.
/// </summary>
internal sealed class Verification(CopyRun run, IReadOnlyList<Track> tracks)
{
    /// <summary>A track of few segments alone would leave processors idle.</summary>
    private static readonly int TracksAtOnce = Math.Clamp(Environment.ProcessorCount, 2, 4);

    /// <summary>The report, or null when something is still missing that another round of copying may bring.</summary>
    /// <param name="isLast">What is missing now is lost.</param>
    public async Task<CoverageReport?> RunAsync(IReadOnlyList<RecordScope> scopes, bool isLast)
    {
        run.Progress.VerifyAgain();
        var configured = run.Store.Read(sql => ChannelSettings.Read(SettingsStore.Active(sql, run.Task.Identity).Content))
            .Where(c => c.Enabled && c.Kind is not Recorders.Recording.ChannelKind.Text).ToDictionary(c => c.Id, StringComparer.Ordinal);
        var verdicts = new TrackVerdict[tracks.Count];
        await Parallel.ForAsync(0, tracks.Count, new ParallelOptions { MaxDegreeOfParallelism = TracksAtOnce, CancellationToken = run.Stopping }, async (i, _) =>
        {
            verdicts[i] = await new TrackVerification(run, tracks[i], configured.ContainsKey(tracks[i].ChannelId), isLast).RunAsync().ConfigureAwait(false);
            await run.SaveAsync(sql => CopyTaskStore.SetTotals(sql, run.TaskId, run.Progress.AlreadyThere, run.Progress.BytesTotal, run.Progress.BytesVerified)).ConfigureAwait(false);
        }).ConfigureAwait(false);
        var mayCome = verdicts.Any(v => v.MayCome);
        var trackReports = verdicts.Select(v => v.Coverage).ToList();
        var losses = verdicts.SelectMany(v => v.Losses).ToList();
        if (mayCome && !isLast)
        {
            return null;
        }

        foreach (var channel in configured.Values.Where(c => tracks.All(t => t.ChannelId != c.Id)))
        {
            trackReports.Add(NeverRecorded(channel));
        }

        var records = await new RecordVerification(run).RunAsync(scopes).ConfigureAwait(false);
        losses.AddRange(records.Losses);
        run.Progress.AlreadyThere = verdicts.Sum(v => v.There) + records.There;
        var definition = run.Task.Definition;
        return new CoverageReport(
            run.TaskId,
            definition.EntryId,
            definition.Identity,
            definition.SourceRecorderId,
            run.Store.MachineId,
            definition.Period,
            IsComplete: true,
            IsVerified: losses.Count == 0 && trackReports.All(t => t.IsVerified) && records.Coverage.All(r => r.IsVerified),
            run.Store.Read(sql => CopyTaskStore.Find(sql, run.TaskId))?.ClockOffsetBefore,
            ClockOffsetAfter: null,
            run.Time.GetUtcNow(),
            trackReports,
            records.Coverage,
            losses,
            Sha256: null);
    }

    /// <summary>A channel that should have been recorded and of which the source has nothing at all.</summary>
    private TrackCoverage NeverRecorded(ChannelSettings channel)
    {
        var period = run.Task.PeriodOf(channel.Id);
        var none = new Amount(0, 0);
        return new TrackCoverage(
            $"{run.Task.Identity}~{channel.Id}",
            channel.Id,
            channel.Kind == Recorders.Recording.ChannelKind.Audio ? "audio" : "video",
            period.FromUtc,
            period.ToUtc,
            none,
            none,
            none,
            none,
            none,
            none,
            none,
            IsVerified: true,
            [new CoverageStretch(period.FromUtc, period.ToUtc, CoverageState.NotRecorded, null)]);
    }
}
