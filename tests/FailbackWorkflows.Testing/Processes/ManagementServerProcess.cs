using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Persistence.Identity;

namespace FailbackWorkflows.Testing.Processes;

/// <summary>A real management server with its own folder and port, which it keeps over kills and restarts.</summary>
public sealed partial class ManagementServerProcess : IAsyncDisposable
{
    public const string Password = "Correct-horse-battery-9";

    private readonly HttpClient _http;
    private readonly IReadOnlyDictionary<string, string> _environment;
    private RunningProgram? _program;

    /// <param name="environment">Configuration beyond what every test needs, e.g. the licence's public key, or instead of it.</param>
    public ManagementServerProcess(string folder, IReadOnlyDictionary<string, string> environment)
    {
        Folder = folder;
        BaseUrl = new Uri($"http://127.0.0.1:{FreePort.Next()}/");
        var settings = new Dictionary<string, string>
        {
            ["FAILBACK_ADMIN_PASSWORD"] = Password,
            ["FAILBACK_BOOTSTRAP_API_KEY"] = ApiKey,
            ["Failback__PollInterval"] = "00:00:01",

            // Dry runs ask recorders too: a test that counts or breaks calls shall not meet those of a schedule.
            ["Failback__ReadinessInterval"] = "00:00:00",
        };
        foreach (var (name, value) in environment)
        {
            settings[name] = value;
        }

        _environment = settings;
        _http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false }) { BaseAddress = BaseUrl, Timeout = TimeSpan.FromSeconds(30) };
    }

    /// <summary>Key with the role administrator, there from the first start.</summary>
    public static string ApiKey => "fbk_scenarios-0123456789abcdef0123456789abcdef";

    public string Folder { get; }

    public Uri BaseUrl { get; }

    public string Output => _program?.Output ?? "";

    public int ProcessId => _program?.Id ?? 0;

    public async Task StartAsync()
    {
        _program = Begin(Folder, BaseUrl);
        await _program.WaitUntilReadyAsync();
    }

    /// <summary>Another process with the same configuration; it is not waited for.</summary>
    public RunningProgram Begin(string folder, Uri baseUrl) => RunningProgram.Start(
        ProgramFiles.Server,
        ["--urls", baseUrl.ToString().TrimEnd('/'), "--data", folder],
        _environment,
        "management server ready");

    /// <summary>SIGKILL. The folder stays.</summary>
    public async Task KillAsync()
    {
        if (_program is { } program)
        {
            await program.DisposeAsync();
        }
    }

    /// <summary>SIGSTOP: it stands still until <see cref="ContinueAsync"/>.</summary>
    public Task StopAsync() => _program!.StopAsync();

    /// <summary>SIGCONT.</summary>
    public Task ContinueAsync() => _program!.ContinueAsync();

    /// <summary>SIGTERM: it ends in good order; its exit code.</summary>
    public Task<int> EndAsync() => _program!.EndAsync(TimeSpan.FromSeconds(60));

    public Task<Answer> GetAsync(string path, string? apiKey = null) => SendAsync(HttpMethod.Get, path, (HttpContent?)null, apiKey);

    /// <summary>What is no text, as the administrator gets it.</summary>
    public async Task<byte[]> GetBytesAsync(string path)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.Add("X-Api-Key", ApiKey);
        using var response = await _http.SendAsync(request);
        return await response.EnsureSuccessStatusCode().Content.ReadAsByteArrayAsync();
    }

    public Task<Answer> PostAsync(string path, JsonNode body, string? apiKey = null) => SendAsync(HttpMethod.Post, path, body, apiKey);

    public Task<Answer> PutAsync(string path, JsonNode body, string? apiKey = null) => SendAsync(HttpMethod.Put, path, body, apiKey);

    public Task<Answer> SendAsync(HttpMethod method, string path, JsonNode body, string? apiKey = null) =>
        SendAsync(method, path, new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json"), apiKey);

    /// <param name="apiKey">Null: the administrator's; empty: none.</param>
    public async Task<Answer> SendAsync(HttpMethod method, string path, HttpContent? content, string? apiKey = null)
    {
        using var request = new HttpRequestMessage(method, path) { Content = content };
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
        if (apiKey != "")
        {
            request.Headers.Add("X-Api-Key", apiKey ?? ApiKey);
        }

        using var response = await _http.SendAsync(request);
        return new Answer(response.StatusCode, response.Content.Headers.ContentType?.MediaType, await response.Content.ReadAsStringAsync())
        {
            Printed = response.StatusCode == HttpStatusCode.InternalServerError ? Output[^Math.Min(Output.Length, 10_000)..] : null,
        };
    }

    /// <summary>A person signed in by the form, as a browser does it: with the session's cookie and its anti-forgery token on every request.</summary>
    /// <param name="cookies">Where the cookies go; they are good for other servers on 127.0.0.1 too, whatever their port.</param>
    public async Task<HttpClient> SignInAsync(string user, string password, CookieContainer? cookies = null)
    {
        var browser = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, CookieContainer = cookies ?? new CookieContainer() }) { BaseAddress = BaseUrl, Timeout = TimeSpan.FromSeconds(30) };
        var form = await browser.GetStringAsync("sign-in");
        var answer = await browser.PostAsync("sign-in", new FormUrlEncodedContent(new Dictionary<string, string>
        {
            ["user"] = user,
            ["password"] = password,
            ["__RequestVerificationToken"] = FormToken().Match(form).Groups[1].Value,
        }));
        if (answer.StatusCode != HttpStatusCode.Redirect)
        {
            throw new InvalidOperationException($"Signing in as {user} answered {(int)answer.StatusCode}.");
        }

        var me = JsonNode.Parse(await browser.GetStringAsync("api/v1/me"))!;
        browser.DefaultRequestHeaders.Add("X-Antiforgery-Token", (string)me["antiforgeryToken"]!);
        return browser;
    }

    /// <summary>The audit log, oldest first.</summary>
    public async Task<IReadOnlyList<AuditRecord>> ListAuditAsync() => [.. (await GetAsync("api/v1/audit-log?take=1000")).As<AuditAnswer>().Items.Select(i => i.Record)];

    public async Task<RunReport> GetRunAsync(string runId) => (await GetAsync($"api/v1/runs/{Uri.EscapeDataString(runId)}")).As<RunReport>();

    public async Task<FailoverLogEntry> GetEntryAsync(string entryId) => (await GetAsync($"api/v1/failover-log/{Uri.EscapeDataString(entryId)}")).As<FailoverLogEntry>();

    /// <summary>The whole change feed, or what came after a cursor.</summary>
    public async Task<IReadOnlyList<JsonObject>> ListChangesAsync(long after = 0)
    {
        var all = new List<JsonObject>();
        while ((await GetAsync($"api/v1/changes?after={after}&take=1000")).As<JsonObject>() is var page && page["items"]!.AsArray() is { Count: > 0 } items)
        {
            all.AddRange(items.Select(i => i!.AsObject()));
            after = (long)page["nextAfter"]!;
        }

        return all;
    }

    /// <summary>The journal of a run, oldest event first.</summary>
    public async Task<IReadOnlyList<JsonObject>> ListJournalAsync(string runId)
    {
        var all = new List<JsonObject>();
        var after = 0L;
        while ((await GetAsync($"api/v1/runs/{runId}/journal?after={after}&take=1000")).As<JsonObject>() is var page && page["items"]!.AsArray() is { Count: > 0 } items)
        {
            all.AddRange(items.Select(i => i!.AsObject()));
            after = (long)page["nextAfter"]!;
        }

        return all;
    }

    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        _http.Dispose();
    }

    [GeneratedRegex("name=\"__RequestVerificationToken\" type=\"hidden\" value=\"([^\"]+)\"")]
    private static partial Regex FormToken();

    private sealed record AuditAnswer(IReadOnlyList<AuditEntry> Items);
}
