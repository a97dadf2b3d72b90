using System.Globalization;
using System.Security.Cryptography;
using Microsoft.Data.Sqlite;

namespace FailbackWorkflows.ReferenceRecorder.Storage;

/// <summary>
/// The recorder's durable state. One writer at a time: whoever writes the database or the files of running recordings holds the one
/// lock, so a command sees recording standing still. Commits are flushed to disk before they return. Readers do not wait.
/// </summary>
public sealed class RecorderStore : IDisposable
{
    /// <summary>One embedded script per version, applied in order; a script that was ever released never changes.</summary>
    private const int SchemaVersion = 4;

    private readonly SemaphoreSlim _writer = new(1, 1);
    private readonly SqliteConnection _connection;
    private readonly Statements _statements;
    private readonly ReadConnections _readers;
    private long _commits;

    /// <param name="firstContent">Part of making the storage: a start that is killed leaves a storage with it, or none.</param>
    public RecorderStore(DataFolder folder, TimeProvider time, Action<Sql>? firstContent = null)
    {
        Time = time;
        var text = new SqliteConnectionStringBuilder { DataSource = folder.DatabasePath, ForeignKeys = true, DefaultTimeout = 10, Pooling = false };
        _connection = new SqliteConnection(text.ToString());
        KeepPrivate(folder.DatabasePath);
        _connection.Open();
        Execute(_connection, null, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 10000;");
        _statements = new Statements(_connection);
        _readers = new ReadConnections(text.ToString());
        IsNew = Migrate(firstContent);
        (MachineId, MachineSecret) = Read(sql => sql.Single("SELECT machine_id, secret FROM machine", r => (r.GetString(0), r.GetFieldValue<byte[]>(1))));
        folder.MeasureUsedBy(() => Read(sql => sql.Single("SELECT bytes FROM storage_used", r => r.GetInt64(0))));
    }

    public TimeProvider Time { get; }

    /// <summary>Made once with the storage.</summary>
    public string MachineId { get; }

    /// <summary>32 bytes, made once with the storage; never leaves the machine. Keys are derived from it.</summary>
    public byte[] MachineSecret { get; }

    /// <summary>New at every start.</summary>
    public string BootId { get; } = Guid.NewGuid().ToString("N");

    /// <summary>True when this start made the storage.</summary>
    public bool IsNew { get; }

    /// <summary>Grows with every commit, before it is acknowledged: what was read at the same number is still so.</summary>
    public long Commits => Interlocked.Read(ref _commits);

    /// <summary>Called under the lock after every commit: what should be recorded may have changed.</summary>
    public Action? Committed { get; set; }

    /// <summary>Called under the lock when a change was taken back: files may be ahead of the index.</summary>
    public Action? RolledBack { get; set; }

    /// <summary>Takes the one lock without a transaction; for work on files that commits only now and then.</summary>
    public async Task<T> ExclusiveAsync<T>(Func<T> work, CancellationToken cancellationToken)
    {
        await _writer.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return work();
        }
        finally
        {
            _writer.Release();
        }
    }

    /// <summary>One short transaction under the one lock; committed and flushed when <paramref name="work"/> returns, taken back when it throws.</summary>
    public Task<T> WriteAsync<T>(Func<Sql, T> work, CancellationToken cancellationToken) => ExclusiveAsync(() => Transact(work), cancellationToken);

    /// <summary>One transaction; the caller already holds the lock.</summary>
    public T Transact<T>(Func<Sql, T> work)
    {
        using var transaction = _connection.BeginTransaction(deferred: false);
        T result;
        try
        {
            result = work(new Sql(_connection, transaction, _statements));
            transaction.Commit();
            Interlocked.Increment(ref _commits);
        }
        catch
        {
            transaction.Rollback();
            RolledBack?.Invoke();
            throw;
        }

        Committed?.Invoke();
        return result;
    }

    /// <summary>A consistent view of what is committed.</summary>
    public T Read<T>(Func<Sql, T> work) => _readers.Read(work);

    public void Dispose()
    {
        _readers.Dispose();
        _statements.Dispose();
        _connection.Dispose();
        _writer.Dispose();
    }

    private bool Migrate(Action<Sql>? firstContent)
    {
        using var transaction = _connection.BeginTransaction(deferred: false);
        var sql = new Sql(_connection, transaction, _statements);
        var version = sql.Single("PRAGMA user_version", r => r.GetInt32(0));
        if (version > SchemaVersion)
        {
            throw new StartRefusedException(StartRefusedException.BadOptions, $"The data folder was written by a newer recorder (schema {version}, this one knows {SchemaVersion}). Start that version, or give another --data folder.");
        }

        if (version == SchemaVersion)
        {
            return false;
        }

        for (var next = version + 1; next <= SchemaVersion; next++)
        {
            Execute(_connection, transaction, Script(next));
        }

        if (version == 0)
        {
            sql.Run("INSERT INTO machine (one, machine_id, created_at) VALUES (1, $id, $at)", ("$id", Guid.NewGuid().ToString("N")), ("$at", Time.GetUtcNow().UtcTicks));
        }

        sql.Run("UPDATE machine SET secret = $secret WHERE secret IS NULL", ("$secret", RandomNumberGenerator.GetBytes(32)));
        if (version == 0)
        {
            firstContent?.Invoke(sql);
        }

        Execute(_connection, transaction, string.Create(CultureInfo.InvariantCulture, $"PRAGMA user_version = {SchemaVersion}"));
        transaction.Commit();
        return version == 0;
    }

    /// <summary>The database holds the secret that read tokens are derived from. SQLite gives its side files the same mode.</summary>
    private static void KeepPrivate(string path)
    {
        if (!OperatingSystem.IsWindows())
        {
            File.Open(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite).Dispose();
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }
    }

    private static string Script(int version)
    {
        using var stream = typeof(RecorderStore).Assembly.GetManifestResourceStream($"schema.v{version}.sql")
            ?? throw new InvalidOperationException($"Schema {version} is not embedded in the recorder.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    private static void Execute(SqliteConnection connection, SqliteTransaction? transaction, string text)
    {
        using var command = connection.CreateCommand();
        command.Transaction = transaction;
        command.CommandText = text;
        command.ExecuteNonQuery();
    }
}

/// <summary>Statements within one transaction.</summary>
public sealed class Sql
{
    private readonly SqliteConnection _connection;
    private readonly SqliteTransaction _transaction;
    private readonly Statements _statements;

    internal Sql(SqliteConnection connection, SqliteTransaction transaction, Statements statements) => (_connection, _transaction, _statements) = (connection, transaction, statements);

    /// <summary>Runs a statement and answers with the number of rows it changed.</summary>
    public int Run(string text, params ReadOnlySpan<(string Name, object? Value)> parameters)
    {
        var command = Take(text, parameters);
        try
        {
            return command.ExecuteNonQuery();
        }
        finally
        {
            _statements.GiveBack(command);
        }
    }

    public List<T> Query<T>(string text, Func<SqliteDataReader, T> map, params ReadOnlySpan<(string Name, object? Value)> parameters)
    {
        var command = Take(text, parameters);
        try
        {
            using var reader = command.ExecuteReader();
            var rows = new List<T>();
            while (reader.Read())
            {
                rows.Add(map(reader));
            }

            return rows;
        }
        finally
        {
            _statements.GiveBack(command);
        }
    }

    /// <summary>The first row, or the default when there is none.</summary>
    public T? Single<T>(string text, Func<SqliteDataReader, T> map, params ReadOnlySpan<(string Name, object? Value)> parameters)
    {
        var command = Take(text, parameters);
        try
        {
            using var reader = command.ExecuteReader();
            return reader.Read() ? map(reader) : default;
        }
        finally
        {
            _statements.GiveBack(command);
        }
    }

    /// <summary>Rows one by one, for results that do not fit into memory. Only to be enumerated within the transaction.</summary>
    public IEnumerable<T> Stream<T>(string text, Func<SqliteDataReader, T> map, params (string Name, object? Value)[] parameters)
    {
        var command = Take(text, parameters);
        try
        {
            using var reader = command.ExecuteReader();
            while (reader.Read())
            {
                yield return map(reader);
            }
        }
        finally
        {
            _statements.GiveBack(command);
        }
    }

    /// <summary>A statement to run many times within this transaction.</summary>
    public Statement Reusable(string text)
    {
        var command = _connection.CreateCommand();
        command.Transaction = _transaction;
        command.CommandText = text;
        return new Statement(command);
    }

    public void Savepoint() => _transaction.Save("effect");

    public void BackToSavepoint() => _transaction.Rollback("effect");

    private SqliteCommand Take(string text, ReadOnlySpan<(string Name, object? Value)> parameters)
    {
        var command = _statements.Take(text);
        command.Transaction = _transaction;
        foreach (var (name, value) in parameters)
        {
            command.Parameters.AddWithValue(name, value ?? DBNull.Value);
        }

        return command;
    }
}

/// <summary>A statement that is compiled once and run with other values each time.</summary>
public sealed class Statement : IDisposable
{
    private readonly SqliteCommand _command;

    internal Statement(SqliteCommand command) => _command = command;

    public int Run(params ReadOnlySpan<(string Name, object? Value)> parameters)
    {
        Bind(parameters);
        return _command.ExecuteNonQuery();
    }

    /// <summary>The first row, or the default when there is none.</summary>
    public T? Single<T>(Func<SqliteDataReader, T> map, params ReadOnlySpan<(string Name, object? Value)> parameters)
    {
        Bind(parameters);
        using var reader = _command.ExecuteReader();
        return reader.Read() ? map(reader) : default;
    }

    public void Dispose() => _command.Dispose();

    private void Bind(ReadOnlySpan<(string Name, object? Value)> parameters)
    {
        _command.Parameters.Clear();
        foreach (var (name, value) in parameters)
        {
            _command.Parameters.AddWithValue(name, value ?? DBNull.Value);
        }
    }
}

/// <summary>Columns that may be null.</summary>
public static class Columns
{
    public static string? TextOrNull(this SqliteDataReader reader, int ordinal) => reader.IsDBNull(ordinal) ? null : reader.GetString(ordinal);

    public static DateTimeOffset Instant(this SqliteDataReader reader, int ordinal) => new(reader.GetInt64(ordinal), TimeSpan.Zero);

    public static DateTimeOffset? InstantOrNull(this SqliteDataReader reader, int ordinal) => reader.IsDBNull(ordinal) ? null : reader.Instant(ordinal);
}

/// <summary>What happened on this recorder that somebody may ask about later.</summary>
public static class RecorderJournal
{
    public static void Write(Sql sql, DateTimeOffset at, string identity, string kind, string text) =>
        sql.Run(
            "INSERT INTO journal (at, identity, kind, text) VALUES ($at, $identity, $kind, $text)",
            ("$at", at.UtcTicks), ("$identity", identity), ("$kind", kind), ("$text", text));

    public static List<JournalEntry> List(Sql sql, long after) =>
        sql.Query(
            "SELECT sequence, at, identity, kind, text FROM journal WHERE sequence > $after ORDER BY sequence LIMIT 1000",
            r => new JournalEntry(r.GetInt64(0), r.Instant(1), r.GetString(2), r.GetString(3), r.GetString(4)),
            ("$after", after));
}

/// <summary>An entry of the recorder's own journal.</summary>
public sealed record JournalEntry(long Sequence, DateTimeOffset AtUtc, string Identity, string Kind, string Text);
