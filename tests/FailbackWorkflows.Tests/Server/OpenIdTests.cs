using System.Net;
using System.Net.Http.Headers;
using System.Text;
using FailbackWorkflows.Server.Hosting;
using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Testing.Processes;
using FailbackWorkflows.Tests.Server.Fakes;
using Microsoft.Extensions.Configuration;
using Microsoft.IdentityModel.Tokens;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Server;

/// <summary>Tokens of the site's identity provider at the API: which count, what they allow, and what happens while the provider is away.</summary>
public sealed class OpenIdTests : IAsyncLifetime
{
    private OpenIdProviderStub provider = null!;
    private ServerHarness server = null!;

    public async Task InitializeAsync()
    {
        provider = await OpenIdProviderStub.StartAsync();
        server = new ServerHarness(
        [
            "--Failback:OpenIdProvider:Authority", provider.Issuer,
            "--Failback:OpenIdProvider:Audience", "failback",
            "--Failback:OpenIdProvider:RoleClaim", "realm_access.roles",
            "--Failback:OpenIdProvider:Roles:operator:0", "vms-operators",
            "--Failback:OpenIdProvider:Roles:auditor:0", "revision",
            "--Failback:OpenIdProvider:Roles:auditor:1", "quality",
        ]);
        await server.InitializeAsync();
    }

    public async Task DisposeAsync()
    {
        await server.DisposeAsync();
        await provider.DisposeAsync();
    }

    [Fact]
    public async Task Token_SignsInWithTheRolesThatTheSettingsName()
    {
        var me = await Answers.JsonAsync(await GetAsync("/api/v1/me", Operator()));

        (me.GetProperty("id").GetString(), me.GetProperty("name").GetString(), me.GetProperty("kind").GetString()).ShouldBe(("u-17", "Jo Doe", "user"));
        me.GetProperty("roles").EnumerateArray().Select(role => role.GetString()).ShouldBe(["operator"]);
        me.GetProperty("antiforgeryToken").ValueKind.ShouldBe(System.Text.Json.JsonValueKind.Null);
    }

    [Fact]
    public async Task Token_ActsUnderItsSubject_AndOnlyWithinItsRole()
    {
        var entry = await server.AddEntryAsync();
        using var client = Client(Operator());

        (await client.PutAsync("/api/v1/maintenance", ServerHarness.Json("""{"reason":"no"}"""))).StatusCode.ShouldBe(HttpStatusCode.Forbidden);
        (await client.PostAsync($"/api/v1/failover-log/{entry.Id}/failback", ServerHarness.Json($$"""{"requestId":"{{entry.Id}}"}"""))).StatusCode.ShouldBe(HttpStatusCode.Accepted);

        var start = server.Runs.Starts.Single(run => (string)run.Input["EntryId"]! == entry.Id);
        (start.Actor.Id, start.Actor.Name).ShouldBe(("u-17", "Jo Doe"));
    }

    [Fact]
    public async Task Token_WithoutARoleOfOurs_MayNothing() =>
        (await GetAsync("/api/v1/servers", provider.Token(null, ("sub", "u-1"), ("realm_access", new Dictionary<string, object> { ["roles"] = new[] { "administrator" } })))).StatusCode
            .ShouldBe(HttpStatusCode.Forbidden, "our own names count only where no others are set");

    [Theory]
    [InlineData("expired")]
    [InlineData("not yet valid")]
    [InlineData("for another audience")]
    [InlineData("of another issuer")]
    [InlineData("signed by another key")]
    [InlineData("signed with what is public")]
    [InlineData("not signed")]
    [InlineData("without an end")]
    [InlineData("of nobody")]
    [InlineData("cut off")]
    public async Task Token_ThatIsWrong_SignsInNobody(string how)
    {
        (await GetAsync("/api/v1/me", Operator())).StatusCode.ShouldBe(HttpStatusCode.OK, "the keys are known");

        using var answer = await GetAsync("/api/v1/me", Wrong(how));

        var problem = await Answers.ProblemAsync(answer);
        (answer.StatusCode, problem.Type).ShouldBe((HttpStatusCode.Unauthorized, "urn:failback:not-signed-in"));
        problem.Detail.ShouldNotContain("IDX", Case.Sensitive, "what exactly is wrong is for the log");
    }

    [Fact]
    public async Task Token_OfANewKey_IsAcceptedOnceTheKeysWereReadAgain()
    {
        (await GetAsync("/api/v1/me", Operator())).StatusCode.ShouldBe(HttpStatusCode.OK);
        provider.ChangeKey();

        // The first token of a new key makes the keys be read again, beside the requests; one of the next finds them.
        await Eventually.GetAsync("the new key is known", async () => (await GetAsync("/api/v1/me", Operator())).StatusCode, status => status == HttpStatusCode.OK);
    }

    [Fact]
    public async Task Provider_Away_IsNotTheFaultOfWhoAsks()
    {
        provider.IsAway = true;

        var problem = await Answers.ProblemAsync(await GetAsync("/api/v1/me", Operator()));

        problem.Type.ShouldBe("urn:failback:identity-provider-unavailable");
        using var administrator = server.Administrator();
        (await administrator.GetAsync("/api/v1/me")).StatusCode.ShouldBe(HttpStatusCode.OK, "keys go on");
    }

    [Theory]
    [InlineData("Authority", "http://id.example/", "https")]
    [InlineData("Audience", "", "Audience")]
    [InlineData("Roles:king:0", "x", "'king'")]
    [InlineData("RoleClaim", "", "RoleClaim")]
    public void Settings_ThatMakeNoSense_StopTheStart(string setting, string value, string named)
    {
        var settings = new Dictionary<string, string?>
        {
            ["Failback:OpenIdProvider:Authority"] = "https://id.example/",
            ["Failback:OpenIdProvider:Audience"] = "failback",
            [$"Failback:OpenIdProvider:{setting}"] = value,
        };
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(settings).Build();

        Should.Throw<StartRefusedException>(() => OpenIdProviderOptions.Read(configuration)).Message.ShouldContain(named);
    }

    private string Operator(Action<SecurityTokenDescriptor>? change = null) => provider.Token(
        change, ("sub", "u-17"), ("preferred_username", "Jo Doe"), ("realm_access", new Dictionary<string, object> { ["roles"] = new[] { "vms-operators", "offline_access" } }));

    private string Wrong(string how)
    {
        var now = TimeProvider.System.GetUtcNow().UtcDateTime;
        return how switch
        {
            "expired" => Operator(token => token.Expires = now.AddMinutes(-1)),
            "not yet valid" => Operator(token => token.NotBefore = now.AddMinutes(2)),
            "for another audience" => Operator(token => token.Audience = "accounting"),
            "of another issuer" => Operator(token => token.Issuer = "http://127.0.0.1:1"),
            "signed by another key" => Operator(token =>
            {
                var other = OpenIdProviderStub.NewKey();
                other.KeyId = provider.Key.KeyId;
                token.SigningCredentials = new SigningCredentials(other, SecurityAlgorithms.RsaSha256);
            }),
            "signed with what is public" => Operator(token => token.SigningCredentials = new SigningCredentials(
                new SymmetricSecurityKey(provider.Key.Rsa.ExportSubjectPublicKeyInfo()) { KeyId = provider.Key.KeyId }, SecurityAlgorithms.HmacSha256)),
            "not signed" => $"{Base64UrlEncoder.Encode("""{"alg":"none"}""")}.{Operator().Split('.')[1]}.",
            "without an end" => Operator(token => token.Expires = null),
            "of nobody" => provider.Token(null, ("realm_access", new Dictionary<string, object> { ["roles"] = new[] { "vms-operators" } })),
            _ => Operator()[..^Encoding.UTF8.GetByteCount("signature")],
        };
    }

    private async Task<HttpResponseMessage> GetAsync(string path, string token)
    {
        using var client = Client(token);
        return await client.GetAsync(path);
    }

    private HttpClient Client(string token)
    {
        var client = server.Anonymous();
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        return client;
    }
}
