using System.Text.Json.Nodes;
using FailbackWorkflows.Testing.Processes;
using Shouldly;
using Xunit;
using Xunit.Abstractions;

namespace FailbackWorkflows.Scenarios;

/// <summary>
/// The README's main command with <c>--once</c>: again and again, and with a kill at a random moment followed by a restart. How often is a
/// matter of <c>FAILBACK_SOAK_COUNT</c> (default 1); the seed is printed and can be given as <c>FAILBACK_SOAK_SEED</c>.
/// </summary>
public sealed class The_demo_tells_its_story(ITestOutputHelper output)
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);
    private static readonly int Count = int.TryParse(Environment.GetEnvironmentVariable("FAILBACK_SOAK_COUNT"), out var count) ? count : 1;

    [Fact]
    public async Task Once_it_ends_with_0_and_leaves_nothing_behind()
    {
        for (var run = 0; run < Count; run++)
        {
            var temporary = Directory.CreateTempSubdirectory("failback-demo-test-").FullName;
            var report = Path.Combine(temporary, "report.json");
            var place = Directory.CreateDirectory(Path.Combine(temporary, "tmp")).FullName;
            await using var demo = Start(["--once", "--report", report], place);

            (await demo.WaitForExitAsync(Patience)).ShouldBe(0, demo.Output);

            var written = JsonNode.Parse(await File.ReadAllTextAsync(report))!;
            ((bool)written["ok"]!).ShouldBeTrue();
            written["failback"]!["steps"]!.AsArray().Count.ShouldBe(11);
            written["postconditions"]!.AsArray().ShouldAllBe(p => (bool)p!["holds"]!);
            var copy = written["materialCopy"]!;
            ((string)copy["state"]!, (bool)copy["verified"]!, (double)copy["durationMs"]! > 0, (long)copy["bytes"]! > 0).ShouldBe(("copied", true, true, true));
            copy["segmentsByKind"]!.AsObject().Concat(copy["recordsByKind"]!.AsObject()).Where(k => (long)k.Value! > 0).Select(k => k.Key)
                .ShouldBe(["video", "audio", "text", "metadata", "anpr", "alarms"], ignoreOrder: true);
            Directory.EnumerateFileSystemEntries(place).Where(e => !Path.GetFileName(e).StartsWith("clr-debug-pipe", StringComparison.Ordinal) && !Path.GetFileName(e).StartsWith("dotnet-diagnostic", StringComparison.Ordinal)).ShouldBeEmpty();
            Directory.Delete(temporary, recursive: true);
        }
    }

    [Fact]
    public async Task Automatic_it_starts_nothing_by_hand()
    {
        var folder = Directory.CreateTempSubdirectory("failback-demo-test-").FullName;
        var report = Path.Combine(folder, "report.json");
        await using var demo = Start(["--once", "--automatic", "--report", report], null);

        (await demo.WaitForExitAsync(Patience)).ShouldBe(0, demo.Output);

        var written = JsonNode.Parse(await File.ReadAllTextAsync(report))!;
        ((bool)written["ok"]!, (bool)written["automatic"]!).ShouldBe((true, true));
        written["postconditions"]!.AsArray().Select(p => (string)p!["name"]!).ShouldContain("the failover began by itself");
        written["stages"]!.AsArray().ShouldAllBe(s => (double)s!["durationMs"]! >= 0);
        written["stages"]!.AsArray().Count.ShouldBe(7);
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task Killed_at_a_random_moment_it_goes_on_where_it_was()
    {
        var seed = int.TryParse(Environment.GetEnvironmentVariable("FAILBACK_SOAK_SEED"), out var given) ? given : Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        for (var run = 0; run < Count; run++)
        {
            var folder = Directory.CreateTempSubdirectory("failback-demo-test-").FullName;
            var data = Path.Combine(folder, "data");
            var delay = TimeSpan.FromMilliseconds(random.Next(500, 15_000));
            var victim = random.Next(5);
            output.WriteLine($"run {run}: {(victim == 0 ? "the demo" : $"program {victim}")} is killed after {delay.TotalMilliseconds:0} ms");
            await using (var demo = Start(["--once", "--data", data], null))
            {
                await Task.WhenAny(Task.Delay(delay, TimeProvider.System), demo.WaitForExitAsync(Patience));
                if (victim == 0)
                {
                    await demo.KillAsync();
                }
                else
                {
                    KillChild(data, victim - 1);
                    (await demo.WaitForExitAsync(Patience)).ShouldBe(0, $"seed {seed}, run {run}:{Environment.NewLine}{demo.Output}");
                }
            }

            await using var again = Start(["--once", "--data", data], null);
            (await again.WaitForExitAsync(Patience)).ShouldBe(0, $"seed {seed}, run {run}:{Environment.NewLine}{again.Output}");
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task A_port_that_is_taken_is_said_clearly()
    {
        using var taken = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, FreePort.Next());
        taken.Start();
        var port = ((System.Net.IPEndPoint)taken.LocalEndpoint).Port;
        await using var demo = Start(["--once", "--port", $"{port}"], null);

        (await demo.WaitForExitAsync(Patience)).ShouldBe(3, demo.Output);

        demo.Output.ShouldContain($"Port {port} is taken");
    }

    [Fact]
    public async Task Its_programs_end_with_it()
    {
        var folder = Directory.CreateTempSubdirectory("failback-demo-test-").FullName;
        var data = Path.Combine(folder, "data");
        var demo = Start(["--once", "--data", data], null);
        await using (demo)
        {
            await Eventually.HoldsAsync("the programs run", () => Task.FromResult(ChildrenOf(data).Count == 4));
            await demo.KillAsync();
        }

        await Eventually.HoldsAsync("the programs have ended", () => Task.FromResult(ChildrenOf(data).Count == 0));
        Directory.Delete(folder, recursive: true);
    }

    private static RunningProgram Start(string[] arguments, string? temporary) =>
        RunningProgram.Start(ProgramFiles.Demo, arguments, temporary is null ? null : new Dictionary<string, string> { ["TMPDIR"] = temporary });

    private static void KillChild(string data, int index)
    {
        var children = ChildrenOf(data);
        if (children.Count > 0)
        {
            try
            {
                System.Diagnostics.Process.GetProcessById(children[index % children.Count]).Kill();
            }
            catch (ArgumentException)
            {
                // It ended by itself between the look and the kill; that is as good.
            }
        }
    }

    /// <summary>Processes that were started with a folder under the demo's.</summary>
    private static List<int> ChildrenOf(string data)
    {
        var found = new List<int>();
        foreach (var folder in Directory.EnumerateDirectories("/proc").Where(p => int.TryParse(Path.GetFileName(p), out _)))
        {
            try
            {
                if (File.ReadAllText(Path.Combine(folder, "cmdline")).Contains(data + "/", StringComparison.Ordinal))
                {
                    found.Add(int.Parse(Path.GetFileName(folder), System.Globalization.CultureInfo.InvariantCulture));
                }
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                // It ended while we looked.
            }
        }

        found.Sort();
        return found;
    }
}
