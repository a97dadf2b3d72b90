using System.Collections.Concurrent;
using System.Data.Common;
using Npgsql;

namespace FailbackWorkflows.Persistence.Postgres;

/// <summary>
/// Statements of many callers in one transaction and one round trip: what comes while others are being written goes out together, and one flush of
/// the disk is acknowledged to all of them (ADR 18). A caller that is alone waits for nobody. When a statement is refused, the transaction is undone,
/// the caller it belongs to is told to write on his own, and the others begin again without him.
/// </summary>
internal sealed class SharedTransactions(NpgsqlDataSource source, PostgresGuard guard, Action committed)
{
    /// <summary>How many share a transaction at most: the last of them waits until the first is through.</summary>
    internal const int MostTogether = 64;

    /// <summary>Transactions on their way at the same time: while one is being flushed, the next is written.</summary>
    internal const int MostAtOnce = 2;

    private static readonly ConcurrentDictionary<Statement, string> Demanding = new();

    /// <summary>As <see cref="WriteSession.Committing"/>.</summary>
    internal Func<Func<Task>, Task>? Committing { get; set; }

    private readonly Lock _lock = new();
    private readonly Queue<Caller> _waiting = new();
    private int _writing;

    /// <summary>
    /// True: all of it is written, and on the disk. False: nothing of it is, because a statement was refused or changed no row although it has to;
    /// why is for a transaction of its own to find out. An exception: whether it is written is not known.
    /// </summary>
    public Task<bool> TryWriteAsync(List<StatementCall> calls, CancellationToken cancellationToken)
    {
        var mine = new Caller(calls, cancellationToken);
        lock (_lock)
        {
            _waiting.Enqueue(mine);
            if (_writing == MostAtOnce)
            {
                return mine.Done.Task;
            }

            _writing++;
        }

        _ = WriteWaitingAsync();
        return mine.Done.Task;
    }

    /// <summary>One statement that is a transaction of its own, in one round trip: answers with its rows when it is on the disk. Overtaken, it is done once more.</summary>
    public async Task<List<T>> QueryAsync<T>(StatementCall call, Func<DbDataReader, T> read, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await guard.HoldAsync(cancellationToken);
                await using var connection = await source.OpenConnectionAsync(cancellationToken);
                await using var batch = connection.CreateBatch();
                call.AddTo(batch, call.Statement.Numbered);
                var rows = new List<T>();
                await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
                while (await reader.ReadAsync(cancellationToken))
                {
                    rows.Add(read(reader));
                }

                // Behind the last row comes the word that it is committed.
                await reader.NextResultAsync(cancellationToken);
                if (rows.Count > 0)
                {
                    committed();
                }

                return rows;
            }
            catch (PostgresException exception) when (attempt < DatabaseWriting.MostTries && exception.SqlState is (PostgresErrorCodes.DeadlockDetected or PostgresErrorCodes.SerializationFailure))
            {
                // Nothing of it was written.
            }
        }
    }

    private async Task WriteWaitingAsync()
    {
        while (true)
        {
            var group = new List<Caller>();
            lock (_lock)
            {
                while (group.Count < MostTogether && _waiting.TryDequeue(out var next))
                {
                    group.Add(next);
                }

                if (group.Count == 0)
                {
                    _writing--;
                    return;
                }
            }

            await WriteAsync(group);
        }
    }

    /// <summary>Never throws: what goes wrong is for those whose statements it concerns.</summary>
    private async Task WriteAsync(List<Caller> group)
    {
        group.RemoveAll(c => c.Cancellation.IsCancellationRequested && c.Done.TrySetCanceled(c.Cancellation));
        while (group.Count > 0)
        {
            await using var batch = new NpgsqlBatch();
            try
            {
                foreach (var caller in group)
                {
                    caller.AddTo(batch);
                }

                await guard.HoldAsync(CancellationToken.None);
                await using var connection = await source.OpenConnectionAsync(CancellationToken.None);
                batch.Connection = connection;

                // Without a BEGIN the server takes everything up to the end of the batch as one transaction, and answers when it is on the disk.
                Task Commit() => batch.ExecuteNonQueryAsync(CancellationToken.None);
                await (Committing is { } committing ? committing(Commit) : Commit());
            }
            catch (PostgresException refusal) when (refusal.InvariantSeverity == "ERROR" && group.Find(c => c.Has(refusal.BatchCommand)) is { } refused)
            {
                // The statement was refused and the transaction with it. What ends the session instead of a statement says nothing about the commit.
                refused.Done.TrySetResult(false);
                group.Remove(refused);
                continue;
            }
            catch (Exception exception)
            {
                // Whether it was committed is not known, so nothing is written again.
                group.ForEach(c => c.Done.TrySetException(exception));
                return;
            }

            committed();
            group.ForEach(c => c.Done.TrySetResult(true));
            return;
        }
    }

    /// <summary>The update, failing when it changes nothing, so that what comes with it is undone. An operator may find it in the server's log.</summary>
    private static string TextOf(StatementCall call) => call.MustChange
        ? Demanding.GetOrAdd(call.Statement, static s => $"WITH held AS ({s.Numbered} RETURNING 1) SELECT 1 / count(*) /* a division by zero: the lease is somebody else's by now */ FROM held")
        : call.Statement.Numbered;

    private sealed class Caller(List<StatementCall> calls, CancellationToken cancellation)
    {
        private readonly List<DbBatchCommand> _commands = new(calls.Count);

        public TaskCompletionSource<bool> Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public CancellationToken Cancellation => cancellation;

        public bool Has(DbBatchCommand? command) => command is not null && _commands.Contains(command);

        public void AddTo(NpgsqlBatch batch)
        {
            _commands.Clear();
            foreach (var call in calls)
            {
                _commands.Add(call.AddTo(batch, TextOf(call)));
            }
        }
    }
}
