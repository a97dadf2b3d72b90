using System.Net;
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
}
