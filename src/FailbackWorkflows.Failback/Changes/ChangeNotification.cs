using FailbackWorkflows.Engine.Storage;

namespace FailbackWorkflows.Failback.Changes;

/// <summary>
/// Something clients want to hear of. Written in the transaction of the change itself and kept with a growing cursor, so a client that
/// was away reads on from where it was. Says what changed, never the new content: clients read that with their own rights.
/// </summary>
/// <param name="Kind">E.g. <c>failoverLog</c>, <c>server</c>, <c>run</c>, <c>systemChange</c>.</param>
/// <param name="Subject">Id of what changed; null for the system as a whole.</param>
/// <param name="Text">A sentence a client may show.</param>
public sealed record ChangeNotification(string Kind, string? Subject, string? Text, DateTimeOffset At);

/// <summary>A notification with its place in the feed.</summary>
public sealed record FeedItem(long Cursor, ChangeNotification Change);

/// <summary>Reads the feed.</summary>
public interface IChangeFeed
{
    /// <summary>Items after a cursor, oldest first, at most <paramref name="take"/>.</summary>
    Task<IReadOnlyList<FeedItem>> ReadAsync(long afterCursor, int take, CancellationToken cancellationToken);

    /// <summary>Cursor of the newest item, 0 when there is none.</summary>
    Task<long> GetLatestCursorAsync(CancellationToken cancellationToken);

    /// <summary>Completes at the latest when something was added after this call; may complete early. Only a hint: a reader calls it first, then reads, then awaits it, and so misses nothing.</summary>
    Task WaitAsync(CancellationToken cancellationToken);
}

/// <summary>Adds a notification to the feed.</summary>
public sealed record Notify(ChangeNotification Change) : IDomainChange;
