using FailbackWorkflows.Testing.Processes;

namespace FailbackWorkflows.Benchmarks.Copying;

/// <summary>
/// Material copy of many segments between two real recorders on one machine: durable (bytes and index flushed) and verified (sha256 on
/// arrival, everything read again). With <c>--beside rclone</c> the same files are also copied by rclone over HTTP, flushed and compared by a
/// check that downloads, alternately in the same run.
/// </summary>
internal static class CopySegments
{
    public static Task<int> LargeAsync(Options options) => RunAsync("copy-large", options, tracks: 64, segments: 1, bytes: 30_000_000, TimeSpan.FromSeconds(60));

    public static Task<int> SmallAsync(Options options) => RunAsync("copy-small", options, tracks: 64, segments: 2_000, bytes: 64_000, TimeSpan.FromSeconds(10));

    private static async Task<int> RunAsync(string name, Options options, int tracks, int segments, int bytes, TimeSpan length)
    {
        tracks = options.Number("tracks", tracks);
        segments = options.Number("segments", segments);
        bytes = options.Number("bytes", bytes);
        var rounds = options.Number("rounds", 3);
        var beside = options.Text("beside", "").Split(',', StringSplitOptions.RemoveEmptyEntries);
        var count = tracks * segments;
        var gigabytes = (double)count * bytes / 1e9;
        Console.WriteLine(FormattableString.Invariant($"{name}: {tracks} tracks x {segments} segments x {bytes} bytes = {gigabytes:N2} GB, {rounds} rounds, medians"));
        await using var site = await CopySite.StartAsync(options, tracks, supply => supply.PutSegmentsAsync(tracks, segments, bytes, length));

        var ours = new List<CopyCost>();
        var others = beside.ToDictionary(b => b, _ => new List<OtherCost>());
        for (var round = 0; round < rounds; round++)
        {
            var target = await site.NewTargetAsync();
            await using (target)
            {
                ours.Add(await site.CopyAsync(target));
                if (ours[^1].Task.SegmentsDone != count)
                {
                    throw new InvalidOperationException($"{ours[^1].Task.SegmentsDone} segments were copied, not {count}.");
                }

                if (round == 0)
                {
                    await AgainAsync(site, target);
                }
            }

            await CopySite.RemoveAsync(target);
            foreach (var other in beside)
            {
                others[other].Add(await OtherCopiers.RunAsync(other, site.SourceSegments, site.FolderOf(other)));
            }
        }

        var wall = Median(ours.Select(o => o.Wall.TotalSeconds));
        var processor = Median(ours.Select(o => o.Processor.TotalSeconds));
        Console.WriteLine(FormattableString.Invariant(
            $"  material copy           {wall,7:N1} s  {gigabytes * 1000 / wall,7:N0} MB/s  {count / wall,8:N0} segments/s  {processor / gigabytes,6:N2} CPU s/GB  peak {ours.Max(o => o.PeakTargetBytes) / 1e6:N0} MB (target), {ours.Max(o => o.PeakSourceBytes) / 1e6:N0} MB (source)"));
        Console.WriteLine(FormattableString.Invariant(
            $"  per segment             {Median(ours.Select(o => o.TargetProcessor.TotalMicroseconds)) / count,7:N0} CPU us (target)  {Median(ours.Select(o => o.SourceProcessor.TotalMicroseconds)) / count,7:N0} CPU us (source)"));
        foreach (var (other, costs) in others)
        {
            Print($"{other} copy", costs.Select(c => c.Copy), wall, processor, gigabytes);
            Print($"{other} copy+sync+check", costs.Select(c => c.Whole), wall, processor, gigabytes);
        }

        return 0;
    }

    private static void Print(string what, IEnumerable<(TimeSpan Wall, TimeSpan Processor)> costs, double ourWall, double ourProcessor, double gigabytes)
    {
        var list = costs.ToList();
        var wall = Median(list.Select(c => c.Wall.TotalSeconds));
        var processor = Median(list.Select(c => c.Processor.TotalSeconds));
        Console.WriteLine(FormattableString.Invariant(
            $"  {what,-22}  {wall,7:N1} s  {gigabytes * 1000 / wall,7:N0} MB/s  {processor / gigabytes,25:N2} CPU s/GB  ours takes {ourWall / wall:N2} of its time, {ourProcessor / processor:N2} of its CPU"));
    }

    /// <summary>The same period once more: nothing is fetched.</summary>
    private static async Task AgainAsync(CopySite site, RecorderProcess target)
    {
        var again = await site.CopyAsync(target, "again");
        Console.WriteLine(FormattableString.Invariant($"  again                   {again.Wall.TotalSeconds,7:N1} s  {again.Task.BytesDone} bytes, {again.Task.SegmentsDone} new"));
        if (again.Task.BytesDone != 0 || again.Task.SegmentsDone != 0)
        {
            throw new InvalidOperationException("A finished copy was not left alone.");
        }
    }

    internal static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToList();
        return sorted.Count % 2 == 1 ? sorted[sorted.Count / 2] : (sorted[(sorted.Count / 2) - 1] + sorted[sorted.Count / 2]) / 2;
    }
}
