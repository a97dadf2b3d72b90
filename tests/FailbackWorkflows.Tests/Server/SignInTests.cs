using System.Net;
using FailbackWorkflows.Server.Identity;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Server;

/// <summary>How people and machines sign in, and what protects them.</summary>
[Collection(ServerTests.Name)]
public sealed class SignInTests(ServerHarness server)
{
    [Fact]
    public async Task SignIn_RightPassword_OpensTheLogAndSignOutClosesIt()
    {
        using var browser = await server.SignInAsync();
        (await browser.GetStringAsync("/failover-log")).ShouldContain("<h1>Failover log</h1>");

        var out_ = await ServerHarness.PostFormAsync(browser, "/failover-log", "/sign-out");
        out_.Headers.Location!.ToString().ShouldBe("/sign-in");
        (await browser.GetAsync("/failover-log")).StatusCode.ShouldBe(HttpStatusCode.Redirect);
    }

    [Theory]
    [InlineData("admin", "wrong password 1")]
    [InlineData("nobody", "wrong password 1")]
    [InlineData("admin", "")]
    public async Task SignIn_WrongNameOrPassword_SaysTheSame(string user, string password)
    {
        using var browser = server.Browser();
        var answer = await ServerHarness.PostFormAsync(browser, "/sign-in", "/sign-in", ("user", user), ("password", password));
        answer.StatusCode.ShouldBe(HttpStatusCode.OK);
        (await answer.Content.ReadAsStringAsync()).ShouldContain("User name or password is wrong");
        server.Audit.Records.ShouldContain(record => record.Subject == "sign-in" && record.Actor.Name == user && record.Result == "refused");
    }

    [Fact]
    public async Task SignIn_FiveWrongPasswords_LocksTheAccount()
    {
        await server.CreateUserAsync("locked-out", Roles.Viewer);
        using var browser = server.Browser();
        for (var i = 0; i < 5; i++)
        {
            await ServerHarness.PostFormAsync(browser, "/sign-in", "/sign-in", ("user", "locked-out"), ("password", "wrong password"));
        }

        var answer = await ServerHarness.PostFormAsync(browser, "/sign-in", "/sign-in", ("user", "locked-out"), ("password", ServerHarness.AdminPassword));
        answer.StatusCode.ShouldBe(HttpStatusCode.OK);
        server.Audit.Records.ShouldContain(record => record.Actor.Name == "locked-out" && record.Result == "locked out");
    }

    [Fact]
    public async Task SignIn_ReturnAddressElsewhere_IsNotFollowed()
    {
        using var browser = server.Browser();
        var answer = await ServerHarness.PostFormAsync(
            browser, "/sign-in", "/sign-in", ("user", "admin"), ("password", ServerHarness.AdminPassword), ("returnUrl", "https://elsewhere.example/"));
        answer.Headers.Location!.ToString().ShouldBe("/failover-log");
    }

    [Fact]
    public async Task SessionCookie_IsHardened()
    {
        using var browser = server.Browser();
        var answer = await ServerHarness.PostFormAsync(browser, "/sign-in", "/sign-in", ("user", "admin"), ("password", ServerHarness.AdminPassword));
        var cookie = answer.Headers.GetValues("Set-Cookie").Single(value => value.StartsWith("failback.session=", StringComparison.Ordinal)).ToLowerInvariant();
        cookie.ShouldContain("httponly");
        cookie.ShouldContain("samesite=lax");
    }

    [Fact]
    public async Task ChangePassword_RightCurrentOne_NewOneCountsFromNowOn()
    {
        await server.CreateUserAsync("changer", Roles.Viewer);
        using var browser = await server.SignInAsync("changer");
        var answer = await ServerHarness.PostFormAsync(
            browser,
            "/account/password",
            "/account/password",
            ("current", ServerHarness.AdminPassword),
            ("replacement", "another long password"),
            ("again", "another long password"));
        answer.StatusCode.ShouldBe(HttpStatusCode.Redirect);
        (await server.SignInAsync("changer", "another long password")).Dispose();
    }

    [Fact]
    public async Task ChangePassword_WrongCurrentOneFiveTimes_LocksTheAccountAndEndsTheSession()
    {
        await server.CreateUserAsync("guesser", Roles.Viewer);
        using var browser = await server.SignInAsync("guesser");
        HttpResponseMessage answer = null!;
        for (var i = 0; i < 5; i++)
        {
            answer = await ServerHarness.PostFormAsync(
                browser, "/account/password", "/account/password", ("current", $"wrong password {i}"), ("replacement", "another long password"), ("again", "another long password"));
            answer.StatusCode.ShouldBe(i < 4 ? HttpStatusCode.OK : HttpStatusCode.Redirect);
        }

        answer.Headers.Location!.ToString().ShouldBe("/sign-in");
        (await browser.GetStringAsync("/sign-in")).ShouldContain("Too many wrong passwords");
        (await browser.GetAsync("/account/password")).StatusCode.ShouldBe(HttpStatusCode.Redirect);
        await Should.ThrowAsync<InvalidOperationException>(() => server.SignInAsync("guesser"));
        server.Audit.Records.ShouldContain(record => record.Actor.Name == "guesser" && record.Subject == "password" && record.Result == "locked out");
    }

    [Fact]
    public async Task Requests_ThatNobodyMade_ProlongNoSession()
    {
        using var browser = await server.SignInAsync();
        using var quiet = new HttpRequestMessage(HttpMethod.Get, "/failover-log");
        quiet.Headers.Add("X-Failback-Quiet", "1");

        (await RenewsAsync(new(HttpMethod.Get, "/failover-log"))).ShouldBeTrue();
        (await RenewsAsync(quiet)).ShouldBeFalse();
        (await RenewsAsync(new(HttpMethod.Get, "/api/v1/changes"))).ShouldBeFalse();
        (await RenewsAsync(new(HttpMethod.Get, "/studio/session"))).ShouldBeFalse();

        async Task<bool> RenewsAsync(HttpRequestMessage request)
        {
            using var answer = await browser.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
            answer.IsSuccessStatusCode.ShouldBeTrue();
            return answer.Headers.TryGetValues("Set-Cookie", out var cookies) && cookies.Any(cookie => cookie.StartsWith("failback.session", StringComparison.Ordinal));
        }
    }

    [Fact]
    public async Task FormPost_WithoutAntiforgeryToken_IsRefusedAndChangesNothing()
    {
        var entry = await server.AddEntryAsync();
        using var browser = await server.SignInAsync();
        var answer = await browser.PostAsync(
            $"/failover-log/{entry.Id}?handler=StartFailback",
            new FormUrlEncodedContent([KeyValuePair.Create("requestId", "r1")]));
        answer.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        (await answer.Content.ReadAsStringAsync()).ShouldContain("That form is no longer valid");
        (await server.Runs.FindClaimAsync(entry.FailedServerId)).ShouldBeNull();
    }

    [Fact]
    public async Task JsonPost_WithCookie_NeedsTheAntiforgeryToken()
    {
        var entry = await server.AddEntryAsync();
        using var browser = await server.SignInAsync();
        var address = $"/api/v1/failover-log/{entry.Id}/failback";

        var refused = await browser.PostAsync(address, ServerHarness.Json("""{"requestId":"r1"}"""));
        refused.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        (await Answers.ProblemAsync(refused)).Type.ShouldBe("urn:failback:antiforgery-token-missing");

        var me = await Answers.JsonAsync(await browser.GetAsync("/api/v1/me"));
        using var request = new HttpRequestMessage(HttpMethod.Post, address) { Content = ServerHarness.Json("""{"requestId":"r1"}""") };
        request.Headers.Add("X-Antiforgery-Token", me.GetProperty("antiforgeryToken").GetString());
        (await browser.SendAsync(request)).StatusCode.ShouldBe(HttpStatusCode.Accepted);
    }

    [Fact]
    public async Task ApiKey_MadeOnceShownOnceRevoked_NoLongerSignsIn()
    {
        using var administrator = server.Administrator();
        var made = await Answers.JsonAsync(await administrator.PostAsync("/api/v1/api-keys", ServerHarness.Json("""{"name":"wall display","role":"viewer"}""")));
        var secret = made.GetProperty("key").GetString()!;
        var id = made.GetProperty("details").GetProperty("id").GetString();
        secret.ShouldStartWith("fbk_");

        using var client = server.Anonymous();
        client.DefaultRequestHeaders.Add("X-Api-Key", secret);
        (await client.GetAsync("/api/v1/servers")).StatusCode.ShouldBe(HttpStatusCode.OK);
        (await administrator.GetStringAsync("/api/v1/api-keys")).ShouldNotContain(secret);

        (await administrator.DeleteAsync($"/api/v1/api-keys/{id}")).StatusCode.ShouldBe(HttpStatusCode.NoContent);
        (await client.GetAsync("/api/v1/servers")).StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
        server.Audit.Records.ShouldContain(record => record.Subject == id && record.Action.StartsWith("POST", StringComparison.Ordinal) && record.Result == "done: wall display, viewer");
        server.Audit.Records.ShouldContain(record => record.Subject == id && record.Action.StartsWith("DELETE", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("")]
    [InlineData("fbk_unknown")]
    [InlineData("x")]
    public async Task ApiKey_NotValid_SignsInNobody(string key)
    {
        using var client = server.Anonymous();
        client.DefaultRequestHeaders.TryAddWithoutValidation("Authorization", $"Bearer {key}");
        (await client.GetAsync("/api/v1/servers")).StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
    }

    [Theory]
    [InlineData("/sign-in")]
    [InlineData("/health/live")]
    [InlineData("/api/v1/servers")]
    [InlineData("/css/site.css")]
    [InlineData("/css/chrome.css")]
    [InlineData("/css/studio.css")]
    [InlineData("/js/studio.js")]
    public async Task EveryAnswer_CarriesTheSecurityHeaders(string path)
    {
        using var client = server.Anonymous();
        using var answer = await client.GetAsync(path);
        var policy = answer.Headers.GetValues("Content-Security-Policy").Single();
        policy.ShouldContain("default-src 'none'");
        policy.ShouldNotContain("unsafe");
        answer.Headers.GetValues("X-Content-Type-Options").Single().ShouldBe("nosniff");
        answer.Headers.GetValues("X-Frame-Options").Single().ShouldBe("DENY");
        answer.Headers.Server.ShouldBeEmpty();
    }

    [Fact]
    public async Task Pages_HaveNoInlineScriptOrStyle_AndNothingFromElsewhere()
    {
        var entry = await server.AddEntryAsync();
        using var browser = await server.SignInAsync();
        foreach (var path in new[] { "/failover-log", $"/failover-log/{entry.Id}", "/servers", "/servers/add", "/system", "/account/password", "/nothing-here" })
        {
            var html = await (await browser.GetAsync(path)).Content.ReadAsStringAsync();
            html.ShouldNotContain(" style=");
            html.ShouldNotContain("<style");
            html.ShouldNotContain(" onclick");
            System.Text.RegularExpressions.Regex.Matches(html, "<script(?![^>]*src=\"/)").Count.ShouldBe(0, path);
            System.Text.RegularExpressions.Regex.Matches(html, "(?:src|href)=\"(?:https?:)?//").Count.ShouldBe(0, path);
        }
    }
}
