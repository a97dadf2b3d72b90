using System.Net;
using System.Net.Sockets;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Http;
using FailbackWorkflows.Recorders.Recording;
using FailbackWorkflows.Recorders.Settings;
using FailbackWorkflows.Testing;
using FailbackWorkflows.Testing.Faults;
using Microsoft.Extensions.Logging.Abstractions;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Recorders.Http;

public sealed class HttpRecorderClientTests : IAsyncLifetime
{
    private static readonly DutyState Duty = new("vms-1", DutyRole.Recorder, DutyRole.Recorder, 7, "run-1", 3, true, false);
    private static readonly DutyAssignment Assignment = new(DutyRole.Recorder, 7, "run-1", 3);

    private readonly FakeTimeProvider _time = new();
    private RecorderStub _stub = null!;
    private HttpRecorderClient _client = null!;

    public async Task InitializeAsync()
    {
        _stub = await RecorderStub.StartAsync();
        _client = Client(new RecorderClientOptions());
    }

    public async Task DisposeAsync()
    {
        _client.Dispose();
        await _stub.DisposeAsync();
    }

    [Fact]
    public async Task Settings_NotModified_AreNull_AndErrorsStayErrors()
    {
        var empty = System.Text.Json.JsonElement.Parse("[]");
        var bundle = new SettingsBundle("vms-1", 8, "new", false, new SettingsContent(empty, empty, empty, empty, System.Text.Json.JsonElement.Parse("{}"), []));
        _stub.On("GET", "/v1/duties/vms-1/config", StubAnswer.Status(304), StubAnswer.Json(200, bundle), StubAnswer.Problem(404, RecorderProblems.UnknownIdentity, "Unknown."), StubAnswer.Raw(200, "application/json", "null"));
        Task<SettingsBundle?> FindAsync() => _client.FindChangedSettingsAsync(_stub.Endpoint(), "vms-1", 7, "old", default);

        (await FindAsync()).ShouldBeNull();
        (await FindAsync()).ShouldNotBeNull().Revision.ShouldBe(8);
        (await Should.ThrowAsync<RecorderException>(FindAsync)).Kind.ShouldBe(RecorderErrorKind.NotFound);
        (await Should.ThrowAsync<RecorderException>(FindAsync)).Kind.ShouldBe(RecorderErrorKind.ServerError);
        _stub.Journal[0].Headers["If-None-Match"].ShouldBe("\"7-old\"");
    }

    [Theory]
    [InlineData(302, RecorderErrorKind.ServerError)]
    [InlineData(400, RecorderErrorKind.Rejected)]
    [InlineData(401, RecorderErrorKind.Unauthorized)]
    [InlineData(403, RecorderErrorKind.Unauthorized)]
    [InlineData(404, RecorderErrorKind.NotFound)]
    [InlineData(409, RecorderErrorKind.Conflict)]
    [InlineData(412, RecorderErrorKind.StaleAuthority)]
    [InlineData(413, RecorderErrorKind.Rejected)]
    [InlineData(422, RecorderErrorKind.Rejected)]
    [InlineData(429, RecorderErrorKind.Busy)]
    [InlineData(500, RecorderErrorKind.ServerError)]
    [InlineData(502, RecorderErrorKind.ServerError)]
    [InlineData(503, RecorderErrorKind.Busy)]
    [InlineData(507, RecorderErrorKind.StorageFull)]
    public async Task Call_ProblemAnswer_BecomesItsKind(int status, RecorderErrorKind kind)
    {
        _stub.On("PUT", "/v1/duties/vms-1", StubAnswer.Problem(status, "urn:failback:recorder:some-type", "Something an operator understands."));

        var error = await Should.ThrowAsync<RecorderException>(AssignAsync);

        error.Kind.ShouldBe(kind);
        error.ProblemType.ShouldBe("urn:failback:recorder:some-type");
        error.Message.ShouldContain("Something an operator understands.");
        error.Message.ShouldNotContain("stub-credential");
        _stub.Journal.Count.ShouldBe(1);
    }

    [Fact]
    public async Task Call_ProxyPageInsteadOfProblem_IsJudgedByStatus()
    {
        _stub.On("GET", "/v1/recorder", StubAnswer.Raw(503, "text/html", "<h1>down</h1>"));

        (await Should.ThrowAsync<RecorderException>(ReadStatusAsync)).Kind.ShouldBe(RecorderErrorKind.Busy);
    }

    [Fact]
    public async Task Call_Redirect_IsNotFollowed()
    {
        _stub.On("GET", "/v1/recorder", StubAnswer.Redirect("/elsewhere"));

        (await Should.ThrowAsync<RecorderException>(ReadStatusAsync)).Kind.ShouldBe(RecorderErrorKind.ServerError);
        _stub.Journal.Count.ShouldBe(1);
    }

    [Theory]
    [InlineData("no json")]
    [InlineData("null")]
    [InlineData("{\"identity\":\"vms-1\"}")]
    [InlineData("{\"identity\":\"vms-1\",\"role\":4,\"assignedRole\":4,\"epoch\":1,\"allocationId\":null,\"fence\":0,\"recording\":false,\"disputed\":false}")]
    public async Task Call_AnswerOfAnotherShape_IsServerError(string body)
    {
        _stub.On("PUT", "/v1/duties/vms-1", StubAnswer.Raw(200, "application/json", body));

        (await Should.ThrowAsync<RecorderException>(AssignAsync)).Kind.ShouldBe(RecorderErrorKind.ServerError);
    }

    // What is no text cannot be written down: neither a channel's name in the settings nor a reason.
    [Fact]
    public async Task Call_AnswerWithACharacterThatIsNoText_IsToldAsSuch()
    {
        const string Settings = """{"identity":"vms-1","revision":8,"sha256":"new","frozen":false,"content":{"channels":[{"name":"NAME"}],"masks":[],"schedules":[],"alarms":[],"retention":{},"files":[]}}""";
        Task<SettingsBundle?> FindAsync() => _client.FindChangedSettingsAsync(_stub.Endpoint(), "vms-1", 7, "old", default);
        _stub.On(
            "GET",
            "/v1/duties/vms-1/config",
            StubAnswer.Raw(200, "application/json", Settings.Replace("NAME", "Gate\\u0000", StringComparison.Ordinal)),
            StubAnswer.Raw(200, "application/json", Settings.Replace("NAME", "Gate\\\\u0000", StringComparison.Ordinal)),
            StubAnswer.Raw(409, "application/problem+json", "{\"detail\":\"The gate\\u0000 is open.\"}"));

        var refused = await Should.ThrowAsync<RecorderException>(FindAsync);
        (refused.Kind, refused.IsTransient).ShouldBe((RecorderErrorKind.ServerError, true));
        refused.Message.ShouldContain("U+0000");

        (await FindAsync()).ShouldNotBeNull().Content.Channels[0].GetProperty("name").GetString().ShouldBe("Gate\\u0000", "a backslash and five letters");
        (await Should.ThrowAsync<RecorderException>(FindAsync)).Message.ShouldEndWith("The gate\uFFFD is open.");
    }

    [Fact]
    public async Task Call_AnswerTooLarge_IsServerError()
    {
        using var client = Client(new RecorderClientOptions { MaxAnswerBytes = 2048 });
        _stub.On("GET", "/v1/recorder", StubAnswer.Raw(200, "application/json", new string(' ', 4096)));

        var error = await Should.ThrowAsync<RecorderException>(() => client.GetStatusAsync(_stub.Endpoint(), default));

        error.Kind.ShouldBe(RecorderErrorKind.ServerError);
        error.ProblemType.ShouldBe(RecorderProblems.AnswerTooLarge);
    }

    [Fact]
    public async Task Call_ConnectionBreaksOnce_IsRepeatedWithTheSameKey()
    {
        _stub.On("PUT", "/v1/duties/vms-1", StubAnswer.Reset(), StubAnswer.Json(200, Duty));

        (await AssignAsync()).ShouldBe(Duty);

        _stub.Journal.Select(r => r.Headers["Idempotency-Key"]).ShouldBe(["key-1", "key-1"]);
    }

    [Fact]
    public async Task Call_AnswerTellsTheTime_IsObservedWithHowTheClockStands()
    {
        var observer = new Observer();
        using var transport = new RecorderTransport(new RecorderClientOptions(), _time, NullLogger.Instance, observer);
        using var client = new HttpRecorderClient(transport);
        var ahead = TimeSpan.FromSeconds(90);
        _stub.On("PUT", "/v1/duties/vms-1", StubAnswer.Json(200, Duty).With(RecorderHeaders.RecorderTime, RecorderJson.FormatInstant(_time.GetUtcNow() + ahead)));
        _stub.On("GET", "/v1/recorder", StubAnswer.Raw(500, "text/plain", ""));

        await client.AssignDutyAsync(_stub.Endpoint(), "vms-1", Assignment, "key-1", default);
        await Should.ThrowAsync<RecorderException>(() => client.GetStatusAsync(_stub.Endpoint(), default));

        observer.Calls.Select(c => c.Clock?.Offset).ShouldBe([ahead, null]);
    }

    [Fact]
    public async Task Call_ConnectionBreaksTwice_IsUnreachable()
    {
        _stub.On("PUT", "/v1/duties/vms-1", StubAnswer.Reset());

        var error = await Should.ThrowAsync<RecorderException>(AssignAsync);

        error.Kind.ShouldBe(RecorderErrorKind.Unreachable);
        error.IsTransient.ShouldBeTrue();
        _stub.Journal.Count.ShouldBe(2);
    }

    [Fact]
    public async Task Call_AnswerCutOff_IsUnreachable()
    {
        _stub.On("PUT", "/v1/duties/vms-1", StubAnswer.Truncated(200, "{\"identity\":"));

        (await Should.ThrowAsync<RecorderException>(AssignAsync)).Kind.ShouldBe(RecorderErrorKind.Unreachable);
    }

    [Fact]
    public async Task Call_NobodyListens_IsUnreachable()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        listener.Stop();

        var error = await Should.ThrowAsync<RecorderException>(() => _client.GetStatusAsync(new RecorderEndpoint("gone", new Uri($"http://127.0.0.1:{port}/"), "x"), default));

        error.Kind.ShouldBe(RecorderErrorKind.Unreachable);
    }

    /// <summary>
    /// A link that is cut while its proxy still listens. Whether the reset comes before or after the framework has looked at its new connection differs from call to call,
    /// and before, a socket's own error comes out.
    /// </summary>
    [Fact]
    public async Task Call_EveryConnectionIsResetAtOnce_IsUnreachable()
    {
        await using var link = FaultyLink.To(_stub.BaseUrl);
        link.Down();
        using var client = Client(new RecorderClientOptions());
        for (var i = 0; i < 300; i++)
        {
            var error = await Should.ThrowAsync<RecorderException>(() => client.GetStatusAsync(new RecorderEndpoint("cut", link.BaseUrl, "x"), default));

            error.Kind.ShouldBe(RecorderErrorKind.Unreachable);
            error.IsTransient.ShouldBeTrue();
        }
    }

    [Fact]
    public async Task Call_NoAnswerInTime_IsUnreachable()
    {
        var gate = new TaskCompletionSource();
        _stub.On("PUT", "/v1/duties/vms-1", StubAnswer.Gated(gate.Task, StubAnswer.Json(200, Duty)));

        var call = AssignAsync();
        while (_stub.Journal.Count == 0)
        {
            await Task.Yield();
        }

        _time.Advance(TimeSpan.FromSeconds(10));

        var error = await Should.ThrowAsync<RecorderException>(call);
        error.Kind.ShouldBe(RecorderErrorKind.Unreachable);
        error.Message.ShouldContain("10 s");
        gate.SetResult();
    }

    [Fact]
    public async Task Call_CallerGivesUp_IsCancelled()
    {
        var gate = new TaskCompletionSource();
        _stub.On("GET", "/v1/recorder", StubAnswer.Gated(gate.Task, StubAnswer.Reset()));
        using var giveUp = new CancellationTokenSource();

        var call = _client.GetStatusAsync(_stub.Endpoint(), giveUp.Token);
        await giveUp.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(call);
        gate.SetResult();
    }

    [Theory]
    [InlineData("http://recorder.example:5101/")]
    [InlineData("http://10.0.0.5:5101/")]
    [InlineData("ftp://127.0.0.1/")]
    public async Task Call_PlainHttpOffLoopback_IsRefusedBeforeAnythingIsSent(string url)
    {
        var error = await Should.ThrowAsync<RecorderException>(() => _client.GetStatusAsync(new RecorderEndpoint("far", new Uri(url), "secret-credential"), default));

        error.ProblemType.ShouldBe(RecorderProblems.PlainHttp);
        error.IsTransient.ShouldBeFalse();
        error.Message.ShouldNotContain("secret-credential");
    }

    [Fact]
    public async Task Commands_Always_CarryCredentialKeyAndAuthority()
    {
        _stub.On("POST", "/v1/recording:stop", StubAnswer.Json(200, new RecordingState("vms-1", _time.GetUtcNow(), [])))
            .On("POST", "/v1/duties/vms-1/config/staged/s1:activate", StubAnswer.Json(200, new SettingsRevision("vms-1", 5, "00", false)));

        await _client.StopRecordingAsync(_stub.Endpoint(), new RecordingCommand("vms-1", new DutyAuthority(7, 3)), "key-stop", default);
        await _client.ActivateSettingsAsync(_stub.Endpoint(), new ActivateSettingsCommand("vms-1", new DutyAuthority(7, 4), "s1", 4), "key-activate", default);

        var stop = _stub.Journal[0];
        stop.Headers["Authorization"].ShouldBe("Bearer stub-credential");
        stop.Headers["Idempotency-Key"].ShouldBe("key-stop");
        stop.Headers["X-Duty-Epoch"].ShouldBe("7");
        stop.Headers["X-Duty-Fence"].ShouldBe("3");
        stop.Body.ShouldBe("{\"identity\":\"vms-1\",\"authorityEnds\":null}");
        _stub.Journal[1].Headers["If-Match"].ShouldBe("\"4\"");
    }

    [Fact]
    public void Options_OutOfRange_AreRefusedByName()
    {
        Should.Throw<ArgumentOutOfRangeException>(() => Client(new RecorderClientOptions { CallTimeout = TimeSpan.Zero })).ParamName.ShouldBe("CallTimeout");
        Should.Throw<ArgumentOutOfRangeException>(() => Client(new RecorderClientOptions { ConnectTimeout = TimeSpan.FromMinutes(1) })).ParamName.ShouldBe("ConnectTimeout");
    }

    private HttpRecorderClient Client(RecorderClientOptions options) => new(options, _time, NullLogger<HttpRecorderClient>.Instance);

    private Task<DutyState> AssignAsync() => _client.AssignDutyAsync(_stub.Endpoint(), "vms-1", Assignment, "key-1", default);

    private Task<RecorderStatus> ReadStatusAsync() => _client.GetStatusAsync(_stub.Endpoint(), default);

    private sealed class Observer : IRecorderCallObserver
    {
        public List<ObservedCall> Calls { get; } = [];

        public bool IsObserving => true;

        public void Observed(ObservedCall call) => Calls.Add(call);
    }
}
