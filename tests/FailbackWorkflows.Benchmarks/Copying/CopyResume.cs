using FailbackWorkflows.Recorders.MaterialCopy;

namespace FailbackWorkflows.Benchmarks.Copying;

/// <summary>
/// The target is killed in the middle of a copy and started again: how long until it copies on, how much more is sent, and what the kills
/// cost altogether beside the same copy left alone.
/// </summary>
internal static class CopyResume
{
    public static async Task<int> RunAsync(Options options)
    {
        var kills = options.Number("kills", 5);
        var tracks = options.Number("tracks", 16);
        var segments = options.Number("segments", 500);
        var bytes = options.Number("bytes", 256_000);
        var total = (long)tracks * segments;
        Console.WriteLine(FormattableString.Invariant($"copy-resume: {tracks} tracks x {segments} segments x {bytes} bytes = {total * bytes / 1e9:N2} GB, killed {kills} times on the way"));
        await using var site = await CopySite.StartAsync(options, tracks, supply => supply.PutSegmentsAsync(tracks, segments, bytes, TimeSpan.FromSeconds(10)));
        await using var relay = CountingRelay.Start(site.Source.BaseUrl);

        var alone = await site.NewTargetAsync();
        CopyCost uninterrupted;
        await using (alone)
        {
            uninterrupted = await site.CopyAsync(alone, "alone", address: relay.BaseUrl);
        }

        await CopySite.RemoveAsync(alone);
        var sentAlone = relay.BytesSent;
        Console.WriteLine(FormattableString.Invariant($"  uninterrupted           {uninterrupted.Wall.TotalSeconds,7:N1} s  {sentAlone / 1e6:N1} MB sent by the source"));

        await using var target = await site.NewTargetAsync();
        var resumed = new List<double>();
        var started = new List<double>();
        long? storedBefore = null;
        var since = 0L;
        var cost = await site.CopyAsync(target, "killed", address: relay.BaseUrl, meanwhile: async task =>
        {
            if (storedBefore is { } before && (task.SegmentsDone > before || task.State is CopyTaskState.Verifying or CopyTaskState.Copied))
            {
                resumed.Add(TimeProvider.System.GetElapsedTime(since).TotalSeconds);
                storedBefore = null;
                Console.WriteLine(FormattableString.Invariant($"  kill {resumed.Count,-2}                 {resumed[^1],7:N1} s from the start to the next stored segment, of these {started[^1]:N1} s until it serves   {task.SegmentsDone} of {total} stored"));
            }

            if (storedBefore is null && resumed.Count < kills && task.State == CopyTaskState.Running && task.SegmentsDone > total * (resumed.Count + 1) / (kills + 1))
            {
                await target.KillAsync();
                storedBefore = task.SegmentsDone;
                since = TimeProvider.System.GetTimestamp();
                await site.StartAgainAsync(target);
                started.Add(TimeProvider.System.GetElapsedTime(since).TotalSeconds);
            }
        });
        var sentAgain = relay.BytesSent - sentAlone - sentAlone;
        if (cost.Task.SegmentsDone != total)
        {
            throw new InvalidOperationException($"{cost.Task.SegmentsDone} segments were counted, not {total}.");
        }

        Console.WriteLine(FormattableString.Invariant(
            $"  killed {resumed.Count} times          {cost.Wall.TotalSeconds,7:N1} s  {cost.Wall / uninterrupted.Wall:N2} of the time uninterrupted   {sentAgain / 1e6 / Math.Max(1, resumed.Count):N2} MB more sent per kill (the lists read anew, and what lay in the kernel)   to the next stored segment: median {CopySegments.Median(resumed.DefaultIfEmpty()):N1} s, most {resumed.DefaultIfEmpty().Max():N1} s"));
        return resumed.Count == kills ? 0 : throw new InvalidOperationException($"The copy was over after {resumed.Count} kills; make it larger.");
    }
}
