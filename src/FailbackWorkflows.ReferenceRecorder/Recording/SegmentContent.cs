using FailbackWorkflows.ReferenceRecorder.Recording.Video;

namespace FailbackWorkflows.ReferenceRecorder.Recording;

/// <summary>What one segment is made of. Decided when it begins: a segment has one media type from its first byte to its last.</summary>
internal abstract class SegmentContent
{
    /// <summary>Media type of the whole segment. It tells the truth: <c>video/mp4</c> only when a player shows it.</summary>
    public abstract string ContentType { get; }

    /// <summary>Bytes before the first frame.</summary>
    public abstract ReadOnlySpan<byte> Header { get; }

    public static SegmentContent Begin(PlannedChannel plan, DateTimeOffset from, TimeSpan interval, VideoClips clips) =>
        clips.Find(plan.ChannelId, plan.Kind) is { } clip ? new Playable(clip, plan.ChannelId, from, interval) : new Synthetic(plan);

    /// <summary>The bytes of the next frame, which is taken at <paramref name="time"/>.</summary>
    public abstract byte[] NextFrame(DateTimeOffset time);

    /// <summary>How much of a file that was left is whole, and the times of its first and last whole frame.</summary>
    public static (int WholeBytes, DateTimeOffset? First, DateTimeOffset? Last) Inspect(string contentType, ReadOnlySpan<byte> file) =>
        contentType == VideoSegmentFile.ContentType ? VideoSegmentFile.Inspect(file) : SegmentFile.Inspect(file);

    private sealed class Synthetic(PlannedChannel plan) : SegmentContent
    {
        public override string ContentType => SegmentFile.ContentType;

        public override ReadOnlySpan<byte> Header => SegmentFile.Header;

        public override byte[] NextFrame(DateTimeOffset time) => SegmentFile.Encode(time, FrameGenerator.Payload(plan.ChannelId, plan.Kind, time));
    }

    private sealed class Playable(VideoClip clip, string channelId, DateTimeOffset from, TimeSpan interval) : SegmentContent
    {
        private int _frames;

        public override string ContentType => VideoSegmentFile.ContentType;

        public override ReadOnlySpan<byte> Header => clip.Header;

        public override byte[] NextFrame(DateTimeOffset time) => clip.Frame(channelId, from, _frames++, interval);
    }
}
