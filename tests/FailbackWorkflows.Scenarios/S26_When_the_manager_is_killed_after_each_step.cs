using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Testing.Processes;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>Scenario 26, first half: the manager is killed when a step is committed and the next is not; a restart finishes the same run.</summary>
public sealed class S26_When_the_manager_is_killed_after_each_step
{
    /// <summary>Per step what is stuck: the commit of the step behind it, which also names the one after that.</summary>
    private static readonly IReadOnlyDictionary<int, string> StuckAt = new Dictionary<int, string>
    {
        [1] = "Failback.CheckFailedServerBroken",
        [2] = "Failback.CheckLicense",
        [3] = "Failback.CheckNoFailbackRunning",
        [4] = "Failback.LogFailbackStarted",
        [5] = "Failback.GetRecorderSettings",
        [6] = "Failback.SetRecorderSettings",
        [7] = "Failback.StageSettings",
        [8] = "Failback.RecheckBeforeSwitch",
        [9] = "Failback.NotifyClients",
    };

    /// <summary>Before anything is told to anybody, and around the switch.</summary>
    public static TheoryData<int> Steps => Cases.AreAll ? [.. Enumerable.Range(1, 11)] : [5, 8, 9, 10];

    [Theory]
    [MemberData(nameof(Steps))]
    public async Task Killed_after_the_step_the_restarted_manager_finishes_the_same_run(int step)
    {
        var (site, entryId) = await Site.StartFailedOverAsync();
        await using var _ = site;
        var settings = await site.Standby.GetSettingsAsync(Site.MainId);
        var stop = new CommitStop(site.Server.Folder);
        if (StuckAt.TryGetValue(step, out var activity))
        {
            stop.WhenStarts(activity);
        }
        else if (step == 10)
        {
            stop.WhenFinishes();
        }

        var runId = await site.StartFailbackAsync(entryId);
        await Eventually.GetAsync(
            $"step {step} is done",
            () => site.Server.GetRunAsync(runId),
            run => run.Steps.Any(s => s.Number == step && s.State == RunStepState.Done) && (step < 11 || run.Result != "running"));
        await site.Server.KillAsync();
        stop.Remove();
        await site.Server.StartAsync();

        await site.WaitForEndAsync(runId);
        await Invariants.AssertFailedBackAsync(site, entryId, runId, settings.Sha256);
    }
}
