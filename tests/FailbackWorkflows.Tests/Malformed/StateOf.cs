using System.Security.Cryptography;
using System.Text;
using Microsoft.Data.Sqlite;

namespace FailbackWorkflows.Tests.Malformed;

/// <summary>Everything a SQLite database holds, table by table, so that a change of anything is seen and named.</summary>
internal static class StateOf
{
    public static async Task<IReadOnlyDictionary<string, string>> DatabaseAsync(string path)
    {
        await using var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = path, Mode = SqliteOpenMode.ReadOnly, Pooling = false }.ToString());
        await connection.OpenAsync();
        var state = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var table in await TablesAsync(connection))
        {
            state[table] = await ContentAsync(connection, table);
        }

        return state;
    }

    private static async Task<List<string>> TablesAsync(SqliteConnection connection)
    {
        await using var command = connection.CreateCommand();
        command.CommandText = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
        await using var reader = await command.ExecuteReaderAsync();
        var tables = new List<string>();
        while (await reader.ReadAsync())
        {
            tables.Add(reader.GetString(0));
        }

        return tables;
    }

    private static async Task<string> ContentAsync(SqliteConnection connection, string table)
    {
        await using var command = connection.CreateCommand();
#pragma warning disable CA2100 // The name is one that the database gave.
        command.CommandText = $"SELECT * FROM \"{table}\"";
#pragma warning restore CA2100
        await using var reader = await command.ExecuteReaderAsync();
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var rows = 0;
        while (await reader.ReadAsync())
        {
            rows++;
            for (var column = 0; column < reader.FieldCount; column++)
            {
                hash.AppendData(reader.GetValue(column) is byte[] bytes ? bytes : Encoding.UTF8.GetBytes($"{reader.GetValue(column)}\u001f"));
            }
        }

        return $"{rows} rows {Convert.ToHexStringLower(hash.GetHashAndReset())}";
    }
}
