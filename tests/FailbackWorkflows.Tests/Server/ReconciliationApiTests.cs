using System.Net;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.Reconciliation;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Server.Identity;
using Microsoft.Extensions.DependencyInjection;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Server;

/// <summary>Duties of which recorders know more than the database: the alert, and the administrator's press, through the API and the pages.</summary>
[Collection(ServerTests.Name)]
public sealed class ReconciliationApiTests(ServerHarness server)
{
    [Fact]
    public async Task Doubt_IsShown_AndOnlyAnAdministratorMayReconcile()
    {
        var id = await AddDoubtAsync();
        using var client = server.Administrator();
        using var viewer = await server.WithRoleAsync(Roles.Viewer);
        using var browser = await server.SignInAsync();

        var list = await Answers.JsonAsync(await viewer.GetAsync($"/api/v1/reconciliations?server={id}"));
        var page = await browser.GetStringAsync("/servers");
        var log = await browser.GetStringAsync("/failover-log");
        var forbidden = await viewer.PostAsync($"/api/v1/servers/{id}/reconcile", ServerHarness.Json("""{"reason":"I know"}"""));
        var invalid = await client.PostAsync($"/api/v1/servers/{id}/reconcile", ServerHarness.Json("{}"));
        var unknown = await client.PostAsync("/api/v1/servers/nobody/reconcile", ServerHarness.Json("""{"reason":"I know"}"""));

        var open = list.GetProperty("open")[0];
        (open.GetProperty("identity").GetString(), list.GetProperty("done").GetArrayLength()).ShouldBe((id, 0));
        open.GetProperty("sentence").GetString()!.ShouldContain("epoch 5");
        page.ShouldContain($"The recorders know more about the duty of Hall {id} than the database");
        page.ShouldContain("handler=Reconcile");
        log.ShouldContain($"The recorders know more about the duty of Hall {id} than the database");
        (forbidden.StatusCode, invalid.StatusCode, unknown.StatusCode).ShouldBe((HttpStatusCode.Forbidden, HttpStatusCode.BadRequest, HttpStatusCode.NotFound));
        await SettleAsync(id);
    }

    [Fact]
    public async Task Reconcile_NobodyThatAnswersHasTheDuty_SaysWhatToDoAndIsAudited()
    {
        var id = await AddDoubtAsync();
        using var client = server.Administrator();
        using var browser = await server.SignInAsync();

        // Nobody answers at its address, and the one that told of a larger epoch is not here.
        var answer = await client.PostAsync($"/api/v1/servers/{id}/reconcile", ServerHarness.Json("""{"reason":"rec-9 has burnt down"}"""));
        var form = await ServerHarness.PostFormAsync(browser, "/servers", "/servers?handler=Reconcile", ("identity", id), ("reason", "rec-9 has burnt down"));

        answer.StatusCode.ShouldBe(HttpStatusCode.OK);
        var made = await Answers.JsonAsync(answer);
        (made.GetProperty("reconciliation").GetProperty("identity").GetString(), made.GetProperty("reconciliation").GetProperty("reason").GetString()).ShouldBe((id, "rec-9 has burnt down"));
        server.Audit.Records.Last(r => r.Subject == id).Reason.ShouldBe("rec-9 has burnt down");
        form.StatusCode.ShouldBe(HttpStatusCode.Redirect);
        using (await ServerHarness.PostFormAsync(browser, "/servers", "/servers?handler=Reconcile", ("identity", id), ("reason", " ")))
        {
            server.Audit.Records.Last(r => r.Subject == id).Result.ShouldBe("no reason");
        }

        await SettleAsync(id);
        using (await ServerHarness.PostFormAsync(browser, "/servers", "/servers?handler=Reconcile", ("identity", id), ("reason", "once more")))
        {
            server.Audit.Records.Last(r => r.Subject == id).Result.ShouldBe("refused");
        }

        var settled = await client.PostAsync($"/api/v1/servers/{id}/reconcile", ServerHarness.Json("""{"reason":"once more"}"""));
        (await Answers.ProblemAsync(settled)).Type.ShouldBe("urn:failback:refused");
        (await Answers.JsonAsync(await client.GetAsync($"/api/v1/reconciliations?server={id}"))).GetProperty("open").GetArrayLength().ShouldBe(0);
    }

    /// <summary>A recorder was heard that knows a larger epoch of a server's duty than the database.</summary>
    private async Task<string> AddDoubtAsync()
    {
        var id = $"rec-{Guid.NewGuid().ToString("N")[..8]}";
        await server.AddBrokenServerAsync(id);
        var stored = (await server.App.Services.GetRequiredService<IVmsServers>().FindAsync(id, default))!;
        await ApplyAsync(
            new SaveVmsServer(stored with { ProtectedCredential = server.App.Services.GetRequiredService<ISecretProtector>().Protect("token") }),
            new GrantEpoch(id, id, 1, "seed"));
        server.App.Services.GetRequiredService<SeenDuties>().Notice("rec-9", [new DutyState(id, DutyRole.Recorder, DutyRole.Recorder, 5, "later", 3, true, false)], TimeProvider.System.GetUtcNow());
        (await server.App.Services.GetRequiredService<RecordersKnowMore>().FindAsync(id, default))!.Kind.ShouldBe(DoubtKind.Epoch);
        return id;
    }

    /// <summary>The server is shared: nothing of this test is left in doubt.</summary>
    private async Task SettleAsync(string id)
    {
        await ApplyAsync(new GrantEpoch(id, "rec-9", 5, "later"), new RaiseFence(id, 3));
        (await server.App.Services.GetRequiredService<RecordersKnowMore>().FindAsync(id, default)).ShouldBeNull();
    }

    private Task ApplyAsync(params IReadOnlyList<IDomainChange> changes) => server.App.Services.GetRequiredService<IDomainWriter>().ApplyAsync(changes, default);
}
