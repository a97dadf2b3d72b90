using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Testing;
using FailbackWorkflows.Testing.Engine;
using Microsoft.Extensions.DependencyInjection;
using Shouldly;
using Xunit;
using static FailbackWorkflows.Tests.Engine.Json;

namespace FailbackWorkflows.Tests.Engine;

/// <summary>Two nodes over one store, whose clock stands still: no look comes by itself, so only what a node is told makes it look.</summary>
public sealed class NodeSignalsTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private readonly InMemoryWorkflowStore _store = new();
    private readonly FakeTimeProvider _time = new();
    private readonly Behaviours _activities = new();
    private readonly Hub _hub = new();

    [Fact]
    public async Task Cancel_AskedAtAnotherNode_IsNoticedAtTheNextStep()
    {
        var gate = new Gate();
        _activities.On("a1", gate.Pass);
        await using var first = await StartAsync("node-1");
        await using var second = await StartAsync("node-2");
        await first.PublishAsync(Workflow(Sequence("s", Do("a1"), Do("a2"), Do("a3"))));
        var id = (await first.Runtime.StartAsync(new("test", Actor.System), CancellationToken.None)).InstanceId;
        await gate.Reached;

        await second.Runtime.CancelAsync(id, Actor.System, null, CancellationToken.None);
        gate.Open();

        (await first.RestAsync(id)).SubStatus.ShouldBe(WorkflowSubStatus.Cancelled);
        _activities.Executed.ShouldBe(["a1"]);
    }

    [Fact]
    public async Task Work_MoreThanANodeHasPlacesFor_IsTakenByOneThatHasSome()
    {
        var gate = new Gate();
        _activities.On("a1", gate.Pass);
        await using var busy = await StartAsync("node-1", places: 1);
        await busy.PublishAsync(Workflow(Sequence("s", Activity("Event", "wait", ("eventName", Literal("go"))), Do("a2"))));
        var waiting = (await busy.Runtime.StartAsync(new("test", Actor.System), CancellationToken.None)).InstanceId;
        await busy.RestAsync(waiting);
        await busy.PublishAsync(Workflow(Sequence("s", Do("a1"))));
        await busy.Runtime.StartAsync(new("test", Actor.System), CancellationToken.None);
        await gate.Reached;
        await using var free = await StartAsync("node-2");

        await busy.Runtime.ResumeAsync(Stimulus.Event("go", Actor.System), CancellationToken.None);

        (await _store.WaitForAsync(waiting, i => i.SubStatus == WorkflowSubStatus.Finished).WaitAsync(Patience)).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        gate.Open();
    }

    [Fact]
    public async Task Signals_Missed_MakeItLook()
    {
        var gate = new Gate();
        _activities.On("a1", gate.Pass);
        await using var first = await StartAsync("node-1");
        await using var second = await StartAsync("node-2");
        await first.PublishAsync(Workflow(Sequence("s", Do("a1"), Do("a2"))));
        var id = (await first.Runtime.StartAsync(new("test", Actor.System), CancellationToken.None)).InstanceId;
        await gate.Reached;
        _hub.IsDown = true;
        await second.Runtime.CancelAsync(id, Actor.System, null, CancellationToken.None);
        _hub.IsDown = false;

        _hub.Tell(new NodeSignal(NodeSignalKind.Missed));
        gate.Open();

        (await first.RestAsync(id)).SubStatus.ShouldBe(WorkflowSubStatus.Cancelled);
        _activities.Executed.ShouldBe(["a1"]);
    }

    private Task<EngineHost> StartAsync(string node, int places = 4) => EngineHost.StartAsync(
        _store,
        _time,
        TestHosts.AddTestActivities,
        options =>
        {
            options.Node = node;
            options.MaxConcurrentInstances = places;
        },
        services =>
        {
            _activities.AddTo(services);
            services.AddSingleton<INodeSignals>(new Hub.Member(_hub));
        });

    /// <summary>Delivers to every member but the sender.</summary>
    private sealed class Hub
    {
        private readonly List<Member> _members = [];

        public bool IsDown { get; set; }

        public void Tell(NodeSignal signal, Member? sender = null)
        {
            foreach (var member in IsDown ? [] : _members.Where(m => m != sender).ToList())
            {
                member.Receivers.ForEach(receive => receive(signal));
            }
        }

        public sealed class Member : INodeSignals
        {
            private readonly Hub _hub;

            public Member(Hub hub)
            {
                _hub = hub;
                hub._members.Add(this);
            }

            public List<Action<NodeSignal>> Receivers { get; } = [];

            public void Send(NodeSignal signal) => _hub.Tell(signal, this);

            public void Subscribe(Action<NodeSignal> receiver) => Receivers.Add(receiver);
        }
    }
}
