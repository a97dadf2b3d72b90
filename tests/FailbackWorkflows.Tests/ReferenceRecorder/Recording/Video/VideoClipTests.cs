using System.Buffers.Binary;
using System.Security.Cryptography;
using FailbackWorkflows.ReferenceRecorder.Recording.Video;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.ReferenceRecorder.Recording.Video;

public sealed class VideoClipTests
{
    private static readonly DateTimeOffset From = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);
    private static readonly VideoClip Clip = VideoClip.Parse(TinyClip.Bytes(20), 10);

    [Fact]
    public void Segment_OfTheSameChannelAndTime_IsTheSame_AndOfAnyOtherIsAnother()
    {
        var one = Sha256(Segment("video-1", From, 10));

        Sha256(Segment("video-1", From, 10)).ShouldBe(one);
        // The clip goes around after 4 s: the pictures are the same again, the segments are not.
        new[] { Segment("video-2", From, 10), Segment("video-1", From.AddSeconds(4), 10), Segment("video-1", From.AddTicks(1), 10), Segment("video-1", From, 9) }
            .Select(Sha256).Append(one).ShouldBeUnique();
    }

    [Fact]
    public void Segment_IsAFragmentedMp4_WithItsOwnTimeline()
    {
        var boxes = Boxes(Segment("video-1", From.AddSeconds(2), 12));

        boxes.Select(b => b.Type).ShouldBe(["ftyp", "moov", .. Enumerable.Repeat<string[]>(["moof", "mdat", "uuid"], 12).SelectMany(t => t)]);
        var moofs = boxes.Where(b => b.Type == "moof").ToList();
        moofs.Select(b => BinaryPrimitives.ReadUInt32BigEndian(Mp4Box.Find(b.Bytes, "mfhd")[12..])).ShouldBe(Enumerable.Range(1, 12).Select(n => (uint)n));
        moofs.Select(b => BinaryPrimitives.ReadUInt64BigEndian(Mp4Box.Find(b.Bytes, "traf", "tfdt")[12..])).ShouldBe(Enumerable.Range(0, 12).Select(n => (ulong)n * 2000));
        // The second 2 s of the clip begin with its second group; then it goes around.
        boxes.Where(b => b.Type == "mdat").Select(b => System.Text.Encoding.ASCII.GetString(b.Bytes.AsSpan(8)))
            .ShouldBe(Enumerable.Range(0, 12).Select(n => $"picture {(10 + n) % 20}"));
    }

    [Fact]
    public void Inspect_WholeSegment_TellsItsFrames()
    {
        var segment = Segment("video-1", From, 10);

        VideoSegmentFile.Inspect(segment).ShouldBe((segment.Length, From, From + (9 * Interval)));
        VideoSegmentFile.Inspect(Clip.Header).ShouldBe((0, null, null));
        VideoSegmentFile.Inspect([]).ShouldBe((0, null, null));
    }

    [Fact]
    public void Inspect_TornAnywhereInTheLastFrame_KeepsTheFramesBefore()
    {
        var nine = Segment("video-1", From, 9).Length;
        var ten = Segment("video-1", From, 10);
        for (var length = nine; length < ten.Length; length++)
        {
            VideoSegmentFile.Inspect(ten.AsSpan(0, length)).ShouldBe((nine, From, From + (8 * Interval)));
        }

        // A disk that was switched off may leave the length and not the bytes.
        for (var place = nine; place < ten.Length; place++)
        {
            var spoilt = ten.ToArray();
            spoilt[place] ^= 0xff;
            VideoSegmentFile.Inspect(spoilt).WholeBytes.ShouldBe(nine);
        }
    }

    [Fact]
    public void Parse_SomethingElse_IsRefused()
    {
        var clip = TinyClip.Bytes(20);
        foreach (var file in new[] { [], "ffmpeg: not found"u8.ToArray(), clip[..^5], clip[..60], TinyClip.Bytes(9) })
        {
            Should.Throw<InvalidDataException>(() => VideoClip.Parse(file, 10));
        }
    }

    private static byte[] Segment(string channelId, DateTimeOffset from, int frames) =>
        [.. Clip.Header, .. Enumerable.Range(0, frames).SelectMany(index => Clip.Frame(channelId, from, index, Interval))];

    private static string Sha256(byte[] bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));

    private static List<(string Type, byte[] Bytes)> Boxes(byte[] file)
    {
        var boxes = new List<(string, byte[])>();
        for (var position = 0; position < file.Length;)
        {
            var box = Mp4Box.Read(file.AsSpan(position)) ?? throw new InvalidDataException($"No box at {position}.");
            boxes.Add((box.Type, file[position..(position + box.Length)]));
            position += box.Length;
        }

        return boxes;
    }
}
