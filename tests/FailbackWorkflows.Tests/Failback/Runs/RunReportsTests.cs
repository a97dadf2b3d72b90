using FailbackWorkflows.Engine;
using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Failback.Runs;

/// <summary>What an operator reads of a run: 11 steps, before, while and after it ran.</summary>
public sealed class RunReportsTests
{
    [Fact]
    public async Task Run_JustStarted_ShowsElevenStepsOfWhichTheSecondRuns()
    {
        await using var world = await FailbackWorld.CreateAsync();
        var (reached, gate) = Gate(world, FailbackWorld.Failover, "RaiseFence");
        var started = await world.StartFailbackAsync();
        await reached;

        var report = await ReportAsync(world, started.RunId!);
        gate.SetResult();
        await world.EndAsync(started.RunId!);

        (report.Result, report.Message, report.FinishedAt, report.EntryId).ShouldBe(("running", null, null, FailbackWorld.Entry));
        (report.StartedBy, report.Reason).ShouldBe((FailbackWorld.Operator, "Repaired."));
        report.Steps.Select(s => s.Number).ShouldBe(Enumerable.Range(1, 11).Select(n => (int?)n));
        report.Steps.Select(s => s.State).ShouldBe([RunStepState.Done, RunStepState.Running, .. Enumerable.Repeat(RunStepState.NotExecuted, 9)]);
        report.Steps[0].Outcome.ShouldBe("Valid");
        report.Steps.Skip(2).ShouldAllBe(s => s.StartedAt == null && s.Times == 0);
    }

    [Fact]
    public async Task Run_WaitingForARetry_SaysWhatItWaitsFor()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.Store.MovesClock = false;
        var waiting = new TaskCompletionSource();
        world.Store.Waiting = _ =>
        {
            waiting.TrySetResult();
            return Task.CompletedTask;
        };
        world.Recorders.Fail(FailbackWorld.Failed, "Probe", RecorderErrorKind.Busy);
        var started = await world.StartFailbackAsync();
        await waiting.Task;

        var step = (await ReportAsync(world, started.RunId!)).Steps[2];

        step.State.ShouldBe(RunStepState.Waiting);
        step.Message!.ShouldContain("Next attempt at 2026-03-01 12:00:00 UTC");
    }

    [Fact]
    public async Task Run_InItsComposite_ShowsThePartThatRuns()
    {
        await using var world = await FailbackWorld.CreateAsync();
        var (reached, gate) = Gate(world, FailbackWorld.Failed, "StartRecording");
        var started = await world.StartFailbackAsync();
        await reached;

        var step = (await ReportAsync(world, started.RunId!)).Steps.Single(s => s.Number == 9);
        gate.SetResult();
        await world.EndAsync(started.RunId!);

        step.State.ShouldBe(RunStepState.Running);
        step.Parts.Single(p => p.State == RunStepState.Running).ActivityType.ShouldBe("Failback.StartRecording");
        step.Parts.Count(p => p.State == RunStepState.Done).ShouldBe(4);
        step.Parts.ShouldAllBe(p => p.Number == null && !p.ActivityType.StartsWith("Elsa."));
    }

    [Fact]
    public async Task Run_Done_ShowsElevenStepsWithTheirTimes()
    {
        await using var world = await FailbackWorld.CreateAsync();

        var report = (await world.FailBackAsync()).Report;

        (report.Result, report.Message, report.RefusedCheck, report.DefinitionId, report.DefinitionVersion).ShouldBe(("done", null, null, "failback", 2));
        report.FinishedAt.ShouldNotBeNull();
        report.Steps.Count.ShouldBe(11);
        report.Steps.ShouldAllBe(s => s.State == RunStepState.Done && s.Times == 1 && s.StartedAt != null && s.EndedAt >= s.StartedAt && s.Outcome != null);
        report.Incidents.ShouldBeEmpty();
    }

    [Fact]
    public async Task Run_Refused_ShowsTheRefusalAfterTheElevenSteps()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await world.ExpireLicenseAsync();

        var report = (await world.FailBackAsync()).Report;

        (report.Result, report.RefusedCheck).ShouldBe(("refused", 4));
        report.Steps.Select(s => s.State).ShouldBe(
        [
            .. Enumerable.Repeat(RunStepState.Done, 3), RunStepState.Refused, .. Enumerable.Repeat(RunStepState.NotExecuted, 7), RunStepState.Done,
        ]);
        report.Steps[^1].Number.ShouldBeNull();
    }

    [Fact]
    public async Task Run_Undone_ShowsWhatFailedAndHowItWasUndone()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.FailedRecorder.RejectsSettingsBecause = "too many masks";

        var report = (await world.FailBackAsync()).Report;

        report.Result.ShouldBe("undone");
        var step = report.Steps.Single(s => s.Number == 8);
        (step.State, step.Outcome).ShouldBe((RunStepState.Failed, "Failed"));
        step.Message!.ShouldContain("too many masks");
        var undo = report.Steps.Single(s => s.ActivityType == "Failback.UndoFailback");
        (undo.Number, undo.State).ShouldBe((null, RunStepState.Done));
    }

    [Fact]
    public async Task Run_Faulted_ShowsTheIncidentAtItsStep()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.Recorders.Fail(FailbackWorld.Failover, "PutRetentionHold", RecorderErrorKind.Conflict);

        var report = (await world.FailBackAsync()).Report;

        (report.SubStatus, report.Result, report.FinishedAt.HasValue).ShouldBe((WorkflowSubStatus.Faulted, "faulted", true));
        report.Message.ShouldBe(report.Incidents.Single().Fault.Message);
        report.Steps.Single(s => s.Number == 9).Parts.Single(p => p.State == RunStepState.Faulted).ActivityType.ShouldBe("Failback.EndRetentionHold");
    }

    [Fact]
    public async Task Run_Unknown_HasNoReport()
    {
        await using var world = await FailbackWorld.CreateAsync();

        (await world.Node.Get<IRunReports>().FindAsync("no-such-run", default)).ShouldBeNull();
    }

    private static async Task<RunReport> ReportAsync(FailbackWorld world, string runId) => (await world.Node.Get<IRunReports>().FindAsync(runId, default))!;

    private static (Task Reached, TaskCompletionSource Gate) Gate(FailbackWorld world, string server, string call)
    {
        var reached = new TaskCompletionSource();
        var gate = new TaskCompletionSource();
        world.Recorders.Before(server, call, async () =>
        {
            reached.SetResult();
            await gate.Task;
        });
        return (reached.Task, gate);
    }
}
