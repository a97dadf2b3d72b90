using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.Failover;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Persistence;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Failback;

public sealed class DutyHooksTests
{
    private static readonly string[] Claims = [DutyClaim.Identity(FailbackWorld.Failed), DutyClaim.Recorder(FailbackWorld.Failed), DutyClaim.Recorder(FailbackWorld.Failover)];

    [Fact]
    public async Task Start_OfAFailback_TakesTheClaimsInItsTransaction()
    {
        await using var world = await FailbackWorld.CreateAsync();

        await world.FailBackAsync();

        var start = world.Store.Commits[0];
        start.IsStart.ShouldBeTrue();
        start.Changes.OfType<TakeClaims>().Single().Keys.ShouldBe(Claims, ignoreOrder: true);
    }

    [Fact]
    public async Task Start_OfACopyUnderAnotherName_TakesTheClaimsToo()
    {
        await using var world = await FailbackWorld.CreateAsync();
        var json = (await File.ReadAllTextAsync(Path.Combine(RepositoryFiles.Workflows, "failback", "failback.v1.json")))
            .Replace("\"definitionId\": \"failback\"", "\"definitionId\": \"my-failback\"", StringComparison.Ordinal)
            .Replace("\"id\": \"failback:1\"", "\"id\": \"my-failback:1\"", StringComparison.Ordinal);
        await world.Node.Get<WorkflowDefinitions>().PublishAsync(json, "test", default);

        var started = await world.Node.Runtime.StartAsync(
            new StartWorkflow("my-failback", FailbackWorld.Operator) { Input = new Dictionary<string, object?> { ["EntryId"] = FailbackWorld.Entry } }, default);
        var run = await world.EndAsync(started.InstanceId);

        world.Store.Commits[0].Changes.OfType<TakeClaims>().Single().Keys.ShouldBe(Claims, ignoreOrder: true);
        run.Result.ShouldBe("done");
    }

    [Fact]
    public async Task Start_WithAnUnknownEntry_IsRefused()
    {
        await using var world = await FailbackWorld.CreateAsync();

        var refusal = await Should.ThrowAsync<WorkflowRefusedException>(() => world.Node.Runtime.StartAsync(
            new StartWorkflow(StartFailback.DefinitionId, FailbackWorld.Operator) { Input = new Dictionary<string, object?> { ["EntryId"] = "nothing" } }, default));

        refusal.Code.ShouldBe("entry-unknown");
        world.Store.Commits.ShouldBeEmpty();
    }

    // Started past the use case, e.g. from the designer: it must end in sight, not wait for ever.
    [Fact]
    public async Task Start_WithAServerThatIsNotRegistered_FaultsInSight()
    {
        await using var world = await FailbackWorld.CreateAsync();

        var started = await world.Node.Runtime.StartAsync(
            new StartWorkflow(StartFailover.DefinitionId, FailbackWorld.Operator)
            {
                Input = new Dictionary<string, object?> { ["FailedServerId"] = FailbackWorld.Spare, ["FailoverServerId"] = "nobody", ["StartedAt"] = "2026-03-01T12:00:00Z" },
            },
            default);
        var run = await world.EndAsync(started.InstanceId);

        (run.SubStatus, run.Report.Incidents.Single().Fault.Kind).ShouldBe((WorkflowSubStatus.Faulted, "server.unknown"));
        (await world.Get<IDuties>().FindClaimAsync(DutyClaim.Recorder("nobody"), default)).ShouldBeNull();
    }

    [Theory]
    [InlineData("RaiseFence")]
    [InlineData("Probe")]
    public async Task Redrive_OfAFailbackStoppedInACheck_IsRefusedAndNotOffered_AndANewOneGoesThrough(string call)
    {
        await using var world = await FailbackWorld.CreateAsync();
        var isBroken = true;
        world.Recorders.Before(
            FailbackWorld.Failed,
            call,
            () =>
            {
                if (isBroken)
                {
                    throw new InvalidOperationException("A check that breaks.");
                }
            },
            times: 1000);
        var stopped = await world.FailBackAsync();
        (stopped.SubStatus, stopped.Report.CanRedrive, (await world.ClaimsAsync()).Count).ShouldBe((WorkflowSubStatus.Faulted, false, 0));

        var refused = await Should.ThrowAsync<WorkflowRefusedException>(() => world.Node.Runtime.RedriveAsync(stopped.Id, FailbackWorld.Operator, "Try again.", default));
        var unchanged = await world.ReadAsync(stopped.Id);
        isBroken = false;
        var again = await world.FailBackAsync("request-2");

        refused.Code.ShouldBe("claim-given-back");
        refused.Message.ShouldContain("Start it again instead");
        unchanged.LastSequence.ShouldBe(stopped.LastSequence);
        (again.Result, (await world.EntryAsync()).Failback).ShouldBe(("done", FailbackState.Done));
    }

    // What was true when the redrive was accepted may have changed by the time it is taken in: another run may be at work.
    [Fact]
    public async Task Redrive_OfAFailoverThatGaveItsClaimsBack_ChangesNothing()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.Recorders.Before(FailbackWorld.Spare, "Probe", () => throw new InvalidOperationException("A check that breaks."));
        var stopped = await world.EndAsync((await world.StartFailoverAsync(failover: FailbackWorld.Spare)).RunId!);
        (stopped.SubStatus, (await world.ClaimsAsync()).Count).ShouldBe((WorkflowSubStatus.Faulted, 0));
        await world.ApplyAsync(new TakeClaims("another", "failback", Claims, world.Time.GetUtcNow()));
        var (duty, server) = (await world.DutyAsync(), await world.ServerAsync());

        await RedrivePastTheHookAsync(world, stopped.Id);
        var again = await world.EndAsync(stopped.Id, stopped.LastSequence);

        (again.SubStatus, again.Report.Incidents[^1].Fault.Kind).ShouldBe((WorkflowSubStatus.Faulted, "claim.missing"));
        (await world.DutyAsync(), await world.ServerAsync()).ShouldBe((duty, server));
        (await world.Get<IFailoverLog>().FindAsync(StartFailover.EntryIdOf(stopped.Id), default)).ShouldBeNull();
    }

    private static async Task RedrivePastTheHookAsync(FailbackWorld world, string runId)
    {
        await world.Store.PostAsync(runId, new InboxMessage(0, InboxMessageKind.Redrive, null, null, FailbackWorld.Operator, "Try again."), world.Time.GetUtcNow(), default);
        world.Node.Get<WorkflowDispatcher>().Posted(runId);
    }

    // A definition that moves duties without the steps by which a failback or a failover is known takes no claim.
    [Fact]
    public async Task AllocateEpoch_InADefinitionThatTakesNoClaim_GrantsNothing()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await world.Node.Get<WorkflowDefinitions>().PublishAsync(
            $$"""
            {
              "definitionId": "grab",
              "root": { "id": "grab", "type": "Failback.AllocateEpoch", "identity": "{{FailbackWorld.Failed}}", "server": "{{FailbackWorld.Spare}}", "otherServer": "{{FailbackWorld.Failed}}" }
            }
            """,
            "test",
            default);
        var duty = await world.DutyAsync();

        var run = await world.EndAsync((await world.Node.Runtime.StartAsync(new StartWorkflow("grab", FailbackWorld.Operator), default)).InstanceId);

        (run.SubStatus, run.Report.Incidents.Single().Fault.Kind).ShouldBe((WorkflowSubStatus.Faulted, "claim.missing"));
        (await world.DutyAsync()).ShouldBe(duty);
    }

    [Fact]
    public async Task Acquired_FenceAtARecorderIsLarger_DrawsALargerOne()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.FailoverDuty.Fence = 41;

        var facts = await AcquireAsync(world);

        facts.ShouldBe((FailbackWorld.Failed, 42));
        (await world.DutyAsync()).Fence.ShouldBe(42);
        (await AcquireAsync(world)).ShouldBe((FailbackWorld.Failed, 43));
    }

    [Fact]
    public async Task Acquired_RecordersAreAway_DrawsFromTheDatabase()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.FailoverRecorder.IsCutOff = true;
        world.FailedRecorder.IsCutOff = true;

        (await AcquireAsync(world)).ShouldBe((FailbackWorld.Failed, 2));
    }

    [Fact]
    public async Task Acquired_FenceGrowsMeanwhile_DrawsAnother()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.Recorders.Before(FailbackWorld.Failover, "GetStatus", () => world.ApplyAsync(new RaiseFence(FailbackWorld.Failed, 8)));

        (await AcquireAsync(world)).ShouldBe((FailbackWorld.Failed, 9));
    }

    [Theory]
    [InlineData(WorkflowSubStatus.Finished, CancellationMode.Refuse, null)]
    [InlineData(WorkflowSubStatus.Cancelled, CancellationMode.End, null)]
    [InlineData(WorkflowSubStatus.Cancelled, CancellationMode.Refuse, null)]
    [InlineData(WorkflowSubStatus.Faulted, CancellationMode.End, null)]
    [InlineData(WorkflowSubStatus.Faulted, CancellationMode.Undo, "identity:rec-1")]
    [InlineData(WorkflowSubStatus.Faulted, CancellationMode.Refuse, "identity:rec-1")]
    public async Task Ending_EachWay_ReleasesAllClaimsOrKeepsTheIdentity(WorkflowSubStatus ending, CancellationMode progress, string? kept)
    {
        await using var world = await FailbackWorld.CreateAsync();
        await AcquireAsync(world);

        var changes = await world.Node.Get<IWorkflowHooks>().EndingAsync(
            new(await DefinitionAsync(world), "run", ending, progress, new Dictionary<string, object?>(), world.Time.GetUtcNow()), default);

        changes.OfType<ReleaseClaims>().Single().ShouldBe(new ReleaseClaims("run", kept));
    }

    private static async Task<(string Identity, long Fence)> AcquireAsync(FailbackWorld world)
    {
        var lease = new Lease("run", "node-of-the-test", 1, world.Time.GetUtcNow().AddDays(1), 0);
        await world.ApplyAsync(new TakeClaims(lease.InstanceId, "failback", Claims, world.Time.GetUtcNow()));
        await using (var session = await world.Get<IDatabase>().BeginWriteAsync(default))
        {
            await session.ExecuteAsync(
                "INSERT INTO wake_ups (instance_id, seq, ran, owner, lease_until, fence) VALUES (@id, 0, 0, @owner, @until, @fence) ON CONFLICT DO NOTHING",
                default,
                ("id", lease.InstanceId),
                ("owner", lease.Node),
                ("until", world.Get<IDatabase>().ToParameter(lease.Until)),
                ("fence", lease.Fence));
            await session.CommitAsync(default);
        }

        var facts = await world.Node.Get<IWorkflowHooks>().AcquiredAsync(
            new(await DefinitionAsync(world), lease, new Dictionary<string, object?> { ["EntryId"] = FailbackWorld.Entry }), default);
        var claimed = facts.ShouldBeOfType<ClaimedDuty>();
        return (claimed.Identity, claimed.Fence);
    }

    private static async Task<WorkflowDefinition> DefinitionAsync(FailbackWorld world) => (await world.Node.Get<WorkflowDefinitions>().FindPublishedAsync(StartFailback.DefinitionId, default))!;
}
