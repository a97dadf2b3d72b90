using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text.Json;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.MaterialCopy;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Testing;
using FailbackWorkflows.Tests.ReferenceRecorder;
using Microsoft.Extensions.DependencyInjection;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Server;

/// <summary>Restored material as operators see it: through the management server, from a real recorder or one that answers as scripted.</summary>
[Collection(ServerTests.Name)]
public sealed class RestoredMaterialApiTests(ServerHarness server)
{
    private const string Track = $"{RecorderHost.Identity}~video-1";
    private const string Secret = "credential-that-must-not-be-seen";

    private static readonly DateTimeOffset From = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public async Task Segment_OfARealRecorder_IsListedAndServed_WholeAndInRanges()
    {
        await using var recorder = await RecorderHost.StartSeededAsync();
        await recorder.PassAsync(TimeSpan.FromSeconds(7));
        await recorder.StopRecordingAsync(1);
        var stored = await recorder.SegmentsAsync();
        var entry = await RestoredAsync(recorder.Endpoint.BaseUrl, RecorderHost.Token, stored[1].From, stored[^1].To);
        using var client = await server.WithRoleAsync(Roles.Operator);

        var page = await Answers.JsonAsync(await client.GetAsync($"{PathOf(entry)}?limit=1"));
        page.GetProperty("isComplete").GetBoolean().ShouldBeFalse();
        var item = page.GetProperty("items").EnumerateArray().Single();
        (item.GetProperty("id").GetString(), item.GetProperty("contentType").GetString(), item.GetProperty("isPlayable").GetBoolean()).ShouldBe((stored[1].Id, MediaTypes.Synthetic, false));
        var url = item.GetProperty("url").GetString();

        var whole = await client.GetAsync(url);
        var bytes = await whole.Content.ReadAsByteArrayAsync();
        (whole.StatusCode, Convert.ToHexStringLower(SHA256.HashData(bytes))).ShouldBe((HttpStatusCode.OK, stored[1].Sha256));
        whole.Headers.ETag!.Tag.ShouldBe($"\"{stored[1].Sha256}\"");
        whole.Headers.AcceptRanges.ShouldBe(["bytes"]);
        whole.Content.Headers.ContentDisposition!.DispositionType.ShouldBe("attachment", "no browser is to show what no browser plays");

        var part = await RangeAsync(client, url!, "bytes=10-19");
        part.StatusCode.ShouldBe(HttpStatusCode.PartialContent);
        part.Content.Headers.ContentRange!.ToString().ShouldBe($"bytes 10-19/{stored[1].Bytes}");
        (await part.Content.ReadAsByteArrayAsync()).ShouldBe(bytes[10..20]);
        (await RangeAsync(client, url!, "bytes=10-19", "\"another\"")).StatusCode.ShouldBe(HttpStatusCode.OK, "the range was for another content");
        var beyond = await RangeAsync(client, url!, $"bytes={stored[1].Bytes + 1}-");
        (beyond.StatusCode, (await Answers.ProblemAsync(beyond)).Type).ShouldBe((HttpStatusCode.RequestedRangeNotSatisfiable, "urn:failback:range-not-satisfiable"));

        // What lies beside the period, or on another track, is none of this entry's business.
        await IsProblemAsync(client, UrlOf(entry, stored[0]), HttpStatusCode.NotFound, "unknown-segment");
        await IsProblemAsync(client, UrlOf(entry, stored[1]).Replace("video-1/", "audio-1/", StringComparison.Ordinal), HttpStatusCode.NotFound, "unknown-track");
        await IsProblemAsync(client, UrlOf(entry, stored[1] with { Id = "nothing" }), HttpStatusCode.NotFound, "unknown-segment");
        await IsProblemAsync(client, UrlOf(entry, stored[1]).Split('?')[0], HttpStatusCode.BadRequest, "invalid-fields");
        await IsProblemAsync(client, $"{PathOf(entry)}?limit=0&from=yesterday", HttpStatusCode.BadRequest, "invalid-fields");
    }

    [Fact]
    public async Task Segment_IsForWhoeverWorksWithMaterial()
    {
        var entry = await RestoredAsync(new Uri("http://127.0.0.1:9/"), Secret, From, From.AddMinutes(1));
        using var anonymous = server.Anonymous();
        using var viewer = await server.WithRoleAsync(Roles.Viewer);
        using var client = await server.WithRoleAsync(Roles.Operator);
        var url = UrlOf(entry, Video("a"));

        (await anonymous.GetAsync(url)).StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
        (await viewer.GetAsync(url)).StatusCode.ShouldBe(HttpStatusCode.Forbidden);
        await IsProblemAsync(client, url.Replace(entry.Id, "none", StringComparison.Ordinal), HttpStatusCode.NotFound, "unknown-entry");
        var other = await server.AddEntryAsync();
        await IsProblemAsync(client, PathOf(other), HttpStatusCode.NotFound, "no-coverage");
    }

    [Fact]
    public async Task Segment_Viewed_IsAuditedOncePerViewingAndNotPerRange()
    {
        await using var recorder = await RecorderHost.StartSeededAsync();
        await recorder.PassAsync(TimeSpan.FromSeconds(7));
        await recorder.StopRecordingAsync(1);
        var stored = await recorder.SegmentsAsync();
        var entry = await RestoredAsync(recorder.Endpoint.BaseUrl, RecorderHost.Token, stored[1].From, stored[^1].To);
        using var client = await server.WithRoleAsync(Roles.Operator);
        using var other = await server.WithRoleAsync(Roles.Operator);

        (await client.GetAsync($"{PathOf(entry)}?limit=1")).EnsureSuccessStatusCode();
        (await client.GetAsync(UrlOf(entry, stored[1] with { Id = "nothing" }))).StatusCode.ShouldBe(HttpStatusCode.NotFound);
        Viewings().ShouldBeEmpty("nothing was shown");
        await RangeAsync(client, UrlOf(entry, stored[1]), "bytes=10-19");
        await RangeAsync(client, UrlOf(entry, stored[1]), "bytes=0-");
        (await client.GetAsync(UrlOf(entry, stored[1]))).EnsureSuccessStatusCode();
        await RangeAsync(client, UrlOf(entry, stored[2]), "bytes=0-");
        await RangeAsync(other, UrlOf(entry, stored[1]), "bytes=0-");

        var viewings = Viewings();
        viewings.Select(v => v.Subject).ShouldBe([$"{entry.Id} {stored[1].Id}", $"{entry.Id} {stored[2].Id}", $"{entry.Id} {stored[1].Id}"]);
        viewings.ShouldAllBe(v => v.Action == "view restored material" && v.Result == "done" && v.Actor.Id.Length > 0);
        (viewings[0].Actor.Id == viewings[1].Actor.Id, viewings[0].Actor.Id == viewings[2].Actor.Id).ShouldBe((true, false));

        List<FailbackWorkflows.Persistence.Identity.AuditRecord> Viewings() => [.. server.Audit.Records.Where(r => r.Subject?.StartsWith($"{entry.Id} ", StringComparison.Ordinal) == true)];
    }

    [Fact]
    public async Task Viewing_AfterAPause_IsAnother()
    {
        var time = new FakeTimeProvider(From);
        var audit = new Fakes.RecordingAuditLog();
        var trail = new ViewingTrail(audit, time);
        var context = new Microsoft.AspNetCore.Http.DefaultHttpContext();

        await trail.NoteAsync(context, "view restored material", "a", default);
        time.Advance(ViewingTrail.Pause - TimeSpan.FromSeconds(1));
        await trail.NoteAsync(context, "view restored material", "a", default);
        time.Advance(ViewingTrail.Pause - TimeSpan.FromSeconds(1));
        await trail.NoteAsync(context, "view restored material", "a", default);
        audit.Records.Count.ShouldBe(1, "it was looked at all the time");
        time.Advance(ViewingTrail.Pause);
        await trail.NoteAsync(context, "view restored material", "a", default);

        audit.Records.Select(r => r.At).ShouldBe([From, From + (3 * ViewingTrail.Pause) - TimeSpan.FromSeconds(2)]);
    }

    [Fact]
    public async Task Segment_WhenTheRecorderIsAwayOrRefuses_IsAProblemWithASentence()
    {
        await using var stub = await RecorderStub.StartAsync();
        var list = $"/v1/tracks/{Track}/segments";
        stub.On(
            "GET",
            list,
            StubAnswer.Problem(503, RecorderProblems.Busy, "Starting."),
            StubAnswer.Problem(401, RecorderProblems.Unauthorized, "Unknown token."),
            StubAnswer.Json(200, new SegmentPage([], null, true, From, [new("a", From, From.AddSeconds(2), 9, "retention", From.AddDays(1))])),
            StubAnswer.Json(200, new SegmentPage([Video("a")], null, true, From, [])));
        stub.On("GET", "/v1/segments/a", StubAnswer.Problem(410, RecorderProblems.SegmentGone, "It was here."));
        var entry = await RestoredAsync(stub.BaseUrl, Secret, From, From.AddMinutes(1));
        var away = await RestoredAsync(new Uri("http://127.0.0.1:9/"), Secret, From, From.AddMinutes(1));
        using var client = await server.WithRoleAsync(Roles.Operator);
        var url = UrlOf(entry, Video("a"));

        await IsProblemAsync(client, UrlOf(away, Video("a")), HttpStatusCode.ServiceUnavailable, "recorder-unavailable", "does not answer");
        await IsProblemAsync(client, url, HttpStatusCode.ServiceUnavailable, "recorder-unavailable", "Try again");
        await IsProblemAsync(client, url, HttpStatusCode.BadGateway, "recorder-refuses", "credential");
        await IsProblemAsync(client, url, HttpStatusCode.Gone, "segment-gone", "retention");
        await IsProblemAsync(client, url, HttpStatusCode.Gone, "segment-gone");
    }

    [Fact]
    public async Task Segment_CutShortByTheRecorder_IsNotTakenForWhole()
    {
        await using var stub = await RecorderStub.StartAsync();
        stub.On("GET", $"/v1/tracks/{Track}/segments", StubAnswer.Json(200, new SegmentPage([Video("a")], null, true, From, [])));
        stub.On("GET", "/v1/segments/a", StubAnswer.Truncated(200, "half of it"));
        var entry = await RestoredAsync(stub.BaseUrl, Secret, From, From.AddMinutes(1));
        using var client = await server.WithRoleAsync(Roles.Operator);

        await Should.ThrowAsync<HttpRequestException>(client.GetByteArrayAsync(UrlOf(entry, Video("a"))));
    }

    [Fact]
    public async Task Page_PlaysVideo_LabelsSynthetic_AndSaysWhenTheServerIsAway()
    {
        await using var stub = await RecorderStub.StartAsync();
        stub.On(
            "GET",
            $"/v1/tracks/{Track}/segments",
            StubAnswer.Json(200, new SegmentPage([Video("a"), Video("b") with { ContentType = MediaTypes.Synthetic }], "more", false, From, [])),
            StubAnswer.Json(200, new SegmentPage([Video("b") with { ContentType = MediaTypes.Synthetic }], null, true, From, [])),
            StubAnswer.Json(200, new SegmentPage([Video("c") with { ContentType = "text/html" }], null, true, From, [])));
        stub.On("GET", "/v1/segments/c", StubAnswer.Raw(200, "text/html", "<script>"));
        var entry = await RestoredAsync(stub.BaseUrl, Secret, From, From.AddMinutes(1));
        var away = await RestoredAsync(new Uri("http://127.0.0.1:9/"), Secret, From, From.AddMinutes(1));
        var player = $"/failover-log/{entry.Id}/coverage?track={Track}&at=2026-03-01T12:00:00Z";
        using var browser = await server.SignInAsync();

        (await browser.GetStringAsync($"/failover-log/{entry.Id}/coverage")).ShouldContain("aria-label=\"Play video-1 from here. Fetched:");
        var html = await browser.GetStringAsync(player);
        html.ShouldContain("<video id=\"player-media\" controls");
        html.ShouldContain("id=\"player-later\"");
        html.ShouldContain(", synthetic");
        html.ShouldNotContain("style=");
        html = await browser.GetStringAsync(player);
        html.ShouldContain("Synthetic, cannot be played.");
        html.ShouldNotContain("<video");
        html = await browser.GetStringAsync(player);
        html.ShouldContain("cannot be played in a browser");
        (await browser.GetAsync(UrlOf(entry, Video("c")))).Content.Headers.ContentType!.MediaType.ShouldBe("application/octet-stream", "a recorder must not put a page into the operator's browser");
        (await browser.GetStringAsync(player.Replace(entry.Id, away.Id, StringComparison.Ordinal))).ShouldContain("does not answer");
        (await browser.GetStringAsync(player.Replace("12:00:00", "13:00:00", StringComparison.Ordinal))).ShouldContain("Nothing of this channel is restored");
        (await browser.GetStringAsync(player.Replace(Track, "none", StringComparison.Ordinal))).ShouldNotContain("id=\"player\"");

        await server.CreateUserAsync($"viewer-{entry.Id[..8]}", Roles.Viewer);
        using var viewer = await server.SignInAsync($"viewer-{entry.Id[..8]}");
        html = await viewer.GetStringAsync(player);
        html.ShouldNotContain("id=\"player\"");
        html.ShouldNotContain("aria-label=\"Play");
    }

    // Scenario 44: what is in a side archive is called so, in page and table, and played from there.
    [Fact]
    public async Task SideArchive_IsSaidOnThePageAndInTheTable_AndPlayedFromItsOwnTrack()
    {
        await using var stub = await RecorderStub.StartAsync();
        const string archive = $"{Track}~entry-1";
        stub.On("GET", $"/v1/tracks/{archive}/segments", StubAnswer.Json(200, new SegmentPage([Video("a") with { TrackId = archive }], null, true, From, [])));
        var (from, to) = (From, From.AddMinutes(1));
        var entry = await RestoredAsync(
            stub.BaseUrl,
            Secret,
            from,
            to,
            t => t with { Copied = new(0, 0), Archived = new(1, 9), ArchiveTrackIds = [archive], Stretches = [new(from, to, CoverageState.Archived, null)] });
        var player = $"/failover-log/{entry.Id}/coverage?track={Track}&at=2026-03-01T12:00:00Z";
        using var browser = await server.SignInAsync();
        using var client = await server.WithRoleAsync(Roles.Operator);

        var html = await browser.GetStringAsync(player);
        html.ShouldContain("In the side archive: ");
        html.ShouldContain("This is not in the timeline of video-1");
        html.ShouldContain("class=\"cov-archived\"");
        html.ShouldContain("<video id=\"player-media\" controls");
        html.ShouldContain($"/material-copy/tracks/{Uri.EscapeDataString(archive)}/segments/a?");
        var csv = await client.GetStringAsync($"/api/v1/failover-log/{entry.Id}/material-copy/coverage?format=csv");
        csv.ShouldContain("digestBy,inSideArchive,archiveTracks,superseded");
        csv.Split("\r\n").Single(l => l.StartsWith("\"track\"", StringComparison.Ordinal)).ShouldEndWith($",1,\"{archive}\",");
        csv.ShouldContain("\"archived\"");
        var json = await Answers.JsonAsync(await client.GetAsync($"/api/v1/failover-log/{entry.Id}/material-copy/coverage"));
        json.GetProperty("tracks")[0].GetProperty("archived").GetProperty("segments").GetInt64().ShouldBe(1);
        (await client.GetAsync($"{PathOf(entry).Replace(Track, archive, StringComparison.Ordinal)}?limit=5")).StatusCode.ShouldBe(HttpStatusCode.OK);
        await IsProblemAsync(client, PathOf(entry).Replace(Track, $"{Track}~entry-2", StringComparison.Ordinal), HttpStatusCode.NotFound, "unknown-track");
    }

    private static Segment Video(string id) => new(
        id, Track, From, From.AddSeconds(2), 9, new string('a', 64), false, DisputeState.None, null, 1, new MaterialOrigin("machine-2", 1), "video/mp4", From.AddHours(1));

    private static string PathOf(FailoverLogEntry entry) => $"/api/v1/failover-log/{entry.Id}/material-copy/tracks/{Track}/segments";

    private static string UrlOf(FailoverLogEntry entry, Segment segment) => $"{PathOf(entry)}/{segment.Id}?from={RecorderJson.FormatInstant(segment.From)}";

    private static async Task<HttpResponseMessage> RangeAsync(HttpClient client, string url, string range, string? ifRange = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, url);
        request.Headers.Range = RangeHeaderValue.Parse(range);
        request.Headers.IfRange = ifRange is null ? null : RangeConditionHeaderValue.Parse(ifRange);
        return await client.SendAsync(request);
    }

    private static async Task IsProblemAsync(HttpClient client, string url, HttpStatusCode status, string type, string? sentence = null)
    {
        using var answer = await client.GetAsync(url);
        var text = await answer.Content.ReadAsStringAsync();
        answer.StatusCode.ShouldBe(status, text);
        var problem = await Answers.ProblemAsync(answer);
        problem.Type.ShouldBe($"urn:failback:{type}");
        problem.Detail.ShouldContain(sentence ?? "");
        text.ShouldNotContain(Secret);
    }

    /// <summary>An entry whose failed server is at the address, and a coverage report that says that its video is home.</summary>
    private async Task<FailoverLogEntry> RestoredAsync(Uri baseUrl, string credential, DateTimeOffset from, DateTimeOffset to, Func<TrackCoverage, TrackCoverage>? alter = null)
    {
        var entry = await server.AddEntryAsync(e => e with { Failback = FailbackState.Done, FailbackStartedAt = From, FailbackEndedAt = From.AddMinutes(1), MaterialCopy = MaterialCopyState.Copied });
        var nothing = new Amount(0, 0);
        var some = new Amount(1, 9);
        var report = new CoverageReport(
            MaterialCopyTask.IdOf(entry.Id, entry.FailoverServerId), entry.Id, entry.FailedServerId, "machine-2", "machine-1", new CopyPeriod(null, from, to), true, true, TimeSpan.Zero, TimeSpan.Zero, to,
            [(alter ?? (t => t))(new(Track, "video-1", "video", from, to, some, some, nothing, nothing, nothing, nothing, some, true, [new(from, to, CoverageState.Copied, null)]))],
            [],
            [],
            null);
        report = report with { Sha256 = CoverageDigest.Compute(report) };
        await server.App.Services.GetRequiredService<IDomainWriter>().ApplyAsync(
            [
                new SaveVmsServer(new VmsServer
                {
                    Id = entry.FailedServerId,
                    Name = $"Hall {entry.FailedServerId}",
                    BaseUrl = baseUrl,
                    ProtectedCredential = server.App.Services.GetRequiredService<ISecretProtector>().Protect(credential),
                    State = VmsServerState.Ok,
                    CreatedAt = From,
                }),
                new SaveCopyTask(new MaterialCopyTask
                {
                    TaskId = report.TaskId,
                    EntryId = entry.Id,
                    Identity = entry.FailedServerId,
                    SourceServerId = entry.FailoverServerId,
                    TargetServerId = entry.FailedServerId,
                    CreatedAt = From,
                    CoverageSha256 = report.Sha256,
                }),
                new KeepCoverage(new(report.TaskId, entry.Id, report.Sha256!, report, to)),
            ],
            CancellationToken.None);
        return entry;
    }
}
