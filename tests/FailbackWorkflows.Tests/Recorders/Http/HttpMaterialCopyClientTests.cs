using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Http;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Recorders.Http;

public sealed class HttpMaterialCopyClientTests : IAsyncLifetime
{
    private static readonly DateTimeOffset From = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly CopyPeriod Period = new(null, From, From.AddMinutes(20));
    private static readonly CopyAuthority Authority = new(7, 3);

    private static readonly CopyTask Task1 = new(
        "copy-1", "entry-1", "vms-1", "machine-2", Period, CopyTaskState.Paused, CopyPauseReason.NoAuthority, "copying", null, 1, 2, 3, 4, 5, 0, 6, 7, 1,
        TimeSpan.FromMilliseconds(-20), new(65_536), From, From, null, From, 12, [new("video", "video-1", From, 1, 2, 3, 4, 1, null)]);

    private RecorderStub _stub = null!;
    private RecorderTransport _transport = null!;
    private HttpMaterialCopyClient _client = null!;

    public async Task InitializeAsync()
    {
        _stub = await RecorderStub.StartAsync();
        _transport = new(new RecorderClientOptions(), new FakeTimeProvider(), NullLogger.Instance);
        _client = new(_transport);
    }

    public async Task DisposeAsync()
    {
        _transport.Dispose();
        await _stub.DisposeAsync();
    }

    [Fact]
    public async Task Commands_CarryTheTasksAuthorityAndTheirKey()
    {
        var hold = new RetentionHoldState("entry-1", "vms-1", From, From.AddMinutes(20), "Verified");
        _stub
            .On("PUT", "/v1/read-tokens/copy-1", StubAnswer.Json(200, new ReadToken("copy-1", "vms-1", From, From, 1, "secret-token")))
            .On("DELETE", "/v1/read-tokens/copy-1", StubAnswer.Raw(204, "application/json", ""))
            .On("POST", "/v1/retention-holds/entry-1:release", StubAnswer.Json(200, hold))
            .On("POST", "/v1/copy-tasks", StubAnswer.Json(201, Task1))
            .On("PUT", "/v1/copy-tasks/copy-1/source", StubAnswer.Json(200, Task1))
            .On("POST", "/v1/copy-tasks/copy-1:pause", StubAnswer.Json(200, Task1))
            .On("POST", "/v1/copy-tasks/copy-1:retry", StubAnswer.Json(200, Task1))
            .On("PUT", "/v1/copy-tasks/copy-1/limits", StubAnswer.Json(200, Task1));

        var token = await _client.IssueReadTokenAsync(_stub.Endpoint(), "copy-1", new("vms-1", From, From, 1, "Material copy"), Authority, "key-0", default);
        await _client.RevokeReadTokenAsync(_stub.Endpoint(), "copy-1", "vms-1", Authority, "key-1", default);
        (await _client.ReleaseRetentionHoldAsync(_stub.Endpoint(), new("entry-1", "vms-1", "copy-1", Authority, HoldRelease.VerifiedCopy, "digest"), "key-2", default)).ShouldBe(hold);
        var started = await _client.StartDataCopyAsync(
            _stub.Endpoint(), new("copy-1", "entry-1", "vms-1", "machine-2", Period, [Period with { ChannelId = "video-1" }], new(), false, "Failback"), Authority, "key-3", default);
        await _client.UpdateClientInfoAsync(_stub.Endpoint(), "copy-1", new(new Uri("http://127.0.0.1:5102/"), "secret-token"), Authority, "key-4", default);
        await _client.OrderAsync(_stub.Endpoint(), "copy-1", CopyOrder.Pause, Authority, "key-5", default);
        await _client.OrderAsync(_stub.Endpoint(), "copy-1", CopyOrder.Retry, Authority, "key-6", default);
        await _client.SetLimitsAsync(_stub.Endpoint(), "copy-1", new(65_536, new TimeOnly(22, 0), new TimeOnly(6, 0)), Authority, "key-7", default);

        _stub.Journal.Select(r => (r.Headers["X-Duty-Epoch"], r.Headers["X-Copy-Fence"], r.Headers["Idempotency-Key"])).ShouldBe(Enumerable.Range(0, 8).Select(i => ("7", "3", $"key-{i}")));
        _stub.Journal.ShouldAllBe(r => !r.Headers.ContainsKey("X-Duty-Fence"));
        token.Token.ShouldBe("secret-token");
        token.ToString().ShouldNotContain("secret");
        (started.State, started.PauseReason, started.ClockOffset, started.Channels.Single().Position).ShouldBe((CopyTaskState.Paused, CopyPauseReason.NoAuthority, TimeSpan.FromMilliseconds(-20), From));
        _stub.Journal[2].Body.ShouldContain("\"release\":\"verifiedCopy\"");
        _stub.Journal[3].Body.ShouldContain("\"taskId\":\"copy-1\"");
    }

    [Fact]
    public async Task Reconcile_CarriesTheEpochOnly()
    {
        _stub.On("POST", "/v1/copy-tasks:reconcile", StubAnswer.Json(200, new MergedCopyTasks([Task1], ["copy-2"])));

        var merged = await _client.UpdateFailoverTaskStatesAsync(
            _stub.Endpoint(), new("vms-1", [new("copy-1", CopyTaskState.Running, From, false), new("copy-2", CopyTaskState.Cancelled, From, true)]), 7, default);

        merged.UnknownTaskIds.ShouldBe(["copy-2"]);
        var request = _stub.Journal.Single();
        request.Headers["X-Duty-Epoch"].ShouldBe("7");
        request.Headers.Keys.ShouldNotContain("X-Copy-Fence");
        request.Headers.Keys.ShouldNotContain("Idempotency-Key");
        request.Body.ShouldContain("\"state\":\"cancelled\"");
    }

    [Fact]
    public async Task Reads_AnswerWithWhatTheRecorderSays()
    {
        var report = new CoverageReport("copy-1", "entry-1", "vms-1", "machine-2", "machine-1", Period, true, true, null, null, From, [], [], [], "digest");
        _stub
            .On("GET", "/v1/copy-tasks", StubAnswer.Json(200, new CopyTaskList([Task1])))
            .On("GET", "/v1/copy-tasks/copy-1", StubAnswer.Json(200, Task1))
            .On("GET", "/v1/copy-tasks/copy-1/coverage", StubAnswer.Json(200, report));

        (await _client.ListCopyTasksAsync(_stub.Endpoint(), default)).Items.Single().Revision.ShouldBe(12);
        (await _client.GetCopyTaskAsync(_stub.Endpoint(), "copy-1", default)).TaskId.ShouldBe("copy-1");
        (await _client.GetCoverageAsync(_stub.Endpoint(), "copy-1", default)).Sha256.ShouldBe("digest");
    }

    [Theory]
    [InlineData(404, RecorderProblems.UnknownResource, RecorderErrorKind.NotFound)]
    [InlineData(409, RecorderProblems.CopyTaskConflict, RecorderErrorKind.Conflict)]
    [InlineData(412, RecorderProblems.StaleAuthority, RecorderErrorKind.StaleAuthority)]
    [InlineData(403, RecorderProblems.Forbidden, RecorderErrorKind.Unauthorized)]
    public async Task Refusal_BecomesItsKind(int status, string type, RecorderErrorKind kind)
    {
        _stub.On("POST", "/v1/copy-tasks/copy-1:cancel", StubAnswer.Problem(status, type, "Something an operator understands."));

        var error = await Should.ThrowAsync<RecorderException>(() => _client.OrderAsync(_stub.Endpoint(), "copy-1", CopyOrder.Cancel, Authority, "key", default));

        (error.Kind, error.ProblemType).ShouldBe((kind, type));
    }

    [Fact]
    public async Task Revoke_ConnectionBreaksOnce_IsRepeatedWithTheSameKey()
    {
        _stub.On("DELETE", "/v1/read-tokens/copy-1", StubAnswer.Reset(), StubAnswer.Raw(200, "application/json", "{}"));

        await _client.RevokeReadTokenAsync(_stub.Endpoint(), "copy-1", "vms-1", Authority, "key-1", default);

        _stub.Journal.Select(r => r.Headers["Idempotency-Key"]).ShouldBe(["key-1", "key-1"]);
    }
}
