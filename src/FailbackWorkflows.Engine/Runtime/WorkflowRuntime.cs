using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Interpretation;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Engine.Values;
using Microsoft.Extensions.Logging;

namespace FailbackWorkflows.Engine.Runtime;

/// <inheritdoc cref="IWorkflowRuntime"/>
internal sealed class WorkflowRuntime(
    IWorkflowStore store,
    WorkflowDefinitions definitions,
    WorkflowDispatcher dispatcher,
    IWorkflowHooks hooks,
    IWorkflowIds ids,
    TimeProvider time,
    WorkflowEngineOptions options,
    WorkflowMetrics metrics,
    ILogger<WorkflowRuntime> logger) : IWorkflowRuntime
{
    public async Task<StartedWorkflow> StartAsync(StartWorkflow request, CancellationToken cancellationToken)
    {
        var trigger = request.Trigger;
        if (request.StartKey is not null && await store.FindInstanceByStartKeyAsync(request.StartKey, cancellationToken) is { } known)
        {
            return new(known, AlreadyStarted: true);
        }

        var definition = (request.DefinitionVersionId is { } version
                ? await definitions.FindVersionAsync(request.DefinitionId, version, cancellationToken)
                : await definitions.FindPublishedAsync(request.DefinitionId, cancellationToken))
            ?? throw new WorkflowRefusedException("definition-unknown", $"There is no published workflow '{request.DefinitionId}'.");
        if (trigger is not null && !definition.Triggers.Any(t => t.NodeId == trigger.NodeId && t.Key == trigger.Key))
        {
            throw new WorkflowRefusedException("trigger-gone", $"The workflow '{definition.Name}' was published anew meanwhile and no longer has this trigger.");
        }

        // What a trigger brings along is for whoever declares it; a caller by name is told of a name that nobody declared.
        var input = ReadInput(definition, trigger is null ? request.Input : request.Input.Where(given => IsDeclared(definition, given.Key)).ToDictionary());
        var instanceId = ids.NewInstanceId();
        var now = time.GetUtcNow();
        var state = new InstanceState();
        var events = new List<JournalEvent>();
        var stored = new StoredInstance
        {
            Id = instanceId,
            DefinitionId = definition.DefinitionId,
            DefinitionVersionId = definition.Id,
            DefinitionVersion = definition.Version,
            Name = definition.Name,
            CorrelationId = request.CorrelationId,
            StartKey = request.StartKey,
            Status = WorkflowStatus.Running,
            SubStatus = WorkflowSubStatus.Pending,
            IncidentCount = 0,
            CreatedAt = now,
            UpdatedAt = now,
            LastSequence = 0,
        };
        var live = new LiveInstance(definition, state, stored);

        // Nobody can have told it anything. A message that overtakes the line that hands it to the dispatcher is found like one from another node.
        live.TakeSignal();
        live.Interpreter.Apply(
            state,
            new InstanceStarted
            {
                At = now,
                IsFact = true,
                WrittenBy = options.Node,
                DefinitionId = definition.DefinitionId,
                DefinitionVersionId = definition.Id,
                DefinitionSha256 = definition.Sha256,
                Input = input,
                Actor = request.Actor,
                Reason = request.Reason,
                CorrelationId = request.CorrelationId,
                Parent = request.Parent,
                TriggerNodeId = trigger?.NodeId,
                TriggerPayload = trigger is null ? null : PlainValue.From(request.Input),
            },
            events);
        var lease = new Lease(instanceId, options.Node, Fence: 1, now + options.LeaseDuration, Seen: 0);
        try
        {
            var changes = await hooks.StartingAsync(new(definition, instanceId, input, request.Actor, now), cancellationToken);
            if (state.HasEnded)
            {
                // Nothing to run, or an input that cannot be evaluated: start and end are one commit.
                changes = [.. changes, .. await hooks.EndingAsync(
                    new(definition, instanceId, state.SubStatus, state.Cancellation, state.Output, now), cancellationToken)];
            }

            var bookmarks = live.Bookmarks();
            var row = live.Row(now);
            var commit = new StepCommit
            {
                Lease = lease,
                Instance = row,
                IsStart = true,
                Events = events,
                Bookmarks = bookmarks,
                Stimuli = state.HasEnded ? [new Stimulus(WorkflowEnded.KeyOf(instanceId), Actor.System)] : [],
                Changes = [.. request.Changes, .. changes],
                Activation = definition.Activation == ActivationStrategy.AllowAlways ? null : new(definition.Activation, definition.DefinitionId, row.CorrelationId),
                At = now,
                LeaseUntil = lease.Until,
            };
            await store.CommitAsync(commit, cancellationToken);
            live.Committed(commit, row);
        }
        catch (Exception) when (request.StartKey is not null)
        {
            // The same request may have won the race with itself (a double click): then its own claim is what stood in the way.
            if (await store.FindInstanceByStartKeyAsync(request.StartKey, cancellationToken) is { } winner)
            {
                return new(winner, AlreadyStarted: true);
            }

            throw;
        }

        metrics.Started(definition);
        if (state.HasEnded)
        {
            WorkflowTracing.Ended(live);
            metrics.Ended(live);
        }

        dispatcher.Run(lease, live);
        return new(instanceId, AlreadyStarted: false);
    }

    public async Task<IReadOnlyList<string>> ResumeAsync(Stimulus stimulus, CancellationToken cancellationToken)
    {
        var reached = await store.PostStimulusAsync(stimulus with { Payload = PlainValue.From(stimulus.Payload) }, time.GetUtcNow(), cancellationToken);
        foreach (var instanceId in reached)
        {
            dispatcher.Posted(instanceId);
        }

        return stimulus.Occurrence is { } occurrence ? [.. reached, .. await TriggerAsync(occurrence, stimulus.Actor, cancellationToken)] : reached;
    }

    private async Task<IReadOnlyList<string>> TriggerAsync(Occurrence occurrence, Actor actor, CancellationToken cancellationToken)
    {
        var started = new List<string>();
        foreach (var trigger in await store.FindTriggersAsync(occurrence.TriggerKeys, cancellationToken))
        {
            try
            {
                var instance = await StartAsync(
                    new StartWorkflow(trigger.DefinitionId, actor)
                    {
                        Input = occurrence.Input,
                        Reason = occurrence.Reason,
                        StartKey = $"{occurrence.Id}/{trigger.DefinitionId}/{trigger.NodeId}",
                        CorrelationId = occurrence.CorrelationId,
                        Trigger = trigger,
                    },
                    cancellationToken);
                started.Add(instance.InstanceId);
            }
            catch (WorkflowRefusedException refusal)
            {
                logger.LogInformation("{Occurrence} did not start {Definition}: {Reason}", occurrence.Id, trigger.DefinitionId, refusal.Message);
            }
        }

        return started;
    }

    public async Task CancelAsync(string instanceId, Actor actor, string? reason, CancellationToken cancellationToken)
    {
        var state = await ReadStateAsync(instanceId, cancellationToken);
        if (state.HasEnded)
        {
            throw new WorkflowRefusedException("run-ended", "The run has ended already; there is nothing to cancel.");
        }

        if (state.Cancellation == CancellationMode.Refuse)
        {
            throw new WorkflowRefusedException("run-only-forward", "The run has passed the point of no return: it can only be finished, not cancelled.");
        }

        if (state.IsCancelling)
        {
            throw new WorkflowRefusedException("run-cancelling", "The run is being cancelled already.");
        }

        await PostAsync(instanceId, InboxMessageKind.Cancel, actor, reason, cancellationToken);
    }

    public async Task RedriveAsync(string instanceId, Actor actor, string? reason, CancellationToken cancellationToken)
    {
        var state = await ReadStateAsync(instanceId, cancellationToken);
        if (state.SubStatus != WorkflowSubStatus.Faulted)
        {
            throw new WorkflowRefusedException("run-not-faulted", "Only a run that an incident stopped can be retried.");
        }

        var definition = await definitions.GetVersionAsync(state.Started!.DefinitionVersionId, cancellationToken);
        if (definition.Activation != ActivationStrategy.AllowAlways
            && await store.FindRunningAsync(new(definition.Activation, definition.DefinitionId, state.CorrelationId), instanceId, cancellationToken) is { } other)
        {
            throw new AlreadyRunningException(other);
        }

        await hooks.RedrivingAsync(new(definition, instanceId), cancellationToken);
        await PostAsync(instanceId, InboxMessageKind.Redrive, actor, reason, cancellationToken);
    }

    public async Task<WorkflowInstance?> FindAsync(string instanceId, CancellationToken cancellationToken)
    {
        if (await store.FindInstanceAsync(instanceId, cancellationToken) is not { } stored)
        {
            return null;
        }

        var state = InstanceState.FromJson(stored.Snapshot);
        return new(
            stored.Id,
            stored.DefinitionId,
            stored.DefinitionVersionId,
            stored.DefinitionVersion,
            stored.Status,
            stored.SubStatus,
            stored.CreatedAt,
            stored.UpdatedAt,
            stored.FinishedAt,
            stored.LastSequence,
            state.Output,
            state.Incidents);
    }

    public async Task<IReadOnlyList<OpenTask>> ListTasksAsync(int take, CancellationToken cancellationToken)
    {
        var tasks = new List<OpenTask>();
        foreach (var bookmark in await store.ListBookmarksAsync(BuiltIn.RunTask.BookmarkName, take, cancellationToken))
        {
            if (await store.FindInstanceAsync(bookmark.InstanceId, cancellationToken) is { } stored
                && InstanceState.FromJson(stored.Snapshot).Executions.Find(e => e.Bookmarks.Exists(b => b.Key == bookmark.Key)) is { } execution)
            {
                tasks.Add(BuiltIn.RunTask.Describe(bookmark, stored, execution.Inputs));
            }
        }

        return tasks;
    }

    private async Task<InstanceState> ReadStateAsync(string instanceId, CancellationToken cancellationToken)
    {
        var stored = await store.FindInstanceAsync(instanceId, cancellationToken)
            ?? throw new WorkflowRefusedException("run-unknown", $"There is no run '{instanceId}'.");
        return InstanceState.FromJson(stored.Snapshot);
    }

    private async Task PostAsync(string instanceId, InboxMessageKind kind, Actor actor, string? reason, CancellationToken cancellationToken)
    {
        await store.PostAsync(instanceId, new InboxMessage(0, kind, null, null, actor, reason), time.GetUtcNow(), cancellationToken);
        dispatcher.Posted(instanceId);
    }

    private static bool IsDeclared(WorkflowDefinition definition, string input) =>
        definition.Inputs.Any(i => i.Name.Equals(input, StringComparison.OrdinalIgnoreCase));

    /// <summary>The input as the definition declares it. Throws <see cref="WorkflowRefusedException"/> for a name nobody declared and for a value that is missing.</summary>
    internal static Dictionary<string, object?> ReadInput(WorkflowDefinition definition, IReadOnlyDictionary<string, object?> given)
    {
        foreach (var name in given.Keys)
        {
            if (!IsDeclared(definition, name))
            {
                throw new WorkflowRefusedException("input-unknown", $"The workflow '{definition.Name}' has no input '{name}'.");
            }
        }

        var input = new Dictionary<string, object?>(StringComparer.Ordinal);
        foreach (var declared in definition.Inputs)
        {
            var value = PlainValue.From(given.FirstOrDefault(g => g.Key.Equals(declared.Name, StringComparison.OrdinalIgnoreCase)).Value);
            if (value is null && declared.IsRequired)
            {
                throw new WorkflowRefusedException("input-missing", $"The workflow '{definition.Name}' needs a value for '{declared.Name}'.");
            }

            if (!VariableTypes.TryReadText(declared.TypeName, declared.IsArray, value, out var typed))
            {
                throw new WorkflowRefusedException("input-invalid", $"'{value}' is no {(declared.IsArray ? "list of " : string.Empty)}{declared.TypeName}, which the workflow '{definition.Name}' wants for '{declared.Name}'.");
            }

            input[declared.Name] = typed;
        }

        return input;
    }
}

/// <summary>Makes ids of instances; replaced in tests.</summary>
public interface IWorkflowIds
{
    string NewInstanceId();
}

/// <summary>Ids that sort by time of creation.</summary>
internal sealed class TimeOrderedIds(TimeProvider time) : IWorkflowIds
{
    public string NewInstanceId() => Guid.CreateVersion7(time.GetUtcNow()).ToString("N");
}
