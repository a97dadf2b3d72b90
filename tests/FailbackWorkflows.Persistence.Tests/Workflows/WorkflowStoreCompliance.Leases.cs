using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Testing.Persistence;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Persistence.Tests.Workflows;

/// <summary>Who may run what, and when.</summary>
public abstract partial class WorkflowStoreCompliance
{
    [Fact]
    public async Task Claim_NothingRunnable_IsEmpty()
    {
        (await ClaimAsync()).ShouldBeEmpty();
        await StartAsync("leased");
        await WaitingAsync("waiting", "Event:x");
        await FinishedAsync("finished");

        (await ClaimAsync()).ShouldBeEmpty();
    }

    [Fact]
    public async Task Claim_DueTimer_WhenDueAndNotBefore()
    {
        var due = T0.AddMinutes(5);
        await WaitingAsync("run-1", dueAt: due);
        await WaitingAsync("never", "Event:x");

        (await ClaimAsync(now: due.AddTicks(-1))).ShouldBeEmpty();
        (await ClaimOneAsync(now: due)).InstanceId.ShouldBe("run-1");
        (await ClaimAsync(now: due)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Claim_TimerMovedOn_WaitsForTheNewTime()
    {
        await WaitingAsync("run-1", dueAt: T0.AddMinutes(5));
        var lease = await ClaimOneAsync(now: T0.AddMinutes(5));
        await StepAsync(lease, WorkflowSubStatus.Suspended, at: T0.AddMinutes(5), dueAt: T0.AddMinutes(20));

        (await ClaimAsync(now: T0.AddMinutes(19))).ShouldBeEmpty();
        (await ClaimOneAsync(now: T0.AddMinutes(20))).InstanceId.ShouldBe("run-1");
    }

    [Fact]
    public async Task Claim_MoreThanAskedFor_LeavesTheRest()
    {
        foreach (var i in Enumerable.Range(1, 5))
        {
            await WaitingAsync($"run-{i}", dueAt: T0.AddMinutes(i));
        }

        var now = T0.AddHours(1);
        (await ClaimAsync(now: now, max: 2)).Select(l => l.InstanceId).ShouldBe(["run-1", "run-2"], "the longest due first");
        (await ClaimAsync(now: now, max: 2)).Count.ShouldBe(2);
        (await ClaimAsync(now: now, max: 2)).Count.ShouldBe(1);
        (await ClaimAsync(now: now, max: 2)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Claim_Lease_SaysWhoUntilWhen()
    {
        await WaitingAsync("run-1", dueAt: T0);

        var lease = await ClaimOneAsync("node-3", T0.AddSeconds(1));

        lease.Node.ShouldBe("node-3");
        lease.Until.ShouldBe(T0.AddSeconds(1) + Steps.LeaseTime);
        lease.Fence.ShouldBeGreaterThan(1);
    }

    [Fact]
    public async Task Claim_LeaseRanOut_GoesToAnotherNode()
    {
        var lease = await StartAsync("run-1", "node-1");

        (await ClaimAsync("node-2", lease.Until.AddTicks(-1))).ShouldBeEmpty();
        var taken = await ClaimOneAsync("node-2", lease.Until.AddTicks(1));

        taken.Fence.ShouldBeGreaterThan(lease.Fence);
        (await Store.RenewLeaseAsync(lease, lease.Until.AddHours(1), None)).ShouldBeFalse();
        (await ClaimAsync("node-3", lease.Until.AddSeconds(1))).ShouldBeEmpty();
    }

    [Fact]
    public async Task Commit_OfARunningStep_ProlongsTheLease()
    {
        var lease = await StartAsync("run-1");
        await StepAsync(lease, at: T0.AddSeconds(20));

        (await ClaimAsync("node-2", T0.AddSeconds(20) + Steps.LeaseTime)).ShouldBeEmpty();
        (await ClaimAsync("node-2", T0.AddSeconds(21) + Steps.LeaseTime)).Count.ShouldBe(1);
    }

    [Fact]
    public async Task Renew_Held_ProlongsIt()
    {
        var lease = await StartAsync("run-1");

        (await Store.RenewLeaseAsync(lease, T0.AddHours(1), None)).ShouldBeTrue();

        (await ClaimAsync("node-2", T0.AddMinutes(59))).ShouldBeEmpty();
        (await ClaimAsync("node-2", T0.AddMinutes(61))).Count.ShouldBe(1);
    }

    [Fact]
    public async Task Renew_GivenBack_IsRefused()
    {
        var lease = await StartAsync("run-1");
        await StepAsync(lease, WorkflowSubStatus.Suspended);

        (await Store.RenewLeaseAsync(lease, T0.AddHours(1), None)).ShouldBeFalse();
        (await ClaimAsync("node-2", T0.AddMinutes(59))).ShouldBeEmpty();
    }

    [Fact]
    public async Task Release_Held_IsRunnableAtOnce()
    {
        var lease = await StartAsync("run-1");

        await Store.ReleaseLeaseAsync(lease, None);

        (await ClaimOneAsync("node-2")).Fence.ShouldBeGreaterThan(lease.Fence);
    }

    [Fact]
    public async Task Release_Lost_IsHarmless()
    {
        var lost = await StartAsync("run-1", "node-1");
        var later = lost.Until.AddSeconds(1);
        var held = await ClaimOneAsync("node-2", later);

        await Store.ReleaseLeaseAsync(lost, None);

        (await ClaimAsync("node-3", later)).ShouldBeEmpty();
        await StepAsync(held, at: later);
    }

    [Fact]
    public async Task Release_Waiting_KeepsItsTimer()
    {
        await WaitingAsync("run-1", dueAt: T0.AddMinutes(5));
        await Store.PostAsync("run-1", Steps.Message(), T0, None);
        await Store.ReleaseLeaseAsync(await ClaimOneAsync(), None);

        var lease = await ClaimOneAsync();
        await StepAsync(lease, WorkflowSubStatus.Suspended, dueAt: T0.AddMinutes(5));

        (await ClaimAsync(now: T0.AddMinutes(4))).ShouldBeEmpty();
        (await ClaimAsync(now: T0.AddMinutes(5))).Count.ShouldBe(1);
    }

    [Fact]
    public async Task ReleaseLeasesOf_ANode_MakesItsInstancesRunnableAtOnce()
    {
        var mine = await StartAsync("mine-1", "node-1");
        await StartAsync("mine-2", "node-1");
        var others = await StartAsync("others", "node-2");
        await WaitingAsync("waiting", "Event:x");

        await Store.ReleaseLeasesOfAsync("node-1", None);

        (await ClaimAsync("node-1")).Select(l => l.InstanceId).ShouldBe(["mine-1", "mine-2"], ignoreOrder: true);
        await Should.ThrowAsync<LeaseLostException>(() => StepAsync(mine));
        await StepAsync(others);
    }

    [Fact]
    public async Task Fence_EveryAcquisition_IsLargerThanAnyBefore()
    {
        var fences = new List<long> { (await StartAsync("run-1")).Fence };
        var now = T0 + Steps.LeaseTime * 2;

        async Task<Lease> AcquireAsync(string node)
        {
            var lease = await ClaimOneAsync(node, now);
            fences.Add(lease.Fence);
            return lease;
        }

        // Taken over, given back, taken back by the node's next life.
        await Store.ReleaseLeaseAsync(await AcquireAsync("node-2"), None);
        await AcquireAsync("node-1");
        await Store.ReleaseLeasesOfAsync("node-1", None);
        await StepAsync(await AcquireAsync("node-1"), WorkflowSubStatus.Suspended, at: now, dueAt: now);
        await StepAsync(await AcquireAsync("node-2"), WorkflowSubStatus.Faulted, at: now);

        // Finished: the wake-up row is gone; a redrive makes a new one, twice.
        (await Database.CountAsync("wake_ups")).ShouldBe(0);
        for (var i = 0; i < 2; i++)
        {
            await Store.PostAsync("run-1", Steps.Message(InboxMessageKind.Redrive), now, None);
            await StepAsync(await AcquireAsync("node-1"), WorkflowSubStatus.Faulted, at: now);
            (await Database.CountAsync("wake_ups")).ShouldBe(0);
        }

        await Database.RestartAsync();
        await Store.PostAsync("run-1", Steps.Message(InboxMessageKind.Redrive), now, None);
        await AcquireAsync("node-1");
        fences.Count.ShouldBe(8);
        fences.ShouldBe(fences.Distinct().Order());
    }

    [Fact]
    public async Task Claim_SixNodesAtOnce_EachInstanceGoesToOne()
    {
        foreach (var i in Enumerable.Range(1, 30))
        {
            await WaitingAsync($"run-{i}", dueAt: T0);
        }

        var claimed = await Together.RunAsync(6, async node =>
        {
            var leases = new List<Lease>();
            while (await ClaimAsync($"node-{node}", T0, max: 4) is { Count: > 0 } some)
            {
                leases.AddRange(some);
            }

            return leases;
        });

        claimed.ShouldAllBe(c => c.Succeeded);
        claimed.SelectMany(c => c.Result!).Select(l => l.InstanceId).Order().ShouldBe(Enumerable.Range(1, 30).Select(i => $"run-{i}").Order());
    }
}
