using System.Globalization;
using System.Text.Json.Nodes;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Testing.Faults;
using FailbackWorkflows.Testing.Processes;
using Microsoft.Playwright;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>
/// A browser in Tokyo, nine hours before UTC all the year: what it shows and what it is asked are times of Tokyo, those inside of sentences and in what is only
/// seen by pointing, too; and whoever points sees UTC.
/// </summary>
public sealed class Somebody_looks_from_another_time_zone
{
    private const string Zone = "Asia/Tokyo";
    private static readonly TimeSpan Offset = TimeSpan.FromHours(9);

    [Fact]
    public async Task And_sees_and_says_every_time_as_it_is_there()
    {
        await using var site = await Site.StartAsync(isRegistered: false);
        await using var link = await MaterialLink.StartAsync(site.Standby.BaseUrl);
        await site.RegisterAsync(site.Main);
        await site.RegisterAsync(site.Standby, link.BaseUrl);
        var open = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        link.Middle = async request =>
        {
            if (request.SegmentId is not null)
            {
                await open.Task;
            }

            return false;
        };
        var entryId = await site.FailOverAsync();
        await site.ReturnMainAsync();
        (await site.FailBackAsync(entryId)).Result.ShouldBe("done");
        var entry = await Eventually.GetAsync("its material is copied", () => site.Server.GetEntryAsync(entryId), e => e.MaterialCopy == MaterialCopyState.Running);
        await using var browser = await BrowserOfASite.OpenAsync(site.Server.BaseUrl);
        var page = await browser.NewPersonAsync("admin", zone: Zone);

        await ThePeriodOfASearchIsOneOfDaysThereAsync(page, entry);
        await TheWindowOfACopyIsOneOfHoursThereAsync(site, page, entryId);
        await ASentenceAsync(site, page);
        open.SetResult();
        await Eventually.GetAsync("its material is home", () => site.Server.GetEntryAsync(entryId), e => e.MaterialCopy == MaterialCopyState.Copied);
        await WhatIsSeenByPointingAsync(page, entryId);
        browser.Complaints.ShouldBeEmpty();
    }

    private static async Task ThePeriodOfASearchIsOneOfDaysThereAsync(IPage page, FailoverLogEntry entry)
    {
        await page.GotoAsync("/failover-log");
        var started = await page.Locator("#entries time").First.EvaluateAsync<string[]>("time => [time.dateTime, time.textContent, time.title]");
        Read(started[0]).ShouldBe(entry.FailoverStartedAt, TimeSpan.FromMilliseconds(1));
        Plain(started[1]).ShouldBe(There(entry.FailoverStartedAt));
        started[2].ShouldBe($"{entry.FailoverStartedAt.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC");

        var day = DateOnly.FromDateTime((entry.FailoverStartedAt + Offset).DateTime);
        await page.Locator("#search summary").ClickAsync();
        (await page.Locator("#search .hint").InnerTextAsync()).ShouldBe("your time zone");
        await SearchAsync(page, day, day);
        await Assertions.Expect(page.Locator("#entries")).ToContainTextAsync(Site.MainId);
        var asked = new Uri(page.Url).Query;
        asked.ShouldContain($"since={Uri.EscapeDataString($"{day.AddDays(-1):yyyy-MM-dd}T15:00:00.000Z")}");
        asked.ShouldContain($"until={Uri.EscapeDataString($"{day:yyyy-MM-dd}T15:00:00.000Z")}");
        (await page.GetByLabel("Started from").InputValueAsync(), await page.Locator("#filter-until").InputValueAsync()).ShouldBe(($"{day:yyyy-MM-dd}", $"{day:yyyy-MM-dd}"), "the same days are asked for still");
        (await page.GetByLabel("Started from").GetAttributeAsync("title")).ShouldBe($"{day.AddDays(-1):yyyy-MM-dd} 15:00:00 UTC");

        foreach (var other in (int[])[-1, 1])
        {
            await SearchAsync(page, day.AddDays(other), day.AddDays(other));
            await Assertions.Expect(page.Locator("#entries")).ToContainTextAsync("Nothing found");
        }
    }

    private static async Task SearchAsync(IPage page, DateOnly first, DateOnly last)
    {
        await page.GetByLabel("Started from").FillAsync($"{first:yyyy-MM-dd}");
        await page.Locator("#filter-until").FillAsync($"{last:yyyy-MM-dd}");
        await page.GetByRole(AriaRole.Search).GetByRole(AriaRole.Button, new() { Name = "Search" }).ClickAsync();
        await Assertions.Expect(page.Locator("#filter-since")).ToHaveAttributeAsync("data-at", $"{first.AddDays(-1):yyyy-MM-dd}T15:00:00.000Z");
    }

    private static async Task TheWindowOfACopyIsOneOfHoursThereAsync(Site site, IPage page, string entryId)
    {
        await page.GotoAsync($"/failover-log/{entryId}");
        await page.Locator("#copy-limits summary").ClickAsync();
        await page.Locator("#copy-from").FillAsync("07:30");
        await page.Locator("#copy-to").FillAsync("23:00");
        await page.GetByRole(AriaRole.Button, new() { Name = "Change the limits" }).ClickAsync();
        await Assertions.Expect(page.Locator("main")).ToContainTextAsync("The limits were changed.");

        var limits = (await site.Server.GetAsync($"api/v1/failover-log/{entryId}/material-copy")).Json!["task"]!["limits"]!;
        ((string?)limits["windowFrom"], (string?)limits["windowTo"]).ShouldBe(("22:30:00", "14:00:00"));
        (await page.Locator("#copy-from").InputValueAsync(), await page.Locator("#copy-to").InputValueAsync()).ShouldBe(("07:30", "23:00"), "and so it is shown");
        (await page.Locator("#copy-from").GetAttributeAsync("title")).ShouldBe("22:30 UTC");
        (await page.Locator("label[for=copy-from] .hint").TextContentAsync()).ShouldBe("your time zone; empty: always");

        // Sent once more as it stands it is the same; taken away it is gone.
        await page.Locator("#copy-limits summary").ClickAsync();
        await page.Locator("#copy-from").FillAsync("");
        await page.Locator("#copy-to").FillAsync("");
        await page.GetByRole(AriaRole.Button, new() { Name = "Change the limits" }).ClickAsync();
        await Assertions.Expect(page.Locator("#copy-from")).ToHaveValueAsync("");
        (await site.Server.GetAsync($"api/v1/failover-log/{entryId}/material-copy")).Json!["task"]!["limits"]!["windowFrom"].ShouldBeNull();
    }

    private static async Task ASentenceAsync(Site site, IPage page)
    {
        await page.GotoAsync("/failover-log");
        var answer = await site.Server.PutAsync("api/v1/maintenance", new JsonObject { ["reason"] = "New switches since 2026-03-01 23:30 UTC" });
        var since = Read((string)answer.Json!["startedAt"]!);
        await page.GotoAsync("/servers");
        var times = await page.Locator("#alerts time").EvaluateAllAsync<string[][]>("times => times.map(time => [time.textContent, time.title])");
        times.Select(t => (Plain(t[0]), t[1])).ShouldContain((There(since), $"{since.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC"));
        times.Select(t => (Plain(t[0]), t[1])).ShouldContain(("Mar 2, 2026, 8:30:00 AM", "2026-03-01 23:30 UTC"), "also what somebody has written");
        await site.Server.SendAsync(HttpMethod.Delete, "api/v1/maintenance", (HttpContent?)null);

        // What comes later into a page that is open.
        await page.GotoAsync("/servers");
        await Assertions.Expect(page.Locator("#alerts")).Not.ToContainTextAsync("New switches");
        await site.Server.PutAsync("api/v1/maintenance", new JsonObject { ["reason"] = "Again since 2026-03-01 23:30 UTC" });
        await Assertions.Expect(page.Locator("#alerts")).ToContainTextAsync("Again since Mar 2, 2026");
        await site.Server.SendAsync(HttpMethod.Delete, "api/v1/maintenance", (HttpContent?)null);
    }

    private static async Task WhatIsSeenByPointingAsync(IPage page, string entryId)
    {
        await page.GotoAsync($"/failover-log/{entryId}/coverage");
        var titles = await page.Locator("svg rect title").EvaluateAllAsync<string[]>("titles => titles.map(title => title.textContent)");
        titles.ShouldNotBeEmpty();
        foreach (var title in titles)
        {
            var utc = title.Split('(', ')').Where(part => part.EndsWith(" UTC", StringComparison.Ordinal)).Select(part => DateTimeOffset.ParseExact(part[..^4], "yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal)).ToList();
            utc.Count.ShouldBe(2, title);
            Plain(title).ShouldContain($": {There(utc[0])} ({utc[0]:yyyy-MM-dd HH:mm:ss} UTC) to {There(utc[1])} ({utc[1]:yyyy-MM-dd HH:mm:ss} UTC)");
        }
    }

    private static DateTimeOffset Read(string instant) => DateTimeOffset.Parse(instant, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal);

    private static string There(DateTimeOffset at) => (at.ToUniversalTime() + Offset).ToString("MMM d, yyyy, h:mm:ss tt", CultureInfo.InvariantCulture);

    /// <summary>Browsers put narrow spaces into times.</summary>
    private static string Plain(string text) => text.Replace('\u202f', ' ').Trim();
}
