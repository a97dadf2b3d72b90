using System.Net;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders.Settings;
using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Testing.Failback;
using Microsoft.Extensions.DependencyInjection;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Server;

/// <summary>The settings cache over the API and on its pages.</summary>
[Collection(ServerTests.Name)]
public sealed class SettingsCacheTests(ServerHarness server)
{
    private static readonly DateTimeOffset T0 = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public async Task State_AndHistory_SayNumberDigestAndAge()
    {
        var id = await AddServerAsync();
        using var client = server.Administrator();

        var state = await Answers.JsonAsync(await client.GetAsync($"/api/v1/servers/{id}/settings"));
        var row = (await Answers.JsonAsync(await client.GetAsync($"/api/v1/servers/{id}"))).GetProperty("settings");
        var history = await Answers.JsonAsync(await client.GetAsync($"/api/v1/servers/{id}/settings/history?take=2"));

        foreach (var settings in new[] { state, row })
        {
            settings.GetProperty("newest").GetProperty("number").GetInt64().ShouldBe(3);
            settings.GetProperty("confirmedAt").GetString().ShouldBe("2026-03-01T12:02:00Z");
            settings.GetProperty("isStale").GetBoolean().ShouldBeTrue();
        }

        history.GetProperty("items").EnumerateArray().Select(i => i.GetProperty("number").GetInt64()).ShouldBe([3, 2]);
        history.GetProperty("items")[0].GetProperty("provenance").GetProperty("changedBy").GetString().ShouldBe("Olga");
        history.GetProperty("nextBefore").GetInt64().ShouldBe(2);
        (await Answers.JsonAsync(await client.GetAsync($"/api/v1/servers/{id}/settings/history?take=2&before=2"))).GetProperty("items").GetArrayLength().ShouldBe(1);
    }

    [Fact]
    public async Task Diff_OfTwoNumbers_IsSentencesAndFields()
    {
        var id = await AddServerAsync();
        using var client = server.Administrator();

        var diff = await Answers.JsonAsync(await client.GetAsync($"/api/v1/servers/{id}/settings/diff?from=1&to=3"));
        var last = await Answers.JsonAsync(await client.GetAsync($"/api/v1/servers/{id}/settings/diff"));

        var change = diff.GetProperty("changes")[0];
        (change.GetProperty("section").GetString(), change.GetProperty("kind").GetString(), change.GetProperty("id").GetString()).ShouldBe(("channels", "changed", "video-1"));
        change.GetProperty("sentence").GetString().ShouldBe("Channel 1 'Gate, version 3': renamed from 'Gate, version 1' to 'Gate, version 3'");
        change.GetProperty("fields")[0].GetProperty("from").GetString().ShouldBe("Gate, version 1");
        (last.GetProperty("from").GetProperty("number").GetInt64(), last.GetProperty("to").GetProperty("number").GetInt64()).ShouldBe((2, 3));
    }

    [Theory]
    [InlineData("", 404, "no-settings")]
    [InlineData("/history/1", 404, "no-settings")]
    [InlineData("/history/x", 400, "invalid-request")]
    [InlineData("/history", 404, "unknown-server")]
    [InlineData("/history?take=0", 400, "invalid-fields")]
    [InlineData("/history?before=0", 400, "invalid-fields")]
    [InlineData("/diff", 404, "no-settings")]
    [InlineData("/diff?from=1&to=9", 404, "no-settings")]
    public async Task Get_WhatIsNotThere_IsAProblem(string path, int status, string type)
    {
        using var client = server.Administrator();

        using var answer = await client.GetAsync($"/api/v1/servers/nobody/settings{path}");

        ((int)answer.StatusCode).ShouldBe(status);
        (await Answers.ProblemAsync(answer)).Type.ShouldBe($"urn:failback:{type}");
    }

    [Fact]
    public async Task Rollback_SameRequestTwice_IsOneRun_AndAnotherNamesTheRunInTheWay()
    {
        var id = await AddServerAsync();
        using var client = server.Administrator();
        var address = $"/api/v1/servers/{id}/settings/rollback";

        var first = await client.PostAsync(address, ServerHarness.Json("""{"number":1,"requestId":"a","reason":"wrong mask"}"""));
        var again = await client.PostAsync(address, ServerHarness.Json("""{"number":1,"requestId":"a","reason":"wrong mask"}"""));
        var other = await client.PostAsync(address, ServerHarness.Json("""{"number":2,"requestId":"b","reason":"wrong mask"}"""));

        (first.StatusCode, again.StatusCode, other.StatusCode).ShouldBe((HttpStatusCode.Accepted, HttpStatusCode.Accepted, HttpStatusCode.Conflict));
        var runId = (await Answers.JsonAsync(first)).GetProperty("runId").GetString();
        (await Answers.JsonAsync(again)).GetProperty("runId").GetString().ShouldBe(runId);
        var problem = await Answers.ProblemAsync(other);
        (problem.Type, problem.Body.GetProperty("runId").GetString()).ShouldBe(("urn:failback:run-in-the-way", runId));
        var start = server.Runs.Starts.Single(s => s.Input.GetValueOrDefault("ServerId") as string == id);
        (start.DefinitionId, start.Input["Number"], start.Reason).ShouldBe(("settings-rollback", 1L, "wrong mask"));
        server.Audit.Records.ShouldContain(r => r.Subject == id && r.Reason == "wrong mask" && r.Action.EndsWith("/rollback", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("""{"requestId":"a","reason":"x"}""", "number")]
    [InlineData("""{"number":0,"requestId":"a","reason":"x"}""", "number")]
    [InlineData("""{"number":1,"reason":"x"}""", "requestId")]
    [InlineData("""{"number":1,"requestId":"a"}""", "reason")]
    [InlineData("""{"number":1,"requestId":"a","reason":"  "}""", "reason")]
    public async Task Rollback_IncompleteRequest_NamesTheFieldAndStartsNothing(string body, string field)
    {
        var id = await AddServerAsync();
        using var client = server.Administrator();

        using var answer = await client.PostAsync($"/api/v1/servers/{id}/settings/rollback", ServerHarness.Json(body));

        answer.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        (await Answers.ProblemAsync(answer)).Body.GetProperty("errors").TryGetProperty(field, out _).ShouldBeTrue();
        server.Runs.Starts.ShouldNotContain(s => s.Input.GetValueOrDefault("ServerId") as string == id);
    }

    [Fact]
    public async Task Page_ShowsTheHistoryAndWhatChanged()
    {
        var id = await AddServerAsync();
        using var browser = await server.SignInAsync();

        var html = await browser.GetStringAsync($"/servers/{id}/settings");

        html.ShouldContain("From number 2 to number 3");
        html.ShouldContain("renamed from &#x27;Gate, version 2&#x27; to &#x27;Gate, version 3&#x27;");
        html.ShouldContain("Stale since");
        html.ShouldContain("Moved the &lt;gate&gt;");
        (await browser.GetStringAsync($"/servers?q={id}")).ShouldContain($"href=\"/servers/{id}/settings\"");
        (await browser.GetAsync("/servers/nobody/settings")).StatusCode.ShouldBe(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task Page_Rollback_NeedsReasonAndConfirmationAndGoesToTheRun()
    {
        var id = await AddServerAsync();
        using var browser = await server.SignInAsync();
        var page = $"/servers/{id}/settings?back=1";
        var action = $"/servers/{id}/settings?handler=RollBack";
        (await browser.GetStringAsync(page)).ShouldContain("renamed from &#x27;Gate, version 3&#x27; to &#x27;Gate, version 1&#x27;");

        foreach (var (reason, confirmed) in new[] { ("", "true"), ("wrong", "false") })
        {
            var refused = await ServerHarness.PostFormAsync(browser, page, action, ("number", "1"), ("requestId", "a"), ("reason", reason), ("confirmed", confirmed));
            refused.Headers.Location!.ToString().ShouldBe(page);
            (await browser.GetStringAsync(page)).ShouldContain("Nothing was started");
        }

        server.Runs.Starts.ShouldNotContain(s => s.Input.GetValueOrDefault("ServerId") as string == id);
        var started = await ServerHarness.PostFormAsync(browser, page, action, ("number", "1"), ("requestId", "a"), ("reason", "wrong mask"), ("confirmed", "true"));
        started.Headers.Location!.ToString().ShouldStartWith("/runs/");
        (await browser.GetStringAsync(page)).ShouldContain("A settings-rollback is running for this server.");
    }

    [Fact]
    public async Task Page_OfARollbackRun_CancelsItAndRetriesItWhenItStopped()
    {
        var id = await AddServerAsync();
        using var browser = await server.SignInAsync();
        var started = await ServerHarness.PostFormAsync(
            browser, $"/servers/{id}/settings?back=1", $"/servers/{id}/settings?handler=RollBack", ("number", "1"), ("requestId", "a"), ("reason", "wrong mask"), ("confirmed", "true"));
        var page = started.Headers.Location!.ToString();
        var runId = page["/runs/".Length..];
        var html = await browser.GetStringAsync(page);
        html.ShouldContain("id=\"cancel-run\"");
        html.ShouldNotContain("id=\"redrive\"");

        var cancelled = await ServerHarness.PostFormAsync(browser, page, $"{page}?handler=Cancel", ("reason", " Not now. "));
        var tooEarly = await ServerHarness.PostFormAsync(browser, page, $"{page}?handler=Redrive", ("reason", "Again."));

        (cancelled.Headers.Location!.ToString(), tooEarly.Headers.Location!.ToString()).ShouldBe((page, page));
        (await browser.GetStringAsync(page)).ShouldContain("Only a run that was stopped by an error can be retried.");
        server.Runs.Put((await ((FailbackWorkflows.Failback.Runs.IRunReports)server.Runs).FindAsync(runId, default))! with { SubStatus = FailbackWorkflows.Engine.WorkflowSubStatus.Faulted, Result = "faulted", CanRedrive = true });
        html = await browser.GetStringAsync(page);
        html.ShouldContain("id=\"redrive\"");
        html.ShouldNotContain("id=\"cancel-run\"");
        (await ServerHarness.PostFormAsync(browser, page, $"{page}?handler=Redrive", ("reason", "The disk is back."))).Headers.Location!.ToString().ShouldBe(page);

        server.Runs.Asked.Where(a => a.RunId == runId).Select(a => (a.What, a.Reason, a.Actor.Name)).ShouldBe([("cancel", "Not now.", "Administrator"), ("redrive", "The disk is back.", "Administrator")]);
        server.Audit.Records.Where(r => r.Subject == runId).Select(r => r.Result).ShouldBe(["done", "refused", "done"]);
    }

    [Fact]
    public async Task Page_OfARun_OffersAViewerNothing_AndCancelsNoFailback()
    {
        var id = await AddServerAsync();
        var entry = await server.AddEntryAsync();
        using var admin = await server.SignInAsync();
        var rollback = await ServerHarness.PostFormAsync(
            admin, $"/servers/{id}/settings?back=1", $"/servers/{id}/settings?handler=RollBack", ("number", "1"), ("requestId", "a"), ("reason", "wrong mask"), ("confirmed", "true"));
        var page = rollback.Headers.Location!.ToString();
        await server.CreateUserAsync($"viewer-{id}", Roles.Viewer);
        using var viewer = await server.SignInAsync($"viewer-{id}");
        (await viewer.GetStringAsync(page)).ShouldNotContain("id=\"cancel-run\"");

        (await ServerHarness.PostFormAsync(viewer, page, $"{page}?handler=Cancel", ("reason", "x"))).Headers.Location!.ToString().ShouldContain("/denied");
        using var client = server.Administrator();
        var failback = (await Answers.JsonAsync(await client.PostAsync($"/api/v1/failover-log/{entry.Id}/failback", ServerHarness.Json("""{"requestId":"a","reason":"x"}""")))).GetProperty("runId").GetString();
        (await ServerHarness.PostFormAsync(admin, page, $"/runs/{failback}?handler=Cancel", ("reason", "x"))).StatusCode.ShouldBe(HttpStatusCode.NotFound, "a failback is cancelled where its consequences are shown");

        var rollbackRun = page["/runs/".Length..];
        server.Runs.Asked.ShouldNotContain(a => a.RunId == rollbackRun || a.RunId == failback);
    }

    [Fact]
    public async Task Page_Rollback_IsNotForOperators()
    {
        var id = await AddServerAsync();
        await server.CreateUserAsync($"operator-{id}", Roles.Operator);
        using var browser = await server.SignInAsync($"operator-{id}");
        (await browser.GetStringAsync($"/servers/{id}/settings?back=1")).ShouldContain("Needs the role administrator.");

        var answer = await ServerHarness.PostFormAsync(
            browser, $"/servers/{id}/settings?back=1", $"/servers/{id}/settings?handler=RollBack", ("number", "1"), ("requestId", "a"), ("reason", "x"), ("confirmed", "true"));

        answer.Headers.Location!.ToString().ShouldContain("/denied");
        server.Runs.Starts.ShouldNotContain(s => s.Input.GetValueOrDefault("ServerId") as string == id);
    }

    // Scenario 12, as an operator sees it before he clicks.
    [Fact]
    public async Task Entry_ShowsWhatGoesBackAndWhatIsOverwritten()
    {
        var entry = await server.AddEntryAsync(e => e with { FailoverStartedAt = T0, FailoverEndedAt = T0.AddSeconds(4) });
        var id = entry.FailedServerId;
        await ApplyAsync(
            Save(id, id, 1, 1, 1, T0.AddMinutes(-5)),
            Save(id, entry.FailoverServerId, 2, 1, 1, T0.AddSeconds(10)),
            Save(id, entry.FailoverServerId, 2, 2, 2, T0.AddMinutes(1)),
            Save(id, id, 0, 2, 7, T0.AddMinutes(2)));
        using var browser = await server.SignInAsync();
        using var client = server.Administrator();

        var html = await browser.GetStringAsync($"/failover-log/{entry.Id}");
        var json = await Answers.JsonAsync(await client.GetAsync($"/api/v1/failover-log/{entry.Id}/settings"));

        html.ShouldContain("Changed at rec-spare during the failover; it goes back with the failback");
        html.ShouldContain("2 conflicts");
        html.ShouldContain("Compare</a>");
        html.ShouldContain("Conflict. Wins: Channel 1 &#x27;Gate, version 2&#x27;");
        json.GetProperty("changes").GetArrayLength().ShouldBe(2);
        json.GetProperty("overwritten")[0].GetProperty("change").GetProperty("sentence").GetString().ShouldBe("Channel 1 'Gate, version 7': renamed from 'Gate, version 1' to 'Gate, version 7'");
        (await client.GetAsync("/api/v1/failover-log/unknown/settings")).StatusCode.ShouldBe(HttpStatusCode.NotFound);
    }

    // A failover and a failback without any change in between: the same bundle under three numbers.
    [Fact]
    public async Task Pages_OfSettingsThatWereOnlySeenAgain_SpeakOfNoChange()
    {
        var entry = await server.AddEntryAsync(e => e with { FailoverStartedAt = T0, FailoverEndedAt = T0.AddSeconds(4) });
        var id = await AddServerAsync(entry.FailedServerId);
        await ApplyAsync(Save(id, entry.FailoverServerId, 2, 1, 3, T0.AddMinutes(3)));
        using var browser = await server.SignInAsync();

        var html = await browser.GetStringAsync($"/servers/{id}/settings");
        (html.Split("seen at the recorder, the same settings").Length - 1).ShouldBe(1, "number 4 only");
        html.ShouldNotContain("?to=4\"");
        html.ShouldContain("?to=3\"");
        var same = await server.AddEntryAsync(e => e with { FailoverStartedAt = T0, FailoverEndedAt = T0.AddSeconds(4) });
        await ApplyAsync(
            Save(same.FailedServerId, same.FailedServerId, 1, 1, 1, T0.AddMinutes(-5)),
            Save(same.FailedServerId, same.FailoverServerId, 2, 1, 1, T0.AddSeconds(10)));
        html = await browser.GetStringAsync($"/failover-log/{same.Id}");
        html.ShouldContain("Nothing was changed at rec-spare during the failover.");
        html.ShouldNotContain("Compare</a>");
    }

    /// <summary>A server with three bundles in its history.</summary>
    private async Task<string> AddServerAsync(string? id = null)
    {
        id ??= $"rec-{Guid.NewGuid().ToString("N")[..8]}";
        await ApplyAsync(
            new SaveVmsServer(new VmsServer
            {
                Id = id,
                Name = $"Hall {id}",
                BaseUrl = new Uri("http://127.0.0.1:9/"),
                ProtectedCredential = "none",
                State = VmsServerState.Ok,
                CreatedAt = T0,
            }),
            new GrantEpoch(id, id, 1, "seed"),
            Save(id, id, 1, 1, 1, T0),
            Save(id, id, 1, 2, 2, T0.AddMinutes(1)),
            Save(id, id, 1, 3, 3, T0.AddMinutes(2), new(T0.AddMinutes(2), "Olga", "Moved the <gate>", "run-1")));
        return id;
    }

    private static SaveSettings Save(string identity, string source, long epoch, long revision, int version, DateTimeOffset at, SettingsProvenance? provenance = null)
    {
        var content = FakeSettings.Content(version);
        return new(new CachedSettings(identity, source, epoch, revision, SettingsDigest.Compute(content), at, content) { Provenance = provenance ?? SettingsProvenance.Unknown });
    }

    private Task ApplyAsync(params FailbackWorkflows.Engine.Storage.IDomainChange[] changes) => server.App.Services.GetRequiredService<IDomainWriter>().ApplyAsync(changes, CancellationToken.None);
}
