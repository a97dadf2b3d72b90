using System.Net;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.ReferenceRecorder.Storage;
using FailbackWorkflows.Testing;
using Microsoft.Extensions.DependencyInjection;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.ReferenceRecorder.MaterialCopy;

/// <summary>What is deleted by age or for room while material is copied, at either end.</summary>
public sealed class CopyAndRetentionTests
{
    private const long Mebi = 1024 * 1024;
    private const int SegmentBytes = 1_000_000;

    // Scenario 35.
    [Fact]
    public async Task TheSourcesRetention_SparesWhatIsHeld_UntilItIsHome()
    {
        var time = new FakeTimeProvider();
        await using var source = await RecorderHost.StartSeededAsync(time);
        var from = time.GetUtcNow();
        await source.PassAsync(TimeSpan.FromSeconds(20));
        var to = time.GetUtcNow();
        await source.Client.PutRetentionHoldAsync(source.Endpoint, new RetentionHoldCommand("entry-1", RecorderHost.Identity, new DutyAuthority(1, 0), from, to, "Owed."), "hold", default);
        await source.StopRecordingAsync(1);
        await source.ConfigureAsync(WithRetention("PT1H"), 1, 1);
        time.Advance(TimeSpan.FromHours(2));
        await source.Housekeeping.SweepRetentionAsync(default);
        var owed = await source.SegmentsAsync();
        owed.Count.ShouldBeGreaterThanOrEqualTo(10);

        await using var host = new CopyHost(await RecorderHost.StartSeededAsync(time), await FakeSource.StartAsync(time));
        var token = await source.IssueAsync(from, to);
        await host.SendAsync<CopyTask>(HttpMethod.Post, "v1/copy-tasks", new StartDataCopy("task-1", "entry-1", RecorderHost.Identity, source.Store.MachineId, new CopyPeriod(null, from, to), [], new CopyLimits(), false, "test"));
        await host.SetSourceAsync(token: token.Token, url: source.Endpoint.BaseUrl);
        var task = await host.EndAsync();
        await source.Housekeeping.SweepRetentionAsync(default);

        task.State.ShouldBe(CopyTaskState.Copied, task.LastError);
        (await source.SegmentsAsync()).ShouldBe(owed);
        (await host.Target.SegmentsAsync()).Where(s => s.From < to).Select(s => (s.Id, s.Sha256)).ShouldBe(owed.Select(s => (s.Id, s.Sha256)));
        (await source.CallAsync(HttpMethod.Post, "v1/retention-holds/entry-1:release", new { identity = "vms-1", taskId = "task-1", release = "verifiedCopy", reason = "Done." }, null, source.TaskHeaders())).Status.ShouldBe(HttpStatusCode.OK);
        await source.Housekeeping.SweepRetentionAsync(default);
        (await source.SegmentsAsync()).ShouldBeEmpty("only now it may go");
    }

    // Scenario 36, the other way round.
    [Fact]
    public async Task ATargetThatKeepsLongerThanTheCalendar_IsCopiedTo()
    {
        await using var host = await CopyHost.StartAsync();
        await host.Target.ConfigureAsync(WithRetention("P9999Y"), 1, 1);
        host.Source.AddTrack("video-1", 3);
        await host.StartCopyAsync();

        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);
    }

    // Scenario 35.
    [Fact]
    public async Task ASourceWithoutHolds_IsReadOldestFirst_AndWhatItDeletedIsListed()
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.HoldsMaterial = false;
        var length = TimeSpan.FromMinutes(30);
        for (var i = 0; i < 30; i++)
        {
            foreach (var channel in new[] { "audio-1", "video-1", "video-2" })
            {
                host.Source.Add(channel, FakeSource.Start + TimeSpan.FromMinutes(i), TimeSpan.FromMinutes(1));
            }
        }

        // The oldest that is left at its edge goes while the first is being read.
        var edge = host.Source.SegmentsOf("video-2")[0];
        host.Source.Instead = context =>
        {
            if (context.Request.Path.Value!.StartsWith("/v1/segments/", StringComparison.Ordinal) && host.Source.Gone.Count == 0)
            {
                host.Source.Remove(edge.Id);
                host.Source.Gone.Add(new GoneSegment(edge.Id, edge.From, edge.To, edge.Bytes, "retention", edge.To));
            }

            return Task.FromResult(false);
        };
        await host.StartCopyAsync(CopyHost.Definition(length: length));

        (await host.EndAsync()).State.ShouldBe(CopyTaskState.CopiedWithLosses);
        var slices = host.Source.ReadIds.Select(id => (TimeOf(id) - FakeSource.Start).Ticks / TimeSpan.FromMinutes(5).Ticks).ToList();
        slices.ShouldBe(slices.Order(), ignoreOrder: false, "no track is read far ahead of another");
        host.Source.ReadIds.ShouldBeUnique();
        (await host.CoverageAsync()).Losses.ShouldHaveSingleItem().ShouldSatisfyAllConditions(l => l.ItemId.ShouldBe(edge.Id), l => l.Reason.ShouldBe("retention"));
    }

    // Scenario 36.
    [Fact]
    public async Task WhatTheTargetWouldDeleteAtOnce_IsNotCopied_AndToldAsOutsideRetention()
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.AddTrack("video-1", 30);
        host.Source.AddRecord(RecordKind.Anpr, "too-old", FakeSource.Start + TimeSpan.FromSeconds(1));
        host.Source.AddRecord(RecordKind.Anpr, "young-enough", FakeSource.Start + TimeSpan.FromSeconds(50));
        var kept = FakeSource.Start + TimeSpan.FromSeconds(31);
        await host.Target.ConfigureAsync(WithRetention(System.Xml.XmlConvert.ToString(host.Target.Time.GetUtcNow() - kept)), 1, 1);
        await host.StartCopyAsync();

        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);
        var track = (await host.CoverageAsync()).Tracks.Single(t => t.ChannelId == "video-1");
        var edge = FakeSource.Start + TimeSpan.FromSeconds(2 * track.OutsideRetention.Segments);
        track.OutsideRetention.Segments.ShouldBeInRange(15, 20);
        (track.Expected.Segments, track.Copied.Segments, track.Missing.Segments).ShouldBe((30, 30 - track.OutsideRetention.Segments, 0));
        track.Stretches.ShouldBe([new CoverageStretch(FakeSource.Start, edge, CoverageState.OutsideRetention, null), new CoverageStretch(edge, FakeSource.Start + TimeSpan.FromMinutes(1), CoverageState.Copied, null)]);
        host.Source.ReadIds.ShouldAllBe(id => TimeOf(id) >= edge);
        host.Records(RecordKind.Anpr).Select(r => r.Id).ShouldBe(["young-enough"]);
        (await host.CoverageAsync()).Records.Single(r => r.Kind == RecordKind.Anpr && r.Expected > 0).ShouldSatisfyAllConditions(r => r.OutsideRetention.ShouldBe(1), r => r.IsVerified.ShouldBeTrue());
    }

    // Scenario 37.
    [Fact]
    public async Task ACopyThatNearsTheReserve_Pauses_WhileItIsRecordedOn_AndGoesOnWhenThereIsRoom()
    {
        const int old = 24;
        const int locked = 2;
        const int newer = 2;
        var capacity = Mebi + Mebi / 10 + 32 * Mebi + ((old + locked + newer + 10) * SegmentBytes);
        await using var host = await CopyHost.StartAsync("--capacityBytes", $"{capacity}", "--reserveBytes", $"{Mebi}");
        await FeedAsync(host, "old", FakeSource.Start - TimeSpan.FromDays(2), old);
        await FeedAsync(host, "locked", FakeSource.Start - TimeSpan.FromHours(2), locked);
        await FeedAsync(host, "newer", FakeSource.Start + TimeSpan.FromHours(1), newer);
        await LockAsync(host, FakeSource.Start - TimeSpan.FromHours(2), FakeSource.Start - TimeSpan.FromHours(1));
        host.Source.AddTrack("video-1", 30, SegmentBytes);
        await host.StartCopyAsync();

        var paused = await host.UntilAsync(t => t.State == CopyTaskState.Paused || t.EndedAt is not null);
        (paused.State, paused.PauseReason).ShouldBe((CopyTaskState.Paused, CopyPauseReason.Reserve));
        paused.SegmentsDone.ShouldBeInRange(5, 10);
        var began = host.Target.Time.GetUtcNow();
        await host.Target.PassAsync(TimeSpan.FromMinutes(1));

        Measure(host).FreeBytes.ShouldBeGreaterThan(Mebi + Mebi / 10, "before the point at which anything would have to give way");
        Own(host).ShouldBe(Ids(("locked", locked), ("newer", newer), ("old", old)), ignoreOrder: false, "nothing gave way to copies");
        RecordedWithoutAGap(host, began);
        (await host.TaskAsync()).SegmentsDone.ShouldBe(paused.SegmentsDone, "it does not try again and again");

        // Its own retention makes room: what is two days old goes, the locked stays.
        await host.Target.ConfigureAsync(WithRetention("PT30H"), 1, 1);
        await host.Target.Housekeeping.SweepRetentionAsync(default);
        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);
        Own(host).ShouldBe(Ids(("locked", locked), ("newer", newer)));
        host.Source.ReadIds.ShouldBeUnique();
        host.ShouldBeSound();
        await host.AgainNothingMovesAsync();
    }

    // Scenario 37: the larger the reserve, the earlier the ring storage makes room; a copy must stop before that.
    [Fact]
    public async Task WithALargeReserve_ACopyStopsBeforeOlderMaterialGivesWay()
    {
        const int newer = 3;
        const long reserve = 1024 * Mebi;
        await using var host = await CopyHost.StartAsync("--capacityBytes", $"{reserve + (reserve / 10) + 32 * Mebi + ((newer + 5) * SegmentBytes)}", "--reserveBytes", $"{reserve}");
        await FeedAsync(host, "newer", FakeSource.Start + TimeSpan.FromHours(1), newer);
        host.Source.AddTrack("video-1", 60, SegmentBytes);
        await host.StartCopyAsync(CopyHost.Definition(length: TimeSpan.FromMinutes(2)));

        (await host.UntilAsync(t => t.State == CopyTaskState.Paused || t.EndedAt is not null)).PauseReason.ShouldBe(CopyPauseReason.Reserve);
        await host.Target.PassAsync(TimeSpan.FromSeconds(5));
        await host.Target.Housekeeping.RelieveAsync(default);

        Own(host).ShouldBe(Ids(("newer", newer)));
        host.Rows().Count(r => r.TaskId is not null).ShouldBeInRange(1, 5);
    }

    // Scenario 37: when only locked material is left a recorder stops recording, so what is brought home locked counts against the reserve.
    [Fact]
    public async Task MaterialThatComesHomeLocked_NeverStopsTheRecording()
    {
        var capacity = Mebi + Mebi / 10 + 32 * Mebi + (5 * SegmentBytes);
        await using var host = await CopyHost.StartAsync("--capacityBytes", $"{capacity}", "--reserveBytes", $"{Mebi}");
        host.Source.AddRecord(RecordKind.Locks, "lock-1", FakeSource.Start, body: """{"trackIds":["vms-1~video-1"],"expiresUtc":null}""", to: FakeSource.Start + TimeSpan.FromMinutes(1));
        host.Source.AddTrack("video-1", 30, SegmentBytes);
        await host.StartCopyAsync();
        (await host.UntilAsync(t => t.State == CopyTaskState.Paused || t.EndedAt is not null)).PauseReason.ShouldBe(CopyPauseReason.Reserve);
        var copied = host.Rows().Where(r => r.TaskId is not null).Select(r => r.SegmentId).ToList();

        // Far more than there is room for is recorded now; its own oldest makes room again and again.
        for (var i = 0; i < 60; i++)
        {
            await FeedAsync(host, $"on-{i}", FakeSource.Start + TimeSpan.FromHours(1) + TimeSpan.FromMinutes(i), 1);
            await host.Target.Housekeeping.RelieveAsync(default);
        }

        host.Rows().Where(r => r.TaskId is not null).Select(r => r.SegmentId).ShouldBe(copied);
        host.Records(RecordKind.Locks).ShouldHaveSingleItem();
        Journal(host).ShouldNotContain(e => e.Kind == "storageFull" || e.Kind == "owedDropped");
        Own(host).Count.ShouldBeInRange(20, 59);
    }

    // Scenario 38.
    [Fact]
    public async Task RingStorage_SparesWhatIsBeingCopied_AndTellsWhatItTookInstead()
    {
        var capacity = Mebi + Mebi / 10 + 32 * Mebi + (15 * SegmentBytes);
        await using var host = await CopyHost.StartAsync("--capacityBytes", $"{capacity}", "--reserveBytes", $"{Mebi}");
        host.Source.AddTrack("video-1", 10, SegmentBytes);
        await HaltAtAsync(host, 6);
        var copied = host.Rows().Select(r => r.SegmentId).ToList();
        copied.Count.ShouldBeGreaterThan(0);

        // Newer than the copies: by age alone, the copies would be the first to go.
        await FillAsync(host);
        (await host.Target.Housekeeping.RelieveAsync(default)).ShouldBeGreaterThan(0);

        host.Rows().Where(r => r.TaskId is not null).Select(r => r.SegmentId).ShouldBe(copied);
        Journal(host).ShouldContain(e => e.Kind == "ringStorage" && e.Text.Contains("video-1"));
        Gone(host).ShouldAllBe(id => id.StartsWith("filler", StringComparison.Ordinal));
    }

    // Scenario 38.
    [Fact]
    public async Task RetentionByAge_SparesWhatIsBeingCopied_UntilItIsVerified()
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.AddTrack("video-1", 10);
        await host.Target.ConfigureAsync(WithRetention("PT3H"), 1, 1);
        await HaltAtAsync(host, 6);
        var copied = host.Rows().Select(r => r.SegmentId).ToList();
        copied.Count.ShouldBeGreaterThan(0);

        host.Target.Time.Advance(TimeSpan.FromHours(2));
        await host.Target.Housekeeping.SweepRetentionAsync(default);
        host.Rows().Select(r => r.SegmentId).ShouldBe(copied, "past its time here, and not verified yet");
        host.Source.Instead = null;
        await host.OrderAsync(CopyOrder.Resume);
        await host.EndAsync();

        // What has grown too old meanwhile is not fetched any more, and the report says so: the source still holds it.
        var track = (await host.CoverageAsync()).Tracks.Single(t => t.ChannelId == "video-1");
        (track.Copied.Segments, track.OutsideRetention.Segments, track.Missing.Segments).ShouldBe((copied.Count, 10 - copied.Count, 0));
        await host.Target.Housekeeping.SweepRetentionAsync(default);
        host.Rows().ShouldBeEmpty("verified and past its time: as any other material");
        Gone(host).ShouldBe(copied, ignoreOrder: true);
    }

    // Scenario 38.
    [Fact]
    public async Task ACopyThatIsVerified_IsOrdinaryMaterialOfItsAge()
    {
        var capacity = Mebi + Mebi / 10 + 32 * Mebi + (15 * SegmentBytes);
        await using var host = await CopyHost.StartAsync("--capacityBytes", $"{capacity}", "--reserveBytes", $"{Mebi}");
        host.Source.AddTrack("video-1", 10, SegmentBytes);
        await host.StartCopyAsync(CopyHost.Definition(length: TimeSpan.FromSeconds(20)));
        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);

        await FillAsync(host);
        (await host.Target.Housekeeping.RelieveAsync(default)).ShouldBeGreaterThan(0);

        Gone(host).ShouldNotBeEmpty();
        Gone(host).ShouldAllBe(id => id.EndsWith("~src", StringComparison.Ordinal), "the oldest first");
    }

    private static FailbackWorkflows.Recorders.Settings.SettingsContent WithRetention(string length) =>
        RecorderHost.Content() with { Retention = RecorderHost.Json($"{{\"maximumRetentionTime\":\"{length}\"}}") };

    /// <summary>Starts a copy that an operator pauses in its middle.</summary>
    private static async Task HaltAtAsync(CopyHost host, int segment)
    {
        var reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        host.Source.Instead = async context =>
        {
            if (!context.Request.Path.Value!.StartsWith("/v1/segments/", StringComparison.Ordinal) || TimeOf(context.Request.Path.Value) < FakeSource.Start + TimeSpan.FromSeconds(2 * segment))
            {
                return false;
            }

            reached.TrySetResult();
            await Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
            return true;
        };
        await host.StartCopyAsync(CopyHost.Definition(length: TimeSpan.FromSeconds(20)));
        await reached.Task.WaitAsync(TimeSpan.FromSeconds(60));
        await host.UntilAsync(t => t.SegmentsDone == segment, step: TimeSpan.FromMilliseconds(1));
        await host.OrderAsync(CopyOrder.Pause);
        await host.UntilAsync(t => t is { State: CopyTaskState.Paused, Phase: null });
    }

    /// <summary>Puts newer material in until the disk is at the point where something must give way.</summary>
    private static async Task FillAsync(CopyHost host)
    {
        for (var i = 0; Measure(host).FreeBytes >= Mebi + (Mebi / 10); i++)
        {
            await FeedAsync(host, $"filler-{i}", FakeSource.Start + TimeSpan.FromHours(1) + TimeSpan.FromSeconds(i), 1, TimeSpan.FromSeconds(1));
        }
    }

    /// <summary>The target's own material, of 1 MB and a minute each, as if it had recorded it.</summary>
    private static async Task FeedAsync(CopyHost host, string id, DateTimeOffset from, int count, TimeSpan? length = null)
    {
        var each = length ?? TimeSpan.FromMinutes(1);
        for (var i = 0; i < count; i++)
        {
            await CopyHost.FeedAsync(host.Target, count == 1 ? id : $"{id}-{i}", from + (each * i), from + (each * (i + 1)), new byte[SegmentBytes]);
        }
    }

    private static async Task LockAsync(CopyHost host, DateTimeOffset from, DateTimeOffset to) => (await MaterialReadingTests.ImportAsync(
        host.Target,
        "locks",
        $$"""{"id":"own-lock","timeUtc":"{{RecorderJson.FormatInstant(from)}}","toUtc":"{{RecorderJson.FormatInstant(to)}}","body":{"trackIds":["vms-1~video-1"],"expiresUtc":null} }""")).Items.Single().Outcome.ShouldBe(ImportOutcome.Created);

    /// <summary>Ids of what was fed and is still there.</summary>
    private static List<string> Own(CopyHost host) => host.Target.Store.Read(sql =>
        sql.Query("SELECT segment_id FROM segments WHERE task_id IS NULL AND segment_id NOT LIKE '%~%'", r => r.GetString(0))).Order(StringComparer.Ordinal).ToList();

    private static List<string> Ids(params (string Id, int Count)[] fed) => [.. fed.SelectMany(f => Enumerable.Range(0, f.Count).Select(i => $"{f.Id}-{i}")).Order(StringComparer.Ordinal)];

    private static List<string> Gone(CopyHost host) => host.Target.Store.Read(sql => sql.Query("SELECT segment_id FROM gone_segments WHERE reason = 'retention'", r => r.GetString(0)));

    private static StorageState Measure(CopyHost host) => host.Target.App.Services.GetRequiredService<DataFolder>().Measure();

    private static List<JournalEntry> Journal(CopyHost host) => host.Target.Store.Read(sql => RecorderJournal.List(sql, 0));

    private static void RecordedWithoutAGap(CopyHost host, DateTimeOffset from)
    {
        var own = host.Target.Store.Read(sql => FailbackWorkflows.ReferenceRecorder.Segments.SegmentStore.Overlapping(sql, "vms-1~video-1", from, null, 1_000));
        own.Count.ShouldBeGreaterThan(20);
        own.Zip(own.Skip(1)).ShouldAllBe(pair => pair.First.To == pair.Second.From);
    }

    private static DateTimeOffset TimeOf(string id) => new(long.Parse(id.Split('~')[2], System.Globalization.CultureInfo.InvariantCulture), TimeSpan.Zero);
}
