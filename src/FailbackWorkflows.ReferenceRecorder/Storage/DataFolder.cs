using System.Security.Cryptography;
using FailbackWorkflows.Recorders;

namespace FailbackWorkflows.ReferenceRecorder.Storage;

/// <summary>A channel and where it is recorded.</summary>
/// <param name="StoragePath">A folder that its settings name besides; null: none.</param>
public sealed record PlacedChannel(string Identity, string Id, string Name, bool Required, string? StoragePath);

/// <summary>
/// The recorder's folder: database, segment files, and a lock that keeps a second process out for as long as this object lives.
/// </summary>
public sealed class DataFolder : IDisposable
{
    /// <summary>Id of the only storage.</summary>
    public const string StorageId = "main";

    private readonly FileStream _lock;
    private readonly long _reserveBytes;
    private readonly long? _capacityBytes;
    private Func<long> _usedBytes = () => 0;

    private DataFolder(string root, FileStream @lock, long reserveBytes, long? capacityBytes)
    {
        Root = root;
        _lock = @lock;
        _reserveBytes = reserveBytes;
        _capacityBytes = capacityBytes;
    }

    public string Root { get; }

    public string DatabasePath => Path.Combine(Root, "recorder.db");

    public string SegmentsPath => Path.Combine(Root, "segments");

    /// <exception cref="StartRefusedException">The folder cannot be used, or another recorder uses it.</exception>
    public static DataFolder Open(RecorderOptions options)
    {
        try
        {
            Directory.CreateDirectory(options.DataFolder);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new StartRefusedException(StartRefusedException.BadOptions, $"The data folder {options.DataFolder} cannot be made: {error.Message} Check --data and its permissions.");
        }

        try
        {
            var lockFile = new FileStream(Path.Combine(options.DataFolder, "recorder.lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            var folder = new DataFolder(options.DataFolder, lockFile, options.ReserveBytes, options.CapacityBytes);
            Directory.CreateDirectory(folder.SegmentsPath);
            return folder;
        }
        catch (IOException)
        {
            throw new StartRefusedException(StartRefusedException.DataFolderInUse, $"The data folder {options.DataFolder} is in use by another recorder. Stop that one, or give this one its own --data folder.");
        }
        catch (UnauthorizedAccessException error)
        {
            throw new StartRefusedException(StartRefusedException.BadOptions, $"The data folder {options.DataFolder} cannot be written: {error.Message} Check its permissions.");
        }
    }

    /// <summary>How the sum of the stored bytes is told; needed only where a capacity is set.</summary>
    public void MeasureUsedBy(Func<long> usedBytes) => _usedBytes = usedBytes;

    /// <summary>Sizes of the storage now, within its capacity when one is set; zero free when the folder is gone.</summary>
    public StorageState Measure()
    {
        if (!Directory.Exists(SegmentsPath))
        {
            return new StorageState(StorageId, 0, 0, _reserveBytes);
        }

        var drive = new DriveInfo(SegmentsPath);
        return _capacityBytes is { } capacity
            ? new StorageState(StorageId, Math.Min(drive.TotalSize, capacity), Math.Clamp(capacity - _usedBytes(), 0, drive.AvailableFreeSpace), _reserveBytes)
            : new StorageState(StorageId, drive.TotalSize, drive.AvailableFreeSpace, _reserveBytes);
    }

    public bool HasRoom()
    {
        var state = Measure();
        return state.FreeBytes > state.ReserveBytes;
    }

    /// <summary>Really writes, flushes, reads back and deletes a small file.</summary>
    /// <param name="weight">Bytes that are kept, and bytes that may give way.</param>
    /// <param name="channels">To be written too, each where its segments go.</param>
    public ProbeResult Probe((long Held, long Clearable) weight, IReadOnlyList<PlacedChannel>? channels)
    {
        var reason = FindWhyNotWritable(SegmentsPath) is { } why ? $"Storage '{StorageId}' {why}" : null;
        var state = Measure() with { HeldBytes = weight.Held, ClearableBytes = weight.Clearable };
        reason ??= state.FreeBytes > state.ReserveBytes
            ? null
            : $"Storage '{StorageId}' has {state.FreeBytes} bytes free, which is not more than its reserve of {state.ReserveBytes}. Free some space.";
        return new ProbeResult(reason is null, [state], reason, channels is null ? null : [.. channels.Select(Probe)]);
    }

    private ChannelProbe Probe(PlacedChannel channel)
    {
        // Nothing is made that stays: where the channel has no folder yet, the one is written in which that would be made.
        var folder = Path.Combine(SegmentsPath, channel.Identity, channel.Id);
        while (folder != SegmentsPath && !Path.Exists(folder))
        {
            folder = Path.GetDirectoryName(folder)!;
        }

        var reason = new[] { folder, channel.StoragePath }.OfType<string>()
            .Select(place => FindWhyNotWritable(place) is { } why ? $"The folder {place} {why}" : null)
            .FirstOrDefault(found => found is not null);
        return new(channel.Id, channel.Name, channel.Required, reason is null, reason);
    }

    /// <summary>The end of a sentence that begins with the place; null: it took and gave back what was written.</summary>
    private static string? FindWhyNotWritable(string folder)
    {
        var path = Path.Combine(folder, $".probe-{Guid.NewGuid():N}");
        try
        {
            var written = RandomNumberGenerator.GetBytes(4096);
            using (var file = new FileStream(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, bufferSize: 0))
            {
                file.Write(written);
                file.Flush(flushToDisk: true);
                file.Position = 0;
                var read = new byte[written.Length];
                file.ReadExactly(read);
                if (!read.AsSpan().SequenceEqual(written))
                {
                    return "gave back other bytes than were written. Check the disk.";
                }
            }

            File.Delete(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return $"cannot be written: {error.Message}";
        }

        return null;
    }

    public void Dispose() => _lock.Dispose();
}
