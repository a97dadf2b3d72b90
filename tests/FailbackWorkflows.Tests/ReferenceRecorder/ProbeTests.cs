using System.Text.Json;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Settings;
using FailbackWorkflows.ReferenceRecorder.Settings;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.ReferenceRecorder;

/// <summary>Scenario 9: a recorder's storage may be well while a channel of it cannot be written.</summary>
public sealed class ProbeTests
{
    [Fact]
    public async Task Probe_OfNoIdentity_SaysNothingOfChannels()
    {
        await using var host = await RecorderHost.StartSeededAsync();

        var probe = await host.Client.ProbeAsync(host.Endpoint, null, default);

        (probe.Writable, probe.Reason, probe.Channels).ShouldBe((true, null, null));
    }

    [Fact]
    public async Task Probe_OfAnIdentity_WritesWhereItsEnabledChannelsGo_AndLeavesNothing()
    {
        await using var host = await RecorderHost.StartAsync();
        var segments = Path.Combine(host.Folder, "segments");
        await ActivateAsync(host, """
            [{ "id": "video-1", "kind": "video", "name": "Gate" },
             { "id": "video-2", "kind": "video", "enabled": false },
             { "id": "text-1", "kind": "text", "required": false }]
            """);
        var before = Directory.GetFileSystemEntries(segments, "*", SearchOption.AllDirectories);

        var probe = await host.Client.ProbeAsync(host.Endpoint, RecorderHost.Identity, default);

        probe.Channels!.ShouldBe([new ChannelProbe("video-1", "Gate", true, true, null), new ChannelProbe("text-1", "text-1", false, true, null)]);
        Directory.GetFileSystemEntries(segments, "*", SearchOption.AllDirectories).ShouldBe(before);
    }

    [Fact]
    public async Task Probe_FolderOfOneChannelCannotBeWritten_NamesThatChannelOnly()
    {
        await using var host = await RecorderHost.StartAsync();
        await ActivateAsync(host, """[{ "id": "video-1", "kind": "video" }, { "id": "video-2", "kind": "video" }]""");

        // Also who may do everything cannot write into a folder that is a file.
        var folder = Directory.CreateDirectory(Path.Combine(host.Folder, "segments", RecorderHost.Identity));
        await File.WriteAllTextAsync(Path.Combine(folder.FullName, "video-2"), "in the way");

        var probe = await host.Client.ProbeAsync(host.Endpoint, RecorderHost.Identity, default);

        probe.Writable.ShouldBeTrue("the storage itself is well");
        probe.Channels!.Select(c => (c.ChannelId, c.Writable)).ShouldBe([("video-1", true), ("video-2", false)]);
        probe.Channels![1].Reason!.ShouldContain("cannot be written");
    }

    [Fact]
    public async Task Probe_StoragePathOfAChannelIsGone_NamesIt()
    {
        await using var host = await RecorderHost.StartAsync();
        var gone = Path.Combine(host.Folder, "drive-e");
        await ActivateAsync(host, $$"""[{ "id": "video-1", "kind": "video", "storagePath": {{JsonSerializer.Serialize(gone)}} }]""");

        var probe = await host.Client.ProbeAsync(host.Endpoint, RecorderHost.Identity, default);

        probe.Channels!.Single().Reason!.ShouldStartWith($"The folder {gone} cannot be written:");
    }

    [Fact]
    public async Task Probe_OfANameThatIsNone_IsRefused()
    {
        await using var host = await RecorderHost.StartAsync();

        (await Should.ThrowAsync<RecorderException>(() => host.Client.ProbeAsync(host.Endpoint, "../other", default))).Kind.ShouldBe(RecorderErrorKind.Rejected);
    }

    // Scenario 24: what is owed is weighed, and does not count as room.
    [Fact]
    public async Task Probe_WeighsWhatIsKeptAndWhatMayGiveWay()
    {
        await using var host = await RecorderHost.StartSeededAsync();
        await host.PassAsync(TimeSpan.FromSeconds(12));
        await host.StopRecordingAsync(1);
        var all = (await host.SegmentsAsync()).Concat(await host.SegmentsAsync("audio-1")).ToList();
        var before = (await host.Client.ProbeAsync(host.Endpoint, null, default)).Storage.Single();
        var from = all.Max(s => s.From);
        await host.Client.PutRetentionHoldAsync(host.Endpoint, new RetentionHoldCommand("entry-1", RecorderHost.Identity, new DutyAuthority(1, 1), from, null, "owed"), "hold-1", default);

        var after = (await host.Client.ProbeAsync(host.Endpoint, null, default)).Storage.Single();

        var held = all.Where(s => s.To > from).Sum(s => s.Bytes);
        held.ShouldBeGreaterThan(0);
        (before.HeldBytes, before.ClearableBytes).ShouldBe((0, all.Sum(s => s.Bytes)));
        (after.HeldBytes, after.ClearableBytes).ShouldBe((held, all.Sum(s => s.Bytes) - held));
        (await host.Client.GetStatusAsync(host.Endpoint, default)).Storage.Single().HeldBytes.ShouldBeNull("a poll need not weigh anything");
    }

    private static async Task ActivateAsync(RecorderHost host, string channels)
    {
        using var document = JsonDocument.Parse(channels);
        var content = SettingsStore.Empty with { Channels = document.RootElement.Clone() };
        await host.Store.WriteAsync(sql => SettingsStore.Activate(sql, RecorderHost.Identity, content, "local", host.Time.GetUtcNow()), default);
    }
}
