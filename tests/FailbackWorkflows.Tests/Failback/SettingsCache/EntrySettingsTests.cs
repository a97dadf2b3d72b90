using System.Text.Json;
using System.Text.Json.Nodes;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Recorders.Settings;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Failback.SettingsCache;

/// <summary>Scenario 12: what was changed at the failover server goes back and is shown; what it overwrites is listed, none lost in silence.</summary>
public sealed class EntrySettingsTests
{
    [Fact]
    public async Task ChangedAtTheFailoverServer_BeforeTheFailback_IsWhatWillGoBack()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await RefreshAsync(world);

        var report = await ReadAsync(world);

        (report.Before!.SourceServerId, report.Now!.SourceServerId).ShouldBe((FailbackWorld.Failed, FailbackWorld.Failover));
        report.Changes.Select(c => c.Sentence).ShouldBe(["Channel 1 'Gate, version 2': renamed from 'Gate, version 1' to 'Gate, version 2'", "File 'site.conf' changed (12 bytes → 12 bytes)"]);
        report.Overwritten.ShouldBeEmpty();
    }

    [Fact]
    public async Task ChangedOnBothSides_IsAConflictThatTheDutysHolderWins()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.FailedDuty.Activate(Changed(FakeSettings.Content(1), content =>
        {
            content["Channels"]![0]!["name"] = "Front gate";
            content["Masks"]![1]!["polygon"] = new JsonArray(new JsonArray(0.2, 0.2), new JsonArray(0.5, 0.2), new JsonArray(0.5, 0.4));
        }));
        await RefreshAsync(world);

        await ShouldListAsync(isDone: false);
        var run = await world.FailBackAsync();
        run.Result.ShouldBe("done");
        world.Time.Advance(TimeSpan.FromMinutes(1));
        await RefreshAsync(world);
        await ShouldListAsync(isDone: true);

        async Task ShouldListAsync(bool isDone)
        {
            ((await world.EntryAsync()).Failback == FailbackState.Done).ShouldBe(isDone);
            var report = await ReadAsync(world);
            report.Changes.Count.ShouldBe(2);
            report.Now!.Sha256.ShouldBe(world.FailoverDuty.Sha256);
            report.AtFailedServer!.Revision.ShouldBe(2);
            report.Overwritten.Select(o => (o.Change.Sentence, o.Winner?.Sentence)).ShouldBe(
            [
                ("Channel 1 'Front gate': renamed from 'Gate, version 1' to 'Front gate'", "Channel 1 'Gate, version 2': renamed from 'Gate, version 1' to 'Gate, version 2'"),
                ("Channel 2 'Hall': privacy mask 'mask-2' moved", null),
            ]);
            // It can be had again: its content is in the history.
            (await world.Get<ISettingsCache>().FindAsync(FailbackWorld.Failed, report.AtFailedServer.Sha256, default)).ShouldNotBeNull();
        }
    }

    // Changed at the failed server too late for the refresh: the run itself keeps what it is about to overwrite.
    [Fact]
    public async Task ChangedAtTheFailedServer_JustBeforeItIsOverwritten_IsKeptByTheRun()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await RefreshAsync(world);
        world.Recorders.Before(FailbackWorld.Failed, "ValidateSettings", () => { }, nth: 1);
        world.Recorders.Before(FailbackWorld.Failed, "GetSettings", () => world.FailedDuty.Activate(FakeSettings.Content(8)), nth: 2);

        (await world.FailBackAsync()).Result.ShouldBe("done");

        (await ReadAsync(world)).Overwritten.ShouldContain(o => o.Change.Sentence.Contains("'Gate, version 8'", StringComparison.Ordinal) && o.Winner != null);
    }

    [Fact]
    public async Task ChangedAgainAfterTheFailback_IsNoPartOfThisFailover()
    {
        await using var world = await FailbackWorld.CreateAsync();
        (await world.FailBackAsync()).Result.ShouldBe("done");
        world.Time.Advance(TimeSpan.FromMinutes(1));
        world.FailedDuty.Activate(FakeSettings.Content(9));
        await RefreshAsync(world);

        var report = await ReadAsync(world);

        report.Now!.Sha256.ShouldBe(world.FailoverDuty.Sha256);
        report.Changes.Select(c => c.Sentence).ShouldContain(s => s.Contains("version 2", StringComparison.Ordinal));
        report.Overwritten.ShouldBeEmpty();
    }

    // Scenario 16: a camera replaced, one added, one removed.
    [Fact]
    public async Task ChannelsChangedDuringTheFailover_AreCarriedHome()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.FailoverDuty.Activate(Changed(FakeSettings.Content(1), content =>
        {
            content["Channels"]![0]!["sourceId"] = "urn:new-camera";
            content["Channels"]!.AsArray().RemoveAt(2);
            content["Channels"]!.AsArray().Add(new JsonObject { ["id"] = "video-9", ["slot"] = 4, ["kind"] = "video", ["name"] = "Yard" });
        }));
        await RefreshAsync(world);

        (await world.FailBackAsync()).Result.ShouldBe("done");

        world.FailedDuty.Sha256.ShouldBe(world.FailoverDuty.Sha256);
        (await ReadAsync(world)).Changes.Select(c => c.Sentence).ShouldBe(
            ["Channel 1 'Gate, version 1': camera replaced (nothing → 'urn:new-camera')", "Channel 3 'Till' removed", "Channel 4 'Yard' added"]);
    }

    [Fact]
    public async Task CacheKnowsNothing_SaysSo()
    {
        await using var world = await FailbackWorld.CreateAsync();

        var report = await world.Node.Get<EntrySettings>().ReadAsync(FailbackWorld.NewEntry("x", world.Time.GetUtcNow()) with { FailedServerId = "nobody" }, default);

        (report.Before, report.Now, report.Changes.Count).ShouldBe((null, null, 0));
    }

    private static Task RefreshAsync(FailbackWorld world) => world.Node.Get<RefreshSettings>().ExecuteAsync(default);

    private static async Task<EntrySettingsReport> ReadAsync(FailbackWorld world) => await world.Node.Get<EntrySettings>().ReadAsync(await world.EntryAsync(), default);

    private static SettingsContent Changed(SettingsContent content, Action<JsonNode> change)
    {
        var node = JsonSerializer.SerializeToNode(content)!;
        change(node);
        return node.Deserialize<SettingsContent>()!;
    }
}
