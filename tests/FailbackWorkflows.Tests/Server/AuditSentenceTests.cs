using System.Net;
using System.Text.RegularExpressions;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Persistence.Identity;
using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Server.Pages.History;
using FailbackWorkflows.Testing.Failback;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc.Infrastructure;
using Microsoft.AspNetCore.Mvc.RazorPages;
using Microsoft.AspNetCore.Mvc.RazorPages.Infrastructure;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Server;

/// <summary>The audit log says what was done in words, and beside them what is stored. No action is without words: all that can be written are walked.</summary>
[Collection(ServerTests.Name)]
public sealed partial class AuditSentenceTests(ServerHarness server)
{
    [Fact]
    public async Task EveryRequestThatMayChangeSomething_HasASentence()
    {
        var actions = (await ActionsAsync()).ToList();
        actions.Count.ShouldBeGreaterThan(150);
        actions.Where(action => SentenceOf(action) is null).ShouldBeEmpty("AuditSentences has no sentence for these");
    }

    /// <summary>Buttons of one page are told apart. The plain route is what older records of the page have.</summary>
    [Fact]
    public async Task ButtonsOfOnePage_HaveSentencesOfTheirOwn()
    {
        var handlers = (await ActionsAsync()).Where(action => action.Contains("?handler=", StringComparison.Ordinal));
        foreach (var page in handlers.GroupBy(action => action.Split('?')[0]))
        {
            page.Select(SentenceOf).ShouldBeUnique(page.Key);
        }
    }

    /// <summary>What is written down without a route: its words stand in the sources.</summary>
    [Fact]
    public async Task EveryActionWithAName_HasASentence()
    {
        var names = new SortedSet<string>();
        foreach (var file in Directory.EnumerateFiles(RepositoryFiles.PathOf("src"), "*.cs", SearchOption.AllDirectories).Where(file => !file.Contains("/obj/", StringComparison.Ordinal)))
        {
            names.UnionWith(Named().Matches(await File.ReadAllTextAsync(file)).Select(match => match.Groups[1].Value));
        }

        string[] known = ["administrator created", "checkpoints put back", "export checkpoints", "export evidence", "history chained", "read audit log", "read settings", "verify history", "view restored material", "workflow published"];
        known.Except(names).ShouldBeEmpty();
        names.Where(name => SentenceOf(name) is null).ShouldBeEmpty();
    }

    [Theory]
    [InlineData("POST /api/v1/failover-log/{entryId}/failback", "entry-1", null, "done", "Failback started")]
    [InlineData("POST /api/v1/failover-log/{entryId}/failback", "entry-1", null, "not-allowed", "Tried, not done: Failback started")]
    [InlineData("POST /api/v1/failover-log/{entryId}/failback?withoutFailoverServer=true", "entry-1", null, "done", "Failback started without the failover server")]
    [InlineData("POST servers?handler=MaintenanceOn", "system", "a new disk", "done", "Maintenance mode begun")]
    [InlineData("POST servers?handler=MaintenanceOff", "system", null, "done", "Maintenance mode ended")]
    [InlineData("POST servers", "system", "a new disk", "done", "Maintenance mode begun")]
    [InlineData("POST servers", "system", null, "done", "Maintenance mode ended")]
    [InlineData("POST servers", "system", null, "no reason", "Tried, not done: Maintenance mode begun")]
    [InlineData("POST history", "history", null, "done", "History verified")]
    [InlineData("POST /api/v1/servers/", "rec-1", null, "done", "Server added")]
    [InlineData("POST system/users", "eva", null, "done: viewer → operator", "Roles of a user changed")]
    [InlineData("POST system/users", "eva", null, "done: viewer", "User added")]
    [InlineData("POST system/users?handler=Lock&locked=false", "eva", null, "done", "User let in again")]
    [InlineData("POST failover-log/{entryId}", "entry-1", "Maintenance mode overridden: ", "done", "Failback started")]
    [InlineData("POST servers/{serverId}/replace-machine", "rec-1", null, "looked", "New machine of a server looked at")]
    [InlineData("POST /api/v1/somewhere", null, null, "done", null)]
    public void Sentence_IsMadeFromWhatIsStored(string action, string? subject, string? reason, string result, string? expected) =>
        AuditSentences.Of(new(default, Actor.System, action, subject, reason, result), AuditSubjectKind.Other).ShouldBe(expected);

    [Theory]
    [InlineData(AuditSubjectKind.Entry, "Failback started")]
    [InlineData(AuditSubjectKind.Server, "Copy of material started")]
    [InlineData(AuditSubjectKind.Other, "Something of a failover, as a failback or a copy (the record does not say what)")]
    internal void Sentence_OfAnOlderRecord_IsToldByItsSubject(AuditSubjectKind subject, string expected) =>
        AuditSentences.Of(new(default, Actor.System, "POST failover-log", "one", null, "done"), subject).ShouldBe(expected);

    [Theory]
    [InlineData("Maintenance mode overridden: ", "Maintenance mode overridden")]
    [InlineData("Maintenance mode overridden: the disk is new", "Maintenance mode overridden: the disk is new")]
    [InlineData("the disk is new", "the disk is new")]
    [InlineData(null, null)]
    public void Reason_AnnouncesNothingThatDoesNotCome(string? stored, string? shown) =>
        AuditSentences.ReasonOf(new(default, Actor.System, "POST failover-log", null, stored, "done")).ShouldBe(shown);

    [Fact]
    public async Task ButtonOfAPage_IsWrittenDownByItsName_AlsoWhenItIsRefused()
    {
        await server.CreateUserAsync("presses-buttons", Roles.Administrator);
        using var browser = await server.SignInAsync("presses-buttons");
        await ServerHarness.PostFormAsync(browser, "/account/password", "/servers?handler=maintenanceon", ("reason", "a new disk"), ("hours", "1"));
        await ServerHarness.PostFormAsync(browser, "/account/password", "/servers?handler=MaintenanceOff");
        await ServerHarness.PostFormAsync(browser, "/account/password", "/servers?handler=anything%20at%20all");
        server.Audit.Records.Where(r => r.Actor.Name == "presses-buttons" && r.Action.StartsWith("POST servers", StringComparison.Ordinal)).Select(r => r.Action)
            .ShouldBe(["POST servers?handler=MaintenanceOn", "POST servers?handler=MaintenanceOff", "POST servers"]);

        await server.CreateUserAsync("may-not-press", Roles.Viewer);
        using var viewer = await server.SignInAsync("may-not-press");
        await ServerHarness.PostFormAsync(viewer, "/account/password", "/system/users?handler=Add");
        await ServerHarness.PostFormAsync(viewer, "/account/password", "/history?handler=Verify");
        server.Audit.Records.Where(r => r.Actor.Name == "may-not-press" && r.Result == "not-allowed").Select(r => r.Action)
            .ShouldBe(["POST system/users?handler=Add", "POST history?handler=Verify"]);
    }

    [Fact]
    public async Task AuditLog_ShowsTheSentence_TheStoredAction_AndLeadsToWhatItIsAbout()
    {
        var entry = await server.AddEntryAsync();
        await server.AddBrokenServerAsync(entry.FailedServerId);
        var after = server.Audit.Records.Count;
        await server.Audit.AppendAsync(new(TimeProvider.System.GetUtcNow(), Actor.System, "POST failover-log", entry.Id, "Maintenance mode overridden: ", "done"), CancellationToken.None);
        await server.CreateUserAsync("reader-of-sentences", Roles.Auditor);
        using var browser = await server.SignInAsync("reader-of-sentences");
        using var answer = await browser.GetAsync($"/history/audit-log?after={after}");
        answer.StatusCode.ShouldBe(HttpStatusCode.OK);
        var html = WebUtility.HtmlDecode(await answer.Content.ReadAsStringAsync());
        html.ShouldContain("<span>Failback started</span>");
        html.ShouldContain("<div class=\"muted small\">POST failover-log</div>");
        html.ShouldContain($"<a href=\"/failover-log/{entry.Id}\">Entry of ");
        html.ShouldContain($"<div class=\"muted small\">{entry.Id}</div>");
        html.ShouldNotContain("overridden:");
    }

    private static string? SentenceOf(string action) => AuditSentences.Of(new(default, Actor.System, action, null, null, "done"), AuditSubjectKind.Other);

    /// <summary>As the audit log has them: every method and route that is no read, the buttons of every page, and what one of them does in more than one way.</summary>
    private async Task<IEnumerable<string>> ActionsAsync()
    {
        var requests = from endpoint in server.App.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
                       let methods = endpoint.Metadata.GetMetadata<IHttpMethodMetadata>()?.HttpMethods
                       from method in methods is { Count: > 0 } ? methods : ["POST"]
                       where !HttpMethods.IsGet(method) && !HttpMethods.IsHead(method) && !HttpMethods.IsOptions(method) && !HttpMethods.IsTrace(method)
                       select $"{method} {endpoint.RoutePattern.RawText}";
        var loader = server.App.Services.GetRequiredService<PageLoader>();
        var buttons = new List<string>();
        foreach (var page in server.App.Services.GetRequiredService<IActionDescriptorCollectionProvider>().ActionDescriptors.Items.OfType<PageActionDescriptor>())
        {
            var compiled = await loader.LoadAsync(page, EndpointMetadataCollection.Empty);
            buttons.AddRange(compiled.HandlerMethods.Where(handler => handler is { HttpMethod: "Post", Name: not null }).Select(handler => $"POST {page.AttributeRouteInfo!.Template}?handler={handler.Name}"));
        }

        return requests.Concat(buttons).Concat(
        [
            "POST /api/v1/failover-log/{entryId}/failback?withoutFailoverServer=true",
            .. from locked in (string[])["true", "false"] from action in (string[])["PUT /api/v1/users/{userName}/lock?", "POST system/users?handler=Lock&"] select $"{action}locked={locked}",
            .. from order in (string[])["pause", "resume", "cancel"]
               from action in (string[])["POST failover-log/{entryId}?handler=OrderCopy", "POST failover-log/{entryId}/coverage?handler=OrderDisputed"]
               select $"{action}&order={order}",
        ]);
    }

    [GeneratedRegex("""(?:new AuditRecord\([^";]*?|NoteAsync\([^";]*?)"([a-z][a-z ]+)",""", RegexOptions.Singleline)]
    private static partial Regex Named();
}
