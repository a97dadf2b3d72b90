using System.Text;
using System.Text.Json;

namespace FailbackWorkflows.Persistence.Seals;

/// <summary>
/// The checkpoints outside of the database: a file that only grows, one line per checkpoint with all it has sealed, on the disk before a seal counts as done. A copy
/// of it elsewhere is what a history is compared with when nobody trusts this machine.
/// </summary>
public sealed class CheckpointFile(string path)
{
    private readonly Lock _lock = new();
    private SealedCheckpoint? _last;
    private long _length = -1;

    /// <summary>Where it is.</summary>
    public string Path => path;

    /// <summary>All checkpoints, oldest first; none when there is no file. A last line without its end was never relied on and is left out. Throws <see cref="FormatException"/> at a line that is none.</summary>
    public IEnumerable<SealedCheckpoint> Read()
    {
        if (!File.Exists(path))
        {
            yield break;
        }

        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        var end = EndOfLine(stream, stream.Length);
        stream.Position = 0;
        using var reader = new StreamReader(stream, Encoding.UTF8);
        var read = 0L;
        var number = 0;
        while (read < end && reader.ReadLine() is { } line)
        {
            read += Encoding.UTF8.GetByteCount(line) + 1;
            number++;
            yield return Parse(line, $"Line {number}");
        }
    }

    /// <summary>The newest checkpoint in the file, or null.</summary>
    public SealedCheckpoint? Last()
    {
        lock (_lock)
        {
            var length = File.Exists(path) ? new FileInfo(path).Length : 0;
            if (length != _length)
            {
                _last = length == 0 ? null : ReadLast();
                _length = length;
            }

            return _last;
        }
    }

    /// <summary>Writes a checkpoint at the end; it is on the disk when this returns. Throws <see cref="IOException"/> with what to do when it cannot be written.</summary>
    public void Append(SealedCheckpoint checkpoint)
    {
        lock (_lock)
        {
            try
            {
                Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!);
                using var stream = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read | FileShare.Delete);
                stream.SetLength(EndOfLine(stream, stream.Length));
                stream.Position = stream.Length;
                stream.Write(Encoding.UTF8.GetBytes(Text(checkpoint) + "\n"));
                stream.Flush(flushToDisk: true);
                _length = stream.Length;
                _last = checkpoint;
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                _length = -1;
                throw new IOException($"The checkpoint file '{path}' cannot be written: {exception.Message} Make room on that disk or give this program the right to write it; until then nothing new is sealed.", exception);
            }
        }
    }

    /// <summary>Without reading what is before it: the file may hold years.</summary>
    private SealedCheckpoint? ReadLast()
    {
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        var end = EndOfLine(stream, stream.Length);
        if (end == 0)
        {
            return null;
        }

        var start = EndOfLine(stream, end - 1);
        var line = new byte[end - 1 - start];
        stream.Position = start;
        stream.ReadExactly(line);
        return Parse(Encoding.UTF8.GetString(line), "The last line");
    }

    private static string Text(SealedCheckpoint checkpoint) =>
        $$"""{"checkpoint":{{checkpoint.Line}},"heads":[{{string.Join(',', checkpoint.Heads.Select(h => h.Line))}}],"signature":"{{checkpoint.Signature}}"}""";

    private static SealedCheckpoint Parse(string line, string place)
    {
        try
        {
            using var document = JsonDocument.Parse(line);
            var json = document.RootElement;
            return new(
                json.GetProperty("checkpoint").GetRawText(),
                json.GetProperty("signature").GetString()!,
                [.. json.GetProperty("heads").EnumerateArray().Select(SealedHead.Parse)]);
        }
        catch (Exception exception) when (exception is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new FormatException($"{place} is not a checkpoint: {exception.Message}", exception);
        }
    }

    /// <summary>Where the last line ends that ends before a place; 0: none does.</summary>
    private static long EndOfLine(FileStream stream, long before)
    {
        Span<byte> buffer = stackalloc byte[4096];
        for (var end = before; end > 0;)
        {
            var start = Math.Max(0, end - buffer.Length);
            stream.Position = start;
            var part = buffer[..(int)(end - start)];
            stream.ReadExactly(part);
            if (part.LastIndexOf((byte)'\n') is >= 0 and var at)
            {
                return start + at + 1;
            }

            end = start;
        }

        return 0;
    }
}
