using System.Diagnostics;
using Npgsql;

namespace FailbackWorkflows.Benchmarks.Durable;

/// <summary>
/// What the cheapest durable transaction costs where a benchmark runs, with nothing of ours in it: one row, one prepared statement, one connection, one after the other. Steps that
/// follow each other cannot be committed faster than that.
/// </summary>
internal static class CheapestCommit
{
    private const int WarmUps = 200;
    private const int Commits = 2_000;

    /// <summary>Median, in milliseconds.</summary>
    public static async Task<double> MeasureAsync(string connectionString)
    {
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync();
        await using (var create = new NpgsqlCommand("CREATE TABLE cheapest_commit (number integer)", connection))
        {
            await create.ExecuteNonQueryAsync();
        }

        var times = new List<double>();
        await using (var insert = new NpgsqlCommand("INSERT INTO cheapest_commit VALUES (1)", connection))
        {
            await insert.PrepareAsync();
            for (var commit = -WarmUps; commit < Commits; commit++)
            {
                var begun = Stopwatch.GetTimestamp();
                await insert.ExecuteNonQueryAsync();
                if (commit >= 0)
                {
                    times.Add(Stopwatch.GetElapsedTime(begun).TotalMilliseconds);
                }
            }
        }

        await using var drop = new NpgsqlCommand("DROP TABLE cheapest_commit", connection);
        await drop.ExecuteNonQueryAsync();
        return times.Median();
    }
}
