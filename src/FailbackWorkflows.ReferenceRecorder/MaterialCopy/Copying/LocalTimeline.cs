using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.ReferenceRecorder.Segments;
using FailbackWorkflows.ReferenceRecorder.Storage;

namespace FailbackWorkflows.ReferenceRecorder.MaterialCopy.Copying;

/// <summary>A segment that is here, as far as comparing needs it.</summary>
/// <param name="OrdinaryTo">End of what is not disputed of it; its start when all of it is.</param>
/// <param name="Origin">Machine that recorded it.</param>
/// <param name="IsOwn">Recorded by this machine, by this machine's clock.</param>
/// <param name="TrackId">The channel's own timeline, or the track of a side archive.</param>
internal readonly record struct LocalSegment(
    string Id, long From, long To, long OrdinaryTo, string? Sha256, long Bytes, string? TaskId, string File, string Origin, bool IsOwn, bool Overlaps, string TrackId, bool IsArchived);

/// <summary>What this recorder holds of a stretch of a channel, on its own timeline and in side archives.</summary>
internal sealed class LocalTimeline
{
    private readonly List<LocalSegment> _rows;
    private readonly Dictionary<string, LocalSegment> _byId;
    private readonly long _tolerance;
    private readonly long _ownOffset;
    private int _first;

    private LocalTimeline(List<LocalSegment> rows, TimeSpan tolerance, TimeSpan ownOffset)
    {
        _rows = rows;
        _byId = rows.ToDictionary(r => r.Id, StringComparer.Ordinal);
        HasArchived = rows.Exists(r => r.IsArchived);
        _tolerance = tolerance.Ticks;
        _ownOffset = ownOffset.Duration() > tolerance ? ownOffset.Ticks : 0;
    }

    public IReadOnlyList<LocalSegment> Rows => _rows;

    /// <summary>Some of it stands in a side archive.</summary>
    public bool HasArchived { get; }

    /// <param name="ownOffset">Source's clock minus ours: where this machine's own material would stand on the source's clock.</param>
    public static LocalTimeline Load(RecorderStore store, Track track, DateTimeOffset from, DateTimeOffset to, TimeSpan tolerance, TimeSpan ownOffset)
    {
        var own = SegmentStore.TrackId(track.Identity, track.ChannelId);
        var reach = ownOffset.Duration() + tolerance;
        var rows = store.Read(sql => sql.Query(
            """
            SELECT segment_id, from_ticks, to_ticks, coalesce(disputed_from, to_ticks), sha256, bytes, task_id, file, origin_recorder, overlaps, track_id
            FROM segments WHERE identity = $identity AND channel_id = $channel AND to_ticks > $from AND from_ticks >= $far AND from_ticks < $to ORDER BY from_ticks, segment_id
            """,
            r => new LocalSegment(
                r.GetString(0), r.GetInt64(1), r.GetInt64(2), r.GetInt64(3), r.TextOrNull(4), r.GetInt64(5), r.TextOrNull(6), r.GetString(7), r.GetString(8), r.GetString(8) == store.MachineId, r.GetInt64(9) != 0,
                r.GetString(10), r.GetString(10) != own),
            ("$identity", track.Identity), ("$channel", track.ChannelId), ("$far", (from - reach - SegmentStore.LongestSegment).UtcTicks), ("$from", (from - reach).UtcTicks), ("$to", (to + reach).UtcTicks)));
        return new LocalTimeline(rows, tolerance, ownOffset);
    }

    public LocalSegment? Find(string id) => _byId.TryGetValue(id, out var row) ? row : null;

    /// <summary>
    /// What is here of the same machine, the same times within the tolerance and the same length, under whatever id: a recorder without digests may
    /// have made its list anew. Null for segments too short to be told apart by their times.
    /// </summary>
    public LocalSegment? FindSame(Segment segment)
    {
        var (from, to) = (segment.From.UtcTicks, segment.To.UtcTicks);
        var i = to - from <= 2 * _tolerance
            ? -1
            : _rows.FindIndex(r => r.Origin == segment.Origin.RecorderId && r.Sha256 is not null && r.Bytes == segment.Bytes && Math.Abs(r.From - from) <= _tolerance && Math.Abs(r.To - to) <= _tolerance);
        return i < 0 ? null : _rows[i];
    }

    /// <summary>
    /// True when nothing of <c>[from, to)</c> is missing here, boundaries within the tolerance aside. With clocks apart it must hold for the
    /// times as they stand and as the source's clock has them: rather an overlap than a hole. Ask in ascending order of <paramref name="from"/>.
    /// </summary>
    /// <param name="origin">
    /// Who recorded what is asked about. Whatever else is here of the same machine proves nothing: it recorded these times twice (its clock was
    /// set back, say), and one does not stand for the other.
    /// </param>
    /// <param name="withArchives">False: of the channel's own timeline alone.</param>
    public bool Covers(long from, long to, string origin, bool withArchives = true)
    {
        while (_first < _rows.Count && _rows[_first].To + Math.Max(0, _ownOffset) <= from - _tolerance)
        {
            _first++;
        }

        return Covers(from, to, origin, withArchives, 0) && (_ownOffset == 0 || Covers(from, to, origin, withArchives, _ownOffset));
    }

    /// <summary>True when something ordinary on a track here shares more than the tolerance with <c>[from, to)</c>.</summary>
    public bool Overlaps(long from, long to, string trackId)
    {
        for (var i = _first; i < _rows.Count && _rows[i].From < to - _tolerance; i++)
        {
            if (_rows[i].TrackId == trackId && Math.Min(_rows[i].OrdinaryTo, to) - Math.Max(_rows[i].From, from) > _tolerance)
            {
                return true;
            }
        }

        return false;
    }

    private bool Covers(long from, long to, string origin, bool withArchives, long ownOffset)
    {
        var reached = from;
        for (var i = _first; i < _rows.Count && reached < to - _tolerance; i++)
        {
            var shift = _rows[i].IsOwn ? ownOffset : 0;
            if (_rows[i].From + shift <= reached + _tolerance && _rows[i].OrdinaryTo + shift > reached && _rows[i].Origin != origin && (withArchives || !_rows[i].IsArchived))
            {
                reached = _rows[i].OrdinaryTo + shift;
            }
        }

        return reached >= to - _tolerance;
    }
}
