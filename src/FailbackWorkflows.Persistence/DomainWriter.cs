using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Persistence.Changes;

namespace FailbackWorkflows.Persistence;

/// <summary>
/// Callers that come while another one is being written share the next transaction: one that is alone waits for nobody, and 10,000 recorders that
/// are connected at once cost a few dozen flushes of the disk instead of 10,000. Each caller's changes are all or nothing, and whatever is
/// refused is refused to its own caller only; they take effect in the order in which they came.
/// </summary>
internal sealed class DomainWriter(IDatabase database, DomainChanges changes, ChangeFeed feed) : IDomainWriter
{
    /// <summary>How many share a transaction at most: a step of a workflow that waits for its turn must not wait long.</summary>
    internal const int MostTogether = 256;

    private readonly Lock _lock = new();
    private readonly Queue<Waiting> _waiting = new();
    private bool _isWriting;

    /// <summary>Callers whose turn has not come.</summary>
    internal int WaitingCount
    {
        get
        {
            lock (_lock)
            {
                return _waiting.Count;
            }
        }
    }

    public Task ApplyAsync(IReadOnlyList<IDomainChange> toApply, CancellationToken cancellationToken)
    {
        var mine = new Waiting(toApply, cancellationToken);
        lock (_lock)
        {
            _waiting.Enqueue(mine);
            if (_isWriting)
            {
                return mine.Done.Task;
            }

            _isWriting = true;
        }

        _ = WriteWaitingAsync();
        return mine.Done.Task;
    }

    /// <summary>Writes what waits. Whoever came first does it for those behind him once; what has come by then is written on its own.</summary>
    private async Task WriteWaitingAsync()
    {
        List<Waiting> batch;
        lock (_lock)
        {
            batch = new(Math.Min(_waiting.Count, MostTogether));
            while (batch.Count < MostTogether && _waiting.TryDequeue(out var next))
            {
                batch.Add(next);
            }
        }

        await WriteAsync(batch);
        lock (_lock)
        {
            if (_waiting.Count == 0)
            {
                _isWriting = false;
                return;
            }
        }

        _ = Task.Run(WriteWaitingAsync);
    }

    /// <summary>Never throws: what goes wrong is for those whose changes it concerns.</summary>
    private async Task WriteAsync(List<Waiting> batch)
    {
        batch.RemoveAll(w => w.Done.Task.IsCompleted || (w.Cancellation.IsCancellationRequested && w.Done.TrySetCanceled(w.Cancellation)));
        for (var overtaken = 0; batch.Count > 0;)
        {
            // Nobody's giving up may take the others' changes with it.
            var cancellation = batch.Count == 1 ? batch[0].Cancellation : CancellationToken.None;
            Waiting? at = null;
            try
            {
                await using (var session = await database.BeginWriteAsync(cancellation))
                {
                    var ends = new List<int>(batch.Count);
                    foreach (var waiting in batch)
                    {
                        at = waiting;
                        await changes.ApplyAsync(session, waiting.Changes, cancellation);
                        ends.Add(session.LastCount);
                    }

                    at = null;
                    try
                    {
                        await session.CommitAsync(cancellation);
                    }
                    catch (Exception) when (session.RefusedLast is { } refused)
                    {
                        at = batch[ends.FindIndex(end => refused < end)];
                        throw;
                    }
                }
            }
            catch (Exception exception)
            {
                if (database.IsOvertaken(exception) && ++overtaken < DatabaseWriting.MostTries)
                {
                    // By another process or by a step: it is nobody's fault here, and nothing was written.
                    continue;
                }

                if (at is null)
                {
                    // Whether it was committed is not known, so nothing is written again.
                    batch.ForEach(w => w.Fail(exception));
                    return;
                }

                // What this one asks for is refused. The transaction is gone with it, and the others begin again without it.
                at.Fail(exception);
                batch.Remove(at);
                continue;
            }

            foreach (var waiting in batch)
            {
                feed.Committed(waiting.Changes);
                waiting.Done.TrySetResult();
            }

            return;
        }
    }

    private sealed record Waiting(IReadOnlyList<IDomainChange> Changes, CancellationToken Cancellation)
    {
        public TaskCompletionSource Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Fail(Exception exception)
        {
            if (exception is OperationCanceledException && Cancellation.IsCancellationRequested)
            {
                Done.TrySetCanceled(Cancellation);
            }
            else
            {
                Done.TrySetException(exception);
            }
        }
    }
}
