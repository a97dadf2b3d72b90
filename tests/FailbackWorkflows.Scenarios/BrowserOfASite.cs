using FailbackWorkflows.Testing.Processes;
using Microsoft.Playwright;

namespace FailbackWorkflows.Scenarios;

/// <summary>A real browser at a site. It notes what no page may do: ask another host, or fail in its own scripts.</summary>
internal sealed class BrowserOfASite : IAsyncDisposable
{
    private readonly IPlaywright playwright;
    private readonly IBrowser browser;
    private readonly Uri server;

    private BrowserOfASite(IPlaywright playwright, IBrowser browser, Uri server)
    {
        this.playwright = playwright;
        this.browser = browser;
        this.server = server;
    }

    /// <summary>Requests to other hosts and faults of scripts, as sentences.</summary>
    public List<string> Complaints { get; } = [];

    public static async Task<BrowserOfASite> OpenAsync(Uri server)
    {
        // A machine that runs other programs beside the browser is slow, not wrong.
        Assertions.SetDefaultExpectTimeout(30_000);
        var playwright = await Playwright.CreateAsync();
        return new BrowserOfASite(playwright, await playwright.Chromium.LaunchAsync(new() { ExecutablePath = BrowserFiles.Chromium, Args = ["--no-sandbox"] }), server);
    }

    /// <summary>A person's own window: cookies of nobody else.</summary>
    public async Task<IPage> NewPersonAsync(string? user = null, string password = ManagementServerProcess.Password, int width = 1280, int height = 1000, ColorScheme colors = ColorScheme.Light, string zone = "Europe/Berlin")
    {
        var context = await browser.NewContextAsync(new() { BaseURL = server.ToString(), ViewportSize = new() { Width = width, Height = height }, ColorScheme = colors, TimezoneId = zone });
        var page = await context.NewPageAsync();
        page.SetDefaultTimeout(60_000);
        page.PageError += (_, error) => Note($"{page.Url}: {error}");
        page.Console += (_, message) =>
        {
            if (message.Type == "error" && message.Text.Contains("Content Security Policy", StringComparison.OrdinalIgnoreCase))
            {
                Note($"{page.Url}: {message.Text}");
            }
        };
        page.Request += (_, request) =>
        {
            if (request.Url.StartsWith("http", StringComparison.Ordinal) && new Uri(request.Url).Authority != server.Authority)
            {
                Note($"{page.Url} asks {request.Url}");
            }
        };
        if (user is not null)
        {
            await SignInAsync(page, user, password);
        }

        return page;
    }

    public static async Task SignInAsync(IPage page, string user, string password = ManagementServerProcess.Password)
    {
        await page.GotoAsync("/sign-in");
        await page.GetByLabel("User name").FillAsync(user);
        await page.GetByLabel("Password").FillAsync(password);
        await page.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();
        await page.IsAtAsync(url => !url.AbsolutePath.EndsWith("/sign-in", StringComparison.Ordinal));
    }

    public async ValueTask DisposeAsync()
    {
        await browser.DisposeAsync();
        playwright.Dispose();
    }

    private void Note(string complaint)
    {
        lock (Complaints)
        {
            Complaints.Add(complaint);
        }
    }
}
