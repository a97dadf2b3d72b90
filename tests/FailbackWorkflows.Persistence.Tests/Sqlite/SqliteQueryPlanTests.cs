using System.Data.Common;
using System.Diagnostics;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Persistence.Workflows;
using FailbackWorkflows.Testing.Persistence;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Persistence.Tests.Sqlite;

/// <summary>How the embedded database finds what a page shows: what it costs must not grow with the years.</summary>
public sealed class SqliteQueryPlanTests
{
    private const int Entries = 10_000;
    private const int Active = 60;
    private static readonly CancellationToken None = CancellationToken.None;
    private static readonly DateTimeOffset T0 = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    // Scenario 60.
    [Theory]
    [InlineData(FailoverLogView.Active)]
    [InlineData(FailoverLogView.Finalized)]
    [InlineData(FailoverLogView.All)]
    public async Task FailoverLog_WithTenThousandEntries_APageIsOneBoundedQueryThroughAnIndex(FailoverLogView view)
    {
        await using var database = await CreateAsync();
        var log = database.Get<IFailoverLog>();
        var deep = Id(view == FailoverLogView.Active ? Entries - Active + 5 : 40);

        var first = await ExplainAsync(database, () => log.ListAsync(new(view), None));
        var later = await ExplainAsync(database, () => log.ListAsync(new(view) { Before = deep }, None));

        first.Count.ShouldBe(1);
        later.Count.ShouldBe(2, "the mark, and the page behind it");
        foreach (var (text, plan) in first.Concat(later))
        {
            text.ShouldContain("LIMIT");
            plan.ShouldNotContain(p => p.Contains("TEMP B-TREE", StringComparison.Ordinal), text);
            plan.ShouldAllBe(p => p.Contains("USING INDEX", StringComparison.Ordinal), text);
        }

        // Without a beginning the index is walked from its newest end until the page is full; with one it is entered there.
        later.SelectMany(l => l.Plan).ShouldAllBe(p => p.StartsWith("SEARCH", StringComparison.Ordinal));
        if (view != FailoverLogView.All)
        {
            first.Single().Plan.ShouldAllBe(p => p.StartsWith("SEARCH", StringComparison.Ordinal));
        }
    }

    // Scenario 60.
    [Fact]
    public async Task FailoverLog_WithTenThousandEntries_NoneIsLost()
    {
        await using var database = await CreateAsync();
        var log = database.Get<IFailoverLog>();

        var finalized = new List<string>();
        while (await log.ListAsync(new(FailoverLogView.Finalized) { Before = finalized.LastOrDefault(), Take = 200 }, None) is { Count: > 0 } page)
        {
            finalized.AddRange(page.Select(e => e.Id));
        }

        finalized.ShouldBe(Enumerable.Range(0, Entries - Active).Reverse().Select(Id));
        (await log.ListAsync(new(FailoverLogView.Active) { Take = 200 }, None)).Count.ShouldBe(Active);
        (await log.FindAsync(Id(0), None)).ShouldNotBeNull().MaterialCopy.ShouldBe(MaterialCopyState.Copied);
    }

    /// <summary>What names the entries and the starters of a page of runs looks each of them up by its key.</summary>
    [Fact]
    public async Task NamesOfAPageOfRuns_AreOneStatementEach_ByKey()
    {
        await using var database = await CreateAsync();
        string[] ids = [.. Enumerable.Range(0, 50).Select(n => Id(n * 7))];
        (await database.Get<IFailoverLog>().ListFailedServersAsync([.. ids, "nobody"], None)).ShouldBe(ids.Select(id => KeyValuePair.Create(id, "vms-1")), ignoreOrder: true);

        var sent = (await ExplainAsync(database, () => database.Get<IFailoverLog>().ListFailedServersAsync(ids, None)))
            .Concat(await ExplainAsync(database, () => database.Get<IWorkflowInstances>().ListStartsAsync(ids, None))).ToList();

        sent.Count.ShouldBe(2);
        sent[0].Plan.ShouldContain(p => p.StartsWith("SEARCH", StringComparison.Ordinal) && p.Contains("(id=?)", StringComparison.Ordinal));
        sent[1].Plan.ShouldContain(p => p.StartsWith("SEARCH", StringComparison.Ordinal) && p.Contains("instance_id=? AND sequence=?", StringComparison.Ordinal));
    }

    private static string Id(int n) => $"entry-{n:D6}";

    /// <summary>Years of failovers, all but the newest done with.</summary>
    private static async Task<TestDatabase> CreateAsync()
    {
        var database = await TestDatabase.CreateSqliteAsync();
        var entry = new FailoverLogEntry
        {
            Id = Id(0), FailedServerId = "vms-1", FailoverServerId = "vms-2", Failover = FailoverState.Done, Failback = FailbackState.Done, MaterialCopy = MaterialCopyState.Copied, FailoverStartedAt = T0, StartedBy = "system",
        };
        await database.Get<IDomainWriter>().ApplyAsync([new SaveFailoverLogEntry(entry)], None);
        var columns = ((string)(await database.ScalarAsync("SELECT group_concat(name) FROM pragma_table_info('failover_log')"))!).Split(',');
        var values = columns.Select(c => c switch
        {
            "id" => "printf('entry-%06d', n)",
            "failover_started_at" => "failover_started_at + n * 36000000000",
            "is_active" => $"n >= {Entries - Active}",
            _ => c,
        });
        await database.ExecuteAsync(
            $"INSERT INTO failover_log ({string.Join(',', columns)}) WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {Entries - 1}) SELECT {string.Join(',', values)} FROM c, failover_log WHERE id = '{Id(0)}'");
        await database.ExecuteAsync("ANALYZE");
        (await database.CountAsync("failover_log")).ShouldBe(Entries);
        return database;
    }

    /// <summary>The statements that an action really sends, with the plan the database has for each.</summary>
    private static async Task<IReadOnlyList<(string Text, IReadOnlyList<string> Plan)>> ExplainAsync(TestDatabase database, Func<Task> action)
    {
        var sent = new List<(string Text, IReadOnlyList<(string Name, object? Value)> Parameters)>();
        using (CommandListener.Listen(command => sent.Add((command.CommandText, [.. command.Parameters.Cast<DbParameter>().Select(p => (p.ParameterName, p.Value))]))))
        {
            await action();
        }

        await using var db = database.Get<IDatabase>().CreateReadContext();
        await db.Database.OpenConnectionAsync();
        var plans = new List<(string, IReadOnlyList<string>)>();
        foreach (var (text, parameters) in sent)
        {
            await using var command = db.Database.GetDbConnection().CreateCommand();
            command.CommandText = $"EXPLAIN QUERY PLAN {text}";
            foreach (var (name, value) in parameters)
            {
                var parameter = command.CreateParameter();
                (parameter.ParameterName, parameter.Value) = (name, value ?? DBNull.Value);
                command.Parameters.Add(parameter);
            }

            await using var reader = await command.ExecuteReaderAsync();
            var plan = new List<string>();
            while (await reader.ReadAsync())
            {
                plan.Add(reader.GetString(3));
            }

            plans.Add((text, plan));
        }

        return plans;
    }

    /// <summary>Hears the commands that Entity Framework sends in this flow of control, and no other test's.</summary>
    private sealed class CommandListener : IObserver<DiagnosticListener>, IObserver<KeyValuePair<string, object?>>, IDisposable
    {
        private static readonly AsyncLocal<Action<DbCommand>?> Here = new();
        private readonly List<IDisposable> _subscriptions = [];

        public static CommandListener Listen(Action<DbCommand> hear)
        {
            Here.Value = hear;
            var listener = new CommandListener();
            listener._subscriptions.Add(DiagnosticListener.AllListeners.Subscribe(listener));
            return listener;
        }

        public void OnNext(DiagnosticListener value)
        {
            if (value.Name == DbLoggerCategory.Name)
            {
                _subscriptions.Add(value.Subscribe(this));
            }
        }

        public void OnNext(KeyValuePair<string, object?> value)
        {
            if (value.Key == RelationalEventId.CommandExecuting.Name && value.Value is CommandEventData data)
            {
                Here.Value?.Invoke(data.Command);
            }
        }

        public void OnCompleted()
        {
        }

        public void OnError(Exception error)
        {
        }

        public void Dispose()
        {
            Here.Value = null;
            _subscriptions.ForEach(s => s.Dispose());
        }
    }
}
