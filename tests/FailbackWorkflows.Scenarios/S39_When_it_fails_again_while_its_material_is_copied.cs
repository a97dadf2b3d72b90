using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.Testing.Faults;
using FailbackWorkflows.Testing.Processes;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>
/// Scenario 39: the failed server fails a second and a third time while the material of the first failover is still coming home. Each time its task
/// pauses for lack of authority and keeps its position, each failover adds a task, and after the last failback all three come home.
/// </summary>
public sealed class S39_When_it_fails_again_while_its_material_is_copied
{
    /// <summary>Segments on their way at a time, as the source allows.</summary>
    private const int InFlight = 8;

    private const int Failovers = 3;
    private const int SegmentsBeforeTheHalt = 3;

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    [Fact]
    public async Task Each_copy_waits_for_the_next_failback_and_all_come_home()
    {
        await using var site = await Site.StartAsync(isRegistered: false);
        await using var link = await MaterialLink.StartAsync(site.Standby.BaseUrl);
        await site.RegisterAsync(site.Main);
        await site.RegisterAsync(site.Standby, link.BaseUrl);
        var open = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var passed = 0;
        link.Middle = async request =>
        {
            if (request.SegmentId is not null && Interlocked.Increment(ref passed) > SegmentsBeforeTheHalt)
            {
                await open.Task;
            }

            return false;
        };

        var entries = new List<string>();
        ILookup<string, Segment> held = null!, before = null!;
        for (var n = 0; n < Failovers; n++)
        {
            entries.Add(await site.FailOverAsync());
            await site.ReturnMainAsync();
            if (n > 0)
            {
                await FirstWaitsWhereItWasAsync(site, entries);
            }

            var run = await site.FailBackAsync(entries[n]);
            run.Result.ShouldBe("done", run.Message);
            (held, before) = (await CopyInvariants.ListAsync(site.Standby, Site.MainId), await CopyInvariants.ListAsync(site.Main, Site.MainId));
            await TaskAsync(site, entries[0], t => t is { State: CopyTaskState.Running, SegmentsDone: > 0 });
        }

        open.SetResult();
        foreach (var entryId in entries)
        {
            var entry = await Eventually.GetAsync("the material is home", () => site.Server.GetEntryAsync(entryId), e => e.MaterialCopy is not (MaterialCopyState.Queued or MaterialCopyState.Running or MaterialCopyState.Paused or MaterialCopyState.NotStarted), Patience);
            entry.MaterialCopy.ShouldBe(MaterialCopyState.Copied, entry.Message);
            await CopyInvariants.AssertAsync(site, entryId, site.Standby, site.Main, held, before);
        }

        // Each brought its own period: nothing was fetched for two of them, but for what was on its way when the target was killed.
        link.SegmentBytes.ShouldBeGreaterThan(0);
        (link.WholeAgain + link.PartlyAgain).ShouldBeLessThanOrEqualTo(InFlight * (Failovers - 1));
        (await DirectCopy.ReadAsync<CopyTaskList>(site.Main, "v1/copy-tasks")).Items.Select(t => (t.EntryId, t.State)).ShouldBe(entries.Select(e => (e, CopyTaskState.Copied)));
    }

    /// <summary>The first task is paused because main has no authority now, where it was; the others of the chain are queued behind it.</summary>
    private static async Task FirstWaitsWhereItWasAsync(Site site, List<string> entries)
    {
        var task = await TaskAsync(site, entries[0], t => t.State == CopyTaskState.Paused);
        task.PauseReason.ShouldBe(CopyPauseReason.NoAuthority);
        task.SegmentsDone.ShouldBeGreaterThan(0);
        var entry = await Eventually.GetAsync("the log says that it is paused", () => site.Server.GetEntryAsync(entries[0]), e => e.MaterialCopy == MaterialCopyState.Paused);
        entry.OwesMaterial.ShouldBeTrue();
        (await site.Standby.GetHoldAsync(entries[0])).Release.ShouldBeNull("I1: held until it is home");
    }

    private static Task<CopyTask> TaskAsync(Site site, string entryId, Func<CopyTask, bool> isSo) => Eventually.GetAsync(
        $"the copy of {entryId} is as wanted",
        async () => (await DirectCopy.ReadAsync<CopyTaskList>(site.Main, "v1/copy-tasks")).Items.FirstOrDefault(t => t.EntryId == entryId),
        t => t is not null && isSo(t),
        Patience)!;
}
