using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
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
        var run = await site.FailBackAsync(entryId);
        run.Result.ShouldBe("done");
        var entry = await Eventually.GetAsync("its material is copied", () => site.Server.GetEntryAsync(entryId), e => e.MaterialCopy == MaterialCopyState.Running);
        await using var browser = await BrowserOfASite.OpenAsync(site.Server.BaseUrl);
        var page = await browser.NewPersonAsync("admin", zone: Zone);

        await ThePeriodOfASearchIsOneOfDaysThereAsync(page, entry);
        await TheWindowOfACopyIsOneOfHoursThereAsync(site, page, entryId);
        await ASentenceAsync(site, page);
        open.SetResult();
        await Eventually.GetAsync("its material is home", () => site.Server.GetEntryAsync(entryId), e => e.MaterialCopy == MaterialCopyState.Copied);
        await WhatIsSeenByPointingAsync(page, entryId);
        await WhatIsPlayedAsync(page);
        await AReplayAsync(page, run.RunId);
        await ADayWithoutMidnightAsync(browser);
        browser.Complaints.ShouldBeEmpty();
    }

    private static async Task ThePeriodOfASearchIsOneOfDaysThereAsync(IPage page, FailoverLogEntry entry)
    {
        await page.GotoAsync("/failover-log");
        await Assertions.Expect(page.Locator("#zone")).ToContainTextAsync(Zone);
        var started = await page.Locator("#entries time").First.EvaluateAsync<string[]>("time => [time.dateTime, time.textContent, time.title]");
        Read(started[0]).ShouldBe(entry.FailoverStartedAt, TimeSpan.FromMilliseconds(1));
        Plain(started[1]).ShouldBe(There(entry.FailoverStartedAt));
        started[2].ShouldBe($"{entry.FailoverStartedAt.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC");

        var day = DateOnly.FromDateTime((entry.FailoverStartedAt + Offset).DateTime);
        await page.Locator("#search summary").ClickAsync();
        (await page.Locator("#search .hint").InnerTextAsync()).ShouldBe("your time");
        await SearchAsync(page, day, day);
        await Assertions.Expect(page.Locator("#entries")).ToContainTextAsync(Site.MainId);
        var asked = new Uri(page.Url).Query;
        asked.ShouldContain($"since={Uri.EscapeDataString($"{day.AddDays(-1):yyyy-MM-dd}T15:00:00.000Z")}");
        asked.ShouldContain($"until={Uri.EscapeDataString($"{day:yyyy-MM-dd}T15:00:00.000Z")}");
        await Assertions.Expect(page.GetByLabel("Started from")).ToHaveValueAsync($"{day:yyyy-MM-dd}");
        await Assertions.Expect(page.Locator("#filter-until")).ToHaveValueAsync($"{day:yyyy-MM-dd}");
        await Assertions.Expect(page.GetByLabel("Started from")).ToHaveAttributeAsync("title", $"{day.AddDays(-1):yyyy-MM-dd} 15:00:00 UTC");

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
        // It comes to this page with the page's script, which has put the values there before.
        await Assertions.Expect(page.Locator("#filter-since")).ToHaveAttributeAsync("data-shown", $"{first:yyyy-MM-dd}");
    }

    private static async Task TheWindowOfACopyIsOneOfHoursThereAsync(Site site, IPage page, string entryId)
    {
        await page.GotoAsync($"/failover-log/{entryId}");
        await page.Locator("#copy-limits summary").ClickAsync();
        await page.Locator("#copy-from").FillAsync("07:30");
        await page.Locator("#copy-to").FillAsync("23:00");
        await page.GetByRole(AriaRole.Button, new() { Name = "Change the limits" }).ClickAsync();
        await Assertions.Expect(page.Locator("main")).ToContainTextAsync("The limits were changed.");

        await Assertions.Expect(page.Locator("#copy-from")).ToHaveAttributeAsync("data-at", "22:30");
        (await ReadWindowAsync()).ShouldBe(("22:30:00", "14:00:00"));
        await Assertions.Expect(page.Locator("#copy-from")).ToHaveValueAsync("07:30");
        await Assertions.Expect(page.Locator("#copy-to")).ToHaveValueAsync("23:00");
        await Assertions.Expect(page.Locator("#copy-from")).ToHaveAttributeAsync("title", "22:30 UTC");
        await Assertions.Expect(page.Locator("label[for=copy-from] .hint")).ToHaveTextAsync("your time; empty: always", new() { Timeout = 30_000 });

        // What is not touched stays what it is; taken away it is gone.
        await page.Locator("#copy-limits summary").ClickAsync();
        await page.Locator("#copy-rate").FillAsync("2.5");
        await page.GetByRole(AriaRole.Button, new() { Name = "Change the limits" }).ClickAsync();
        await Assertions.Expect(page.Locator("#copy-rate")).ToHaveAttributeAsync("value", "2.5");
        (await ReadWindowAsync()).ShouldBe(("22:30:00", "14:00:00"));
        await Assertions.Expect(page.Locator("#copy-from")).ToHaveAttributeAsync("data-shown", "07:30");
        await page.Locator("#copy-limits summary").ClickAsync();
        await page.Locator("#copy-from").FillAsync("");
        await page.Locator("#copy-to").FillAsync("");
        await page.GetByRole(AriaRole.Button, new() { Name = "Change the limits" }).ClickAsync();
        await Assertions.Expect(page.Locator("#copy-from:not([data-shown])")).ToHaveCountAsync(1);
        (await ReadWindowAsync()).ShouldBe((null, null));

        async Task<(string?, string?)> ReadWindowAsync()
        {
            var limits = (await site.Server.GetAsync($"api/v1/failover-log/{entryId}/material-copy")).Json!["task"]!["limits"]!;
            return ((string?)limits["windowFrom"], (string?)limits["windowTo"]);
        }
    }

    /// <summary>In Chile clocks go from midnight of 6 September 2026 to one o'clock at once.</summary>
    private static async Task ADayWithoutMidnightAsync(BrowserOfASite browser)
    {
        var page = await browser.NewPersonAsync("admin", zone: "America/Santiago");
        foreach (var (first, last, since, until) in new[] { ("2026-09-05", "2026-09-05", "2026-09-05T04:00:00.000Z", "2026-09-06T04:00:00.000Z"), ("2026-09-06", "2026-09-06", "2026-09-06T04:00:00.000Z", "2026-09-07T03:00:00.000Z") })
        {
            await page.GotoAsync("/failover-log");
            await page.Locator("#search summary").ClickAsync();
            await page.GetByLabel("Started from").FillAsync(first);
            await page.Locator("#filter-until").FillAsync(last);
            await page.GetByRole(AriaRole.Search).GetByRole(AriaRole.Button, new() { Name = "Search" }).ClickAsync();
            await Assertions.Expect(page.Locator("#filter-since")).ToHaveAttributeAsync("data-at", since);
            await Assertions.Expect(page.Locator("#filter-until")).ToHaveAttributeAsync("data-at", until);
            await Assertions.Expect(page.Locator("#filter-since")).ToHaveValueAsync(first);
            await Assertions.Expect(page.Locator("#filter-until")).ToHaveValueAsync(last);
        }

        // A day of somebody else's zone is looked for again as it was asked for.
        await page.GotoAsync("/failover-log?since=2026-03-01");
        await Assertions.Expect(page.Locator("#filter-since")).ToHaveAttributeAsync("title", "2026-03-01 00:00:00 UTC");
        await page.GetByRole(AriaRole.Search).GetByRole(AriaRole.Button, new() { Name = "Search" }).ClickAsync();
        await page.IsAtAsync(url => url.Query.Contains("since=2026-03-01T00%3A00%3A00.000Z", StringComparison.Ordinal));
    }

    private static async Task ASentenceAsync(Site site, IPage page)
    {
        await page.GotoAsync("/failover-log");
        var answer = await site.Server.PutAsync("api/v1/maintenance", new JsonObject { ["reason"] = "New switches since 2026-03-01 23:30 UTC" });
        var since = Read((string)answer.Json!["startedAt"]!);
        await page.GotoAsync("/servers");
        await Assertions.Expect(page.Locator("#zone")).ToContainTextAsync(Zone);
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
        await Assertions.Expect(page.Locator("#zone")).ToContainTextAsync(Zone);
        var titles = await page.Locator("svg rect title").EvaluateAllAsync<string[]>("titles => titles.map(title => title.textContent)");
        titles.ShouldNotBeEmpty();
        foreach (var title in titles)
        {
            var utc = title.Split('(', ')').Where(part => part.EndsWith(" UTC", StringComparison.Ordinal)).Select(part => DateTimeOffset.ParseExact(part[..^4], "yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal)).ToList();
            utc.Count.ShouldBe(2, title);
            Plain(title).ShouldContain($": {There(utc[0])} ({utc[0]:yyyy-MM-dd HH:mm:ss} UTC) to {There(utc[1])} ({utc[1]:yyyy-MM-dd HH:mm:ss} UTC)");
        }
    }

    private static async Task WhatIsPlayedAsync(IPage page)
    {
        await page.GetByRole(AriaRole.Link, new() { Name = "Play audio-1", Exact = true }).ClickAsync();
        await Assertions.Expect(page.Locator("#zone")).ToContainTextAsync(Zone);
        await AllAreThereAsync(page.Locator("#player time"));
    }

    /// <summary>Wherever one goes in it: what activities take and give has instants, too.</summary>
    private static async Task AReplayAsync(IPage page, string runId)
    {
        await page.GotoAsync($"/runs/{runId}/replay");
        await Assertions.Expect(page.Locator("#event-at time")).ToHaveCountAsync(1);
        var most = 0;
        for (var last = ""; await page.Locator("#replay-where").InnerTextAsync() is var where && where != last; last = where)
        {
            await AllAreThereAsync(page.Locator("#event-at time, #event-parts time, #variables time, #outputs time"));
            most = Math.Max(most, await page.Locator("#event-parts time").CountAsync());
            (await page.Locator("#event-parts, #variables, #outputs").AllInnerTextsAsync()).ShouldAllBe(text => !Regex.IsMatch(text, @"\d\d:\d\d(:\d\d)?(\.\d+)?(Z|[+-]\d\d:\d\d| UTC)"), where);
            await page.Locator("#replay-forward").ClickAsync();
            await Eventually.HoldsAsync("the next event is shown", async () => await page.Locator("#replay-where").InnerTextAsync() != where || await page.Locator("#replay-forward").IsDisabledAsync() || IsLast(where));
        }

        most.ShouldBeGreaterThan(0, "no event had an instant, so this would have seen nothing");

        static bool IsLast(string where) => Regex.Match(where, @"Event (\d+) of (\d+)") is { Success: true } place && place.Groups[1].Value == place.Groups[2].Value;
    }

    private static async Task AllAreThereAsync(ILocator times)
    {
        var all = await times.EvaluateAllAsync<string[][]>("times => times.map(time => [time.dateTime, time.textContent, time.title])");
        all.ShouldNotBeEmpty();
        all.ShouldAllBe(time => Plain(time[1]) == There(Read(time[0])) && time[2].EndsWith(" UTC", StringComparison.Ordinal));
    }

    private static DateTimeOffset Read(string instant) => DateTimeOffset.Parse(instant, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal);

    private static string There(DateTimeOffset at) => (at.ToUniversalTime() + Offset).ToString("MMM d, yyyy, h:mm:ss tt", CultureInfo.InvariantCulture);

    /// <summary>Browsers put narrow spaces into times.</summary>
    private static string Plain(string text) => text.Replace('\u202f', ' ').Trim();
}
