using System.Net;
using System.Text;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Changes;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Persistence.Identity;
using FailbackWorkflows.Server.Identity;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.DependencyInjection;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Server;

/// <summary>What the HTTP API answers, above all when something is wrong.</summary>
[Collection(ServerTests.Name)]
public sealed class ApiTests(ServerHarness server)
{
    [Fact]
    public async Task Entry_NobodyRecords_CarriesTheAlertAloneAndInTheList()
    {
        var entry = await server.AddEntryAsync(entry => entry with { Failback = FailbackState.Done });
        using var client = server.Administrator();
        var before = await Answers.JsonAsync(await client.GetAsync($"/api/v1/failover-log/{entry.Id}"));
        await server.AddBrokenServerAsync(entry.FailedServerId);

        var alone = await Answers.JsonAsync(await client.GetAsync($"/api/v1/failover-log/{entry.Id}"));
        var list = await Answers.JsonAsync(await client.GetAsync($"/api/v1/failover-log?server={entry.FailedServerId}"));

        before.GetProperty("alert").ValueKind.ShouldBe(System.Text.Json.JsonValueKind.Null);
        foreach (var item in new[] { alone, list.GetProperty("items")[0] })
        {
            item.GetProperty("failedServerId").GetString().ShouldBe(entry.FailedServerId);
            item.GetProperty("failback").GetString().ShouldBe("done");
            item.GetProperty("alert").GetProperty("kind").GetString().ShouldBe("nobodyRecords");
            item.GetProperty("alert").GetProperty("identity").GetString().ShouldBe(entry.FailedServerId);
            item.GetProperty("alert").GetProperty("next").GetString()!.ShouldContain("Start a failover");
        }
    }

    [Fact]
    public async Task StartFailback_SameRequestTwice_IsOneRun_AnotherRequest_NamesTheRunInTheWay()
    {
        var entry = await server.AddEntryAsync();
        using var client = server.Administrator();
        var address = $"/api/v1/failover-log/{entry.Id}/failback";

        var first = await client.PostAsync(address, ServerHarness.Json("""{"requestId":"click-1","reason":"recorder repaired"}"""));
        first.StatusCode.ShouldBe(HttpStatusCode.Accepted);
        var runId = (await Answers.JsonAsync(first)).GetProperty("runId").GetString();
        first.Headers.Location!.ToString().ShouldBe($"/api/v1/runs/{runId}");

        var again = await client.PostAsync(address, ServerHarness.Json("""{"requestId":"click-1","reason":"recorder repaired"}"""));
        again.StatusCode.ShouldBe(HttpStatusCode.Accepted);
        (await Answers.JsonAsync(again)).GetProperty("runId").GetString().ShouldBe(runId);

        var other = await client.PostAsync(address, ServerHarness.Json("""{"requestId":"click-2"}"""));
        other.StatusCode.ShouldBe(HttpStatusCode.Conflict);
        var problem = await Answers.ProblemAsync(other);
        problem.Type.ShouldBe("urn:failback:run-in-the-way");
        problem.Body.GetProperty("runId").GetString().ShouldBe(runId);
        problem.Body.GetProperty("links").GetProperty("run").GetString().ShouldBe($"/api/v1/runs/{runId}");

        server.Runs.Starts.Count(start => entry.Id.Equals(start.Input.GetValueOrDefault("EntryId"))).ShouldBe(1);
        var record = server.Audit.Records.First(item => item.Subject == entry.Id);
        record.Reason.ShouldBe("recorder repaired");
        record.Actor.Address.ShouldBe("127.0.0.1");
        record.Result.ShouldBe("done");
        server.Audit.Records.ShouldContain(item => item.Subject == entry.Id && item.Result == "run-in-the-way");
    }

    [Fact]
    public async Task StartFailback_ManyAtOnce_StartsOne()
    {
        var entry = await server.AddEntryAsync();
        using var client = server.Administrator();
        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(i =>
            client.PostAsync($"/api/v1/failover-log/{entry.Id}/failback", ServerHarness.Json($$"""{"requestId":"click-{{i}}"}"""))));
        answers.Count(answer => answer.StatusCode == HttpStatusCode.Accepted).ShouldBe(1);
        answers.Count(answer => answer.StatusCode == HttpStatusCode.Conflict).ShouldBe(19);
    }

    [Theory]
    [InlineData("{")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("\"text\"")]
    [InlineData("")]
    [InlineData("""{"requestId":17}""")]
    [InlineData("""{"requestId":null}""")]
    [InlineData("""{"requestId":""}""")]
    [InlineData("""{"requestId":"a","requestId":"b"}""")]
    [InlineData("""{"requestId":"a","reasn":"typo"}""")]
    [InlineData("""{"requestId":"a\u0000b"}""")]
    [InlineData("""{"requestId":"\ud800"}""")]
    [InlineData("""{"requestId":"00000000000000000000000000000000000000000000000000000000000000000"}""")]
    public async Task StartFailback_MalformedBody_Is400AndStartsNothing(string body)
    {
        var entry = await server.AddEntryAsync();
        using var client = server.Administrator();
        var starts = server.Runs.Starts.Count;
        using var answer = await client.PostAsync($"/api/v1/failover-log/{entry.Id}/failback", ServerHarness.Json(body));
        answer.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        (await Answers.ProblemAsync(answer)).Type.ShouldBeOneOf("urn:failback:invalid-request", "urn:failback:invalid-fields");
        server.Runs.Starts.Count.ShouldBe(starts);
    }

    // PostgreSQL stores no U+0000 in a text, SQLite does: both refuse it, and nothing is looked up with it.
    [Theory]
    [InlineData("POST", "/api/v1/api-keys", """{"name":"door\u0000controller","role":"viewer"}""", "name")]
    [InlineData("PUT", "/api/v1/maintenance", """{"reason":"new \u0000 disks"}""", "reason")]
    [InlineData("PUT", "/api/v1/license", """{"document":"a\u0000","signature":"b"}""", "document")]
    [InlineData("GET", "/api/v1/failover-log?after=%00", null, "after")]
    [InlineData("GET", "/api/v1/audit-log?from%00=1", null, "from")]
    public async Task Text_ThatIsNone_Is400AndNamesTheField(string method, string path, string? body, string field)
    {
        using var client = server.Administrator();
        using var request = new HttpRequestMessage(new HttpMethod(method), path) { Content = body is null ? null : ServerHarness.Json(body) };
        using var answer = await client.SendAsync(request);
        answer.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        var problem = await Answers.ProblemAsync(answer);
        problem.Type.ShouldBe("urn:failback:invalid-fields");
        problem.Body.GetProperty("errors").GetProperty(field)[0].GetString().ShouldBe("It contains characters that are not text.");
    }

    [Fact]
    public async Task Body_NotUtf8_Is400()
    {
        using var client = server.Administrator();
        var content = new ByteArrayContent([0x7b, 0xff, 0xfe, 0x7d]);
        content.Headers.ContentType = new("application/json");
        using var answer = await client.PutAsync("/api/v1/license", content);
        answer.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
    }

    [Fact]
    public async Task Body_NotJson_Is415()
    {
        using var client = server.Administrator();
        using var answer = await client.PutAsync("/api/v1/license", new StringContent("a=b", Encoding.UTF8, "application/x-www-form-urlencoded"));
        answer.StatusCode.ShouldBe(HttpStatusCode.UnsupportedMediaType);
        (await Answers.ProblemAsync(answer)).Type.ShouldBe("urn:failback:unsupported-media-type");
    }

    [Fact]
    public async Task Body_TooLarge_Is413()
    {
        using var client = server.Administrator();
        using var answer = await client.PutAsync("/api/v1/license", ServerHarness.Json($$"""{"document":"{{new string('x', 2 * 1024 * 1024)}}"}"""));
        answer.StatusCode.ShouldBe(HttpStatusCode.RequestEntityTooLarge);
        (await Answers.ProblemAsync(answer)).Type.ShouldBe("urn:failback:too-large");
    }

    [Theory]
    [InlineData("/api/v1/nothing", 404, "unknown-route")]
    [InlineData("/api/v1/servers/unknown", 404, "unknown-server")]
    [InlineData("/api/v1/failover-log/unknown", 404, "unknown-entry")]
    [InlineData("/api/v1/runs/unknown", 404, "unknown-run")]
    [InlineData("/api/v1/runs/unknown/journal", 404, "unknown-run")]
    [InlineData("/api/v1/license", 404, "no-license")]
    [InlineData("/api/v1/failover-log?take=0", 400, "invalid-fields")]
    [InlineData("/api/v1/failover-log?take=many", 400, "invalid-request")]
    [InlineData("/api/v1/failover-log?view=1", 400, "invalid-fields")]
    [InlineData("/api/v1/failover-log?view=", 400, "invalid-fields")]
    [InlineData("/api/v1/changes?after=-1", 400, "invalid-fields")]
    public async Task Get_WhatIsNotThere_IsAProblem(string path, int status, string type)
    {
        using var client = server.Administrator();
        using var answer = await client.GetAsync(path);
        ((int)answer.StatusCode).ShouldBe(status);
        (await Answers.ProblemAsync(answer)).Type.ShouldBe($"urn:failback:{type}");
    }

    /// <summary>Parameters that may be left out and those that may not are bound in different ways.</summary>
    [Theory]
    [InlineData("/api/v1/failover-log?take=many")]
    [InlineData("/api/v1/changes?after=later")]
    [InlineData("/api/v1/failover-log?since=yesterday")]
    public async Task Get_ParameterOfAnotherKind_IsToldWhereItStands(string path)
    {
        using var client = server.Administrator();
        using var answer = await client.GetAsync(path);
        answer.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        (await Answers.ProblemAsync(answer)).Detail.ShouldBe("The address, a parameter or the body is not what this request needs. Check it against /openapi/v1.json.");
    }

    [Fact]
    public async Task AddServer_SeveralWrongFields_NamesThemAll()
    {
        using var client = server.Administrator();
        using var answer = await client.PostAsync("/api/v1/servers", ServerHarness.Json("""{"id":"","baseUrl":"http://recorder.example/","credential":"secret"}"""));
        var problem = await Answers.ProblemAsync(answer);
        problem.Type.ShouldBe("urn:failback:invalid-fields");
        var errors = problem.Body.GetProperty("errors");
        errors.EnumerateObject().Select(field => field.Name).ShouldBe(["id", "name", "baseUrl"], ignoreOrder: true);
        errors.GetProperty("baseUrl")[0].GetString()!.ShouldContain("https");
    }

    [Fact]
    public async Task AddServer_RecorderAway_SaysSoAndStoresNothing()
    {
        using var client = server.Administrator();
        using var answer = await client.PostAsync(
            "/api/v1/servers", ServerHarness.Json("""{"id":"rec-away","name":"Away","baseUrl":"http://127.0.0.1:9/","credential":"very-secret"}"""));
        answer.StatusCode.ShouldBe(HttpStatusCode.UnprocessableEntity);
        var problem = await Answers.ProblemAsync(answer);
        problem.Type.ShouldBe("urn:failback:server-not-added");
        problem.Body.ToString().ShouldNotContain("very-secret");
        (await client.GetAsync("/api/v1/servers/rec-away")).StatusCode.ShouldBe(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task ReportFailover_Twice_AnswersWithTheSameEntry()
    {
        using var client = server.Administrator();
        var externalId = Guid.NewGuid().ToString("N");
        var entry = await server.AddEntryAsync(entry => entry with { ExternalId = externalId });
        using var answer = await client.PostAsync(
            "/api/v1/failover-log",
            ServerHarness.Json($$"""{"externalId":"{{externalId}}","failedServerId":"a","failoverServerId":"b","startedAt":"2026-03-01T12:00:00Z"}"""));
        answer.StatusCode.ShouldBe(HttpStatusCode.OK);
        (await Answers.JsonAsync(answer)).GetProperty("entryId").GetString().ShouldBe(entry.Id);
    }

    [Fact]
    public async Task FailoverLog_Pages_ByKeyset()
    {
        var serverId = $"rec-{Guid.NewGuid():N}"[..12];
        for (var i = 0; i < 5; i++)
        {
            var minutes = i;
            await server.AddEntryAsync(entry => entry with { FailedServerId = serverId, FailoverStartedAt = entry.FailoverStartedAt.AddMinutes(minutes) });
        }

        using var client = server.Administrator();
        var seen = new List<string>();
        string? before = null;
        do
        {
            var page = await Answers.JsonAsync(await client.GetAsync($"/api/v1/failover-log?server={serverId}&take=2&before={before}"));
            seen.AddRange(page.GetProperty("items").EnumerateArray().Select(item => item.GetProperty("id").GetString()!));
            before = page.GetProperty("nextBefore").GetString();
        }
        while (before is not null);
        seen.Distinct().Count().ShouldBe(5);
        seen.Count.ShouldBe(5);
    }

    [Fact]
    public async Task Redrive_OfARunThatIsNotFaulted_IsRefused_Cancel_IsPassedOnWithReasonAndActor()
    {
        var entry = await server.AddEntryAsync();
        using var client = server.Administrator();
        var started = await Answers.JsonAsync(await client.PostAsync($"/api/v1/failover-log/{entry.Id}/failback", ServerHarness.Json("""{"requestId":"c"}""")));
        var runId = started.GetProperty("runId").GetString();

        var redrive = await client.PostAsync($"/api/v1/runs/{runId}/redrive", ServerHarness.Json("""{"reason":"again"}"""));
        redrive.StatusCode.ShouldBe(HttpStatusCode.Conflict);
        (await Answers.ProblemAsync(redrive)).Type.ShouldBe("urn:failback:refused");

        var cancel = await client.PostAsync($"/api/v1/runs/{runId}/cancel", ServerHarness.Json("""{"reason":"not now"}"""));
        cancel.StatusCode.ShouldBe(HttpStatusCode.Accepted);
        server.Runs.Asked.ShouldContain(asked => asked.RunId == runId && asked.What == "cancel" && asked.Reason == "not now" && asked.Actor.Name == "automation (first start)");
    }

    [Fact]
    public async Task Policy_Changed_IsReadBack_AndARangeError_ChangesNothing()
    {
        using var client = server.Administrator();
        var wrong = await client.PutAsync("/api/v1/settings/failback-policy", ServerHarness.Json("""{"darkChannels":"continueAndAlarm","confirmTimeout":"01:00:00"}"""));
        wrong.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        (await client.PutAsync("/api/v1/settings/failback-policy", ServerHarness.Json("""{"darkChannels":"continueAndAlarm","confirmTimeout":"00:00:45"}"""))).StatusCode.ShouldBe(HttpStatusCode.OK);
        var policy = await Answers.JsonAsync(await client.GetAsync("/api/v1/settings/failback-policy"));
        policy.GetProperty("darkChannels").GetString().ShouldBe("continueAndAlarm");
        policy.GetProperty("confirmTimeout").GetString().ShouldBe("00:00:45");
        policy.GetProperty("handOverTimeout").GetString().ShouldBe("00:00:30");
    }

    [Fact]
    public async Task License_WithoutAnIssuerKey_IsNotInstalled()
    {
        using var client = server.Administrator();
        var answer = await client.PutAsync("/api/v1/license", ServerHarness.Json("""{"document":"{}","signature":"AAAA"}"""));
        answer.StatusCode.ShouldBe(HttpStatusCode.UnprocessableEntity);
        (await Answers.ProblemAsync(answer)).Type.ShouldBe("urn:failback:license-not-valid");
    }

    [Fact]
    public async Task Entry_InstantsAreUtcWithZ_AndStatesAreText()
    {
        var entry = await server.AddEntryAsync();
        using var client = server.Administrator();
        var json = await Answers.JsonAsync(await client.GetAsync($"/api/v1/failover-log/{entry.Id}"));
        json.GetProperty("failoverStartedAt").GetString().ShouldBe("2026-03-01T12:00:00Z");
        json.GetProperty("failback").GetString().ShouldBe("notStarted");
    }

    [Fact]
    public async Task OpenApi_DescribesEveryRouteWithASummary()
    {
        using var client = server.Administrator();
        var document = await Answers.JsonAsync(await client.GetAsync("/openapi/v1.json"));
        var operations = document.GetProperty("paths").EnumerateObject().SelectMany(path => path.Value.EnumerateObject().Select(operation => (path.Name, operation))).ToList();
        operations.Count.ShouldBeGreaterThan(15);
        foreach (var (path, operation) in operations)
        {
            operation.Value.TryGetProperty("summary", out _).ShouldBeTrue($"{operation.Name} {path}");
        }
    }

    [Fact]
    public async Task Health_Anonymous_SaysOnlyOk()
    {
        using var client = server.Anonymous();
        (await Answers.JsonAsync(await client.GetAsync("/health/live"))).GetProperty("status").GetString().ShouldBe("ok");
        var ready = await Answers.JsonAsync(await client.GetAsync("/health/ready"));
        ready.GetProperty("status").GetString().ShouldBe("ok");
        ready.GetProperty("parts").ValueKind.ShouldBe(System.Text.Json.JsonValueKind.Null);
        using var signedIn = server.Administrator();
        (await Answers.JsonAsync(await signedIn.GetAsync("/health/ready"))).GetProperty("parts").GetArrayLength().ShouldBeGreaterThan(0);
    }

    // Scenario 25: a client comes back and says how far it came.
    [Fact]
    public async Task Changes_ResumedAfterACursor_MissNothing()
    {
        using var client = server.Administrator();
        var from = await server.App.Services.GetRequiredService<IChangeFeed>().GetLatestCursorAsync(CancellationToken.None);
        await NotifyAsync("one");
        await NotifyAsync("two");

        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/api/v1/changes?after={from}");
        request.Headers.Add("Last-Event-ID", (from + 1).ToString(System.Globalization.CultureInfo.InvariantCulture));
        using var answer = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, limit.Token);
        answer.Content.Headers.ContentType!.MediaType.ShouldBe("text/event-stream");
        using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync(limit.Token));
        var ready = await ReadEventAsync(reader, "ready", limit.Token);
        ready.ShouldContain($"id: {from + 1}");
        var second = await ReadEventAsync(reader, "change", limit.Token);
        second.ShouldContain("two");
        second.ShouldContain($"id: {from + 2}");

        await NotifyAsync("three");
        (await ReadEventAsync(reader, "change", limit.Token)).ShouldContain("three");
        (await ReadEventAsync(reader, "ping", limit.Token)).ShouldContain("ping");
    }

    // A request is authorized when it begins; this one does not end by itself.
    [Theory]
    [InlineData("key")]
    [InlineData("roles")]
    [InlineData("password")]
    public async Task Changes_KeyOrRoleOrPasswordRevoked_EndsTheOpenStreamWithinSeconds(string what)
    {
        var name = $"reader-{Guid.NewGuid():N}"[..16];
        await server.CreateUserAsync(name, Roles.Viewer);
        using var client = what == "key" ? server.Anonymous() : await server.SignInAsync(name);
        var administration = server.App.Services.GetRequiredService<ApiKeyAdministration>();
        var (key, secret) = await administration.CreateAsync(name, Roles.Viewer, null, FailbackWorkflows.Engine.Actor.System, default);
        if (what == "key")
        {
            client.DefaultRequestHeaders.Add("X-Api-Key", secret);
        }

        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        using var answer = await client.GetAsync("/api/v1/changes", HttpCompletionOption.ResponseHeadersRead, limit.Token);
        using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync(limit.Token));
        await ReadEventAsync(reader, "ready", limit.Token);

        // Whoever may still read goes on: the role of another kind that reads too, and the look at it.
        await SetRolesAsync(name, Roles.Auditor);
        for (var ping = 0; ping < 5; ping++)
        {
            await ReadEventAsync(reader, "ping", limit.Token);
        }

        switch (what)
        {
            case "key":
                (await administration.RevokeAsync(key.Id, default)).ShouldBeTrue();
                break;
            case "roles":
                await SetRolesAsync(name);
                break;
            default:
                await using (var scope = server.App.Services.CreateAsyncScope())
                {
                    var users = scope.ServiceProvider.GetRequiredService<UserManager<FailbackUser>>();
                    (await users.ChangePasswordAsync((await users.FindByNameAsync(name))!, ServerHarness.AdminPassword, "another long password")).Succeeded.ShouldBeTrue();
                }

                break;
        }

        var rest = await reader.ReadToEndAsync(limit.Token);
        rest.Split("event: ping").Length.ShouldBeLessThan(10, "it pings each second, and ends within a few");

        async Task SetRolesAsync(string user, params string[] roles)
        {
            await using var scope = server.App.Services.CreateAsyncScope();
            (await scope.ServiceProvider.GetRequiredService<UserAdministration>().SetRolesAsync(user, roles, default)).User.ShouldNotBeNull();
        }
    }

    [Fact]
    public async Task Changes_AsJson_ArePaged()
    {
        using var client = server.Administrator();
        var from = await server.App.Services.GetRequiredService<IChangeFeed>().GetLatestCursorAsync(CancellationToken.None);
        await NotifyAsync("one");
        await NotifyAsync("two");
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/api/v1/changes?after={from}&take=1");
        request.Headers.Accept.ParseAdd("application/json");
        var page = await Answers.JsonAsync(await client.SendAsync(request));
        page.GetProperty("items").GetArrayLength().ShouldBe(1);
        page.GetProperty("nextAfter").GetInt64().ShouldBe(from + 1);
    }

    [Fact]
    public async Task Changes_CursorFromTheFuture_IsReset()
    {
        using var client = server.Administrator();
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        using var answer = await client.GetAsync("/api/v1/changes?after=999999", HttpCompletionOption.ResponseHeadersRead, limit.Token);
        using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync(limit.Token));
        (await ReadEventAsync(reader, "reset", limit.Token)).ShouldContain("reset");
    }

    private Task NotifyAsync(string text) =>
        server.App.Services.GetRequiredService<IDomainWriter>().ApplyAsync([new Notify(new ChangeNotification("test", null, text, DateTimeOffset.UnixEpoch))], CancellationToken.None);

    private static async Task<string> ReadEventAsync(StreamReader reader, string kind, CancellationToken cancellationToken)
    {
        var block = new StringBuilder();
        while (await reader.ReadLineAsync(cancellationToken) is { } line)
        {
            if (line.Length > 0)
            {
                block.AppendLine(line);
                continue;
            }

            var text = block.ToString();
            if (text.Contains($"event: {kind}", StringComparison.Ordinal))
            {
                return text;
            }

            block.Clear();
        }

        throw new InvalidOperationException($"The stream ended before a {kind} event.");
    }
}
