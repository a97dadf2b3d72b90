using System.Globalization;
using System.Text;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Persistence.Sqlite;

namespace FailbackWorkflows.Persistence.Duties;

/// <summary>
/// A small file outside of the database with a line per draw, <c>identity TAB epoch</c>, on the disk before the draw is committed. It only
/// grows (about 20 bytes a draw). A line that a power failure has torn was never relied on: it is cut off at the next start.
/// </summary>
internal sealed class EpochCheckpointFile : IEpochCheckpoint, IDisposable
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, long> _largest = new(StringComparer.Ordinal);
    private readonly FileStream _file;

    private EpochCheckpointFile(FileStream file)
    {
        _file = file;
        var bytes = new byte[file.Length];
        file.ReadExactly(bytes);
        var end = Array.LastIndexOf(bytes, (byte)'\n') + 1;
        foreach (var line in Encoding.UTF8.GetString(bytes, 0, end).Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            var tab = line.IndexOf('\t', StringComparison.Ordinal);
            if (tab <= 0 || !long.TryParse(line.AsSpan(tab + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var epoch))
            {
                throw new InvalidDataException($"The line '{line}' is not '<identity> TAB <epoch>'.");
            }

            _largest[line[..tab]] = Math.Max(epoch, _largest.GetValueOrDefault(line[..tab]));
        }

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
            return _largest.GetValueOrDefault(identity);
        }
    }

    public void Note(string identity, long epoch)
    {
        lock (_lock)
        {
            if (epoch <= _largest.GetValueOrDefault(identity))
            {
                return;
            }

            var end = _file.Position;
            try
            {
                _file.Write(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{identity}\t{epoch}\n")));
                _file.Flush(flushToDisk: true);
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                // What was written of it must not come before the next line.
                _file.Position = end;
                throw new IOException($"The new epoch {epoch} of {identity} could not be kept in '{_file.Name}', so it was not drawn: {exception.Message} Make room on that disk, or mend it.", exception);
            }

            _largest[identity] = epoch;
        }
    }

    public void Dispose() => _file.Dispose();
}
