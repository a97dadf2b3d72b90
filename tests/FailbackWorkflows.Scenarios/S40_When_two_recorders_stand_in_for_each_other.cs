using System.Net;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.Testing.Faults;
using FailbackWorkflows.Testing.Processes;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>
/// Scenario 40: while main's material is coming home, the recorder that has it fails itself, and main stands in for it. Afterwards each has a task
/// to copy from the other. Neither waits for the other's, and what came by copy is not copied back.
/// </summary>
public sealed class S40_When_two_recorders_stand_in_for_each_other
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    [Fact]
    public async Task Both_copy_from_each_other_and_no_copy_is_copied()
    {
        await using var site = await Site.StartAsync(isRegistered: false);
        await using var link = await MaterialLink.StartAsync(site.Standby.BaseUrl);
        await site.RegisterAsync(site.Main);
        await site.RegisterAsync(site.Standby, link.BaseUrl);
        var open = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var passed = 0;
        link.Middle = async request =>
        {
            if (request.SegmentId is not null && Interlocked.Increment(ref passed) > 2)
            {
                await open.Task;
            }

            return false;
        };

        var forth = await site.FailOverAsync();
        await site.ReturnMainAsync();
        (await site.FailBackAsync(forth)).Result.ShouldBe("done");
        var (forthHeld, forthBefore) = (await CopyInvariants.ListAsync(site.Standby, Site.MainId), await CopyInvariants.ListAsync(site.Main, Site.MainId));
        await Eventually.HoldsAsync("main's copy is in its middle", async () => (await TasksAsync(site.Main)).Any(t => t is { State: CopyTaskState.Running, SegmentsDone: > 0 }));

        await site.Standby.KillAsync();
        var started = await site.StartFailoverAsync(Site.StandbyId, Site.MainId);
        started.Status.ShouldBe(HttpStatusCode.Accepted, started.Text);
        var failover = await site.WaitForEndAsync((string)started.Json!["runId"]!);
        failover.Result.ShouldBe("done", failover.Message);
        var back = (string)started.Json!["entryId"]!;
        await site.Standby.StartAsync();
        await Eventually.GetAsync("it is told to stand by", () => site.Standby.FindDutyAsync(Site.StandbyId), d => d is { Role: DutyRole.Standby or DutyRole.FailoverServer, Recording: false });
        (await site.FailBackAsync(back)).Result.ShouldBe("done");
        var (backHeld, backBefore) = (await CopyInvariants.ListAsync(site.Main, Site.StandbyId), await CopyInvariants.ListAsync(site.Standby, Site.StandbyId));

        // The way back is not held up by the way forth, which stands still all this time.
        (await CopiedAsync(site, back)).MaterialCopy.ShouldBe(MaterialCopyState.Copied);
        (await site.Server.GetEntryAsync(forth)).OwesMaterial.ShouldBeTrue();
        open.SetResult();
        (await CopiedAsync(site, forth)).MaterialCopy.ShouldBe(MaterialCopyState.Copied);

        await CopyInvariants.AssertAsync(site, forth, site.Standby, site.Main, forthHeld, forthBefore);
        await CopyInvariants.AssertAsync(site, back, site.Main, site.Standby, backHeld, backBefore);
        var (main, standby) = ((await site.Main.GetStatusAsync()).Id, (await site.Standby.GetStatusAsync()).Id);
        (await OriginsAsync(site.Main, Site.MainId)).ShouldBe([main, standby], ignoreOrder: true);
        (await OriginsAsync(site.Standby, Site.StandbyId)).ShouldBe([main, standby], ignoreOrder: true);
        (await OriginsAsync(site.Standby, Site.MainId)).ShouldBe([standby], "main's own material did not go to the one that stood in");
        (await OriginsAsync(site.Main, Site.StandbyId)).ShouldBe([main]);
        (await TasksAsync(site.Main)).ShouldHaveSingleItem().Identity.ShouldBe(Site.MainId);
        (await TasksAsync(site.Standby)).ShouldHaveSingleItem().Identity.ShouldBe(Site.StandbyId);
    }

    private static Task<FailoverLogEntry> CopiedAsync(Site site, string entryId) => Eventually.GetAsync(
        $"the copy of {entryId} ends",
        () => site.Server.GetEntryAsync(entryId),
        e => e.MaterialCopy is MaterialCopyState.Copied or MaterialCopyState.CopiedWithLosses or MaterialCopyState.Failed or MaterialCopyState.NothingToCopy,
        Patience);

    private static async Task<IReadOnlyList<CopyTask>> TasksAsync(RecorderProcess recorder) => (await DirectCopy.ReadAsync<CopyTaskList>(recorder, "v1/copy-tasks")).Items;

    private static async Task<IReadOnlyList<string>> OriginsAsync(RecorderProcess recorder, string identity) =>
        [.. (await CopyInvariants.ListAsync(recorder, identity)).SelectMany(c => c).Select(s => s.Origin.RecorderId).Distinct()];
}
