using System.Data.Common;
using System.Text;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace FailbackWorkflows.Persistence.Seals;

/// <summary>
/// Rows of a long read with texts as the UTF-8 they are stored as: what is only hashed or compared need not become a string first. For one thread; what a row gives is
/// good until the next.
/// </summary>
internal sealed class Utf8Rows(DbDataReader reader)
{
    private readonly sqlite3_stmt? _statement = (reader as SqliteDataReader)?.Handle;
    private readonly byte[][] _buffers = [.. Enumerable.Range(0, reader.FieldCount).Select(_ => new byte[128])];

    public Task<bool> NextAsync(CancellationToken cancellationToken) => reader.ReadAsync(cancellationToken);

    public long Number(int column) => _statement is null ? reader.GetInt64(column) : raw.sqlite3_column_int64(_statement, column);

    public bool IsNull(int column) => _statement is null ? reader.IsDBNull(column) : raw.sqlite3_column_type(_statement, column) == raw.SQLITE_NULL;

    /// <summary>Empty when there is none; <see cref="IsNull"/> tells that from an empty text.</summary>
    public ReadOnlySpan<byte> Text(int column)
    {
        if (_statement is not null)
        {
            return raw.sqlite3_column_blob(_statement, column);
        }

        if (reader.IsDBNull(column))
        {
            return [];
        }

        var text = reader.GetString(column);
        ref var buffer = ref _buffers[column];
        var most = Encoding.UTF8.GetMaxByteCount(text.Length);
        if (most > buffer.Length)
        {
            buffer = new byte[most];
        }

        return buffer.AsSpan(0, Encoding.UTF8.GetBytes(text, buffer));
    }
}
