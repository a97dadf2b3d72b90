using System.Net;
using System.Text.Json;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.MaterialCopy;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.Server.Identity;
using Microsoft.Extensions.DependencyInjection;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Server;

/// <summary>Material copies as programs and operators meet them.</summary>
[Collection(ServerTests.Name)]
public sealed class MaterialCopyApiTests(ServerHarness server)
{
    private static readonly DateTimeOffset Start = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public async Task Start_TwiceAndThrice_IsOneCopy()
    {
        var entry = await server.AddEntryAsync(FailedBack);
        using var client = await server.WithRoleAsync(Roles.Operator);

        var first = await PostAsync(client, $"/api/v1/failover-log/{entry.Id}/material-copy", """{"requestId":"a","reason":"Now."}""");
        var same = await PostAsync(client, $"/api/v1/failover-log/{entry.Id}/material-copy", """{"requestId":"a"}""");
        var other = await PostAsync(client, $"/api/v1/failover-log/{entry.Id}/material-copy", """{"requestId":"b"}""");
        var oldest = await PostAsync(client, $"/api/v1/servers/{entry.FailedServerId}/material-copy", """{"requestId":"c"}""");

        (first.Status, same.Status, other.Status).ShouldBe((HttpStatusCode.Accepted, HttpStatusCode.Accepted, HttpStatusCode.Conflict));
        var runId = first.Body.GetProperty("runId").GetString();
        same.Body.GetProperty("runId").GetString().ShouldBe(runId);
        other.Body.GetProperty("runId").GetString().ShouldBe(runId);
        other.Body.GetProperty("type").GetString().ShouldBe("urn:failback:run-in-the-way");
        other.Body.GetProperty("links").GetProperty("run").GetString().ShouldBe($"/api/v1/runs/{runId}");
        oldest.Status.ShouldBe(HttpStatusCode.NotFound, "the failed server is not in the registry of this test");
        server.Audit.Records.ShouldContain(r => r.Subject == entry.Id && r.Reason == "Now." && r.Action.EndsWith("/material-copy", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Start_TheFailbackIsNotDone_IsRefusedWithASentence()
    {
        var entry = await server.AddEntryAsync();
        using var client = await server.WithRoleAsync(Roles.Operator);

        var answer = await PostAsync(client, $"/api/v1/failover-log/{entry.Id}/material-copy", """{"requestId":"a"}""");

        (answer.Status, answer.Body.GetProperty("type").GetString()).ShouldBe((HttpStatusCode.Conflict, "urn:failback:refused"));
        answer.Body.GetProperty("detail").GetString().ShouldNotBeNull().ShouldContain("Fail back first");
    }

    [Theory]
    [InlineData("", """{"requestId":"a"}""")]
    [InlineData(":pause", "{}")]
    [InlineData(":resume", "{}")]
    [InlineData(":cancel", "{}")]
    [InlineData(":limits", "{}")]
    [InlineData("/accept-losses", """{"reason":"why"}""")]
    [InlineData("/disputed", """{"requestId":"a","reason":"why"}""")]
    [InlineData("/disputed:pause", "{}")]
    [InlineData("/disputed:resume", "{}")]
    [InlineData("/disputed:cancel", "{}")]
    [InlineData("/disputed:limits", "{}")]
    [InlineData("/disputed/release", """{"reason":"why"}""")]
    public async Task Changes_ByAViewer_AreForbidden_AndOnAnUnknownEntryNotFound(string path, string body)
    {
        using var viewer = await server.WithRoleAsync(Roles.Viewer);
        using var administrator = server.Administrator();

        (await PostAsync(viewer, $"/api/v1/failover-log/none/material-copy{path}", body)).Status.ShouldBe(HttpStatusCode.Forbidden);
        var answer = await PostAsync(administrator, $"/api/v1/failover-log/none/material-copy{path}", body);
        (answer.Status, answer.Body.GetProperty("type").GetString()).ShouldBe((HttpStatusCode.NotFound, "urn:failback:unknown-entry"));
    }

    [Fact]
    public async Task Orders_OfARunningCopy_AreNotedAndShown()
    {
        var entry = await CopyingAsync();
        using var client = await server.WithRoleAsync(Roles.Operator);
        var path = $"/api/v1/failover-log/{entry.Id}/material-copy";

        (await PostAsync(client, $"{path}:pause", "{}")).Body.GetProperty("task").GetProperty("isPauseWished").GetBoolean().ShouldBeTrue();
        (await PostAsync(client, $"{path}:pause", "{}")).Status.ShouldBe(HttpStatusCode.Conflict);
        (await PostAsync(client, $"{path}:resume", "{}")).Status.ShouldBe(HttpStatusCode.Accepted);
        var limited = await PostAsync(client, $"{path}:limits", """{"maxBytesPerSecond":1000000,"windowFrom":"22:00:00","windowTo":"06:00:00"}""");
        limited.Body.GetProperty("task").GetProperty("limits").GetProperty("maxBytesPerSecond").GetInt64().ShouldBe(1_000_000);
        (await PostAsync(client, $"{path}:limits", """{"maxBytesPerSecond":10,"windowFrom":"22:00:00"}""")).Body.GetProperty("errors").EnumerateObject().Select(e => e.Name).ShouldBe(["maxBytesPerSecond", "windowTo"]);

        // That of the disputed material is another one, and nobody has asked for it.
        var none = await PostAsync(client, $"{path}/disputed:pause", "{}");
        none.Status.ShouldBe(HttpStatusCode.Conflict);
        none.Body.GetProperty("detail").GetString().ShouldNotBeNull().ShouldContain("The disputed material of this entry is not being copied.");

        (await PostAsync(client, $"{path}:cancel", """{"reason":"Later."}""")).Status.ShouldBe(HttpStatusCode.Accepted);
        server.Runs.Asked.ShouldContain(a => a.What == "cancel" && a.Reason == "Later.");

        var state = await GetAsync(client, path);
        state.GetProperty("state").GetString().ShouldBe("running");
        var task = state.GetProperty("task");
        task.GetProperty("bytesDone").GetInt64().ShouldBe(1_500_000_000);
        task.GetProperty("channels").GetArrayLength().ShouldBe(2);
        task.TryGetProperty("protectedToken", out _).ShouldBeFalse();
        (await client.GetStringAsync(path)).ShouldNotContain("secret");
    }

    [Fact]
    public async Task Coverage_AsJsonAndCsv_IsWhatTheRecorderReported()
    {
        var entry = await CopiedWithLossesAsync();
        using var client = await server.WithRoleAsync(Roles.Viewer);
        var path = $"/api/v1/failover-log/{entry.Id}/material-copy/coverage";

        var json = JsonSerializer.Deserialize<CoverageReport>(await client.GetStringAsync(path), RecorderJson.Options)!;
        CoverageDigest.Compute(json).ShouldBe(json.Sha256);

        var csv = await client.GetAsync($"{path}?format=csv");
        csv.Content.Headers.ContentType!.MediaType.ShouldBe("text/csv");
        var lines = (await csv.Content.ReadAsStringAsync()).Split("\r\n");
        lines[0].ShouldStartWith("row,kind,channelId,from,to,state,reason");
        lines.ShouldContain(l => l.StartsWith("\"stretch\",\"video\",\"video-1\"", StringComparison.Ordinal) && l.Contains("\"missing\",\"corruptAtSource\"", StringComparison.Ordinal));
        lines.ShouldContain(l => l.StartsWith("\"loss\"", StringComparison.Ordinal) && l.Contains("\"'=segment\"", StringComparison.Ordinal), "a spreadsheet must not take it for a formula");

        using var request = new HttpRequestMessage(HttpMethod.Get, path) { Headers = { { "Accept", "text/csv" } } };
        (await client.SendAsync(request)).Content.Headers.ContentType!.MediaType.ShouldBe("text/csv");
        (await client.GetAsync($"{path}?format=xml")).StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        var other = await server.AddEntryAsync();
        (await client.GetAsync($"/api/v1/failover-log/{other.Id}/material-copy/coverage")).StatusCode.ShouldBe(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task AcceptLosses_IsForAdministratorsWithAReason()
    {
        var entry = await CopiedWithLossesAsync();
        using var operatorClient = await server.WithRoleAsync(Roles.Operator);
        using var administrator = server.Administrator();
        var path = $"/api/v1/failover-log/{entry.Id}/material-copy/accept-losses";

        (await PostAsync(operatorClient, path, """{"reason":"why"}""")).Status.ShouldBe(HttpStatusCode.Forbidden);
        (await PostAsync(administrator, path, """{"reason":" "}""")).Status.ShouldBe(HttpStatusCode.BadRequest);
        var accepted = await PostAsync(administrator, path, """{"reason":"The scene was empty."}""");

        (accepted.Status, accepted.Body.GetProperty("state").GetString()).ShouldBe((HttpStatusCode.Accepted, "lossesAccepted"));
        (await server.App.Services.GetRequiredService<IMaterialCopies>().FindReleaseAsync(entry.Id, entry.FailoverServerId, default))!.Release.ShouldBe(HoldRelease.AcceptedLoss);
        server.Audit.Records.ShouldContain(r => r.Subject == entry.Id && r.Reason == "The scene was empty.");
        (await PostAsync(administrator, path, """{"reason":"Again."}""")).Status.ShouldBe(HttpStatusCode.Conflict);
    }

    [Fact]
    public async Task Forms_ThatMakeNoSense_SayWhatIsWrong_AndAreRecordedAsRefused()
    {
        var entry = await CopiedWithLossesAsync();
        var page = $"/failover-log/{entry.Id}";
        using var browser = await server.SignInAsync();

        using var losses = await ServerHarness.PostFormAsync(browser, $"{page}/coverage", $"{page}/coverage?handler=Accept", ("reason", " "));
        var coverage = await browser.GetStringAsync($"{page}/coverage");
        using var rate = await ServerHarness.PostFormAsync(browser, page, $"{page}?handler=LimitCopy", ("megabytesPerSecond", "0"));
        var after = await browser.GetStringAsync(page);

        (losses.StatusCode, rate.StatusCode).ShouldBe((HttpStatusCode.Redirect, HttpStatusCode.Redirect));
        coverage.ShouldContain("Say why the losses are accepted");
        after.ShouldContain("the rate must be above 0");
        server.Audit.Records.Where(r => r.Subject == entry.Id && r.Action.StartsWith("POST", StringComparison.Ordinal)).Select(r => r.Result).ShouldBe(["no reason", "refused"]);
    }

    [Fact]
    public async Task Disputed_IsCopiedOnRequestWithAReasonOnly()
    {
        var entry = await CopiedWithLossesAsync(disputed: 12);
        var none = await CopiedWithLossesAsync();
        using var viewer = await server.WithRoleAsync(Roles.Viewer);
        using var client = await server.WithRoleAsync(Roles.Operator);
        var path = $"/api/v1/failover-log/{entry.Id}/material-copy/disputed";

        var before = await GetAsync(viewer, path);
        (before.GetProperty("exists").GetBoolean(), before.GetProperty("segmentsAtSource").GetInt64(), before.TryGetProperty("whyNot", out var whyNot) && whyNot.ValueKind == JsonValueKind.String).ShouldBe((true, 12, false));
        (await PostAsync(viewer, path, """{"requestId":"a","reason":"why"}""")).Status.ShouldBe(HttpStatusCode.Forbidden);
        (await PostAsync(client, path, """{"requestId":"a","reason":" "}""")).Body.GetProperty("errors").EnumerateObject().Single().Name.ShouldBe("reason");
        (await PostAsync(client, path, """{"requestId":"a"}""")).Status.ShouldBe(HttpStatusCode.BadRequest);
        var nothing = await PostAsync(client, path.Replace(entry.Id, none.Id, StringComparison.Ordinal), """{"requestId":"a","reason":"why"}""");
        (nothing.Status, nothing.Body.GetProperty("detail").GetString()).ShouldBe((HttpStatusCode.Conflict, "Nothing of this period is disputed."));
        (await client.GetAsync($"{path}/coverage")).StatusCode.ShouldBe(HttpStatusCode.NotFound);

        var started = await PostAsync(client, path, """{"requestId":"a","reason":"The police asked."}""");
        var other = await PostAsync(client, path, """{"requestId":"b","reason":"Me too."}""");

        (started.Status, other.Status).ShouldBe((HttpStatusCode.Accepted, HttpStatusCode.Conflict));
        other.Body.GetProperty("runId").GetString().ShouldBe(started.Body.GetProperty("runId").GetString());
        server.Audit.Records.ShouldContain(r => r.Subject == entry.Id && r.Reason == "The police asked." && r.Action.EndsWith("/disputed", StringComparison.Ordinal) && r.Result == "done");
        (await GetAsync(client, path)).GetProperty("task").GetProperty("runId").GetString().ShouldBe(started.Body.GetProperty("runId").GetString());
        (await GetAsync(client, $"/api/v1/failover-log/{entry.Id}/material-copy")).GetProperty("task").TryGetProperty("runId", out var ordinary).ShouldBe(ordinary.ValueKind == JsonValueKind.Null);
    }

    [Fact]
    public async Task CoveragePage_OffersDisputedMaterialWhereThereIsSomeToWhoMayHaveIt()
    {
        var entry = await CopiedWithLossesAsync(disputed: 12);
        var none = await CopiedWithLossesAsync();
        await server.CreateUserAsync($"viewer-{entry.Id[..8]}", Roles.Viewer);
        using var viewer = await server.SignInAsync($"viewer-{entry.Id[..8]}");
        using var browser = await server.SignInAsync();
        var page = $"/failover-log/{entry.Id}/coverage";

        (await browser.GetStringAsync($"/failover-log/{none.Id}/coverage")).ShouldNotContain("Disputed material");
        (await viewer.GetStringAsync(page)).ShouldNotContain("id=\"copy-disputed\"");
        var html = await browser.GetStringAsync(page);
        html.ShouldContain("id=\"copy-disputed\"");
        html.ShouldNotContain("style=");

        (await ServerHarness.PostFormAsync(browser, page, $"{page}?handler=Disputed", ("requestId", "a"), ("reason", " "))).Headers.Location!.ToString().ShouldBe(page);
        (await browser.GetStringAsync(page)).ShouldContain("Say why the disputed material is needed");
        (await ServerHarness.PostFormAsync(viewer, page, $"{page}?handler=Disputed", ("requestId", "a"), ("reason", "why"))).Headers.Location?.ToString().ShouldContain("denied");
        (await server.App.Services.GetRequiredService<IMaterialCopies>().FindAsync(MaterialCopyTask.IdOf(entry.Id, entry.FailoverServerId, isDisputed: true), default)).ShouldBeNull();

        await ServerHarness.PostFormAsync(browser, page, $"{page}?handler=Disputed", ("requestId", "a"), ("reason", "The police asked."));
        html = await browser.GetStringAsync(page);
        html.ShouldContain("Being copied");
        html.ShouldNotContain("id=\"copy-disputed\"");
        server.Audit.Records.ShouldContain(r => r.Subject == entry.Id && r.Reason == "The police asked.");
    }

    [Fact]
    public async Task ReleaseDisputed_IsForAdministratorsWithAReason()
    {
        var entry = await CopiedAsync(disputed: 12);
        var none = await CopiedAsync(disputed: 0);
        var owing = await CopiedWithLossesAsync(disputed: 12);
        using var operatorClient = await server.WithRoleAsync(Roles.Operator);
        using var administrator = server.Administrator();
        var disputed = $"/api/v1/failover-log/{entry.Id}/material-copy/disputed";
        var path = $"{disputed}/release";

        (await PostAsync(operatorClient, path, """{"reason":"why"}""")).Status.ShouldBe(HttpStatusCode.Forbidden);
        server.Audit.Records.ShouldContain(r => r.Subject == entry.Id && r.Action.EndsWith("/disputed/release", StringComparison.Ordinal) && r.Result == "not-allowed");
        var unsaid = await PostAsync(administrator, path, """{"reason":" "}""");
        (unsaid.Status, unsaid.Body.GetProperty("errors").EnumerateObject().Single().Name).ShouldBe((HttpStatusCode.BadRequest, "reason"));
        foreach (var (other, sentence) in new[] { (none, "Nothing of this period is disputed"), (owing, "still owed") })
        {
            var refused = await PostAsync(administrator, path.Replace(entry.Id, other.Id, StringComparison.Ordinal), """{"reason":"why"}""");
            (refused.Status, refused.Body.GetProperty("type").GetString()).ShouldBe((HttpStatusCode.Conflict, "urn:failback:refused"));
            refused.Body.GetProperty("detail").GetString().ShouldNotBeNull().ShouldContain(sentence);
            (await ReleaseOfAsync(other)).ShouldBeNull();
        }

        (await ReleaseOfAsync(entry))!.Release.ShouldBe(HoldRelease.VerifiedCopy);
        IsNull(await GetAsync(operatorClient, disputed), "givenUpAt").ShouldBeTrue();

        var accepted = await PostAsync(administrator, path, """{"reason":"The scene was empty."}""");

        accepted.Status.ShouldBe(HttpStatusCode.Accepted);
        (IsNull(accepted.Body, "givenUpAt"), IsNull(accepted.Body, "releasedAt")).ShouldBe((false, true), "the failover server is not in the registry of this test, so it is owed");
        var order = (await ReleaseOfAsync(entry)).ShouldNotBeNull();
        (order.Release, order.ReleasedAt).ShouldBe((HoldRelease.AcceptedLoss, null));
        order.Reason.ShouldContain("The scene was empty.");
        (await GetAsync(operatorClient, $"/api/v1/failover-log/{entry.Id}/material-copy")).GetProperty("state").GetString().ShouldBe("copied");
        server.Audit.Records.ShouldContain(r => r.Subject == entry.Id && r.Reason == "The scene was empty." && r.Result == "done");
        (await PostAsync(administrator, path, """{"reason":"Again."}""")).Status.ShouldBe(HttpStatusCode.Conflict);
        (await ReleaseOfAsync(entry))!.Reason.ShouldBe(order.Reason);
    }

    [Fact]
    public async Task CoveragePage_OffersAdministratorsToReleaseTheHoldOnDisputedMaterial()
    {
        var entry = await CopiedAsync(disputed: 12);
        var owing = await CopiedWithLossesAsync(disputed: 12);
        await server.CreateUserAsync($"operator-{entry.Id[..8]}", Roles.Operator);
        using var operatorBrowser = await server.SignInAsync($"operator-{entry.Id[..8]}");
        using var browser = await server.SignInAsync();
        var page = $"/failover-log/{entry.Id}/coverage";

        (await operatorBrowser.GetStringAsync(page)).ShouldNotContain("id=\"release-disputed\"");
        var elsewhere = await browser.GetStringAsync($"/failover-log/{owing.Id}/coverage");
        elsewhere.ShouldNotContain("id=\"release-disputed\"");
        elsewhere.ShouldContain("Ordinary material of this period is still owed");
        var html = await browser.GetStringAsync(page);
        html.ShouldContain("id=\"release-disputed\"");
        html.ShouldContain("verified copy; what is disputed stays held");
        html.ShouldNotContain("style=");

        (await ServerHarness.PostFormAsync(operatorBrowser, page, $"{page}?handler=ReleaseDisputed", ("reason", "why"))).Headers.Location?.ToString().ShouldContain("denied");
        (await ServerHarness.PostFormAsync(browser, page, $"{page}?handler=ReleaseDisputed", ("reason", " "))).Headers.Location!.ToString().ShouldBe(page);
        (await browser.GetStringAsync(page)).ShouldContain("Say why the disputed material is given up");
        (await ReleaseOfAsync(entry))!.Release.ShouldBe(HoldRelease.VerifiedCopy);

        (await ServerHarness.PostFormAsync(browser, page, $"{page}?handler=ReleaseDisputed", ("reason", "Nobody needs it."))).Headers.Location!.ToString().ShouldBe(page);
        html = await browser.GetStringAsync(page);
        html.ShouldNotContain("id=\"release-disputed\"");
        html.ShouldNotContain("id=\"copy-disputed\"");
        html.ShouldNotContain("Copy the disputed material", customMessage: "it may be gone: nobody can press it again");
        html.ShouldContain("It was given up");
        server.Audit.Records.ShouldContain(r => r.Subject == entry.Id && r.Reason == "Nobody needs it." && r.Result == "done");

        var order = (await ReleaseOfAsync(entry)).ShouldNotBeNull();
        await ApplyAsync(new SaveHoldRelease(order with { LastError = null, ReleasedAt = Start.AddHours(2) }));
        html = await browser.GetStringAsync(page);
        html.ShouldContain("The hold on it was released at");
        html.ShouldContain("verified copy; the disputed material was given up");
    }

    [Fact]
    public async Task Page_OfAnEntryFailedBack_OffersTheCopyAndShowsItsProgress()
    {
        var entry = await server.AddEntryAsync(FailedBack);
        using var browser = await server.SignInAsync();
        (await browser.GetStringAsync($"/failover-log/{entry.Id}")).ShouldContain("id=\"start-copy\"");

        var started = await ServerHarness.PostFormAsync(browser, $"/failover-log/{entry.Id}", $"/failover-log/{entry.Id}?handler=StartCopy", ("requestId", "a"));
        started.Headers.Location!.ToString().ShouldBe($"/failover-log/{entry.Id}");
        var html = await browser.GetStringAsync($"/failover-log/{entry.Id}");
        html.ShouldContain("Queued");
        html.ShouldNotContain("Material owed");
        html.ShouldContain("id=\"copy-give-up\"");
        html.ShouldNotContain("id=\"start-copy\"");
        html.ShouldContain("Cancel this copy");

        var copying = await CopyingAsync();
        html = await browser.GetStringAsync($"/failover-log/{copying.Id}");
        html.ShouldContain("1.5 GB of 6 GB");
        html.ShouldContain("12 MB/s");
        html.ShouldContain("video-1");
        html.ShouldContain("Pause the copy");
        html.ShouldContain("follows when all is fetched");
        html.ShouldNotContain("Material owed");
        html.ShouldNotContain("id=\"copy-limit\"");
        var upTo = html.Split("data-label=\"Up to\"").Length - 1;
        upTo.ShouldBe(1, "of a channel that has nothing yet nothing is said");
        var paused = await ServerHarness.PostFormAsync(browser, $"/failover-log/{copying.Id}", $"/failover-log/{copying.Id}?handler=OrderCopy", ("order", "pause"));
        paused.StatusCode.ShouldBe(HttpStatusCode.Redirect);
        (await browser.GetStringAsync($"/failover-log/{copying.Id}")).ShouldContain("Resume the copy");
        var limited = await ServerHarness.PostFormAsync(
            browser, $"/failover-log/{copying.Id}", $"/failover-log/{copying.Id}?handler=LimitCopy", ("megabytesPerSecond", "2.5"), ("windowFrom", "22:00"), ("windowTo", "06:00"));
        limited.StatusCode.ShouldBe(HttpStatusCode.Redirect);
        (await browser.GetStringAsync($"/failover-log/{copying.Id}")).ShouldContain("value=\"2.5\"");
    }

    [Theory]
    [InlineData(12_500_000, "slowed to 12.5 MB/s by its limit")]
    [InlineData(200_000_000, "limited to 200 MB/s")]
    public async Task Page_OfACopyWithALimit_SaysSoWithoutBeingAsked(long limit, string expected)
    {
        var entry = await CopyingAsync(report => report with { Limits = new(limit) });
        using var browser = await server.SignInAsync();

        (await browser.GetStringAsync($"/failover-log/{entry.Id}")).ShouldContain(expected);
    }

    // Beside a copy that goes well it would look like something to be done.
    [Fact]
    public async Task Page_OfACopy_OffersToAcceptLossesOnlyWhenItCannotGoOn()
    {
        var well = await CopyingAsync();
        var outsideWindow = await CopyingAsync(report => report with { State = CopyTaskState.Paused, PauseReason = CopyPauseReason.Window });
        var stuck = await CopyingAsync(report => report with { State = CopyTaskState.WaitingForSource });
        var paused = await CopyingAsync(report => report with { State = CopyTaskState.Paused, PauseReason = CopyPauseReason.Operator });
        var failed = await server.AddEntryAsync(e => FailedBack(e) with { MaterialCopy = MaterialCopyState.Failed, Message = "It failed." });
        using var browser = await server.SignInAsync();

        foreach (var entry in (FailoverLogEntry[])[well, outsideWindow])
        {
            (await browser.GetStringAsync($"/failover-log/{entry.Id}")).ShouldContain("id=\"copy-give-up\"");
        }

        foreach (var entry in (FailoverLogEntry[])[stuck, paused, failed])
        {
            var html = await browser.GetStringAsync($"/failover-log/{entry.Id}");
            html.ShouldNotContain("id=\"copy-give-up\"");
            html.ShouldContain("Accept the losses");
            html.ShouldContain("Material owed");
        }
    }

    [Fact]
    public async Task Pages_OfWhatIsHome_ShowTheResultAndNoDeadButton()
    {
        var entry = await ReportedAsync(e => e with { MaterialCopy = MaterialCopyState.Copied }, 0, Whole);
        using var browser = await server.SignInAsync();

        var html = await browser.GetStringAsync($"/failover-log/{entry.Id}");
        html.ShouldContain("id=\"coverage-line\"");
        html.ShouldContain("Nothing is missing of what was recorded");
        html.ShouldNotContain("Start failback");
        html.ShouldNotContain("Start material copying");
        html.ShouldNotContain("Accept the losses");
        html = await browser.GetStringAsync($"/failover-log/{entry.Id}/coverage");
        html.ShouldContain("so there is no loss to accept");
        html.ShouldNotContain("Accept the losses</button>");
    }

    [Fact]
    public async Task Coverage_OfARecordThatIsNewerThere_SaysTheSameOnThePageAndInTheFiles()
    {
        var entry = await ReportedAsync(e => e with { MaterialCopy = MaterialCopyState.Copied }, 0, Whole);
        using var browser = await server.SignInAsync();
        using var client = await server.WithRoleAsync(Roles.Operator);

        var html = await browser.GetStringAsync($"/failover-log/{entry.Id}/coverage");
        html.ShouldContain("<td data-label=\"Already there\">0</td><td data-label=\"Newer there\">1</td>");
        html.ShouldContain("<dt>Newer there</dt><dd>1 record</dd>");
        html.ShouldContain("2 records</span>", customMessage: "those that are there as they are");
        var csv = await client.GetStringAsync($"/api/v1/failover-log/{entry.Id}/material-copy/coverage?format=csv");
        var lines = csv.Split("\r\n").Select(line => line.Split(',')).ToList();
        var alarms = lines.Single(cells => cells is ["\"records\"", "\"alarms\"", ..]);
        alarms[Array.IndexOf(lines[0], "alreadyThere")].ShouldBe("0");
        alarms[Array.IndexOf(lines[0], "superseded")].ShouldBe("1");
        lines.Where(cells => cells.Length > 1).ShouldAllBe(cells => cells.Length == lines[0].Length);
    }

    [Fact]
    public async Task CoveragePage_SaysWhatDisputedMeans_AsFarAsItIsProven()
    {
        var times = new Dictionary<string, DateTimeOffset> { ["video-1"] = Start.AddMinutes(17) };
        var proven = await ReportedAsync(e => e with { MaterialCopy = MaterialCopyState.Copied, AuthorityEnds = times }, 12);
        var unknown = await ReportedAsync(e => e with { MaterialCopy = MaterialCopyState.Copied }, 12);
        using var browser = await server.SignInAsync();

        var html = await browser.GetStringAsync($"/failover-log/{proven.Id}/coverage");
        html.ShouldContain("Both recorded at the hand-over");
        html.ShouldContain("href=\"#disputed\"");
        html = await browser.GetStringAsync($"/failover-log/{unknown.Id}/coverage");
        html.ShouldNotContain("Both recorded at the hand-over");
        html.ShouldContain("This is additional material, not a gap");
    }

    [Fact]
    public async Task Page_OfTheFailoverLog_StartsTheOldestOwedCopy()
    {
        var entry = await server.AddEntryAsync(FailedBack);
        using var browser = await server.SignInAsync();
        (await browser.GetStringAsync("/failover-log")).ShouldContain($"<option value=\"{entry.FailedServerId}\"");

        // The server of this test is not in the registry; what a server in it leads to is tested with the workflow.
        var answer = await ServerHarness.PostFormAsync(browser, "/failover-log", "/failover-log?handler=StartCopy", ("serverId", entry.FailedServerId), ("requestId", "a"));
        answer.StatusCode.ShouldBe(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task CoveragePage_ShowsTimelineLossesAndTheFormForAdministrators()
    {
        var entry = await CopiedWithLossesAsync();
        await server.CreateUserAsync($"viewer-{entry.Id[..8]}", Roles.Viewer);
        using var viewer = await server.SignInAsync($"viewer-{entry.Id[..8]}");
        using var administrator = await server.SignInAsync();

        var html = await administrator.GetStringAsync($"/failover-log/{entry.Id}/coverage");
        html.ShouldContain("class=\"cov-missing\"");
        html.ShouldContain("aria-label=\"video-1 (video): Fetched:");
        html.ShouldContain("Gap (not recorded)");
        html.ShouldContain("corruptAtSource");
        html.ShouldContain("id=\"accept-losses\"");
        html.ShouldNotContain("style=");
        (await viewer.GetStringAsync($"/failover-log/{entry.Id}/coverage")).ShouldNotContain("id=\"accept-losses\"");

        var accepted = await ServerHarness.PostFormAsync(administrator, $"/failover-log/{entry.Id}/coverage", $"/failover-log/{entry.Id}/coverage?handler=Accept", ("reason", "Nobody needs it."));
        accepted.StatusCode.ShouldBe(HttpStatusCode.Redirect);
        (await administrator.GetStringAsync($"/failover-log/{entry.Id}")).ShouldContain("Losses accepted");
        (await administrator.GetAsync("/failover-log/none/coverage")).StatusCode.ShouldBe(HttpStatusCode.NotFound);
    }

    private static FailoverLogEntry FailedBack(FailoverLogEntry entry) => entry with
    {
        Failback = FailbackState.Done, FailbackStartedAt = Start.AddMinutes(20), FailbackEndedAt = Start.AddMinutes(21),
    };

    private async Task<FailoverLogEntry> CopyingAsync(Func<CopyTask, CopyTask>? change = null)
    {
        var entry = await server.AddEntryAsync(e => FailedBack(e) with { MaterialCopy = MaterialCopyState.Running });
        var period = new CopyPeriod(null, Start, Start.AddMinutes(20));
        var now = server.App.Services.GetRequiredService<TimeProvider>().GetUtcNow();
        var task = TaskOf(entry) with
        {
            RunId = $"run-{entry.Id}",
            ProtectedToken = "secret",
            ReportedAt = now,
            Reported = new CopyTask(
                TaskOf(entry).TaskId, entry.Id, entry.FailedServerId, "machine-2", period, CopyTaskState.Running, null, "copying", null, 1500, 12, 40, 1_500_000_000, 6_000_000_000, 0,
                12_000_000, 480, 1, TimeSpan.Zero, new(), Start, Start, null, now, 7,
                [new("video", "video-1", Start.AddMinutes(5), 500, 2000, 1_500_000_000, 6_000_000_000, 1, null), new("anpr", "video-1", null, 0, 120, 0, null, 2, "The source did not answer.")]),
        };
        await ApplyAsync(new SaveCopyTask(change is null ? task : task with { Reported = change(task.Reported!) }));
        return entry;
    }

    /// <summary>After a verified copy whose release was delivered; what is disputed is still held.</summary>
    private async Task<FailoverLogEntry> CopiedAsync(long disputed)
    {
        var entry = await ReportedAsync(e => e with { MaterialCopy = MaterialCopyState.Copied }, disputed);
        if (disputed > 0)
        {
            await ApplyAsync(new SaveHoldRelease(new(
                entry.Id, entry.FailoverServerId, entry.FailedServerId, TaskOf(entry).TaskId, HoldRelease.VerifiedCopy, "digest", Start.AddHours(1), ReleasedAt: Start.AddHours(1))));
        }

        return entry;
    }

    private Task<FailoverLogEntry> CopiedWithLossesAsync(long disputed = 0) =>
        ReportedAsync(e => e with { MaterialCopy = MaterialCopyState.CopiedWithLosses, Message = "Copied with losses." }, disputed);

    /// <summary>Everything expected is home; of one alarm there is a later state.</summary>
    private static CoverageReport Whole(CoverageReport report) => report with
    {
        IsVerified = true,
        Tracks = [report.Tracks[1]],
        Records = [report.Records[0], new(RecordKind.Alarms, "video-1", Start, Start.AddMinutes(20), 1, 0, 0, 1, 0, 0, "a", "b", true)],
        Losses = [],
    };

    private async Task<FailoverLogEntry> ReportedAsync(Func<FailoverLogEntry, FailoverLogEntry> ended, long disputed, Func<CoverageReport, CoverageReport>? change = null)
    {
        var entry = await server.AddEntryAsync(e => ended(FailedBack(e)));
        var period = new CopyPeriod(null, Start, Start.AddMinutes(20));
        var report = new CoverageReport(
            TaskOf(entry).TaskId, entry.Id, entry.FailedServerId, "machine-2", "machine-1", period, true, false, TimeSpan.Zero, TimeSpan.Zero, Start.AddHours(1),
            [
                new($"{entry.FailedServerId}~video-1", "video-1", "video", Start, Start.AddMinutes(20), new(600, 6_000_000), new(400, 4_000_000), new(100, 1_000_000), new(100, 1_000_000), new(0, 0), new(disputed, disputed * 10_000), new(500, 5_000_000), false,
                [
                    new(Start, Start.AddMinutes(3), CoverageState.AlreadyThere, null),
                    new(Start.AddMinutes(3), Start.AddMinutes(12), CoverageState.Copied, null),
                    new(Start.AddMinutes(12), Start.AddMinutes(14), CoverageState.NotRecorded, null),
                    new(Start.AddMinutes(14), Start.AddMinutes(17), CoverageState.Missing, "corruptAtSource"),
                    new(Start.AddMinutes(17), Start.AddMinutes(19), CoverageState.Disputed, null),
                    new(Start.AddMinutes(19), Start.AddMinutes(20), CoverageState.OutsideRetention, null),
                ]),
                new($"{entry.FailedServerId}~audio-1", "audio-1", "audio", Start, Start.AddMinutes(20), new(600, 600_000), new(600, 600_000), new(0, 0), new(0, 0), new(0, 0), new(0, 0), new(600, 600_000), true,
                    [new(Start, Start.AddMinutes(20), CoverageState.Copied, null)]),
            ],
            [new(RecordKind.Anpr, "video-1", Start, Start.AddMinutes(20), 120, 118, 2, 0, 0, 0, "a", "a", true)],
            [new("video", "video-1", "=segment", Start.AddMinutes(14), Start.AddMinutes(17), 1_000_000, "corruptAtSource")],
            null);
        report = change?.Invoke(report) ?? report;
        report = report with { Sha256 = CoverageDigest.Compute(report) };
        await ApplyAsync(
            new GrantEpoch(entry.FailedServerId, entry.FailedServerId, 3, "run"),
            new SaveCopyTask(TaskOf(entry) with { CoverageSha256 = report.Sha256, LastRunId = "run" }),
            new KeepCoverage(new(report.TaskId, entry.Id, report.Sha256!, report, Start.AddHours(1))));
        return entry;
    }

    private static MaterialCopyTask TaskOf(FailoverLogEntry entry) => new()
    {
        TaskId = MaterialCopyTask.IdOf(entry.Id, entry.FailoverServerId),
        EntryId = entry.Id,
        Identity = entry.FailedServerId,
        SourceServerId = entry.FailoverServerId,
        TargetServerId = entry.FailedServerId,
        CreatedAt = Start.AddMinutes(21),
    };

    private Task<HoldReleaseOrder?> ReleaseOfAsync(FailoverLogEntry entry) =>
        server.App.Services.GetRequiredService<IMaterialCopies>().FindReleaseAsync(entry.Id, entry.FailoverServerId, CancellationToken.None);

    private static bool IsNull(JsonElement body, string name) => !body.TryGetProperty(name, out var value) || value.ValueKind == JsonValueKind.Null;

    private Task ApplyAsync(params IReadOnlyList<FailbackWorkflows.Engine.Storage.IDomainChange> changes) =>
        server.App.Services.GetRequiredService<IDomainWriter>().ApplyAsync(changes, CancellationToken.None);

    private static async Task<(HttpStatusCode Status, JsonElement Body)> PostAsync(HttpClient client, string path, string json)
    {
        var answer = await client.PostAsync(path, ServerHarness.Json(json));
        return (answer.StatusCode, JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement);
    }

    private static async Task<JsonElement> GetAsync(HttpClient client, string path) => JsonDocument.Parse(await client.GetStringAsync(path)).RootElement;
}
