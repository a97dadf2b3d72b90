using FailbackWorkflows.Engine;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Settings;
using FailbackWorkflows.Testing.Failback;
using Shouldly;

namespace FailbackWorkflows.Tests.Workflows;

/// <summary>What must hold after each ending of a failback.</summary>
internal static class Outcomes
{
    public static readonly string OldDigest = SettingsDigest.Compute(FakeSettings.Content(1));
    public static readonly string NewDigest = SettingsDigest.Compute(FakeSettings.Content(2));

    /// <summary>The duty is home and everything is in order.</summary>
    public static async Task ShouldBeDoneAsync(this FailbackWorld world, EndedRun run)
    {
        run.Message.ShouldBeNull();
        (run.SubStatus, run.Result).ShouldBe((WorkflowSubStatus.Finished, "done"));
        var duty = await world.DutyAsync();
        duty.HolderServerId.ShouldBe(FailbackWorld.Failed);
        (world.FailedDuty.ToState().Role, world.FailedDuty.Epoch, world.FailedDuty.IsRecording).ShouldBe((DutyRole.Recorder, duty.Epoch, true));
        (world.FailoverDuty.ToState().Role, world.FailoverDuty.Epoch, world.FailoverDuty.IsRecording).ShouldBe((DutyRole.FailoverServer, duty.Epoch, false));
        world.FailedDuty.Sha256.ShouldBe(world.FailoverDuty.Sha256);
        world.FailoverDuty.Frozen.ShouldBeFalse();
        world.FailoverRecorder.Holds[FailbackWorld.Entry].ToUtc.ShouldNotBeNull();
        var entry = await world.EntryAsync();
        (entry.Failback, entry.MaterialCopy, entry.FailbackRunId).ShouldBe((FailbackState.Done, MaterialCopyState.Queued, run.Id));
        entry.FailbackEndedAt.ShouldNotBeNull();
        (await world.ServerAsync()).State.ShouldBe(VmsServerState.Ok);
        (await world.ClaimsAsync()).ShouldBeEmpty();
        (await world.NewsAsync()).Count(n => n.Kind == "systemChange").ShouldBeGreaterThanOrEqualTo(1);
        world.ShouldHaveCommandedOnce();
    }

    /// <summary>The failover server goes on as if nothing had been.</summary>
    public static async Task ShouldBeUndoneAsync(this FailbackWorld world, EndedRun run, long epoch, bool isCancelled = false)
    {
        (run.SubStatus, run.Result).ShouldBe(isCancelled ? (WorkflowSubStatus.Cancelled, "cancelled") : (WorkflowSubStatus.Finished, "undone"));
        var duty = await world.DutyAsync();
        (duty.HolderServerId, duty.Epoch).ShouldBe((FailbackWorld.Failover, epoch));
        (world.FailoverDuty.ToState().Role, world.FailoverDuty.Epoch, world.FailoverDuty.IsRecording).ShouldBe((DutyRole.Recorder, epoch, true));
        world.FailoverDuty.Frozen.ShouldBeFalse();
        world.FailoverRecorder.Holds[FailbackWorld.Entry].ToUtc.ShouldBeNull();
        world.FailedDuty.IsRecording.ShouldBeFalse();
        var entry = await world.EntryAsync();
        (entry.Failback, entry.MaterialCopy, entry.FailbackRunId).ShouldBe((FailbackState.Failed, MaterialCopyState.NotStarted, run.Id));
        entry.Message.ShouldBe(run.Message);
        entry.CanFailBack.ShouldBeTrue();
        (await world.ServerAsync()).State.ShouldBe(VmsServerState.Broken);
        (await world.ClaimsAsync()).ShouldBeEmpty();
        world.ShouldHaveCommandedOnce();
    }

    /// <summary>The failed server is as it was before the run.</summary>
    public static void ShouldStandByAsBefore(this FailbackWorld world)
    {
        world.FailedDuty.ToState().Role.ShouldBe(DutyRole.Standby);
        world.FailedDuty.Sha256.ShouldBe(OldDigest);
    }

    /// <summary>Whatever was repeated, each command took effect once.</summary>
    public static void ShouldHaveCommandedOnce(this FailbackWorld world) =>
        world.Recorders.Effects.GroupBy(c => c.Key).Where(g => g.Count() > 1).ShouldBeEmpty();

    /// <summary>Commands that took effect, without the id of the run in their keys.</summary>
    public static IReadOnlyList<string> EffectsOf(this FailbackWorld world, string runId) =>
        [.. world.Recorders.Effects.Select(c => $"{c.ServerId} {c.Name} {c.Key!.Replace(runId, "run", StringComparison.Ordinal)}")];
}
