using Microsoft.Data.Sqlite;

namespace FailbackWorkflows.Scenarios;

/// <summary>
/// Stops the management server in the middle of one commit: a trigger in its own database makes the write of a chosen journal event take
/// for ever (or a while). A kill then meets the server exactly between two steps: the one before is committed, the effects of the one
/// behind are done and not written down. Nothing in the product knows of it.
/// </summary>
internal sealed class CommitStop(string dataFolder)
{
    /// <summary>Rounds of a counting loop that no test outlives.</summary>
    public const long ForEver = 1_000_000_000_000;

    /// <summary>Rounds that take some seconds.</summary>
    public const long AWhile = 30_000_000;

    private readonly string _connection = new SqliteConnectionStringBuilder
    {
        DataSource = Path.Combine(dataFolder, "failback.db"),
        Mode = SqliteOpenMode.ReadWrite,
        Pooling = false,
        DefaultTimeout = 30,
    }.ToString();

    /// <summary>The commit that says a given activity begins gets stuck, i.e. the commit of the step before it.</summary>
    public void WhenStarts(string activityType, long rounds = ForEver) =>
        Install($"NEW.kind = 'activityStarted' AND instr(NEW.payload, '\"activityType\":\"{activityType}\"') > 0", rounds);

    /// <summary>The last commit of any run gets stuck.</summary>
    public void WhenFinishes(long rounds = ForEver) => Install("NEW.kind = 'instanceFinished'", rounds);

    /// <summary>The commit that writes such an event gets stuck.</summary>
    /// <param name="condition">About the row <c>NEW</c> of the journal.</param>
    public void When(string condition) => Install(condition, ForEver);

    /// <summary>A number that other commits have made durable; the one that is stuck does not hold readers up.</summary>
    public int Count(string sql)
    {
        using var connection = new SqliteConnection(_connection);
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        return (int)(long)command.ExecuteScalar()!;
    }

    public void Remove() => Execute("DROP TRIGGER IF EXISTS test_stop; DROP VIEW IF EXISTS test_rounds;");

    private void Install(string condition, long rounds) => Execute(
        $"""
        DROP TRIGGER IF EXISTS test_stop;
        DROP VIEW IF EXISTS test_rounds;
        CREATE VIEW test_rounds AS
            WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < {rounds}) SELECT count(*) AS rounds FROM n;
        CREATE TRIGGER test_stop BEFORE INSERT ON journal WHEN {condition}
        BEGIN
            SELECT rounds FROM test_rounds;
        END;
        """);

    private void Execute(string sql)
    {
        using var connection = new SqliteConnection(_connection);
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }
}
