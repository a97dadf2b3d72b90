using System.Buffers.Binary;
using System.Text;

namespace FailbackWorkflows.Tests.ReferenceRecorder.Recording.Video;

/// <summary>A fragmented MP4 in its smallest form, with pictures of a few bytes: enough for whoever cuts and joins boxes, on machines without ffmpeg too.</summary>
internal static class TinyClip
{
    public const uint Timescale = 10_000;

    /// <param name="width">Of the picture, in pixels; height is 180.</param>
    /// <param name="codec">Name of the sample entry.</param>
    public static byte[] Bytes(int frames, int width = 320, string codec = "avc1")
    {
        var entry = new byte[78];
        BinaryPrimitives.WriteUInt16BigEndian(entry.AsSpan(24), (ushort)width);
        BinaryPrimitives.WriteUInt16BigEndian(entry.AsSpan(26), 180);
        var stsd = Box("stsd", [0, 0, 0, 0, 0, 0, 0, 1], Box(codec, entry));
        var mdhd = new byte[24];
        BinaryPrimitives.WriteUInt32BigEndian(mdhd.AsSpan(12), Timescale);
        var clip = new List<byte>([.. Box("ftyp", "isom"u8), .. Box("moov", Box("mvhd", new byte[100]), Box("trak", Box("mdia", Box("mdhd", mdhd), Box("minf", Box("stbl", stsd)))))]);
        for (var frame = 0; frame < frames; frame++)
        {
            clip.AddRange(Box("moof", Box("mfhd", new byte[8]), Box("traf", Box("tfdt", [1, 0, 0, 0, 9, 9, 9, 9, 9, 9, 9, 9]))));
            clip.AddRange(Box("mdat", Encoding.ASCII.GetBytes($"picture {frame}")));
        }

        return [.. clip, .. Box("mfra", new byte[4])];
    }

    /// <summary>An executable that answers as ffmpeg would, with this clip; whatever it is asked.</summary>
    public static string WriteProgram(string folder, int frames) => WriteScript(folder, $"cat '{WriteClip(folder, frames)}'");

    public static string WriteScript(string folder, string command)
    {
        var path = Path.Combine(folder, "encoder.sh");
        File.Delete(path);
        File.WriteAllText(path, $"#!/bin/sh\n{command}\n");
        if (OperatingSystem.IsWindows())
        {
            throw new PlatformNotSupportedException("A shell script stands in for ffmpeg here.");
        }

        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        return path;
    }

    private static string WriteClip(string folder, int frames)
    {
        var path = Path.Combine(folder, "clip.mp4");
        File.WriteAllBytes(path, Bytes(frames));
        return path;
    }

    private static byte[] Box(string type, params byte[][] parts) => Box(type, parts.SelectMany(p => p).ToArray().AsSpan());

    private static byte[] Box(string type, ReadOnlySpan<byte> body)
    {
        var box = new byte[8 + body.Length];
        BinaryPrimitives.WriteInt32BigEndian(box, box.Length);
        Encoding.ASCII.GetBytes(type, box.AsSpan(4));
        body.CopyTo(box.AsSpan(8));
        return box;
    }
}
