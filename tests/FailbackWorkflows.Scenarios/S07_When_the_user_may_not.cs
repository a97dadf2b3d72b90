using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Testing.Processes;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>Scenario 7: without the role 403 and nothing happens; withdrawn during the run, the run goes on and later actions are refused.</summary>
public sealed class S07_When_the_user_may_not
{
    [Fact]
    public async Task A_viewer_starts_nothing()
    {
        var (site, entryId) = await Site.StartFailedOverAsync();
        await using var _ = site;
        var (key, _) = await site.CreateKeyAsync("viewer");
        var before = await Touch.LookAsync(site, entryId);

        var answer = await site.TryStartFailbackAsync(entryId, apiKey: key);

        answer.Status.ShouldBe(HttpStatusCode.Forbidden);
        answer.Problem.ShouldBe("not-allowed");
        (await site.StartFailoverAsync(apiKey: key)).Status.ShouldBe(HttpStatusCode.Forbidden);
        (await site.Server.GetAsync($"api/v1/failover-log/{entryId}", key)).Status.ShouldBe(HttpStatusCode.OK);
        (await Touch.LookAsync(site, entryId)).ShouldBe(before);
        var refused = (await site.Server.ListAuditAsync()).Where(r => r.Actor.Name == "a viewer").ToList();
        refused.Select(r => (r.Actor.Kind, r.Actor.Address, r.Action, r.Subject, r.Result)).ShouldBe(
        [
            (ActorKind.ApiKey, "127.0.0.1", "POST /api/v1/failover-log/{entryId}/failback", entryId, "not-allowed"),
            (ActorKind.ApiKey, "127.0.0.1", "POST /api/v1/servers/{serverId}/failover", Site.MainId, "not-allowed"),
        ]);
        refused.ShouldAllBe(r => r.At <= TimeProvider.System.GetUtcNow() && r.At > TimeProvider.System.GetUtcNow().AddMinutes(-5));
    }

    [Fact]
    public async Task A_role_withdrawn_during_the_run_is_refused_from_the_next_click_on_and_audited()
    {
        var (site, entryId) = await Site.StartFailedOverAsync();
        await using var _ = site;
        var settings = await site.Standby.GetSettingsAsync(Site.MainId);
        (await site.Server.PostAsync("api/v1/users", new JsonObject { ["userName"] = "olga", ["password"] = "a long first password", ["roles"] = new JsonArray("operator") }))
            .Status.ShouldBe(HttpStatusCode.Created);
        using var olga = await site.Server.SignInAsync("olga", "a long first password");
        await site.Main.HoldAnswerAsync("POST", "/v1/recorder:probe", TimeSpan.FromSeconds(2));
        var started = await StartAsync(olga, entryId, "click-1");
        started.StatusCode.ShouldBe(HttpStatusCode.Accepted);
        var runId = (string)JsonNode.Parse(await started.Content.ReadAsStringAsync())!["runId"]!;

        (await site.Server.PutAsync("api/v1/users/olga/roles", new JsonObject { ["roles"] = new JsonArray("viewer"), ["reason"] = "left the shift" }))
            .Status.ShouldBe(HttpStatusCode.OK);

        (await StartAsync(olga, entryId, "click-2")).StatusCode.ShouldBe(HttpStatusCode.Forbidden);
        (await olga.PostAsync($"api/v1/runs/{runId}/cancel", Json("{}"))).StatusCode.ShouldBe(HttpStatusCode.Forbidden);
        (await olga.GetAsync($"api/v1/runs/{runId}")).StatusCode.ShouldBe(HttpStatusCode.OK);
        (await site.WaitForEndAsync(runId)).StartedBy.Name.ShouldBe("olga");
        await Invariants.AssertFailedBackAsync(site, entryId, runId, settings.Sha256);
        var audit = await site.Server.ListAuditAsync();
        var change = audit.Single(r => r.Action == "PUT /api/v1/users/{userName}/roles");
        (change.Subject, change.Reason, change.Result, change.Actor.Kind).ShouldBe(("olga", "left the shift", "done: operator → viewer", ActorKind.ApiKey));
        audit.Where(r => r.Actor.Name == "olga" && r.Action.StartsWith("POST /api/", StringComparison.Ordinal)).Select(r => (r.Action, r.Subject, r.Result)).ShouldBe(
        [
            ("POST /api/v1/failover-log/{entryId}/failback", entryId, "done"),
            ("POST /api/v1/failover-log/{entryId}/failback", entryId, "not-allowed"),
            ("POST /api/v1/runs/{runId}/cancel", runId, "not-allowed"),
        ]);
    }

    [Fact]
    public async Task Withdrawn_during_the_run_the_run_goes_on_and_later_actions_are_refused()
    {
        var (site, entryId) = await Site.StartFailedOverAsync();
        await using var _ = site;
        var settings = await site.Standby.GetSettingsAsync(Site.MainId);
        var (key, keyId) = await site.CreateKeyAsync("operator");
        await site.Main.HoldAnswerAsync("POST", "/v1/recorder:probe", TimeSpan.FromSeconds(2));
        var started = await site.TryStartFailbackAsync(entryId, apiKey: key);
        started.Status.ShouldBe(HttpStatusCode.Accepted);
        var runId = (string)started.Json!["runId"]!;

        (await site.Server.SendAsync(HttpMethod.Delete, $"api/v1/api-keys/{keyId}", (HttpContent?)null)).Status.ShouldBe(HttpStatusCode.NoContent);

        (await site.TryStartFailbackAsync(entryId, apiKey: key)).Status.ShouldBe(HttpStatusCode.Unauthorized);
        await site.WaitForEndAsync(runId);
        await Invariants.AssertFailedBackAsync(site, entryId, runId, settings.Sha256);
    }

    private static Task<HttpResponseMessage> StartAsync(HttpClient user, string entryId, string requestId) =>
        user.PostAsync($"api/v1/failover-log/{entryId}/failback", Json($$"""{"requestId":"{{requestId}}","reason":"scenario"}"""));

    private static StringContent Json(string text) => new(text, Encoding.UTF8, "application/json");
}
