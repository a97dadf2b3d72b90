using System.Diagnostics;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Testing.Failback;
using Microsoft.Win32.SafeHandles;

namespace FailbackWorkflows.Benchmarks;

/// <summary>
/// What a failback costs besides its recorders: from the operator's click until the commit of its last step has returned, minus the time
/// spent in recorder calls. The recorders answer at once from memory; the database is SQLite with every step synced to disk. What the disk
/// takes for as many syncs without any of it is measured beside each failback, because on most machines it is what varies.
/// </summary>
internal static class FailbackOverhead
{
    private const int WarmUps = 400;

    /// <summary>What one commit writes to the log: about seven pages.</summary>
    private const int CommitBytes = 28 * 1024;
    private const int LogBytes = 4 * 1024 * 1024;
    private static readonly TimeSpan Target = TimeSpan.FromMilliseconds(30);

    public static async Task<int> RunAsync(Options options)
    {
        var runs = Math.Max(100, options.Number("runs", 200));

        // Tests keep their databases in memory where they can; here the disk is what is measured.
        var folder = Path.GetFullPath(options.Text("folder", Path.GetTempPath()));
        Environment.SetEnvironmentVariable("FAILBACK_TEST_FOLDER", folder);
        await using var world = await FailbackWorld.CreateAsync(time: TimeProvider.System);
        await world.InstallAsync(TestLicense.Valid(world.Clock.GetUtcNow()));
        for (var i = 0; i < WarmUps; i++)
        {
            await MeasureAsync(world, $"warm-up-{i}");
        }

        var commits = 0L;
        var inCommits = world.Store.TimeInCommits;
        var processor = Environment.CpuUsage.TotalTime;
        var overheads = new List<TimeSpan>(runs);
        var disk = new List<TimeSpan>(runs);
        using var syncs = File.OpenHandle(
            Path.Combine(folder, Path.GetRandomFileName()), FileMode.CreateNew, FileAccess.Write, FileShare.None, FileOptions.DeleteOnClose, LogBytes);
        for (var i = 0; i < runs; i++)
        {
            overheads.Add(await MeasureAsync(world, $"run-{i}"));
            commits += world.Store.Commits.Count;
            disk.Add(Sync(syncs, world.Store.Commits.Count));
        }

        processor = Environment.CpuUsage.TotalTime - processor;
        overheads.Sort();
        disk.Sort();
        var p99 = At(overheads, 0.99);
        Console.WriteLine(FormattableString.Invariant(
            $"{runs} failbacks one after the other, {commits / (double)runs:N1} commits each, {(world.Store.TimeInCommits - inCommits).TotalMilliseconds / runs:N1} ms in commits and {processor.TotalMilliseconds / runs:N1} ms of processor time each, SQLite in {folder}"));
        Console.WriteLine(FormattableString.Invariant(
            $"overhead   median {At(overheads, 0.5).TotalMilliseconds,6:N1} ms   p99 {p99.TotalMilliseconds,6:N1} ms   max {overheads[^1].TotalMilliseconds,6:N1} ms   target p99 {Target.TotalMilliseconds:N0} ms: {(p99 <= Target ? "met" : "missed")}"));
        Console.WriteLine(FormattableString.Invariant(
            $"disk alone median {At(disk, 0.5).TotalMilliseconds,6:N1} ms   p99 {At(disk, 0.99).TotalMilliseconds,6:N1} ms   max {disk[^1].TotalMilliseconds,6:N1} ms   as many times {CommitBytes / 1024} kB written and synced"));
        return 0;
    }

    private static TimeSpan At(List<TimeSpan> sorted, double share) => sorted[(int)Math.Min(sorted.Count - 1, sorted.Count * share)];

    private static TimeSpan Sync(SafeFileHandle file, int times)
    {
        var bytes = new byte[CommitBytes];
        var started = Stopwatch.GetTimestamp();
        for (var i = 0; i < times; i++)
        {
            RandomAccess.Write(file, bytes, i * CommitBytes);
            RandomAccess.FlushToDisk(file);
        }

        return Stopwatch.GetElapsedTime(started);
    }

    private static async Task<TimeSpan> MeasureAsync(FailbackWorld world, string entryId)
    {
        world.Store.ForgetCommits();
        world.Recorders.ForgetCalls();
        await world.FailOverAgainAsync(entryId);
        var inCalls = world.Recorders.TimeInCalls;
        var started = Stopwatch.GetTimestamp();
        var run = await world.StartFailbackAsync(entryId, entryId);
        await world.Store.EndedAsync(run.RunId ?? throw new InvalidOperationException($"{run}"));
        var overhead = Stopwatch.GetElapsedTime(started) - (world.Recorders.TimeInCalls - inCalls);
        var entry = await world.EntryAsync(entryId);
        return entry.Failback == FailbackState.Done
            ? overhead
            : throw new InvalidOperationException($"The failback of {entryId} was not done: {entry.Message}");
    }
}
