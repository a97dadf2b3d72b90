using System.Globalization;

namespace FailbackWorkflows.Persistence.Sqlite;

/// <summary>
/// Keeps a second management server off the same SQLite file: two of them would each believe to be alone. An operating-system lock, so it
/// ends with the process however that ends.
/// </summary>
internal sealed class SqliteFileLock : IDisposable
{
    // How the systems say that somebody else holds the lock: EWOULDBLOCK on Linux and macOS, two errors on Windows.
    private const int WouldBlock = 11;
    private const int WouldBlockOnMac = 35;
    private const int SharingViolation = unchecked((int)0x80070020);
    private const int LockViolation = unchecked((int)0x80070021);

    private readonly FileStream _file;

    private SqliteFileLock(FileStream file) => _file = file;

    public static SqliteFileLock Take(string databaseFile)
    {
        var path = databaseFile + ".lock";
        FileStream? file = null;
        try
        {
            file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            file.SetLength(0);
            file.Write(System.Text.Encoding.ASCII.GetBytes(Environment.ProcessId.ToString(CultureInfo.InvariantCulture)));
            file.Flush();
            return new(file);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            file?.Dispose();
            throw Explain(databaseFile, path, exception);
        }
    }

    public void Dispose() => _file.Dispose();

    private static Exception Explain(string databaseFile, string path, Exception exception) => exception switch
    {
        IOException { HResult: WouldBlock or WouldBlockOnMac or SharingViolation or LockViolation } => new DatabaseInUseException(
            $"The database {databaseFile} is in use by another management server. End that one, or give this one a data folder of its own with --data DIR."),
        DirectoryNotFoundException => new DatabaseNotOpenedException(
            $"The folder of the database {databaseFile} does not exist. Create it, or give another one with --data DIR.", exception),
        UnauthorizedAccessException => new DatabaseNotOpenedException(
            $"The file {path} may not be written by this user. Give the user the right to write in the data folder, or give another one with --data DIR.", exception),
        _ => new DatabaseNotOpenedException(
            $"The file {path} cannot be written: {exception.Message} Put that right (is the disk full, or read-only?), or give another data folder with --data DIR.", exception),
    };
}
