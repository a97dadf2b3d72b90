using System.Diagnostics;
using FailbackWorkflows.Recorders.MaterialCopy;

namespace FailbackWorkflows.Benchmarks.Copying;

/// <summary>The target is killed in the middle of a copy and started again: how long until it copies on, and how much it fetches twice.</summary>
internal static class CopyResume
{
    public static async Task<int> RunAsync(Options options)
    {
        var kills = options.Number("kills", 5);
        var tracks = options.Number("tracks", 16);
        var segments = options.Number("segments", 200);
        var bytes = options.Number("bytes", 256_000);
        var folder = Directory.CreateDirectory(Path.Combine(Path.GetFullPath(options.Text("folder", Path.GetTempPath())), $"copying-{Guid.NewGuid():N}")).FullName;
        await using var site = await CopySite.StartAsync(folder, tracks);
        await site.PutSegmentsAsync(tracks, segments, bytes, TimeSpan.FromSeconds(10));
        await using var target = await site.NewTargetAsync();
        var total = tracks * segments;
        var resumed = new List<double>();
        long? expectMoreThan = null;
        var started = 0L;
        Console.WriteLine(FormattableString.Invariant($"copy-resume: {tracks} tracks x {segments} segments x {bytes} bytes, killed {kills} times on the way"));
        var cost = await site.CopyAsync(target, meanwhile: async task =>
        {
            if (expectMoreThan is { } before && task.State == CopyTaskState.Running && task.SegmentsDone > before)
            {
                resumed.Add(Stopwatch.GetElapsedTime(started).TotalSeconds);
                expectMoreThan = null;
            }

            if (expectMoreThan is null && resumed.Count < kills && task.SegmentsDone > total * (resumed.Count + 1) / (kills + 1))
            {
                expectMoreThan = task.SegmentsDone;
                await target.KillAsync();
                started = Stopwatch.GetTimestamp();
                await target.StartAsync(new Dictionary<string, string> { ["bootConfirm"] = "00:00:00" });
            }
        });
        Console.WriteLine(FormattableString.Invariant(
            $"  killed {resumed.Count} times   start to the next stored segment: median {CopySegments.Median(resumed.DefaultIfEmpty()):N1} s, most {resumed.DefaultIfEmpty().Max():N1} s   {cost.Task.SegmentsDone} of {total} segments counted, whole copy {cost.Wall.TotalSeconds:N1} s"));
        return 0;
    }
}
