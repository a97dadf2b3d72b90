using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Interpretation;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Storage;

namespace FailbackWorkflows.Engine.Runtime;

/// <summary>
/// Plays the beginning of a run without being one: the published definition, its expressions, the interpreter and the activities' own code
/// are those of the run, so they decide the same; nothing is committed, claimed or remembered, and it ends at the first activity that is not
/// marked as fit for it (<see cref="RehearsalAttribute"/>). What an activity would have written goes to the <see cref="RehearsalStage"/>.
/// </summary>
public sealed class WorkflowRehearsal(WorkflowDefinitions definitions, IWorkflowHooks hooks, IWorkflowIds ids, TimeProvider time)
{
    /// <summary>A definition that goes round in circles of activities that change nothing is not played for ever.</summary>
    private const int MostActivities = 500;

    /// <summary>
    /// Plays a start and what follows. Throws <see cref="WorkflowRefusedException"/> as the start itself would, and what the host's start hook
    /// and the stage throw. Safe to repeat.
    /// </summary>
    public async Task<RehearsedRun> PlayAsync(StartWorkflow request, RehearsalStage stage, CancellationToken cancellationToken)
    {
        var definition = await definitions.FindPublishedAsync(request.DefinitionId, cancellationToken)
            ?? throw new WorkflowRefusedException("definition-unknown", $"There is no published workflow '{request.DefinitionId}'.");
        return await PlayAsync(definition, request, stage, cancellationToken);
    }

    /// <summary>As <see cref="PlayAsync(StartWorkflow, RehearsalStage, CancellationToken)"/>, with a definition that nobody needs to have published.</summary>
    public async Task<RehearsedRun> PlayAsync(WorkflowDefinition definition, StartWorkflow request, RehearsalStage stage, CancellationToken cancellationToken)
    {
        var input = WorkflowRuntime.ReadInput(definition, request.Input);
        var instanceId = ids.NewInstanceId();
        var state = new InstanceState();
        var journal = new List<JournalEvent>();
        var interpreter = new Interpreter(definition, instanceId);
        var startedAt = time.GetUtcNow();
        interpreter.Apply(
            state,
            new InstanceStarted
            {
                At = startedAt,
                IsFact = true,
                DefinitionId = definition.DefinitionId,
                DefinitionVersionId = definition.Id,
                DefinitionSha256 = definition.Sha256,
                Input = input,
                Actor = request.Actor,
                Reason = request.Reason,
                CorrelationId = request.CorrelationId,
            },
            journal);
        var changes = await hooks.StartingAsync(new(definition, instanceId, input, request.Actor, startedAt), cancellationToken);
        var hostFacts = await stage.StartAsync(instanceId, [.. request.Changes, .. changes], cancellationToken);
        ActivityNode? endedBefore = null;
        for (var played = 0; endedBefore is null && !state.HasEnded && state.Find(state.Current) is { } execution; played++)
        {
            var node = interpreter.NodeOf(execution);
            var mode = played < MostActivities ? stage.Enter(node) : RehearsalMode.Ends;
            var fact = mode switch
            {
                RehearsalMode.Executes => await ExecuteAsync(definition, instanceId, state, execution, node, hostFacts, stage, cancellationToken),
                RehearsalMode.PassesOver => new ActivityCompleted { At = time.GetUtcNow(), IsFact = true, ExecutionId = execution.Id, NodeId = node.NodeId, Outcomes = [node.Outcomes[0]] },
                _ => null,
            };
            if (fact is null)
            {
                endedBefore = node;
            }
            else
            {
                interpreter.Apply(state, fact, journal);
            }
        }

        var now = time.GetUtcNow();
        return new(
            definition,
            new(
                instanceId,
                definition.DefinitionId,
                definition.Id,
                definition.Version,
                state.HasEnded ? WorkflowStatus.Finished : WorkflowStatus.Running,
                state.SubStatus,
                startedAt,
                now,
                state.HasEnded ? now : null,
                state.Sequence,
                state.Output,
                state.Incidents),
            journal,
            endedBefore);
    }

    /// <summary>What came of an activity, retried as the run would; null when it waits for something.</summary>
    private async Task<JournalEvent?> ExecuteAsync(
        WorkflowDefinition definition,
        string instanceId,
        InstanceState state,
        Execution execution,
        ActivityNode node,
        object? hostFacts,
        RehearsalStage stage,
        CancellationToken cancellationToken)
    {
        var started = state.Started!;
        var run = new RunInfo(definition.DefinitionId, definition.Id, definition.Version, started.Actor, started.Reason, started.At, started.CorrelationId);
        var activity = ActivityCatalog.Create(node.Descriptor.ActivityType!, stage.Services);
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                var context = new ActivityExecutionContext(instanceId, execution.Id, node.NodeId, attempt, execution.Inputs, null, null, time, hostFacts, run, null);
                var result = await activity.ExecuteAsync(context, cancellationToken);
                if (result.Bookmarks is not null || result.Ports is not null)
                {
                    return null;
                }

                var completed = new ActivityCompleted
                {
                    At = time.GetUtcNow(),
                    IsFact = true,
                    ExecutionId = execution.Id,
                    NodeId = node.NodeId,
                    Outcomes = result.Outcomes!,
                    Outputs = result.Outputs,
                    Variables = result.Variables,
                    WorkflowOutputs = result.WorkflowOutputs,
                    Cancellation = result.Cancellation,
                    Notes = result.Notes,
                    Ends = result.Ends,
                    InstanceName = result.InstanceName,
                    CorrelationId = result.CorrelationId,
                };
                return stage.Leave(node, completed, result.Changes);
            }
            catch (Exception exception) when (exception is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
            {
                var fault = activity.DescribeFault(exception);
                if ((fault.IsTransient ? node.Retry.DelayAfter(attempt) : null) is { } delay)
                {
                    await Task.Delay(delay, time, cancellationToken);
                    continue;
                }

                return new ActivityFaulted { At = time.GetUtcNow(), IsFact = true, ExecutionId = execution.Id, NodeId = node.NodeId, Fault = fault, Attempt = attempt };
            }
        }
    }
}

/// <summary>What a rehearsal plays on: everything the activities may reach, and what becomes of what they would change. Used once.</summary>
public abstract class RehearsalStage
{
    /// <summary>What activities are made of. What is not in it cannot be reached, so it holds nothing that changes anything.</summary>
    public abstract IServiceProvider Services { get; }

    /// <summary>
    /// What the transaction of the start would write. Throws what the store would throw if it refused; else answers with what the activities
    /// find as <see cref="ActivityExecutionContext.HostFacts"/>.
    /// </summary>
    public abstract ValueTask<object?> StartAsync(string instanceId, IReadOnlyList<IDomainChange> changes, CancellationToken cancellationToken);

    /// <summary>Whether and how the rehearsal goes into an activity. Default: as the activity is marked.</summary>
    public virtual RehearsalMode Enter(ActivityNode node) => node.Descriptor.Rehearsal;

    /// <summary>What came of an activity that was executed, and what its step would write. The rehearsal goes on with what is returned.</summary>
    public virtual ActivityCompleted Leave(ActivityNode node, ActivityCompleted completed, IReadOnlyList<IDomainChange> changes) => completed;
}

/// <summary>How far a rehearsal came.</summary>
/// <param name="Instance">What the run's row would say; no such run exists.</param>
/// <param name="Journal">What its journal would say, without the times that retries take.</param>
/// <param name="EndedBefore">The activity the rehearsal did not go into; null: the workflow came to its end.</param>
public sealed record RehearsedRun(WorkflowDefinition Definition, WorkflowInstance Instance, IReadOnlyList<JournalEvent> Journal, ActivityNode? EndedBefore);
