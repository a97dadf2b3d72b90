using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Maintenance;
using FailbackWorkflows.Failback.Policies;
using FailbackWorkflows.Failback.Readiness;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders.Settings;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Failback.Readiness;

/// <summary>A result expires when something was changed that it depends on, and only then.</summary>
public sealed class ReadinessStampsTests
{
    [Theory]
    [InlineData("nothing", null)]
    [InlineData("connection lost", null)]
    [InlineData("another server was added elsewhere", null)]
    [InlineData("maintenance mode of another server", null)]
    [InlineData("workflow published", ReadinessChange.Definition)]
    [InlineData("licence installed", ReadinessChange.License)]
    [InlineData("licence ran out", ReadinessChange.License)]
    [InlineData("settings changed", ReadinessChange.Settings)]
    [InlineData("server renamed", ReadinessChange.Topology)]
    [InlineData("failover server replaced", ReadinessChange.Topology)]
    [InlineData("duty granted to another", ReadinessChange.Topology)]
    [InlineData("failback failed", ReadinessChange.Topology)]
    [InlineData("policy changed", ReadinessChange.Rules)]
    [InlineData("maintenance mode", ReadinessChange.Rules)]
    public async Task Failback_SomethingChanges_ExpiresForThatReason(string situation, ReadinessChange? reason)
    {
        await using var world = await FailbackWorld.CreateAsync();
        var result = await world.CheckAsync();

        await ChangeAsync(world, situation);

        await ShouldHaveExpiredAsync(world, result, reason);
    }

    [Theory]
    [InlineData("another server was added elsewhere", null)]
    [InlineData("another server was added to the group", ReadinessChange.Topology)]
    [InlineData("failover server set aside", ReadinessChange.Topology)]
    [InlineData("failover workflow published", ReadinessChange.Definition)]
    [InlineData("workflow published", null)]
    public async Task Failover_SomethingChanges_ExpiresForThatReason(string situation, ReadinessChange? reason)
    {
        await using var world = await FailbackWorld.CreateAsync();
        foreach (var id in new[] { FailbackWorld.Spare, FailbackWorld.Failover })
        {
            await world.ApplyAsync(new SaveVmsServer((await world.ServerAsync(id)) with { FailoverGroup = "north" }));
        }

        var result = await world.CheckAsync(FailbackWorld.Spare);

        await ChangeAsync(world, situation);

        await ShouldHaveExpiredAsync(world, result, reason);
    }

    [Fact]
    public async Task Server_FailsOver_IsAnotherKindAndTheOldResultCountsNoLonger()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await world.ApplyAsync(new SaveFailoverLogEntry((await world.EntryAsync()) with { Failback = FailbackState.Done }));
        var before = await world.CheckAsync();

        await world.ApplyAsync(new SaveFailoverLogEntry(FailbackWorld.NewEntry("entry-2", world.Time.GetUtcNow())));

        before.Kind.ShouldBe(ReadinessKind.Failover);
        var subject = await world.Node.Get<ReadinessStamps>().ReadAsync(await world.ServerAsync(), default);
        (subject.Kind, subject.Entry?.Id).ShouldBe((ReadinessKind.Failback, "entry-2"));
        (await world.Get<IReadinessResults>().ListSummariesAsync(default)).ShouldBeEmpty();
    }

    // What is read for many servers at once, for a page of them too, must say the same as what is read for each.
    [Theory]
    [InlineData(120)]
    [InlineData(40)]
    public async Task Read_ManyAtOnce_IsTheSameAsEach(int more)
    {
        await using var world = await FailbackWorld.CreateAsync();
        await world.ApplyAsync([.. Enumerable.Range(0, more).Select(i => new SaveVmsServer(Server($"many-{i:D3}", i % 2 == 0 ? "south" : null)))]);
        await SaveSettingsAsync(world, 3);
        var stamps = world.Node.Get<ReadinessStamps>();
        var servers = await world.Get<IVmsServers>().ListAsync(default);

        var together = await stamps.ReadAsync(servers, default);

        together.Count.ShouldBe(more + 3);
        foreach (var subject in together.Where(s => s.Server.Id is FailbackWorld.Failed or FailbackWorld.Failover or FailbackWorld.Spare or "many-000" or "many-039"))
        {
            var alone = await stamps.ReadAsync(subject.Server, default);
            (alone.Stamp, alone.Entry?.Id).ShouldBe((subject.Stamp, subject.Entry?.Id));
        }
    }

    private static async Task ShouldHaveExpiredAsync(FailbackWorld world, ReadinessResult result, ReadinessChange? reason)
    {
        var subject = await world.Node.Get<ReadinessStamps>().ReadAsync(await world.ServerAsync(result.ServerId), default);
        ReadinessChange[] expected = reason is { } change ? [change] : [];
        subject.ChangesSince(result).ShouldBe(expected);
    }

    private static async Task ChangeAsync(FailbackWorld world, string situation)
    {
        var now = world.Time.GetUtcNow();
        switch (situation)
        {
            case "nothing":
                world.Time.Advance(TimeSpan.FromHours(1));
                break;
            case "connection lost":
                await world.ApplyAsync(new SaveVmsServer((await world.ServerAsync()) with { Connection = ConnectionState.Disconnected, ConnectionEpisode = 9, LastSeenAt = now }));
                break;
            case "another server was added elsewhere":
                await world.ApplyAsync(new SaveVmsServer(Server("rec-9", "south")));
                break;
            case "another server was added to the group":
                await world.ApplyAsync(new SaveVmsServer(Server("rec-9", "north")));
                break;
            case "failover server set aside":
                await world.ApplyAsync(new SaveVmsServer((await world.ServerAsync(FailbackWorld.Failover)) with { IsFailoverEnabled = false }));
                break;
            case "maintenance mode of another server":
                await TurnOnAsync(world, MaintenanceMode.ScopeOf(FailbackWorld.Spare));
                break;
            case "workflow published":
                await PublishAsync(world, "failback/failback.v2.json");
                break;
            case "failover workflow published":
                await PublishAsync(world, "failover/failover.v1.json");
                break;
            case "licence installed":
                await world.InstallAsync(TestLicense.Valid(now) with { Recorders = 11 });
                break;
            case "licence ran out":
                world.Time.Advance(TimeSpan.FromDays(31));
                break;
            case "settings changed":
                await SaveSettingsAsync(world, 3);
                break;
            case "server renamed":
                await world.ApplyAsync(new SaveVmsServer((await world.ServerAsync()) with { Name = "Hall" }));
                break;
            case "failover server replaced":
                await world.ApplyAsync(new SaveVmsServer((await world.ServerAsync(FailbackWorld.Failover)) with { MachineId = "another-machine" }));
                break;
            case "duty granted to another":
                await world.ApplyAsync(new GrantEpoch(FailbackWorld.Failed, FailbackWorld.Spare, 5, "x"));
                break;
            case "failback failed":
                await world.ApplyAsync(new SaveFailoverLogEntry((await world.EntryAsync()) with { Failback = FailbackState.Failed }));
                break;
            case "policy changed":
                await world.SetPolicyAsync(new FailbackPolicy { FailbackWithoutFailoverServer = true });
                break;
            case "maintenance mode":
                await TurnOnAsync(world, MaintenanceMode.System);
                break;
            default:
                throw new ArgumentException(situation);
        }
    }

    private static Task TurnOnAsync(FailbackWorld world, string scope) =>
        world.ApplyAsync(new SaveMaintenanceMode(new MaintenanceMode { Scope = scope, IsOn = true, Reason = "cabling", StartedBy = "Anna", StartedAt = world.Time.GetUtcNow() }));

    private static Task SaveSettingsAsync(FailbackWorld world, int version) => world.ApplyAsync(new SaveSettings(new CachedSettings(
        FailbackWorld.Failed, FailbackWorld.Failover, FailbackWorld.FailoverEpoch, version, SettingsDigest.Compute(FakeSettings.Content(version)), world.Time.GetUtcNow(), FakeSettings.Content(version))));

    private static async Task PublishAsync(FailbackWorld world, string file)
    {
        var json = await File.ReadAllTextAsync(Path.Combine(RepositoryFiles.Workflows, file));
        await world.Node.Get<WorkflowDefinitions>().PublishAsync(json.Replace("\"description\": \"Moves", "\"description\": \"Also moves", StringComparison.Ordinal), "Ines", default);
    }

    private static VmsServer Server(string id, string? group) => new()
    {
        Id = id,
        Name = id,
        BaseUrl = new Uri($"http://{id}.example/"),
        ProtectedCredential = "protected:x",
        State = VmsServerState.Ok,
        FailoverGroup = group,
        CreatedAt = DateTimeOffset.UnixEpoch,
    };
}
