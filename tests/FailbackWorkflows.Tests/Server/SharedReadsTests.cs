using FailbackWorkflows.Failback.Changes;
using FailbackWorkflows.Server.Api.Changes;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Server;

/// <summary>Many clients of the feed, one read; and never an answer that is older than the question.</summary>
public sealed class SharedReadsTests
{
    [Fact]
    public async Task ManyAtTheSamePlace_ReadOnce_AndWhoeverComesLaterReadsNothing()
    {
        var feed = new Feed { Items = [Item(1), Item(2)] };
        var reads = new SharedReads(feed);
        feed.Hold();

        var all = Enumerable.Range(0, 500).Select(_ => reads.ReadAsync(0, 100, default)).ToList();
        feed.LetGo();

        (await Task.WhenAll(all)).ShouldAllBe(items => items.Count == 2);
        (await reads.ReadAsync(0, 100, default)).Count.ShouldBe(2);
        feed.Reads.ShouldBe(1);
    }

    [Fact]
    public async Task Nothing_IsNeverKept_NorTakenFromAReadThatBeganEarlier()
    {
        var feed = new Feed();
        var reads = new SharedReads(feed);
        feed.Hold();
        var early = reads.ReadAsync(0, 100, default);

        // It has looked already and found nothing; then something is added, which wakes another client.
        feed.Items = [Item(1)];
        var late = reads.ReadAsync(0, 100, default);
        feed.LetGo();

        (await early).ShouldBeEmpty();
        (await late).Count.ShouldBe(1);
        (await reads.ReadAsync(0, 100, default)).Count.ShouldBe(1);
        (await reads.ReadAsync(1, 100, default)).ShouldBeEmpty();
        feed.Items = [Item(1), Item(2)];
        (await reads.ReadAsync(1, 100, default)).Count.ShouldBe(1);
    }

    [Fact]
    public async Task BrokenDatabase_IsHeardByEverybody_AndForgottenWhenItIsBack()
    {
        var feed = new Feed { Fault = new InvalidOperationException("away") };
        var reads = new SharedReads(feed);
        feed.Hold();
        var all = Enumerable.Range(0, 5).Select(_ => reads.ReadAsync(0, 100, default)).ToList();
        feed.LetGo();

        foreach (var one in all)
        {
            await Should.ThrowAsync<InvalidOperationException>(() => one);
        }

        (feed.Fault, feed.Items) = (null, [Item(1)]);
        (await reads.ReadAsync(0, 100, default)).Count.ShouldBe(1);
    }

    private static FeedItem Item(long cursor) => new(cursor, new ChangeNotification("server", "vms-1", "changed", DateTimeOffset.UnixEpoch));

    private sealed class Feed : IChangeFeed
    {
        private TaskCompletionSource held = Completed();
        private int reads;

        public IReadOnlyList<FeedItem> Items { get; set; } = [];

        public Exception? Fault { get; set; }

        public int Reads => reads;

        /// <summary>Reads look at once, and answer when they are let go.</summary>
        public void Hold() => held = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void LetGo() => held.SetResult();

        public async Task<IReadOnlyList<FeedItem>> ReadAsync(long afterCursor, int take, CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref reads);
            var (seen, fault) = (Items.Where(item => item.Cursor > afterCursor).Take(take).ToList(), Fault);
            await held.Task.WaitAsync(cancellationToken);
            return fault is null ? seen : throw fault;
        }

        public Task<long> GetLatestCursorAsync(CancellationToken cancellationToken) => Task.FromResult(Items.Count == 0 ? 0 : Items[^1].Cursor);

        public Task WaitAsync(CancellationToken cancellationToken) => Task.Delay(Timeout.Infinite, cancellationToken);

        private static TaskCompletionSource Completed()
        {
            var source = new TaskCompletionSource();
            source.SetResult();
            return source;
        }
    }
}
