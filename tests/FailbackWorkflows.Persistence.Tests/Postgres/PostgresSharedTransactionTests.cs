using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Persistence.Postgres;
using FailbackWorkflows.Persistence.Tests.Workflows;
using FailbackWorkflows.Testing.Persistence;
using FailbackWorkflows.Testing.Processes;
using Npgsql;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Persistence.Tests.Postgres;

/// <summary>
/// Steps of several instances in one transaction. All transactions that may be on their way at once are kept waiting for rows that the test holds;
/// what comes meanwhile goes out together.
/// </summary>
public sealed class PostgresSharedTransactionTests : IAsyncLifetime
{
    /// <summary>Not a pause but the point at which missing evidence is called a failure.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private static readonly CancellationToken None = CancellationToken.None;
    private static readonly string[] Together = ["a", "b", "c"];

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("failback-test-");
    private readonly Dictionary<string, Lease> _leases = [];
    private string _connectionString = "";
    private TestDatabase _database = null!;
    private NpgsqlConnection _other = null!;

    private IWorkflowStore Store => _database.Get<IWorkflowStore>();

    public async Task InitializeAsync()
    {
        var taken = await PostgresDatabases.TakeAsync();
        _database = await TestDatabase.CreateAsync(services => services.AddPostgresPersistence(taken, _folder.FullName), () => new(PostgresDatabases.DropAsync(taken)));
        _connectionString = new NpgsqlConnectionStringBuilder(taken) { Pooling = false, ApplicationName = "other" }.ToString();
        _other = new(_connectionString);
        await _other.OpenAsync();
        foreach (var id in Together.Concat(Blockers))
        {
            var start = Steps.Starting(id);
            await Store.CommitAsync(start, None);
            _leases[id] = start.Lease;
        }
    }

    public async Task DisposeAsync()
    {
        await _other.DisposeAsync();
        await _database.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public async Task Steps_ThatComeAtTheSameMoment_AreOneTransaction()
    {
        var before = _database.Get<IDatabase>().Commits;

        var steps = await StepTogetherAsync();

        await Task.WhenAll(steps.Values).WaitAsync(Patience);
        (_database.Get<IDatabase>().Commits - before).ShouldBe(Blockers.Count + 1);
        await AllWrittenAsync(Together);
        (await TransactionsOfAsync(Together)).ShouldBe(1);
    }

    [Fact]
    public async Task Steps_OneHasLostItsLease_TheOthersAreWritten()
    {
        await LoseLeaseAsync("b");

        var steps = await StepTogetherAsync();

        await Should.ThrowAsync<LeaseLostException>(() => steps["b"].WaitAsync(Patience));
        await Task.WhenAll(steps["a"], steps["c"]).WaitAsync(Patience);
        await AllWrittenAsync(["a", "c"]);
        (await TransactionsOfAsync(["a", "c"])).ShouldBe(1);
        await NothingWrittenAsync(["b"]);
    }

    [Fact]
    public async Task Steps_AllHaveLostTheirLease_EachIsRefused()
    {
        foreach (var id in Together)
        {
            await LoseLeaseAsync(id);
        }

        var steps = await StepTogetherAsync();

        foreach (var step in steps.Values)
        {
            await Should.ThrowAsync<LeaseLostException>(() => step.WaitAsync(Patience));
        }

        await NothingWrittenAsync(Together);
    }

    [Fact]
    public async Task Steps_OneWasGivenUpWhileItWaited_TheOthersAreWritten()
    {
        using var givenUp = new CancellationTokenSource();

        var steps = await StepTogetherAsync(id => id == "b" ? givenUp.Token : None, givenUp.CancelAsync);

        await Should.ThrowAsync<OperationCanceledException>(() => steps["b"].WaitAsync(Patience));
        await Task.WhenAll(steps["a"], steps["c"]).WaitAsync(Patience);
        await AllWrittenAsync(["a", "c"]);
        await NothingWrittenAsync(["b"]);
    }

    [Fact]
    public async Task Steps_OneWantsAStartKeyOfAnother_TheOthersAreWritten()
    {
        var starts = await HeldUpAsync(() => new Dictionary<string, Task>
        {
            ["first"] = Store.CommitAsync(Steps.Starting("first", startKey: "key"), None),
            ["second"] = Store.CommitAsync(Steps.Starting("second", startKey: "key"), None),
            ["third"] = Store.CommitAsync(Steps.Starting("third", startKey: "another"), None),
        });

        await starts["third"].WaitAsync(Patience);
        var taken = await Task.WhenAll(new[] { "first", "second" }.Select(async id =>
        {
            try
            {
                await starts[id].WaitAsync(Patience);
                return null;
            }
            catch (StartKeyTakenException exception)
            {
                return exception.InstanceId;
            }
        }));
        var winner = taken.Single(t => t is not null).ShouldNotBeNull();
        (await Store.FindInstanceByStartKeyAsync("key", None)).ShouldBe(winner);
        (await _database.CountAsync("workflow_instances WHERE id IN ('first', 'second', 'third')")).ShouldBe(2);
        (await _database.CountAsync("wake_ups WHERE instance_id IN ('first', 'second', 'third')")).ShouldBe(2);
    }

    /// <summary>The session goes in the middle of the transaction: nobody is told that his step is written, and none is.</summary>
    [Fact]
    public async Task Steps_ServerEndsTheirSession_NoneIsWrittenAndEachCanBeRepeated()
    {
        var steps = await StepTogetherAsync(also: () => HoldAsync("b"), released: async () =>
        {
            await WaitingForALockAsync(1);
            (await ScalarAsync("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")).ShouldBe(1L);
        });

        foreach (var step in steps.Values)
        {
            (await Should.ThrowAsync<Exception>(() => step.WaitAsync(Patience))).ShouldBeAssignableTo<NpgsqlException>();
        }

        await LetGoAsync();
        await NothingWrittenAsync(Together);
        await Task.WhenAll((await NextAsync(Together)).Select(step => Store.CommitAsync(step, None))).WaitAsync(Patience);
        await AllWrittenAsync(Together);
    }

    /// <summary>The transaction has the row of the first and waits for that of the second, while somebody else has the second and waits for the first.</summary>
    [Fact]
    public async Task Steps_TransactionChosenToGiveWay_AllAreWrittenOnce()
    {
        var isOtherChosen = false;
        var steps = await StepTogetherAsync(also: () => HoldAsync("b"), released: async () =>
        {
            await WaitingForALockAsync(1);
            try
            {
                await HoldAsync("a");
            }
            catch (PostgresException exception) when (exception.SqlState == PostgresErrorCodes.DeadlockDetected)
            {
                // It came to wait more than a second after the transaction did.
                isOtherChosen = true;
            }

            await LetGoAsync();
        });

        await Task.WhenAll(steps.Values).WaitAsync(Patience);
        await AllWrittenAsync(Together);
        (await TransactionsOfAsync(Together)).ShouldBe(isOtherChosen ? 1 : 2, "the one that was in the way went on its own");
        (await TransactionsOfAsync(["a", "c"])).ShouldBe(1);
    }

    /// <summary>As many as there are transactions on their way at once.</summary>
    private static IReadOnlyList<string> Blockers { get; } = [.. Enumerable.Range(1, SharedTransactions.MostAtOnce).Select(i => $"blocker-{i}")];

    /// <summary>Steps of a, b and c that go out together.</summary>
    /// <param name="also">Done while they wait to go out.</param>
    /// <param name="released">Done when they are on their way.</param>
    private async Task<Dictionary<string, Task>> StepTogetherAsync(Func<string, CancellationToken>? cancellation = null, Func<Task>? also = null, Func<Task>? released = null)
    {
        var steps = await NextAsync(Together);
        return await HeldUpAsync(() => steps.ToDictionary(s => s.Instance.Id, s => Store.CommitAsync(s, cancellation?.Invoke(s.Instance.Id) ?? None)), also, released);
    }

    private async Task<Dictionary<string, Task>> HeldUpAsync(Func<Dictionary<string, Task>> begin, Func<Task>? also = null, Func<Task>? released = null)
    {
        await using var holding = new NpgsqlConnection(_connectionString);
        await holding.OpenAsync();
        await using var transaction = await holding.BeginTransactionAsync();
        await using (var hold = new NpgsqlCommand("SELECT 1 FROM wake_ups WHERE instance_id LIKE 'blocker-%' FOR UPDATE", holding, transaction))
        {
            await hold.ExecuteNonQueryAsync();
        }

        var blocked = (await NextAsync(Blockers)).ConvertAll(step => Store.CommitAsync(step, None));
        await WaitingForALockAsync(Blockers.Count);
        var begun = begin();
        if (also is not null)
        {
            await also();
        }

        begun.Values.ShouldAllBe(t => !t.IsCompleted);
        await transaction.RollbackAsync();
        await Task.WhenAll(blocked).WaitAsync(Patience);
        if (released is not null)
        {
            await released();
        }

        return begun;
    }

    private async Task<List<StepCommit>> NextAsync(IEnumerable<string> ids)
    {
        var steps = new List<StepCommit>();
        foreach (var id in ids)
        {
            steps.Add(Steps.Next(_leases[id], (await Store.FindInstanceAsync(id, None)).ShouldNotBeNull()));
        }

        return steps;
    }

    private async Task LoseLeaseAsync(string id)
    {
        await Store.ReleaseLeaseAsync(_leases[id], None);
        (await Store.ClaimRunnableAsync("node-2", Steps.Start, Steps.LeaseTime, 1, None)).ShouldHaveSingleItem().InstanceId.ShouldBe(id);
    }

    private Task HoldAsync(string id) => ExecuteAsync($"BEGIN; SELECT 1 FROM wake_ups WHERE instance_id = '{id}' FOR UPDATE");

    private Task LetGoAsync() => ExecuteAsync("ROLLBACK");

    private async Task ExecuteAsync(string sql)
    {
        await using var command = new NpgsqlCommand(sql, _other);
        await command.ExecuteNonQueryAsync();
    }

    private async Task WaitingForALockAsync(int sessions) => await Eventually.HoldsAsync(
        "they wait for a lock",
        async () => (long)(await ScalarAsync("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name <> 'other' AND wait_event_type = 'Lock'"))! == sessions,
        Patience);

    private async Task AllWrittenAsync(IEnumerable<string> ids)
    {
        foreach (var id in ids)
        {
            (await Store.FindInstanceAsync(id, None)).ShouldNotBeNull().LastSequence.ShouldBe(2, id);
            (await Store.ReadJournalAsync(id, 0, 10, None)).Select(e => e.Sequence).ShouldBe([1, 2], id);
        }
    }

    private async Task NothingWrittenAsync(IEnumerable<string> ids)
    {
        foreach (var id in ids)
        {
            (await Store.FindInstanceAsync(id, None)).ShouldNotBeNull().LastSequence.ShouldBe(1, id);
            (await Store.ReadJournalAsync(id, 0, 10, None)).Count.ShouldBe(1, id);
        }
    }

    /// <summary>How many transactions have written the last events of the instances.</summary>
    private async Task<long> TransactionsOfAsync(IEnumerable<string> ids) =>
        (long)(await ScalarAsync($"SELECT count(DISTINCT xmin::text) FROM journal WHERE sequence = 2 AND instance_id IN ({string.Join(", ", ids.Select(id => $"'{id}'"))})"))!;

    private async Task<object?> ScalarAsync(string sql)
    {
        await using var connection = new NpgsqlConnection(_connectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteScalarAsync();
    }
}
