using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Changes;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Persistence.Tests.Workflows;
using FailbackWorkflows.Testing.Persistence;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Persistence.Tests.Failback;

/// <summary>The change feed: who was away reads on, who waits is woken.</summary>
public abstract partial class FailbackStoresCompliance
{
    /// <summary>Not a pause but the point at which missing evidence is called a failure.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private IChangeFeed Feed => Database.Get<IChangeFeed>();

    [Fact]
    public async Task Feed_Notifications_AreReadInOrderAfterACursor()
    {
        (await Feed.GetLatestCursorAsync(None)).ShouldBe(0);
        (await Feed.ReadAsync(0, 10, None)).ShouldBeEmpty();
        await ApplyAsync(new Notify(new("server", "vms-1", "Text „ä“", T0.AddTicks(1))), Changed("run-1"));
        await ApplyAsync(new Notify(new("systemChange", null, null, T0)));

        var all = await Feed.ReadAsync(0, 10, None);

        all.Select(i => i.Change).ShouldBe([new("server", "vms-1", "Text „ä“", T0.AddTicks(1)), Changed("run-1").Change, new("systemChange", null, null, T0)]);
        all.Select(i => i.Cursor).ShouldBe(all.Select(i => i.Cursor).Distinct().Order());
        (await Feed.ReadAsync(all[0].Cursor, 1, None)).ShouldHaveSingleItem().ShouldBe(all[1]);
        (await Feed.ReadAsync(all[2].Cursor, 10, None)).ShouldBeEmpty();
        (await Feed.GetLatestCursorAsync(None)).ShouldBe(all[2].Cursor);
    }

    [Fact]
    public async Task Feed_RowsDeleted_CursorIsNotUsedAgain()
    {
        await ApplyAsync(Changed("run-1"), Changed("run-2"));
        var latest = await Feed.GetLatestCursorAsync(None);

        await Database.ExecuteAsync("DELETE FROM change_notifications");
        await ApplyAsync(Changed("run-3"));
        (await Feed.ReadAsync(latest, 10, None)).ShouldHaveSingleItem().Change.Subject.ShouldBe("run-3");

        latest = await Feed.GetLatestCursorAsync(None);
        await Database.ExecuteAsync("DELETE FROM change_notifications");
        await Database.RestartAsync();
        await ApplyAsync(Changed("run-4"));
        (await Feed.ReadAsync(latest, 10, None)).ShouldHaveSingleItem().Change.Subject.ShouldBe("run-4");
    }

    [Fact]
    public async Task Feed_ChangeRefused_HasNoNotificationAndWakesNobody()
    {
        var waiting = Feed.WaitAsync(None);

        await Should.ThrowAsync<ConcurrentChangeException>(() => ApplyAsync(Changed("run-1"), new RaiseFence("nobody", 1)));

        (await Feed.ReadAsync(0, 10, None)).ShouldBeEmpty();
        waiting.IsCompleted.ShouldBeFalse();
    }

    [Fact]
    public async Task Feed_Waiting_IsWokenByAStepAndByAWriterOnceItIsCommitted()
    {
        var byWriter = Feed.WaitAsync(None);
        await ApplyAsync(Changed("run-1"));
        await byWriter.WaitAsync(Patience);
        (await Feed.ReadAsync(0, 10, None)).Count.ShouldBe(1);

        var byStep = Feed.WaitAsync(None);
        byStep.IsCompleted.ShouldBeFalse();
        await Database.Get<IWorkflowStore>().CommitAsync(Steps.Starting("run-2", changes: Changed("run-2")), None);
        await byStep.WaitAsync(Patience);
        (await Feed.ReadAsync(0, 10, None)).Count.ShouldBe(2);
    }

    [Fact]
    public async Task Feed_OtherChange_WakesNobody()
    {
        var waiting = Feed.WaitAsync(None);

        await ApplyAsync(new GrantEpoch("vms-1", "vms-1", 1, "seed"));

        waiting.IsCompleted.ShouldBeFalse();
    }

    [Fact]
    public async Task Feed_WaitCancelled_Ends()
    {
        using var stop = new CancellationTokenSource();
        var waiting = Feed.WaitAsync(stop.Token);

        await stop.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(() => waiting.WaitAsync(Patience));
    }

    /// <summary>A reader arms the wait, reads, and only then waits: what comes in between ends the wait at once.</summary>
    [Fact]
    public async Task Feed_ChangeBetweenReadAndWait_IsNotMissed()
    {
        var armed = Feed.WaitAsync(None);
        (await Feed.ReadAsync(0, 10, None)).ShouldBeEmpty();

        await ApplyAsync(Changed("run-1"));

        await armed.WaitAsync(Patience);
        (await Feed.ReadAsync(0, 10, None)).Count.ShouldBe(1);
    }

    [Fact]
    public async Task Feed_FourReadersBesideFourWriters_EveryReaderSeesEveryChangeOnceInOrder()
    {
        const int PerWriter = 25;
        using var patience = new CancellationTokenSource(Patience);
        var readers = Together.RunAsync(4, async _ =>
        {
            var seen = new List<FeedItem>();
            while (seen.Count < 4 * PerWriter)
            {
                var armed = Feed.WaitAsync(patience.Token);
                var items = await Feed.ReadAsync(seen.LastOrDefault()?.Cursor ?? 0, 10, None);
                seen.AddRange(items);
                if (items.Count == 0)
                {
                    await armed;
                }
            }

            return seen;
        });
        var writers = await Together.RunAsync(4, async writer =>
        {
            for (var i = 0; i < PerWriter; i++)
            {
                await ApplyAsync(Changed($"{writer}-{i}"));
            }
        });

        writers.ShouldAllBe(w => w.Succeeded);
        var expected = from writer in Enumerable.Range(0, 4) from i in Enumerable.Range(0, PerWriter) select $"{writer}-{i}";
        foreach (var reader in await readers)
        {
            reader.Exception.ShouldBeNull();
            reader.Result!.Select(i => i.Change.Subject).ShouldBe(expected, ignoreOrder: true);
            reader.Result!.Select(i => i.Cursor).ShouldBe(reader.Result!.Select(i => i.Cursor).Order());
        }
    }

    private static Notify Changed(string subject) => new(new("run", subject, null, T0));
}
