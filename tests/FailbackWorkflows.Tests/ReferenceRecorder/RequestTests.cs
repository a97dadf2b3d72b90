using System.Net;
using System.Text;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.ReferenceRecorder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Shouldly;
using Xunit;
using RecorderProgram = FailbackWorkflows.ReferenceRecorder.Program;

namespace FailbackWorkflows.Tests.ReferenceRecorder;

public sealed class RequestTests
{
    private static readonly string[] BadBodies =
    [
        "", "null", "[]", "7", "{", "{}", "\"text\"", "{\"fence\":\"1\"}", "{\"fence\":1e400}", "{\"identity\":\"\\ud800\"}", "{\"\\ud800\":1}",
        "{\"identity\":\"../../etc\"}", "{\"identity\":null}", "{\"role\":3,\"epoch\":1,\"allocationId\":\"a\",\"fence\":0}",
        "{\"role\":\"none\",\"epoch\":1,\"allocationId\":\"a\",\"fence\":0}", "{\"role\":\"recorder\",\"epoch\":-1,\"allocationId\":\"a\",\"fence\":0}",
        "{\"content\":{\"channels\":7,\"masks\":null,\"schedules\":[],\"alarms\":[],\"retention\":{},\"files\":[null]},\"sha256\":\"x\"}",
        "{\"content\":{\"channels\":[],\"masks\":[],\"schedules\":[],\"alarms\":[],\"retention\":{},\"files\":[]},\"sha256\":\"\\u0000\"}",
        "{\"identity\":\"vms-1\",\"authorityEnds\":{\"video-1\":\"yesterday\"}}",
        "{\"identity\":\"vms-1\",\"fromUtc\":\"2026-01-01T00:00:00+01:00\",\"toUtc\":null,\"reason\":\"x\"}",
        "{\"identity\":\"vms-1\",\"tasks\":[null]}",
        "{\"taskId\":\"task-1\",\"entryId\":\"e\",\"identity\":\"vms-1\",\"sourceRecorderId\":\"s\",\"period\":{\"channelId\":null,\"fromUtc\":\"2026-01-01T00:00:00Z\",\"toUtc\":\"2026-01-02T00:00:00Z\"},\"channels\":[null],\"limits\":{},\"withDisputed\":false,\"reason\":\"x\"}",
        "{\"toRevision\":-5}", "{\"toRevision\":9223372036854775807}",
    ];

    [Fact]
    public async Task EveryRoute_WithoutTheToken_IsUnauthorized()
    {
        await using var host = await RecorderHost.StartAsync(null, null, "--test-faults", "true");
        using var anonymous = new HttpClient { BaseAddress = host.Endpoint.BaseUrl };
        var routes = Routes(host);

        routes.Count.ShouldBeGreaterThan(20);
        foreach (var (method, path) in routes.Append(("GET", "no/such/route")))
        {
            foreach (var credential in new[] { null, "Bearer", "Bearer wrong-token", $"Basic {RecorderHost.Token}", $"Bearer {RecorderHost.Token}x" })
            {
                using var request = new HttpRequestMessage(new HttpMethod(method), path);
                request.Headers.TryAddWithoutValidation("Authorization", credential);
                using var response = await anonymous.SendAsync(request);
                response.StatusCode.ShouldBe(path == "health/live" ? HttpStatusCode.OK : HttpStatusCode.Unauthorized, $"{method} {path}");
            }
        }
    }

    [Fact]
    public async Task EveryRoute_WithMalformedInput_IsRefusedAndNeverFails()
    {
        await using var host = await RecorderHost.StartSeededAsync();
        foreach (var (method, path) in Routes(host).Where(r => r.Path is not ("health/live" or "openapi/v1.json")))
        {
            foreach (var body in BadBodies)
            {
                // A key of its own each time: under one that is known, nothing but the key would be looked at.
                foreach (var headers in new[] { (Key: host.NewKey(), Epoch: "1", Fence: "0"), (Key: "", Epoch: "99999999999999999999", Fence: "-1") })
                {
                    using var request = new HttpRequestMessage(new HttpMethod(method), path);
                    if (method is not ("GET" or "HEAD"))
                    {
                        request.Content = new StringContent(body, Encoding.UTF8, "application/json");
                    }

                    request.Headers.TryAddWithoutValidation("Idempotency-Key", headers.Key);
                    request.Headers.TryAddWithoutValidation("X-Duty-Epoch", headers.Epoch);
                    request.Headers.TryAddWithoutValidation("X-Duty-Fence", headers.Fence);
                    request.Headers.TryAddWithoutValidation("X-Copy-Fence", headers.Fence);
                    using var response = await host.Raw.SendAsync(request);
                    ((int)response.StatusCode).ShouldBeLessThan(500, $"{method} {path} {body}");
                    if (!response.IsSuccessStatusCode && method != "HEAD")
                    {
                        response.Content.Headers.ContentType!.MediaType.ShouldBe("application/problem+json");
                        RecorderHost.Json(await response.Content.ReadAsStringAsync()).GetProperty("type").GetString()!.ShouldStartWith(RecorderProblems.Prefix);
                    }
                }
            }
        }
    }

    [Fact]
    public async Task Body_TooLarge_IsRefusedAsSuch()
    {
        await using var host = await RecorderHost.StartAsync();
        using var request = new HttpRequestMessage(HttpMethod.Post, "v1/recording:start") { Content = new ByteArrayContent(new byte[65 * 1024 * 1024]) };
        request.Headers.ExpectContinue = true;

        using var response = await host.Raw.SendAsync(request);

        response.StatusCode.ShouldBe(HttpStatusCode.RequestEntityTooLarge);
    }

    [Fact]
    public async Task OpenApi_Served_NamesTheRoutes()
    {
        await using var host = await RecorderHost.StartAsync();

        var document = RecorderHost.Json(await host.Raw.GetStringAsync("openapi/v1.json"));

        document.GetProperty("paths").TryGetProperty("/v1/duties/{identity}", out _).ShouldBeTrue();
        var operations = document.GetProperty("paths").EnumerateObject().SelectMany(p => p.Value.EnumerateObject())
            .Where(o => o.Value.TryGetProperty("operationId", out _)).Select(o => o.Value.GetProperty("operationId").GetString()).ToList();
        operations.ShouldBeUnique();
        foreach (var name in new[] { "listTracks", "getTrack", "listSpans", "listSegments", "getTrackManifest", "getSegmentBytes", "listRecords", "getRecordManifest", "importRecords", "issueReadToken", "revokeReadToken", "releaseRetentionHold" })
        {
            operations.ShouldContain(name);
        }
    }

    [Fact]
    public async Task Fault_DropAfterEffect_TakesEffectAndBreaksTheConnection()
    {
        await using var host = await RecorderHost.StartSeededAsync(null, "--test-faults", "true");
        using var order = await host.Raw.PostAsync("test/faults", new StringContent("{\"path\":\"/v1/recording:stop\",\"times\":2,\"action\":\"dropAfterEffect\"}", Encoding.UTF8, "application/json"));
        order.EnsureSuccessStatusCode();

        (await Should.ThrowAsync<RecorderException>(() => host.StopRecordingAsync(1, key: "stop"))).Kind.ShouldBe(RecorderErrorKind.Unreachable);

        (await host.DutyAsync()).Recording.ShouldBeFalse();
        (await host.StopRecordingAsync(1, key: "stop")).Channels.ShouldAllBe(c => !c.Recording);
    }

    [Fact]
    public async Task DataFolder_InUse_RefusesASecondRecorder()
    {
        await using var host = await RecorderHost.StartAsync();

        Should.Throw<StartRefusedException>(() => RecorderProgram.Build(["--data", host.Folder, "--token", RecorderHost.Token], TimeProvider.System)).ExitCode.ShouldBe(4);
    }

    [Theory]
    [InlineData]
    [InlineData("--token", "short")]
    [InlineData("--token", "long-enough-token", "--urls", "http://0.0.0.0:5101")]
    [InlineData("--token", "long-enough-token", "--bootConfirm", "soon")]
    [InlineData("--token", "long-enough-token", "--seedIdentity", "../x")]
    [InlineData("--token", "long-enough-token", "--seedIdentiy", "vms-1")]
    [InlineData("--token", "long-enough-token", "--seedCameras", "101")]
    public void Options_ThatCannotBeUsed_RefuseTheStart(params string[] args) =>
        Should.Throw<StartRefusedException>(() => RecorderOptions.Parse(args)).ExitCode.ShouldBe(2);

    private static List<(string Method, string Path)> Routes(RecorderHost host) =>
        [.. host.App.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>().SelectMany(e =>
            e.Metadata.GetMetadata<HttpMethodMetadata>()!.HttpMethods.Select(m => (m, e.RoutePattern.RawText!.TrimStart('/')
                .Replace("{identity}", "vms-1").Replace("{trackId}", "vms-1~video-1").Replace("{segmentId}", "s").Replace("{stagedId}", "s").Replace("{entryId}", "e").Replace("{tokenId}", "t").Replace("{kind}", "alarms").Replace("{taskId}", "task-1"))))];
}
