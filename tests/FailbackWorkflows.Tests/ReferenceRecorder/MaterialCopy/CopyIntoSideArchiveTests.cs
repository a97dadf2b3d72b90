using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.ReferenceRecorder.Records;
using FailbackWorkflows.ReferenceRecorder.Segments;
using FailbackWorkflows.Testing;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.ReferenceRecorder.MaterialCopy;

/// <summary>A target whose timelines grow at their end only keeps what is copied beside them, and says so.</summary>
public sealed class CopyIntoSideArchiveTests
{
    private const string Archive = "entry-1";
    private const string Own = $"{FakeSource.Identity}~video-1";
    private const string ArchiveTrack = $"{Own}~{Archive}";

    // Scenario 44.
    [Fact]
    public async Task TheMaterial_IsKeptBesideTheTimeline_Verified_AndTheReportSaysWhere()
    {
        await using var host = await CopyHost.StartAsync("--appendOnly", "true");
        host.Source.AddTrack("video-1", 30);
        host.Source.AddTrack("audio-1", 30);
        await host.StartCopyAsync();

        var task = await host.EndAsync();
        (task.State, task.SegmentsDone).ShouldBe((CopyTaskState.Copied, 60), task.LastError);
        host.Rows().ShouldBeEmpty("nothing got into the timeline");
        var report = await host.CoverageAsync();
        (report.IsVerified, report.UsesSideArchive).ShouldBe((true, true));
        CoverageDigest.Compute(report).ShouldBe(report.Sha256);
        var track = report.Tracks.Single(t => t.ChannelId == "video-1");
        (track.Expected, track.Copied, track.AlreadyThere, track.Archived, track.Verified).ShouldBe((new(30, 30_000), new(0, 0), new(0, 0), new Amount(30, 30_000), new(30, 30_000)));
        track.ArchiveTrackIds.ShouldBe([ArchiveTrack]);
        track.Stretches.Select(s => s.State).ShouldBe([CoverageState.Archived]);
        (await host.Target.Raw.GetStringAsync("v1/copy-tasks/task-1/coverage?format=csv")).ShouldContain(ArchiveTrack);

        // As any other material: listed, in spans, with a manifest that is the source's, and byte for byte.
        var listed = (await ReadAsync<SegmentPage>(host, $"v1/tracks/{ArchiveTrack}/segments")).Items;
        listed.Select(s => (s.Id, s.Sha256, s.Origin, s.TrackId)).ShouldBe(host.Source.SegmentsOf("video-1").Select(s => (s.Id, s.Sha256, s.Origin, ArchiveTrack)));
        (await ReadAsync<SpanList>(host, $"v1/tracks/{ArchiveTrack}/spans")).Items.ShouldHaveSingleItem().Segments.ShouldBe(30);
        (await ReadAsync<TrackManifest>(host, $"v1/tracks/{ArchiveTrack}/manifest")).Segments.ShouldBe(30);
        var bytes = await host.Target.Raw.GetByteArrayAsync($"v1/segments/{listed[7].Id}");
        Convert.ToHexStringLower(SHA256.HashData(bytes)).ShouldBe(listed[7].Sha256);

        // Linked to identity, channel, entry, period and source.
        var link = (await ReadAsync<TrackList>(host, "v1/tracks?identity=vms-1")).Items.Single(t => t.Id == ArchiveTrack);
        (link.Identity, link.ChannelId, link.Kind, link.Segments).ShouldBe((FakeSource.Identity, "video-1", "video", 30));
        (link.Archive!.EntryId, link.Archive.TrackId, link.Archive.FromUtc, link.Archive.ToUtc).ShouldBe((Archive, Own, task.Period.FromUtc, task.Period.ToUtc));
        link.Archive.SourceRecorderIds.ShouldBe([FakeSource.MachineId]);
        var archive = (await ReadAsync<SideArchiveList>(host, "v1/archives?identity=vms-1")).Items.ShouldHaveSingleItem();
        (archive.EntryId, archive.Tracks.Count, archive.Tracks.Sum(t => t.Segments)).ShouldBe((Archive, 2, 60));

        // It lies apart, and by the same rules: whole files, each with its row.
        var rows = Archived(host);
        rows.ShouldAllBe(r => r.File.Contains(Path.Combine("archives", Archive)) && r.IsArchived && !r.Overlaps);
        Directory.EnumerateFiles(Path.Combine(host.Target.Folder, "segments"), "copied-*", SearchOption.AllDirectories).Count().ShouldBe(60);
        foreach (var row in rows)
        {
            Convert.ToHexStringLower(SHA256.HashData(await File.ReadAllBytesAsync(Path.Combine(host.Target.Folder, "segments", row.File)))).ShouldBe(row.Sha256);
        }

        await host.StartCopyAsync(CopyHost.Definition("again"));
        var again = await host.EndAsync("again");
        (again.State, again.SegmentsDone, again.BytesDone, again.AlreadyThere).ShouldBe((CopyTaskState.NothingToCopy, 0, 0, 60));
        (await host.CoverageAsync("again")).Tracks.Single(t => t.ChannelId == "video-1").Archived.ShouldBe(new Amount(30, 30_000), "it is where it was");
    }

    // Scenario 44: which records go where.
    [Fact]
    public async Task RecordsThatAreStreams_GoIntoTheArchive_AndThoseWithAStateWhereTheyBelong()
    {
        await using var host = await CopyHost.StartAsync("--appendOnly", "true");
        var streams = new[] { RecordKind.Text, RecordKind.Metadata, RecordKind.Anpr };
        for (var i = 0; i < 20; i++)
        {
            foreach (var kind in streams)
            {
                host.Source.AddRecord(kind, $"{RecordDigest.Name(kind)}-{i:00}", FakeSource.Start + TimeSpan.FromSeconds(i));
            }
        }

        host.Source.AddRecord(RecordKind.Alarms, "alarm-1", FakeSource.Start, body: """{"alarmId":"a","state":"new"}""");
        host.Source.AddRecord(RecordKind.Bookmarks, "mark-1", FakeSource.Start);
        host.Source.AddRecord(RecordKind.Locks, "lock-1", FakeSource.Start, to: FakeSource.Start + TimeSpan.FromMinutes(5));
        await host.StartCopyAsync();

        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);
        var report = await host.CoverageAsync();
        report.IsVerified.ShouldBeTrue();
        foreach (var kind in streams)
        {
            var coverage = report.Records.Single(r => r.Kind == kind && r.Expected > 0);
            (coverage.Expected, coverage.Copied, coverage.AlreadyThere, coverage.Archived, coverage.SourceRootSha256 == coverage.TargetRootSha256).ShouldBe((20, 0, 0, 20, true));
            host.Records(kind).ShouldNotContain(r => r.TaskId != null, "the recorder's own list has what it recorded");
            var name = RecordDigest.Name(kind);
            (await host.Target.RecordsAsync(name, $"&archive={Archive}&limit=7")).Items.Select(r => r.Id).ShouldBe(Enumerable.Range(0, 7).Select(i => $"{name}-{i:00}"));
            var manifest = await ReadAsync<RecordManifest>(host, $"v1/records/{name}/manifest?identity=vms-1&archive={Archive}");
            (manifest.Count, manifest.RootSha256).ShouldBe((20, coverage.SourceRootSha256!));
        }

        host.Records(RecordKind.Alarms).ShouldContain(r => r.Id == "alarm-1" && r.ArchiveId == null);
        host.Records(RecordKind.Bookmarks).ShouldHaveSingleItem().ArchiveId.ShouldBeNull();
        host.Records(RecordKind.Locks).ShouldHaveSingleItem().ArchiveId.ShouldBeNull();
        report.Records.Single(r => r.Kind == RecordKind.Alarms && r.Expected > 0).ShouldSatisfyAllConditions(r => r.Copied.ShouldBe(1), r => r.Archived.ShouldBe(0));
        (await ReadAsync<SideArchiveList>(host, "v1/archives")).Items.ShouldHaveSingleItem().Records.ShouldBe([.. streams.Order().Select(k => new SideArchiveRecords(k, 20))]);

        await host.StartCopyAsync(CopyHost.Definition("again"));
        var again = await host.EndAsync("again");
        (again.State, again.RecordsDone).ShouldBe((CopyTaskState.NothingToCopy, 0));
    }

    // Scenario 44, and Scenario 43: what is in the timeline already is not archived again.
    [Fact]
    public async Task WhatTheTimelineHas_IsThere_AndOnlyTheRestIsArchived()
    {
        var time = new FakeTimeProvider();
        var before = await RecorderHost.StartSeededAsync(time);
        await CopyHost.FeedAsync(before, "own-1", FakeSource.Start + TimeSpan.FromSeconds(4), FakeSource.Start + TimeSpan.FromSeconds(10));
        var target = await before.RestartAsync("--appendOnly", "true");
        await target.AssignAsync(DutyRole.Recorder, 1, "seed");
        await using var host = new CopyHost(target, await FakeSource.StartAsync(time));
        host.Source.AddTrack("video-1", 10);
        await host.StartCopyAsync(CopyHost.Definition(length: TimeSpan.FromSeconds(20)));

        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);
        var track = (await host.CoverageAsync()).Tracks.Single(t => t.ChannelId == "video-1");
        (track.AlreadyThere, track.Archived, track.Copied).ShouldBe((new(3, 3_000), new Amount(7, 7_000), new(0, 0)));
        track.Stretches.Select(s => (s.State, (s.To - s.From).TotalSeconds)).ShouldBe([(CoverageState.Archived, 4), (CoverageState.AlreadyThere, 6), (CoverageState.Archived, 10)]);
        host.Rows().ShouldHaveSingleItem().SegmentId.ShouldBe("own-1");
    }

    // Scenario 44, and Scenario 32: the recorder is killed in the middle.
    [Fact]
    public async Task KilledInTheMiddle_NothingComesTwice()
    {
        await using var host = await CopyHost.StartAsync("--appendOnly", "true", "--bootConfirm", "1.00:00:00");
        host.Source.AddTrack("video-1", 60);
        var asked = 0;
        var hold = new TaskCompletionSource();
        host.Source.Instead = async context =>
        {
            if (context.Request.Path.Value!.StartsWith("/v1/segments/", StringComparison.Ordinal) && Interlocked.Increment(ref asked) > 20)
            {
                await hold.Task;
            }

            return false;
        };
        await host.StartCopyAsync(CopyHost.Definition(length: TimeSpan.FromMinutes(2)));
        await host.UntilAsync(t => t.SegmentsDone >= 10);

        await host.KillAsync("--appendOnly", "true", "--bootConfirm", "1.00:00:00");
        Archived(host).Count.ShouldBeInRange(10, 59, "it was in the middle");
        hold.SetResult();

        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);
        var rows = Archived(host);
        rows.Select(r => r.SegmentId).ShouldBe(host.Source.SegmentsOf("video-1").Select(s => s.Id));
        Directory.EnumerateFiles(Path.Combine(host.Target.Folder, "segments"), "copied-*", SearchOption.AllDirectories).Count().ShouldBe(60);
        host.Rows().ShouldBeEmpty();
    }

    // Scenario 44: what was verified and rots is found by the next copy, fetched again, and put where it was.
    [Fact]
    public async Task DamagedInTheArchive_IsFoundFetchedAgainAndVerified()
    {
        await using var host = await CopyHost.StartAsync("--appendOnly", "true");
        host.Source.AddTrack("video-1", 10);
        await host.StartCopyAsync(CopyHost.Definition(length: TimeSpan.FromSeconds(20)));
        await host.EndAsync();
        var victim = Archived(host)[4];
        await File.WriteAllBytesAsync(Path.Combine(host.Target.Folder, "segments", victim.File), new byte[victim.Bytes]);

        await host.StartCopyAsync(CopyHost.Definition("again", TimeSpan.FromSeconds(20)));

        var again = await host.EndAsync("again");
        (again.State, again.SegmentsDone).ShouldBe((CopyTaskState.Copied, 1), again.LastError);
        (await host.CoverageAsync("again")).Tracks.Single(t => t.ChannelId == "video-1").Archived.ShouldBe(new Amount(10, 10_000));
        Archived(host).Select(r => (r.SegmentId, r.Sha256)).ShouldContain((victim.SegmentId, victim.Sha256));
    }

    // Scenario 44: holds and retention know the archive.
    [Fact]
    public async Task AHold_KeepsWhatIsInTheArchive_AndRetentionRemovesItAfterwards()
    {
        await using var host = await CopyHost.StartAsync("--appendOnly", "true");
        host.Source.AddTrack("video-1", 10);
        host.Source.AddRecord(RecordKind.Text, "line-1", FakeSource.Start);
        await host.StartCopyAsync(CopyHost.Definition(length: TimeSpan.FromSeconds(20)));
        await host.EndAsync();
        (await host.Target.CallAsync(
            HttpMethod.Put,
            "v1/retention-holds/entry-9",
            new { identity = FakeSource.Identity, fromUtc = FakeSource.Start, toUtc = FakeSource.Start.AddHours(1), reason = "Test." },
            null,
            [("X-Duty-Epoch", "1"), ("X-Duty-Fence", "0"), ("Idempotency-Key", host.Target.NewKey())])).Status.ShouldBe(HttpStatusCode.OK);

        (await ExpireAsync(host)).ShouldBe(0);
        Archived(host).Count.ShouldBe(10);

        (await host.Target.CallAsync(
            HttpMethod.Post, "v1/retention-holds/entry-9:release", new { identity = FakeSource.Identity, taskId = "task-9", release = "acceptedLoss", reason = "Done." }, null, host.Target.TaskHeaders()))
            .Status.ShouldBe(HttpStatusCode.OK);
        (await ExpireAsync(host)).ShouldBe(11, "ten segments and a line");
        Archived(host).ShouldBeEmpty();
        (await ReadAsync<SegmentPage>(host, $"v1/tracks/{ArchiveTrack}/segments")).Gone.Count.ShouldBe(10, "and whoever asks is told");
        (await ReadAsync<SideArchiveList>(host, "v1/archives")).Items.ShouldBeEmpty();
    }

    // Scenario 44: the store means it.
    [Fact]
    public async Task WhateverIsOlderThanTheTimeline_IsRefusedThere_AndNobodyPutsIntoAnArchive()
    {
        await using var host = await CopyHost.StartAsync("--appendOnly", "true");
        var capabilities = (await host.Target.Client.GetStatusAsync(host.Target.Endpoint, default)).Capabilities;
        (capabilities.BackfillAnywhere, capabilities.SideArchive).ShouldBe((false, true));
        await host.Target.PassAsync(TimeSpan.FromSeconds(5));

        var (old, problem) = await PutAsync(host, Own);
        (old, problem).ShouldBe((HttpStatusCode.Conflict, RecorderProblems.AppendOnly));
        (await PutAsync(host, ArchiveTrack)).Status.ShouldBe(HttpStatusCode.BadRequest);

        var line = $$"""{"id":"old-1","channelId":"text-1","timeUtc":"{{FakeSource.Start.AddDays(-1):yyyy-MM-ddTHH:mm:ss.fffZ}}","body":{"line":"a"} }""";
        (await MaterialReadingTests.ImportAsync(host.Target, "text", line)).Items.Single().ShouldSatisfyAllConditions(
            r => r.Outcome.ShouldBe(ImportOutcome.Rejected), r => r.Reason!.ShouldContain("at their end only"));
        (await MaterialReadingTests.ImportAsync(host.Target, "bookmarks", line)).Items.Single().Outcome.ShouldBe(ImportOutcome.Created);
    }

    /// <summary>As retention does it, for all of the copied period and nothing that is recorded now.</summary>
    private static Task<int> ExpireAsync(CopyHost host) => host.Target.Store.WriteAsync(
        sql =>
        {
            var (before, now) = (FakeSource.Start.AddHours(1), host.Target.Time.GetUtcNow());
            return SegmentStore.DeleteExpired(sql, FakeSource.Identity, before, now, 100).Count + RecordStore.DeleteExpired(sql, FakeSource.Identity, before, now, 100);
        },
        default);

    private static async Task<(HttpStatusCode Status, string? Problem)> PutAsync(CopyHost host, string track)
    {
        byte[] bytes = [1, 2, 3];
        using var content = new ByteArrayContent(bytes);
        content.Headers.ContentType = new("application/octet-stream");
        content.Headers.Add("Repr-Digest", $"sha-256=:{Convert.ToBase64String(SHA256.HashData(bytes))}:");
        var from = FakeSource.Start.AddDays(-1);
        using var answer = await host.Target.Raw.PutAsync($"v1/tracks/{track}/segments/old-1?from={RecorderJson.FormatInstant(from)}&to={RecorderJson.FormatInstant(from.AddSeconds(2))}", content);
        return (answer.StatusCode, RecorderHost.Json(await answer.Content.ReadAsStringAsync()).GetProperty("type").GetString());
    }

    private static List<SegmentRow> Archived(CopyHost host) =>
        host.Target.Store.Read(sql => SegmentStore.Overlapping(sql, ArchiveTrack, FakeSource.Start, FakeSource.Start.AddHours(1), 1_000));

    private static async Task<T> ReadAsync<T>(CopyHost host, string path) => (await host.Target.Raw.GetFromJsonAsync<T>(path, RecorderJson.Options))!;
}
