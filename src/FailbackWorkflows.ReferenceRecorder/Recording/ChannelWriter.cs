using System.Globalization;
using System.Security.Cryptography;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.Recording;
using FailbackWorkflows.ReferenceRecorder.Recording.Video;
using FailbackWorkflows.ReferenceRecorder.Records;
using FailbackWorkflows.ReferenceRecorder.Segments;
using FailbackWorkflows.ReferenceRecorder.Storage;

namespace FailbackWorkflows.ReferenceRecorder.Recording;

/// <summary>A channel that should be recorded now, under one epoch.</summary>
public sealed record PlannedChannel(string Identity, string ChannelId, ChannelKind Kind, long Epoch, bool Provisional, string? Camera = null);

/// <summary>
/// Writes the frames of one channel: of video and audio into growing segments, of text as records. What analytics and alarm inputs deliver
/// beside them are records too. Used under the store's lock only.
/// </summary>
internal sealed class ChannelWriter(PlannedChannel plan, DateTimeOffset nextFrame, DataFolder folder, string machineId, VideoClips clips, RecordPace pace) : IDisposable
{
    private readonly List<GrowingSegment> _full = [];
    private readonly List<RecordRow> _records = [];
    private GrowingSegment? _growing;
    private DateTimeOffset _nextStep = Grid.Ceiling(nextFrame, RecordGenerator.Step);
    private (DateTimeOffset First, DateTimeOffset Last)? _lines;
    private bool _hasConfirmedLines;

    public PlannedChannel Plan => plan;

    /// <summary>Time of the next frame that is due.</summary>
    public DateTimeOffset NextFrame { get; private set; } = nextFrame;

    /// <summary>There is a segment that the index does not know yet, or one that is full.</summary>
    public bool WantsIndex => _full.Count > 0 || _growing is { IsIndexed: false } || (_lines is not null && !_hasConfirmedLines);

    /// <summary>There are frames or records that are not on disk and in the index yet.</summary>
    public bool HasUnconfirmed => _records.Count > 0 || _lines is not null || Unconfirmed.Any();

    /// <summary>Records that are not stored yet.</summary>
    public IReadOnlyList<RecordRow> Records => _records;

    /// <summary>First and last frame of a text channel since the last confirmation; null when there was none.</summary>
    public (DateTimeOffset First, DateTimeOffset Last)? Lines => _lines;

    /// <summary>Segments with frames that are not flushed and indexed yet.</summary>
    public IEnumerable<GrowingSegment> Unconfirmed => _growing is { HasUnconfirmed: true } ? [.. _full, _growing] : _full;

    /// <summary>Writes all frames due up to <paramref name="now"/>.</summary>
    public void WriteDue(DateTimeOffset now, TimeSpan interval, TimeSpan segmentLength, TimeSpan longestCatchUp)
    {
        if (now - NextFrame > longestCatchUp)
        {
            // Frames that no camera buffers that long: a gap, so the span ends here.
            Fill();
            GoOnFrom(Grid.Floor(now, interval));
        }
        else if (NextFrame - now > longestCatchUp + (2 * interval))
        {
            // The clock was set back. To wait until it is that late again would leave a hole; the times that come twice are two spans.
            Fill();
            GoOnFrom(Grid.Ceiling(now, interval));
        }

        for (; NextFrame <= now; NextFrame += interval)
        {
            if (plan.Kind == ChannelKind.Text)
            {
                WriteLine();
            }
            else
            {
                WriteFrame(interval, segmentLength);
            }

            for (; _nextStep <= NextFrame; _nextStep += RecordGenerator.Step)
            {
                _records.AddRange(RecordGenerator.At(plan, machineId, _nextStep, pace));
            }
        }
    }

    /// <summary>What was unconfirmed is on disk and in the index.</summary>
    public void ForgetConfirmed()
    {
        _full.Clear();
        _records.Clear();
        _hasConfirmedLines |= _lines is not null;
        _lines = null;
    }

    /// <summary>No more frames go into the growing segment.</summary>
    public void Fill()
    {
        if (_growing is not null)
        {
            _growing.IsFull = true;
            _full.Add(_growing);
            _growing = null;
        }
    }

    public void Dispose()
    {
        foreach (var segment in _full)
        {
            segment.Dispose();
        }

        _growing?.Dispose();
    }

    private void GoOnFrom(DateTimeOffset frame)
    {
        NextFrame = frame;
        _nextStep = Grid.Ceiling(frame, RecordGenerator.Step);
    }

    private void WriteFrame(TimeSpan interval, TimeSpan segmentLength)
    {
        if (_growing is not null && Grid.Floor(NextFrame, segmentLength) > _growing.From)
        {
            Fill();
        }

        _growing ??= GrowingSegment.Open(plan, NextFrame, SegmentContent.Begin(plan, NextFrame, interval, clips), folder, machineId);
        _growing.Append(NextFrame, interval);
    }

    /// <summary>A till is heard with every frame, also when it prints nothing; what it prints comes with the seconds.</summary>
    private void WriteLine()
    {
        if (_lines is null && !_hasConfirmedLines && NextFrame != _nextStep)
        {
            _records.Add(RecordGenerator.Line(plan, machineId, NextFrame));
        }

        _lines = (_lines?.First ?? NextFrame, NextFrame);
    }
}

/// <summary>A segment under its temporary name.</summary>
internal sealed class GrowingSegment : IDisposable
{
    private readonly FileStream _file;
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly PlannedChannel _plan;
    private readonly SegmentContent _content;
    private readonly string _machineId;
    private readonly string _finalPath;
    private readonly string _relativePath;
    private readonly SegmentInit? _init;
    private long _bytes;
    private string? _sha256;

    private GrowingSegment(PlannedChannel plan, DateTimeOffset from, SegmentContent content, string finalPath, string relativePath, string segmentId, string machineId, FileStream file)
    {
        _plan = plan;
        _content = content;
        _machineId = machineId;
        From = from;
        _finalPath = finalPath;
        _relativePath = relativePath;
        SegmentId = segmentId;
        _file = file;
        _init = InitSegments.Of(content.ContentType, content.Header);
        Write(content.Header);
    }

    public string SegmentId { get; }

    public DateTimeOffset From { get; }

    public DateTimeOffset To { get; private set; }

    public DateTimeOffset LastFrame { get; private set; }

    public bool IsFull { get; set; }

    public bool IsIndexed { get; set; }

    public bool HasUnconfirmed { get; private set; }

    public string Folder => Path.GetDirectoryName(_finalPath)!;

    public static GrowingSegment Open(PlannedChannel plan, DateTimeOffset from, SegmentContent content, DataFolder folder, string machineId)
    {
        var name = $"{from.UtcTicks}~{machineId[..8]}";
        var (relative, path) = Place(plan, name, folder);
        DurableFiles.EnsureFolder(Path.GetDirectoryName(path)!);
        for (var number = 2; File.Exists(path) || File.Exists(path + SegmentFile.TemporarySuffix); number++)
        {
            // The same time again: the clock was set back.
            name = string.Create(CultureInfo.InvariantCulture, $"{from.UtcTicks}~{machineId[..8]}~{number}");
            (relative, path) = Place(plan, name, folder);
        }

        var file = new FileStream(path + SegmentFile.TemporarySuffix, FileMode.CreateNew, FileAccess.Write, FileShare.Read, bufferSize: 0);
        return new GrowingSegment(plan, from, content, path, relative, $"{SegmentStore.TrackId(plan.Identity, plan.ChannelId)}~{name}", machineId, file);
    }

    public void Append(DateTimeOffset time, TimeSpan interval)
    {
        Write(_content.NextFrame(time));
        LastFrame = time;
        To = time + interval;
        HasUnconfirmed = true;
    }

    public void Flush() => _file.Flush(flushToDisk: true);

    /// <summary>Flushed before: the file gets its final name and its digest.</summary>
    public void Publish()
    {
        _sha256 = Convert.ToHexStringLower(_hash.GetHashAndReset());
        Dispose();
        DurableFiles.Publish(_finalPath + SegmentFile.TemporarySuffix, _finalPath);
    }

    public void Confirmed()
    {
        HasUnconfirmed = false;
        IsIndexed = true;
    }

    public SegmentRow ToRow(DateTimeOffset now) => new(
        SegmentId,
        _plan.Identity,
        _plan.ChannelId,
        SegmentStore.TrackId(_plan.Identity, _plan.ChannelId),
        _plan.Epoch,
        From,
        To,
        _bytes,
        _sha256,
        _plan.Provisional ? DisputeState.Provisional : DisputeState.None,
        _plan.Provisional ? From : null,
        _relativePath,
        _machineId,
        _content.ContentType,
        now,
        TaskId: null,
        Init: _init);

    public void Dispose()
    {
        _file.Dispose();
        _hash.Dispose();
    }

    private static (string Relative, string Path) Place(PlannedChannel plan, string name, DataFolder folder)
    {
        var relative = Path.Combine(plan.Identity, plan.ChannelId, name + ".seg");
        return (relative, Path.Combine(folder.SegmentsPath, relative));
    }

    private void Write(ReadOnlySpan<byte> bytes)
    {
        _file.Write(bytes);
        _hash.AppendData(bytes);
        _bytes += bytes.Length;
    }
}

/// <summary>Frame times lie on a grid counted from year 1, so that two recorders of the same channel write the same frames.</summary>
internal static class Grid
{
    public static DateTimeOffset Floor(DateTimeOffset time, TimeSpan step) => new(time.UtcTicks - (time.UtcTicks % step.Ticks), TimeSpan.Zero);

    public static DateTimeOffset Ceiling(DateTimeOffset time, TimeSpan step)
    {
        var floor = Floor(time, step);
        return floor.UtcTicks == time.UtcTicks ? floor : floor + step;
    }
}
