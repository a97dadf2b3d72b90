using System.Diagnostics;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Http;
using FailbackWorkflows.Recorders.Recording;
using FailbackWorkflows.Testing;
using FailbackWorkflows.Testing.Telemetry;
using Microsoft.Extensions.Logging.Abstractions;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Recorders.Http;

public sealed class RecorderTracingTests : IAsyncLifetime
{
    private static readonly ActivitySource Runs = new("test runs");

    private readonly Spans _spans = new(Runs.Name, RecorderTracing.SourceName);
    private readonly HttpRecorderClient _client = new(new RecorderClientOptions(), TimeProvider.System, NullLogger<HttpRecorderClient>.Instance);
    private RecorderStub _stub = null!;

    public async Task InitializeAsync() => _stub = await RecorderStub.StartAsync();

    public async Task DisposeAsync()
    {
        _spans.Dispose();
        _client.Dispose();
        await _stub.DisposeAsync();
    }

    [Fact]
    public async Task Call_InATrace_IsASpanOfIt_AndTheRecorderIsTold()
    {
        _stub.On("GET", "/v1/duties/vms-1/recording", StubAnswer.Reset(), StubAnswer.Json(200, new RecordingState("vms-1", DateTimeOffset.UnixEpoch, [])));
        ActivityTraceId trace;
        ActivitySpanId parent;
        using (var run = Runs.StartActivity("a run")!)
        {
            (trace, parent) = (run.TraceId, run.SpanId);
            await _client.GetRecordingAsync(_stub.Endpoint("very-secret"), "vms-1", default);
        }

        var call = _spans.Of(trace).Single(s => s.Source.Name == RecorderTracing.SourceName);
        (call.DisplayName, call.Kind, call.ParentSpanId, call.Status).ShouldBe(("read recording", ActivityKind.Client, parent, ActivityStatusCode.Unset));
        _stub.Journal.Count.ShouldBe(2, "the connection broke once");
        _stub.Journal.ShouldAllBe(r => r.Headers["traceparent"] == $"00-{trace}-{call.SpanId}-01");
        call.TagObjects.ToDictionary().ShouldBe(
            new Dictionary<string, object?>
            {
                ["failback.recorder.id"] = "stub",
                ["server.address"] = _stub.BaseUrl.Host,
                ["server.port"] = _stub.BaseUrl.Port,
                ["http.request.method"] = "GET",
                ["url.path"] = "/v1/duties/vms-1/recording",
                ["http.response.status_code"] = 200,
            },
            ignoreOrder: true);
    }

    [Fact]
    public async Task Call_ThatFails_IsAnErrorOfItsKind()
    {
        _stub.On("GET", "/v1/duties/vms-1/recording", StubAnswer.Problem(404, RecorderProblems.UnknownIdentity, "Unknown: very-secret."));
        ActivityTraceId trace;
        using (var run = Runs.StartActivity("a run")!)
        {
            trace = run.TraceId;
            await Should.ThrowAsync<RecorderException>(() => _client.GetRecordingAsync(_stub.Endpoint(), "vms-1", default));
        }

        var call = _spans.Of(trace).Single(s => s.Source.Name == RecorderTracing.SourceName);
        (call.Status, call.GetTagItem("error.type"), call.GetTagItem("http.response.status_code")).ShouldBe((ActivityStatusCode.Error, "NotFound", 404));
        call.TagObjects.ShouldNotContain(t => $"{t.Value}".Contains("very-secret"));
    }

    // Polls are thousands a minute.
    [Fact]
    public async Task Call_OutsideATrace_IsNone_AndTheRecorderIsToldNothing()
    {
        _stub.On("GET", "/v1/duties/vms-1/recording", StubAnswer.Json(200, new RecordingState("vms-1", DateTimeOffset.UnixEpoch, [])));
        Activity.Current = null;
        await _client.GetRecordingAsync(_stub.Endpoint(), "vms-1", default);

        // As a request of a browser that nobody records.
        using var unrecorded = new Activity("request").Start();
        await _client.GetRecordingAsync(_stub.Endpoint(), "vms-1", default);

        _stub.Journal.Count.ShouldBe(2);
        _stub.Journal.ShouldAllBe(r => !r.Headers.ContainsKey("traceparent"));
        _spans.Of(unrecorded.TraceId).ShouldBeEmpty();
    }
}
