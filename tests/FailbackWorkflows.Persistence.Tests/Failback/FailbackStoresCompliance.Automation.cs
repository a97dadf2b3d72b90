using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.AutomaticFailback;
using FailbackWorkflows.Failback.AutomaticFailover;
using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Maintenance;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Testing.Persistence;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Persistence.Tests.Failback;

/// <summary>Connections, maintenance modes, and what is failed back by itself.</summary>
public abstract partial class FailbackStoresCompliance
{
    private IConnectivityHistory History => Database.Get<IConnectivityHistory>();

    [Fact]
    public async Task History_OfConnections_IsPagedFromTheNewestAndReadOnFromTheOldest()
    {
        for (var i = 1; i <= 5; i++)
        {
            await ApplyAsync(new AddTransition(Transition("vms-1", T0.AddMinutes(i), i % 2 == 0 ? TransitionKind.Connected : TransitionKind.Disconnected, i)));
        }

        await ApplyAsync(new AddTransition(Transition("vms-2", T0.AddMinutes(9), TransitionKind.Restarted, 1)));

        var first = await History.ListAsync("vms-1", null, 2, None);
        first.Select(t => t.Episode).ShouldBe([5, 4]);
        (await History.ListAsync("vms-1", first[^1].Sequence, 200, None)).Select(t => t.Episode).ShouldBe([3, 2, 1]);
        var all = await History.ReadAfterAsync(0, 100, None);
        all.Count.ShouldBe(6);
        all.ShouldBe(all.OrderBy(t => t.Sequence));
        (await History.ReadAfterAsync(all[3].Sequence, 1, None)).ShouldBe([all[4]]);
        all[0].ShouldBe(Transition("vms-1", T0.AddMinutes(1), TransitionKind.Disconnected, 1) with { Sequence = all[0].Sequence });
    }

    [Fact]
    public async Task History_Losses_AreDisconnectionsAndRestartsSinceThen()
    {
        foreach (var (minute, kind) in new[] { (1, TransitionKind.Disconnected), (2, TransitionKind.Connected), (3, TransitionKind.Restarted), (4, TransitionKind.Calmed), (5, TransitionKind.Disconnected) })
        {
            await ApplyAsync(new AddTransition(Transition("vms-1", T0.AddMinutes(minute), kind, minute)));
        }

        await ApplyAsync(new AddTransition(Transition("vms-2", T0.AddMinutes(1), TransitionKind.Connected, 1)));

        (await History.CountLossesAsync("vms-1", T0.AddMinutes(1), None)).ShouldBe(2);
        (await History.CountLossesAsync("vms-1", T0, None)).ShouldBe(3);
        (await History.CountLossesAsync(T0, None)).ShouldBe(new Dictionary<string, int> { ["vms-1"] = 3 });
    }

    [Fact]
    public async Task Versions_GrowWithWhatThisProcessCommitsAndOnlyThen()
    {
        var duties = Database.Get<IDuties>();
        var before = (Servers.Version, duties.Version);
        await ApplyAsync(new SaveVmsServer(Server("vms-1")));
        var server = Servers.Version;
        await ApplyAsync(new GrantEpoch("vms-1", "vms-1", 1, "seed"));
        await Should.ThrowAsync<ConcurrentChangeException>(() => ApplyAsync(new SaveVmsServer(Server("vms-1"))));

        server.ShouldBe(before.Item1 + 1);
        (Servers.Version, duties.Version).ShouldBe((server, before.Item2 + 1));
    }

    [Fact]
    public async Task AutomaticFailover_EveryMember_IsReadBack_AndFoundByItsRunAndItsFailure()
    {
        var states = Database.Get<IAutomaticFailovers>();
        var state = new AutomaticFailoverState
        {
            Identity = "vms-1", Attempts = 3, Episode = "vms-1:boot:7", Failures = 2, NextAt = T0, RunId = "run-1", LastRunId = "run-1", LastEndedAt = T0.AddMinutes(1), LastMessage = "No.",
            RefusalCode = "nobody:vms-1:boot:7", Refusal = "Nobody is fit.", RefusedAt = T0.AddMinutes(2),
        };
        await ApplyAsync(new SaveAutomaticFailover(state), new SaveAutomaticFailover(new() { Identity = "vms-2", RunId = "run-2" }));

        (await states.FindAsync("vms-1", None)).ShouldBe(state with { Revision = 1 });
        (await states.FindByRunAsync("run-1", None))!.Identity.ShouldBe("vms-1");
        (await states.FindByRunAsync("run-3", None)).ShouldBeNull();
        (await states.ListUnsuccessfulAsync(None)).Select(s => s.Identity).ShouldBe(["vms-1"]);
        await Should.ThrowAsync<ConcurrentChangeException>(() => ApplyAsync(new SaveAutomaticFailover(state)));
    }

    [Fact]
    public async Task MaintenanceMode_EveryMember_IsReadBack_AndTheSecondWriterIsRefused()
    {
        var modes = Database.Get<IMaintenanceModes>();
        var mode = new MaintenanceMode
        {
            Scope = MaintenanceMode.ScopeOf("vms-1"), IsOn = true, Reason = "New disk", StartedBy = "Ada", StartedAt = T0, EndsAt = T0.AddHours(1), EndedBy = "Bea", EndedAt = T0.AddHours(2), Episode = 3,
        };
        await ApplyAsync(new SaveMaintenanceMode(mode));
        await ApplyAsync(new SaveMaintenanceMode(mode with { Scope = MaintenanceMode.System, IsOn = false }));

        (await modes.FindAsync(mode.Scope, None)).ShouldBe(mode with { Revision = 1 });
        (await modes.ListOnAsync(None)).ShouldBe([mode with { Revision = 1 }]);
        (await modes.FindAsync("server:vms-2", None)).ShouldBeNull();
        await Should.ThrowAsync<ConcurrentChangeException>(() => ApplyAsync(new SaveMaintenanceMode(mode)));
    }

    [Theory]
    [InlineData("system", 0, true)]
    [InlineData("server:vms-1", 0, true)]
    [InlineData("server:vms-2", 0, false)]
    [InlineData("system", 60, false)]
    public async Task RequireNoMaintenance_LetsNothingThroughWhileItIsOn(string scope, int minutesLater, bool refuses)
    {
        await ApplyAsync(new SaveMaintenanceMode(new MaintenanceMode { Scope = scope, IsOn = true, Reason = "New disk", StartedBy = "Ada", StartedAt = T0, EndsAt = T0.AddHours(1) }));

        var apply = () => ApplyAsync(new SaveVmsServer(Server("vms-1")), new RequireNoMaintenance("vms-1", T0.AddMinutes(minutesLater)));

        if (refuses)
        {
            (await Should.ThrowAsync<MaintenanceModeOnException>(apply)).Mode.Scope.ShouldBe(scope);
            (await Servers.FindAsync("vms-1", None)).ShouldBeNull();
        }
        else
        {
            await apply();
            (await Servers.FindAsync("vms-1", None)).ShouldNotBeNull();
        }
    }

    [Fact]
    public async Task AutomaticFailback_EveryMember_IsReadBack_AndFoundByItsRun()
    {
        var states = Database.Get<IAutomaticFailbacks>();
        var state = new AutomaticFailbackState
        {
            EntryId = "entry-1", Attempts = 3, Episode = "boot-1:7", Failures = 2, NextAt = T0.AddMinutes(5), RunId = "run-3", LastRunId = "run-3", LastEndedAt = T0,
            LastMessage = "It failed.", RefusalCode = "code", Refusal = "No.", RefusedAt = T0.AddTicks(1),
        };
        await ApplyAsync(new SaveAutomaticFailback(state));

        (await states.FindAsync("entry-1", None)).ShouldBe(state with { Revision = 1 });
        (await states.FindByRunAsync("run-3", None)).ShouldBe(state with { Revision = 1 });
        (await states.FindByRunAsync("run-4", None)).ShouldBeNull();
        await Should.ThrowAsync<ConcurrentChangeException>(() => ApplyAsync(new SaveAutomaticFailback(state)));
    }

    [Fact]
    public async Task ServersToFailBack_AreThoseWithAFailbackToStartThatAreSetSo()
    {
        await ApplyAsync(
            new SaveFailoverLogEntry(Entry("open") with { FailedServerId = "vms-a" }),
            new SaveFailoverLogEntry(Entry("open-too", T0.AddHours(1)) with { FailedServerId = "vms-a" }),
            new SaveFailoverLogEntry(Entry("failed") with { FailedServerId = "vms-b", Failback = FailbackState.Failed }),
            new SaveFailoverLogEntry(Entry("running") with { FailedServerId = "vms-c", Failback = FailbackState.Running }),
            new SaveFailoverLogEntry(Entry("done") with { FailedServerId = "vms-d", Failback = FailbackState.Done }),
            new SaveFailoverLogEntry(Entry("not-over") with { FailedServerId = "vms-e", Failover = FailoverState.Running }),
            new SaveFailoverLogEntry(Entry("without-failover") with { FailedServerId = "vms-f" }),
            new SaveFailoverLogEntry(Entry("by-hand") with { FailedServerId = "vms-g" }),
            new SaveFailoverLogEntry(Entry("not-registered") with { FailedServerId = "vms-z" }));

        await ApplyAsync([.. "abcdefgh".Select(c => new SaveVmsServer(Server($"vms-{c}") with { IsFailoverEnabled = c != 'f', IsAutomaticFailbackEnabled = c != 'g' }))]);

        (await Log.ListServersToFailBackAsync(None)).Order().ShouldBe(["vms-a", "vms-b"]);
    }

    private static ConnectivityTransition Transition(string serverId, DateTimeOffset at, TransitionKind kind, long episode) =>
        new(0, serverId, at, kind, ConnectionState.Connected, ConnectionState.Disconnected, "Because.", "poll", "boot-1", episode);
}
