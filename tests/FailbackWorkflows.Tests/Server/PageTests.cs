using System.Net;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Server.Resources;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Server;

/// <summary>What an operator sees and can click.</summary>
[Collection(ServerTests.Name)]
public sealed class PageTests(ServerHarness server)
{
    /// <summary>Of a key that is not in the resources the page would show the key itself; this one differs from its text.</summary>
    [Fact]
    public async Task Texts_ComeFromTheResources_InEnglishWhateverTheBrowserAsksFor()
    {
        using var browser = await server.SignInAsync();
        browser.DefaultRequestHeaders.AcceptLanguage.ParseAdd("de-DE");

        (await browser.GetStringAsync("/failover-log")).ShouldContain("<label for=\"filter-until\">to</label>");
        Texts.Of("to (after from)").ShouldBe("to");
    }

    [Fact]
    public async Task Entry_BeforeAnyRun_ShowsTheElevenStepsAndTheButton()
    {
        var entry = await server.AddEntryAsync();
        using var browser = await server.SignInAsync();
        var html = await browser.GetStringAsync($"/failover-log/{entry.Id}");
        for (var number = 1; number <= 11; number++)
        {
            html.ShouldContain($"Step {number}: ");
        }

        html.ShouldContain("Not executed");
        html.ShouldContain("id=\"start-failback\"");
    }

    [Fact]
    public async Task StartFailback_FromTheList_GoesToTheEntry_AndASecondOperatorIsLedThere()
    {
        var entry = await server.AddEntryAsync();
        using var first = await server.SignInAsync();
        using var second = await server.SignInAsync();

        var started = await ServerHarness.PostFormAsync(first, "/failover-log", "/failover-log?handler=StartFailback", ("entryId", entry.Id), ("requestId", "a"));
        started.Headers.Location!.ToString().ShouldBe($"/failover-log/{entry.Id}");

        var late = await ServerHarness.PostFormAsync(second, "/failover-log", "/failover-log?handler=StartFailback", ("entryId", entry.Id), ("requestId", "b"));
        late.Headers.Location!.ToString().ShouldBe($"/failover-log/{entry.Id}");
        (await second.GetStringAsync($"/failover-log/{entry.Id}")).ShouldContain("Nothing was started");

        var doubled = await ServerHarness.PostFormAsync(first, "/failover-log", "/failover-log?handler=StartFailback", ("entryId", entry.Id), ("requestId", "a"));
        doubled.Headers.Location!.ToString().ShouldBe($"/failover-log/{entry.Id}");
        (await first.GetStringAsync($"/failover-log/{entry.Id}")).ShouldNotContain("Nothing was started");
        server.Runs.Starts.Count(start => entry.Id.Equals(start.Input.GetValueOrDefault("EntryId"))).ShouldBe(1);
    }

    [Fact]
    public async Task StartFailback_ByAViewer_IsDeniedAndShownAsDisabledWithTheReason()
    {
        var entry = await server.AddEntryAsync();
        await server.CreateUserAsync($"viewer-{entry.Id}", Roles.Viewer);
        using var browser = await server.SignInAsync($"viewer-{entry.Id}");
        (await browser.GetStringAsync($"/failover-log/{entry.Id}")).ShouldContain("Needs the role operator or administrator.");

        var starts = server.Runs.Starts.Count;
        var answer = await ServerHarness.PostFormAsync(
            browser, $"/failover-log/{entry.Id}", $"/failover-log/{entry.Id}?handler=StartFailback", ("requestId", "a"));
        answer.Headers.Location!.ToString().ShouldContain("/denied");
        (await browser.GetAsync("/denied")).StatusCode.ShouldBe(HttpStatusCode.Forbidden);
        server.Runs.Starts.Count.ShouldBe(starts);
    }

    [Fact]
    public async Task Entry_FailbackDone_ShowsFailbackOkWithItsTimes()
    {
        var start = new DateTimeOffset(2026, 3, 1, 14, 0, 0, TimeSpan.Zero);
        var runId = $"run-{Guid.NewGuid():N}";
        server.Runs.Put(Report(runId, "done", WorkflowSubStatus.Finished, null) with
        {
            StartedAt = start, FinishedAt = start.AddSeconds(75), StartedBy = new Actor(ActorKind.User, "person-olga", "Olga"), Reason = "The disk was replaced.",
        });
        var entry = await server.AddEntryAsync(entry => entry with
        {
            Failback = FailbackState.Done, FailbackRunId = runId, FailbackStartedAt = start, FailbackEndedAt = start.AddSeconds(74), MaterialCopy = MaterialCopyState.Queued,
        });
        using var browser = await server.SignInAsync();
        var html = await browser.GetStringAsync($"/failover-log/{entry.Id}");
        html.ShouldContain("Failback OK");
        html.ShouldContain("2026-03-01 14:00:00 UTC");
        html.ShouldContain("2026-03-01 14:01:15 UTC");
        html.ShouldContain("1 min 15 s");
        var facts = html[html.IndexOf("id=\"failback-facts\"", StringComparison.Ordinal)..];
        facts = facts[..facts.IndexOf("</dl>", StringComparison.Ordinal)];
        facts.ShouldContain("<dt>Started by</dt><dd>Olga</dd>");
        facts.ShouldContain("The disk was replaced.");
        facts.ShouldContain($"href=\"/runs/{runId}\"");
        html.ShouldNotContain("Start failback");
    }

    // At three in the morning: the failback is done, and nobody records.
    [Fact]
    public async Task Entry_FailedServerDiedAfterTheStop_SaysFirstThatNobodyRecordsAndWhatToDo()
    {
        var runId = $"run-{Guid.NewGuid():N}";
        var entry = await server.AddEntryAsync(entry => entry with
        {
            Failback = FailbackState.Done, FailbackRunId = runId, MaterialCopy = MaterialCopyState.Queued, Message = "It failed again.",
        });
        await server.AddBrokenServerAsync(entry.FailedServerId);
        server.Runs.Put(Report(runId, "done", WorkflowSubStatus.Finished, "It failed again.") with
        {
            NobodyRecords = entry.FailedServerId,
            Alarms = [new RunAlarm(DateTimeOffset.UnixEpoch, "flowchart:RestoreRoles", "It stopped answering.")],
        });
        using var browser = await server.SignInAsync();

        var page = await browser.GetStringAsync($"/failover-log/{entry.Id}");
        page.ShouldNotContain("Failback OK");
        page.ShouldContain("It stopped answering.");
        page.IndexOf("role=\"alert\"", StringComparison.Ordinal).ShouldBeInRange(0, page.IndexOf("id=\"result\"", StringComparison.Ordinal));
        foreach (var html in new[] { page, await browser.GetStringAsync("/failover-log"), await browser.GetStringAsync("/servers") })
        {
            html.ShouldContain("role=\"alert\"");
            html.ShouldContain($"Nobody records Hall {entry.FailedServerId} now");
            html.ShouldContain($"Hall {entry.FailedServerId} stopped answering or recording after rec-spare had confirmed its stop");
            html.ShouldContain($"Start a failover of Hall {entry.FailedServerId} now");
        }

        (await browser.GetStringAsync("/failover-log")).ShouldContain("<span class=\"badge bad\">Nobody records</span>");
    }

    // It is finalized at once, so it is in neither list an operator looks at; the alert is.
    [Fact]
    public async Task List_FailoverFailed_ShowsTheAlertWithTheWayOn()
    {
        var entry = await server.AddEntryAsync(entry => entry with { Failover = FailoverState.Failed, Message = "The settings do not fit." });
        await server.AddBrokenServerAsync(entry.FailedServerId);
        using var browser = await server.SignInAsync();

        var html = await browser.GetStringAsync("/failover-log");

        html.ShouldContain($"Nobody may be recording Hall {entry.FailedServerId} now");
        html.ShouldContain("The settings do not fit.");
        html.ShouldContain($"href=\"/failover-log/{entry.Id}\"");
    }

    [Fact]
    public async Task Entry_DoneWithAlarms_ListsThem()
    {
        var runId = $"run-{Guid.NewGuid():N}";
        var entry = await server.AddEntryAsync(entry => entry with { Failback = FailbackState.Done, FailbackRunId = runId });
        server.Runs.Put(Report(runId, "done", WorkflowSubStatus.Finished, null) with { Alarms = [new RunAlarm(DateTimeOffset.UnixEpoch, "x", "Camera 7 stays <dark>.")] });
        using var browser = await server.SignInAsync();

        var html = await browser.GetStringAsync($"/failover-log/{entry.Id}");

        html.ShouldContain("Failback OK, with alarms");
        html.ShouldContain("Camera 7 stays &lt;dark&gt;.");
        html.ShouldNotContain("role=\"alert\"");
    }

    [Theory]
    [InlineData("refused", WorkflowSubStatus.Finished, "Failback refused by check 3")]
    [InlineData("undone", WorkflowSubStatus.Finished, "Failback undone")]
    [InlineData("faulted", WorkflowSubStatus.Faulted, "Retry from the failed step", true)]
    [InlineData("faulted", WorkflowSubStatus.Faulted, "Put right what the sentence names, then start it again.")]
    public async Task Entry_FailbackNotDone_SaysWhyAndWhatToDoNext(string result, WorkflowSubStatus subStatus, string expected, bool canRedrive = false)
    {
        var runId = $"run-{Guid.NewGuid():N}";
        var entry = await server.AddEntryAsync(entry => entry with { Failback = FailbackState.Failed, FailbackRunId = runId });
        server.Runs.Put(Report(runId, result, subStatus, "The disk <cannot> be written.") with { EntryId = entry.Id, CanRedrive = canRedrive });
        using var browser = await server.SignInAsync();
        var html = await browser.GetStringAsync($"/failover-log/{entry.Id}");
        html.ShouldContain(expected);
        html.Contains("id=\"redrive\"", StringComparison.Ordinal).ShouldBe(canRedrive);
        html.ShouldContain("The disk &lt;cannot&gt; be written.");
        html.ShouldContain("What to do next:");
        (await browser.GetAsync($"/runs/{runId}")).StatusCode.ShouldBe(HttpStatusCode.OK);
    }

    // The recorder is back; whoever was told to get the recordings home too must not have to look for how.
    [Theory]
    [InlineData(MaterialCopyState.NotStarted, "Bring them home with Start material copying.")]
    [InlineData(MaterialCopyState.Queued, "are being brought home")]
    [InlineData(MaterialCopyState.Copied, "the recordings of the failover period are home too")]
    [InlineData(MaterialCopyState.CopiedWithLosses, "are not all home")]
    [InlineData(MaterialCopyState.NothingToCopy, "there were no recordings to bring home")]
    public async Task Entry_FailbackDone_SaysWhatToDoAboutTheRecordings(MaterialCopyState copy, string expected)
    {
        var runId = $"run-{Guid.NewGuid():N}";
        var entry = await server.AddEntryAsync(entry => entry with { Failback = FailbackState.Done, FailbackRunId = runId, MaterialCopy = copy });
        server.Runs.Put(Report(runId, "done", WorkflowSubStatus.Finished, null) with { EntryId = entry.Id });
        using var browser = await server.SignInAsync();

        var html = await browser.GetStringAsync($"/failover-log/{entry.Id}");

        html.ShouldContain("Failback OK");
        html.ShouldContain(expected);
    }

    // A broken server's own page and its row are where somebody looks first who is to bring it back.
    [Fact]
    public async Task BrokenServer_LeadsToItsFailback()
    {
        var entry = await server.AddEntryAsync();
        await server.AddBrokenServerAsync(entry.FailedServerId);
        using var browser = await server.SignInAsync();

        (await browser.GetStringAsync($"/servers/{entry.FailedServerId}")).ShouldContain($"id=\"to-failback\" href=\"/failover-log/{entry.Id}\"");
        (await browser.GetStringAsync($"/servers?q={entry.FailedServerId}")).ShouldContain($"href=\"/failover-log/{entry.Id}\"");
    }

    /// <summary>What stopped by an error says "retry"; then there has to be a button for that, on one page or the other.</summary>
    [Theory]
    [InlineData("failover", true)]
    [InlineData("adoption", true)]
    [InlineData("abandonment", true)]
    [InlineData("failback", false)]
    [InlineData("material-copy", false)]
    public async Task Run_StoppedByAnError_IsRetriedHereUnlessItsEntryHasTheButton(string definitionId, bool isRetriedHere)
    {
        var runId = $"run-{Guid.NewGuid():N}";
        server.Runs.Put(Report(runId, "faulted", WorkflowSubStatus.Faulted, "The disk is full.") with { DefinitionId = definitionId, CanRedrive = true });
        using var browser = await server.SignInAsync();
        var html = await browser.GetStringAsync($"/runs/{runId}");
        html.Contains("id=\"redrive\"", StringComparison.Ordinal).ShouldBe(isRetriedHere);
        html.ShouldNotContain("id=\"cancel-run\"");

        var answer = await ServerHarness.PostFormAsync(browser, $"/runs/{runId}", $"/runs/{runId}?handler=Redrive", ("reason", "There is room again."));

        answer.StatusCode.ShouldBe(isRetriedHere ? HttpStatusCode.Redirect : HttpStatusCode.NotFound);
        server.Runs.Asked.Where(a => a.RunId == runId).Select(a => (a.What, a.Reason)).ShouldBe(isRetriedHere ? [("redrive", "There is room again.")] : []);
    }

    [Fact]
    public async Task Entry_NewerFailoverOpen_DisablesTheButtonWithTheReason()
    {
        var older = await server.AddEntryAsync();
        await server.AddEntryAsync(entry => entry with { FailedServerId = older.FailedServerId, FailoverStartedAt = entry.FailoverStartedAt.AddHours(1) });
        using var browser = await server.SignInAsync();
        (await browser.GetStringAsync($"/failover-log/{older.Id}")).ShouldContain("A newer failover of this server is open");
    }

    [Fact]
    public async Task Entry_ClaimedByAnotherRun_DisablesTheButtonWithTheReason()
    {
        var entry = await server.AddEntryAsync();
        await server.Runs.ClaimAsync(entry.FailedServerId, "run-x", "failover");
        using var browser = await server.SignInAsync();
        (await browser.GetStringAsync($"/failover-log/{entry.Id}")).ShouldContain("A failover is running for this server.");
    }

    [Theory]
    [InlineData("/failover-log/unknown")]
    [InlineData("/runs/unknown")]
    [InlineData("/nothing")]
    public async Task Page_ThatIsNotThere_SaysSo(string path)
    {
        using var browser = await server.SignInAsync();
        var answer = await browser.GetAsync(path);
        answer.StatusCode.ShouldBe(HttpStatusCode.NotFound);
        (await answer.Content.ReadAsStringAsync()).ShouldContain("There is nothing here");
    }

    [Fact]
    public async Task Form_SentAfterTheSessionEnded_LeadsBackToItsPageAndNotToTheForm()
    {
        using var stranger = server.Anonymous();
        using var form = new FormUrlEncodedContent([KeyValuePair.Create("reason", "x")]);

        var answer = await stranger.PostAsync("/servers?handler=MaintenanceOn&view=all", form);

        answer.Headers.Location!.ToString().ShouldEndWith($"/sign-in?returnUrl={Uri.EscapeDataString("/servers?view=all")}");
    }

    [Fact]
    public async Task System_KeyMade_ShowsItInThisAnswerOnly()
    {
        using var browser = await server.SignInAsync();
        var answer = await ServerHarness.PostFormAsync(browser, "/system", "/system?handler=CreateKey", ("name", "door controller"), ("role", "viewer"), ("days", "30"));
        (await answer.Content.ReadAsStringAsync()).ShouldContain("fbk_");
        (await browser.GetStringAsync("/system")).ShouldNotContain("fbk_");
    }

    // PostgreSQL stores no U+0000 in a text, SQLite does: both refuse it.
    [Fact]
    public async Task Form_WithWhatIsNoText_Is400AndNamesTheField()
    {
        using var browser = await server.SignInAsync();
        var answer = await ServerHarness.PostFormAsync(browser, "/system", "/system?handler=CreateKey", ("name", "door \0 controller"), ("role", "viewer"), ("days", "30"));
        answer.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        var html = System.Net.WebUtility.HtmlDecode(await answer.Content.ReadAsStringAsync());
        html.ShouldContain("The field 'name' contains characters that are not text.");
        (await browser.GetStringAsync("/system")).ShouldNotContain("door \0");

        using var parts = new MultipartFormDataContent { { new StringContent("a\0b"), "reason" } };
        var multipart = await browser.PostAsync("/system?handler=CreateKey", parts);
        multipart.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        System.Net.WebUtility.HtmlDecode(await multipart.Content.ReadAsStringAsync()).ShouldContain("The field 'reason' contains characters that are not text.");

        // A form that is none for another reason is no page that is not there.
        var broken = await browser.PostAsync("/system?handler=CreateKey", new StringContent("name=%0", System.Text.Encoding.UTF8, "application/x-www-form-urlencoded"));
        broken.StatusCode.ShouldBe(HttpStatusCode.BadRequest);

        (await browser.GetAsync("/failover-log?after=%00")).StatusCode.ShouldBe(HttpStatusCode.BadRequest);
    }

    // Whatever was meant by it: not a key that is valid for ever.
    [Theory]
    [InlineData("-1")]
    [InlineData("4000")]
    public async Task System_KeyForDaysThatMakeNoSense_IsNotMade(string days)
    {
        using var browser = await server.SignInAsync();
        var answer = await ServerHarness.PostFormAsync(browser, "/system", "/system?handler=CreateKey", ("name", $"key for {days} days"), ("role", "viewer"), ("days", days));
        (await answer.Content.ReadAsStringAsync()).ShouldContain("It must be from 0 to 3650.");
        (await browser.GetStringAsync("/system")).ShouldNotContain($"key for {days} days");
    }

    [Fact]
    public async Task AddServer_RecorderAway_KeepsWhatWasTypedExceptTheCredential()
    {
        using var browser = await server.SignInAsync();
        var answer = await ServerHarness.PostFormAsync(
            browser, "/servers/add", "/servers/add", ("id", "rec-x"), ("name", "Hall"), ("baseUrl", "http://127.0.0.1:9/"), ("credential", "very-secret"));
        var html = await answer.Content.ReadAsStringAsync();
        html.ShouldContain("could not be asked who it is");
        html.ShouldContain("value=\"Hall\"");
        html.ShouldNotContain("very-secret");
    }

    private static RunReport Report(string runId, string result, WorkflowSubStatus subStatus, string? message) => new(
        runId,
        "failback",
        1,
        subStatus,
        result,
        message,
        result == "refused" ? 3 : null,
        Actor.System,
        null,
        null,
        new DateTimeOffset(2026, 3, 1, 14, 0, 0, TimeSpan.Zero),
        null,
        [new RunStep(1, "Check the failover log entry", "check", "Failback.CheckFailoverLogEntry", RunStepState.Done, 1, null, null, "Done", null, [])],
        []);
}
