using System.Globalization;
using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using FailbackWorkflows.Failback.Changes;

namespace FailbackWorkflows.Server.Api.Changes;

/// <summary>
/// One client's view of the feed. Every client reads the durable feed at its own pace, so a slow one costs nobody else anything and
/// nothing is kept in memory for it; what those that are up to date read is read once (<see cref="SharedReads"/>).
/// </summary>
/// <param name="mayGoOn">Whether the client may still read; asked every <see cref="LookAgainAfter"/>.</param>
internal sealed class ChangeStream(IChangeFeed feed, SharedReads reads, TimeProvider time, TimeSpan heartbeat, Func<CancellationToken, Task<bool>> mayGoOn, CancellationToken stopping)
{
    /// <summary>How long a client whose key or role was revoked hears of changes at most.</summary>
    public static readonly TimeSpan LookAgainAfter = TimeSpan.FromSeconds(3);

    private const int AtOnce = 100;

    /// <summary>How long a browser waits before it connects again.</summary>
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(2);

    public static ChangeItem ToItem(FeedItem item) => new(item.Cursor, item.Change.Kind, item.Change.Subject, item.Change.Text, item.Change.At);

    /// <summary>Events after a cursor, or from now on; a <c>ready</c> event first, a <c>ping</c> when it is quiet. Ends when the server stops, and when the client may not read any more.</summary>
    public async IAsyncEnumerable<SseItem<ChangeItem>> ReadAsync(long? after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, stopping);
        var latest = await feed.GetLatestCursorAsync(cancellationToken);
        // A cursor from the future means that the database was set back; the client has to read everything again.
        var first = after > latest ? "reset" : "ready";
        var cursor = after > latest ? latest : after ?? latest;
        yield return Signal(first, cursor);

        var (lookAt, pingAt) = (time.GetUtcNow() + LookAgainAfter, time.GetUtcNow() + heartbeat);
        while (!ending.IsCancellationRequested)
        {
            if (time.GetUtcNow() >= lookAt)
            {
                if (!await mayGoOn(cancellationToken))
                {
                    yield break;
                }

                lookAt = time.GetUtcNow() + LookAgainAfter;
            }

            using var waiting = CancellationTokenSource.CreateLinkedTokenSource(ending.Token);
            // Asked before reading, so that a change in between is not slept through.
            var changed = feed.WaitAsync(waiting.Token);
            var next = lookAt < pingAt ? lookAt : pingAt;
            var quiet = Task.Delay(next > time.GetUtcNow() ? next - time.GetUtcNow() : TimeSpan.Zero, time, waiting.Token);
            var items = await reads.ReadAsync(cursor, AtOnce, cancellationToken);
            foreach (var item in items)
            {
                cursor = item.Cursor;
                yield return new SseItem<ChangeItem>(ToItem(item), "change") { EventId = Id(cursor) };
            }

            var ended = items.Count > 0 ? null : await Task.WhenAny(changed, quiet);
            await waiting.CancelAsync();
            if (items.Count > 0)
            {
                pingAt = time.GetUtcNow() + heartbeat;
            }
            else if (ended == quiet && time.GetUtcNow() >= pingAt && !ending.IsCancellationRequested)
            {
                pingAt = time.GetUtcNow() + heartbeat;
                yield return Signal("ping", cursor);
            }
            else if (ended is { IsFaulted: true })
            {
                // The feed itself is broken: the client hears it as a lost connection and comes back.
                await ended;
            }
        }
    }

    private static SseItem<ChangeItem> Signal(string kind, long cursor) =>
        new(new ChangeItem(cursor, kind, null, null, null), kind) { EventId = Id(cursor), ReconnectionInterval = Retry };

    private static string Id(long cursor) => cursor.ToString(CultureInfo.InvariantCulture);
}
