using System.Net;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Persistence;
using FailbackWorkflows.Persistence.Seals;
using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Tests.Server.Studio;
using Microsoft.Extensions.DependencyInjection;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Server;

/// <summary>The history page and what auditors reach by it.</summary>
[Collection(ServerTests.Name)]
public sealed class HistoryPageTests(ServerHarness server)
{
    [Fact]
    public async Task History_ForAViewer_ListsRunsAndOffersNoVerification()
    {
        await server.CreateUserAsync("viewer-of-history", Roles.Viewer);
        using var browser = await server.SignInAsync("viewer-of-history");
        var html = await browser.GetStringAsync("/history");
        html.ShouldContain("id=\"runs-title\"");
        html.ShouldNotContain("id=\"verify\"");
        html.ShouldContain("id=\"audit-log\" disabled");
        (await ServerHarness.PostFormAsync(browser, "/account/password", "/history?handler=Verify")).StatusCode.ShouldBe(HttpStatusCode.Redirect);
        (await browser.GetAsync("/history/audit-log")).Headers.Location!.ToString().ShouldContain("/denied");
    }

    [Fact]
    public async Task History_SaysOfARunWhatItIsAboutAndWhoStartedIt_AndLeadsToTheAuditLog()
    {
        var entry = await server.AddEntryAsync();
        await server.AddBrokenServerAsync(entry.FailedServerId);
        var run = await server.AddRunAsync(WorkflowSubStatus.Finished);
        await using (var session = await server.App.Services.GetRequiredService<IDatabase>().BeginWriteAsync(CancellationToken.None))
        {
            // The newest of all runs that these tests store.
            await session.ExecuteAsync("UPDATE workflow_instances SET correlation_id = @entry, created_at = created_at + 1 WHERE id = @run", CancellationToken.None, ("entry", entry.Id), ("run", run.Id));
            await session.CommitAsync(CancellationToken.None);
        }

        using var browser = await server.SignInAsync();
        var html = await browser.GetStringAsync("/history");
        var row = html[html.IndexOf($"/runs/{run.Id}\"", StringComparison.Ordinal)..html.IndexOf($"/runs/{run.Id}/replay", StringComparison.Ordinal)];
        row.ShouldContain($"<a href=\"/failover-log/{entry.Id}\">Entry of ");
        row.ShouldContain("Olga");
        html.ShouldContain("<a class=\"button\" id=\"audit-log\" href=\"/history/audit-log\">");
    }

    [Fact]
    public async Task Verify_ByAnAuditor_ShowsWhatWasFoundAndIsWrittenDown()
    {
        await server.CreateUserAsync("auditor-of-history", Roles.Auditor);
        using var browser = await server.SignInAsync("auditor-of-history");
        await server.App.Services.GetRequiredService<IHistorySeals>().SealAsync(CancellationToken.None);
        var answer = await ServerHarness.PostFormAsync(browser, "/history", "/history?handler=Verify", ("runId", ""));
        answer.StatusCode.ShouldBe(HttpStatusCode.OK);
        (await answer.Content.ReadAsStringAsync()).ShouldContain("Nothing is wrong");
        server.Audit.Records.ShouldContain(r => r.Subject == "history" && r.Actor.Name == "auditor-of-history" && r.Result == "done");
    }

    [Fact]
    public async Task AuditLog_Read_IsWrittenDownOncePerReader()
    {
        await server.CreateUserAsync("reader-of-the-log", Roles.Auditor);
        using var browser = await server.SignInAsync("reader-of-the-log");
        (await browser.GetAsync("/history/audit-log")).StatusCode.ShouldBe(HttpStatusCode.OK);
        (await browser.GetAsync("/history/audit-log")).StatusCode.ShouldBe(HttpStatusCode.OK);
        server.Audit.Records.Count(r => r.Action == "read audit log" && r.Actor.Name == "reader-of-the-log").ShouldBe(1);
    }

    [Fact]
    public async Task Evidence_OfAnUnknownEntry_IsAProblemAndNotLoggedAsAnExport()
    {
        using var auditor = await server.WithRoleAsync(Roles.Auditor);
        var answer = await auditor.GetAsync("/api/v1/failover-log/no-such-entry/evidence");
        answer.StatusCode.ShouldBe(HttpStatusCode.NotFound);
        server.Audit.Records.ShouldNotContain(r => r.Action == "export evidence" && r.Subject == "no-such-entry");
    }

    [Fact]
    public async Task Seals_ByTheApi_AreHandedOutAndTheKeyIsChangedWithAReason()
    {
        using var administrator = server.Administrator();
        await using (var session = await server.App.Services.GetRequiredService<IDatabase>().BeginWriteAsync(CancellationToken.None))
        {
            await session.ExecuteAsync(
                "INSERT INTO audit_log (at, actor_kind, actor_id, actor_name, action, result) VALUES (0, 'System', 'test', 'Test', 'something to seal', 'done')", CancellationToken.None);
            await session.CommitAsync(CancellationToken.None);
        }

        await server.App.Services.GetRequiredService<IHistorySeals>().SealAsync(CancellationToken.None);
        var before = (await VerificationAsync(administrator)).GetProperty("keys").EnumerateArray().Last().GetProperty("id").GetString();
        (await administrator.PostAsync("/api/v1/seals/key", ServerHarness.Json("{}"))).StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        (await administrator.PostAsync("/api/v1/seals/key", ServerHarness.Json("""{"reason":"The machine was replaced."}"""))).StatusCode.ShouldBe(HttpStatusCode.OK);
        server.Audit.Records.ShouldContain(r => r.Subject == "sealing key" && r.Reason == "The machine was replaced." && r.Result == "done");
        var after = (await VerificationAsync(administrator)).GetProperty("keys").EnumerateArray().Last();
        (after.GetProperty("vouchedBy").GetString(), after.GetProperty("id").GetString() == before).ShouldBe((before, false));

        using var auditor = await server.WithRoleAsync(Roles.Auditor);
        var whole = await auditor.GetByteArrayAsync("/api/v1/seals/checkpoints");
        System.Text.Encoding.UTF8.GetString(whole).ShouldStartWith("{\"checkpoint\":{");
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/v1/seals/checkpoints");
        request.Headers.Range = new(10, null);
        using var rest = await auditor.SendAsync(request);
        (rest.StatusCode, (await rest.Content.ReadAsByteArrayAsync()).Length).ShouldBe((HttpStatusCode.PartialContent, whole.Length - 10));
        server.Audit.Records.Count(r => r.Action == "export checkpoints").ShouldBeGreaterThanOrEqualTo(2);
    }

    [Fact]
    public async Task Verify_RunThatThereIsNot_IsNotCalledClean()
    {
        using var auditor = await server.WithRoleAsync(Roles.Auditor);

        using var answer = await auditor.GetAsync("/api/v1/verification?runId=nobody-started-it");

        answer.StatusCode.ShouldBe(HttpStatusCode.NotFound);
        (await answer.Content.ReadAsStringAsync()).ShouldContain("There is no such run");
        server.Audit.Records.ShouldContain(r => r.Action == "verify history" && r.Subject == "nobody-started-it" && r.Result == "no such run");
    }

    private static async Task<System.Text.Json.JsonElement> VerificationAsync(HttpClient client)
    {
        var report = System.Text.Json.JsonDocument.Parse(await client.GetStringAsync("/api/v1/verification")).RootElement;
        report.GetProperty("findings").EnumerateArray().ShouldBeEmpty();
        return report;
    }
}
