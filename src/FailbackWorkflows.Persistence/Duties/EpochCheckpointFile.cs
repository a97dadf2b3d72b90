using System.Globalization;
using System.Text;
using FailbackWorkflows.Failback.Duties;

namespace FailbackWorkflows.Persistence.Duties;

/// <summary>
/// A small file outside of the database with a line per draw of any node, <c>identity TAB epoch TAB allocation</c>, on the disk before the draw is committed; lines
/// without an allocation are older, or were taken from a recorder. It only grows (about 80 bytes a draw). A line that a power failure has torn was never relied on: it is cut off at the next start.
/// </summary>
internal sealed class EpochCheckpointFile : IEpochCheckpoint, IDisposable
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, NotedEpoch> _largest = new(StringComparer.Ordinal);
    private readonly Dictionary<string, NotedEpoch> _atStart;
    private readonly FileStream _file;

    private EpochCheckpointFile(FileStream file)
    {
        _file = file;
        var bytes = new byte[file.Length];
        file.ReadExactly(bytes);
        var end = Array.LastIndexOf(bytes, (byte)'\n') + 1;
        foreach (var line in Encoding.UTF8.GetString(bytes, 0, end).Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            var parts = line.Split('\t');
            if (parts.Length is < 2 or > 3 || parts[0].Length == 0 || !long.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out var epoch))
            {
                throw new InvalidDataException($"The line '{line}' is not '<identity> TAB <epoch> TAB <allocation>'.");
            }

            if (epoch > LargestOf(parts[0]))
            {
                _largest[parts[0]] = new(epoch, parts.ElementAtOrDefault(2));
            }
        }

        _atStart = new(_largest, StringComparer.Ordinal);
        file.SetLength(end);
        file.Position = end;
    }

    /// <summary>The file for a database, in a folder of its own or beside it. Throws <see cref="DatabaseNotOpenedException"/> when it cannot be used.</summary>
    public static EpochCheckpointFile Open(string databaseFile, string? folder)
    {
        var path = Path.Combine(folder ?? Path.GetDirectoryName(databaseFile)!, $"{Path.GetFileName(databaseFile)}.epochs");
        FileStream? file = null;
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read);
            return new(file);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            file?.Dispose();
            throw new DatabaseNotOpenedException(
                $"The checkpoint of epochs '{path}' cannot be used: {exception.Message} It keeps a restored database from giving one epoch to two recorders. Give this program the right to write it; if its content is damaged, take it from a copy or move it away, and let every recorder be reachable at the next start.",
                exception);
        }
    }

    public long Largest(string identity)
    {
        lock (_lock)
        {
            return LargestOf(identity);
        }
    }

    public NotedEpoch? AtStart(string identity) => _atStart.GetValueOrDefault(identity);

    public void Note(string identity, long epoch, string? drawnBy)
    {
        lock (_lock)
        {
            if (epoch <= LargestOf(identity))
            {
                return;
            }

            Write([(identity, new(epoch, drawnBy))], $"The new epoch {epoch} of {identity} could not be kept in '{_file.Name}', so it was not drawn");
        }
    }

    public void Follow(IEnumerable<Duty> granted)
    {
        lock (_lock)
        {
            var larger = granted.Where(d => d.Epoch > LargestOf(d.Identity)).Select(d => (d.Identity, new NotedEpoch(d.Epoch, d.AllocationId))).ToList();
            if (larger.Count > 0)
            {
                Write(larger, $"Epochs that the database has granted could not be kept in '{_file.Name}'");
            }
        }
    }

    public void Dispose() => _file.Dispose();

    private void Write(IReadOnlyList<(string Identity, NotedEpoch Noted)> lines, string failure)
    {
        var end = _file.Position;
        try
        {
            foreach (var (identity, noted) in lines)
            {
                _file.Write(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{identity}\t{noted.Epoch}{(noted.DrawnBy is null ? "" : $"\t{noted.DrawnBy}")}\n")));
            }

            _file.Flush(flushToDisk: true);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // What was written of it must not come before the next line.
            _file.Position = end;
            throw new IOException($"{failure}: {exception.Message} Make room on that disk, or mend it.", exception);
        }

        foreach (var (identity, noted) in lines)
        {
            _largest[identity] = noted;
        }
    }

    private long LargestOf(string identity) => _largest.GetValueOrDefault(identity)?.Epoch ?? 0;
}
