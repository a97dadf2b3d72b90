using FailbackWorkflows.Engine;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.Policies;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Testing.Failback;
using Microsoft.Extensions.Logging.Abstractions;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Failback.Connectivity;

public sealed class PublishTransitionsTests
{
    // One that can be told comes before each that cannot: what succeeds again and again must not hide what fails again and again.
    [Fact]
    public async Task Transitions_ThatCannotBeTold_AreLeftOutAndHoldNobodyUpForGood()
    {
        await using var world = await FailbackWorld.CreateAsync(startsNode: false);
        foreach (var serverId in new[] { "good-1", "bad-1", "good-2", "bad-2", "good-3" })
        {
            await world.ApplyAsync(new AddTransition(new(
                0, serverId, world.Time.GetUtcNow(), TransitionKind.Connected, ConnectionState.Disconnected, ConnectionState.Connected, "It answers.", "poll", "boot-1", 1)));
        }

        var runtime = new TellableRuntime();
        var publish = new PublishTransitions(
            world.Get<IConnectivityHistory>(), world.Get<ISystemSettings>(), world.Get<IDomainWriter>(), new SoleWatch(), runtime, NullLogger<PublishTransitions>.Instance);
        for (var look = 1; look <= 30; look++)
        {
            try
            {
                await publish.ExecuteAsync(default);
            }
            catch (CannotBeToldException)
            {
                // As the job that looks each second has it.
            }
        }

        Told("good-1").ShouldBe(1);
        Told("bad-1").ShouldBe(10);
        Told("good-2").ShouldBe(1);
        Told("bad-2").ShouldBe(10);
        Told("good-3").ShouldBe(1);

        int Told(string serverId) => runtime.Keys.Count(key => key == RecorderConnected.KeyOf(serverId));
    }

    private sealed class CannotBeToldException() : Exception("It was made to fail.");

    /// <summary>An engine that can be told of everything but what is bad.</summary>
    private sealed class TellableRuntime : IWorkflowRuntime
    {
        public List<string> Keys { get; } = [];

        public Task<IReadOnlyList<string>> ResumeAsync(Stimulus stimulus, CancellationToken cancellationToken)
        {
            Keys.Add(stimulus.Key);
            return stimulus.Key.Contains("bad", StringComparison.Ordinal) ? throw new CannotBeToldException() : Task.FromResult<IReadOnlyList<string>>([]);
        }

        public Task<StartedWorkflow> StartAsync(StartWorkflow request, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task CancelAsync(string instanceId, Actor actor, string? reason, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task RedriveAsync(string instanceId, Actor actor, string? reason, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<WorkflowInstance?> FindAsync(string instanceId, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<IReadOnlyList<OpenTask>> ListTasksAsync(int take, CancellationToken cancellationToken) => throw new NotSupportedException();
    }
}
