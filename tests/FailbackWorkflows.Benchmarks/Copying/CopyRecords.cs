using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.Testing.Processes;

namespace FailbackWorkflows.Benchmarks.Copying;

/// <summary>Material copy of very many small records; what matters besides the rate is that memory stays steady.</summary>
internal static class CopyRecords
{
    private const long MostBytes = 256L * 1024 * 1024;

    public static async Task<int> RunAsync(Options options)
    {
        var count = options.Number("records", 1_000_000);
        var rounds = options.Number("rounds", 1);
        var channels = options.Number("channels", 64);
        Console.WriteLine(FormattableString.Invariant($"copy-records: {count} ANPR reads on {channels} channels, {rounds} rounds, medians"));
        await using var site = await CopySite.StartAsync(options, channels, supply => supply.PutRecordsAsync(count, channels));
        var costs = new List<CopyCost>();
        for (var round = 0; round < rounds; round++)
        {
            var target = await site.NewTargetAsync();
            await using (target)
            {
                costs.Add(await site.CopyAsync(target, meanwhile: round == 0 ? Watch(site, target, count) : null));
                if (costs[^1].Task.RecordsDone != count)
                {
                    throw new InvalidOperationException($"{costs[^1].Task.RecordsDone} records were copied, not {count}.");
                }

                if (round == 0)
                {
                    var again = await site.CopyAsync(target, "again");
                    Console.WriteLine(FormattableString.Invariant($"  again                   {again.Wall.TotalSeconds,7:N1} s  {again.Task.RecordsDone} new"));
                    if (again.Task.RecordsDone != 0)
                    {
                        throw new InvalidOperationException("A finished copy was not left alone.");
                    }
                }
            }

            await CopySite.RemoveAsync(target);
        }

        var wall = CopySegments.Median(costs.Select(c => c.Wall.TotalSeconds));
        var (target1, source) = (costs.Max(c => c.PeakTargetBytes), costs.Max(c => c.PeakSourceBytes));
        Console.WriteLine(FormattableString.Invariant(
            $"  material copy           {wall,7:N1} s  {count / wall,8:N0} records/s  {CopySegments.Median(costs.Select(c => c.Processor.TotalSeconds)) * 1e6 / count,6:N1} CPU us/record  peak {target1 / 1e6:N0} MB (target), {source / 1e6:N0} MB (source), aim {MostBytes / 1e6:N0} MB: {(Math.Max(target1, source) <= MostBytes ? "met" : "missed")}"));
        return 0;
    }

    /// <summary>Resident memory of both sides at every quarter of the way and when verification begins.</summary>
    private static Func<CopyTask, Task> Watch(CopySite site, RecorderProcess target, int count)
    {
        var quarter = 0;
        var isVerifying = false;
        return task =>
        {
            var begins = task.State == CopyTaskState.Verifying && !isVerifying;
            if (task.RecordsDone * 4 / count > quarter || begins)
            {
                quarter = (int)(task.RecordsDone * 4 / count);
                isVerifying |= begins;
                Console.WriteLine(FormattableString.Invariant(
                    $"  memory                  {(begins ? "verifying" : $"{quarter * 25} %"),9}  {ProcessCost.ResidentBytes(target.ProcessId) / 1e6,5:N0} MB (target), {ProcessCost.ResidentBytes(site.Source.ProcessId) / 1e6:N0} MB (source)"));
            }

            return Task.CompletedTask;
        };
    }
}
