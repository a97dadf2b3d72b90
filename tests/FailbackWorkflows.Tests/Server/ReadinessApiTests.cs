using System.Net;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.Readiness;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Server.Hosting;
using FailbackWorkflows.Server.Identity;
using Microsoft.Extensions.DependencyInjection;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Server;

/// <summary>Readiness by HTTP and on the pages.</summary>
[Collection(ServerTests.Name)]
public sealed class ReadinessApiTests(ServerHarness server)
{
    [Fact]
    public async Task Readiness_OfAServer_IsUnknownThenCheckedThenExpired()
    {
        var id = await AddServerAsync();
        using var client = server.Administrator();
        var address = $"/api/v1/servers/{id}/readiness";

        var unknown = await client.GetAsync("/api/v1/servers/none/readiness");
        var unknownCheck = await client.PostAsync("/api/v1/servers/none/readiness", null);
        var before = await client.GetAsync(address);
        var checkedNow = await Answers.JsonAsync(await client.PostAsync(address, null));
        await ChangeAsync(id, s => s with { Name = "Renamed" });
        var expired = await Answers.JsonAsync(await client.GetAsync(address));

        (unknown.StatusCode, unknownCheck.StatusCode, before.StatusCode).ShouldBe((HttpStatusCode.NotFound, HttpStatusCode.NotFound, HttpStatusCode.NotFound));
        (await Answers.ProblemAsync(unknown)).Type.ShouldBe("urn:failback:unknown-server");
        (await Answers.ProblemAsync(before)).Type.ShouldBe("urn:failback:not-checked-yet");
        checkedNow.GetProperty("kind").GetString().ShouldBe("failover");
        checkedNow.GetProperty("outcome").GetString().ShouldBe("notReady");
        checkedNow.GetProperty("sentence").GetString()!.ShouldContain("in no failover group");
        checkedNow.GetProperty("checks")[0].GetProperty("outcome").GetString().ShouldBe("refused");
        checkedNow.GetProperty("isExpired").GetBoolean().ShouldBeFalse();
        expired.GetProperty("isExpired").GetBoolean().ShouldBeTrue();
        expired.GetProperty("expiredBecause").EnumerateArray().Select(e => e.GetString()).ShouldBe(["topology"]);
        server.Audit.Records.ShouldContain(r => r.Subject == id && r.Result == "done");
    }

    [Fact]
    public async Task Readiness_OfAFailedServer_SaysWhatTheRunWouldAndStartsNone()
    {
        var entry = await server.AddEntryAsync();
        await server.AddBrokenServerAsync(entry.FailedServerId);
        await server.App.Services.GetRequiredService<IDomainWriter>().ApplyAsync([new GrantEpoch(entry.FailedServerId, "somebody-else", 3, "x")], CancellationToken.None);
        using var client = server.Administrator();
        var starts = server.Runs.Starts.Count;

        var answer = await Answers.JsonAsync(await client.PostAsync($"/api/v1/servers/{entry.FailedServerId}/readiness", null));

        answer.GetProperty("kind").GetString().ShouldBe("failback");
        answer.GetProperty("entryId").GetString().ShouldBe(entry.Id);
        (answer.GetProperty("outcome").GetString(), answer.GetProperty("number").GetInt32(), answer.GetProperty("offer").GetString()).ShouldBe(("notReady", 2, "adopt"));
        answer.GetProperty("sentence").GetString()!.ShouldContain("is with somebody-else");
        server.Runs.Starts.Count.ShouldBe(starts);
    }

    [Fact]
    public async Task ServersPage_NamesWhoIsNotReadyAnyMore_WithTheSentenceAndSinceWhen()
    {
        var (id, other) = (await AddServerAsync(), await AddServerAsync());
        using var client = server.Administrator();
        foreach (var looked in new[] { id, other })
        {
            (await client.PostAsync($"/api/v1/servers/{looked}/readiness", null)).EnsureSuccessStatusCode();
        }

        var results = server.App.Services.GetRequiredService<IReadinessResults>();
        var result = (await results.FindAsync(id, ReadinessKind.Failover, default))!;
        await server.App.Services.GetRequiredService<IDomainWriter>().ApplyAsync(
            [new SaveReadiness(result with { TurnedNotReadyAt = new DateTimeOffset(2026, 3, 1, 8, 0, 0, TimeSpan.Zero), Sentence = "Nobody <could> take it over." })], default);
        using var browser = await server.SignInAsync();

        var html = await browser.GetStringAsync("/servers");
        var response = await Answers.JsonAsync(await client.GetAsync($"/api/v1/servers/{id}/readiness"));

        var banner = html[html.IndexOf("id=\"not-ready\"", StringComparison.Ordinal)..];
        banner = banner[..banner.IndexOf("What to do next:", StringComparison.Ordinal)];
        banner.ShouldContain("Nobody &lt;could&gt; take it over.");
        banner.ShouldContain($"/servers/{id}#readiness");
        banner.ShouldNotContain($"/servers/{other}#readiness", customMessage: "it never was ready");
        response.GetProperty("turnedNotReadyAt").GetDateTimeOffset().ShouldBe(new DateTimeOffset(2026, 3, 1, 8, 0, 0, TimeSpan.Zero));

        // What is shown on a page for everybody would be in the way of other tests.
        await server.App.Services.GetRequiredService<IDomainWriter>().ApplyAsync([new SaveReadiness(result)], default);
    }

    [Fact]
    public async Task Readiness_Check_NeedsAnOperator()
    {
        var id = await AddServerAsync();
        using var viewer = await server.WithRoleAsync(Roles.Viewer);
        using var operators = await server.WithRoleAsync(Roles.Operator);

        (await viewer.PostAsync($"/api/v1/servers/{id}/readiness", null)).StatusCode.ShouldBe(HttpStatusCode.Forbidden);
        (await viewer.PostAsync("/api/v1/readiness", null)).StatusCode.ShouldBe(HttpStatusCode.Forbidden);
        (await operators.PostAsync($"/api/v1/servers/{id}/readiness", null)).StatusCode.ShouldBe(HttpStatusCode.OK);
        (await viewer.GetAsync($"/api/v1/servers/{id}/readiness")).StatusCode.ShouldBe(HttpStatusCode.OK);
    }

    [Fact]
    public async Task Readiness_OfAll_IsAskedForOnceAndListedInPages()
    {
        var ids = new List<string>();
        for (var i = 0; i < 3; i++)
        {
            ids.Add(await AddServerAsync());
        }

        using var client = server.Administrator();

        var accepted = await client.PostAsync("/api/v1/readiness", null);
        await server.App.Services.GetRequiredService<CheckReadinessOfAll>().SweepAsync(CancellationToken.None);

        // Looked at to the end when its server was gone already.
        var gone = (await server.App.Services.GetRequiredService<IReadinessResults>().FindAsync(ids[0], ReadinessKind.Failover, default))! with { ServerId = "a-server-that-is-gone" };
        await server.App.Services.GetRequiredService<IDomainWriter>().ApplyAsync([new SaveReadiness(gone)], default);
        var found = new List<string>();
        string? after = null;
        do
        {
            var page = await Answers.JsonAsync(await client.GetAsync($"/api/v1/readiness?take=2&outcome=notReady&kind=failover{(after is null ? "" : $"&after={after}")}"));
            found.AddRange(page.GetProperty("items").EnumerateArray().Select(item => item.GetProperty("serverId").GetString()!));
            page.GetProperty("requestedAt").GetDateTimeOffset().ShouldBeGreaterThan(DateTimeOffset.UnixEpoch);
            after = page.GetProperty("nextAfter").GetString();
        }
        while (after is not null);

        accepted.StatusCode.ShouldBe(HttpStatusCode.Accepted);
        accepted.Headers.Location!.ToString().ShouldBe("/api/v1/readiness");
        found.ShouldBe(found.Order(StringComparer.Ordinal));
        ids.ShouldBeSubsetOf(found);
        found.ShouldNotContain(gone.ServerId);
        (await client.GetAsync("/api/v1/readiness?take=0")).StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        var nonsense = await Answers.ProblemAsync(await client.GetAsync("/api/v1/readiness?kind=nonsense&outcome=1"));
        nonsense.Type.ShouldBe("urn:failback:invalid-fields");
        nonsense.Body.GetProperty("errors").GetProperty("kind")[0].GetString().ShouldBe("It must be one of failback, failover.");
        nonsense.Body.GetProperty("errors").TryGetProperty("outcome", out _).ShouldBeTrue();
    }

    [Fact]
    public async Task Pages_ShowTheResultItsAgeAndWhatHasExpired_AndHaveTheButtons()
    {
        var id = await AddServerAsync();
        using var browser = await server.SignInAsync();
        (await browser.GetStringAsync($"/servers/{id}")).ShouldContain("Nobody has looked yet");

        var checkedNow = await ServerHarness.PostFormAsync(browser, $"/servers?q={id}", "/servers?handler=CheckReadiness", ("serverId", id));
        var details = await browser.GetStringAsync($"/servers/{id}");
        await ChangeAsync(id, s => s with { FailoverGroup = "north" });
        var list = await browser.GetStringAsync($"/servers?q={id}");
        var expired = await browser.GetStringAsync($"/servers/{id}");
        var all = await ServerHarness.PostFormAsync(browser, "/servers", "/servers?handler=CheckAll");
        var noticed = await browser.GetStringAsync("/servers");
        var again = await ServerHarness.PostFormAsync(browser, $"/servers/{id}", $"/servers/{id}?handler=CheckReadiness");

        checkedNow.Headers.Location!.ToString().ShouldBe($"/servers/{id}#readiness");
        details.ShouldContain("Not ready");
        details.ShouldContain("in no failover group");
        details.ShouldContain("looked at");
        list.ShouldContain("Out of date");
        list.ShouldContain("servers or the failover log entry changed since");
        expired.ShouldContain("Out of date: servers or the failover log entry changed since");
        all.Headers.Location!.ToString().ShouldBe("/servers");
        noticed.ShouldContain("Every server is looked at now");
        again.StatusCode.ShouldBe(HttpStatusCode.Redirect);
    }

    [Fact]
    public async Task Pages_ToAViewer_ShowTheResultButNoButton()
    {
        var id = await AddServerAsync();
        await server.CreateUserAsync($"viewer-{id}", Roles.Viewer);
        using var browser = await server.SignInAsync($"viewer-{id}");

        (await browser.GetStringAsync($"/servers?q={id}")).ShouldNotContain("handler=CheckReadiness");
        (await browser.GetStringAsync($"/servers/{id}")).ShouldContain("Checking needs the role operator or administrator.");
        (await ServerHarness.PostFormAsync(browser, "/servers", "/servers?handler=CheckAll")).Headers.Location!.ToString().ShouldContain("/denied");
    }

    [Theory]
    [InlineData("00:00:00", 8, true)]
    [InlineData("00:01:00", 256, true)]
    [InlineData("00:00:59", 8, false)]
    [InlineData("00:15:00", 0, false)]
    public void Options_OutOfRange_StopTheStart(string interval, int concurrency, bool isPossible) =>
        new ServerOptionsCheck().Validate(null, new ServerOptions { ReadinessInterval = TimeSpan.Parse(interval, null), MaxConcurrentReadinessChecks = concurrency }).Succeeded.ShouldBe(isPossible);

    private async Task<string> AddServerAsync()
    {
        var id = $"ready-{Guid.NewGuid():N}"[..18];
        await server.AddBrokenServerAsync(id);
        await ChangeAsync(id, s => s with { State = VmsServerState.Ok, IsFailoverEnabled = true });
        return id;
    }

    private async Task ChangeAsync(string id, Func<VmsServer, VmsServer> change)
    {
        var row = await server.App.Services.GetRequiredService<IVmsServers>().FindAsync(id, CancellationToken.None);
        await server.App.Services.GetRequiredService<IDomainWriter>().ApplyAsync([new SaveVmsServer(change(row!))], CancellationToken.None);
    }
}
