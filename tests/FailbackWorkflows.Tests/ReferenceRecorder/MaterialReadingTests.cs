using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.ReferenceRecorder.Records;
using FailbackWorkflows.ReferenceRecorder.Segments;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.ReferenceRecorder;

/// <summary>Tracks, segments, their bytes, records: as another recorder reads them.</summary>
public sealed class MaterialReadingTests
{
    private const string Track = "vms-1~video-1";

    // Scenario 46.
    [Fact]
    public async Task SegmentPages_AcrossARestartAndARemoval_TellOfEverythingOnce()
    {
        var first = await RecorderHost.StartSeededAsync();
        await first.PassAsync(TimeSpan.FromSeconds(21));
        await first.StopRecordingAsync(1);
        var all = await first.SegmentsAsync();
        var page = await PageAsync(first, "limit=3");
        await using var host = await first.RestartAsync();
        await host.Store.WriteAsync(
            sql =>
            {
                SegmentStore.Remove(sql, SegmentStore.Find(sql, all[1].Id)!, "retention", host.Time.GetUtcNow());
                SegmentStore.Remove(sql, SegmentStore.Find(sql, all[7].Id)!, "pressure", host.Time.GetUtcNow());
                return true;
            },
            default);

        var told = page.Items.Select(s => s.Id).ToList();
        var gone = page.Gone.ToList();
        while (page.NextPageToken is { } token)
        {
            page.Complete.ShouldBeFalse();
            page = await PageAsync(host, $"limit=3&pageToken={token}");
            told.AddRange(page.Items.Select(s => s.Id));
            gone.AddRange(page.Gone);
        }

        page.Complete.ShouldBeTrue();
        told.ShouldBe(all.Where((_, n) => n != 7).Select(s => s.Id));
        gone.Select(g => (g.Id, g.Reason)).ShouldBe([(all[7].Id, "pressure")]);
        (await PageAsync(host, "")).Gone.Select(g => g.Id).ShouldBe([all[1].Id, all[7].Id]);
        (await host.CallAsync(HttpMethod.Get, $"v1/segments/{all[7].Id}")).ShouldSatisfyAllConditions(
            a => a.Status.ShouldBe(HttpStatusCode.Gone),
            a => a.Body.GetProperty("type").GetString().ShouldBe(RecorderProblems.SegmentGone),
            a => a.Body.GetProperty("reason").GetString().ShouldBe("pressure"));
    }

    [Theory]
    [InlineData("nonsense")]
    [InlineData("%00")]
    [InlineData("MQp4")]
    public async Task PageToken_NotUnderstood_SaysWhereToBeginAgain(string token)
    {
        await using var host = await RecorderHost.StartSeededAsync();

        foreach (var path in new[] { $"v1/tracks/{Track}/segments?", "v1/records/alarms?identity=vms-1&" })
        {
            var (status, body) = await host.CallAsync(HttpMethod.Get, $"{path}from=2026-01-01T00:00:00Z&pageToken={token}");

            status.ShouldBe(HttpStatusCode.Gone);
            body.GetProperty("type").GetString().ShouldBe(RecorderProblems.PageTokenExpired);
            body.GetProperty("from").GetString().ShouldBe("2026-01-01T00:00:00.0000000Z");
        }
    }

    [Fact]
    public async Task PageToken_OfAnotherTrack_IsNotUnderstood()
    {
        await using var host = await RecorderHost.StartSeededAsync();
        await host.PassAsync(TimeSpan.FromSeconds(10));
        var page = await PageAsync(host, "limit=1");

        (await host.CallAsync(HttpMethod.Get, $"v1/tracks/vms-1~audio-1/segments?pageToken={page.NextPageToken}")).Status.ShouldBe(HttpStatusCode.Gone);
        (await host.CallAsync(HttpMethod.Get, $"v1/tracks/{Track}/segments?from=2020-01-01T00:00:00Z&pageToken={page.NextPageToken}")).Status.ShouldBe(HttpStatusCode.Gone);
        (await host.CallAsync(HttpMethod.Get, $"v1/tracks/{Track}/segments?limit=99999999999999999999")).Status.ShouldBe(HttpStatusCode.OK);
        (await host.CallAsync(HttpMethod.Get, $"v1/tracks/{Track}/segments?limit=0")).Status.ShouldBe(HttpStatusCode.BadRequest);
        (await host.CallAsync(HttpMethod.Get, $"v1/tracks/{Track}/segments?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z")).Status.ShouldBe(HttpStatusCode.BadRequest);
    }

    [Fact]
    public async Task Bytes_InRanges_AreTheSegment()
    {
        await using var host = await RecorderHost.StartSeededAsync();
        await host.PassAsync(TimeSpan.FromSeconds(10));
        var segment = (await host.SegmentsAsync()).First(s => !s.Growing);
        var path = $"v1/segments/{segment.Id}";

        using var whole = await host.Raw.GetAsync(path);
        var bytes = await whole.Content.ReadAsByteArrayAsync();
        Convert.ToHexStringLower(SHA256.HashData(bytes)).ShouldBe(segment.Sha256);
        whole.Headers.ETag!.ShouldBe(new EntityTagHeaderValue($"\"{segment.Sha256}\""));
        whole.Headers.AcceptRanges.ShouldBe(["bytes"]);
        whole.Headers.GetValues("Repr-Digest").Single().ShouldBe($"sha-256=:{Convert.ToBase64String(SHA256.HashData(bytes))}:");
        whole.Content.Headers.ContentType!.MediaType.ShouldBe(segment.ContentType);

        using var rest = await host.SendAsync(HttpMethod.Get, path, null, null, ("Range", "bytes=100-"), ("If-Range", $"\"{segment.Sha256}\""));
        rest.StatusCode.ShouldBe(HttpStatusCode.PartialContent);
        rest.Content.Headers.ContentRange!.ToString().ShouldBe($"bytes 100-{bytes.Length - 1}/{bytes.Length}");
        (await rest.Content.ReadAsByteArrayAsync()).ShouldBe(bytes[100..]);

        using var other = await host.SendAsync(HttpMethod.Get, path, null, null, ("Range", "bytes=100-"), ("If-Range", "\"other\""));
        other.StatusCode.ShouldBe(HttpStatusCode.OK);

        using var beyond = await host.SendAsync(HttpMethod.Get, path, null, null, ("Range", $"bytes={bytes.Length}-"));
        beyond.StatusCode.ShouldBe(HttpStatusCode.RequestedRangeNotSatisfiable);
        RecorderHost.Json(await beyond.Content.ReadAsStringAsync()).GetProperty("type").GetString().ShouldBe(RecorderProblems.RangeNotSatisfiable);

        using var head = await host.SendAsync(HttpMethod.Head, path);
        head.StatusCode.ShouldBe(HttpStatusCode.OK);
        head.Content.Headers.ContentLength.ShouldBe(bytes.Length);
        (await head.Content.ReadAsByteArrayAsync()).ShouldBeEmpty();
    }

    [Fact]
    public async Task Bytes_OfAGrowingSegment_AreNotGiven()
    {
        await using var host = await RecorderHost.StartSeededAsync();
        await host.PassAsync(TimeSpan.FromSeconds(3));
        var growing = (await host.SegmentsAsync()).Single(s => s.Growing);

        growing.Sha256.ShouldBeNull();
        var (status, body) = await host.CallAsync(HttpMethod.Get, $"v1/segments/{growing.Id}");

        (status, body.GetProperty("type").GetString()).ShouldBe((HttpStatusCode.Conflict, RecorderProblems.SegmentGrowing));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Bytes_OfAFileThatIsNotWhole_AreToldAsLost(bool isMissing)
    {
        await using var host = await RecorderHost.StartSeededAsync();
        await host.PassAsync(TimeSpan.FromSeconds(10));
        var segment = (await host.SegmentsAsync())[1];
        var path = Path.Combine(host.Folder, "segments", host.Store.Read(sql => SegmentStore.Find(sql, segment.Id)!.File));
        if (isMissing)
        {
            File.Delete(path);
        }
        else
        {
            File.WriteAllBytes(path, [1, 2, 3]);
        }

        (await host.CallAsync(HttpMethod.Get, $"v1/segments/{segment.Id}")).Status.ShouldBe(HttpStatusCode.Gone);

        var page = await PageAsync(host, "");
        page.Items.ShouldNotContain(s => s.Id == segment.Id);
        page.Gone.Single().ShouldSatisfyAllConditions(g => g.Id.ShouldBe(segment.Id), g => g.Reason.ShouldBe("lost"), g => g.Bytes.ShouldBe(segment.Bytes));
    }

    [Theory]
    [InlineData("..%2F..%2Fetc%2Fpasswd")]
    [InlineData("..%5C..%5Crecorder.db")]
    [InlineData(".hidden")]
    [InlineData("nobody")]
    public async Task Bytes_UnderAHostileId_AreRefused(string id)
    {
        await using var host = await RecorderHost.StartSeededAsync();

        var (status, body) = await host.CallAsync(HttpMethod.Get, $"v1/segments/{id}");

        status.ShouldBeOneOf(HttpStatusCode.BadRequest, HttpStatusCode.NotFound);
        body.GetProperty("type").GetString()!.ShouldStartWith(RecorderProblems.Prefix);
    }

    [Fact]
    public async Task Bytes_AtARate_TakeTheTimeTheyMust()
    {
        await using var inner = new MemoryStream(new byte[3000]);
        var time = new FailbackWorkflows.Testing.FakeTimeProvider();
        await using var paced = new PacedStream(inner, 1000, time);
        var buffer = new byte[3000];
        (await paced.ReadAsync(buffer)).ShouldBe(100);

        var second = paced.ReadAsync(buffer).AsTask();
        second.IsCompleted.ShouldBeFalse();
        time.Advance(TimeSpan.FromMilliseconds(100));

        (await second).ShouldBe(100);
    }

    [Fact]
    public async Task Spans_AndManifests_KeepDisputedMaterialApart()
    {
        await using var host = await RecorderHost.StartSeededAsync();
        await host.PassAsync(TimeSpan.FromSeconds(10));
        var before = await Manifest(host);
        await host.StopRecordingAsync(1);
        var segments = await host.SegmentsAsync();
        (await SpansAsync(host)).Select(s => (s.From, s.To, s.Segments, s.Disputed)).ShouldBe([(segments[0].From, segments[^1].To, segments.Count, DisputeState.None)]);

        await host.StopRecordingAsync(2, ends: new Dictionary<string, DateTimeOffset> { ["video-1"] = segments[3].From });

        (await SpansAsync(host)).Select(s => (s.From, s.To, s.Segments, s.Disputed)).ShouldBe(
            [(segments[0].From, segments[3].From, 3L, DisputeState.None), (segments[3].From, segments[^1].To, segments.Count - 3L, DisputeState.Disputed)]);
        var manifest = await Manifest(host);
        manifest.Segments.ShouldBe(3);
        manifest.Sha256.ShouldNotBe(before.Sha256);
        var lines = string.Concat(segments.Take(3).Select(s => $"{s.Id} {RecorderJson.FormatInstant(s.From)} {RecorderJson.FormatInstant(s.To)} {s.Bytes} {s.Sha256}\n"));
        manifest.Sha256.ShouldBe(Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(lines))));
    }

    [Fact]
    public async Task Tracks_OfChannelsNoLongerConfigured_AreListedAsLongAsTheyHoldMaterial()
    {
        await using var host = await RecorderHost.StartSeededAsync();
        await host.PassAsync(TimeSpan.FromSeconds(5));
        await host.ConfigureAsync(RecorderHost.Content() with { Channels = RecorderHost.Json("[{\"id\":\"video-2\",\"kind\":\"video\"}]"), Masks = RecorderHost.Json("[]"), Schedules = RecorderHost.Json("[]") }, 1, 1);

        var tracks = (await host.Raw.GetFromJsonAsync<TrackList>("v1/tracks?identity=vms-1", RecorderJson.Options))!.Items;

        tracks.Select(t => (t.ChannelId, t.Kind, t.IsConfigured)).ShouldBe([("audio-1", "audio", false), ("video-1", "video", false), ("video-2", "video", true)]);
        tracks.Single(t => t.ChannelId == "video-1").Segments.ShouldBeGreaterThan(1);
        tracks.Single(t => t.ChannelId == "video-2").DataFrom.ShouldBeNull();
    }

    [Fact]
    public async Task Records_ImportedAndListed_ComeInPagesWithAnEndMark()
    {
        await using var host = await RecorderHost.StartSeededAsync();
        await host.StopRecordingAsync(1);
        var lines = string.Concat(Enumerable.Range(0, 1200).Select(n => $$"""{"id":"mark-{{n:D4}}","channelId":"video-1","timeUtc":"2026-02-01T12:00:00Z","body":{"text":"Mark {{n}}" } }""" + "\n"));

        (await ImportAsync(host, "bookmarks", lines)).Items.ShouldAllBe(i => i.Outcome == ImportOutcome.Created);
        (await ImportAsync(host, "bookmarks", lines)).Items.ShouldAllBe(i => i.Outcome == ImportOutcome.Identical);
        var (first, end) = await host.RecordsAsync("bookmarks", "&limit=700");
        var late = await ImportAsync(host, "bookmarks", """{"id":"before","channelId":"video-1","timeUtc":"2026-02-01T11:00:00Z","body":{}}""");
        var (second, last) = await host.RecordsAsync("bookmarks", $"&limit=700&pageToken={end!.NextPageToken}");
        var (changed, _) = await host.RecordsAsync("bookmarks", $"&changedAfter={last!.ChangeSequence}");

        first.Count.ShouldBe(700);
        end.ShouldBe(new RecordPageEnd(true, 700, end.NextPageToken, false, end.ChangeSequence));
        last.ShouldBe(new RecordPageEnd(true, 500, null, true, end.ChangeSequence));
        first.Concat(second).Select(r => r.Id).ShouldBe(Enumerable.Range(0, 1200).Select(n => $"mark-{n:D4}"));
        late.Items.Single().Outcome.ShouldBe(ImportOutcome.Created);
        changed.Select(r => r.Id).ShouldBe(["before"]);
        var record = first[0];
        record.Origin.RecorderId.ShouldBe(host.Store.MachineId);
        record.Sha256.ShouldBe(RecordDigest.Compute(record.Id, RecordKind.Bookmarks, "video-1", record.TimeUtc, null, 1, CanonicalJson.Text(record.Body)));
        var manifest = (await host.Raw.GetFromJsonAsync<RecordManifest>("v1/records/bookmarks/manifest?identity=vms-1", RecorderJson.Options))!;
        manifest.Count.ShouldBe(1201);
    }

    [Fact]
    public async Task Records_Imported_AreAnsweredLineByLine()
    {
        await using var host = await RecorderHost.StartSeededAsync();
        const string alarm = """{"id":"alarm-1","timeUtc":"2026-02-01T12:00:00Z","revision":2,"body":{"alarmId":"alarm-motion","state":"acknowledged","ackBy":"anna"}}""";
        await ImportAsync(host, "alarms", alarm);

        var answer = await ImportAsync(host, "alarms", string.Join('\n', [
            alarm,
            alarm.Replace("\"revision\":2", "\"revision\":3").Replace("acknowledged", "new").Replace(",\"ackBy\":\"anna\"", ""),
            alarm.Replace("\"revision\":2", "\"revision\":1"),
            "not json",
            "null",
            "{}",
            """{"id":"../x","timeUtc":"2026-02-01T12:00:00Z","body":{}}""",
            """{"id":"a","timeUtc":"2026-02-01T12:00:00+01:00","body":{}}""",
            """{"id":"a","timeUtc":"2026-02-01T12:00:00Z","identity":"other","body":{}}""",
            """{"id":"a","timeUtc":"2026-02-01T12:00:00Z","sha256":"00","body":{}}""",
        ]));

        answer.Items.Select(i => i.Outcome).ShouldBe([ImportOutcome.Identical, ImportOutcome.Updated, ImportOutcome.Older, .. Enumerable.Repeat(ImportOutcome.Rejected, 7)]);
        answer.Items.Where(i => i.Outcome == ImportOutcome.Rejected).ShouldAllBe(i => i.Reason!.Length > 0);
        var (alarms, _) = await host.RecordsAsync("alarms", "&state=acknowledged&alarmId=alarm-motion&channelId=-");
        alarms.Single(a => a.Id == "alarm-1").Revision.ShouldBe(4);
        (await host.CallAsync(HttpMethod.Get, "v1/records/alarms?identity=vms-1&plate=A")).Status.ShouldBe(HttpStatusCode.BadRequest);
        (await host.CallAsync(HttpMethod.Get, "v1/records/nothing?identity=vms-1")).Status.ShouldBe(HttpStatusCode.NotFound);
        using var tooMany = await host.SendAsync(HttpMethod.Post, "v1/records/alarms:import?identity=vms-1", Lines(new StringBuilder().Insert(0, "{}\n", 10_001).ToString()));
        tooMany.StatusCode.ShouldBe(HttpStatusCode.RequestEntityTooLarge);
        using var tooLong = await host.SendAsync(HttpMethod.Post, "v1/records/alarms:import?identity=vms-1", Lines(new string('x', 2_000_000)));
        tooLong.StatusCode.ShouldBe(HttpStatusCode.RequestEntityTooLarge);
    }

    [Fact]
    public async Task Import_OfBodiesThatCannotBeKept_RefusesThoseLinesOnly_AndDisturbsNoRecording()
    {
        await using var host = await RecorderHost.StartSeededAsync();
        await host.PassAsync(TimeSpan.FromSeconds(1));
        var growing = (await host.SegmentsAsync()).Single(s => s.Growing).Id;

        var answer = await ImportAsync(host, "alarms", string.Join('\n', [
            """{"id":"half","timeUtc":"2026-02-01T12:00:00Z","body":{"text":"\ud800"} }""",
            """{"id":"twice","timeUtc":"2026-02-01T12:00:00Z","body":{"state":"new","state":"closed"} }""",
            """{"id":"inside","timeUtc":"2026-02-01T12:00:00Z","body":{"list":[{"a":1,"a":2}]} }""",
            """{"id":"good","timeUtc":"2026-02-01T12:00:00Z","body":{"state":"new"} }"""]));

        answer.Items.Select(i => i.Outcome).ShouldBe([ImportOutcome.Rejected, ImportOutcome.Rejected, ImportOutcome.Rejected, ImportOutcome.Created]);
        (await host.SegmentsAsync()).ShouldContain(s => s.Id == growing && s.Growing);
    }

    [Fact]
    public async Task Locks_ThatOverlapARange_BelongToIt()
    {
        await using var host = await RecorderHost.StartSeededAsync();
        await ImportAsync(host, "locks", """{"id":"lock-1","timeUtc":"2026-02-01T12:00:00Z","toUtc":"2026-02-01T13:00:00Z","body":{"reason":"Theft"}}""");

        (await host.RecordsAsync("locks", "&from=2026-02-01T12:30:00Z&to=2026-02-01T14:00:00Z")).Items.Count.ShouldBe(1);
        (await host.RecordsAsync("locks", "&from=2026-02-01T13:00:00Z")).Items.ShouldBeEmpty();
        (await ImportAsync(host, "locks", """{"id":"lock-2","timeUtc":"2026-02-01T12:00:00Z","body":{}}""")).Items.Single().Outcome.ShouldBe(ImportOutcome.Rejected);
    }

    internal static async Task<RecordImportAnswer> ImportAsync(RecorderHost host, string kind, string lines)
    {
        using var response = await host.SendAsync(HttpMethod.Post, $"v1/records/{kind}:import?identity=vms-1", Lines(lines));
        var text = await response.Content.ReadAsStringAsync();
        response.StatusCode.ShouldBe(HttpStatusCode.OK, text);
        return JsonSerializer.Deserialize<RecordImportAnswer>(text, RecorderJson.Options)!;
    }

    private static StringContent Lines(string text) => new(text, Encoding.UTF8, RecordEndpoints.MediaType);

    private static async Task<SegmentPage> PageAsync(RecorderHost host, string query) =>
        (await host.Raw.GetFromJsonAsync<SegmentPage>($"v1/tracks/{Track}/segments?{query}", RecorderJson.Options))!;

    private static async Task<IReadOnlyList<Span>> SpansAsync(RecorderHost host) =>
        (await host.Raw.GetFromJsonAsync<SpanList>($"v1/tracks/{Track}/spans", RecorderJson.Options))!.Items;

    private static async Task<TrackManifest> Manifest(RecorderHost host) =>
        (await host.Raw.GetFromJsonAsync<TrackManifest>($"v1/tracks/{Track}/manifest", RecorderJson.Options))!;
}
