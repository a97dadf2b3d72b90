using System.Net;
using FailbackWorkflows.Testing.Processes;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>Scenario 1: exactly one start wins, the others hear which run did.</summary>
public sealed class S01_When_two_operators_press_start_at_once
{
    [Fact]
    public async Task One_run_starts_and_the_others_are_told_which()
    {
        var (site, entryId) = await Site.StartFailedOverAsync();
        await using var _ = site;
        var settings = await site.Standby.GetSettingsAsync(Site.MainId);

        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => site.TryStartFailbackAsync(entryId)));

        var winner = answers.Single(a => a.Status == HttpStatusCode.Accepted);
        var runId = (string)winner.Json!["runId"]!;
        var losers = answers.Where(a => a != winner).ToList();
        losers.ShouldAllBe(a => a.Status == HttpStatusCode.Conflict && a.Problem == "run-in-the-way");
        losers.ShouldAllBe(a => (string?)a.Json!["runId"] == runId);
        losers.ShouldAllBe(a => (string?)a.Json!["links"]!["run"] == $"/api/v1/runs/{runId}");
        await site.WaitForEndAsync(runId);
        await Invariants.AssertFailedBackAsync(site, entryId, runId, settings.Sha256);
    }

    [Fact]
    public async Task A_double_click_starts_one_run()
    {
        var (site, entryId) = await Site.StartFailedOverAsync();
        await using var _ = site;
        var click = site.NewRequestId();

        var answers = await Task.WhenAll(site.TryStartFailbackAsync(entryId, click), site.TryStartFailbackAsync(entryId, click));

        answers.ShouldAllBe(a => a.Status == HttpStatusCode.Accepted);
        answers.Select(a => (string)a.Json!["runId"]!).Distinct().Count().ShouldBe(1);
        var runId = (string)answers[0].Json!["runId"]!;
        (await site.WaitForEndAsync(runId)).Result.ShouldBe("done");
        await Invariants.AssertAsync(site, runId);
    }

    [Fact]
    public async Task A_failover_of_the_same_server_has_to_wait()
    {
        var (site, entryId) = await Site.StartFailedOverAsync();
        await using var _ = site;
        await site.Main.HoldAnswerAsync("POST", "/v1/recorder:probe", TimeSpan.FromSeconds(2));
        var runId = await site.StartFailbackAsync(entryId);

        var answer = await site.StartFailoverAsync();

        answer.Status.ShouldBe(HttpStatusCode.Conflict);
        answer.Problem.ShouldBe("run-in-the-way");
        ((string?)answer.Json!["runId"]).ShouldBe(runId);
        (await site.WaitForEndAsync(runId)).Result.ShouldBe("done");
    }
}
