using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Testing.Persistence;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Persistence.Tests.Workflows;

/// <summary>One step, one transaction: everything or nothing.</summary>
public abstract partial class WorkflowStoreCompliance
{
    /// <summary>Applied before <see cref="Refused"/>: it must not be seen afterwards.</summary>
    private static readonly GrantEpoch Accepted = new("vms-1", "vms-1", 1, "seed");
    private static readonly RaiseFence Refused = new("nobody", 1);

    [Fact]
    public async Task Start_Committed_IsReadBackWhole()
    {
        var start = Steps.Starting("run-1", startKey: "key-1", correlationId: "entry-1", at: T0.AddTicks(1), bookmarks: [Steps.Bookmark("run-1", "b1", "Event:x")], changes: Accepted);

        await Store.CommitAsync(start, None);

        (await InstanceAsync("run-1")).ShouldBe(start.Instance with { ChainHead = start.ChainHead });
        (await Store.FindInstanceByStartKeyAsync("key-1", None)).ShouldBe("run-1");
        (await Store.ReadJournalAsync("run-1", 0, 10, None)).ShouldHaveSingleItem().ShouldBe(start.Events[0]);
        (await FindDutyAsync("vms-1")).ShouldBe(new Duty("vms-1", "vms-1", 1, "seed", 0));
        (await Database.CountAsync("bookmarks")).ShouldBe(1);
    }

    [Fact]
    public async Task Step_Committed_SurvivesARestart()
    {
        var lease = await StartAsync("run-1");
        await StepAsync(lease, WorkflowSubStatus.Finished, at: T0.AddMinutes(1));
        var before = await InstanceAsync("run-1");

        await Database.RestartAsync();

        (await InstanceAsync("run-1")).ShouldBe(before);
        before.Status.ShouldBe(WorkflowStatus.Finished);
        before.FinishedAt.ShouldBe(T0.AddMinutes(1));
        (await Store.ReadJournalAsync("run-1", 0, 10, None)).Count.ShouldBe(2);
    }

    [Fact]
    public async Task Start_DomainRefuses_LeavesNothing()
    {
        var start = Steps.Starting("run-1", startKey: "key-1", bookmarks: [Steps.Bookmark("run-1", "b1", "Event:x")], changes: [Accepted, Refused]);

        await Should.ThrowAsync<ConcurrentChangeException>(() => Store.CommitAsync(start, None));

        (await Store.FindInstanceAsync("run-1", None)).ShouldBeNull();
        (await Store.FindInstanceByStartKeyAsync("key-1", None)).ShouldBeNull();
        (await FindDutyAsync("vms-1")).ShouldBeNull();
        foreach (var table in new[] { "workflow_instances", "journal", "bookmarks", "wake_ups", "duties" })
        {
            (await Database.CountAsync(table)).ShouldBe(0, table);
        }

        (await ClaimAsync(now: T0.AddDays(1))).ShouldBeEmpty();
    }

    [Fact]
    public async Task Step_DomainRefuses_LeavesEverythingAsItWas()
    {
        var lease = await StartAsync("run-1", bookmarks: [Steps.Bookmark("run-1", "b1", "Event:x")]);
        await Store.PostStimulusAsync(new("Event:x", Steps.Operator, "payload"), T0, None);
        var before = await InstanceAsync("run-1");
        var message = (await Store.ReadInboxAsync("run-1", None)).ShouldHaveSingleItem();
        var step = Steps.Next(
            lease, before, WorkflowSubStatus.Finished, events: 3, bookmarks: [Steps.Bookmark("run-1", "b2", "Event:y")], consumed: [message.Id], changes: [Accepted, Refused]);

        await Should.ThrowAsync<ConcurrentChangeException>(() => Store.CommitAsync(step, None));

        (await InstanceAsync("run-1")).ShouldBe(before);
        (await Store.ReadJournalAsync("run-1", 0, 10, None)).Count.ShouldBe(1);
        (await Store.ReadInboxAsync("run-1", None)).ShouldHaveSingleItem().ShouldBe(message);
        (await Store.PostStimulusAsync(new("Event:y", Steps.Operator), T0, None)).ShouldBeEmpty();
        (await FindDutyAsync("vms-1")).ShouldBeNull();

        // The lease is still the caller's: deciding anew, it can commit.
        await StepAsync(lease, WorkflowSubStatus.Finished, consumed: [message.Id], changes: Accepted);
        (await FindDutyAsync("vms-1")).ShouldNotBeNull();
    }

    [Fact]
    public async Task Step_ChangeNobodyKnows_IsRefusedAndLeavesNothing()
    {
        var lease = await StartAsync("run-1");

        await Should.ThrowAsync<InvalidOperationException>(() => StepAsync(lease, changes: [Accepted, new UnknownChange()]));

        (await InstanceAsync("run-1")).LastSequence.ShouldBe(1);
        (await FindDutyAsync("vms-1")).ShouldBeNull();
    }

    [Fact]
    public async Task Step_SequenceWrittenBefore_IsRefusedAndLeavesNothing()
    {
        var lease = await StartAsync("run-1");
        var old = await InstanceAsync("run-1");
        await StepAsync(lease);
        var newer = await InstanceAsync("run-1");

        await Should.ThrowAsync<Exception>(() => Store.CommitAsync(Steps.Next(lease, old, WorkflowSubStatus.Finished, changes: Accepted), None));

        (await InstanceAsync("run-1")).ShouldBe(newer);
        (await FindDutyAsync("vms-1")).ShouldBeNull();
    }

    [Fact]
    public async Task Step_Cancelled_LeavesNothingAndLetsTheNextWriterIn()
    {
        var lease = await StartAsync("run-1");

        await Should.ThrowAsync<OperationCanceledException>(async () =>
            await Store.CommitAsync(Steps.Next(lease, await InstanceAsync("run-1"), changes: Accepted), new CancellationToken(canceled: true)));

        (await FindDutyAsync("vms-1")).ShouldBeNull();
        await StepAsync(lease, changes: Accepted);
    }

    [Theory]
    [InlineData(WorkflowSubStatus.Executing)]
    [InlineData(WorkflowSubStatus.Suspended)]
    [InlineData(WorkflowSubStatus.Finished)]
    public async Task Step_LeaseTakenOver_WritesNothing(WorkflowSubStatus subStatus)
    {
        var lost = await StartAsync("run-1", "node-1");
        var later = T0 + Steps.LeaseTime + TimeSpan.FromSeconds(1);
        var held = await ClaimOneAsync("node-2", later);
        var before = await InstanceAsync("run-1");

        await Should.ThrowAsync<LeaseLostException>(() => StepAsync(lost, subStatus, bookmarks: [Steps.Bookmark("run-1", "b9", "Event:x")], changes: Accepted));

        (await InstanceAsync("run-1")).ShouldBe(before);
        (await Database.CountAsync("journal")).ShouldBe(1);
        (await Database.CountAsync("bookmarks")).ShouldBe(0);
        (await FindDutyAsync("vms-1")).ShouldBeNull();
        await StepAsync(held, subStatus, changes: Accepted);
    }

    [Fact]
    public async Task RequireLease_Held_LetsTheOthersBeWritten()
    {
        var lease = await StartAsync("run-1", "node-1");

        await Database.Get<IDomainWriter>().ApplyAsync([new RequireLease(lease), Accepted], None);

        (await FindDutyAsync("vms-1")).ShouldNotBeNull();
        await StepAsync(lease);
    }

    [Fact]
    public async Task RequireLease_TakenOver_WritesNothing()
    {
        var lost = await StartAsync("run-1", "node-1");
        var held = await ClaimOneAsync("node-2", T0 + Steps.LeaseTime + TimeSpan.FromSeconds(1));
        var again = await ClaimOneAsync("node-1", T0 + (Steps.LeaseTime * 3));

        foreach (var late in (Lease[])[lost, held, again with { Node = "node-2" }, again with { InstanceId = "run-2" }])
        {
            await Should.ThrowAsync<LeaseLostException>(() => Database.Get<IDomainWriter>().ApplyAsync([Accepted, new RequireLease(late)], None));
        }

        (await FindDutyAsync("vms-1")).ShouldBeNull();
        await Database.Get<IDomainWriter>().ApplyAsync([new RequireLease(again), Accepted], None);
    }

    [Fact]
    public async Task RequireLease_GivenBack_WritesNothing()
    {
        var lease = await StartAsync("run-1");
        await Store.ReleaseLeaseAsync(lease, None);

        await Should.ThrowAsync<LeaseLostException>(() => Database.Get<IDomainWriter>().ApplyAsync([new RequireLease(lease), Accepted], None));

        (await FindDutyAsync("vms-1")).ShouldBeNull();
    }

    [Fact]
    public async Task Steps_OfManyInstancesAtOnce_AreWrittenAndOnlyTheLostOneIsRefused()
    {
        const int Instances = 24;
        const int Lost = 7;
        var leases = new List<Lease>();
        for (var i = 0; i < Instances; i++)
        {
            leases.Add(await StartAsync($"run-{i}"));
        }

        await Store.ReleaseLeaseAsync(leases[Lost], None);
        (await ClaimOneAsync("node-2")).InstanceId.ShouldBe($"run-{Lost}");

        var attempts = await Together.RunAsync(Instances, async i =>
        {
            for (var step = 0; step < 5; step++)
            {
                await StepAsync(leases[i], bookmarks: [Steps.Bookmark($"run-{i}", $"b{step}", $"Event:{i}")]);
            }

            await StepAsync(leases[i], WorkflowSubStatus.Finished, bookmarks: []);
        });

        attempts[Lost].Exception.ShouldBeOfType<LeaseLostException>();
        attempts.Where(a => a.Number != Lost).ShouldAllBe(a => a.Succeeded);
        for (var i = 0; i < Instances; i++)
        {
            var written = i == Lost ? 1 : 7;
            (await InstanceAsync($"run-{i}")).LastSequence.ShouldBe(written);
            (await Store.ReadJournalAsync($"run-{i}", 0, 10, None)).Select(e => e.Sequence).ShouldBe(Enumerable.Range(1, written).Select(n => (long)n));
        }

        (await Database.CountAsync("bookmarks")).ShouldBe(0);
        (await Database.CountAsync("wake_ups")).ShouldBe(1);
    }

    [Fact]
    public async Task Step_OlderFenceOfTheSameNode_IsRefused()
    {
        var lost = await StartAsync("run-1");
        await ClaimOneAsync("node-1", T0 + Steps.LeaseTime * 2);

        await Should.ThrowAsync<LeaseLostException>(() => StepAsync(lost));
    }

    [Fact]
    public async Task Step_AfterTheLeaseWasGivenBack_IsRefused()
    {
        var lease = await StartAsync("run-1");
        await StepAsync(lease, WorkflowSubStatus.Suspended);

        await Should.ThrowAsync<LeaseLostException>(() => StepAsync(lease));
    }

    [Fact]
    public async Task Bookmarks_OfAStep_ReplaceThoseBefore()
    {
        var lease = await StartAsync("run-1", bookmarks: [Steps.Bookmark("run-1", "b1", "Event:a"), Steps.Bookmark("run-1", "b2", "Event:b")]);

        await StepAsync(lease, bookmarks: null);
        (await Database.CountAsync("bookmarks")).ShouldBe(2);

        await StepAsync(lease, bookmarks: [Steps.Bookmark("run-1", "b2", "Event:b"), Steps.Bookmark("run-1", "b3", "Event:c")]);
        (await Store.PostStimulusAsync(new("Event:a", Steps.Operator), T0, None)).ShouldBeEmpty();
        (await Store.PostStimulusAsync(new("Event:b", Steps.Operator), T0, None)).ShouldBe(["run-1"]);
        (await Store.PostStimulusAsync(new("Event:c", Steps.Operator), T0, None)).ShouldBe(["run-1"]);

        await StepAsync(lease, bookmarks: []);
        (await Database.CountAsync("bookmarks")).ShouldBe(0);
    }

    [Fact]
    public async Task Start_KeyTaken_NamesTheInstanceThereIs()
    {
        await Store.CommitAsync(Steps.Starting("run-1", startKey: "key-1"), None);

        var taken = await Should.ThrowAsync<StartKeyTakenException>(() => Store.CommitAsync(Steps.Starting("run-2", startKey: "key-1", changes: Accepted), None));

        taken.InstanceId.ShouldBe("run-1");
        (await Store.FindInstanceAsync("run-2", None)).ShouldBeNull();
        (await Database.CountAsync("wake_ups")).ShouldBe(1);
        (await FindDutyAsync("vms-1")).ShouldBeNull();
    }

    [Fact]
    public async Task Start_WithoutKey_IsNeverTaken()
    {
        await StartAsync("run-1");
        await StartAsync("run-2");

        (await Database.CountAsync("workflow_instances")).ShouldBe(2);
    }

    [Fact]
    public async Task Start_EightStartersWithOneKey_ExactlyOneStarts()
    {
        for (var round = 0; round < 10; round++)
        {
            var key = $"key-{round}";

            var attempts = await Together.RunAsync(8, i => Store.CommitAsync(Steps.Starting($"run-{round}-{i}", $"node-{i}", startKey: key), None));

            var winner = $"run-{round}-{attempts.Single(a => a.Succeeded).Number}";
            attempts.Where(a => !a.Succeeded).ShouldAllBe(a => a.Exception is StartKeyTakenException && ((StartKeyTakenException)a.Exception).InstanceId == winner);
            (await Store.FindInstanceByStartKeyAsync(key, None)).ShouldBe(winner);
        }

        (await Database.CountAsync("workflow_instances")).ShouldBe(10);
        (await Database.CountAsync("wake_ups")).ShouldBe(10);
        (await Database.CountAsync("journal")).ShouldBe(10);
    }

    private sealed record UnknownChange : IDomainChange;
}
