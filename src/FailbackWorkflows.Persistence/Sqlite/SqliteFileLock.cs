using System.Globalization;

namespace FailbackWorkflows.Persistence.Sqlite;

/// <summary>Another process works on the same database file.</summary>
public sealed class DatabaseInUseException(string message) : Exception(message);

/// <summary>
/// Keeps a second management server off the same SQLite file: two of them would each believe to be alone. An operating-system lock, so it
/// ends with the process however that ends.
/// </summary>
internal sealed class SqliteFileLock : IDisposable
{
    private readonly FileStream _file;

    private SqliteFileLock(FileStream file) => _file = file;

    public static SqliteFileLock Take(string databaseFile)
    {
        var path = databaseFile + ".lock";
        try
        {
            var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            file.SetLength(0);
            file.Write(System.Text.Encoding.ASCII.GetBytes(Environment.ProcessId.ToString(CultureInfo.InvariantCulture)));
            file.Flush();
            return new(file);
        }
        catch (IOException exception) when (exception is not DirectoryNotFoundException and not FileNotFoundException)
        {
            throw new DatabaseInUseException(
                $"The database {databaseFile} is in use by another management server. End that one, or give this one a data folder of its own with --data DIR.");
        }
    }

    public void Dispose() => _file.Dispose();
}
