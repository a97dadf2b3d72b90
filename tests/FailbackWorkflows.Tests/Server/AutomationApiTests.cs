using System.Net;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Server.Identity;
using Microsoft.Extensions.DependencyInjection;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Server;

/// <summary>General settings of servers, history of connections, maintenance mode and automatic failbacks, through the API and the pages.</summary>
[Collection(ServerTests.Name)]
public sealed class AutomationApiTests(ServerHarness server)
{
    [Fact]
    public async Task Settings_Put_AreStoredAndShown()
    {
        var id = await AddServerAsync();
        using var client = server.Administrator();

        var answer = await client.PutAsync(
            $"/api/v1/servers/{id}/general-settings",
            ServerHarness.Json("""{"isFailoverEnabled":true,"isAutomaticFailbackEnabled":true,"pollInterval":"00:00:02","stabilityDelay":"00:10:00","reason":"recommended"}"""));

        answer.StatusCode.ShouldBe(HttpStatusCode.OK);
        var body = await Answers.JsonAsync(await client.GetAsync($"/api/v1/servers/{id}"));
        (body.GetProperty("pollInterval").GetString(), body.GetProperty("stabilityDelay").GetString(), body.GetProperty("isAutomaticFailbackEnabled").GetBoolean(), body.GetProperty("lossesWithinTheHour").GetInt32())
            .ShouldBe(("00:00:02", "00:10:00", true, 0));
        server.Audit.Records.Last(r => r.Subject == id).Reason.ShouldBe("recommended");
    }

    [Theory]
    [InlineData("""{"isFailoverEnabled":false,"isAutomaticFailbackEnabled":true,"pollInterval":null,"stabilityDelay":"00:00:00"}""", "isAutomaticFailbackEnabled")]
    [InlineData("""{"isFailoverEnabled":true,"isAutomaticFailbackEnabled":true,"pollInterval":"00:00:00.5","stabilityDelay":"00:00:00"}""", "pollInterval")]
    [InlineData("""{"isFailoverEnabled":true,"isAutomaticFailbackEnabled":true,"pollInterval":"02:00:00","stabilityDelay":"00:00:00"}""", "pollInterval")]
    [InlineData("""{"isFailoverEnabled":true,"isAutomaticFailbackEnabled":true,"pollInterval":null,"stabilityDelay":"-00:00:01"}""", "stabilityDelay")]
    [InlineData("""{"isFailoverEnabled":true,"isAutomaticFailbackEnabled":true,"pollInterval":null,"stabilityDelay":"1.00:00:01"}""", "stabilityDelay")]
    public async Task Settings_ThatMakeNoSense_ChangeNothing(string json, string field)
    {
        var id = await AddServerAsync();
        var before = await FindAsync(id);
        using var client = server.Administrator();

        var answer = await client.PutAsync($"/api/v1/servers/{id}/general-settings", ServerHarness.Json(json));

        answer.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        (await Answers.ProblemAsync(answer)).Body.GetProperty("errors").TryGetProperty(field, out _).ShouldBeTrue();
        (await FindAsync(id)).ShouldBe(before);
    }

    [Fact]
    public async Task Settings_AndMaintenance_NeedAnAdministrator()
    {
        var id = await AddServerAsync();
        using var client = await server.WithRoleAsync(Roles.Operator);

        foreach (var answer in new[]
        {
            await client.PutAsync($"/api/v1/servers/{id}/general-settings", ServerHarness.Json("""{"isFailoverEnabled":true,"isAutomaticFailbackEnabled":false,"stabilityDelay":"00:00:00"}""")),
            await client.PutAsync($"/api/v1/servers/{id}/maintenance", ServerHarness.Json("""{"reason":"x"}""")),
            await client.DeleteAsync($"/api/v1/servers/{id}/maintenance"),
            await client.PutAsync("/api/v1/maintenance", ServerHarness.Json("""{"reason":"x"}""")),
            await client.DeleteAsync("/api/v1/maintenance"),
        })
        {
            answer.StatusCode.ShouldBe(HttpStatusCode.Forbidden);
        }
    }

    [Fact]
    public async Task Connectivity_IsPagedNewestFirst()
    {
        var id = await AddServerAsync();
        for (var i = 1; i <= 3; i++)
        {
            await ApplyTransitionAsync(id, i);
        }

        using var client = server.Administrator();
        var first = await Answers.JsonAsync(await client.GetAsync($"/api/v1/servers/{id}/connectivity?take=2"));
        var next = first.GetProperty("nextBefore").GetInt64();
        var second = await Answers.JsonAsync(await client.GetAsync($"/api/v1/servers/{id}/connectivity?take=2&before={next}"));

        first.GetProperty("items").EnumerateArray().Select(i => i.GetProperty("episode").GetInt64()).ShouldBe([3, 2]);
        second.GetProperty("items").EnumerateArray().Select(i => i.GetProperty("episode").GetInt64()).ShouldBe([1]);
        second.GetProperty("nextBefore").ValueKind.ShouldBe(System.Text.Json.JsonValueKind.Null);
        (await client.GetAsync("/api/v1/servers/nobody/connectivity")).StatusCode.ShouldBe(HttpStatusCode.NotFound);
        (await client.GetAsync($"/api/v1/servers/{id}/connectivity?take=0")).StatusCode.ShouldBe(HttpStatusCode.BadRequest);
    }

    // Scenario 6.
    [Fact]
    public async Task Failback_InMaintenanceMode_NeedsAnAdministratorsOverrideWithAReason()
    {
        var entry = await server.AddEntryAsync();
        await server.AddBrokenServerAsync(entry.FailedServerId);
        using var admin = server.Administrator();
        using var operation = await server.WithRoleAsync(Roles.Operator);
        var on = await admin.PutAsync($"/api/v1/servers/{entry.FailedServerId}/maintenance", ServerHarness.Json("""{"reason":"New disk"}"""));
        (await Answers.JsonAsync(on)).GetProperty("isOn").GetBoolean().ShouldBeTrue();
        var address = $"/api/v1/failover-log/{entry.Id}/failback";

        var plain = await admin.PostAsync(address, ServerHarness.Json("""{"requestId":"a","reason":"now"}"""));
        var byOperator = await operation.PostAsync(address, ServerHarness.Json("""{"requestId":"a","reason":"now","overrideMaintenance":true}"""));
        var withoutReason = await admin.PostAsync(address, ServerHarness.Json("""{"requestId":"a","overrideMaintenance":true}"""));

        (await Answers.ProblemAsync(plain)).Type.ShouldBe("urn:failback:maintenance-mode");
        plain.StatusCode.ShouldBe(HttpStatusCode.Conflict);
        byOperator.StatusCode.ShouldBe(HttpStatusCode.Forbidden);
        withoutReason.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        server.Runs.Starts.ShouldNotContain(start => entry.Id.Equals(start.Input.GetValueOrDefault("EntryId")));

        var overridden = await admin.PostAsync(address, ServerHarness.Json("""{"requestId":"a","reason":"It cannot wait.","overrideMaintenance":true}"""));
        overridden.StatusCode.ShouldBe(HttpStatusCode.Accepted);
        server.Audit.Records.ShouldContain(r => r.Subject == entry.Id && r.Reason == "Maintenance mode overridden: It cannot wait." && r.Result == "done");
    }

    [Fact]
    public async Task List_InMaintenanceMode_ShowsTheSentenceInsteadOfAButtonThatFails()
    {
        var (entry, other) = (await server.AddEntryAsync(), await server.AddEntryAsync());
        await server.AddBrokenServerAsync(entry.FailedServerId);
        using var admin = server.Administrator();
        (await admin.PutAsync($"/api/v1/servers/{entry.FailedServerId}/maintenance", ServerHarness.Json("""{"reason":"New disk"}"""))).EnsureSuccessStatusCode();
        await server.CreateUserAsync($"list-{entry.Id}", Roles.Operator);
        using var olga = await server.SignInAsync($"list-{entry.Id}");
        using var browser = await server.SignInAsync();

        var forOperator = await LineAsync(olga, entry);
        var forAdministrator = await LineAsync(browser, entry);

        forOperator.ShouldContain($"Maintenance mode is on for the server {entry.FailedServerId}");
        forOperator.ShouldContain("New disk");
        forOperator.ShouldContain("Overriding it needs the role administrator.");
        forAdministrator.ShouldContain("It can be overridden on the page of the entry.");
        foreach (var line in new[] { forOperator, forAdministrator })
        {
            line.ShouldContain("disabled");
            line.ShouldNotContain($"id=\"start-{entry.Id}\"");
        }

        (await LineAsync(olga, other)).ShouldContain($"id=\"start-{other.Id}\"");

        static async Task<string> LineAsync(HttpClient browser, FailoverLogEntry entry)
        {
            var html = await browser.GetStringAsync($"/failover-log?q={entry.FailedServerId}");
            html = html[html.IndexOf($"href=\"/failover-log/{entry.Id}\"", StringComparison.Ordinal)..];
            return html[..html.IndexOf("</tr>", StringComparison.Ordinal)];
        }
    }

    [Fact]
    public async Task Maintenance_TurnedOnWithoutAReason_SaysSo_AndIsRecordedAsRefused()
    {
        var id = await AddServerAsync();
        using var browser = await server.SignInAsync();

        using var answer = await ServerHarness.PostFormAsync(browser, $"/servers/{id}", $"/servers/{id}?handler=MaintenanceOn", ("reason", " "), ("hours", "1"));

        answer.Headers.Location!.ToString().ShouldBe($"/servers/{id}");
        (await browser.GetStringAsync($"/servers/{id}")).ShouldContain("Nothing was changed: say why.");
        server.Audit.Records.Last(r => r.Subject == id).Result.ShouldBe("no reason");
    }

    [Fact]
    public async Task Maintenance_OfTheSystem_IsTurnedOnAndOff()
    {
        using var client = server.Administrator();
        (await client.PutAsync("/api/v1/maintenance", ServerHarness.Json("""{"reason":""}"""))).StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        (await client.PutAsync("/api/v1/maintenance", ServerHarness.Json("""{"reason":"x","endsAt":"2020-01-01T00:00:00Z"}"""))).StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        (await client.PutAsync("/api/v1/servers/nobody/maintenance", ServerHarness.Json("""{"reason":"x"}"""))).StatusCode.ShouldBe(HttpStatusCode.NotFound);
        try
        {
            (await client.PutAsync("/api/v1/maintenance", ServerHarness.Json("""{"reason":"New switches"}"""))).StatusCode.ShouldBe(HttpStatusCode.OK);
            var list = await Answers.JsonAsync(await client.GetAsync("/api/v1/maintenance"));
            list.GetProperty("items").EnumerateArray().Select(i => i.GetProperty("reason").GetString()).ShouldContain("New switches");
            using var browser = await server.SignInAsync();
            (await browser.GetStringAsync("/servers")).ShouldContain("Nothing is failed back by itself.");
        }
        finally
        {
            (await Answers.JsonAsync(await client.DeleteAsync("/api/v1/maintenance"))).GetProperty("isOn").GetBoolean().ShouldBeFalse();
        }
    }

    [Fact]
    public async Task Policy_ThatGivesMaterialUp_NeedsAReason()
    {
        using var client = server.Administrator();
        var policy = """{"darkChannels":"refuse","materialCopy":"automatic","supersededMaterial":"markDone","confirmTimeout":"00:00:30","handOverTimeout":"00:00:30"}""";

        var answer = await client.PutAsync("/api/v1/settings/failback-policy", ServerHarness.Json(policy));

        answer.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        (await Answers.ProblemAsync(answer)).Body.GetProperty("errors").TryGetProperty("supersededMaterialReason", out _).ShouldBeTrue();
    }

    [Fact]
    public async Task AutomaticFailback_OfAnEntry_SaysWhyNot()
    {
        var entry = await server.AddEntryAsync();
        await server.AddBrokenServerAsync(entry.FailedServerId);
        await server.App.Services.GetRequiredService<ChangeGeneralSettings>().ExecuteAsync(entry.FailedServerId, new(true, true, null, TimeSpan.Zero), default);
        using var client = server.Administrator();

        var body = await Answers.JsonAsync(await client.GetAsync($"/api/v1/failover-log/{entry.Id}/automatic-failback"));

        (body.GetProperty("verdict").GetString(), body.GetProperty("attempts").GetInt32()).ShouldBe(("no", 0));
        body.GetProperty("sentence").GetString()!.ShouldContain("is not connected");
        using var browser = await server.SignInAsync();
        (await browser.GetStringAsync($"/failover-log/{entry.Id}")).ShouldContain("Automatic failback");
    }

    // Scenario 8: how often a server was lost within the hour is shown.
    [Fact]
    public async Task ServerPage_ShowsHistoryAndSettings_AndSavesThem()
    {
        var id = await AddServerAsync();
        await ApplyTransitionAsync(id, 1);
        using var browser = await server.SignInAsync();
        var html = await browser.GetStringAsync($"/servers/{id}");
        html.ShouldContain("It pulled its own plug.");
        html.ShouldContain("once within the last hour");

        var saved = await ServerHarness.PostFormAsync(
            browser, $"/servers/{id}", $"/servers/{id}?handler=Settings", ("failover", "true"), ("automaticFailback", "true"), ("pollInterval", "3"), ("stabilityDelay", "10"));
        saved.Headers.Location!.ToString().ShouldBe($"/servers/{id}");
        GeneralSettings.Of(await FindAsync(id)).ShouldBe(new GeneralSettings(true, true, TimeSpan.FromSeconds(3), TimeSpan.FromMinutes(10)));

        var refused = await ServerHarness.PostFormAsync(browser, $"/servers/{id}", $"/servers/{id}?handler=Settings", ("automaticFailback", "true"), ("stabilityDelay", "10"));
        (await refused.Content.ReadAsStringAsync()).ShouldContain("It is possible only with failover enabled.");

        var on = await ServerHarness.PostFormAsync(browser, $"/servers/{id}", $"/servers/{id}?handler=MaintenanceOn", ("reason", "New disk"), ("hours", "1"));
        on.StatusCode.ShouldBe(HttpStatusCode.Redirect);
        (await browser.GetStringAsync($"/servers/{id}")).ShouldContain("Maintenance mode is on for this server");
        (await browser.GetStringAsync($"/servers?q={id}")).ShouldContain("<span class=\"badge warn\">Maintenance</span>");
        (await browser.GetAsync("/servers/nobody")).StatusCode.ShouldBe(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task ServerPage_OfAViewer_ChangesNothing()
    {
        var id = await AddServerAsync();
        await server.CreateUserAsync($"viewer-of-{id}", Roles.Viewer);
        using var browser = await server.SignInAsync($"viewer-of-{id}");
        (await browser.GetStringAsync($"/servers/{id}")).ShouldContain("Changing them needs the role administrator.");

        foreach (var (handler, fields) in new[] { ("Settings", ("stabilityDelay", "10")), ("MaintenanceOn", ("reason", "x")), ("MaintenanceOff", ("reason", "x")) })
        {
            var answer = await ServerHarness.PostFormAsync(browser, $"/servers/{id}", $"/servers/{id}?handler={handler}", fields);
            answer.Headers.Location!.ToString().ShouldContain("/denied");
        }

        (await FindAsync(id)).Revision.ShouldBe(1);
    }

    private async Task<string> AddServerAsync()
    {
        var id = $"srv-{Guid.NewGuid():N}"[..12];
        await server.AddBrokenServerAsync(id);
        return id;
    }

    private async Task<VmsServer> FindAsync(string id) => (await server.App.Services.GetRequiredService<IVmsServers>().FindAsync(id, default))!;

    private Task ApplyTransitionAsync(string id, long episode) => server.App.Services.GetRequiredService<IDomainWriter>().ApplyAsync(
        [
            new AddTransition(new(
                0, id, TimeProvider.System.GetUtcNow(), TransitionKind.Disconnected, ConnectionState.Connected, ConnectionState.Disconnected, "It pulled its own plug.", "poll", "boot-1", episode)),
        ],
        CancellationToken.None);
}
