using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace FailbackWorkflows.Demo;

/// <summary>How far the story of a round has come. Written down before the step it names begins.</summary>
internal enum Chapter
{
    /// <summary>Every recorder fulfils its own duty.</summary>
    Recording,

    /// <summary>recorder-1 is dead; its duty moves to recorder-2.</summary>
    Failed,

    /// <summary>recorder-1 comes back.</summary>
    Returning,

    /// <summary>The failback runs.</summary>
    FailingBack,

    /// <summary>The failback is done; the material of the failover comes home.</summary>
    Copying,

    /// <summary>It is home; what must hold is looked at.</summary>
    Verifying,

    /// <summary>It was found to hold. The next start begins a new round.</summary>
    Done,
}

/// <summary>What a data folder remembers from one start of the demo to the next.</summary>
internal sealed record DemoState
{
    public required int FirstPort { get; init; }

    public required string ApiKey { get; init; }

    public required string Password { get; init; }

    /// <summary>Bearer token of each recorder.</summary>
    public required IReadOnlyList<string> Tokens { get; init; }

    public int Round { get; init; } = 1;

    public Chapter Chapter { get; init; }

    /// <summary>Attempts of this round; each has its own request id, so that a repeat after a crash starts nothing new.</summary>
    public int FailoverAttempt { get; init; } = 1;

    public int FailbackAttempt { get; init; } = 1;

    public int CopyAttempt { get; init; } = 1;

    /// <summary>Cursor of the change feed when the round began.</summary>
    public long FeedCursor { get; init; }

    /// <summary>When the recorder was killed, and when it ran again.</summary>
    public DateTimeOffset? FailedAt { get; init; }

    public DateTimeOffset? ReturnedAt { get; init; }

    public string? EntryId { get; init; }

    public string? FailoverRunId { get; init; }

    /// <summary>Settings of the duty at the failover server when the failback began.</summary>
    public string? SettingsSha256 { get; init; }

    public long SettingsRevision { get; init; }

    public string? FailbackRunId { get; init; }

    /// <summary>Programs were killed in the middle of this round besides the one that had to: recordings may have a gap then, which is only measured.</summary>
    public bool WasInterrupted { get; init; }
}

/// <summary>The demo's data folder: its state, its secrets, the folders of the programs. One demo at a time.</summary>
internal sealed class DemoFolder : IDisposable
{
    private const string TemporaryPrefix = "failback-demo-";

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
    };

    private readonly FileStream _lock;

    private DemoFolder(string root, bool isTemporary, FileStream @lock)
    {
        Root = root;
        IsTemporary = isTemporary;
        _lock = @lock;
        Directory.CreateDirectory(Logs);
    }

    public string Root { get; }

    /// <summary>Removed when the demo ends.</summary>
    public bool IsTemporary { get; }

    public string Logs => Path.Combine(Root, "logs");

    private string StateFile => Path.Combine(Root, "demo.json");

    /// <exception cref="DemoRefusedException">Another demo works there, or it cannot be written.</exception>
    public static DemoFolder Open(string? given)
    {
        if (given is null)
        {
            RemoveAbandoned();
        }

        var root = given ?? Path.Combine(Path.GetTempPath(), TemporaryPrefix + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(6)));
        try
        {
            CreatePrivate(root);
            return new DemoFolder(root, given is null, Lock(root));
        }
        catch (UnauthorizedAccessException error)
        {
            throw new DemoRefusedException(ExitCodes.BadOptions, $"The data folder {root} cannot be written: {error.Message}", error);
        }
        catch (IOException error)
        {
            throw new DemoRefusedException(ExitCodes.DataFolderInUse, $"The data folder {root} cannot be used: {error.Message} Is another demo running with it? End it, or give another folder with --data DIR.", error);
        }
    }

    /// <summary>What the folder remembers, or null when it is new.</summary>
    public DemoState? Load()
    {
        if (!File.Exists(StateFile))
        {
            return null;
        }

        try
        {
            return JsonSerializer.Deserialize<DemoState>(File.ReadAllText(StateFile), Json);
        }
        catch (JsonException error)
        {
            throw new DemoRefusedException(ExitCodes.BadOptions, $"{StateFile} cannot be read: {error.Message} Give another folder with --data DIR.", error);
        }
    }

    /// <summary>Remembers: on disk before it returns, whole or not at all.</summary>
    public void Save(DemoState state)
    {
        var next = StateFile + ".new";
        using (var file = new FileStream(next, PrivateFile()))
        {
            JsonSerializer.Serialize(file, state, Json);
            file.Flush(flushToDisk: true);
        }

        File.Move(next, StateFile, overwrite: true);
    }

    /// <summary>A file that only its owner may read, made once.</summary>
    public string KeepSecret(string name, Func<string> make)
    {
        var path = Path.Combine(Root, name);
        if (!File.Exists(path))
        {
            var next = path + ".new";
            using (var writer = new StreamWriter(next, PrivateFile()))
            {
                writer.Write(make());
            }

            File.Move(next, path, overwrite: true);
        }

        return File.ReadAllText(path);
    }

    public void Dispose()
    {
        _lock.Dispose();
        if (IsTemporary)
        {
            Directory.Delete(Root, recursive: true);
        }
    }

    private static FileStreamOptions PrivateFile()
    {
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        return options;
    }

    private static void CreatePrivate(string root)
    {
        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(root);
        }
        else
        {
            Directory.CreateDirectory(root, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
    }

    private static FileStream Lock(string root) => new(Path.Combine(root, "demo.lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);

    /// <summary>A demo that was killed could not remove its temporary folder; the next one does.</summary>
    private static void RemoveAbandoned()
    {
        foreach (var folder in Directory.EnumerateDirectories(Path.GetTempPath(), TemporaryPrefix + "*"))
        {
            try
            {
                // Whose lock can be had has nobody working in it.
                if (File.Exists(Path.Combine(folder, "demo.lock")))
                {
                    Lock(folder).Dispose();
                    Directory.Delete(folder, recursive: true);
                }
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                // In use, or somebody else's: not ours to remove.
            }
        }
    }
}
