using System.Net;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Http;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.ReferenceRecorder.Storage;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.ReferenceRecorder;

/// <summary>Scenario 59: a failover server is reset to standby, as from the factory.</summary>
public sealed class ResetTests
{
    // Scenario 59.
    [Fact]
    public async Task Reset_WhileMaterialIsOwed_IsRefusedAndNothingIsDeleted()
    {
        await using var host = await StoodInAsync();
        var before = await host.SegmentsAsync();

        var (status, body) = await ResetAsync(host);

        (status, body.GetProperty("type").GetString()).ShouldBe((HttpStatusCode.Conflict, RecorderProblems.MaterialOwed));
        body.GetProperty("detail").GetString().ShouldNotBeNull().ShouldContain("'entry-1'");
        (await host.SegmentsAsync()).ShouldBe(before);
        (await host.SettingsAsync()).Revision.ShouldBeGreaterThan(0);
        Files(host).ShouldNotBeEmpty();

        // Neither asking again nor another role makes it owe less.
        await host.AssignAsync(DutyRole.FailoverServer, 4, "again");
        (await ResetAsync(host)).Status.ShouldBe(HttpStatusCode.Conflict);
        (await host.CallAsync(HttpMethod.Get, "v1/retention-holds/entry-1")).Body.GetProperty("release").ValueKind.ShouldBe(System.Text.Json.JsonValueKind.Null);
    }

    // Scenario 59.
    [Theory]
    [InlineData("verifiedCopy")]
    [InlineData("acceptedLoss")]
    public async Task Reset_OnceNothingIsOwed_LeavesNoMaterialAndStillKnowsWhoIsInCharge(string release)
    {
        await using var host = await StoodInAsync();
        await ReleaseAsync(host, release);
        var segments = (await host.SegmentsAsync()).Count + (await host.SegmentsAsync("audio-1")).Count;

        var (status, body) = await ResetAsync(host);

        status.ShouldBe(HttpStatusCode.OK, body.ToString());
        body.GetProperty("segments").GetInt64().ShouldBe(segments);
        Files(host).ShouldBeEmpty();
        (await host.CallAsync(HttpMethod.Get, $"v1/tracks?identity={RecorderHost.Identity}")).Body.GetProperty("items").GetArrayLength().ShouldBe(0);
        (await host.RecordsAsync("text")).Items.ShouldBeEmpty();
        (await host.SettingsAsync()).Revision.ShouldBe(0);
        (await host.CallAsync(HttpMethod.Get, "v1/retention-holds")).Body.GetProperty("items").GetArrayLength().ShouldBe(0);
        host.Store.Read(sql => RecorderJournal.List(sql, 0)).ShouldContain(e => e.Kind == "reset" && e.Text.Contains("Moved to another site."));
        (await host.DutyAsync()).ShouldSatisfyAllConditions(d => d.Role.ShouldBe(DutyRole.Standby), d => d.Epoch.ShouldBe(3));
        (await Should.ThrowAsync<RecorderException>(() => host.AssignAsync(DutyRole.Recorder, 2, "run-2"))).Kind.ShouldBe(RecorderErrorKind.StaleAuthority);

        // Twice is as once, and it can be used again at once.
        (await ResetAsync(host)).Body.GetProperty("segments").GetInt64().ShouldBe(0);
        await host.AssignAsync(DutyRole.Recorder, 5, "run-5");
        await host.ConfigureAsync(RecorderHost.Content(), 5);
        await host.StartRecordingAsync(5);
        await host.PassAsync(TimeSpan.FromSeconds(4));
        (await host.SegmentsAsync()).ShouldNotBeEmpty();
    }

    // Scenario 59.
    [Fact]
    public async Task Reset_WithLockedOrDisputedMaterial_OrADuty_IsRefused()
    {
        await using var host = await RecorderHost.StartSeededAsync();
        await host.PassAsync(TimeSpan.FromSeconds(6));
        (await ResetAsync(host)).Body.GetProperty("type").GetString().ShouldBe(RecorderProblems.DutyHeld);
        var from = (await host.SegmentsAsync())[1].From;
        await host.AssignAsync(DutyRole.Standby, 2, "other");
        await host.StopRecordingAsync(2, ends: new Dictionary<string, DateTimeOffset> { ["video-1"] = from });
        await MaterialReadingTests.ImportAsync(host, "locks", $$"""{"id":"lock-1","timeUtc":"{{RecorderJson.FormatInstant(from)}}","toUtc":"{{RecorderJson.FormatInstant(from.AddSeconds(1))}}","body":{"expiresUtc":"{{RecorderJson.FormatInstant(host.Time.GetUtcNow().AddHours(1))}}"} }""");

        (await ResetAsync(host)).Body.GetProperty("detail").GetString().ShouldNotBeNull().ShouldContain("locked as evidence");
        host.Time.Advance(TimeSpan.FromHours(2));
        await host.Client.PutRetentionHoldAsync(host.Endpoint, new RetentionHoldCommand("entry-1", RecorderHost.Identity, new DutyAuthority(2, 0), from.AddMinutes(-1), from.AddMinutes(1), "Owed."), "hold", default);
        await ReleaseAsync(host, "verifiedCopy", 2);
        (await ResetAsync(host)).Body.GetProperty("detail").GetString().ShouldNotBeNull().ShouldContain("isputed");
        await ReleaseAsync(host, "acceptedLoss", 2);
        (await ResetAsync(host)).Status.ShouldBe(HttpStatusCode.OK);
    }

    [Fact]
    public async Task Reset_ByAReadToken_IsForbidden()
    {
        await using var host = await RecorderHost.StartSeededAsync();
        var token = await host.IssueAsync(host.Time.GetUtcNow().AddHours(-1), host.Time.GetUtcNow());

        (await host.CallAsync(HttpMethod.Post, "v1/recorder:reset", new { reason = "Curious." }, token.Token)).Status.ShouldBe(HttpStatusCode.Forbidden);
    }

    /// <summary>It stood in for the identity and is failover server again; what it recorded is owed.</summary>
    private static async Task<RecorderHost> StoodInAsync()
    {
        var host = await RecorderHost.StartAsync();
        await host.AssignAsync(DutyRole.Recorder, 2, "run-2", hold: new HoldRequest("entry-1", host.Time.GetUtcNow(), "Owed."));
        await host.ConfigureAsync(RecorderHost.Content(), 2);
        await host.StartRecordingAsync(2);
        await host.PassAsync(TimeSpan.FromSeconds(6));
        await host.AssignAsync(DutyRole.FailoverServer, 3, "run-3");
        await host.Client.PutRetentionHoldAsync(host.Endpoint, new RetentionHoldCommand("entry-1", RecorderHost.Identity, new DutyAuthority(3, 0), host.Time.GetUtcNow().AddSeconds(-6), host.Time.GetUtcNow(), "Owed."), "end", default);
        return host;
    }

    private static Task<(HttpStatusCode Status, System.Text.Json.JsonElement Body)> ResetAsync(RecorderHost host) => host.CallAsync(HttpMethod.Post, "v1/recorder:reset", new { reason = "Moved to another site." });

    private static async Task ReleaseAsync(RecorderHost host, string release, long epoch = 3) => (await host.CallAsync(
        HttpMethod.Post, "v1/retention-holds/entry-1:release", new { identity = "vms-1", taskId = "task-1", release, reason = "Done." }, null, host.TaskHeaders(epoch))).Status.ShouldBe(HttpStatusCode.OK);

    private static IEnumerable<string> Files(RecorderHost host) => Directory.EnumerateFiles(Path.Combine(host.Folder, "segments"), "*", SearchOption.AllDirectories);
}
