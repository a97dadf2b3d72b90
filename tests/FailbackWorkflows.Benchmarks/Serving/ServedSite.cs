using System.Net;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Builder;

namespace FailbackWorkflows.Benchmarks.Serving;

/// <summary>The management server in this process, on a free loopback port, as it is delivered; the data folder goes with it.</summary>
internal sealed partial class ServedSite : IAsyncDisposable
{
    public const string AdminKey = "benchmark-key-of-the-administrator-0123456789";
    private const string Password = "a long benchmark password";
    private readonly WebApplication app;
    private readonly DirectoryInfo folder;

    private ServedSite(WebApplication app, DirectoryInfo folder)
    {
        this.app = app;
        this.folder = folder;
        Address = new Uri(app.Urls.First());
    }

    public Uri Address { get; }

    public IServiceProvider Services => app.Services;

    /// <param name="settings">Further settings of the server, as on its command line.</param>
    public static async Task<ServedSite> StartAsync(string? postgres = null, params string[] settings)
    {
        var folder = Directory.CreateTempSubdirectory("failback-benchmark-");
        string[] arguments =
        [
            "--urls", "http://127.0.0.1:0", "--data", folder.FullName, "--FAILBACK_ADMIN_PASSWORD", Password, "--FAILBACK_BOOTSTRAP_API_KEY", AdminKey,
            "--Serilog:MinimumLevel:Default", "Warning", .. postgres is null ? [] : (string[])["--Failback:Postgres", postgres], .. settings,
        ];
        var app = Server.Program.Build(arguments);
        await app.StartAsync();
        return new ServedSite(app, folder);
    }

    public HttpClient Administrator()
    {
        var client = new HttpClient { BaseAddress = Address };
        client.DefaultRequestHeaders.Add("X-Api-Key", AdminKey);
        return client;
    }

    /// <summary>A browser's session.</summary>
    public async Task<HttpClient> SignInAsync()
    {
        var browser = new HttpClient(new SocketsHttpHandler { CookieContainer = new CookieContainer(), AllowAutoRedirect = false, MaxConnectionsPerServer = int.MaxValue }) { BaseAddress = Address, Timeout = Timeout.InfiniteTimeSpan };
        var token = Antiforgery().Match(await browser.GetStringAsync("sign-in")).Groups[1].Value;
        using var form = new FormUrlEncodedContent(new Dictionary<string, string> { ["user"] = "admin", ["password"] = Password, ["__RequestVerificationToken"] = token });
        using var answer = await browser.PostAsync("sign-in", form);
        return answer.StatusCode == HttpStatusCode.Redirect ? browser : throw new InvalidOperationException($"Signing in answered {answer.StatusCode}.");
    }

    public async ValueTask DisposeAsync()
    {
        await app.StopAsync();
        await app.DisposeAsync();
        folder.Delete(recursive: true);
    }

    [GeneratedRegex("name=\"__RequestVerificationToken\" type=\"hidden\" value=\"([^\"]+)\"")]
    private static partial Regex Antiforgery();
}
