using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Testing.Engine;
using FailbackWorkflows.Testing.Failback;
using FailbackWorkflows.Testing.Persistence;
using Shouldly;
using Xunit;
using Xunit.Abstractions;

namespace FailbackWorkflows.Persistence.Tests.CrashPoints;

/// <summary>
/// The management server is killed before, after, and after but unacknowledged at every durable write of everything that the definitions in
/// <c>workflows/</c> do: steps, claims of the dispatcher, fences, notes of epochs, polls and jobs beside them. A new one goes on with the same database and
/// recorders, and all comes to the same.
/// </summary>
public abstract class CrashPointCompliance(ITestOutputHelper output)
{
    private const int LeastPoints = 300;

    private protected abstract Task<FailbackWorld> BuildWorldAsync(ProcessLife life);

    /// <summary>Points of each play that are tried when nobody says how many; null: all.</summary>
    private protected abstract int? UsualSample { get; }

    public static TheoryData<string> PlayNames => [.. CrashPlay.All.Keys];

    // Scenario 26.
    [Theory]
    [MemberData(nameof(PlayNames))]
    public async Task Server_KilledAtAnyDurableWrite_ComesToTheSame(string name)
    {
        var play = CrashPlay.All[name];
        var (writes, undisturbed) = await PlayAsync(play);
        undisturbed.Ends.ShouldBe(play.Ends);
        undisturbed.Text.ShouldNotContain("MORE THAN ONCE");

        await CrashSweep.TryAsync(writes, UsualSample, point => KillAsync(play, point, undisturbed), output);
    }

    /// <summary>The comparison can tell: a recorder that has lost its keys does again what it is told again.</summary>
    [Fact]
    public async Task Recorder_ThatForgetsItsKeysMeanwhile_IsNoticed()
    {
        var play = CrashPlay.All["failback, done"];
        var (writes, undisturbed) = await PlayAsync(play);
        var isNoticed = false;
        for (var write = 1; write <= writes && !isNoticed; write++)
        {
            var result = await KillAsync(play, new(CrashMoment.BeforeCommit, write), undisturbed, world => world.Recorders.All.ToList().ForEach(r => r.ForgetKeys()));
            isNoticed = result.Differences.Any(d => d.Contains("MORE THAN ONCE", StringComparison.Ordinal));
        }

        isNoticed.ShouldBeTrue();
    }

    [Fact]
    public async Task Points_OfAllDefinitions_AreAsManyAsExpected()
    {
        var definitions = await ReadDefinitionsAsync();
        var run = new HashSet<string>(StringComparer.Ordinal);
        var points = 0;
        foreach (var (name, play) in CrashPlay.All)
        {
            var (writes, end) = await PlayAsync(play);
            output.WriteLine($"{name}: {writes} durable writes, {CrashSweep.PointsOf(writes)} crash points");
            points += CrashSweep.PointsOf(writes);
            run.UnionWith(end.Definitions);
        }

        output.WriteLine($"{points} crash points in all");
        points.ShouldBeGreaterThanOrEqualTo(LeastPoints);
        definitions.Where(d => !run.Contains(d.Value)).Select(d => d.Key).ShouldBeEmpty("definitions that no play runs");
    }

    /// <summary>Undisturbed.</summary>
    private async Task<(int Writes, EndState End)> PlayAsync(CrashPlay play)
    {
        var life = new ProcessLife();
        await using var world = await BuildWorldAsync(life);
        await ArrangeAsync(world, play);
        life.Count();
        await play.Act(world);
        await CrashPlay.EndAllAsync(world);
        var writes = life.Writes;
        return (writes, await EndState.ReadAsync(world));
    }

    /// <param name="meanwhile">What happens to the recorders while the server is dead.</param>
    private async Task<CrashResult> KillAsync(CrashPlay play, CrashPoint point, EndState undisturbed, Action<FailbackWorld>? meanwhile = null)
    {
        var life = new ProcessLife();
        await using var world = await BuildWorldAsync(life);
        await ArrangeAsync(world, play);
        life.EndAt(point.Moment, point.Write);
        try
        {
            await play.Act(world);
            await CrashPlay.EndAllAsync(world);
        }
        catch (Exception) when (life.IsOver)
        {
            // Whatever the dying process answers, nobody hears it.
        }

        var (died, writes) = (life.IsOver, life.Writes);
        meanwhile?.Invoke(world);
        await world.RestartAsync();
        play.Attach?.Invoke(world);
        await world.StartNodeAsync();
        await play.Act(world);
        await CrashPlay.EndAllAsync(world);
        return new(died, writes, (await EndState.ReadAsync(world)).DifferencesTo(undisturbed));
    }

    private static async Task ArrangeAsync(FailbackWorld world, CrashPlay play)
    {
        await play.Arrange(world);
        await CrashPlay.EndAllAsync(world);
    }

    /// <summary>Digest of each file in <c>workflows/</c>.</summary>
    private async Task<IReadOnlyDictionary<string, string>> ReadDefinitionsAsync()
    {
        await using var world = await BuildWorldAsync(new ProcessLife());
        var reader = world.Node.Get<DefinitionReader>();
        return Directory.EnumerateFiles(RepositoryFiles.Workflows, "*.json", SearchOption.AllDirectories).ToDictionary(file => Path.GetFileName(file), file => reader.Read(File.ReadAllText(file)).Sha256);
    }
}
