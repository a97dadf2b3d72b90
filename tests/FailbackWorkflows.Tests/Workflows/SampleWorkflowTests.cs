using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Http;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Engine.Values;
using FailbackWorkflows.Server.Workflows;
using FailbackWorkflows.Testing;
using FailbackWorkflows.Testing.Engine;
using FailbackWorkflows.Testing.Failback;
using FailbackWorkflows.Tests.Engine;
using Microsoft.Extensions.DependencyInjection;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Workflows;

/// <summary>Definitions in Elsa's format, one purpose each, covering all built-in activities. Each is run and ends as it says here.</summary>
public sealed class SampleWorkflowTests
{
    private const WorkflowSubStatus Finished = WorkflowSubStatus.Finished;

    private static readonly DateTimeOffset Now = new(2026, 3, 1, 2, 0, 0, TimeSpan.Zero);

    private static readonly Dictionary<string, Sample> Samples = new()
    {
        ["write-line"] = new(null, Input: Map(("Name", "Olga"))),
        ["set-variable"] = new("42"),
        ["typed-lists"] = new("42"),
        ["decision"] = new("alarm", Input: Map(("Temperature", 70))),
        ["flow-switch"] = new("video,audio", Input: Map(("Kind", "video"))),
        ["if"] = new("dim,quiet", Input: Map(("Hour", 3))),
        ["switch"] = new("disk,order fan,fan", Input: Map(("Parts", "disk and fan"))),
        ["fork-all"] = new("1a,2a,1b,2b"),
        ["fork-any"] = new("waits,1a,1b"),
        ["parallel"] = new("1,2,1b,2b"),
        ["join-all"] = new("left,right,right2"),
        ["join-any"] = new("right"),
        ["join-active"] = new("right,right2"),
        ["merge"] = new("start,a,b,b2,both"),
        ["merge-cascade"] = new("start,a,b,each,each"),
        ["merge-race"] = new("start,fast,won"),
        ["loop-back"] = new("3"),
        ["for"] = new("3,2,1"),
        ["for-each"] = new("0:north,1:south"),
        ["parallel-for-each"] = new("begin north,begin south,end north,end south"),
        ["while"] = new("3"),
        ["break"] = new("1,2"),
        ["sequence"] = new("first,inner"),
        ["nested-flowchart"] = new("inside,after"),
        ["finish"] = new("ended"),
        ["delay"] = new("after", After: TimeSpan.FromMinutes(10)),
        ["timer"] = new("started", IsScheduled: true, After: TimeSpan.FromMinutes(5)),
        ["cron"] = new("started", IsScheduled: true, After: TimeSpan.FromHours(1)),
        ["start-at"] = new("then", Input: Map(("At", Now.AddHours(2).ToString("O"))), After: TimeSpan.FromHours(2)),
        ["event"] = new("3", Stimulus: _ => Stimulus.Event("disk-replaced", Actor.System, Map(("bay", 3)))),
        ["event-trigger"] = new("north/case-7", Starts: Stimulus.Published("once", "sample-alarm", Actor.System, Map(("zone", "north")), "case-7")),
        ["publish-event"] = new("7"),
        ["run-task"] = new("true", Stimulus: taskId => Stimulus.TaskCompleted(taskId!, Actor.System, Map(("done", true)))),
        ["correlate"] = new("case-7", Input: Map(("Case", 7))),
        ["square"] = new("144", Input: Map(("Number", 12)), Output: "Square"),
        ["workflow-as-activity"] = new("81"),
        ["execute-workflow"] = new("49"),
        ["execute-that-faults"] = new("repair"),
        ["dispatch-workflow"] = new("25"),
        ["bulk-dispatch"] = new("1,4,9"),
        ["send-http-request"] = new("alarm 7"),
        ["flow-send-http-request"] = new("found 7"),
        ["fault"] = new(null, WorkflowSubStatus.Faulted),
        ["continue-with-incidents"] = new("start,good"),
        ["singleton"] = new("released", Stimulus: _ => Stimulus.Event("release", Actor.System)),
        ["log-persistence"] = new("said", Input: Map(("Pin", "4711"))),
    };

    public static TheoryData<string> Names => [.. Samples.Keys.Order()];

    [Fact]
    public void EverySample_IsRunHere_AndTogetherTheyHaveEveryActivity()
    {
        Directory.EnumerateFiles(Folder, "*.json").Select(Path.GetFileNameWithoutExtension).Order().ShouldBe(Samples.Keys.Order());

        var used = Directory.EnumerateFiles(Folder, "*.json").Select(File.ReadAllText).ToList();
        new FailbackWorkflows.Engine.Activities.ActivityCatalog().Descriptors.Keys.Where(type => !used.Exists(text => text.Contains($"\"type\": \"{type}\"", StringComparison.Ordinal))).ShouldBeEmpty();
    }

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Sample_IsRun_EndsAsItSays(string name)
    {
        var sample = Samples[name];
        var time = new FakeTimeProvider(Now);
        await using var host = await EngineHost.StartAsync(new InMemoryWorkflowStore(), time, _ => { }, addServices: services =>
        {
            services.AddSingleton<ICronSchedules, QuartzCronSchedules>();
            services.AddSingleton<IOutboundHttp, AlarmServer>();
        });
        foreach (var helper in new[] { "square", "fault" }.Where(h => h != name))
        {
            await host.PublishAsync(Read(helper));
        }

        await host.PublishAsync(Read(name));
        var instanceId = await StartAsync(host, name, sample);
        var ended = host.Store.WaitForAsync(instanceId, i => i.Status == WorkflowStatus.Finished);
        if (sample.Stimulus is { } stimulus)
        {
            (await host.RestAsync(instanceId)).SubStatus.ShouldBe(WorkflowSubStatus.Suspended);
            var task = (await host.Runtime.ListTasksAsync(1, CancellationToken.None)).FirstOrDefault();
            (await host.Runtime.ResumeAsync(stimulus(task?.TaskId), CancellationToken.None)).ShouldBe([instanceId]);
        }
        else if (sample.After is { } after && !sample.IsScheduled)
        {
            (await host.RestAsync(instanceId)).SubStatus.ShouldBe(WorkflowSubStatus.Suspended);
            time.Advance(after);
            await host.TickUntilAsync(ended);
        }

        var instance = await ended;
        var seen = (await host.Runtime.FindAsync(instanceId, CancellationToken.None))!;
        instance.SubStatus.ShouldBe(sample.SubStatus, seen.Incidents.FirstOrDefault()?.Fault.Message);
        if (sample.Result is { } result)
        {
            PlainValue.ToText(seen.Output[sample.Output]).ShouldBe(result);
        }

        host.Store.Bookmarks(instanceId).ShouldBeEmpty();
        Folds.Check(host, instance);
        string.Concat(host.Journal(instanceId).Select(e => System.Text.Json.JsonSerializer.Serialize(e, PlainValue.Json))).ShouldNotContain("pin 4711");
    }

    private static string Folder => RepositoryFiles.PathOf("tests", "FailbackWorkflows.Tests", "Workflows", "Samples");

    private static string Read(string name) => File.ReadAllText(Path.Combine(Folder, $"{name}.json"));

    private static Dictionary<string, object?> Map(params (string Name, object? Value)[] members) => members.ToDictionary(m => m.Name, m => m.Value);

    private static async Task<string> StartAsync(EngineHost host, string name, Sample sample)
    {
        if (sample.IsScheduled)
        {
            host.Time!.Advance(sample.After!.Value);
            (await host.Services.GetRequiredService<StartScheduled>().ExecuteAsync(CancellationToken.None)).ShouldBe(1);
            return host.Store.Commits.Single(c => c.IsStart).Instance.Id;
        }

        if (sample.Starts is { } starts)
        {
            return (await host.Runtime.ResumeAsync(starts, CancellationToken.None)).ShouldHaveSingleItem();
        }

        return (await host.Runtime.StartAsync(new StartWorkflow(name, Actor.System) { Input = sample.Input ?? [] }, CancellationToken.None)).InstanceId;
    }

    private sealed record Sample(
        string? Result,
        WorkflowSubStatus SubStatus = Finished,
        Dictionary<string, object?>? Input = null,
        TimeSpan? After = null,
        bool IsScheduled = false,
        Func<string?, Stimulus>? Stimulus = null,
        Stimulus? Starts = null,
        string Output = "Result");

    /// <summary>A server that takes alarms and tells of them.</summary>
    private sealed class AlarmServer : IOutboundHttp
    {
        public Task<OutboundResponse> SendAsync(OutboundRequest request, CancellationToken cancellationToken) => Task.FromResult(new OutboundResponse(
            request.Method == "POST" && request.Authorization == "Bearer secret:alarms" ? 201 : 200, """{"id":7}""", "application/json", new Dictionary<string, string>()));
    }
}
