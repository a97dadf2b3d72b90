using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Testing.Persistence;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Persistence.Tests.Failback;

/// <summary>Claims, epochs and fences: one holder, and numbers that only grow.</summary>
public abstract partial class FailbackStoresCompliance
{
    private IDuties DutyStore => Database.Get<IDuties>();

    [Fact]
    public async Task TakeClaims_Free_TakesAll()
    {
        await ApplyAsync(new TakeClaims("run-1", "failback", ["identity:vms-1", "recorder:vms-1", "recorder:vms-2"], T0.AddTicks(1)));

        (await DutyStore.ListClaimsAsync("run-1", None)).ShouldBe(
        [
            new("identity:vms-1", "run-1", "failback", T0.AddTicks(1)),
            new("recorder:vms-1", "run-1", "failback", T0.AddTicks(1)),
            new("recorder:vms-2", "run-1", "failback", T0.AddTicks(1)),
        ]);
        (await DutyStore.FindClaimAsync("identity:vms-1", None)).ShouldNotBeNull().InstanceId.ShouldBe("run-1");
        (await DutyStore.FindClaimAsync("identity:vms-2", None)).ShouldBeNull();
    }

    [Fact]
    public async Task TakeClaims_LastKeyHeld_TakesNoneAndNamesTheHolder()
    {
        await ApplyAsync(new TakeClaims("run-1", "failover", ["recorder:vms-2"], T0));

        var conflict = await Should.ThrowAsync<ClaimConflictException>(() => ApplyAsync(new TakeClaims("run-2", "failback", ["identity:vms-1", "recorder:vms-1", "recorder:vms-2"], T0)));

        (conflict.Key, conflict.HolderInstanceId, conflict.HolderKind).ShouldBe(("recorder:vms-2", "run-1", "failover"));
        conflict.Message.ShouldBe("recorder:vms-2 is held by failover run run-1.");
        (await DutyStore.ListClaimsAsync("run-2", None)).ShouldBeEmpty();
    }

    [Fact]
    public async Task TakeClaims_OwnOrNamedTwice_IsNoConflict()
    {
        await ApplyAsync(new TakeClaims("run-1", "failback", ["identity:vms-1", "identity:vms-1"], T0));
        await ApplyAsync(new TakeClaims("run-1", "failback", ["identity:vms-1", "recorder:vms-1"], T0.AddHours(1)));

        var claims = await DutyStore.ListClaimsAsync("run-1", None);
        claims.Select(c => c.Key).ShouldBe(["identity:vms-1", "recorder:vms-1"]);
        claims[0].TakenAt.ShouldBe(T0, "a claim that the run has already stays as it was");
    }

    [Fact]
    public async Task TakeClaims_EightTakersAtOnce_ExactlyOneHasItAndTheOthersLearnWho()
    {
        for (var round = 0; round < 10; round++)
        {
            string[] keys = [$"identity:vms-{round}", $"recorder:vms-{round}"];

            var attempts = await Together.RunAsync(8, i => ApplyAsync(new TakeClaims($"run-{round}-{i}", "failback", keys, T0)));

            var winner = $"run-{round}-{attempts.Single(a => a.Succeeded).Number}";
            attempts.Where(a => !a.Succeeded).ShouldAllBe(a => a.Exception is ClaimConflictException && ((ClaimConflictException)a.Exception).HolderInstanceId == winner);
            (await DutyStore.ListClaimsAsync(winner, None)).Count.ShouldBe(2);
        }

        (await Database.CountAsync("duty_claims")).ShouldBe(20);
    }

    [Fact]
    public async Task TakeClaims_OverlappingKeysInOppositeOrder_NeverDeadlocks()
    {
        for (var round = 0; round < 20; round++)
        {
            string[] keys = ["recorder:a", "recorder:b"];

            var attempts = await Together.RunAsync(4, i => ApplyAsync(new TakeClaims($"run-{i}", "failback", i % 2 == 0 ? keys : [.. keys.Reverse()], T0)));

            var winner = attempts.Single(a => a.Succeeded).Number;
            attempts.Where(a => !a.Succeeded).ShouldAllBe(a => a.Exception is ClaimConflictException);
            await ApplyAsync(new ReleaseClaims($"run-{winner}"));
        }
    }

    [Fact]
    public async Task ReleaseClaims_WithoutException_ReleasesAllOfTheInstance()
    {
        await ApplyAsync(new TakeClaims("run-1", "failback", ["identity:vms-1", "recorder:vms-1"], T0));
        await ApplyAsync(new TakeClaims("run-2", "failback", ["identity:vms-2"], T0));

        await ApplyAsync(new ReleaseClaims("run-1"));

        (await DutyStore.ListClaimsAsync("run-1", None)).ShouldBeEmpty();
        (await DutyStore.ListClaimsAsync("run-2", None)).Count.ShouldBe(1);
        await ApplyAsync(new ReleaseClaims("run-1"));
        await ApplyAsync(new TakeClaims("run-3", "failover", ["identity:vms-1"], T0));
    }

    [Fact]
    public async Task ReleaseClaims_ExceptOne_KeepsThat()
    {
        await ApplyAsync(new TakeClaims("run-1", "failback", ["identity:vms-1", "recorder:vms-1", "recorder:vms-2"], T0));

        await ApplyAsync(new ReleaseClaims("run-1", "identity:vms-1"));

        (await DutyStore.ListClaimsAsync("run-1", None)).ShouldHaveSingleItem().Key.ShouldBe("identity:vms-1");
        await Should.ThrowAsync<ClaimConflictException>(() => ApplyAsync(new TakeClaims("run-2", "failback", ["identity:vms-1"], T0)));
        await ApplyAsync(new TakeClaims("run-2", "failback", ["recorder:vms-1"], T0));
    }

    [Fact]
    public async Task Claims_TakenReleasedAndTakenInOneTransaction_AreAppliedInOrder()
    {
        var take = new TakeClaims("run-1", "failback", ["identity:vms-1"], T0);

        await ApplyAsync(take, new ReleaseClaims("run-1"), take);
        (await DutyStore.ListClaimsAsync("run-1", None)).ShouldHaveSingleItem();

        await ApplyAsync(new ReleaseClaims("run-1"), take with { InstanceId = "run-2" }, new ReleaseClaims("run-2"));
        (await Database.CountAsync("duty_claims")).ShouldBe(0);
    }

    [Fact]
    public async Task RequireClaim_OfWhoeverHasItOnly_LetsTheOthersBeWritten()
    {
        await ApplyAsync(new TakeClaims("run-1", "failback", ["identity:vms-1", "recorder:vms-1"], T0), new GrantEpoch("vms-1", "vms-1", 1, "seed"));
        await ApplyAsync(new RequireClaim("run-1", "identity:vms-1"), new RaiseFence("vms-1", 2));

        await Should.ThrowAsync<ConcurrentChangeException>(() => ApplyAsync(new RaiseFence("vms-1", 3), new RequireClaim("run-2", "identity:vms-1")));
        await Should.ThrowAsync<ConcurrentChangeException>(() => ApplyAsync(new RaiseFence("vms-1", 3), new RequireClaim("run-1", "identity:vms-2")));
        await ApplyAsync(new ReleaseClaims("run-1", "recorder:vms-1"));
        await Should.ThrowAsync<ConcurrentChangeException>(() => ApplyAsync(new RaiseFence("vms-1", 3), new RequireClaim("run-1", "identity:vms-1")));

        (await DutyStore.FindAsync("vms-1", None)).ShouldNotBeNull().Fence.ShouldBe(2);
    }

    [Fact]
    public async Task GrantEpoch_NewDuty_HasFenceZero()
    {
        await ApplyAsync(new GrantEpoch("vms-1", "vms-1", 5, "seed"));

        (await DutyStore.FindAsync("vms-1", None)).ShouldBe(new Duty("vms-1", "vms-1", 5, "seed", 0));
        (await DutyStore.FindAsync("vms-2", None)).ShouldBeNull();
    }

    [Fact]
    public async Task GrantEpoch_Larger_ReplacesHolderAndKeepsTheFence()
    {
        await ApplyAsync(new GrantEpoch("vms-1", "vms-1", 5, "seed"), new RaiseFence("vms-1", 9));

        await ApplyAsync(new GrantEpoch("vms-1", "vms-2", 7, "run-1/3"));

        (await DutyStore.FindAsync("vms-1", None)).ShouldBe(new Duty("vms-1", "vms-2", 7, "run-1/3", 9));
    }

    [Fact]
    public async Task GrantEpoch_TheSameAgain_ChangesNothing()
    {
        var grant = new GrantEpoch("vms-1", "vms-2", 7, "run-1/3");
        await ApplyAsync(grant);

        await ApplyAsync(grant);

        (await DutyStore.ListAsync(None)).ShouldHaveSingleItem().ShouldBe(new Duty("vms-1", "vms-2", 7, "run-1/3", 0));
    }

    [Theory]
    [InlineData(6, "vms-2", "run-1/3")]
    [InlineData(7, "vms-2", "run-2/3")]
    [InlineData(7, "vms-1", "run-1/3")]
    public async Task GrantEpoch_NotLargerAndAnotherGrant_IsRefused(long epoch, string holder, string allocation)
    {
        await ApplyAsync(new GrantEpoch("vms-1", "vms-2", 7, "run-1/3"));

        await Should.ThrowAsync<ConcurrentChangeException>(() => ApplyAsync(new GrantEpoch("vms-1", holder, epoch, allocation)));

        (await DutyStore.FindAsync("vms-1", None)).ShouldBe(new Duty("vms-1", "vms-2", 7, "run-1/3", 0));
    }

    [Fact]
    public async Task GrantEpoch_EightAtOnceForOneEpoch_ExactlyOneIsGranted()
    {
        await ApplyAsync(new GrantEpoch("vms-1", "vms-1", 1, "seed"));
        for (var epoch = 2; epoch < 12; epoch++)
        {
            var attempts = await Together.RunAsync(8, i => ApplyAsync(new GrantEpoch("vms-1", "vms-2", epoch, $"run-{i}/1")));

            var winner = attempts.Single(a => a.Succeeded).Number;
            attempts.Where(a => !a.Succeeded).ShouldAllBe(a => a.Exception is ConcurrentChangeException);
            (await DutyStore.FindAsync("vms-1", None)).ShouldNotBeNull().AllocationId.ShouldBe($"run-{winner}/1");
        }
    }

    [Fact]
    public async Task GrantEpoch_EightAtOnceForANewDuty_ExactlyOneIsGranted()
    {
        var attempts = await Together.RunAsync(8, i => ApplyAsync(new GrantEpoch("vms-1", "vms-1", 1, $"run-{i}/1")));

        attempts.Count(a => a.Succeeded).ShouldBe(1);
        attempts.Where(a => !a.Succeeded).ShouldAllBe(a => a.Exception is ConcurrentChangeException);
    }

    [Fact]
    public async Task RaiseFence_OnlyUpwards()
    {
        await ApplyAsync(new GrantEpoch("vms-1", "vms-1", 1, "seed"), new GrantEpoch("vms-2", "vms-2", 1, "seed"));

        await ApplyAsync(new RaiseFence("vms-1", 4));
        await Should.ThrowAsync<ConcurrentChangeException>(() => ApplyAsync(new RaiseFence("vms-1", 4)));
        await Should.ThrowAsync<ConcurrentChangeException>(() => ApplyAsync(new RaiseFence("vms-1", 3)));
        await ApplyAsync(new RaiseFence("vms-1", 5));

        (await DutyStore.ListAsync(None)).Select(d => d.Fence).ShouldBe([5, 0]);
    }

    [Fact]
    public async Task RaiseFence_NoSuchDuty_IsRefused() => await Should.ThrowAsync<ConcurrentChangeException>(() => ApplyAsync(new RaiseFence("nobody", 1)));

    [Fact]
    public async Task RaiseFence_EightAtOnceToOneFence_ExactlyOneRaisesIt()
    {
        await ApplyAsync(new GrantEpoch("vms-1", "vms-1", 1, "seed"));
        for (var fence = 1; fence <= 10; fence++)
        {
            var attempts = await Together.RunAsync(8, _ => ApplyAsync(new RaiseFence("vms-1", fence)));

            attempts.Count(a => a.Succeeded).ShouldBe(1);
            attempts.Where(a => !a.Succeeded).ShouldAllBe(a => a.Exception is ConcurrentChangeException);
        }
    }

    [Fact]
    public async Task EpochAndFence_MixedInOneTransaction_AreAppliedInOrder()
    {
        await ApplyAsync(
            new GrantEpoch("vms-1", "vms-1", 1, "seed"),
            new RaiseFence("vms-1", 5),
            new GrantEpoch("vms-1", "vms-2", 2, "run-1/1"),
            new RaiseFence("vms-1", 6));

        (await DutyStore.FindAsync("vms-1", None)).ShouldBe(new Duty("vms-1", "vms-2", 2, "run-1/1", 6));
    }

    [Fact]
    public async Task Claims_OfADuty_DoNotCarryItsFence()
    {
        await ApplyAsync(new GrantEpoch("vms-1", "vms-1", 1, "seed"), new TakeClaims("run-1", "failback", ["identity:vms-1"], T0), new RaiseFence("vms-1", 8));

        await ApplyAsync(new ReleaseClaims("run-1"));

        (await DutyStore.FindAsync("vms-1", None)).ShouldNotBeNull().Fence.ShouldBe(8);
    }

    [Fact]
    public async Task SaveRetentionHold_Twice_UpdatesTheOneThereIs()
    {
        await ApplyAsync(new SaveRetentionHold(new("entry-1", "vms-2", "vms-1", T0, null)));
        await ApplyAsync(new SaveRetentionHold(new("entry-1", "vms-2", "vms-1", T0, T0.AddHours(1))));
        await ApplyAsync(new SaveRetentionHold(new("entry-1", "vms-3", "vms-1", T0, null)));

        await using var db = Database.Get<IDatabase>().CreateReadContext();
        db.RetentionHolds.OrderBy(r => r.ServerId).Select(r => new { r.ServerId, r.ToUtc }).ToList()
            .ShouldBe([new { ServerId = "vms-2", ToUtc = (DateTimeOffset?)T0.AddHours(1) }, new { ServerId = "vms-3", ToUtc = (DateTimeOffset?)null }]);
    }
}
