using System.Diagnostics;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Testing.Engine;

namespace FailbackWorkflows.Testing.Failback;

/// <summary>
/// A real store that remembers its commits and tells when an instance has ended. When an instance waits for a time, the fake clock is moved
/// there at once: nobody sleeps, and what a run waits for in all is seen on the clock.
/// </summary>
public sealed class ObservedWorkflowStore(IWorkflowStore store, FakeTimeProvider? time) : DelegatingWorkflowStore(store)
{
    private readonly Lock _lock = new();
    private readonly List<StepCommit> _commits = [];
    private readonly Dictionary<string, long> _ended = new(StringComparer.Ordinal);
    private readonly List<(string InstanceId, long After, TaskCompletionSource Done)> _waiting = [];
    private long _ticksInCommits;

    /// <summary>Moves the clock to when a suspended instance is due. Default: true.</summary>
    public bool MovesClock { get; set; } = true;

    /// <summary>Called when an instance waits for a time, with that time, after the clock was moved.</summary>
    public Func<DateTimeOffset, Task>? Waiting { get; set; }

    /// <summary>Called after each commit is durable and before the node learns of it.</summary>
    public Func<StepCommit, Task>? Committed { get; set; }

    /// <summary>Time spent in commits so far.</summary>
    public TimeSpan TimeInCommits => new(Interlocked.Read(ref _ticksInCommits));

    /// <summary>All commits so far.</summary>
    public IReadOnlyList<StepCommit> Commits
    {
        get
        {
            lock (_lock)
            {
                return [.. _commits];
            }
        }
    }

    /// <summary>Lets go of the commits so far, for who plays so many runs that keeping them would be what is measured.</summary>
    public void ForgetCommits()
    {
        lock (_lock)
        {
            _commits.Clear();
            _ended.Clear();
        }
    }

    /// <summary>Completes when the instance has ended by an event later than <paramref name="afterSequence"/>.</summary>
    public Task EndedAsync(string instanceId, long afterSequence = 0)
    {
        lock (_lock)
        {
            if (_ended.GetValueOrDefault(instanceId) > afterSequence)
            {
                return Task.CompletedTask;
            }

            var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _waiting.Add((instanceId, afterSequence, done));
            return done.Task;
        }
    }

    public override async Task CommitAsync(StepCommit commit, CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        await base.CommitAsync(commit, cancellationToken);
        Interlocked.Add(ref _ticksInCommits, Stopwatch.GetElapsedTime(started).Ticks);
        lock (_lock)
        {
            _commits.Add(commit);
        }

        if (Committed is { } committed)
        {
            await committed(commit);
        }

        if (commit.Releases && commit.Instance.Status == WorkflowStatus.Running && commit.DueAt is { } due)
        {
            // First what happens meanwhile: with the clock moved before it, the run went on beside it, and on a busy machine past it.
            var movesClock = MovesClock;
            if (Waiting is { } waiting)
            {
                await waiting(due);
            }

            if (time is not null && movesClock && due > time.GetUtcNow())
            {
                time.Advance(due - time.GetUtcNow());
            }
        }

        if (commit.Releases && commit.Instance.Status == WorkflowStatus.Finished)
        {
            End(commit.Instance);
        }
    }

    private void End(StoredInstance instance)
    {
        lock (_lock)
        {
            _ended[instance.Id] = instance.LastSequence;
            foreach (var waiting in _waiting.Where(w => w.InstanceId == instance.Id && w.After < instance.LastSequence).ToList())
            {
                _waiting.Remove(waiting);
                waiting.Done.SetResult();
            }
        }
    }
}
