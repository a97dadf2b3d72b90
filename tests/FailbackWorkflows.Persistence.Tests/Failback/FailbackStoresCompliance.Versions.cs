using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Testing.Persistence;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Persistence.Tests.Failback;

/// <summary>Rows that two people may change at the same moment: one wins, the other is told.</summary>
public abstract partial class FailbackStoresCompliance
{
    private IVmsServers Servers => Database.Get<IVmsServers>();

    private IFailoverLog Log => Database.Get<IFailoverLog>();

    [Fact]
    public async Task SaveVmsServer_EveryMember_IsReadBack()
    {
        var server = new VmsServer
        {
            Id = "vms-1", Name = "Süd 1", BaseUrl = new Uri("https://[2001:db8::1]:8443/api%20v1/?a=%2F%25"), ProtectedCredential = "secret", MachineId = "machine-1",
            SoftwareVersion = "4.2", State = VmsServerState.Broken, FailoverGroup = "group", IsFailoverEnabled = true, IsAutomaticFailbackEnabled = true,
            IsAutomaticFailoverEnabled = true, FailoverAfterPolls = 7, MostDutiesOfOthers = 4, RoomPerDutyBytes = 5_000_000_000,
            Connection = ConnectionState.Disconnected, LastSeenAt = T0.AddTicks(3), BootId = "boot-1", CreatedAt = T0.AddTicks(1),
            PollInterval = TimeSpan.FromSeconds(2), StabilityDelay = TimeSpan.FromMinutes(10), ConnectedSince = T0.AddTicks(2), ConnectionEpisode = 7, ClockOffset = TimeSpan.FromMilliseconds(-1500),
        };

        await ApplyAsync(new SaveVmsServer(server));

        var read = (await Servers.FindAsync("vms-1", None)).ShouldNotBeNull();
        read.ShouldBe(server with { Revision = 1 });
        read.BaseUrl.AbsoluteUri.ShouldBe(server.BaseUrl.AbsoluteUri);
        (await Servers.FindAsync("vms-2", None)).ShouldBeNull();
    }

    [Fact]
    public async Task VmsServers_Listed_AreInOrderOfTheirNames()
    {
        await ApplyAsync(new SaveVmsServer(Server("vms-1", "North")), new SaveVmsServer(Server("vms-3", "East")), new SaveVmsServer(Server("vms-2", "North")));

        (await Servers.ListAsync(None)).Select(s => s.Id).ShouldBe(["vms-3", "vms-1", "vms-2"]);
    }

    [Fact]
    public async Task SaveVmsServer_TwoReaders_TheSecondIsRefused()
    {
        await ApplyAsync(new SaveVmsServer(Server("vms-1")));
        var first = (await Servers.FindAsync("vms-1", None))!;
        var second = (await Servers.FindAsync("vms-1", None))!;

        await ApplyAsync(new SaveVmsServer(first with { Name = "first" }));
        var refused = await Should.ThrowAsync<ConcurrentChangeException>(() => ApplyAsync(new SaveVmsServer(second with { Name = "second" })));

        refused.Message.ShouldBe("VMS server vms-1 was changed by somebody else at the same moment.");
        (await Servers.FindAsync("vms-1", None)).ShouldBe(first with { Name = "first", Revision = 2 });
    }

    [Fact]
    public async Task SaveFailoverLogEntry_TwoReaders_TheSecondIsRefused()
    {
        await ApplyAsync(new SaveFailoverLogEntry(Entry("entry-1")));
        var first = (await Log.FindAsync("entry-1", None))!;
        var second = (await Log.FindAsync("entry-1", None))!;

        await ApplyAsync(new SaveFailoverLogEntry(first.FailbackStarted("run-1", T0)));
        var refused = await Should.ThrowAsync<ConcurrentChangeException>(() => ApplyAsync(new SaveFailoverLogEntry(second.FailbackStarted("run-2", T0))));

        refused.Message.ShouldBe("Failover log entry entry-1 was changed by somebody else at the same moment.");
        (await Log.FindAsync("entry-1", None)).ShouldNotBeNull().FailbackRunId.ShouldBe("run-1");
    }

    [Fact]
    public async Task Save_EightReadersAtOnce_ExactlyOneWins()
    {
        await ApplyAsync(new SaveVmsServer(Server("vms-1")), new SaveFailoverLogEntry(Entry("entry-1")));
        for (var round = 1; round <= 5; round++)
        {
            var server = (await Servers.FindAsync("vms-1", None))!;
            var entry = (await Log.FindAsync("entry-1", None))!;
            server.Revision.ShouldBe(round);
            entry.Revision.ShouldBe(round);

            var servers = await Together.RunAsync(8, i => ApplyAsync(new SaveVmsServer(server with { Name = $"writer-{i}" })));
            var entries = await Together.RunAsync(8, i => ApplyAsync(new SaveFailoverLogEntry(entry with { Message = $"writer-{i}" })));

            (await Servers.FindAsync("vms-1", None))!.Name.ShouldBe($"writer-{servers.Single(a => a.Succeeded).Number}");
            (await Log.FindAsync("entry-1", None))!.Message.ShouldBe($"writer-{entries.Single(a => a.Succeeded).Number}");
            servers.Concat(entries).Where(a => !a.Succeeded).ShouldAllBe(a => a.Exception is ConcurrentChangeException);
        }
    }

    [Fact]
    public async Task Save_NewTwice_TheSecondIsRefused()
    {
        await ApplyAsync(new SaveVmsServer(Server("vms-1")), new SaveFailoverLogEntry(Entry("entry-1")));

        await Should.ThrowAsync<ConcurrentChangeException>(() => ApplyAsync(new SaveVmsServer(Server("vms-1"))));
        await Should.ThrowAsync<ConcurrentChangeException>(() => ApplyAsync(new SaveFailoverLogEntry(Entry("entry-1"))));
    }

    [Fact]
    public async Task Save_RevisionOfARowThatIsGone_IsRefused()
    {
        await Should.ThrowAsync<ConcurrentChangeException>(() => ApplyAsync(new SaveVmsServer(Server("vms-1") with { Revision = 3 })));
        await Should.ThrowAsync<ConcurrentChangeException>(() => ApplyAsync(new SaveFailoverLogEntry(Entry("entry-1") with { Revision = 3 })));
    }

    [Fact]
    public async Task Save_TwiceInOneTransaction_CountsBoth()
    {
        await ApplyAsync(
            new SaveVmsServer(Server("vms-1")),
            new SaveVmsServer(Server("vms-1") with { Name = "renamed", Revision = 1 }));

        var server = (await Servers.FindAsync("vms-1", None)).ShouldNotBeNull();
        (server.Name, server.Revision).ShouldBe(("renamed", 2));
    }

    [Fact]
    public async Task Apply_LastChangeRefused_LeavesNothing()
    {
        await Should.ThrowAsync<ConcurrentChangeException>(() =>
            ApplyAsync(new SaveVmsServer(Server("vms-1")), new SaveFailoverLogEntry(Entry("entry-1")), new SaveVmsServer(Server("vms-2") with { Revision = 1 })));

        (await Servers.ListAsync(None)).ShouldBeEmpty();
        (await Log.FindAsync("entry-1", None)).ShouldBeNull();
    }

    [Fact]
    public async Task SaveVmsServer_MachineRegisteredTwice_IsRefused()
    {
        await ApplyAsync(new SaveVmsServer(Server("vms-1") with { MachineId = "machine-1" }), new SaveVmsServer(Server("vms-2")), new SaveVmsServer(Server("vms-3")));

        await Should.ThrowAsync<ConcurrentChangeException>(() => ApplyAsync(new SaveVmsServer(Server("vms-4") with { MachineId = "machine-1" })));

        (await Servers.ListAsync(None)).Count.ShouldBe(3);
    }

    [Fact]
    public async Task SaveFailoverLogEntry_ExternalIdReportedTwice_IsRefused()
    {
        await ApplyAsync(new SaveFailoverLogEntry(Entry("entry-1") with { ExternalId = "report-1" }));

        await Should.ThrowAsync<ConcurrentChangeException>(() => ApplyAsync(new SaveFailoverLogEntry(Entry("entry-2") with { ExternalId = "report-1" })));

        (await Log.FindByExternalIdAsync("report-1", None)).ShouldNotBeNull().Id.ShouldBe("entry-1");
        (await Log.FindByExternalIdAsync("report-2", None)).ShouldBeNull();
    }

    /// <summary>Only somebody else's change may be called one: who is told so reads again and tries again, which helps against nothing else.</summary>
    [Fact]
    public async Task Save_DatabaseFailsForAnotherReason_IsNotCalledAConcurrentChange()
    {
        var failed = await Should.ThrowAsync<Exception>(() => ApplyAsync(new SaveVmsServer(Server("vms-1") with { Name = null! })));

        failed.ShouldNotBeOfType<ConcurrentChangeException>();
    }
}
