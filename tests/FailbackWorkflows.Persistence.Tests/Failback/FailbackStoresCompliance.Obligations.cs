using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback.Obligations;
using FailbackWorkflows.Persistence.Tests.Workflows;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Testing.Persistence;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Persistence.Tests.Failback;

/// <summary>Obligations: owed once, in the order of delivery, until they are settled.</summary>
public abstract partial class FailbackStoresCompliance
{
    private IObligations ObligationStore => Database.Get<IObligations>();

    [Fact]
    public async Task Owe_Several_AreListedInTheOrderOfDelivery()
    {
        await ApplyAsync(new Owe([Owed("a", ObligationKind.StandBy) with { Role = DutyRole.FailoverServer }, Owed("b", ObligationKind.Stop), Owed("c", ObligationKind.HoldEnd)]));
        await ApplyAsync(new Owe([Owed("d", ObligationKind.Rollback) with { ServerId = "vms-1", Revision = 7 }, Owed("e", ObligationKind.Stop) with { Identity = "vms-3" }]));

        (await ObligationStore.ListOpenAsync("vms-2", "vms-1", None)).Select(o => o.Id).ShouldBe(["b", "c", "a"]);
        (await ObligationStore.ListOpenAsync(None)).Count.ShouldBe(5);
        (await ObligationStore.ListOfEntryAsync("entry-1", None)).Count.ShouldBe(5);
        var read = (await ObligationStore.ListOpenAsync("vms-2", "vms-1", None))[2];
        read.ShouldBe(Owed("a", ObligationKind.StandBy) with { Role = DutyRole.FailoverServer });
    }

    [Fact]
    public async Task Owe_TheSameAgain_IsOneObligationWithTheNewerEpoch()
    {
        await ApplyAsync(new Owe([Owed("a", ObligationKind.Rollback) with { Revision = 7 }]));
        await ApplyAsync(new PostponeObligations("vms-2", "vms-1", T0.AddMinutes(5), "no answer"));
        await ApplyAsync(new Owe([Owed("b", ObligationKind.Rollback) with { Epoch = 9, Reason = "again", NextAttemptAt = T0.AddMinutes(1) }]));

        var open = (await ObligationStore.ListOpenAsync(None)).Single();
        (open.Id, open.Epoch, open.Revision, open.Reason, open.Attempts, open.NextAttemptAt, open.LastError).ShouldBe(("a", 9, 7, "again", 1, T0.AddMinutes(1), "no answer"));
    }

    [Fact]
    public async Task Owe_TheSameByManyStepsAtOnce_IsOwedOnce()
    {
        for (var round = 0; round < 5; round++)
        {
            var identity = $"vms-{round}";
            var attempts = await Together.RunAsync(6, n => Database.Get<IWorkflowStore>().CommitAsync(
                Steps.Starting($"run-{round}-{n}", changes: new Owe([Owed($"{round}-{n}", ObligationKind.Stop) with { Identity = identity }])), None));

            attempts.Select(a => a.Exception).ShouldAllBe(e => e == null);
            (await ObligationStore.ListOpenAsync("vms-2", identity, None)).Count.ShouldBe(1);
        }
    }

    [Fact]
    public async Task Owe_TheSameStepTwice_IsOwedOnceEvenWhenItWasSettled()
    {
        await ApplyAsync(new Owe([Owed("a", ObligationKind.Stop)]));
        await ApplyAsync(new SettleObligation("a", T0.AddMinutes(1), "It has stopped."));
        await ApplyAsync(new Owe([Owed("a", ObligationKind.Stop)]));
        await ApplyAsync(new SettleObligation("a", T0.AddMinutes(2), "Once more."));

        (await ObligationStore.ListOpenAsync(None)).ShouldBeEmpty();
        var settled = (await ObligationStore.ListOfEntryAsync("entry-1", None)).Single();
        (settled.SettledAt, settled.Settlement).ShouldBe((T0.AddMinutes(1), "It has stopped."));
    }

    [Fact]
    public async Task Owe_WhatWasSettledBefore_IsANewObligation()
    {
        await ApplyAsync(new Owe([Owed("a", ObligationKind.Stop) with { EntryId = null }]));
        await ApplyAsync(new SettleObligation("a", T0, "It has stopped."));
        await ApplyAsync(new Owe([Owed("b", ObligationKind.Stop) with { EntryId = null }]));

        (await ObligationStore.ListOpenAsync(None)).Single().Id.ShouldBe("b");
        (await ObligationStore.ListOpenAsync(None)).Single().EntryId.ShouldBeNull();
    }

    [Fact]
    public async Task Postpone_TouchesWhatOneServerIsOwedForOneIdentity()
    {
        await ApplyAsync(new Owe([Owed("a", ObligationKind.Stop), Owed("b", ObligationKind.HoldEnd), Owed("c", ObligationKind.Stop) with { Identity = "vms-3" }]));
        await ApplyAsync(new SettleObligation("a", T0, "It has stopped."));
        await ApplyAsync(new PostponeObligations("vms-2", "vms-1", T0.AddMinutes(1), "no answer"));

        (await ObligationStore.ListOpenAsync(None)).ToDictionary(o => o.Id, o => o.Attempts).ShouldBe(new Dictionary<string, int> { ["b"] = 1, ["c"] = 0 }, ignoreOrder: true);
        (await ObligationStore.ListOfEntryAsync("entry-1", None)).Single(o => o.Id == "a").Attempts.ShouldBe(0);
    }

    private static Obligation Owed(string id, ObligationKind kind) => new()
    {
        Id = id,
        ServerId = "vms-2",
        Identity = "vms-1",
        EntryId = "entry-1",
        Kind = kind,
        Epoch = 3,
        Reason = "It did not answer.",
        CreatedAt = T0,
        NextAttemptAt = T0,
    };
}
