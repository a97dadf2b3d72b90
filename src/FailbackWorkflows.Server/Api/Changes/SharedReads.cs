using System.Collections.Concurrent;
using FailbackWorkflows.Failback.Changes;

namespace FailbackWorkflows.Server.Api.Changes;

/// <summary>
/// What hundreds of clients that have come equally far want to read at the same moment is read once. The feed only grows, so what followed a cursor
/// once follows it always; that nothing follows it is never kept. Each client still has a place of its own, and whoever lags behind costs the others nothing.
/// </summary>
internal sealed class SharedReads(IChangeFeed feed)
{
    private const int MostKept = 64;
    private readonly ConcurrentDictionary<long, TaskCompletionSource<IReadOnlyList<FeedItem>>> reads = [];

    /// <summary>As <see cref="IChangeFeed.ReadAsync"/>; <paramref name="take"/> must always be the same.</summary>
    public async Task<IReadOnlyList<FeedItem>> ReadAsync(long after, int take, CancellationToken cancellationToken)
    {
        var mine = new TaskCompletionSource<IReadOnlyList<FeedItem>>(TaskCreationOptions.RunContinuationsAsynchronously);
        var shared = reads.GetOrAdd(after, mine);
        if (shared == mine)
        {
            return await ReadForAllAsync(mine, after, take);
        }

        // A read that found nothing may have begun before whatever woke this client; then it looks for itself.
        return await shared.Task.WaitAsync(cancellationToken) is { Count: > 0 } items ? items : await feed.ReadAsync(after, take, cancellationToken);
    }

    /// <summary>Goes on although the one client that began it has gone: others may wait for it.</summary>
    private async Task<IReadOnlyList<FeedItem>> ReadForAllAsync(TaskCompletionSource<IReadOnlyList<FeedItem>> mine, long after, int take)
    {
        IReadOnlyList<FeedItem> items = [];
        try
        {
            items = await feed.ReadAsync(after, take, CancellationToken.None);
            return items;
        }
        finally
        {
            // Those who wait take an empty answer for a reason to read themselves, and hear of a broken database by that.
            if (items.Count == 0)
            {
                reads.TryRemove(new(after, mine));
            }

            mine.SetResult(items);
            Forget(after);
        }
    }

    private void Forget(long after)
    {
        if (reads.Count > MostKept)
        {
            foreach (var old in reads.Keys.Where(key => key < after))
            {
                reads.TryRemove(old, out _);
            }
        }
    }
}
