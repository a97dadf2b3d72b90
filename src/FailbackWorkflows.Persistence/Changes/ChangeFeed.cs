using System.Collections.Concurrent;
using System.Collections.Frozen;
using System.Data;
using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback.Changes;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.Reconciliation;
using FailbackWorkflows.Failback.VmsServers;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace FailbackWorkflows.Persistence.Changes;

internal sealed class ChangeNotificationRow
{
    /// <summary>Grows and is never used again, not even after rows were deleted.</summary>
    public long Cursor { get; set; }

    public required string Kind { get; set; }

    public string? Subject { get; set; }

    public string? Text { get; set; }

    public DateTimeOffset At { get; set; }

    public static void Configure(EntityTypeBuilder<ChangeNotificationRow> row)
    {
        row.ToTable("change_notifications");
        row.HasKey(r => r.Cursor);
    }
}

internal sealed class NotifyHandler(IDatabase database) : FeedChangeHandler<Notify>
{
    private static readonly Statement Insert = new(
        "INSERT INTO change_notifications (kind, subject, text, at) VALUES (@kind, @subject, @text, @at)",
        ("kind", DbType.String), ("subject", DbType.String), ("text", DbType.String), ("at", DbType.Int64));

    protected override StatementCall CallOf(Notify change) => Insert.With(change.Change.Kind, change.Change.Subject, change.Change.Text, database.ToParameter(change.Change.At));
}

/// <summary>
/// Counts what was committed here and, as far as the signals tell, by other nodes, by kind of change. A hint for whoever keeps rows in memory; the truth is
/// the database.
/// </summary>
internal sealed class CommittedChanges
{
    /// <summary>What somebody counts, or waits for. The other nodes are told of nothing else.</summary>
    private static readonly FrozenSet<string> Wanted = FrozenSet.ToFrozenSet([nameof(SaveVmsServer), nameof(DeleteVmsServer), nameof(GrantEpoch), nameof(AcceptDuty), nameof(Notify)], StringComparer.Ordinal);

    private readonly ConcurrentDictionary<string, long> _counts = new(StringComparer.Ordinal);
    private readonly INodeSignals _signals;
    private Action? _notified;

    public CommittedChanges(INodeSignals signals)
    {
        _signals = signals;
        signals.Subscribe(Hear);
    }

    /// <summary>Has <paramref name="notified"/> called whenever there may be a new notification.</summary>
    public void WhenNotified(Action notified) => _notified += notified;

    public void Committed(IReadOnlyList<IDomainChange> changes)
    {
        foreach (var change in changes)
        {
            var kind = change.GetType().Name;
            if (Wanted.Contains(kind))
            {
                _signals.Send(new NodeSignal(NodeSignalKind.Changed, kind));
                Count(kind);
            }
        }
    }

    /// <summary>Only of what is in <see cref="Wanted"/>.</summary>
    public long CountOf<TChange>()
        where TChange : IDomainChange => _counts.GetValueOrDefault(typeof(TChange).Name);

    private void Hear(NodeSignal signal)
    {
        foreach (var kind in signal.Kind switch
        {
            NodeSignalKind.Changed when signal.Subject is { } one && Wanted.Contains(one) => [one],
            NodeSignalKind.Missed => Wanted.Items,
            _ => [],
        })
        {
            Count(kind);
        }
    }

    private void Count(string kind)
    {
        _counts.AddOrUpdate(kind, 1, static (_, count) => count + 1);
        if (kind == nameof(Notify))
        {
            _notified?.Invoke();
        }
    }
}

internal sealed class ChangeFeed : IChangeFeed
{
    private readonly IDatabase _database;
    private readonly CommittedChanges _committed;
    private TaskCompletionSource _next = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public ChangeFeed(IDatabase database, CommittedChanges committed)
    {
        (_database, _committed) = (database, committed);
        committed.WhenNotified(WakeWaiting);
    }

    /// <summary>Wakes the waiting, here and at other nodes, when one of the committed changes was a notification.</summary>
    public void Committed(IReadOnlyList<IDomainChange> changes) => _committed.Committed(changes);

    public async Task<IReadOnlyList<FeedItem>> ReadAsync(long afterCursor, int take, CancellationToken cancellationToken)
    {
        await using var db = _database.CreateReadContext();
        var rows = await db.ChangeNotifications.Where(r => r.Cursor > afterCursor).OrderBy(r => r.Cursor).Take(take).ToListAsync(cancellationToken);
        return [.. rows.Select(r => new FeedItem(r.Cursor, new ChangeNotification(r.Kind, r.Subject, r.Text, r.At)))];
    }

    public async Task<long> GetLatestCursorAsync(CancellationToken cancellationToken)
    {
        await using var db = _database.CreateReadContext();
        return await db.ChangeNotifications.MaxAsync(r => (long?)r.Cursor, cancellationToken) ?? 0;
    }

    public Task WaitAsync(CancellationToken cancellationToken) => Volatile.Read(ref _next).Task.WaitAsync(cancellationToken);

    private void WakeWaiting() => Interlocked.Exchange(ref _next, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();
}
