using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace FailbackWorkflows.ReferenceRecorder.Recording;

/// <summary>
/// The reference recorder's segment format: a header, then frames of <c>length, time, payload, check</c>. The check lets a torn last
/// frame be told from a whole one after a crash.
/// </summary>
public static class SegmentFile
{
    public const string TemporarySuffix = ".tmp";

    /// <summary>Media type of this format: generated test material that no player shows.</summary>
    public const string ContentType = Recorders.Material.MediaTypes.Synthetic;

    private const int Overhead = sizeof(int) + sizeof(long) + CheckLength;
    private const int CheckLength = 4;
    private const int MostPayloadBytes = 16 * 1024 * 1024;

    public static ReadOnlySpan<byte> Header => "FBSEG1\n\0"u8;

    /// <summary>Bytes of one frame as they stand in the file.</summary>
    public static byte[] Encode(DateTimeOffset time, ReadOnlySpan<byte> payload)
    {
        var frame = new byte[payload.Length + Overhead];
        BinaryPrimitives.WriteInt32LittleEndian(frame, payload.Length);
        BinaryPrimitives.WriteInt64LittleEndian(frame.AsSpan(sizeof(int)), time.UtcTicks);
        payload.CopyTo(frame.AsSpan(sizeof(int) + sizeof(long)));
        Check(frame.AsSpan(0, frame.Length - CheckLength), frame.AsSpan(frame.Length - CheckLength));
        return frame;
    }

    /// <summary>How much of a file is whole, and the times of its first and last whole frame (null when there is none).</summary>
    public static (int WholeBytes, DateTimeOffset? First, DateTimeOffset? Last) Inspect(ReadOnlySpan<byte> file)
    {
        if (!file.StartsWith(Header))
        {
            return (0, null, null);
        }

        var position = Header.Length;
        DateTimeOffset? first = null;
        DateTimeOffset? last = null;
        Span<byte> check = stackalloc byte[CheckLength];
        while (file.Length - position >= Overhead)
        {
            var payload = BinaryPrimitives.ReadInt32LittleEndian(file[position..]);
            if (payload is < 0 or > MostPayloadBytes || file.Length - position < payload + Overhead)
            {
                break;
            }

            var frame = file.Slice(position, payload + Overhead);
            Check(frame[..^CheckLength], check);
            if (!frame[^CheckLength..].SequenceEqual(check))
            {
                break;
            }

            last = new DateTimeOffset(BinaryPrimitives.ReadInt64LittleEndian(frame[sizeof(int)..]), TimeSpan.Zero);
            first ??= last;
            position += frame.Length;
        }

        return (position, first, last);
    }

    private static void Check(ReadOnlySpan<byte> frame, Span<byte> check)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(frame, hash);
        hash[..CheckLength].CopyTo(check);
    }
}

/// <summary>What the built-in cameras, microphones and tills deliver: the same bytes for the same channel and time on every recorder.</summary>
public static class FrameGenerator
{
    private static readonly byte[] Key = SHA256.HashData("FailbackWorkflows reference recorder"u8);

    public static byte[] Payload(string channelId, Recorders.Recording.ChannelKind kind, DateTimeOffset time)
    {
        var blocks = kind switch
        {
            Recorders.Recording.ChannelKind.Video => 32,
            Recorders.Recording.ChannelKind.Audio => 5,
            _ => 2,
        };
        var payload = new byte[blocks * SHA256.HashSizeInBytes];
        var name = Encoding.UTF8.GetBytes(channelId);
        var seed = new byte[name.Length + sizeof(long) + sizeof(int)];
        name.CopyTo(seed, 0);
        BinaryPrimitives.WriteInt64LittleEndian(seed.AsSpan(name.Length), time.UtcTicks);
        for (var block = 0; block < blocks; block++)
        {
            BinaryPrimitives.WriteInt32LittleEndian(seed.AsSpan(name.Length + sizeof(long)), block);
            HMACSHA256.HashData(Key, seed, payload.AsSpan(block * SHA256.HashSizeInBytes));
        }

        return payload;
    }
}
