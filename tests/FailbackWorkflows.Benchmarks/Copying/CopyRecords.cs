namespace FailbackWorkflows.Benchmarks.Copying;

/// <summary>Material copy of very many small records; what matters besides the rate is that memory stays steady.</summary>
internal static class CopyRecords
{
    private const long MostBytes = 256L * 1024 * 1024;

    public static async Task<int> RunAsync(Options options)
    {
        var count = options.Number("records", 1_000_000);
        var rounds = options.Number("rounds", 3);
        var folder = Directory.CreateDirectory(Path.Combine(Path.GetFullPath(options.Text("folder", Path.GetTempPath())), $"copying-{Guid.NewGuid():N}")).FullName;
        await using var site = await CopySite.StartAsync(folder, 8);
        await site.PutRecordsAsync(count, 8);
        Console.WriteLine(FormattableString.Invariant($"copy-records: {count} ANPR reads on 8 channels, {rounds} rounds, medians"));
        var costs = new List<CopyCost>();
        for (var round = 0; round < rounds; round++)
        {
            await using var target = await site.NewTargetAsync();
            costs.Add(await site.CopyAsync(target));
            if (costs[^1].Task.RecordsDone != count)
            {
                throw new InvalidOperationException($"{costs[^1].Task.RecordsDone} records were copied, not {count}.");
            }
        }

        var wall = CopySegments.Median(costs.Select(c => c.Wall.TotalSeconds));
        var peak = costs.Max(c => c.PeakTargetBytes);
        var source = site.Source.PeakResidentBytes();
        Console.WriteLine(FormattableString.Invariant(
            $"  {wall,7:N1} s  {count / wall,8:N0} records/s  {CopySegments.Median(costs.Select(c => c.Processor.TotalSeconds)) * 1e6 / count,6:N1} CPU us/record  peak {peak / 1e6:N0} MB (target), {source / 1e6:N0} MB (source), aim {MostBytes / 1e6:N0} MB: {(peak <= MostBytes ? "met" : "missed")}"));
        return 0;
    }
}
