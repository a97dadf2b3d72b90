using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.RegularExpressions;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Persistence.Identity;
using FailbackWorkflows.Server.Hosting;
using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Tests.Server.Fakes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Server;

/// <summary>The real server with Kestrel on a free loopback port, over real stores in a folder of its own; only the runs stand still.</summary>
public sealed partial class ServerHarness : IAsyncLifetime
{
    public const string AdminPassword = "a long test password";
    public const string AdminKey = "test-key-of-the-administrator-0123456789";

    private readonly string folder = Path.Combine(Path.GetTempPath(), $"failback-server-{Guid.NewGuid():N}");

    private readonly IReadOnlyList<string> more;

    public ServerHarness()
        : this([])
    {
    }

    /// <summary>With further settings, as on the command line.</summary>
    internal ServerHarness(IReadOnlyList<string> more) => this.more = more;

    internal FakeRuns Runs => App.Services.GetRequiredService<FakeRuns>();

    internal RecordingAuditLog Audit { get; } = new();

    public WebApplication App { get; private set; } = null!;

    public Uri Address { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        App = FailbackWorkflows.Server.Program.Build(
            [
                "--urls", "http://127.0.0.1:0",
                "--data", folder,
                "--FAILBACK_ADMIN_PASSWORD", AdminPassword,
                "--FAILBACK_BOOTSTRAP_API_KEY", AdminKey,
                "--Failback:SignInAttemptsPerMinute", "1000",
                "--Failback:FeedHeartbeat", "00:00:01",
                "--Serilog:MinimumLevel:Default", "Warning",
                .. more,
            ],
            ReplaceRuns);
        await App.StartAsync();
        Address = new Uri(App.Urls.First());
    }

    public async Task DisposeAsync()
    {
        await App.StopAsync();
        await App.DisposeAsync();
        if (Directory.Exists(folder))
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>A client that keeps no cookies and follows no redirects.</summary>
    public HttpClient Anonymous() => new(new HttpClientHandler { AllowAutoRedirect = false, UseCookies = false }) { BaseAddress = Address };

    /// <summary>A client with an API key of a role.</summary>
    public async Task<HttpClient> WithRoleAsync(string role)
    {
        var administration = App.Services.GetRequiredService<ApiKeyAdministration>();
        var (_, secret) = await administration.CreateAsync($"test {role}", role, null, Actor.System, CancellationToken.None);
        var client = Anonymous();
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", secret);
        return client;
    }

    public HttpClient Administrator()
    {
        var client = Anonymous();
        client.DefaultRequestHeaders.Add("X-Api-Key", AdminKey);
        return client;
    }

    /// <summary>A browser signed in by the form, with its cookies.</summary>
    public async Task<HttpClient> SignInAsync(string user = "admin", string password = AdminPassword)
    {
        var browser = Browser();
        var answer = await PostFormAsync(browser, "/sign-in", "/sign-in", ("user", user), ("password", password));
        return answer.StatusCode == HttpStatusCode.Redirect ? browser : throw new InvalidOperationException($"Signing in answered {answer.StatusCode}.");
    }

    public HttpClient Browser() => new(new HttpClientHandler { AllowAutoRedirect = false, CookieContainer = new CookieContainer() }) { BaseAddress = Address };

    public async Task CreateUserAsync(string name, string role)
    {
        await using var scope = App.Services.CreateAsyncScope();
        var users = scope.ServiceProvider.GetRequiredService<UserManager<FailbackUser>>();
        var user = new FailbackUser { UserName = name };
        (await users.CreateAsync(user, AdminPassword)).Succeeded.ShouldBeTrue();
        (await users.AddToRoleAsync(user, role)).Succeeded.ShouldBeTrue();
    }

    /// <summary>Reads the page with the form, then posts what the form itself would post, its own anti-forgery token included.</summary>
    public static async Task<HttpResponseMessage> PostFormAsync(HttpClient browser, string page, string action, params (string Name, string Value)[] fields)
    {
        var html = await browser.GetStringAsync(page);
        var form = Form().Matches(html).Select(match => match.Value)
            .FirstOrDefault(text => text.Contains($"action=\"{action}\"", StringComparison.Ordinal) || !text.Contains("action=", StringComparison.Ordinal));
        // A page that shows no such form to this user: whoever posts all the same may still have a token from elsewhere on it.
        var token = AntiforgeryToken().Match(form ?? html).Groups[1].Value;
        var content = fields.Append((Name: "__RequestVerificationToken", Value: token)).Select(field => KeyValuePair.Create(field.Name, field.Value));
        return await browser.PostAsync(action, new FormUrlEncodedContent(content));
    }

    public static StringContent Json(string text) => new(text, Encoding.UTF8, "application/json");

    /// <summary>A failover that is done, of a server of its own, so that tests do not meet.</summary>
    internal async Task<FailoverLogEntry> AddEntryAsync(Func<FailoverLogEntry, FailoverLogEntry>? change = null)
    {
        var id = Guid.NewGuid().ToString("N");
        var entry = new FailoverLogEntry
        {
            Id = id,
            FailedServerId = $"rec-{id[..8]}",
            FailoverServerId = "rec-spare",
            Failover = FailoverState.Done,
            FailoverStartedAt = new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero),
            FailoverEndedAt = new DateTimeOffset(2026, 3, 1, 12, 0, 4, TimeSpan.Zero),
            StartedBy = "Administrator",
        };
        entry = change?.Invoke(entry) ?? entry;
        await App.Services.GetRequiredService<IDomainWriter>().ApplyAsync([new SaveFailoverLogEntry(entry)], CancellationToken.None);
        return entry;
    }

    /// <summary>A server that failed, of the id that an entry names.</summary>
    internal Task AddBrokenServerAsync(string id) => App.Services.GetRequiredService<IDomainWriter>().ApplyAsync(
        [
            new SaveVmsServer(new VmsServer
            {
                Id = id,
                Name = $"Hall {id}",
                BaseUrl = new Uri("http://127.0.0.1:9/"),
                ProtectedCredential = "none",
                State = VmsServerState.Broken,
                CreatedAt = new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero),
            }),
        ],
        CancellationToken.None);

    private void ReplaceRuns(IServiceCollection services)
    {
        services.AddSingleton<FakeRuns>();
        services.Replace(ServiceDescriptor.Singleton<IWorkflowRuntime>(provider => provider.GetRequiredService<FakeRuns>()));
        services.Replace(ServiceDescriptor.Singleton<IRunReports>(provider => provider.GetRequiredService<FakeRuns>()));
        services.Replace(ServiceDescriptor.Singleton<IAuditLog>(Audit));
        services.Configure<HealthCheckServiceOptions>(health =>
        {
            foreach (var idle in health.Registrations.Where(r => r.Name is "dispatcher" or "node jobs" or "cluster jobs").ToList())
            {
                health.Registrations.Remove(idle);
            }
        });

        // Nothing runs by itself in these tests: no dispatcher, no polling.
        foreach (var hosted in services.Where(service => service.ServiceType == typeof(IHostedService) && !IsNeeded(service)).ToList())
        {
            services.Remove(hosted);
        }
    }

    private static bool IsNeeded(ServiceDescriptor service) =>
        service.ImplementationType == typeof(FirstThings)
        || service.ImplementationType?.Assembly.GetName().Name?.StartsWith("Microsoft.AspNetCore", StringComparison.Ordinal) == true;

    [GeneratedRegex("<form.*?</form>", RegexOptions.Singleline)]
    private static partial Regex Form();

    [GeneratedRegex("name=\"__RequestVerificationToken\" type=\"hidden\" value=\"([^\"]+)\"")]
    private static partial Regex AntiforgeryToken();
}

/// <summary>One server for all tests of this kind: they use servers and entries of their own.</summary>
[CollectionDefinition(Name)]
public sealed class ServerTests : ICollectionFixture<ServerHarness>
{
    public const string Name = "management server";
}
