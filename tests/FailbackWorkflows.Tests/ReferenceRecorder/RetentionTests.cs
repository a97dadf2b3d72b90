using System.Net;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.ReferenceRecorder.Storage;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.ReferenceRecorder;

/// <summary>What is removed, what is kept, and what is told about it.</summary>
public sealed class RetentionTests
{
    private const long Capacity = 4 * 1024 * 1024;
    private const long Reserve = 1024 * 1024;

    [Fact]
    public async Task Expiry_OfSegmentsAndRecords_LeavesTombstonesAndSparesWhatIsLocked()
    {
        await using var host = await RecorderHost.StartSeededAsync();
        await host.PassAsync(TimeSpan.FromSeconds(12));
        await host.StopRecordingAsync(1);
        var segments = await host.SegmentsAsync();
        var audio = await host.SegmentsAsync("audio-1");
        await MaterialReadingTests.ImportAsync(host, "locks", Lock("kept", segments[2].From, "2099-01-01T00:00:00Z") + "\n" + Lock("expired", segments[4].From, "2020-01-01T00:00:00Z"));
        await ExpireAsync(host);

        (await host.SegmentsAsync()).Select(s => s.Id).ShouldBe([segments[2].Id]);
        (await host.SegmentsAsync("audio-1")).ShouldBeEmpty();
        (await host.RecordsAsync("locks")).Items.Select(l => l.Id).ShouldBe(["kept"]);
        (await host.RecordsAsync("text")).Items.ShouldBeEmpty();
        (await host.RecordsAsync("metadata", "&channelId=video-1")).Items.ShouldAllBe(m => m.TimeUtc >= segments[2].From && m.TimeUtc < segments[2].To);
        var gone = await GoneAsync(host, "audio-1");
        gone.Select(g => g.Id).ShouldBe(audio.Select(s => s.Id));
        gone.ShouldAllBe(g => g.Reason == "retention");
    }

    [Fact]
    public async Task RetentionLongerThanTheCalendar_KeepsEverything_AndStopsNothing()
    {
        await using var host = await RecorderHost.StartSeededAsync();
        await host.PassAsync(TimeSpan.FromSeconds(12));
        await host.StopRecordingAsync(1);
        var segments = await host.SegmentsAsync();
        await host.ConfigureAsync(RecorderHost.Content() with { Retention = RecorderHost.Json("{\"maximumRetentionTime\":\"P9999Y\"}") }, 1, 1);

        (await host.Housekeeping.SweepRetentionAsync(default)).ShouldBe(0);

        (await host.SegmentsAsync()).ShouldBe(segments);
    }

    [Theory]
    [InlineData("verifiedCopy", true)]
    [InlineData("acceptedLoss", false)]
    public async Task ReleasedHold_KeepsDisputedMaterialUntilTheLossIsAccepted(string release, bool keepsDisputed)
    {
        await using var host = await RecorderHost.StartSeededAsync();
        var from = host.Time.GetUtcNow();
        await host.PassAsync(TimeSpan.FromSeconds(12));
        await HoldAsync(host, from, null, 1, "open");
        await host.StopRecordingAsync(1);
        var segments = await host.SegmentsAsync();
        await host.StopRecordingAsync(2, ends: new Dictionary<string, DateTimeOffset> { ["video-1"] = segments[3].From, ["text-1"] = segments[3].From });
        await HoldAsync(host, from, from.AddHours(1), 2, "end");
        await ExpireAsync(host, 2);
        (await host.SegmentsAsync()).Count.ShouldBe(segments.Count);

        (await host.CallAsync(HttpMethod.Post, "v1/retention-holds/entry-1:release", new { identity = "vms-1", taskId = "task-1", release, reason = "Done." }, null, host.TaskHeaders(epoch: 2))).Status.ShouldBe(HttpStatusCode.OK);
        await host.Housekeeping.SweepRetentionAsync(default);

        (await host.SegmentsAsync()).Select(s => s.Id).ShouldBe(keepsDisputed ? segments.Skip(3).Select(s => s.Id) : []);
        (await host.RecordsAsync("text")).Items.ShouldAllBe(l => keepsDisputed && l.Disputed == DisputeState.Disputed);
    }

    [Fact]
    public async Task FullDisk_RingStorage_TheOldestThatNothingKeepsGivesWay()
    {
        await using var host = await StartSmallAsync();
        var ids = await FillAsync(host, 6);
        await HoldAsync(host, At(0), At(1), 1, "hold");

        (await host.Client.GetStatusAsync(host.Endpoint, default)).Storage.Single().ShouldBe(new StorageState("main", Capacity, Capacity - (6 * 600_000), Reserve));
        (await host.Housekeeping.RelieveAsync(default)).ShouldBe(1);

        (await host.SegmentsAsync()).Select(s => s.Id).ShouldBe([ids[0], .. ids[2..]]);
        (await GoneAsync(host, "video-1")).Select(g => (g.Id, g.Reason)).ShouldBe([(ids[1], "retention")]);
        Journal(host).ShouldContain(e => e.Kind == "ringStorage");
        (await host.Housekeeping.RelieveAsync(default)).ShouldBe(0);
    }

    [Fact]
    public async Task FullDisk_OnlyOwedMaterialLeft_DropsTheOldestAndSaysSo()
    {
        await using var host = await StartSmallAsync();
        var ids = await FillAsync(host, 6);
        await HoldAsync(host, At(0), null, 1, "hold");
        await MaterialReadingTests.ImportAsync(host, "locks", Lock("lock", At(0), null));

        (await host.Housekeeping.RelieveAsync(default)).ShouldBe(1);

        (await host.SegmentsAsync()).Select(s => s.Id).ShouldBe([ids[0], .. ids[2..]]);
        (await GoneAsync(host, "video-1")).Select(g => (g.Id, g.Reason)).ShouldBe([(ids[1], "pressure")]);
        var told = Journal(host).Single(e => e.Kind == "owedDropped");
        told.Identity.ShouldBe("vms-1");
        told.Text.ShouldContain("Channel video-1: 1 segments, 600000 bytes, from 2026-02-01T12:01:00.0000000Z");
    }

    [Fact]
    public async Task FullDisk_StopAccepting_KeepsWhatIsOwedAndTakesNothingMore()
    {
        await using var host = await StartSmallAsync("--onHoldPressure", "stopAccepting");
        await FillAsync(host, 6);
        await HoldAsync(host, At(0), null, 1, "hold");

        (await host.Housekeeping.RelieveAsync(default)).ShouldBe(0);
        await host.Housekeeping.RelieveAsync(default);

        (await host.SegmentsAsync()).Count.ShouldBe(6);
        Journal(host).Count(e => e.Kind == "storageFull").ShouldBe(1);
        (await SegmentTests.PutAsync(host, "one-more", "12:30:00", "12:31:00", [1])).ShouldBe((HttpStatusCode.InsufficientStorage, RecorderProblems.StorageFull));
        (await Should.ThrowAsync<RecorderException>(() => host.StartRecordingAsync(1))).Kind.ShouldBe(RecorderErrorKind.StorageFull);
    }

    private static async Task<RecorderHost> StartSmallAsync(params string[] more)
    {
        var host = await RecorderHost.StartAsync(null, null, ["--capacityBytes", $"{Capacity}", "--reserveBytes", $"{Reserve}", .. more]);
        await host.AssignAsync(DutyRole.Recorder, 1, "run-1");
        await host.ConfigureAsync(RecorderHost.Content(), 1);
        return host;
    }

    /// <summary>Segments of 600,000 bytes and a minute each.</summary>
    private static async Task<List<string>> FillAsync(RecorderHost host, int count)
    {
        var ids = new List<string>();
        for (var n = 0; n < count; n++)
        {
            ids.Add($"seg-{n}");
            (await SegmentTests.PutAsync(host, ids[n], $"12:{n:D2}:00", $"12:{n + 1:D2}:00", new byte[600_000])).Status.ShouldBe(HttpStatusCode.Created);
        }

        return ids;
    }

    private static DateTimeOffset At(int minute) => new(2026, 2, 1, 12, minute, 0, TimeSpan.Zero);

    private static string Lock(string id, DateTimeOffset at, string? expires) =>
        $$"""{"id":"{{id}}","timeUtc":"{{RecorderJson.FormatInstant(at)}}","toUtc":"{{RecorderJson.FormatInstant(at.AddMilliseconds(100))}}","body":{"trackIds":["vms-1~video-1"],"expiresUtc":{{(expires is null ? "null" : $"\"{expires}\"")}} } }""";

    private static Task HoldAsync(RecorderHost host, DateTimeOffset from, DateTimeOffset? to, long epoch, string key) =>
        host.Client.PutRetentionHoldAsync(host.Endpoint, new RetentionHoldCommand("entry-1", RecorderHost.Identity, new DutyAuthority(epoch, 0), from, to, "Owed."), key, default);

    private static async Task ExpireAsync(RecorderHost host, long epoch = 1)
    {
        await host.ConfigureAsync(RecorderHost.Content() with { Retention = RecorderHost.Json("{\"maximumRetentionTime\":\"PT1H\"}") }, epoch, 1);
        host.Time.Advance(TimeSpan.FromHours(2));
        await host.Housekeeping.SweepRetentionAsync(default);
    }

    private static async Task<IReadOnlyList<GoneSegment>> GoneAsync(RecorderHost host, string channel) =>
        System.Text.Json.JsonSerializer.Deserialize<SegmentPage>((await host.CallAsync(HttpMethod.Get, $"v1/tracks/vms-1~{channel}/segments")).Body, RecorderJson.Options)!.Gone;

    private static List<JournalEntry> Journal(RecorderHost host) => host.Store.Read(sql => RecorderJournal.List(sql, 0));
}
