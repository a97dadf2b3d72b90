using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Testing.Engine;
using Shouldly;
using Xunit;
using static FailbackWorkflows.Tests.Engine.Json;

namespace FailbackWorkflows.Tests.Engine;

/// <summary>Activation strategies, looked at in the transaction of the start.</summary>
public sealed class ActivationTests
{
    private readonly Behaviours _activities = new();

    [Fact]
    public async Task Singleton_OneRuns_AnotherIsRefusedAndNamesIt()
    {
        await using var host = await StartAsync("Elsa.Workflows.ActivationValidators.SingletonStrategy, Elsa.Workflows.Core");
        var first = await StartAsync(host, null);

        var refusal = await Should.ThrowAsync<AlreadyRunningException>(StartAsync(host, "other"));

        refusal.InstanceId.ShouldBe(first);
        refusal.Code.ShouldBe("already-running");
        await host.SendEventAsync(first, "go");
        await StartAsync(host, null);
    }

    [Fact]
    public async Task CorrelatedSingleton_AnotherCorrelationId_Runs()
    {
        await using var host = await StartAsync("CorrelatedSingleton");
        await StartAsync(host, "a");

        await StartAsync(host, "b");
        await Should.ThrowAsync<AlreadyRunningException>(StartAsync(host, "a"));
    }

    [Fact]
    public async Task Correlation_AnotherDefinitionWithTheId_StandsInTheWay()
    {
        await using var host = await StartAsync("Correlation");
        await host.PublishAsync(Definition("other", "Correlation"));
        await StartAsync(host, "a");

        await Should.ThrowAsync<AlreadyRunningException>(host.Runtime.StartAsync(new StartWorkflow("other", Actor.System) { CorrelationId = "a" }, CancellationToken.None));
        await host.Runtime.StartAsync(new StartWorkflow("other", Actor.System) { CorrelationId = "b" }, CancellationToken.None);
    }

    [Fact]
    public async Task Default_AnyNumber_Runs()
    {
        await using var host = await StartAsync("AllowAlways");
        await StartAsync(host, "a");

        await StartAsync(host, "a");
    }

    [Fact]
    public async Task Singleton_SameStartKey_IsTheSameRunAndNoRefusal()
    {
        await using var host = await StartAsync("Singleton");
        var request = new StartWorkflow("test", Actor.System) { StartKey = "once" };
        var first = await host.Runtime.StartAsync(request, CancellationToken.None);

        (await host.Runtime.StartAsync(request, CancellationToken.None)).ShouldBe(first with { AlreadyStarted = true });
    }

    [Fact]
    public async Task Singleton_FaultedRun_DoesNotStandInTheWay_ButIsNotRedrivenBesideAnother()
    {
        _activities.Fails("a", times: 1);
        await using var host = await StartAsync("Singleton");
        var faulted = await StartAsync(host, null);
        (await host.RestAsync(faulted)).SubStatus.ShouldBe(WorkflowSubStatus.Faulted);
        var second = await StartAsync(host, null);

        await Should.ThrowAsync<AlreadyRunningException>(host.RedriveAsync(faulted));

        // Past the look before it: the commit of the redrive refuses, and the run stays as it was.
        await host.Store.PostAsync(faulted, new InboxMessage(0, InboxMessageKind.Redrive, null, null, Actor.System, null), default, CancellationToken.None);
        var rested = host.RestAsync(faulted);
        await host.TickUntilAsync(rested);
        (await rested).SubStatus.ShouldBe(WorkflowSubStatus.Faulted);
        (await host.SendEventAsync(second, "go")).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        (await host.RedriveAsync(faulted)).SubStatus.ShouldBe(WorkflowSubStatus.Suspended);
    }

    [Fact]
    public void UnknownStrategy_IsRefused() => Problems.OfDefinition(Definition("test", "Sometimes")).ShouldHaveSingleItem().Path.ShouldBe("$.options.activationStrategyType");

    private static string Definition(string id, string strategy) =>
        Workflow(Sequence("all", Do("a"), Activity("Event", "wait", ("eventName", Literal("go")))), id: id).Option("activationStrategyType", strategy);

    private async Task<EngineHost> StartAsync(string strategy)
    {
        var host = await TestHosts.StartAsync(_activities);
        await host.PublishAsync(Definition("test", strategy));
        return host;
    }

    private static async Task<string> StartAsync(EngineHost host, string? correlationId)
    {
        var started = await host.Runtime.StartAsync(new StartWorkflow("test", Actor.System) { CorrelationId = correlationId }, CancellationToken.None);
        await host.RestAsync(started.InstanceId);
        return started.InstanceId;
    }
}
