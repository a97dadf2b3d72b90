using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Testing.Engine;

namespace FailbackWorkflows.Benchmarks.Durable;

/// <summary>Counts what is written and tells when an instance has come to rest, for good or to wait for something.</summary>
internal sealed class WatchedStore(IWorkflowStore inner) : DelegatingWorkflowStore(inner)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, TaskCompletionSource> _rests = new(StringComparer.Ordinal);
    private long _commits;
    private long _journalRows;

    /// <summary>Steps committed so far.</summary>
    public long Commits => Interlocked.Read(ref _commits);

    /// <summary>False: events are written without their chain, to see what that costs.</summary>
    public bool IsChained { get; set; } = true;

    public long JournalRows => Interlocked.Read(ref _journalRows);

    /// <summary>Called when a commit of a step that is no start has returned.</summary>
    public Action<StepCommit>? Stepped { get; set; }

    /// <summary>Completes when the instance has rested once more than was asked for so far.</summary>
    public async Task RestedAsync(string instanceId)
    {
        await RestOf(instanceId).Task;
        lock (_lock)
        {
            _rests.Remove(instanceId);
        }
    }

    public override async Task CommitAsync(StepCommit step, CancellationToken cancellationToken)
    {
        step.IsChained = IsChained;
        await base.CommitAsync(step, cancellationToken);
        Interlocked.Increment(ref _commits);
        Interlocked.Add(ref _journalRows, step.Events.Count);
        if (!step.IsStart)
        {
            Stepped?.Invoke(step);
        }

        // An instance that was woken for nothing gives its lease back without an event.
        if (step.Releases && step.Events.Count > 0)
        {
            RestOf(step.Instance.Id).TrySetResult();
        }
    }

    private TaskCompletionSource RestOf(string instanceId)
    {
        lock (_lock)
        {
            return _rests.TryGetValue(instanceId, out var rest) ? rest : _rests[instanceId] = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }
}
