using System.Net;
using System.Text.Json;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.ReferenceRecorder.Storage;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.ReferenceRecorder;

public sealed class ReadTokenTests
{
    [Fact]
    public async Task ReadToken_ReadsItsIdentityAndPeriod_AndNothingElse()
    {
        await using var host = await RecorderHost.StartSeededAsync();
        await host.PassAsync(TimeSpan.FromSeconds(12));
        var segments = (await host.SegmentsAsync()).Where(s => !s.Growing).ToList();
        var (from, to) = (segments[1].From, segments[2].To);
        var token = (await host.IssueAsync(from, to)).Token;
        async Task<HttpStatusCode> GetAsync(string path)
        {
            using var response = await host.SendAsync(HttpMethod.Get, path, null, token);
            return response.StatusCode;
        }

        foreach (var path in new[]
        {
            "v1/recorder", "v1/tracks", "v1/tracks?identity=vms-1", "v1/tracks/vms-1~video-1", "v1/tracks/vms-1~video-1/spans", "v1/tracks/vms-1~video-1/segments", "v1/tracks/vms-1~video-1/manifest",
            $"v1/tracks/vms-1~video-1/segments?from={RecorderJson.FormatInstant(from)}&to={RecorderJson.FormatInstant(to)}", $"v1/segments/{segments[1].Id}", $"v1/segments/{segments[2].Id}",
            "v1/records/alarms?identity=vms-1", "v1/records/alarms", "v1/records/locks/manifest?identity=vms-1",
        })
        {
            (await GetAsync(path)).ShouldBe(HttpStatusCode.OK, path);
        }

        foreach (var path in new[]
        {
            "v1/channels", "v1/duties/vms-1", "v1/duties/vms-1/config", "v1/journal", "v1/idempotency-keys", "v1/retention-holds", "openapi/v1.json", "no/such/route", "v1/tracks?identity=vms-2",
            "v1/tracks/vms-2~video-1/segments", $"v1/segments/{segments[0].Id}", $"v1/segments/{segments[3].Id}", "v1/records/alarms?identity=vms-2",
            $"v1/tracks/vms-1~video-1/segments?from={RecorderJson.FormatInstant(from.AddTicks(-1))}", $"v1/records/alarms?to={RecorderJson.FormatInstant(to.AddTicks(1))}",
        })
        {
            (await GetAsync(path)).ShouldBe(HttpStatusCode.Forbidden, path);
        }

        var routes = host.App.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>();
        foreach (var (method, path) in routes.SelectMany(e => e.Metadata.GetMetadata<HttpMethodMetadata>()!.HttpMethods.Select(m => (m, e.RoutePattern.RawText!.TrimStart('/')))).Where(r => r.m is not ("GET" or "HEAD")))
        {
            (await host.CallAsync(new HttpMethod(method), path.Replace("{kind}", "alarms"), null, token)).Status.ShouldBeOneOf(HttpStatusCode.Forbidden, HttpStatusCode.UnsupportedMediaType);
        }

        var page = (await host.CallAsync(HttpMethod.Get, "v1/tracks/vms-1~video-1/segments", null, token)).Body.Deserialize<SegmentPage>(RecorderJson.Options)!;
        page.Items.Select(s => s.Id).ShouldBe([segments[1].Id, segments[2].Id]);
    }

    [Fact]
    public async Task Issue_Repeated_GivesTheSameTokenThatIsStoredNowhere()
    {
        await using var host = await RecorderHost.StartSeededAsync();
        var from = host.Time.GetUtcNow();
        var request = new ReadTokenRequest(RecorderHost.Identity, from, from.AddHours(1), 1, "Copy.");
        var first = await host.CallAsync(HttpMethod.Put, "v1/read-tokens/task-1", request, null, host.TaskHeaders(key: "issue"));
        var replay = await host.CallAsync(HttpMethod.Put, "v1/read-tokens/task-1", request, null, host.TaskHeaders(key: "issue"));
        var again = await host.CallAsync(HttpMethod.Put, "v1/read-tokens/task-1", request, null, host.TaskHeaders(key: "other"));

        var token = first.Body.GetProperty("token").GetString()!;
        token.Length.ShouldBeGreaterThan(40);
        replay.Body.GetProperty("token").GetString().ShouldBe(token);
        again.Body.GetProperty("token").GetString().ShouldBe(token);
        host.Store.Read(sql => sql.Query("SELECT body FROM idempotency_keys", r => r.GetString(0))).ShouldAllBe(b => !b.Contains(token, StringComparison.Ordinal));
        foreach (var file in Directory.EnumerateFiles(host.Folder, "recorder.db*"))
        {
            using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            using var reader = new StreamReader(stream, System.Text.Encoding.Latin1);
            (await reader.ReadToEndAsync()).ShouldNotContain(token[^43..]);
        }
    }

    [Fact]
    public async Task Issue_OfAnotherGeneration_EndsTheFormer()
    {
        await using var host = await RecorderHost.StartSeededAsync();
        var from = host.Time.GetUtcNow();
        var first = (await host.IssueAsync(from, from.AddHours(1))).Token;
        var second = (await host.IssueAsync(from, from.AddHours(2), generation: 2)).Token;
        async Task<HttpStatusCode> ReadAsync(string token) => (await host.CallAsync(HttpMethod.Get, "v1/recorder", null, token)).Status;

        (await ReadAsync(first)).ShouldBe(HttpStatusCode.Unauthorized);
        (await ReadAsync(second)).ShouldBe(HttpStatusCode.OK);
        foreach (var request in new[] { (From: from, Generation: 1, Identity: "vms-1"), (From: from.AddHours(-1), Generation: 2, Identity: "vms-1"), (From: from, Generation: 3, Identity: "vms-2") })
        {
            var (status, body) = await host.CallAsync(HttpMethod.Put, "v1/read-tokens/token-1", new ReadTokenRequest(request.Identity, request.From, from.AddHours(2), request.Generation, "x"), null, host.TaskHeaders());
            (status, body.GetProperty("type").GetString()).ShouldBe((HttpStatusCode.Conflict, RecorderProblems.ReadTokenConflict));
        }

        (await host.CallAsync(HttpMethod.Delete, "v1/read-tokens/token-1?identity=vms-1", null, null, host.TaskHeaders())).Body.GetProperty("revoked").GetBoolean().ShouldBeTrue();
        (await host.CallAsync(HttpMethod.Delete, "v1/read-tokens/token-1?identity=vms-1", null, null, host.TaskHeaders())).Status.ShouldBe(HttpStatusCode.OK);
        (await ReadAsync(second)).ShouldBe(HttpStatusCode.Unauthorized);
        (await ReadAsync((await host.IssueAsync(from, from.AddHours(2), generation: 3)).Token)).ShouldBe(HttpStatusCode.OK);
    }

    [Fact]
    public async Task Token_ChangedInAnyPlace_IsUnauthorized()
    {
        await using var host = await RecorderHost.StartSeededAsync();
        var from = host.Time.GetUtcNow();
        var token = (await host.IssueAsync(from, from.AddHours(1))).Token;

        // Two letters that are not there already: about one token in a thousand ends with any given pair.
        var otherEnd = token.EndsWith("AA", StringComparison.Ordinal) ? "BA" : "AA";
        foreach (var wrong in new[] { token[..^1], token + "x", token[..^2] + otherEnd, "frt.", "frt.token-1.", "frt.nobody." + token[^43..], token.Replace("token-1", "token-2"), "frt.." })
        {
            (await host.CallAsync(HttpMethod.Get, "v1/recorder", null, wrong)).Status.ShouldBe(HttpStatusCode.Unauthorized, wrong);
        }
    }

    [Fact]
    public async Task Authority_LowerThanSeen_IsRefusedPerTaskAndLeavesTheDutyFenceAlone()
    {
        await using var host = await RecorderHost.StartSeededAsync();
        var from = host.Time.GetUtcNow();
        var request = new ReadTokenRequest(RecorderHost.Identity, from, from.AddHours(1), 1, "Copy.");
        (await host.CallAsync(HttpMethod.Put, "v1/read-tokens/a", request, null, host.TaskHeaders(fence: 5))).Status.ShouldBe(HttpStatusCode.OK);

        (await host.CallAsync(HttpMethod.Put, "v1/read-tokens/a", request, null, host.TaskHeaders(fence: 4))).Status.ShouldBe(HttpStatusCode.PreconditionFailed);
        (await host.CallAsync(HttpMethod.Delete, "v1/read-tokens/a?identity=vms-1", null, null, host.TaskHeaders(fence: 4))).Status.ShouldBe(HttpStatusCode.PreconditionFailed);
        (await host.CallAsync(HttpMethod.Put, "v1/read-tokens/b", request, null, host.TaskHeaders(fence: 1))).Status.ShouldBe(HttpStatusCode.OK);
        (await host.CallAsync(HttpMethod.Put, "v1/read-tokens/b", request, null, host.TaskHeaders(epoch: 0, fence: 1))).Status.ShouldBe(HttpStatusCode.PreconditionFailed);
        (await host.DutyAsync()).Fence.ShouldBe(0);
    }

    [Fact]
    public async Task Release_OfAnOpenHold_NeedsAnAcceptedLoss()
    {
        await using var host = await RecorderHost.StartSeededAsync();
        var from = host.Time.GetUtcNow();
        await host.Client.PutRetentionHoldAsync(host.Endpoint, new RetentionHoldCommand("entry-1", RecorderHost.Identity, new DutyAuthority(1, 0), from, null, "Owed."), "open", default);
        Task<(HttpStatusCode Status, JsonElement Body)> ReleaseAsync(string release, string entry = "entry-1") =>
            host.CallAsync(HttpMethod.Post, $"v1/retention-holds/{entry}:release", new { identity = RecorderHost.Identity, taskId = "task-1", release, reason = "Because." }, null, host.TaskHeaders());

        (await ReleaseAsync("verifiedCopy")).ShouldSatisfyAllConditions(a => a.Status.ShouldBe(HttpStatusCode.Conflict), a => a.Body.GetProperty("type").GetString().ShouldBe(RecorderProblems.HoldConflict));
        (await ReleaseAsync("verifiedCopy", "nobody")).Status.ShouldBe(HttpStatusCode.NotFound);
        (await ReleaseAsync("whatever")).Status.ShouldBe(HttpStatusCode.BadRequest);
        await host.Client.PutRetentionHoldAsync(host.Endpoint, new RetentionHoldCommand("entry-1", RecorderHost.Identity, new DutyAuthority(1, 0), from, from.AddHours(1), "Over."), "end", default);
        (await ReleaseAsync("verifiedCopy")).Body.GetProperty("release").GetString().ShouldBe("verifiedCopy");
        (await ReleaseAsync("acceptedLoss")).Body.GetProperty("release").GetString().ShouldBe("acceptedLoss");
        (await ReleaseAsync("verifiedCopy")).Body.GetProperty("release").GetString().ShouldBe("acceptedLoss");
        (await Should.ThrowAsync<RecorderException>(() => host.Client.PutRetentionHoldAsync(
            host.Endpoint, new RetentionHoldCommand("entry-1", RecorderHost.Identity, new DutyAuthority(1, 0), from, null, "Again."), "again", default))).ProblemType.ShouldBe(RecorderProblems.HoldConflict);
    }
}
