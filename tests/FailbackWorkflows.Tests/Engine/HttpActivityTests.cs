using System.Text.Json.Nodes;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Http;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Engine.Values;
using FailbackWorkflows.Testing.Engine;
using Microsoft.Extensions.DependencyInjection;
using Shouldly;
using Xunit;
using static FailbackWorkflows.Tests.Engine.Json;

namespace FailbackWorkflows.Tests.Engine;

/// <summary>SendHttpRequest and FlowSendHttpRequest over a way out that answers as told.</summary>
public sealed class HttpActivityTests
{
    private readonly Behaviours _activities = new();
    private readonly WayOut _way = new();

    [Theory]
    [InlineData(200, "[200,404]", "200,Done")]
    [InlineData(404, "[200,404]", "404,Done")]
    [InlineData(500, "[200]", "Unmatched status code,Done")]
    [InlineData(200, null, "Done")]
    public async Task Flow_StatusCode_IsAnOutcomeBesideDone(int status, string? expected, string outcomes)
    {
        _way.Answers = _ => new(status, string.Empty, null, new Dictionary<string, string>());
        await RunAsync(FlowOf(expected));

        _activities.Executed.ShouldBe(outcomes.Split(',').Select(o => "on " + o), ignoreOrder: true);
    }

    [Fact]
    public async Task Flow_NoConnection_LeavesByFailedToConnect()
    {
        _way.Answers = _ => throw new OutboundFailedException("refused");
        await RunAsync(FlowOf("[200]"));

        _activities.Executed.ShouldBe(["on Failed to connect"]);
    }

    [Fact]
    public async Task Flow_TooLong_LeavesByTimeout()
    {
        _way.Answers = _ => throw new TimeoutException("late");
        await RunAsync(FlowOf("[200]"));

        _activities.Executed.ShouldBe(["on Timeout"]);
    }

    [Fact]
    public async Task NoConnection_AndNothingSaidOfIt_IsAFaultThatItsRetryPolicyRepeats()
    {
        var calls = 0;
        _way.Answers = _ => ++calls < 3 ? throw new OutboundFailedException("refused") : new(200, string.Empty, null, new Dictionary<string, string>());
        await using var host = await StartAsync();
        var instance = await host.RunAsync(Workflow(Request("SendHttpRequest").Custom("retry", Retry(3))));
        instance.SubStatus.ShouldBe(WorkflowSubStatus.Suspended);

        while (instance.SubStatus == WorkflowSubStatus.Suspended)
        {
            instance = await host.AdvanceAsync(instance.Id, TimeSpan.FromMinutes(1));
        }

        instance.SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        _way.Requests.Select(r => r.IdempotencyKey).Distinct().ShouldHaveSingleItem();
    }

    [Fact]
    public async Task NotOnTheList_IsAFaultWithTheSentence()
    {
        _way.Answers = _ => throw new OutboundRefusedException("It is not on the list.");
        var instance = await RunAsync(FlowOf("[200]"), WorkflowSubStatus.Faulted);

        InstanceOf(instance).Fault.ShouldBe(new ActivityFault("http.refused", "It is not on the list.", false));
    }

    [Fact]
    public async Task HostWithoutAWayOut_Refuses()
    {
        await using var host = await TestHosts.StartAsync(_activities);
        var instance = await host.RunAsync(Workflow(Request("SendHttpRequest")));

        instance.SubStatus.ShouldBe(WorkflowSubStatus.Faulted);
        InstanceOf(instance).Fault.Kind.ShouldBe("http.refused");
    }

    [Fact]
    public async Task Send_ExpectedStatus_RunsItsActivityBeforeItCompletes()
    {
        var root = Sequence("all", Request("SendHttpRequest").With("expectedStatusCodes", new JsonArray(
            new JsonObject { ["statusCode"] = 200, ["activity"] = Sequence("steps", Do("a"), Do("b")) },
            new JsonObject { ["statusCode"] = 404, ["activity"] = Do("never") })), Do("after"));
        await RunAsync(root);

        _activities.Executed.ShouldBe(["a", "b", "after"]);
    }

    [Fact]
    public async Task Send_OtherStatus_RunsTheUnmatchedPort()
    {
        _way.Answers = _ => new(500, string.Empty, null, new Dictionary<string, string>());
        await RunAsync(Sequence("all", Request("SendHttpRequest").With("unmatchedStatusCode", Do("unmatched")), Do("after")));

        _activities.Executed.ShouldBe(["unmatched", "after"]);
    }

    [Fact]
    public async Task Send_FaultInAPort_IsRedrivenWithoutSendingAgain()
    {
        _activities.Fails("a", times: 1);
        await using var host = await StartAsync();
        var instance = await host.RunAsync(Workflow(Sequence("all", Request("SendHttpRequest").With("unmatchedStatusCode", Do("a")), Do("after"))));
        instance.SubStatus.ShouldBe(WorkflowSubStatus.Faulted);

        (await host.RedriveAsync(instance.Id)).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        _way.Requests.Count.ShouldBe(1);
        Folds.Check(host, await host.RestAsync(instance.Id));
    }

    [Fact]
    public async Task Answer_Json_IsParsedAndOthersAreText()
    {
        _way.Answers = _ => new(200, """{"n":7}""", "application/json; charset=utf-8", new Dictionary<string, string> { ["X-A"] = "1" });
        await using var host = await StartAsync();
        var instance = await host.RunAsync(Workflow(
            Sequence("all", Request("SendHttpRequest").With("parsedContent", Into("id-R")).With("statusCode", Into("id-S")), Do("after", ("value", Js("getR().n + getS()")))), ["R", "S"]));

        host.Journal(instance.Id).OfType<ActivityStarted>().Single(e => JournalText.IdOf(e.NodeId) == "after").Inputs!["value"].ShouldBe(207L);
    }

    [Fact]
    public async Task Content_Object_IsSentAsJson()
    {
        await RunAsync(Request("SendHttpRequest").With("method", Literal("POST")).With("content", Expression("Object", """{"a":1}""")));

        var request = _way.Requests.ShouldHaveSingleItem();
        request.Method.ShouldBe("POST");
        request.Content.ShouldBe("""{"a":1}""");
    }

    [Fact]
    public async Task Credentials_AreInNoEvent()
    {
        await using var host = await StartAsync();
        var instance = await host.RunAsync(Workflow(
            Request("SendHttpRequest").With("authorization", Js("'Bearer ' + 'topsecret'")).With("requestHeaders", Js("({ 'X-Key': 'also' + 'secret' })"))));

        _way.Requests[0].Authorization.ShouldBe("Bearer topsecret");
        _way.Requests[0].Headers["X-Key"].ShouldBe("alsosecret");
        var text = string.Concat(host.Journal(instance.Id).Select(e => System.Text.Json.JsonSerializer.Serialize(e, PlainValue.Json)));
        text.ShouldNotContain("topsecret");
        text.ShouldNotContain("alsosecret");
        Folds.Check(host, instance);
    }

    [Fact]
    public void Credentials_WrittenIntoTheDefinition_AreRefused()
    {
        Problems.Of(Request("SendHttpRequest").With("authorization", Literal("Bearer abc"))).ShouldHaveSingleItem().Message.ShouldContain("secret:NAME");
        Problems.Of(Request("SendHttpRequest").With("authorization", Literal("Bearer secret:erp"))).ShouldBeEmpty();
    }

    private static Incident InstanceOf(StoredInstance instance) => FailbackWorkflows.Engine.Interpretation.InstanceState.FromJson(instance.Snapshot).Incidents[0];

    private static JsonObject Request(string type) => Activity(type, "request", ("url", Literal("https://alarms.example.com/a")));

    private static JsonObject FlowOf(string? expected)
    {
        string[] outcomes = ["200", "404", "Unmatched status code", "Failed to connect", "Timeout", "Done"];
        var request = Request("FlowSendHttpRequest");
        if (expected is not null)
        {
            request["expectedStatusCodes"] = Expression("Object", expected);
        }

        var followed = outcomes.Where(o => !char.IsDigit(o[0]) || expected?.Contains(o, StringComparison.Ordinal) == true).ToList();
        return Flowchart("flow", [request, .. followed.Select(o => Do("on " + o))], [.. followed.Select(o => $"request:{o} > on {o}")]);
    }

    private Task<EngineHost> StartAsync() => TestHosts.StartAsync(_activities, addServices: services => services.AddSingleton<IOutboundHttp>(_way));

    private async Task<StoredInstance> RunAsync(JsonObject root, WorkflowSubStatus expected = WorkflowSubStatus.Finished)
    {
        await using var host = await StartAsync();
        var instance = await host.RunAsync(Workflow(root));
        instance.SubStatus.ShouldBe(expected);
        Folds.Check(host, instance);
        return instance;
    }

    private sealed class WayOut : IOutboundHttp
    {
        public List<OutboundRequest> Requests { get; } = [];

        public Func<OutboundRequest, OutboundResponse> Answers { get; set; } = _ => new(200, string.Empty, null, new Dictionary<string, string>());

        public Task<OutboundResponse> SendAsync(OutboundRequest request, CancellationToken cancellationToken)
        {
            Requests.Add(request);
            return Task.FromResult(Answers(request));
        }
    }
}
