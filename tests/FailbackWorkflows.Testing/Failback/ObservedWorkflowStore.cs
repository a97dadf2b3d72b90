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
    private readonly HashSet<string> _waitedFor = new(StringComparer.Ordinal);
    private long _ticksInCommits;

    /// <summary>Moves the clock to when a suspended instance is due. Default: true.</summary>
    public bool MovesClock { get; set; } = true;

    /// <summary>
    /// Called when an instance waits for a time, with that time, after the clock was moved. Until it returns nobody runs that instance, whatever
    /// wakes it: what a test does at one wait never runs beside what it does at the next.
    /// </summary>
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

    /// <summary>Gives back what is waited for; the node that waits looks again when its commit has returned.</summary>
    public override async Task<IReadOnlyList<Lease>> ClaimRunnableAsync(string node, DateTimeOffset now, TimeSpan leaseDuration, int max, CancellationToken cancellationToken)
    {
        var leases = await base.ClaimRunnableAsync(node, now, leaseDuration, max, cancellationToken);
        List<Lease> early;
        lock (_lock)
        {
            early = [.. leases.Where(l => _waitedFor.Contains(l.InstanceId))];
        }

        foreach (var lease in early)
        {
            await base.ReleaseLeaseAsync(lease, cancellationToken);
        }

        return early.Count == 0 ? leases : [.. leases.Except(early)];
    }

    public override async Task CommitAsync(StepCommit commit, CancellationToken cancellationToken)
    {
        var waits = Waiting is not null && commit.Releases && commit.Instance.Status == WorkflowStatus.Running && commit.DueAt is not null;
        if (waits)
        {
            // Before the commit: as soon as it is durable the instance may be woken and claimed.
            SetWaitedFor(commit.Instance.Id, true);
        }

        try
        {
            await CommitAndWatchAsync(commit, cancellationToken);
        }
        finally
        {
            if (waits)
            {
                SetWaitedFor(commit.Instance.Id, false);
            }
        }
    }

    private async Task CommitAndWatchAsync(StepCommit commit, CancellationToken cancellationToken)
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
            if (time is not null && MovesClock && due > time.GetUtcNow())
            {
                time.Advance(due - time.GetUtcNow());
            }

            if (Waiting is { } waiting)
            {
                await waiting(due);
            }
        }

        if (commit.Releases && commit.Instance.Status == WorkflowStatus.Finished)
        {
            HasEnded(commit.Instance.Id, commit.Instance.LastSequence);
        }
    }

    private void SetWaitedFor(string instanceId, bool isWaitedFor)
    {
        lock (_lock)
        {
            _ = isWaitedFor ? _waitedFor.Add(instanceId) : _waitedFor.Remove(instanceId);
        }
    }

    /// <summary>An instance has ended, by that event. Told from outside it is one that another process brought to its end.</summary>
    internal void HasEnded(string instanceId, long sequence)
    {
        lock (_lock)
        {
            _ended[instanceId] = sequence;
            foreach (var waiting in _waiting.Where(w => w.InstanceId == instanceId && w.After < sequence).ToList())
            {
                _waiting.Remove(waiting);
                waiting.Done.SetResult();
            }
        }
    }
}
