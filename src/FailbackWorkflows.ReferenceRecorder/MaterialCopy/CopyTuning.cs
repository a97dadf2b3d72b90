using FailbackWorkflows.Recorders;
using FailbackWorkflows.ReferenceRecorder.Retention;

namespace FailbackWorkflows.ReferenceRecorder.MaterialCopy;

/// <summary>Numbers of the copier that no operator needs to set; tests make them small.</summary>
internal sealed record CopyTuning
{
    /// <summary>Segments of a channel in flight, if the source allows as many reads.</summary>
    public int ParallelFetches { get; init; } = 8;

    /// <summary>Segments that share flushed folders and an index transaction.</summary>
    public int SegmentsPerCommit { get; init; } = 128;

    /// <summary>Bytes after which a batch is committed whatever its number of segments, so that much is never far from being safe.</summary>
    public long BytesPerCommit { get; init; } = 64L * 1024 * 1024;

    public int RecordsPerCommit { get; init; } = 2_000;

    /// <summary>Items asked for in one page.</summary>
    public int PageItems { get; init; } = 1_000;

    public int RecordPageItems { get; init; } = 10_000;

    /// <summary>Largest segment that is fetched: a peer must not fill the disk with one answer.</summary>
    public long MaxSegmentBytes { get; init; } = 4L * 1024 * 1024 * 1024;

    /// <summary>Largest listing, and longest line of records.</summary>
    public int MaxPageBytes { get; init; } = 32 * 1024 * 1024;

    public int MaxLineBytes { get; init; } = 1024 * 1024;

    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Without a byte for this long, a transfer is given up and repeated later.</summary>
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Immediate repeats of one segment whose connection breaks, before its channel is put off.</summary>
    public int RepeatsPerSegment { get; init; } = 4;

    /// <summary>Runs of a channel without any progress before what it lacks is given up.</summary>
    public int AttemptsPerChannel { get; init; } = 5;

    public TimeSpan FirstBackoff { get; init; } = TimeSpan.FromSeconds(1);

    public TimeSpan LongestBackoff { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>How long the end of the period may still be growing at the source.</summary>
    public TimeSpan GrowingWait { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>Room left above the point at which older material gives way, for what is recorded while a batch is being written.</summary>
    public long RoomForRecordingBytes { get; init; } = 32L * 1024 * 1024;

    /// <summary>How far recording may be behind before copying yields.</summary>
    public TimeSpan RecordingLag { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>Rounds of closing and verifying that still find something to fetch.</summary>
    public int ClosingRounds { get; init; } = 3;

    /// <summary>Single losses named per channel; what is beyond is told as stretches.</summary>
    public int LossesPerChannel { get; init; } = 1_000;

    /// <summary>
    /// What a copy may still write. It ends before the point at which the ring storage makes room: otherwise newer material would be deleted for
    /// the sake of older copies. Negative when the copy has to wait.
    /// </summary>
    public long RoomIn(StorageState storage) => storage.FreeBytes - Housekeeping.GivesWayBelow(storage) - RoomForRecordingBytes;

    public TimeSpan BackoffAfter(int attempts) =>
        TimeSpan.FromTicks(Math.Min(LongestBackoff.Ticks, FirstBackoff.Ticks << Math.Clamp(attempts - 1, 0, 20)));
}
