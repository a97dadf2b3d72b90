using System.Buffers.Binary;
using System.Security.Cryptography;
using FailbackWorkflows.Recorders.Material;
using Microsoft.Win32.SafeHandles;

namespace FailbackWorkflows.ReferenceRecorder.Segments;

/// <summary>
/// Finds the init segment that a segment begins with. It is read from the bytes that are stored, whoever recorded them and whatever their list
/// says, so that two recorders come to the same.
/// </summary>
internal static class InitSegments
{
    private const int Head = 8;

    /// <summary>A larger one is none: it would have to be held in memory.</summary>
    private const int MostBytes = 1024 * 1024;

    /// <summary>Of a whole file; null when its media type has no init segment, or it does not begin with one.</summary>
    public static SegmentInit? Read(string contentType, SafeFileHandle file)
    {
        if (!HasInit(contentType))
        {
            return null;
        }

        var bytes = new byte[(int)Math.Min(MostBytes, RandomAccess.GetLength(file))];
        return Of(contentType, bytes.AsSpan(0, RandomAccess.Read(file, bytes, 0)));
    }

    /// <summary>Of the beginning of a file: all boxes before the first fragment, a <c>moov</c> among them.</summary>
    public static SegmentInit? Of(string contentType, ReadOnlySpan<byte> beginning)
    {
        if (!HasInit(contentType))
        {
            return null;
        }

        var hasMoov = false;
        for (var at = 0; ;)
        {
            var rest = beginning[at..];
            var type = rest.Length >= Head ? rest[4..Head] : default;
            if (rest.IsEmpty || type.SequenceEqual("moof"u8) || type.SequenceEqual("mdat"u8) || type.SequenceEqual("styp"u8) || type.SequenceEqual("sidx"u8))
            {
                return hasMoov ? new SegmentInit(at, Convert.ToHexStringLower(SHA256.HashData(beginning[..at]))) : null;
            }

            if (rest.Length < Head || BinaryPrimitives.ReadUInt32BigEndian(rest) is var length && (length < Head || length > rest.Length))
            {
                return null;
            }

            hasMoov |= type.SequenceEqual("moov"u8);
            at += (int)BinaryPrimitives.ReadUInt32BigEndian(rest);
        }
    }

    private static bool HasInit(string contentType) =>
        contentType.StartsWith("video/mp4", StringComparison.OrdinalIgnoreCase) || contentType.StartsWith("audio/mp4", StringComparison.OrdinalIgnoreCase);
}
