using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.ReferenceRecorder.MaterialCopy.Queue;

namespace FailbackWorkflows.ReferenceRecorder.MaterialCopy.Copying;

/// <summary>An item of a lane, from when it is known until it is stored or given up.</summary>
internal sealed class LaneItem(DateTimeOffset to)
{
    public DateTimeOffset To { get; } = to;

    public bool IsDone { get; set; }
}

/// <summary>A segment on its way.</summary>
internal sealed record FetchJob(TrackLane Lane, LaneItem Item, Segment Segment, bool Overlaps);

/// <summary>
/// A pass over one track. Several segments are in flight; the position is the end of the last one before which nothing is missing, so
/// that going on from there leaves no hole whatever the order in which they were stored.
/// </summary>
internal sealed class TrackLane(string pass, Track track, CopyPosition known)
{
    private readonly Lock _lock = new();
    private readonly Queue<LaneItem> _items = new();
    private readonly List<(Segment Segment, string Reason)> _failed = [];
    private readonly List<CopyLoss> _losses = [];
    private TaskCompletionSource? _drained;
    private DateTimeOffset? _position = known.Position;
    private long _inFlight;
    private long _done = known.Done;
    private long _bytes = known.BytesDone;

    public Track Track { get; } = track;

    public string Pass { get; } = pass;

    public long? Total { get; set; } = known.Total;

    public long? BytesTotal { get; set; } = known.BytesTotal;

    public int Attempts { get; set; } = known.Attempts;

    public bool IsDone { get; set; } = known.IsDone;

    public string? Error { get; set; } = known.Error;

    public DateTimeOffset? NotBefore { get; set; }

    /// <summary>Since when the end of the track was seen growing.</summary>
    public DateTimeOffset? GrowingSince { get; set; }

    public DateTimeOffset? Position
    {
        get
        {
            lock (_lock)
            {
                return _position;
            }
        }
    }

    /// <summary>Why nothing more should be asked for now; one broken transfer is enough, others of the channel would break as well.</summary>
    public string? Trouble { get; private set; }

    /// <summary>A transfer was called off since the run began: what it would have brought is not here, and nothing is wrong with it.</summary>
    public bool IsCalledOff { get; private set; }

    /// <summary>What was counted as stored was taken back, so that neither position nor counters are true any more. Where the last commit left them counts.</summary>
    public bool IsUnsure { get; private set; }

    /// <summary>Something was stored since the run began.</summary>
    public bool HasProgress { get; private set; }

    /// <summary>Forgets what went wrong in the former run.</summary>
    public void Begin()
    {
        lock (_lock)
        {
            _items.Clear();
            _failed.Clear();
            Trouble = null;
            HasProgress = false;
            IsCalledOff = false;
        }
    }

    public LaneItem Add(DateTimeOffset to, bool isDone)
    {
        var item = new LaneItem(to) { IsDone = isDone };
        lock (_lock)
        {
            _items.Enqueue(item);
            _inFlight += isDone ? 0 : 1;
            Advance();
        }

        return item;
    }

    /// <summary>Nothing behind this point counts as reached: the segment here is not whole yet at the source.</summary>
    public void Block()
    {
        lock (_lock)
        {
            _items.Enqueue(new LaneItem(DateTimeOffset.MinValue));
        }
    }

    public void Stored(LaneItem item, long bytes)
    {
        lock (_lock)
        {
            item.IsDone = true;
            _done++;
            _bytes += bytes;
            HasProgress = true;
            Settle();
        }
    }

    /// <summary>Given up: repeating would not mend it.</summary>
    public void Lost(LaneItem item, Segment segment, string reason)
    {
        lock (_lock)
        {
            item.IsDone = true;
            _losses.Add(LossOf(segment, reason));
            Settle();
        }
    }

    /// <summary>Never asked for: what the list says of it cannot be.</summary>
    public void Refuse(Segment segment, string reason)
    {
        lock (_lock)
        {
            _losses.Add(LossOf(segment, reason));
        }
    }

    /// <summary>Not now: the position stays before it.</summary>
    public void Failed(Segment segment, string reason, string sentence, bool isTrouble)
    {
        lock (_lock)
        {
            _failed.Add((segment, reason));
            Error = sentence;
            Trouble = isTrouble ? sentence : Trouble;
            Settle();
        }
    }

    /// <summary>The transfer was called off; nothing is said about the segment.</summary>
    public void CalledOff()
    {
        lock (_lock)
        {
            IsCalledOff = true;
            Settle();
        }
    }

    /// <summary>The commit that was to store the item failed; whether it had been counted already is not known.</summary>
    public void NotCommitted(LaneItem item)
    {
        lock (_lock)
        {
            (IsCalledOff, IsUnsure) = (true, true);
            if (!item.IsDone)
            {
                Settle();
            }
        }
    }

    /// <summary>Returns when nothing is in flight.</summary>
    public Task DrainAsync()
    {
        lock (_lock)
        {
            if (_inFlight == 0)
            {
                return Task.CompletedTask;
            }

            _drained ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _drained.Task;
        }
    }

    public IReadOnlyList<(Segment Segment, string Reason)> FailedItems()
    {
        lock (_lock)
        {
            return [.. _failed];
        }
    }

    public IReadOnlyList<CopyLoss> TakeLosses()
    {
        lock (_lock)
        {
            CopyLoss[] losses = [.. _losses];
            _losses.Clear();
            return losses;
        }
    }

    public CopyLoss LossOf(Segment segment, string reason) =>
        new(Track.Kind, Track.ChannelId, segment.Id.Length <= 200 ? segment.Id : segment.Id[..200], segment.From, segment.To < segment.From ? segment.From : segment.To, segment.Bytes, reason);

    public CopyPosition ToPosition()
    {
        lock (_lock)
        {
            return new CopyPosition(Pass, Track.Kind, Track.ChannelId, _position, null, IsDone, _done, Total, _bytes, BytesTotal, Attempts, Error);
        }
    }

    private void Settle()
    {
        Advance();
        if (--_inFlight == 0)
        {
            _drained?.TrySetResult();
            _drained = null;
        }
    }

    private void Advance()
    {
        while (_items.TryPeek(out var first) && first.IsDone)
        {
            _items.Dequeue();
            _position = _position > first.To ? _position : first.To;
        }
    }
}
