using System.Net;
using System.Text.Json;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Server.Identity;
using Microsoft.Extensions.DependencyInjection;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Server;

/// <summary>Lists that may be long: servers, people and API keys come in pages, over the API as on the pages, and can be searched.</summary>
[Collection(ServerTests.Name)]
public sealed class LongListTests(ServerHarness server)
{
    [Fact]
    public async Task Servers_OverTheApi_ComeInPagesToWhoAsksForThemAndAllAtOnceToWhoDoesNot()
    {
        var hall = await AddServersAsync(7);
        using var client = server.Administrator();

        var seen = new List<string>();
        JsonElement page;
        string? after = null;
        do
        {
            page = await Answers.JsonAsync(await client.GetAsync($"/api/v1/servers?q={hall}&take=3{(after is null ? "" : $"&after={Uri.EscapeDataString(after)}")}"));
            page.GetProperty("items").GetArrayLength().ShouldBeLessThanOrEqualTo(3);
            seen.AddRange(Ids(page));
            after = page.GetProperty("nextAfter").GetString();
        }
        while (after is not null);

        seen.ShouldBe(Enumerable.Range(0, 7).Select(i => $"{hall}-{i}"));
        var all = await Answers.JsonAsync(await client.GetAsync("/api/v1/servers"));
        Ids(all).Intersect(seen).Count().ShouldBe(7, "a client that knows no pages gets everything, as before");
        all.GetProperty("nextAfter").ValueKind.ShouldBe(JsonValueKind.Null);
        Ids(await Answers.JsonAsync(await client.GetAsync($"/api/v1/servers?q={hall}&show=broken"))).ShouldBe([$"{hall}-6"]);
    }

    [Theory]
    [InlineData("take=0", "take")]
    [InlineData("take=201", "take")]
    [InlineData("show=1", "show")]
    [InlineData("show=nothing", "show")]
    [InlineData("after=TOO-LONG", "after")]
    public async Task Servers_AskedForWithNonsense_AreRefusedByField(string query, string field)
    {
        using var client = server.Administrator();
        query = query.Replace("TOO-LONG", new string('a', VmsServerQuery.MostMarkCharacters + 1), StringComparison.Ordinal);

        var answer = await client.GetAsync($"/api/v1/servers?{query}");

        answer.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        (await Answers.ProblemAsync(answer)).Body.GetProperty("errors").TryGetProperty(field, out _).ShouldBeTrue();
    }

    [Fact]
    public async Task ServersPage_IsReadOnAndBackByLinks_AndSaysHowManyThereAre()
    {
        var hall = await AddServersAsync(57);
        using var browser = await server.SignInAsync();

        var first = await browser.GetStringAsync($"/servers?q={hall}");
        var mark = Uri.EscapeDataString($"{hall}-49~Recorder {hall} 049");
        var second = await browser.GetStringAsync($"/servers?q={hall}&after={mark}");

        first.ShouldContain("57 servers fit this search.");
        Shown(first, hall).ShouldBe(50);
        first.ShouldContain($"href=\"/servers?q={hall}&amp;after={mark}\"");
        Shown(second, hall).ShouldBe(7);
        Shown(await browser.GetStringAsync($"/servers?q={hall}&after={hall}-49"), hall).ShouldBe(7, "an address from before there were marks");
        second.ShouldNotContain("More servers");
        second.ShouldContain($"href=\"/servers?q={hall}\"");
        (await browser.GetStringAsync($"/servers?q={hall}-56&show=broken")).ShouldContain("1 server fits this search.");
        (await browser.GetStringAsync($"/servers?q=nothing-like-{hall}")).ShouldContain("No server fits this search.");
        (await browser.GetStringAsync("/servers?show=nonsense&after=%27")).ShouldContain("VMS servers");
    }

    [Fact]
    public async Task People_OverTheApiAndOnThePage_ComeInPages()
    {
        var team = $"t{Guid.NewGuid():N}"[..9];
        for (var i = 0; i < 3; i++)
        {
            await server.CreateUserAsync($"{team}-{i}", i == 1 ? Roles.Auditor : Roles.Viewer);
        }

        using var client = server.Administrator();
        var first = await Answers.JsonAsync(await client.GetAsync($"/api/v1/users?q={team}&take=2"));
        var second = await Answers.JsonAsync(await client.GetAsync($"/api/v1/users?q={team}&take=2&after={first.GetProperty("nextAfter").GetString()}"));
        Names(first).Concat(Names(second)).ShouldBe([$"{team}-0", $"{team}-1", $"{team}-2"]);
        second.GetProperty("nextAfter").ValueKind.ShouldBe(JsonValueKind.Null);
        first.GetProperty("items")[1].GetProperty("roles")[0].GetString().ShouldBe(Roles.Auditor);
        Names(await Answers.JsonAsync(await client.GetAsync("/api/v1/users"))).ShouldContain($"{team}-2");
        (await client.GetAsync("/api/v1/users?take=0")).StatusCode.ShouldBe(HttpStatusCode.BadRequest);

        // Whoever is changed from a search is in it again afterwards; whoever cannot be changed is shown although the search does not fit.
        using var browser = await server.SignInAsync();
        var here = $"/system/users?q={team}-1";
        (await browser.GetStringAsync(here)).ShouldNotContain($"{team}-2");
        var changed = await ServerHarness.PostFormAsync(browser, here, $"/system/users?handler=Roles&q={team}-1", ("userName", $"{team}-1"), ("roles", Roles.Viewer));
        changed.Headers.Location!.ToString().ShouldBe(here);
        var refused = await ServerHarness.PostFormAsync(browser, here, $"/system/users?handler=Password&q={team}-1", ("userName", $"{team}-2"), ("password", "short"));
        (await refused.Content.ReadAsStringAsync()).ShouldContain($"id=\"user-{team}-2\"");

        IEnumerable<string?> Names(JsonElement page) => page.GetProperty("items").EnumerateArray().Select(item => item.GetProperty("userName").GetString());
    }

    [Fact]
    public async Task ApiKeys_OverTheApiAndOnThePage_ComeInPages()
    {
        var name = $"k{Guid.NewGuid():N}"[..9];
        using var client = server.Administrator();
        var made = new List<string>();
        for (var i = 0; i < 22; i++)
        {
            var key = await Answers.JsonAsync(await client.PostAsync("/api/v1/api-keys", ServerHarness.Json($$"""{"name":"{{name}}-{{i:00}}","role":"viewer"}""")));
            made.Insert(0, key.GetProperty("details").GetProperty("id").GetString()!);
        }

        var first = await Answers.JsonAsync(await client.GetAsync($"/api/v1/api-keys?q={name}&take=20"));
        var second = await Answers.JsonAsync(await client.GetAsync($"/api/v1/api-keys?q={name}&take=20&before={first.GetProperty("nextBefore").GetString()}"));
        Ids(first).Concat(Ids(second)).ShouldBe(made);
        second.GetProperty("nextBefore").ValueKind.ShouldBe(JsonValueKind.Null);
        Ids(await Answers.JsonAsync(await client.GetAsync("/api/v1/api-keys"))).Intersect(made).Count().ShouldBe(22);
        (await client.GetAsync("/api/v1/api-keys?take=201")).StatusCode.ShouldBe(HttpStatusCode.BadRequest);

        using var browser = await server.SignInAsync();
        var older = await browser.GetStringAsync($"/system?before={made[19]}");
        older.ShouldContain($"{name}-01");
        older.ShouldNotContain($"{name}-02");
        (await browser.GetStringAsync("/system")).ShouldContain("Older keys");
    }

    private static List<string> Ids(JsonElement page) => [.. page.GetProperty("items").EnumerateArray().Select(item => item.GetProperty("id").GetString()!)];

    private static int Shown(string html, string hall) => html.Split($"<a class=\"strong\" href=\"/servers/{hall}-").Length - 1;

    /// <summary>Servers of a hall of their own, so that tests do not meet; the last one is broken.</summary>
    private async Task<string> AddServersAsync(int count)
    {
        var hall = $"hall{Guid.NewGuid():N}"[..12];
        await server.App.Services.GetRequiredService<IDomainWriter>().ApplyAsync(
            [
                .. Enumerable.Range(0, count).Select(i => new SaveVmsServer(new VmsServer
                {
                    Id = $"{hall}-{i}",
                    Name = $"Recorder {hall} {i:000}",
                    BaseUrl = new Uri("http://127.0.0.1:9/"),
                    ProtectedCredential = "none",
                    State = i == count - 1 ? VmsServerState.Broken : VmsServerState.Ok,
                    CreatedAt = DateTimeOffset.UnixEpoch,
                })),
            ],
            CancellationToken.None);
        return hall;
    }
}
