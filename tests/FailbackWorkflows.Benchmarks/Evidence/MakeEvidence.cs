using System.Diagnostics;
using System.Formats.Tar;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.MaterialCopy;
using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Persistence.Seals;
using FailbackWorkflows.Persistence.Workflows;
using FailbackWorkflows.Server.Evidence;
using FailbackWorkflows.Testing.Failback;

namespace FailbackWorkflows.Benchmarks.Evidence;

/// <summary>A pack of a failover with a long run: how long it takes to make, and to verify with nothing but its script.</summary>
internal static class MakeEvidence
{
    private const double MostSecondsToMake = 2;
    private const double MostSecondsToVerify = 60;

    public static async Task<int> RunAsync(Options options)
    {
        var events = Math.Max(100, options.Number("events", 10_000));
        var rounds = Math.Max(1, options.Number("rounds", 3));
        await using var world = await FailbackWorld.CreateAsync();
        await world.FailBackAsync();
        var store = world.Get<IWorkflowStore>();
        var definition = (await store.FindPublishedDefinitionAsync("failback", CancellationToken.None))!;
        var at = world.Clock.GetUtcNow();
        await store.CommitAsync(LongHistory.EndedRun(Guid.CreateVersion7(at).ToString("N"), definition, at, events, FailbackWorld.Entry), CancellationToken.None);
        var node = world.Node;
        var packs = new EvidencePacks(
            world.Get<IFailoverLog>(), world.Get<IWorkflowInstances>(), node.Get<IRunReports>(), world.Get<IHistorySeals>(), world.Get<ISealedHistory>(), world.Get<IHistoryVerifications>(), node.Get<EntrySettings>(), world.Get<IMaterialCopies>(), world.Clock);
        var (made, verified) = (new List<double>(), new List<double>());
        for (var round = 0; round < rounds; round++)
        {
            var begun = Stopwatch.GetTimestamp();
            var archive = (await packs.MakeAsync(FailbackWorld.Entry, Actor.System, CancellationToken.None))!;
            made.Add(Stopwatch.GetElapsedTime(begun).TotalSeconds);
            var folder = Directory.CreateTempSubdirectory("failback-benchmark-");
            try
            {
                await TarFile.ExtractToDirectoryAsync(new MemoryStream(archive.Tar), folder.FullName, overwriteFiles: false);
                var pack = Directory.EnumerateDirectories(folder.FullName).Single();
                begun = Stopwatch.GetTimestamp();
                using var shell = Process.Start(new ProcessStartInfo("sh", [Path.Combine(pack, "verify.sh"), pack]) { RedirectStandardOutput = true })!;
                var said = await shell.StandardOutput.ReadToEndAsync();
                await shell.WaitForExitAsync();
                verified.Add(Stopwatch.GetElapsedTime(begun).TotalSeconds);
                Console.WriteLine(FormattableString.Invariant($"{archive.Tar.Length / 1e6:N1} MB made in {made[^1]:N2} s, verified by its script in {verified[^1]:N1} s (it ended with {shell.ExitCode}: {said.TrimEnd().Split('\n')[^1]})"));
            }
            finally
            {
                folder.Delete(recursive: true);
            }
        }

        Console.WriteLine(FormattableString.Invariant(
            $"{events} events: made in {made.Median():N2} s, target {MostSecondsToMake:N0} s: {Figures.Verdict(made.Median() <= MostSecondsToMake)}; verified in {verified.Median():N1} s, target {MostSecondsToVerify:N0} s: {Figures.Verdict(verified.Median() <= MostSecondsToVerify)}"));
        return 0;
    }
}
