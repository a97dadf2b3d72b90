using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Interpretation;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Engine.Values;
using FailbackWorkflows.Persistence.Workflows;
using FailbackWorkflows.Server.Replay;
using FailbackWorkflows.Testing.Evidence;
using FailbackWorkflows.Testing.Failback;
using FailbackWorkflows.Testing.Persistence;
using Microsoft.Extensions.DependencyInjection;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Server.Replay;

/// <summary>What the replay shows at an event is what the run was then.</summary>
public sealed class RunReplaysTests
{
    private static readonly CancellationToken None = CancellationToken.None;

    [Fact]
    public async Task Replay_OfAFailback_ShowsAtEveryEventWhatTheRunWasThen()
    {
        await using var world = await FailbackWorld.CreateAsync();
        var run = await world.FailBackAsync();
        using var replays = ReplaysOf(world);

        var head = (await replays.OpenAsync(run.Id, None)).ShouldNotBeNull();
        head.Events.ShouldBe(run.Journal.Count);
        head.IsLive.ShouldBeFalse();
        head.Failures.ShouldBeEmpty();
        head.Diagrams[0].Nodes.Where(n => n.Step is not null).Select(n => n.Step).Order().ShouldBe(Enumerable.Range(1, 11).Cast<int?>());
        head.Diagrams.Select(d => d.Title).ShouldContain("Restore roles");
        foreach (var diagram in head.Diagrams)
        {
            diagram.Nodes.ShouldAllBe(n => n.X >= 0 && n.Y >= 0 && n.X + n.Width <= diagram.Width && n.Y + n.Height <= diagram.Height);
            diagram.Nodes.Select(n => (n.X, n.Y)).Distinct().Count().ShouldBe(diagram.Nodes.Count);
        }

        var frames = await AllAsync(replays, run.Id);
        frames.Select(f => f.Event).ShouldBe(run.Journal, new SameJson());
        var indexes = head.Diagrams.SelectMany(d => d.Nodes).ToDictionary(n => n.Index);
        foreach (var frame in frames.Where(f => f.Event is ActivityCompleted or ActivityStarted && f.NodeIndex is not null && indexes.ContainsKey(f.NodeIndex.Value)))
        {
            frame.States[frame.NodeIndex!.Value].ShouldBe(frame.Event is ActivityStarted ? ReplayedActivity.Running : ReplayedActivity.Done);
        }

        frames[0].Actor!.Name.ShouldBe(FailbackWorld.Operator.Name);
        frames.First(f => f.Event is ActivityCompleted { IsFact: true }).Actor!.Id.ShouldBe("node-1");
        var stored = PlainValue.Parse((await world.Store.FindInstanceAsync(run.Id, None))!.Snapshot).ShouldBeAssignableTo<IReadOnlyDictionary<string, object?>>()!;
        PlainValue.AreEqual(frames[^1].State!.Variables, stored["variables"]).ShouldBeTrue();
        PlainValue.AreEqual(frames[^1].State!.Output, stored["output"]).ShouldBeTrue();
        frames[^1].State!.Executions.ShouldBeEmpty();
    }

    [Fact]
    public async Task Replay_OfARunThatGoesOn_GrowsWithIt()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.Recorders.Fail(FailbackWorld.Failover, "StopRecording", FailbackWorkflows.Recorders.RecorderErrorKind.Conflict);
        var run = await world.FailBackAsync();
        using var replays = ReplaysOf(world);
        var before = (await replays.OpenAsync(run.Id, None))!;
        before.ShouldSatisfyAllConditions(h => h.IsLive.ShouldBeTrue(), h => h.Failures.ShouldNotBeEmpty());
        (await AllAsync(replays, run.Id))[^1].States.ShouldContain(ReplayedActivity.Faulted);

        await world.Node.Runtime.RedriveAsync(run.Id, FailbackWorld.Operator, "Again.", None);
        await world.EndAsync(run.Id, before.Events);
        var after = (await replays.OpenAsync(run.Id, None))!;
        after.Events.ShouldBeGreaterThan(before.Events);
        var frames = await AllAsync(replays, run.Id);
        frames.Count.ShouldBe((int)after.Events);
        frames[(int)before.Events].ShouldSatisfyAllConditions(f => f.Kind.ShouldBe("redriveRequested"), f => f.Actor.ShouldBe(FailbackWorld.Operator));
    }

    [Fact]
    public async Task Replay_OfALongRun_ShowsAnyEventAsAFoldUpToItWould()
    {
        await using var database = await TestDatabase.CreateSqliteAsync();
        var run = await LoopingRun.WriteAsync(database.Get<IWorkflowStore>(), 3_000);
        await using var services = LoopingRun.Services(database.Get<IWorkflowStore>());
        using var replays = new RunReplays(
            services.GetRequiredService<IWorkflowStore>(), database.Get<IJournalOutline>(), services.GetRequiredService<WorkflowDefinitions>(), services.GetRequiredService<IWorkflowRuntime>());
        var head = (await replays.OpenAsync(run, None))!;
        var definition = await services.GetRequiredService<WorkflowDefinitions>().GetVersionAsync("looping:1", None);
        var journal = await database.Get<IWorkflowStore>().ReadJournalAsync(run, 0, 10_000, None);
        var fold = new RunReplay(definition, run);
        var expected = new Dictionary<long, ReplayedState>();
        foreach (var item in journal)
        {
            fold.Take(item);
            expected[item.Sequence] = fold.Describe();
        }

        foreach (var sequence in new long[] { 1, 2, 499, 500, 501, 511, 512, 513, 1_024, 2_222, head.Events })
        {
            var frame = await WholeAsync(replays, run, sequence);
            PlainValue.AreEqual(frame.State!.Variables, expected[sequence].Variables).ShouldBeTrue($"event {sequence}");
            frame.State.Sequence.ShouldBe(expected[sequence].Sequence);
        }

        (await replays.ReadAsync(run, head.Events + 1, 1, None))!.Frames.ShouldBeEmpty();
        (await replays.OpenAsync("no such run", None)).ShouldBeNull();
    }

    private static RunReplays ReplaysOf(FailbackWorld world) => new(world.Store, world.Get<IJournalOutline>(), world.Node.Get<WorkflowDefinitions>(), world.Node.Runtime);

    private static async Task<List<ReplayFrame>> AllAsync(RunReplays replays, string run)
    {
        var frames = new List<ReplayFrame>();
        while ((await replays.ReadAsync(run, frames.Count + 1, RunReplays.MostFrames, None))!.Frames is { Count: > 0 } page)
        {
            // The state may still be worked out.
            if (page.All(f => f.State is not null))
            {
                frames.AddRange(page);
            }
            else
            {
                await Task.Yield();
            }
        }

        return frames;
    }

    private static async Task<ReplayFrame> WholeAsync(RunReplays replays, string run, long sequence)
    {
        while (true)
        {
            var frame = (await replays.ReadAsync(run, sequence, 1, None))!.Frames.ShouldHaveSingleItem();
            if (frame.State is not null)
            {
                return frame;
            }

            await Task.Yield();
        }
    }

    private sealed class SameJson : IEqualityComparer<JournalEvent>
    {
        public bool Equals(JournalEvent? x, JournalEvent? y) => CanonicalJson.Of(x!) == CanonicalJson.Of(y!);

        public int GetHashCode(JournalEvent obj) => obj.Sequence.GetHashCode();
    }
}
