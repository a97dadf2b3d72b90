using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Testing.Processes;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>Scenario 26, first half: the manager is killed when a step is committed and the next is not; a restart finishes the same run.</summary>
public sealed class S26_When_the_manager_is_killed_after_each_step
{
    private const int Last = 11;

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

    /// <summary>One kill a run; in CI the one in the middle of the switch.</summary>
    public static TheoryData<int> Steps => Cases.AreAll ? [.. Enumerable.Range(1, Last)] : [9];

    /// <summary>One run that is killed after each of its eleven steps, and goes on after each restart.</summary>
    [Fact]
    public async Task Killed_after_every_step_one_after_the_other_it_is_the_same_run_that_ends()
    {
        var (site, entryId) = await Site.StartFailedOverAsync();
        await using var _ = site;
        var settings = await site.Standby.GetSettingsAsync(Site.MainId);
        var stop = new CommitStop(site.Server.Folder);
        Stick(stop, 1);
        var runId = await site.StartFailbackAsync(entryId);
        for (var step = 1; step <= Last; step++)
        {
            await WaitUntilDoneAsync(site, runId, step);
            await site.Server.KillAsync();
            stop.Remove();
            if (step < Last)
            {
                Stick(stop, step + 1);
            }

            await site.Server.StartAsync();
        }

        await site.WaitForEndAsync(runId);
        await Invariants.AssertFailedBackAsync(site, entryId, runId, settings.Sha256);
    }

    [Theory]
    [MemberData(nameof(Steps))]
    public async Task Killed_after_the_step_the_restarted_manager_finishes_the_same_run(int step)
    {
        var (site, entryId) = await Site.StartFailedOverAsync();
        await using var _ = site;
        var settings = await site.Standby.GetSettingsAsync(Site.MainId);
        var stop = new CommitStop(site.Server.Folder);
        Stick(stop, step);

        var runId = await site.StartFailbackAsync(entryId);
        await WaitUntilDoneAsync(site, runId, step);
        await site.Server.KillAsync();
        stop.Remove();
        await site.Server.StartAsync();

        await site.WaitForEndAsync(runId);
        await Invariants.AssertFailedBackAsync(site, entryId, runId, settings.Sha256);
    }

    private static void Stick(CommitStop stop, int step)
    {
        if (StuckAt.TryGetValue(step, out var activity))
        {
            stop.WhenStarts(activity);
        }
        else if (step < Last)
        {
            stop.WhenFinishes();
        }
    }

    private static Task WaitUntilDoneAsync(Site site, string runId, int step) => Eventually.GetAsync(
        $"step {step} is done",
        () => site.Server.GetRunAsync(runId),
        run => run.Steps.Any(s => s.Number == step && s.State == RunStepState.Done) && (step < Last || run.Result != "running"));
}
