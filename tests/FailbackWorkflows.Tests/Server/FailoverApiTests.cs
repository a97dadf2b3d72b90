using System.Net;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.AutomaticFailover;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.Failover;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Server.Identity;
using Microsoft.Extensions.DependencyInjection;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Server;

/// <summary>Failover groups, candidates, "Start failover" and automatic failovers, through the API and the pages.</summary>
[Collection(ServerTests.Name)]
public sealed class FailoverApiTests(ServerHarness server)
{
    private const string Settings = """{"group":"hall","isAutomatic":true,"afterPolls":5,"mostDuties":2,"roomPerDutyBytes":5000000000,"reason":"N to 1"}""";

    [Fact]
    public async Task Settings_Put_AreStoredShownAndAudited()
    {
        var id = await AddServerAsync();
        using var client = server.Administrator();

        (await client.PutAsync($"/api/v1/servers/{id}/failover-settings", ServerHarness.Json(Settings))).StatusCode.ShouldBe(HttpStatusCode.OK);

        var body = await Answers.JsonAsync(await client.GetAsync($"/api/v1/servers/{id}"));
        (body.GetProperty("failoverGroup").GetString(), body.GetProperty("isAutomaticFailoverEnabled").GetBoolean(), body.GetProperty("failoverAfterPolls").GetInt32(), body.GetProperty("mostDutiesOfOthers").GetInt32(), body.GetProperty("roomPerDutyBytes").GetInt64(), body.GetProperty("failedPolls").GetInt32())
            .ShouldBe(("hall", true, 5, 2, 5_000_000_000, 0));
        server.Audit.Records.Last(r => r.Subject == id).Reason.ShouldBe("N to 1");
        (await client.PutAsync("/api/v1/servers/nobody/failover-settings", ServerHarness.Json(Settings))).StatusCode.ShouldBe(HttpStatusCode.NotFound);
        using var operation = await server.WithRoleAsync(Roles.Operator);
        (await operation.PutAsync($"/api/v1/servers/{id}/failover-settings", ServerHarness.Json(Settings))).StatusCode.ShouldBe(HttpStatusCode.Forbidden);
    }

    [Theory]
    [InlineData("""{"group":"hall","isAutomatic":true,"afterPolls":0}""", "afterPolls")]
    [InlineData("""{"group":"hall","isAutomatic":true,"mostDuties":1001}""", "mostDuties")]
    [InlineData("""{"group":"hall","isAutomatic":true,"roomPerDutyBytes":-1}""", "roomPerDutyBytes")]
    [InlineData("""{"group":"01234567890123456789012345678901234567890123456789012345678901234","isAutomatic":true}""", "group")]
    public async Task Settings_ThatMakeNoSense_ChangeNothing(string json, string field)
    {
        var id = await AddServerAsync();
        var before = await FindAsync(id);
        using var client = server.Administrator();

        var answer = await client.PutAsync($"/api/v1/servers/{id}/failover-settings", ServerHarness.Json(json));

        answer.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        (await Answers.ProblemAsync(answer)).Body.GetProperty("errors").TryGetProperty(field, out _).ShouldBeTrue();
        (await FindAsync(id)).ShouldBe(before);
    }

    [Fact]
    public async Task Failover_NobodyFit_IsAProblemThatSaysWhyOfEach()
    {
        var (id, other) = await AddPairAsync();
        using var client = server.Administrator();

        var answer = await client.PostAsync($"/api/v1/servers/{id}/failover", ServerHarness.Json("""{"requestId":"a"}"""));
        var candidates = await Answers.JsonAsync(await client.GetAsync($"/api/v1/servers/{id}/failover-candidates"));

        answer.StatusCode.ShouldBe(HttpStatusCode.Conflict);
        var problem = await Answers.ProblemAsync(answer);
        problem.Type.ShouldBe("urn:failback:no-failover-server");
        problem.Body.GetProperty("errors").GetProperty(other)[0].GetString()!.ShouldContain("marked broken itself");
        candidates.GetProperty("candidates").EnumerateArray().Single().GetProperty("whyNot").GetString()!.ShouldContain("marked broken itself");
        (await client.GetAsync("/api/v1/servers/nobody/failover-candidates")).StatusCode.ShouldBe(HttpStatusCode.NotFound);
        (await client.GetAsync("/api/v1/servers/nobody/automatic-failover")).StatusCode.ShouldBe(HttpStatusCode.NotFound);
        (await client.PostAsync("/api/v1/servers/nobody/failover", ServerHarness.Json("""{"requestId":"a"}"""))).StatusCode.ShouldBe(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task Page_StartsAFailoverOnceItIsConfirmed_AndShowsWhyNobodyIsFit()
    {
        var (id, other) = await AddPairAsync();
        using var browser = await server.SignInAsync();
        var page = $"/servers/{id}/failover";
        (await browser.GetStringAsync($"/servers?q={id}")).ShouldContain($"href=\"{page}\"");
        var html = await browser.GetStringAsync(page);
        html.ShouldContain("nobody is fit to be chosen by itself now");
        html.ShouldContain($"Hall {other} is marked broken itself.");

        var unconfirmed = await ServerHarness.PostFormAsync(browser, page, page, ("requestId", "a"), ("failoverServerId", other));
        (await unconfirmed.Content.ReadAsStringAsync()).ShouldContain("Tick that the server shall lose its duty.");
        var nobody = await ServerHarness.PostFormAsync(browser, page, page, ("requestId", "b"), ("confirmed", "true"));
        (await nobody.Content.ReadAsStringAsync()).ShouldContain("No server of the failover group");
        server.Runs.Starts.ShouldNotContain(start => id.Equals(start.Input.GetValueOrDefault("FailedServerId")));

        var started = await ServerHarness.PostFormAsync(browser, page, page, ("requestId", $"c-{id}"), ("failoverServerId", other), ("reason", "It burns."), ("confirmed", "true"));
        var again = await ServerHarness.PostFormAsync(browser, page, page, ("requestId", $"c-{id}"), ("failoverServerId", other), ("reason", "It burns."), ("confirmed", "true"));
        started.Headers.Location!.ToString().ShouldStartWith("/runs/");
        again.Headers.Location.ShouldBe(started.Headers.Location);
        var late = await ServerHarness.PostFormAsync(browser, page, page, ("requestId", $"d-{id}"), ("failoverServerId", other), ("confirmed", "true"));
        (await late.Content.ReadAsStringAsync()).ShouldContain("Open the run in the way");
        var start = server.Runs.Starts.Single(s => id.Equals(s.Input.GetValueOrDefault("FailedServerId")));
        (start.DefinitionId, start.Reason, start.Input["FailoverServerId"]).ShouldBe((StartFailover.DefinitionId, "It burns.", other));
        server.Audit.Records.ShouldContain(r => r.Subject == id && r.Reason == "It burns." && r.Result == "done");
        (await browser.GetAsync("/servers/nobody/failover")).StatusCode.ShouldBe(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task Page_OfAServerThatWasTakenOver_SaysThatTheDutyMovesOn()
    {
        var (id, other) = await AddPairAsync();
        using var browser = await server.SignInAsync();
        (await browser.GetStringAsync($"/servers/{id}/failover")).ShouldNotContain("has its duty already, by");

        await WriteAsync(new GrantEpoch(id, other, 2, "failover-run"));

        (await browser.GetStringAsync($"/servers/{id}/failover")).ShouldContain("has its duty already, by an earlier failover.");
    }

    [Fact]
    public async Task Page_OfAViewer_StartsNothing()
    {
        var (id, _) = await AddPairAsync();
        await server.CreateUserAsync($"viewer-of-{id}", Roles.Viewer);
        using var browser = await server.SignInAsync($"viewer-of-{id}");

        (await browser.GetStringAsync($"/servers?q={id}")).ShouldContain("Needs the role operator or administrator.");
        (await browser.GetAsync($"/servers/{id}/failover")).Headers.Location!.ToString().ShouldContain("/denied");
    }

    [Fact]
    public async Task ServerPage_SavesTheFailoverSettings_AndSaysHowTheAutomaticFailoverStands()
    {
        var id = await AddServerAsync();
        await WriteAsync(new GrantEpoch(id, id, 1, "seed"));
        using var browser = await server.SignInAsync();

        var saved = await ServerHarness.PostFormAsync(
            browser, $"/servers/{id}", $"/servers/{id}?handler=Failover", ("group", "hall"), ("automaticFailover", "true"), ("afterPolls", "4"), ("mostDuties", "2"), ("room", "1500"));
        saved.Headers.Location!.ToString().ShouldBe($"/servers/{id}");
        FailoverSettings.Of(await FindAsync(id)).ShouldBe(new FailoverSettings("hall", true, 4, 2, 1_500_000_000));
        var refused = await ServerHarness.PostFormAsync(browser, $"/servers/{id}", $"/servers/{id}?handler=Failover", ("afterPolls", "0"));
        (await refused.Content.ReadAsStringAsync()).ShouldContain("It must be from 1 to 1000.");

        await WriteAsync(new SaveVmsServer((await FindAsync(id)) with { IsFailoverEnabled = true, Connection = ConnectionState.Disconnected }));
        (await browser.GetStringAsync($"/servers/{id}")).ShouldContain("0 of 4 polls have failed");
        using var client = server.Administrator();
        var body = await Answers.JsonAsync(await client.GetAsync($"/api/v1/servers/{id}/automatic-failover"));
        (body.GetProperty("verdict").GetString(), body.GetProperty("failedPolls").GetInt32(), body.GetProperty("failoverAfterPolls").GetInt32()).ShouldBe(("waits", 0, 4));
    }

    [Fact]
    public async Task Refusal_OfAnAutomaticFailover_IsAnAlertUntilTheServerIsBack()
    {
        var id = await AddServerAsync();
        await WriteAsync(
            new GrantEpoch(id, id, 1, "seed"),
            new SaveVmsServer((await FindAsync(id)) with { IsFailoverEnabled = true, IsAutomaticFailoverEnabled = true, State = VmsServerState.Ok, Connection = ConnectionState.Disconnected, BootId = "b" }),
            new SaveAutomaticFailover(new() { Identity = id, RefusalCode = $"nobody:{id}:b:0", Refusal = $"Nobody can take {id} over.", RefusedAt = DateTimeOffset.UnixEpoch }));
        using var browser = await server.SignInAsync();

        foreach (var page in new[] { "/servers", "/failover-log" })
        {
            var html = await browser.GetStringAsync(page);
            html.ShouldContain($"Nobody can take {id} over.");
            html.ShouldContain($"href=\"/servers/{id}/failover\"");
        }

        await WriteAsync(new SaveVmsServer((await FindAsync(id)) with { Connection = ConnectionState.Connected }));
        (await browser.GetStringAsync("/servers")).ShouldNotContain($"Nobody can take {id} over.");
    }

    /// <summary>Two servers of a group of their own; the other one is broken.</summary>
    private async Task<(string Id, string Other)> AddPairAsync()
    {
        var (id, other) = (await AddServerAsync(), await AddServerAsync());
        foreach (var one in new[] { id, other })
        {
            await WriteAsync(new SaveVmsServer((await FindAsync(one)) with { IsFailoverEnabled = true, FailoverGroup = id }));
        }

        return (id, other);
    }

    private async Task<string> AddServerAsync()
    {
        var id = $"srv-{Guid.NewGuid():N}"[..12];
        await server.AddBrokenServerAsync(id);
        return id;
    }

    private Task WriteAsync(params IReadOnlyList<IDomainChange> changes) => server.App.Services.GetRequiredService<IDomainWriter>().ApplyAsync(changes, CancellationToken.None);

    private async Task<VmsServer> FindAsync(string id) => (await server.App.Services.GetRequiredService<IVmsServers>().FindAsync(id, default))!;
}
