using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.MaterialCopy;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.Testing.Persistence;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Persistence.Tests.Failback;

/// <summary>The mirror of material copies: one task per entry and source, fences that only grow, reports and orders that are kept.</summary>
public abstract partial class FailbackStoresCompliance
{
    private IMaterialCopies Copies => Database.Get<IMaterialCopies>();

    [Fact]
    public async Task CopyTask_SavedAndRead_IsTheSame()
    {
        var task = Full("entry-1");
        await ApplyAsync(new SaveCopyTask(task));

        var stored = (await Copies.FindAsync(task.TaskId, None)).ShouldNotBeNull();

        stored.Revision.ShouldBe(1);
        stored.Definition!.Channels.ShouldBe(task.Definition!.Channels);
        stored.Reported!.Channels.ShouldBe(task.Reported!.Channels);
        (stored with { Revision = 0, Definition = task.Definition, Reported = task.Reported }).ShouldBe(task);
        (stored.Reported with { Channels = task.Reported.Channels }).ShouldBe(task.Reported);
        (await Copies.FindByEntryAsync("entry-1", None))!.TaskId.ShouldBe(task.TaskId);
        (await Copies.FindAsync("copy-none", None)).ShouldBeNull();
        (await Copies.FindByEntryAsync("entry-2", None)).ShouldBeNull();
    }

    [Fact]
    public async Task CopyTask_ChangedMeanwhile_IsRefused()
    {
        await ApplyAsync(new SaveCopyTask(Copy("entry-1")));
        var read = (await Copies.FindByEntryAsync("entry-1", None))!;
        await ApplyAsync(new SaveCopyTask(read with { RunId = "run-1" }));

        await Should.ThrowAsync<ConcurrentChangeException>(() => ApplyAsync(new SaveCopyTask(read with { RunId = "run-2" })));
        await Should.ThrowAsync<ConcurrentChangeException>(() => ApplyAsync(new SaveCopyTask(Copy("entry-1"))));

        (await Copies.FindByEntryAsync("entry-1", None))!.RunId.ShouldBe("run-1");
    }

    [Fact]
    public async Task CopyTask_SameEntryAndSourceUnderAnotherId_IsRefused()
    {
        await ApplyAsync(new SaveCopyTask(Copy("entry-1")));

        await Should.ThrowAsync<ConcurrentChangeException>(() => ApplyAsync(new SaveCopyTask(Copy("entry-1") with { TaskId = "copy-other" })));
        await ApplyAsync(new SaveCopyTask(Copy("entry-1") with { TaskId = "copy-third", SourceServerId = "vms-3" }));
    }

    [Fact]
    public async Task CopyTask_OfDisputedMaterial_StandsBesideTheOrdinaryOne()
    {
        var disputed = Copy("entry-1") with { TaskId = "copy-disputed", IsDisputed = true, RunId = "run-1", CreatedAt = T0.AddHours(1) };
        var report = new CoverageReport("copy-1", "entry-1", "vms-1", "m-2", "m-1", new(null, T0, T0.AddHours(1)), true, true, null, null, T0, [], [], [], "digest");
        await ApplyAsync(
            new SaveFailoverLogEntry(Queued("entry-1", T0)),
            new SaveCopyTask(Copy("entry-1")),
            new SaveCopyTask(disputed),
            new KeepCoverage(new(Copy("entry-1").TaskId, "entry-1", "ordinary", report, T0)),
            new KeepCoverage(new("copy-disputed", "entry-1", "beside", report, T0.AddHours(2))));

        await Should.ThrowAsync<ConcurrentChangeException>(() => ApplyAsync(new SaveCopyTask(disputed with { TaskId = "copy-other" })));

        (await Copies.FindAsync("copy-disputed", None)).ShouldBe(disputed with { Revision = 1 });
        (await Copies.FindByEntryAsync("entry-1", None))!.IsDisputed.ShouldBeFalse();
        (await Copies.FindCoverageAsync("entry-1", None))!.Sha256.ShouldBe("ordinary");
        (await Copies.FindCoverageOfTaskAsync("copy-disputed", None))!.Sha256.ShouldBe("beside");
        (await Copies.FindCoverageOfTaskAsync("copy-none", None)).ShouldBeNull();
        (await Copies.ListDueEntriesAsync(null, 10, None)).ShouldBe(["entry-1"], "a copy of disputed material does not stand in its way");
        (await Copies.ListWatchedAsync(None)).Select(t => t.TaskId).ShouldBe(["copy-disputed"]);
    }

    [Fact]
    public async Task FailedFailover_IsUnsettledUntilItsServerHasSaidWhatItRecorded()
    {
        var failed = Entry("failed") with { Failover = FailoverState.Failed, FailoverEndedAt = T0.AddMinutes(1) };
        var recorded = failed.MaterialRecordedByFailedFailover(new Dictionary<string, DateTimeOffset> { ["video-1"] = T0.AddMinutes(2) });
        await ApplyAsync(
            new SaveFailoverLogEntry(failed),
            new SaveFailoverLogEntry(Entry("failed-2", T0.AddHours(-1)) with { Failover = FailoverState.Failed, FailoverEndedAt = T0 }),
            new SaveFailoverLogEntry(Entry("nothing") with { Failover = FailoverState.Failed, MaterialCopy = MaterialCopyState.NothingToCopy }),
            new SaveFailoverLogEntry(recorded with { Id = "recorded" }),
            new SaveFailoverLogEntry((recorded with { Id = "queued", FailoverStartedAt = T0.AddMinutes(1) }).MaterialCopyQueued()),
            new SaveFailoverLogEntry(Entry("running") with { Failover = FailoverState.Running }));

        (await Log.ListUnsettledAsync(10, None)).Select(e => e.Id).ShouldBe(["failed-2", "failed"]);
        (await Log.ListUnsettledAsync(1, None)).Select(e => e.Id).ShouldBe(["failed-2"]);
        var all = await Log.ListAsync(new(FailoverLogView.All) { Take = 200 }, None);
        (await Log.CountOwedPeriodsAsync(None)).ShouldBe(all.Where(e => e.OwesMaterial).GroupBy(e => e.FailoverServerId).ToDictionary(g => g.Key, g => g.Count()));
        (await Copies.FindOldestOwedEntryAsync("vms-1", None)).ShouldBe("recorded");
        (await Copies.ListDueEntriesAsync(null, 10, None)).ShouldBe(["queued"]);
    }

    [Fact]
    public async Task Watched_AreTasksOfRunsAndThoseWithSomethingOwed()
    {
        await ApplyAsync(
            new SaveCopyTask(Copy("idle")),
            new SaveCopyTask(Copy("running") with { RunId = "run-1", CreatedAt = T0.AddSeconds(3) }),
            new SaveCopyTask(Copy("revoke") with { IsRevocationOwed = true, CreatedAt = T0.AddSeconds(2) }),
            new SaveCopyTask(Copy("cancel") with { IsCancellationOwed = true, CreatedAt = T0.AddSeconds(1) }));

        (await Copies.ListWatchedAsync(None)).Select(t => t.EntryId).ShouldBe(["cancel", "revoke", "running"]);
    }

    [Fact]
    public async Task CopyFence_OnlyGrowsAndOutlivesTheTask()
    {
        (await Copies.GetFenceAsync("copy-1", None)).ShouldBe(0);
        await ApplyAsync(new RaiseCopyFence("copy-1", 1));
        await ApplyAsync(new RaiseCopyFence("copy-1", 5));

        await Should.ThrowAsync<ConcurrentChangeException>(() => ApplyAsync(new RaiseCopyFence("copy-1", 5)));
        await Should.ThrowAsync<ConcurrentChangeException>(() => ApplyAsync(new RaiseCopyFence("copy-1", 2)));

        (await Copies.GetFenceAsync("copy-1", None)).ShouldBe(5);
        (await Copies.GetFenceAsync("copy-2", None)).ShouldBe(0);
    }

    [Fact]
    public async Task CopyFence_RefusedChange_TakesItsTransactionWithIt()
    {
        await ApplyAsync(new RaiseCopyFence("copy-1", 5));

        await Should.ThrowAsync<ConcurrentChangeException>(() => ApplyAsync(new SaveCopyTask(Copy("entry-1")), new RaiseCopyFence("copy-1", 5)));

        (await Copies.FindByEntryAsync("entry-1", None)).ShouldBeNull();
    }

    [Fact]
    public async Task DueEntries_AreQueuedFailedBackAndWithoutARun_OldestFirst()
    {
        await ApplyAsync(
            new SaveFailoverLogEntry(Queued("new", T0.AddDays(2))),
            new SaveFailoverLogEntry(Queued("old", T0) with { ClosedByEntryId = "new" }),
            new SaveFailoverLogEntry(Queued("taken", T0.AddDays(1))),
            new SaveFailoverLogEntry(Queued("running", T0) with { MaterialCopy = MaterialCopyState.Running }),
            new SaveFailoverLogEntry(Queued("open", T0) with { Failback = FailbackState.NotStarted }),
            new SaveCopyTask(Copy("taken") with { RunId = "run-1" }),
            new SaveCopyTask(Copy("old")));

        (await Copies.ListDueEntriesAsync(null, 10, None)).ShouldBe(["old", "new"]);
        (await Copies.ListDueEntriesAsync(null, 1, None)).ShouldBe(["old"]);
        (await Copies.ListDueEntriesAsync("old", 1, None)).ShouldBe(["new"]);
        (await Copies.ListDueEntriesAsync("new", 1, None)).ShouldBeEmpty();
    }

    [Fact]
    public async Task OldestOwedEntry_LeavesOutWhatIsHomeOrGivenUp()
    {
        (await Copies.FindOldestOwedEntryAsync("vms-1", None)).ShouldBeNull();
        await ApplyAsync(
            new SaveFailoverLogEntry(Queued("copied", T0) with { MaterialCopy = MaterialCopyState.Copied }),
            new SaveFailoverLogEntry(Queued("accepted", T0) with { MaterialCopy = MaterialCopyState.LossesAccepted }),
            new SaveFailoverLogEntry(Queued("nothing", T0) with { MaterialCopy = MaterialCopyState.NothingToCopy }),
            new SaveFailoverLogEntry(Queued("other", T0) with { FailedServerId = "vms-9" }),
            new SaveFailoverLogEntry(Queued("newer", T0.AddDays(2))),
            new SaveFailoverLogEntry(Queued("closed", T0.AddDays(1)) with { MaterialCopy = MaterialCopyState.CopiedWithLosses, ClosedByEntryId = "newer" }));

        (await Copies.FindOldestOwedEntryAsync("vms-1", None)).ShouldBe("closed");
    }

    [Fact]
    public async Task Coverage_KeptTwice_IsTheLater()
    {
        var report = new CoverageReport("copy-1", "entry-1", "vms-1", "m-2", "m-1", new(null, T0, T0.AddHours(1)), true, false, TimeSpan.FromMilliseconds(7), null, T0, [], [], [new("video", "video-1", null, T0, T0, 5, "gone")], "digest-1");
        await ApplyAsync(new KeepCoverage(new("copy-1", "entry-1", "digest-1", report, T0)));
        await ApplyAsync(new KeepCoverage(new("copy-1", "entry-1", "digest-2", report with { Losses = [], IsVerified = true, Sha256 = "digest-2" }, T0.AddHours(1))));

        var kept = (await Copies.FindCoverageAsync("entry-1", None)).ShouldNotBeNull();

        (kept.Sha256, kept.KeptAt, kept.Report.IsVerified, kept.Report.Losses.Count, kept.Report.ClockOffsetBefore).ShouldBe(("digest-2", T0.AddHours(1), true, 0, TimeSpan.FromMilliseconds(7)));
        (await Copies.FindCoverageAsync("entry-2", None)).ShouldBeNull();
    }

    [Fact]
    public async Task HoldRelease_IsOwedUntilItIsDelivered()
    {
        var order = new HoldReleaseOrder("entry-1", "vms-2", "vms-1", "copy-1", HoldRelease.VerifiedCopy, "digest", T0);
        await ApplyAsync(new SaveHoldRelease(order), new SaveHoldRelease(order with { EntryId = "entry-2", OrderedAt = T0.AddSeconds(-1) }));
        (await Copies.ListOwedReleasesAsync(None)).Select(o => o.EntryId).ShouldBe(["entry-2", "entry-1"]);
        var read = (await Copies.FindReleaseAsync("entry-1", "vms-2", None))!;
        read.ShouldBe(order with { Revision = 1 });

        await ApplyAsync(new SaveHoldRelease(read with { Refusals = 2, LastError = "why", ReleasedAt = T0.AddHours(1) }));

        (await Copies.ListOwedReleasesAsync(None)).Select(o => o.EntryId).ShouldBe(["entry-2"]);
        (await Copies.FindReleaseAsync("entry-1", "vms-2", None)).ShouldBe(order with { Refusals = 2, LastError = "why", ReleasedAt = T0.AddHours(1), Revision = 2 });
        (await Copies.FindReleaseAsync("entry-1", "vms-3", None)).ShouldBeNull();
    }

    [Fact]
    public async Task HoldRelease_OfAnAcceptedLoss_IsNotReplacedByAWeakerOne()
    {
        var order = new HoldReleaseOrder("entry-1", "vms-2", "vms-1", "copy-1", HoldRelease.VerifiedCopy, "digest", T0);
        var decision = order with { Release = HoldRelease.AcceptedLoss, Reason = "why", OrderedAt = T0.AddMinutes(1) };
        await ApplyAsync(new SaveHoldRelease(order));
        await ApplyAsync(new SaveHoldRelease(decision));

        await ApplyAsync(new SaveHoldRelease(order with { Reason = "another digest" }));

        var stored = (await Copies.ListOwedReleasesAsync(None)).ShouldHaveSingleItem();
        stored.ShouldBe(decision with { Revision = 2 });
        await ApplyAsync(new SaveHoldRelease(stored with { ReleasedAt = T0.AddHours(2) }));
        (await Copies.FindReleaseAsync("entry-1", "vms-2", None)).ShouldBe(decision with { ReleasedAt = T0.AddHours(2), Revision = 3 });
    }

    // Whoever delivers an order must not write "released" over one that was given while he was on his way.
    [Theory]
    [InlineData(HoldRelease.VerifiedCopy)]
    [InlineData(HoldRelease.AcceptedLoss)]
    public async Task HoldRelease_OrderedAnewWhileItIsDelivered_StaysOwed(HoldRelease first)
    {
        var order = new HoldReleaseOrder("entry-1", "vms-2", "vms-1", "copy-1", first, "first", T0);
        await ApplyAsync(new SaveHoldRelease(order));
        var onItsWay = (await Copies.FindReleaseAsync("entry-1", "vms-2", None))!;
        var anew = order with { Release = HoldRelease.AcceptedLoss, Reason = "second", OrderedAt = T0.AddMinutes(1) };
        await ApplyAsync(new SaveHoldRelease(anew));

        await Should.ThrowAsync<ConcurrentChangeException>(() => ApplyAsync(new SaveHoldRelease(onItsWay with { ReleasedAt = T0.AddHours(1) })));

        (await Copies.ListOwedReleasesAsync(None)).ShouldBe([anew with { Revision = 2 }]);
        await Should.ThrowAsync<ConcurrentChangeException>(() => ApplyAsync(new SaveHoldRelease(onItsWay with { EntryId = "entry-9" })));
    }

    [Fact]
    public async Task Hold_Mirrored_IsFound()
    {
        var hold = new RetentionHold("entry-1", "vms-2", "vms-1", T0, null);
        await ApplyAsync(new SaveRetentionHold(hold));
        (await Copies.FindHoldAsync("entry-1", "vms-2", None)).ShouldBe(hold);
        await ApplyAsync(new SaveRetentionHold(hold with { ToUtc = T0.AddHours(1) }));

        (await Copies.FindHoldAsync("entry-1", "vms-2", None))!.ToUtc.ShouldBe(T0.AddHours(1));
        (await Copies.FindHoldAsync("entry-1", "vms-3", None)).ShouldBeNull();
    }

    private static FailoverLogEntry Queued(string id, DateTimeOffset at) =>
        Entry(id, at) with { Failback = FailbackState.Done, FailbackEndedAt = at.AddHours(1), MaterialCopy = MaterialCopyState.Queued };

    private static MaterialCopyTask Copy(string entryId) => new()
    {
        TaskId = MaterialCopyTask.IdOf(entryId, "vms-2"), EntryId = entryId, Identity = "vms-1", SourceServerId = "vms-2", TargetServerId = "vms-1", CreatedAt = T0,
    };

    private static MaterialCopyTask Full(string entryId)
    {
        var period = new CopyPeriod(null, T0, T0.AddHours(1));
        var id = MaterialCopyTask.IdOf(entryId, "vms-2");
        return Copy(entryId) with
        {
            Definition = new(id, entryId, "vms-1", "machine-2", period, [new("video-1", T0, T0.AddMinutes(59))], new(), false, "Material copy"),
            Limits = new(100_000, new TimeOnly(22, 0), new TimeOnly(6, 0)),
            IsPauseWished = true,
            ToldWish = CopyWish.Limits,
            ToldWishAt = T0.AddTicks(1),
            RunId = "run-2",
            LastRunId = "run-2",
            StoppedRunId = "run-1",
            Runs = 2,
            TokenGeneration = 3,
            ProtectedToken = "protected",
            TokenDrawnAt = T0.AddTicks(2),
            TokenRefusals = 1,
            IsRevocationOwed = true,
            IsCancellationOwed = true,
            ToldSourceUrl = new Uri("https://vms-2.example/"),
            Reported = new(
                id, entryId, "vms-1", "machine-2", period, CopyTaskState.Paused, CopyPauseReason.Reserve, "copying", "error", 1, 2, 3, 4, 5, 6, 7, 8, 9,
                TimeSpan.FromMilliseconds(-3), new(100_000), T0, T0, null, T0, 11, [new("video", "video-1", T0, 1, 2, 3, 4, 5, "retrying")]),
            ReportedAt = T0.AddTicks(3),
            NotedState = CopyTaskState.Running,
            NotedPauseReason = CopyPauseReason.Window,
            IsOutOfTouch = true,
            IsUnknownAtTarget = true,
            WaitsForServerId = "vms-2",
            CoverageSha256 = "digest",
            EndedAt = T0.AddTicks(4),
        };
    }
}
