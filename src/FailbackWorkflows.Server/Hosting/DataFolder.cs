using System.Runtime.Versioning;

namespace FailbackWorkflows.Server.Hosting;

/// <summary>
/// Where the management server keeps everything it must not lose: the database and its logs. The database holds the keys of cookies and of
/// stored credentials, so on Unix its file, and a folder made here, are for their owner only.
/// </summary>
public sealed record DataFolder(string Path)
{
    public string Database => System.IO.Path.Combine(Path, "failback.db");

    /// <summary>The key that seals the history, and the checkpoints.</summary>
    public string Seals => System.IO.Path.Combine(Path, "seals");

    public string Logs => System.IO.Path.Combine(Path, "logs");

    private const UnixFileMode OwnerOnlyFile = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode OwnerOnlyFolder = OwnerOnlyFile | UnixFileMode.UserExecute;

    /// <summary>Makes the folder and narrows who may read the database. A folder that exists is left as it is. Throws <see cref="StartRefusedException"/> when that is not possible.</summary>
    /// <param name="holdsDatabase">False: the database is elsewhere.</param>
    public static DataFolder Open(string path, bool holdsDatabase = true)
    {
        var full = System.IO.Path.GetFullPath(path);
        try
        {
            if (OperatingSystem.IsWindows())
            {
                // The rights of the parent folder are inherited.
                Directory.CreateDirectory(full);
                return new DataFolder(full);
            }

            Directory.CreateDirectory(full, OwnerOnlyFolder);
            var folder = new DataFolder(full);
            if (holdsDatabase)
            {
                folder.KeepDatabaseToItsOwner();
            }

            return folder;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new StartRefusedException(ExitCodes.BadSettings, $"The data folder '{full}' cannot be used: {exception.Message} Give another one with --data DIR.", exception);
        }
    }

    /// <summary>Before SQLite makes it: the files beside it (write-ahead log) get the rights of this one.</summary>
    [UnsupportedOSPlatform("windows")]
    private void KeepDatabaseToItsOwner()
    {
        if (!File.Exists(Database))
        {
            using var made = new FileStream(Database, new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.Write, UnixCreateMode = OwnerOnlyFile });
        }
        else if ((File.GetUnixFileMode(Database) & ~OwnerOnlyFile) != 0)
        {
            File.SetUnixFileMode(Database, OwnerOnlyFile);
        }
    }
}
