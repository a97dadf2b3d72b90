using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace FailbackWorkflows.ReferenceRecorder.Recording.Video;

/// <summary>
/// A short encoded clip, cut into what segments are made of: the part that every segment begins with, and one fragment per frame. It is
/// encoded once and used again and again, because encoding for every channel all the time would cost more than recording itself.
/// </summary>
internal sealed class VideoClip
{
    private readonly IReadOnlyList<Fragment> _frames;
    private readonly int _framesPerGroup;
    private readonly uint _timescale;

    private VideoClip(byte[] header, uint timescale, int framesPerGroup, IReadOnlyList<Fragment> frames)
    {
        Header = header;
        _timescale = timescale;
        _framesPerGroup = framesPerGroup;
        _frames = frames;
    }

    /// <summary><c>ftyp</c> and <c>moov</c>: what a player must know before the first frame.</summary>
    public byte[] Header { get; }

    /// <summary>Reads a fragmented MP4 of one track with one frame per fragment, whose every <paramref name="framesPerGroup"/>-th frame stands alone.</summary>
    /// <exception cref="InvalidDataException">It is something else, or ends too early.</exception>
    public static VideoClip Parse(ReadOnlyMemory<byte> file, int framesPerGroup)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(framesPerGroup);
        var headerLength = 0;
        uint? timescale = null;
        var frames = new List<Fragment>();
        ReadOnlyMemory<byte>? moof = null;
        for (var rest = file; rest.Length > 0;)
        {
            var box = Mp4Box.Read(rest.Span) ?? throw new InvalidDataException("The clip ends within a box.");
            var bytes = rest[..box.Length];
            switch (box.Type)
            {
                case "ftyp" or "moov" when frames.Count == 0 && moof is null:
                    headerLength = file.Length - rest.Length + box.Length;
                    timescale ??= box.Type == "moov" ? TimescaleOf(bytes.Span) : null;
                    break;
                case "moof":
                    moof = bytes;
                    break;
                case "mdat" when moof is { } description:
                    frames.Add(Fragment.Of(description.Span, bytes.Span));
                    moof = null;
                    break;
            }

            rest = rest[box.Length..];
        }

        // Whole groups only, so that a segment may begin with any of them and go around at the end.
        var whole = frames.Count - (frames.Count % framesPerGroup);
        return timescale is > 0 && whole > 0
            ? new VideoClip(file[..headerLength].ToArray(), timescale.Value, framesPerGroup, frames[..whole])
            : throw new InvalidDataException($"The clip has {frames.Count} frames and {(timescale is null ? "no" : "a")} timescale; at least {framesPerGroup} frames are needed.");
    }

    /// <summary>
    /// A frame of a segment as it stands in the file: the picture, then a box that says whose it is and when it was taken. The box makes the
    /// bytes unlike those of any other channel and time, and lets a torn last frame be told from a whole one; players skip it.
    /// </summary>
    /// <param name="from">Start of the segment; decides with which part of the clip it begins.</param>
    /// <param name="index">0 for the first frame of the segment.</param>
    public byte[] Frame(string channelId, DateTimeOffset from, int index, TimeSpan interval)
    {
        var groups = _frames.Count / _framesPerGroup;
        var firstGroup = from.UtcTicks / interval.Ticks / _framesPerGroup % groups;
        var picture = _frames[(int)(((firstGroup * _framesPerGroup) + index) % _frames.Count)];
        var shownAt = (ulong)(index * (decimal)interval.Ticks * _timescale / TimeSpan.TicksPerSecond);
        return VideoSegmentFile.Sign(picture.At((uint)index + 1, shownAt), channelId, from + (index * interval));
    }

    private static uint TimescaleOf(ReadOnlySpan<byte> moov)
    {
        var mdhd = Mp4Box.Find(moov, "trak", "mdia", "mdhd");
        var place = mdhd.Length > 8 && mdhd[8] == 1 ? 28 : 20;
        return mdhd.Length >= place + sizeof(uint) ? BinaryPrimitives.ReadUInt32BigEndian(mdhd[place..]) : throw new InvalidDataException("The clip's mdhd box is too short.");
    }

    /// <summary><c>moof</c> and <c>mdat</c> of one frame, and where its number and time stand.</summary>
    private sealed record Fragment(byte[] Bytes, int NumberAt, int TimeAt, bool HasLongTime)
    {
        public static Fragment Of(ReadOnlySpan<byte> moof, ReadOnlySpan<byte> mdat)
        {
            var number = Mp4Box.Find(moof, "mfhd");
            var time = Mp4Box.Find(moof, "traf", "tfdt");
            var hasLongTime = time.Length >= 20 && time[8] == 1;
            return number.Length >= 16 && time.Length >= 16
                ? new([.. moof, .. mdat], Mp4Box.OffsetOf(moof, number) + 12, Mp4Box.OffsetOf(moof, time) + 12, hasLongTime)
                : throw new InvalidDataException("A frame of the clip has no number or no time.");
        }

        /// <summary>The same picture at another place of a timeline. Offsets within are relative to the fragment, so it may stand anywhere.</summary>
        public byte[] At(uint number, ulong time)
        {
            var bytes = Bytes.ToArray();
            BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(NumberAt), number);
            if (HasLongTime)
            {
                BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(TimeAt), time);
            }
            else
            {
                BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(TimeAt), (uint)time);
            }

            return bytes;
        }
    }
}

/// <summary>
/// Segments of video that any player shows: fragmented MP4, each playable by itself and up to its last whole frame. Every frame is
/// <c>moof mdat uuid</c>; the <c>uuid</c> box holds the frame's time in ticks, its channel and a check over all three.
/// </summary>
public static class VideoSegmentFile
{
    /// <summary>Media type of these segments.</summary>
    public const string ContentType = "video/mp4";

    private const int CheckLength = 4;
    private const int TimeAt = 24;
    private const int LeastIdentityBox = TimeAt + sizeof(long) + CheckLength;

    /// <summary>The extended type of our box: any 16 bytes nobody else uses.</summary>
    private static ReadOnlySpan<byte> IdentityType => "failback segment"u8;

    /// <summary>How much of a file is whole, and the times of its first and last whole frame (null when there is none).</summary>
    public static (int WholeBytes, DateTimeOffset? First, DateTimeOffset? Last) Inspect(ReadOnlySpan<byte> file)
    {
        var whole = 0;
        var frameFrom = 0;
        DateTimeOffset? first = null;
        DateTimeOffset? last = null;
        for (var position = 0; Mp4Box.Read(file[position..]) is { } box;)
        {
            switch (box.Type)
            {
                case "moof":
                    frameFrom = position;
                    break;
                case "uuid":
                    if (TimeOf(file[frameFrom..(position + box.Length)], position - frameFrom) is not { } time)
                    {
                        return (whole, first, last);
                    }

                    last = time;
                    first ??= time;
                    whole = position + box.Length;
                    break;
            }

            position += box.Length;
        }

        return (whole, first, last);
    }

    /// <summary>The frame with the box that says whose it is.</summary>
    internal static byte[] Sign(ReadOnlySpan<byte> frame, string channelId, DateTimeOffset time)
    {
        var name = Encoding.UTF8.GetBytes(channelId);
        var signed = new byte[frame.Length + LeastIdentityBox + name.Length];
        frame.CopyTo(signed);
        var box = signed.AsSpan(frame.Length);
        BinaryPrimitives.WriteInt32BigEndian(box, box.Length);
        "uuid"u8.CopyTo(box[4..]);
        IdentityType.CopyTo(box[8..]);
        BinaryPrimitives.WriteInt64BigEndian(box[TimeAt..], time.UtcTicks);
        name.CopyTo(box[(TimeAt + sizeof(long))..]);
        Check(signed.AsSpan(0, signed.Length - CheckLength), signed.AsSpan(signed.Length - CheckLength));
        return signed;
    }

    private static DateTimeOffset? TimeOf(ReadOnlySpan<byte> frame, int boxAt)
    {
        var box = frame[boxAt..];
        if (box.Length < LeastIdentityBox || !box[8..].StartsWith(IdentityType))
        {
            return null;
        }

        Span<byte> check = stackalloc byte[CheckLength];
        Check(frame[..^CheckLength], check);
        return frame[^CheckLength..].SequenceEqual(check) ? new DateTimeOffset(BinaryPrimitives.ReadInt64BigEndian(box[TimeAt..]), TimeSpan.Zero) : null;
    }

    private static void Check(ReadOnlySpan<byte> frame, Span<byte> check)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(frame, hash);
        hash[..CheckLength].CopyTo(check);
    }
}

/// <summary>A box of an MP4 file: its length with the 8 bytes of its head, and its type.</summary>
internal readonly record struct Mp4Box(int Length, string Type)
{
    private const int Head = 8;

    /// <summary>The box at the beginning; null when it is not all there. Boxes of 64-bit length or open end are not used in clips or segments.</summary>
    public static Mp4Box? Read(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < Head)
        {
            return null;
        }

        var length = BinaryPrimitives.ReadUInt32BigEndian(bytes);
        return length >= Head && length <= bytes.Length ? new((int)length, Encoding.Latin1.GetString(bytes[4..Head])) : null;
    }

    /// <summary>The box within <paramref name="box"/> along a path of types.</summary>
    /// <exception cref="InvalidDataException">There is none.</exception>
    public static ReadOnlySpan<byte> Find(ReadOnlySpan<byte> box, params ReadOnlySpan<string> path)
    {
        for (var rest = box[Head..]; Read(rest) is { } inner; rest = rest[inner.Length..])
        {
            if (inner.Type == path[0])
            {
                return path.Length == 1 ? rest[..inner.Length] : Find(rest[..inner.Length], path[1..]);
            }
        }

        throw new InvalidDataException($"The clip has no {path[0]} box where one belongs.");
    }

    /// <summary>Where a part that <see cref="Find"/> gave begins.</summary>
    public static int OffsetOf(ReadOnlySpan<byte> whole, ReadOnlySpan<byte> part) =>
        whole.Overlaps(part, out var offset) ? offset : throw new ArgumentException("It is not a part of the whole.", nameof(part));
}
