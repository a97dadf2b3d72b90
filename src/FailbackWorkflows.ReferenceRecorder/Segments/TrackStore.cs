using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.Recording;
using FailbackWorkflows.ReferenceRecorder.Access;
using FailbackWorkflows.ReferenceRecorder.Duties;
using FailbackWorkflows.ReferenceRecorder.Settings;
using FailbackWorkflows.ReferenceRecorder.Status;
using FailbackWorkflows.ReferenceRecorder.Storage;

namespace FailbackWorkflows.ReferenceRecorder.Segments;

/// <summary>Segments seen as a whole: tracks, side archives, spans, manifests. Reads row by row, so that the length of a track does not matter.</summary>
public static class TrackStore
{
    /// <summary>Configured audio and video tracks, and every other one that holds material, side archives' included; for a read token those with material of its period.</summary>
    /// <param name="identity">Null: of every identity.</param>
    public static List<Track> List(Sql sql, string? identity, ReadGrant? grant)
    {
        var tracks = new Dictionary<string, Track>(StringComparer.Ordinal);
        foreach (var duty in DutyStore.List(sql).Where(d => identity is null || d.Identity == identity))
        {
            foreach (var channel in ChannelSettings.Read(SettingsStore.Active(sql, duty.Identity).Content).Where(c => c.Kind != ChannelKind.Text))
            {
                var id = SegmentStore.TrackId(duty.Identity, channel.Id);
                tracks[id] = new Track(id, duty.Identity, channel.Id, JsonNamingPolicy.CamelCase.ConvertName(channel.Kind.ToString()), IsConfigured: true, null, null, 0, 0);
            }
        }

        var stored = sql.Query(
            """
            SELECT t.track_id, t.identity, t.channel_id, t.kind, min(s.from_ticks), max(s.to_ticks), count(*), sum(s.bytes), t.archive_id
            FROM tracks AS t JOIN segments AS s ON s.track_id = t.track_id
            WHERE ($identity IS NULL OR t.identity = $identity) AND s.to_ticks > $from AND s.from_ticks < $to
            GROUP BY t.track_id
            """,
            r => (Track: new Track(r.GetString(0), r.GetString(1), r.GetString(2), r.GetString(3), IsConfigured: false, r.Instant(4), r.Instant(5), r.GetInt64(6), r.GetInt64(7)), ArchiveId: r.TextOrNull(8)),
            ("$identity", identity), ("$from", grant?.From.UtcTicks ?? 0), ("$to", grant?.To.UtcTicks ?? long.MaxValue));
        foreach (var (track, archiveId) in stored)
        {
            var own = SegmentStore.TrackId(track.Identity, track.ChannelId);
            tracks[track.Id] = (tracks.TryGetValue(own, out var configured) ? track with { Kind = configured.Kind, IsConfigured = configured.IsConfigured } : track) with
            {
                Archive = archiveId is null ? null : ArchiveOf(sql, track.Identity, own, archiveId),
            };
        }

        return [.. tracks.Values.Where(t => grant is null || t.Segments > 0).OrderBy(t => t.Id, StringComparer.Ordinal)];
    }

    /// <summary>Side archives that hold something.</summary>
    /// <param name="identity">Null: of every identity.</param>
    public static List<SideArchive> Archives(Sql sql, string? identity)
    {
        var tracks = List(sql, identity, null).FindAll(t => t.Archive is not null);
        var records = sql.Query(
            "SELECT identity, archive_id, kind, count(*) FROM records WHERE archive_id IS NOT NULL AND ($identity IS NULL OR identity = $identity) GROUP BY identity, archive_id, kind",
            r => (Identity: r.GetString(0), EntryId: r.GetString(1), Records: new SideArchiveRecords(Enum.Parse<RecordKind>(r.GetString(2), ignoreCase: true), r.GetInt64(3))),
            ("$identity", identity));
        return
        [
            .. tracks.Select(t => (t.Identity, t.Archive!.EntryId)).Union(records.Select(r => (r.Identity, r.EntryId)))
                .Select(name =>
                {
                    var (from, to, sources) = CopiesOf(sql, name.Identity, name.EntryId);
                    return new SideArchive(
                        name.EntryId, name.Identity, from, to, sources,
                        tracks.FindAll(t => (t.Identity, t.Archive!.EntryId) == name), [.. records.Where(r => (r.Identity, r.EntryId) == name).Select(r => r.Records).OrderBy(r => r.Kind)]);
                })
                .OrderBy(a => a.Identity, StringComparer.Ordinal).ThenBy(a => a.FromUtc),
        ];
    }

    private static TrackArchive ArchiveOf(Sql sql, string identity, string ownTrackId, string entryId)
    {
        var (from, to, sources) = CopiesOf(sql, identity, entryId);
        return new TrackArchive(entryId, ownTrackId, from, to, sources);
    }

    /// <summary>Whatever is in an archive came by a copy task of its entry, and tasks are kept as long as their material may be.</summary>
    private static (DateTimeOffset From, DateTimeOffset To, IReadOnlyList<string> Sources) CopiesOf(Sql sql, string identity, string entryId)
    {
        var tasks = sql.Query(
            "SELECT source_recorder_id, from_ticks, to_ticks FROM copy_tasks WHERE identity = $identity AND entry_id = $entry ORDER BY queue_order",
            r => (Source: r.GetString(0), From: r.Instant(1), To: r.Instant(2)),
            ("$identity", identity), ("$entry", entryId));
        return (tasks.Min(t => t.From), tasks.Max(t => t.To), [.. tasks.Select(t => t.Source).Distinct(StringComparer.Ordinal)]);
    }

    /// <summary>The track is configured (of whatever kind), or holds or held material.</summary>
    public static bool IsKnown(Sql sql, string trackId)
    {
        var parts = trackId.Split('~');
        return sql.Single("SELECT 1 FROM tracks WHERE track_id = $track", r => true, ("$track", trackId))
            || (parts.Length == 2 && DutyStore.Find(sql, parts[0]) is not null && ChannelSettings.Read(SettingsStore.Active(sql, parts[0]).Content).Any(c => c.Id == parts[1]));
    }

    public static List<Span> Spans(Sql sql, string trackId, DateTimeOffset? from, DateTimeOffset? to)
    {
        var spans = new List<Span>();
        foreach (var row in SegmentStore.StreamOverlapping(sql, trackId, from, to))
        {
            if (spans is [.., var last] && last.Disputed == row.Dispute && last.ContentType == row.ContentType && IsSame(last.Init, row.Init) && row.From - last.To < StatusEndpoints.Resolution)
            {
                spans[^1] = last with { To = row.To > last.To ? row.To : last.To, Bytes = last.Bytes + row.Bytes, Segments = last.Segments + 1, Init = last.Init ?? row.Init };
            }
            else
            {
                spans.Add(new Span(row.From, row.To, row.Bytes, 1, row.Dispute, row.ContentType, row.Init));
            }
        }

        return spans;
    }

    /// <summary>What is not known (of segments stored by an earlier version) is no reason to begin a new span.</summary>
    private static bool IsSame(SegmentInit? one, SegmentInit? other) => one is null || other is null || one == other;

    public static TrackManifest Manifest(Sql sql, string trackId, DateTimeOffset? from, DateTimeOffset? to, DateTimeOffset now)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var (segments, bytes) = (0L, 0L);
        foreach (var row in SegmentStore.StreamOverlapping(sql, trackId, from, to).Where(r => r.Sha256 is not null && r.Dispute == DisputeState.None))
        {
            hash.AppendData(Encoding.UTF8.GetBytes(string.Create(
                CultureInfo.InvariantCulture,
                $"{row.SegmentId} {RecorderJson.FormatInstant(row.From)} {RecorderJson.FormatInstant(row.To)} {row.Bytes} {row.Sha256}\n")));
            segments++;
            bytes += row.Bytes;
        }

        return new TrackManifest(trackId, from ?? DateTimeOffset.MinValue, to ?? DateTimeOffset.MaxValue, segments, bytes, Convert.ToHexStringLower(hash.GetHashAndReset()), now);
    }
}
