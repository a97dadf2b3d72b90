using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Testing.Processes;
using Microsoft.Playwright;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>Open pages while others act, while the management server is killed and starts again, and while the session ends: nothing is done twice, and nobody has to reload.</summary>
public sealed class A_page_outlives_what_happens_to_it
{
    [Fact]
    public async Task Another_operator_a_killed_server_and_the_end_of_the_session()
    {
        var (site, firstId) = await Site.StartFailedOverAsync();
        await using var _ = site;
        await using var browser = await BrowserOfASite.OpenAsync(site.Server.BaseUrl);
        var one = await browser.NewPersonAsync("admin");
        var two = await browser.NewPersonAsync("admin");

        await TwoClickAtTheSameMomentAsync(site, firstId, one, two);
        var secondId = await site.FailOverAsync();
        await site.ReturnMainAsync();
        await TheServerIsKilledAndStartsAgainAsync(site, secondId, one);
        await TheSessionEndsAsync(site, two);
        browser.Complaints.ShouldBeEmpty();
    }

    private static async Task TwoClickAtTheSameMomentAsync(Site site, string entryId, params IPage[] people)
    {
        foreach (var page in people)
        {
            await page.GotoAsync($"/failover-log/{entryId}");
            await Assertions.Expect(page.Locator("#start-failback")).ToBeEnabledAsync();
        }

        // Without waiting for a button that holds still: who comes too late finds none, and sees the other's run.
        await Task.WhenAll(people.Select(page => page.EvaluateAsync("() => { setTimeout(() => document.getElementById('start-failback')?.click()); }")));

        foreach (var page in people)
        {
            await Assertions.Expect(page.Locator("#result .banner-title")).ToHaveTextAsync("Failback OK", new() { Timeout = 60_000 });
        }

        var entry = await site.Server.GetEntryAsync(entryId);
        entry.Failback.ShouldBe(FailbackState.Done);
        (await site.Server.ListChangesAsync()).Count(change => ((string?)change["text"])?.Contains("was failed back", StringComparison.OrdinalIgnoreCase) == true)
            .ShouldBeLessThanOrEqualTo(1, "one failback, however many clicks");
    }

    private static async Task TheServerIsKilledAndStartsAgainAsync(Site site, string entryId, IPage page)
    {
        await page.GotoAsync($"/failover-log/{entryId}");
        await page.GetByLabel("Reason").FillAsync("typed before the server died");
        await Assertions.Expect(page.Locator("#start-failback")).ToBeEnabledAsync();

        await site.Server.KillAsync();
        await Assertions.Expect(page.Locator("#connection")).ToBeVisibleAsync();
        await site.Server.StartAsync();
        await Assertions.Expect(page.Locator("#connection")).ToBeHiddenAsync(new() { Timeout = 60_000 });
        (await page.GetByLabel("Reason").InputValueAsync()).ShouldBe("typed before the server died");

        (await site.FailBackAsync(entryId)).Result.ShouldBe("done");
        await Assertions.Expect(page.Locator("#result .banner-title")).ToHaveTextAsync("Failback OK", new() { Timeout = 60_000 });
        await Assertions.Expect(page.Locator("#steps li.step.ok")).ToHaveCountAsync(11);
    }

    private static async Task TheSessionEndsAsync(Site site, IPage page)
    {
        await page.GotoAsync("/servers");
        await page.GetByLabel("Reason").FillAsync("the session ends meanwhile");
        await page.Context.ClearCookiesAsync();

        // The page may notice by itself before the click arrives, and on a busy machine a click may find nothing that holds still; a person clicks again. All ways lead to the sign-in page.
        await Eventually.GetAsync(
            "the sign-in page is there",
            async () =>
            {
                try
                {
                    if (page.Url.Contains("/sign-in?", StringComparison.Ordinal))
                    {
                        return await page.GetByLabel("User name").IsVisibleAsync() ? "" : await page.ContentAsync();
                    }

                    await page.GetByRole(AriaRole.Button, new() { Name = "Turn maintenance mode on" }).ClickAsync(new() { Timeout = 10_000 });
                    return $"clicked; {page.Url}";
                }
                catch (Exception exception) when (exception is PlaywrightException or TimeoutException)
                {
                    return $"{page.Url}: {exception.Message}";
                }
            },
            seen => seen.Length == 0);
        (await site.Server.ListChangesAsync()).ShouldNotContain(change => (string?)change["kind"] == "maintenance", "nobody was signed in any more");

        await page.GetByLabel("User name").FillAsync("admin");
        await page.GetByLabel("Password").FillAsync(ManagementServerProcess.Password);
        await page.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();
        await page.IsAtAsync("/servers");
        await page.GetByLabel("Reason").FillAsync("signed in again");
        await page.GetByRole(AriaRole.Button, new() { Name = "Turn maintenance mode on" }).ClickAsync();
        await Assertions.Expect(page.Locator("#alerts")).ToContainTextAsync("signed in again");
    }
}
