using System.Collections.Concurrent;
using System.Globalization;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Changes;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Testing.Persistence;
using FailbackWorkflows.Testing.Processes;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Shouldly;
using Xunit;
using Xunit.Abstractions;

namespace FailbackWorkflows.Persistence.Tests.Postgres;

/// <summary>The server is killed under those who read and write, again and again: whatever becomes of one of them is either its answer or "it is away".</summary>
public sealed class PostgresAwayTests(ITestOutputHelper output)
{
    private static readonly int Kills = int.Parse(Environment.GetEnvironmentVariable("FAILBACK_POSTGRES_KILLS") ?? "3", CultureInfo.InvariantCulture);

    /// <summary>Rows of an answer that does not come at once, so that it can break off in its middle.</summary>
    private const int LongRead = 2000;

    private const int WorkersOfAKind = 3;

    /// <summary>Of every kind between two kills.</summary>
    private const int LeastDone = 10;

    private static readonly CancellationToken None = CancellationToken.None;

    [Fact]
    public async Task ReadsAndWrites_WhileTheServerDiesAndComesBack_AreDoneOrKnownAsAway()
    {
        var folder = Directory.CreateTempSubdirectory("failback-test-");
        await using var server = await PostgresServer.StartAsync();
        await using var services = new ServiceCollection().AddPostgresPersistence(
            new NpgsqlConnectionStringBuilder(server.ConnectionString) { Database = "postgres" }.ToString(), folder.FullName).BuildServiceProvider();
        var database = services.GetRequiredService<IDatabase>();
        await database.MigrateAsync(None);
        await services.GetRequiredService<IDomainWriter>().ApplyAsync([new GrantEpoch("vms-1", "vms-1", 1, "seed")], None);
        var text = new string('x', 1000);
        await services.GetRequiredService<IDomainWriter>().ApplyAsync([.. Enumerable.Range(0, LongRead).Select(_ => new Notify(new("test", null, text, DateTimeOffset.UnixEpoch)))], None);

        using var ending = new CancellationTokenSource();
        var others = new ConcurrentBag<Exception>();
        var work = new Func<Task>[]
        {
            () => services.GetRequiredService<IDuties>().ListAsync(None),
            () => services.GetRequiredService<IChangeFeed>().ReadAsync(0, LongRead, None),
            () => services.GetRequiredService<IChangeFeed>().ReadAsync(0, 10, None),
            () => services.GetRequiredService<IDomainWriter>().ApplyAsync([new Notify(new("test", null, "a change", DateTimeOffset.UnixEpoch))], None),
            () => database.WriteAsync(session => session.ExecuteAsync("UPDATE duties SET fence = fence + 1", None), None),
            () => database.WriteUrgentlyAsync(session => session.ExecuteAsync("UPDATE duties SET fence = fence + 1", None), None),
            () => database.CheckAsync(None),
        };
        var done = new long[work.Length];
        var away = 0L;
        var workers = Enumerable.Range(0, work.Length * WorkersOfAKind).Select(n => Task.Run(() => WorkAsync(work[n % work.Length], () => Interlocked.Increment(ref done[n % done.Length]))))
            .Concat(Enumerable.Range(0, WorkersOfAKind).Select(_ => Task.Run(() => WorkAsync(GiveUpAsync, () => { })))).ToArray();
        try
        {
            for (var kill = 0; kill < Kills; kill++)
            {
                await AllGoOnAsync();
                await server.KillAsync();
                var before = Interlocked.Read(ref away);
                await Eventually.HoldsAsync("somebody finds it away", () => Task.FromResult(Interlocked.Read(ref away) > before));
                await server.RestartAsync();
            }

            await AllGoOnAsync();
        }
        finally
        {
            await ending.CancelAsync();
            await Task.WhenAll(workers);
        }

        output.WriteLine($"{Kills} kills: {string.Join(", ", done)} done, {away} away");
        others.Select(o => o.ToString()).GroupBy(o => o).Select(g => $"{g.Count()} times {g.Key}").ShouldBeEmpty();
        folder.Delete(recursive: true);

        async Task WorkAsync(Func<Task> once, Action count)
        {
            while (!ending.IsCancellationRequested)
            {
                try
                {
                    await once();
                    count();
                }
                catch (Exception exception)
                {
                    Interlocked.Increment(ref away);
                    if (!database.IsAway(exception))
                    {
                        others.Add(exception);
                    }

                    await Task.Yield();
                }
            }
        }

        // Somebody who does not wait for his answer must not take that of the next one away.
        async Task GiveUpAsync()
        {
            using var impatience = new CancellationTokenSource(Random.Shared.Next(1, 4));
            try
            {
                await services.GetRequiredService<IDuties>().ListAsync(impatience.Token);
            }
            catch (OperationCanceledException) when (impatience.IsCancellationRequested)
            {
            }
        }

        async Task AllGoOnAsync()
        {
            var before = done.ToArray();
            await Eventually.HoldsAsync("whatever is read and written is done again", () => Task.FromResult(done.Zip(before).All(d => d.First >= d.Second + LeastDone)));
        }
    }
}
