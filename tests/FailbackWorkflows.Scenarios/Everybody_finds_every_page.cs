using System.Text.Json;
using System.Text.Json.Nodes;
using FailbackWorkflows.Testing.Processes;
using Microsoft.Playwright;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>
/// Every page of the operator UI in a real browser, light and dark, wide and narrow: axe-core finds nothing serious, nothing is asked of another host,
/// nothing is cut off at the side, and no time is that of elsewhere; and for every role, what may not be done is there and says why.
/// </summary>
public sealed class Everybody_finds_every_page : IClassFixture<Everybody_finds_every_page.OfASite>
{
    private const string Person = "pat";

    /// <summary>What is wider than the place it has: the page itself, a card, or a box that hides or scrolls what does not fit. What is made to scroll (<c>pre</c>, a diagram) may.</summary>
    private const string CutOff =
        """
        () => [document.documentElement, ...document.querySelectorAll('body *')]
          .filter(e => e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 1 && (e.matches('html, .card') || getComputedStyle(e).overflowX !== 'visible'))
          .filter(e => !e.matches('pre, input, textarea, select, .tabs, .replay-canvas'))
          .map(e => `${e.tagName}.${e.className} holds ${e.scrollWidth} pixels in ${e.clientWidth}`)
        """;

    /// <summary>Instants that are not the viewer's: in UTC where nobody points, or pointed at without UTC. What is kept to the letter (<c>code</c>) is left as it is.</summary>
    private const string TimesOfElsewhere =
        """
        () => {
          const utc = /\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}|\d{2}:\d{2}(:\d{2})?( UTC|Z)/;
          const found = [];
          const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
          while (walker.nextNode()) {
            const text = walker.currentNode;
            const said = text.parentElement.matches('title, option') ? text.nodeValue.replace(/\([^()]* UTC\)/g, '') : text.nodeValue;
            if (utc.test(said) && !text.parentElement.closest('code, pre, textarea, script, style')) found.push(text.nodeValue.trim());
          }
          for (const name of ['title', 'aria-label']) {
            for (const e of document.body.querySelectorAll(`[${name}]:not(time, input)`)) {
              if (utc.test(e.getAttribute(name).replace(/\([^()]* UTC\)/g, ''))) found.push(`${name}: ${e.getAttribute(name)}`);
            }
          }
          for (const time of document.querySelectorAll('time')) if (!time.title.endsWith(' UTC')) found.push(`without UTC: ${time.outerHTML}`);
          return found;
        }
        """;
    private readonly OfASite site;

    public Everybody_finds_every_page(OfASite site) => this.site = site;

    [Fact]
    public async Task And_axe_core_finds_nothing_serious_on_it()
    {
        var axe = await BrowserFiles.ReadAxeAsync();
        await using var browser = await BrowserOfASite.OpenAsync(site.Server.BaseUrl);
        var found = new List<string>();
        foreach (var colors in (ColorScheme[])[ColorScheme.Light, ColorScheme.Dark])
        {
            var stranger = await browser.NewPersonAsync(colors: colors);
            found.AddRange(await LookAsync(stranger, new("/sign-in"), axe, colors));
            var page = await browser.NewPersonAsync("admin", colors: colors);
            foreach (var place in site.Pages)
            {
                found.AddRange(await LookAsync(page, place, axe, colors));
            }
        }

        found.ShouldBeEmpty();
        browser.Complaints.ShouldBeEmpty();
    }

    [Fact]
    public async Task On_a_phone_a_desk_and_a_wall_nothing_is_cut_off()
    {
        await using var browser = await BrowserOfASite.OpenAsync(site.Server.BaseUrl);
        var cut = new List<string>();
        foreach (var (width, height) in ((int, int)[])[(360, 740), (1280, 900), (1920, 1080)])
        {
            var page = await browser.NewPersonAsync("admin", width: width, height: height);
            foreach (var (path, _) in site.Pages)
            {
                await page.GotoAsync(path);
                cut.AddRange((await page.EvaluateAsync<string[]>(CutOff)).Select(what => $"{path} at {width}: {what}"));

                await PictureForReviewAsync(page, $"{NameOf(path)}-{width}");
            }
        }

        cut.ShouldBeEmpty();
    }

    [Theory]
    [InlineData("viewer", false)]
    [InlineData("operator", true)]
    [InlineData("integrator", false)]
    [InlineData("auditor", false)]
    public async Task Whatever_the_role_it_is_told_what_it_may_not_do(string role, bool mayOperate)
    {
        await using var browser = await BrowserOfASite.OpenAsync(site.Server.BaseUrl);
        await site.CreateUserAsync($"{Person}-{role}", role);
        var page = await browser.NewPersonAsync($"{Person}-{role}");

        foreach (var (path, _) in site.Pages)
        {
            var answer = await page.GotoAsync(path);
            var mayRead = AccessPage.MayOpen(role, path);
            (new Uri(page.Url).AbsolutePath == "/denied").ShouldBe(!mayRead || path == "/denied", $"{role} at {path}: {answer!.Status}");
            (await page.GetByRole(AriaRole.Heading, new() { Level = 1 }).CountAsync()).ShouldBe(1, path);
        }

        await page.GotoAsync($"/failover-log/{site.OpenEntryId}");
        var start = page.Locator("#start-failback");
        if (mayOperate)
        {
            await Assertions.Expect(start).ToBeEnabledAsync();
        }
        else
        {
            await Assertions.Expect(page.GetByRole(AriaRole.Button, new() { Name = "Start failback" })).ToBeDisabledAsync();
            (await page.Locator("main").InnerTextAsync()).ShouldContain("Needs the role operator", Case.Insensitive);
        }

        await page.GotoAsync("/servers");
        await Assertions.Expect(page.GetByRole(AriaRole.Button, new() { Name = "Add a VMS server" })).ToBeDisabledAsync();
        (await page.Locator("#why-add").InnerTextAsync()).ShouldContain("administrator");
        await page.GotoAsync("/system");
        (await page.Locator("main").InnerTextAsync()).ShouldContain("needs the role administrator");
        browser.Complaints.ShouldBeEmpty();
    }

    private static async Task<IReadOnlyList<string>> LookAsync(IPage page, Place place, string axe, ColorScheme colors)
    {
        var path = place.Path;
        await page.GotoAsync(path);
        (await page.GetByRole(AriaRole.Heading, new() { Level = 1 }).CountAsync()).ShouldBe(1, path);
        await page.EvaluateAsync(axe);
        var result = await page.EvaluateAsync<JsonElement>("async () => (await axe.run(document, { resultTypes: ['violations'] })).violations");
        await PictureForReviewAsync(page, $"{NameOf(path)}-{colors}");
        if (place.Picture is { } picture && colors == ColorScheme.Light && BrowserFiles.WantsPictures)
        {
            await page.ScreenshotAsync(new() { Path = BrowserFiles.PictureOf(picture), FullPage = true });
        }

        return
        [
            .. (await page.EvaluateAsync<string[]>(TimesOfElsewhere)).Select(what => $"{path}: {what}"),
            .. from violation in result.EnumerateArray()
               where violation.GetProperty("impact").GetString() is "serious" or "critical"
               from node in violation.GetProperty("nodes").EnumerateArray()
               select $"{path} ({colors}): {violation.GetProperty("id").GetString()}: {node.GetProperty("html").GetString()} {node.GetProperty("failureSummary").GetString()}",
        ];
    }

    /// <summary>To be looked at while one works on a page: into the folder FAILBACK_REVIEW_PICTURES.</summary>
    private static async Task PictureForReviewAsync(IPage page, string name)
    {
        if (Environment.GetEnvironmentVariable("FAILBACK_REVIEW_PICTURES") is { Length: > 0 } folder)
        {
            await page.ScreenshotAsync(new() { Path = Path.Combine(Directory.CreateDirectory(folder).FullName, $"{name}.png"), FullPage = true });
        }
    }

    private static string NameOf(string path)
    {
        var parts = path.Trim('/').Split('/', '?', '=').Select(part => part.Length == 32 ? "entry" : part).Where(part => part.Length > 0);
        return string.Join('-', parts);
    }

    /// <summary>A page, and the name of its picture in the documentation if there is one.</summary>
    public sealed record Place(string Path, string? Picture = null);

    /// <summary>A site with something on every page: a failover that waits for its failback, and one that is home again with its material.</summary>
    public sealed class OfASite : IAsyncLifetime
    {
        private Site? site;

        public ManagementServerProcess Server => site!.Server;

        public string OpenEntryId { get; private set; } = "";

        public IReadOnlyList<Place> Pages { get; private set; } = [];

        public async Task InitializeAsync()
        {
            (site, var homeId) = await Site.StartFailedOverAsync();
            var run = await site.FailBackAsync(homeId);
            await site.Server.PostAsync($"api/v1/failover-log/{homeId}/material-copy", new JsonObject { ["requestId"] = site.NewRequestId() });
            await Eventually.GetAsync("the material is home", () => site.Server.GetEntryAsync(homeId), entry => entry.MaterialCopy == FailbackWorkflows.Failback.FailoverLog.MaterialCopyState.Copied);
            OpenEntryId = await site.FailOverAsync();
            await site.ReturnMainAsync();
            Pages =
            [
                new("/servers", "servers"), new("/servers/add"), new($"/servers/{Site.MainId}", "server"), new($"/servers/{Site.StandbyId}"), new($"/servers/{Site.MainId}/failover", "start-failover"),
                new($"/servers/{Site.MainId}/settings"), new($"/servers/{Site.MainId}/replace-machine"), new($"/servers/{Site.MainId}/edit"), new("/failover-log", "failover-log"),
                new("/failover-log?view=finalized"), new("/failover-log?q=nothing+like+it"), new($"/failover-log/{OpenEntryId}", "entry"), new($"/failover-log/{homeId}"),
                new($"/failover-log/{homeId}/coverage", "coverage"), new($"/runs/{run.RunId}"), new($"/runs/{run.RunId}/replay"), new("/history"), new("/history/audit-log"),
                new("/workflows"), new("/workflows/failback"), new("/workflows/failback/diff?from=2&to=2"), new("/system", "system"), new("/system/users", "users"), new("/account/password"), new("/denied"), new("/no-such-page"),
            ];
        }

        public Task CreateUserAsync(string name, string role) => site!.CreateUserAsync(name, role);

        public async Task DisposeAsync()
        {
            if (site is not null)
            {
                await site.DisposeAsync();
            }
        }
    }
}
