using System.Net;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Obligations;
using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Server.Identity;
using Microsoft.Extensions.DependencyInjection;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Server;

/// <summary>Duties in the hands of people: what is owed, adoption, abandonment, machine replacement, by HTTP and on the pages.</summary>
[Collection(ServerTests.Name)]
public sealed class DutyApiTests(ServerHarness server)
{
    [Fact]
    public async Task Obligations_AreListed_AndTheEntryCarriesTheBadge()
    {
        var entry = await server.AddEntryAsync(entry => entry with { Failback = FailbackState.Done });
        await OweAsync(entry);
        using var client = server.Administrator();
        using var browser = await server.SignInAsync();

        var list = await Answers.JsonAsync(await client.GetAsync($"/api/v1/obligations?entry={entry.Id}"));
        var elsewhere = await Answers.JsonAsync(await client.GetAsync("/api/v1/obligations?server=nobody"));
        var item = await Answers.JsonAsync(await client.GetAsync($"/api/v1/failover-log/{entry.Id}"));
        var log = await browser.GetStringAsync("/failover-log");
        var page = await browser.GetStringAsync($"/failover-log/{entry.Id}");

        var owed = list.GetProperty("items")[0];
        (owed.GetProperty("kind").GetString(), owed.GetProperty("serverId").GetString(), owed.GetProperty("reason").GetString()).ShouldBe(("holdEnd", "rec-spare", "It did not answer."));
        elsewhere.GetProperty("items").GetArrayLength().ShouldBe(0);
        item.GetProperty("openObligations").GetInt32().ShouldBe(1);
        log.ShouldContain("Debt unreachable");
        page.ShouldContain("Debt unreachable");
        page.ShouldContain("end the retention hold");
    }

    [Fact]
    public async Task FailbackWithoutFailoverServer_NeedsAReason_AndIsPassedToTheRun()
    {
        var entry = await server.AddEntryAsync();
        using var client = server.Administrator();
        var address = $"/api/v1/failover-log/{entry.Id}/failback";

        var refused = await client.PostAsync(address, ServerHarness.Json("""{"requestId":"click-1","withoutFailoverServer":true}"""));
        var started = await client.PostAsync(address, ServerHarness.Json("""{"requestId":"click-2","withoutFailoverServer":true,"reason":"it has burnt down"}"""));

        refused.StatusCode.ShouldBe(HttpStatusCode.Conflict);
        (await Answers.ProblemAsync(refused)).Type.ShouldBe("urn:failback:refused");
        started.StatusCode.ShouldBe(HttpStatusCode.Accepted);
        server.Runs.Starts.Single(s => entry.Id.Equals(s.Input.GetValueOrDefault("EntryId"))).Input["WithoutFailoverServer"].ShouldBe(true);
    }

    [Fact]
    public async Task Adopt_StartsOneRun_WithItsReasonInTheAuditLog()
    {
        var entry = await server.AddEntryAsync();
        using var client = server.Administrator();
        using var viewer = await server.WithRoleAsync(Roles.Viewer);
        var address = $"/api/v1/failover-log/{entry.Id}/adopt";

        var forbidden = await viewer.PostAsync(address, ServerHarness.Json("""{"requestId":"click-1","reason":"by hand"}"""));
        var invalid = await client.PostAsync(address, ServerHarness.Json("""{"requestId":"click-1"}"""));
        var unknown = await client.PostAsync("/api/v1/failover-log/none/adopt", ServerHarness.Json("""{"requestId":"click-1","reason":"by hand"}"""));
        var started = await client.PostAsync(address, ServerHarness.Json("""{"requestId":"click-1","reason":"by hand"}"""));

        forbidden.StatusCode.ShouldBe(HttpStatusCode.Forbidden);
        (invalid.StatusCode, unknown.StatusCode, started.StatusCode).ShouldBe((HttpStatusCode.BadRequest, HttpStatusCode.NotFound, HttpStatusCode.Accepted));
        server.Runs.Starts.Single(s => entry.Id.Equals(s.Input.GetValueOrDefault("EntryId"))).DefinitionId.ShouldBe("adoption");
        server.Audit.Records.ShouldContain(r => r.Subject == entry.Id && r.Reason == "by hand" && r.Result == "done");
    }

    [Fact]
    public async Task Abandon_NeedsAnAdministrator_AStoppedRunAndAServerOfTheEntry()
    {
        var entry = await server.AddEntryAsync();
        using var client = server.Administrator();
        using var operators = await server.WithRoleAsync(Roles.Operator);
        var runId = (await Answers.JsonAsync(await client.PostAsync($"/api/v1/failover-log/{entry.Id}/failback", ServerHarness.Json("""{"requestId":"click-1"}""")))).GetProperty("runId").GetString()!;
        var body = $$"""{"requestId":"give-up","holderServerId":"{{entry.FailoverServerId}}","reason":"nobody can repair it"}""";
        var address = $"/api/v1/runs/{runId}/abandon";

        var forbidden = await operators.PostAsync(address, ServerHarness.Json(body));
        var running = await client.PostAsync(address, ServerHarness.Json(body));
        server.Runs.Put(Report(runId, entry.Id));
        var third = await client.PostAsync(address, ServerHarness.Json("""{"requestId":"give-up","holderServerId":"rec-third","reason":"x"}"""));
        var unknown = await client.PostAsync("/api/v1/runs/none/abandon", ServerHarness.Json(body));
        using var browser = await server.SignInAsync();
        var page = await browser.GetStringAsync($"/runs/{runId}");

        forbidden.StatusCode.ShouldBe(HttpStatusCode.Forbidden);
        (running.StatusCode, third.StatusCode, unknown.StatusCode).ShouldBe((HttpStatusCode.Conflict, HttpStatusCode.Conflict, HttpStatusCode.NotFound));
        (await Answers.ProblemAsync(third)).Body.GetProperty("detail").GetString()!.ShouldContain(entry.FailoverServerId);
        page.ShouldNotBeEmpty();
    }

    [Fact]
    public async Task ReplaceMachine_OfAServerThatDoesNotAnswer_ChangesNothingAndSaysWhatToDo()
    {
        var id = $"rec-{Guid.NewGuid():N}"[..12];
        await server.AddBrokenServerAsync(id);
        using var client = server.Administrator();
        using var operators = await server.WithRoleAsync(Roles.Operator);
        var address = $"/api/v1/servers/{id}/replace-machine";
        const string Body = """{"oldMachineId":"old","newMachineId":"new","credential":"token","reason":"board exchanged"}""";

        var forbidden = await operators.PostAsync(address, ServerHarness.Json(Body));
        var invalid = await client.PostAsync(address, ServerHarness.Json("""{"newMachineId":"new"}"""));
        var unknown = await client.PostAsync("/api/v1/servers/none/replace-machine", ServerHarness.Json(Body));
        var refused = await client.PostAsync(address, ServerHarness.Json(Body));

        forbidden.StatusCode.ShouldBe(HttpStatusCode.Forbidden);
        (invalid.StatusCode, unknown.StatusCode, refused.StatusCode).ShouldBe((HttpStatusCode.BadRequest, HttpStatusCode.NotFound, HttpStatusCode.Conflict));
        (await Answers.ProblemAsync(refused)).Type.ShouldBe("urn:failback:refused");
        server.Audit.Records.ShouldContain(r => r.Subject == id && r.Reason == "old → new: board exchanged" && r.Result == "refused");
    }

    [Fact]
    public async Task EntryPage_OfARefusedFailback_OffersWhatTheRefusalOffers_AndAdoptsByAForm()
    {
        var runId = Guid.NewGuid().ToString("N");
        var entry = await server.AddEntryAsync(entry => entry with { FailbackRunId = runId });
        server.Runs.Put(Report(runId, entry.Id) with { SubStatus = WorkflowSubStatus.Finished, Result = "refused", RefusedCheck = 3, Offer = RunOffers.Adopt });
        using var browser = await server.SignInAsync();
        var page = $"/failover-log/{entry.Id}";

        var html = await browser.GetStringAsync(page);
        var started = await ServerHarness.PostFormAsync(browser, page, $"{page}/duty?handler=Adopt", ("requestId", "click-1"), ("reason", "repaired by hand"));
        var elsewhere = await browser.GetAsync($"{page}/duty");

        html.ShouldContain("id=\"adopt\"");
        html.ShouldNotContain("id=\"failback-without\"");
        html.ShouldNotContain("id=\"abandon\"");
        (started.StatusCode, started.Headers.Location!.ToString(), elsewhere.StatusCode).ShouldBe((HttpStatusCode.Redirect, page, HttpStatusCode.Redirect));
        server.Runs.Starts.Single(s => entry.Id.Equals(s.Input.GetValueOrDefault("EntryId"))).DefinitionId.ShouldBe("adoption");
        server.Audit.Records.ShouldContain(r => r.Subject == entry.Id && r.Reason == "repaired by hand");
    }

    [Fact]
    public async Task EntryPage_OfAStoppedFailback_LetsAnAdministratorAbandonIt()
    {
        var runId = Guid.NewGuid().ToString("N");
        var entry = await server.AddEntryAsync(entry => entry with { FailbackRunId = runId, Failback = FailbackState.Running });
        server.Runs.Put(Report(runId, entry.Id));
        await server.CreateUserAsync($"op-{runId[..6]}", Roles.Operator);
        using var browser = await server.SignInAsync();
        using var operatorBrowser = await server.SignInAsync($"op-{runId[..6]}");
        var page = $"/failover-log/{entry.Id}";

        var html = await browser.GetStringAsync(page);
        var forOperators = await operatorBrowser.GetStringAsync(page);
        var forbidden = await ServerHarness.PostFormAsync(
            operatorBrowser, page, $"{page}/duty?handler=Abandon", ("requestId", "click-1"), ("runId", runId), ("holderServerId", entry.FailedServerId), ("reason", "x"));

        html.ShouldContain("Abandon the failback");
        forOperators.ShouldNotContain("Abandon the failback");
        forbidden.StatusCode.ShouldNotBe(HttpStatusCode.OK);
        server.Runs.Starts.ShouldNotContain(s => entry.Id.Equals(s.Input.GetValueOrDefault("EntryId")));
    }

    [Fact]
    public async Task ReplaceMachinePage_ShowsOldAndNewMachine_AndKeepsTheFormUntilItIsConfirmed()
    {
        var id = $"rec-{Guid.NewGuid():N}"[..12];
        await server.AddBrokenServerAsync(id);
        var stored = (await server.App.Services.GetRequiredService<IVmsServers>().FindAsync(id, default))!;
        await server.App.Services.GetRequiredService<IDomainWriter>().ApplyAsync(
            [new SaveVmsServer(stored with { MachineId = "the old machine", ProtectedCredential = server.App.Services.GetRequiredService<ISecretProtector>().Protect("token") })], default);
        using var browser = await server.SignInAsync();
        var page = $"/servers/{id}/replace-machine";

        var html = await browser.GetStringAsync(page);
        var unconfirmed = await ServerHarness.PostFormAsync(
            browser, page, page, ("baseUrl", "http://127.0.0.1:9/"), ("credential", "token"), ("newMachineId", "new"), ("reason", "x"), ("replace", "true"));

        html.ShouldContain("the old machine");
        html.ShouldContain("not known yet");
        (await unconfirmed.Content.ReadAsStringAsync()).ShouldContain("Tick that the new machine is this server.");
        server.Audit.Records.ShouldContain(r => r.Subject == id && r.Result == "refused");
    }

    private static RunReport Report(string runId, string entryId) => new(
        runId, StartFailback.DefinitionId, 2, WorkflowSubStatus.Faulted, "faulted", "It stopped.", null, Actor.System, null, entryId, DateTimeOffset.UnixEpoch, null, [], []);

    private Task OweAsync(FailoverLogEntry entry) => server.App.Services.GetRequiredService<IDomainWriter>().ApplyAsync(
        [
            new Owe(
            [
                new Obligation
                {
                    Id = $"{entry.Id}/owed",
                    ServerId = entry.FailoverServerId,
                    Identity = entry.FailedServerId,
                    EntryId = entry.Id,
                    Kind = ObligationKind.HoldEnd,
                    Epoch = 3,
                    Reason = "It did not answer.",
                    CreatedAt = entry.FailoverStartedAt,
                    NextAttemptAt = entry.FailoverStartedAt,
                },
            ]),
        ],
        CancellationToken.None);
}
