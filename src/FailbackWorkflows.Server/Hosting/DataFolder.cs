namespace FailbackWorkflows.Server.Hosting;

/// <summary>Where the management server keeps everything it must not lose: the database and its logs.</summary>
public sealed record DataFolder(string Path)
{
    public string Database => System.IO.Path.Combine(Path, "failback.db");

    public string Logs => System.IO.Path.Combine(Path, "logs");

    /// <summary>Makes the folder. Throws <see cref="StartRefusedException"/> when it cannot be written.</summary>
    public static DataFolder Open(string path)
    {
        var full = System.IO.Path.GetFullPath(path);
        try
        {
            Directory.CreateDirectory(full);
            return new DataFolder(full);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new StartRefusedException(ExitCodes.BadSettings, $"The data folder '{full}' cannot be made: {exception.Message} Give another one with --data DIR.", exception);
        }
    }
}
