namespace FailbackWorkflows.Persistence.Seals;

/// <summary>The folder outside of the database that makes its history provable: the key that signs, and the checkpoints. Another disk than the database's is better.</summary>
/// <param name="path">Made when first needed, for its owner only.</param>
public sealed class SealFolder(string path)
{
    private const string CheckpointsName = "checkpoints.ndjson";

    private readonly Lock _lock = new();
    private SealingKey? _key;

    /// <summary>The folder.</summary>
    public string Path { get; } = System.IO.Path.GetFullPath(path);

    /// <summary>The checkpoints outside of the database.</summary>
    public CheckpointFile Checkpoints { get; } = new(System.IO.Path.Combine(System.IO.Path.GetFullPath(path), CheckpointsName));

    private string KeyFile => System.IO.Path.Combine(Path, "sealing-key.pem");

    private string NextKeyFile => System.IO.Path.Combine(Path, "sealing-key.next.pem");

    /// <summary>The key to sign with; made at the first call ever.</summary>
    /// <param name="isKnown">Whether a checkpoint has introduced a key: of a rotation that was interrupted either the new key is, or it never counts.</param>
    public SealingKey Key(Func<string, bool> isKnown)
    {
        lock (_lock)
        {
            if (_key is not null)
            {
                return _key;
            }

            MakeFolder();
            if (File.Exists(NextKeyFile))
            {
                using var next = SealingKey.Open(NextKeyFile);
                if (isKnown(next.Id))
                {
                    File.Move(NextKeyFile, KeyFile, overwrite: true);
                }
                else
                {
                    File.Delete(NextKeyFile);
                }
            }

            return _key = File.Exists(KeyFile) ? SealingKey.Open(KeyFile) : SealingKey.Make(KeyFile);
        }
    }

    /// <summary>Makes the key that is to follow the present one. It counts from <see cref="TakeNext"/> on.</summary>
    public SealingKey MakeNext()
    {
        lock (_lock)
        {
            MakeFolder();
            File.Delete(NextKeyFile);
            return SealingKey.Make(NextKeyFile);
        }
    }

    /// <summary>The next key, which a checkpoint has introduced, takes the place of the present one, whose private half is gone with it.</summary>
    public void TakeNext(SealingKey next)
    {
        lock (_lock)
        {
            File.Move(NextKeyFile, KeyFile, overwrite: true);
            _key?.Dispose();
            _key = next;
        }
    }

    private void MakeFolder()
    {
        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(Path);
        }
        else
        {
            Directory.CreateDirectory(Path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
    }
}
