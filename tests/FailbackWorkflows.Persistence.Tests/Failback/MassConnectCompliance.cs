using System.Data.Common;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Changes;
using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.Policies;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Testing.Failback;
using FailbackWorkflows.Testing.Persistence;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Persistence.Tests.Failback;

/// <summary>Many who write at once share transactions, and none has to answer for another.</summary>
public abstract class MassConnectCompliance
{
    private static readonly DateTimeOffset T0 = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    private protected abstract Task<TestDatabase> BuildCleanDatabaseAsync();

    private protected abstract Task<FailbackWorld> BuildWorldAsync();

    [Fact]
    public async Task Writers_TenThousandAtOnce_ShareAFewCommits()
    {
        await using var database = await BuildCleanDatabaseAsync();
        var writer = database.Get<IDomainWriter>();
        var before = database.Get<IDatabase>().Commits;

        List<Task> all;
        await using (await OccupyAsync(database.Get<IDatabase>()))
        {
            all = [.. Enumerable.Range(0, 10_000).Select(n => writer.ApplyAsync([Connected($"rec-{n}"), Note($"{n}")], default))];
        }

        await Task.WhenAll(all).WaitAsync(Patience);

        var commits = database.Get<IDatabase>().Commits - before;
        commits.ShouldBe(1 + ((10_000 - 1 + DomainWriter.MostTogether - 1) / DomainWriter.MostTogether), "the first was alone when it came");
        (await database.Get<IChangeFeed>().ReadAsync(0, 20_000, default)).Select(i => i.Change.Text).ShouldBe(Enumerable.Range(0, 10_000).Select(n => $"{n}"), "in the order in which they came");
    }

    [Fact]
    public async Task Writer_ThatIsRefused_IsRefusedAlone()
    {
        await using var database = await BuildCleanDatabaseAsync();
        var writer = database.Get<IDomainWriter>();
        var server = new VmsServer { Id = "rec-1", Name = "Recorder 1", BaseUrl = new Uri("http://127.0.0.1:9/"), ProtectedCredential = "none", State = VmsServerState.Ok, CreatedAt = T0 };
        await writer.ApplyAsync([new SaveVmsServer(server)], default);
        using var givesUp = new CancellationTokenSource();

        Task first, stale, second, unknown, kindless, gone, third;
        await using (await OccupyAsync(database.Get<IDatabase>()))
        {
            first = writer.ApplyAsync([Note("first")], default);
            stale = writer.ApplyAsync([Note("stale"), new SaveVmsServer(server with { Revision = 7 })], default);
            second = writer.ApplyAsync([Note("second")], default);
            unknown = writer.ApplyAsync([Note("unknown"), new NobodyKnowsThis()], default);
            kindless = writer.ApplyAsync([Note("before what has no kind"), new Notify(new ChangeNotification(null!, null, "no kind", T0))], default);
            gone = writer.ApplyAsync([Note("gone")], givesUp.Token);
            third = writer.ApplyAsync([Note("third")], default);
            await givesUp.CancelAsync();
        }

        await Task.WhenAll(first, second, third).WaitAsync(Patience);

        await Should.ThrowAsync<ConcurrentChangeException>(() => stale);
        await Should.ThrowAsync<InvalidOperationException>(() => unknown);
        await Should.ThrowAsync<DbException>(() => kindless);
        await Should.ThrowAsync<OperationCanceledException>(() => gone);
        (await database.Get<IChangeFeed>().ReadAsync(0, 100, default)).Select(i => i.Change.Text).ShouldBe(["first", "second", "third"]);
        await writer.ApplyAsync([Note("later")], default).WaitAsync(Patience);
    }

    /// <summary>Through the poll itself: all are found connected while the database is busy, as it is on a disk that is slow.</summary>
    [Fact]
    public async Task Recorders_AllConnectedAtOnce_AreWrittenTogether()
    {
        const int More = 200;
        await using var world = await BuildWorldAsync();
        await world.ApplyAsync([.. Enumerable.Range(0, More).Select(n => new SaveVmsServer(Lost($"more-{n}")))]);
        for (var n = 0; n < More; n++)
        {
            world.Recorders.Add($"more-{n}").Duty($"more-{n}").Become(DutyRole.Recorder, 1, "seed", isRecording: true);
        }

        var writer = (DomainWriter)world.Get<IDomainWriter>();
        var before = world.Get<IDatabase>().Commits;
        Task poll;
        await using (await OccupyAsync(world.Get<IDatabase>()))
        {
            poll = Task.Run(() => world.Node.Get<PollRecorders>().ExecuteAsync(default));
            while (writer.WaitingCount < More - 1 && !poll.IsCompleted)
            {
                await Task.Yield();
            }
        }

        await poll.WaitAsync(Patience);

        (await world.Get<IVmsServers>().ListAsync(default)).Count(s => s.Connection == ConnectionState.Connected && s.Id.StartsWith("more-", StringComparison.Ordinal)).ShouldBe(More);
        (world.Get<IDatabase>().Commits - before).ShouldBeLessThanOrEqualTo(10, "two hundred connections, and what they are told to workflows");
    }

    [Fact]
    public async Task History_ThatIsTooOld_GoesInBatches_ButForEachServersNewestAndWhatWasNotPublished()
    {
        await using var world = await BuildWorldAsync();
        var now = world.Time.GetUtcNow();
        await world.ApplyAsync(
        [
            .. Enumerable.Range(0, (2 * PruneConnectivity.BatchSize) + 7).Select(n => At("rec-1", now.AddDays(-500).AddMinutes(n))),
            At("rec-2", now.AddDays(-450)),
            At("rec-1", now.AddDays(-399)),
            At("rec-1", now.AddDays(-1)),
        ]);
        var history = world.Get<IConnectivityHistory>();
        var all = await AllAsync(history);
        var prune = world.Node.Get<PruneConnectivity>();

        (await prune.ExecuteAsync(default)).ShouldBe(0, "nobody has been told of anything");
        await world.ApplyAsync(new SaveSystemSetting(PublishTransitions.Key, $"{all[9].Sequence}"));
        (await prune.ExecuteAsync(default)).ShouldBe(10, "only what was told of");
        await world.ApplyAsync(new SaveSystemSetting(PublishTransitions.Key, $"{all[^1].Sequence}"));
        var commits = world.Get<IDatabase>().Commits;
        (await prune.ExecuteAsync(default)).ShouldBe((2 * PruneConnectivity.BatchSize) - 3);
        (world.Get<IDatabase>().Commits - commits).ShouldBe(2);

        (await AllAsync(history)).ShouldBe(all.TakeLast(3));
        (await prune.ExecuteAsync(default)).ShouldBe(0);
        world.Time.Advance(TimeSpan.FromDays(10_000));
        (await prune.ExecuteAsync(default)).ShouldBe(1);
        (await AllAsync(history)).Select(t => (t.ServerId, t.At)).ShouldBe([("rec-2", now.AddDays(-450)), ("rec-1", now.AddDays(-1))], "how each stands is never forgotten");
    }

    /// <summary>Keeps everybody waiting who has something for a feed, as a commit on a slow disk does.</summary>
    private static async Task<WriteSession> OccupyAsync(IDatabase database)
    {
        var session = await database.BeginWriteAsync(default);
        await session.LockAsync(DatabaseLock.Feed, default);
        return session;
    }

    private static async Task<IReadOnlyList<ConnectivityTransition>> AllAsync(IConnectivityHistory history) => await history.ReadAfterAsync(0, 100_000, default);

    private static Notify Note(string text) => new(new ChangeNotification("test", null, text, T0));

    private static AddTransition Connected(string serverId) => At(serverId, T0);

    private static AddTransition At(string serverId, DateTimeOffset at) =>
        new(new(0, serverId, at, TransitionKind.Connected, ConnectionState.Disconnected, ConnectionState.Connected, "It answers.", "poll", "boot-1", 1));

    private static VmsServer Lost(string id) => new()
    {
        Id = id,
        Name = id,
        BaseUrl = new Uri("http://127.0.0.1:9/"),
        ProtectedCredential = $"protected:token-of-{id}",
        MachineId = $"machine-of-{id}",
        SoftwareVersion = "1.4.0",
        State = VmsServerState.Ok,
        Connection = ConnectionState.Disconnected,
        BootId = $"boot-1-of-{id}",
        CreatedAt = T0.AddDays(-1),
    };

    private sealed record NobodyKnowsThis : IDomainChange;
}
