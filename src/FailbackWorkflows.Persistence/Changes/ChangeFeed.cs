using System.Collections.Concurrent;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback.Changes;
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

internal sealed class NotifyHandler(IDatabase database) : DomainChangeHandler<Notify>
{
    protected override Task ApplyAsync(WriteSession session, Notify change, CancellationToken cancellationToken) => session.ExecuteAsync(
        "INSERT INTO change_notifications (kind, subject, text, at) VALUES (@kind, @subject, @text, @at)",
        cancellationToken,
        ("kind", change.Change.Kind),
        ("subject", change.Change.Subject),
        ("text", change.Change.Text),
        ("at", database.ToParameter(change.Change.At)));
}

/// <summary>Counts what this process has committed, by kind of change. A hint for whoever keeps rows in memory; the truth is the database.</summary>
internal sealed class CommittedChanges
{
    private readonly ConcurrentDictionary<Type, long> _counts = new();

    public void Committed(IReadOnlyList<IDomainChange> changes)
    {
        foreach (var change in changes)
        {
            _counts.AddOrUpdate(change.GetType(), 1, static (_, count) => count + 1);
        }
    }

    public long CountOf<TChange>()
        where TChange : IDomainChange => _counts.GetValueOrDefault(typeof(TChange));
}

internal sealed class ChangeFeed(IDatabase database, CommittedChanges committed) : IChangeFeed
{
    private TaskCompletionSource _next = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Wakes the waiting when one of the committed changes was a notification.</summary>
    public void Committed(IReadOnlyList<IDomainChange> changes)
    {
        committed.Committed(changes);
        if (changes.Any(c => c is Notify))
        {
            Interlocked.Exchange(ref _next, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();
        }
    }

    public async Task<IReadOnlyList<FeedItem>> ReadAsync(long afterCursor, int take, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        var rows = await db.ChangeNotifications.Where(r => r.Cursor > afterCursor).OrderBy(r => r.Cursor).Take(take).ToListAsync(cancellationToken);
        return [.. rows.Select(r => new FeedItem(r.Cursor, new ChangeNotification(r.Kind, r.Subject, r.Text, r.At)))];
    }

    public async Task<long> GetLatestCursorAsync(CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        return await db.ChangeNotifications.MaxAsync(r => (long?)r.Cursor, cancellationToken) ?? 0;
    }

    public Task WaitAsync(CancellationToken cancellationToken) => Volatile.Read(ref _next).Task.WaitAsync(cancellationToken);
}
