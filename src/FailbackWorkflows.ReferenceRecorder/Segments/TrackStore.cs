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

/// <summary>Segments seen as a whole: tracks, spans, manifests. Reads row by row, so that the length of a track does not matter.</summary>
public static class TrackStore
{
    /// <summary>Configured audio and video tracks, and every other one that holds material; for a read token those with material of its period.</summary>
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
            SELECT t.track_id, t.identity, t.channel_id, t.kind, min(s.from_ticks), max(s.to_ticks), count(*), sum(s.bytes)
            FROM tracks AS t JOIN segments AS s ON s.track_id = t.track_id
            WHERE ($identity IS NULL OR t.identity = $identity) AND s.to_ticks > $from AND s.from_ticks < $to
            GROUP BY t.track_id
            """,
            r => new Track(r.GetString(0), r.GetString(1), r.GetString(2), r.GetString(3), IsConfigured: false, r.Instant(4), r.Instant(5), r.GetInt64(6), r.GetInt64(7)),
            ("$identity", identity), ("$from", grant?.From.UtcTicks ?? 0), ("$to", grant?.To.UtcTicks ?? long.MaxValue));
        foreach (var track in stored)
        {
            tracks[track.Id] = tracks.TryGetValue(track.Id, out var configured) ? track with { Kind = configured.Kind, IsConfigured = true } : track;
        }

        return [.. tracks.Values.Where(t => grant is null || t.Segments > 0).OrderBy(t => t.Id, StringComparer.Ordinal)];
    }

    /// <summary>The track is configured (of whatever kind), or holds or held material.</summary>
    public static bool IsKnown(Sql sql, string trackId)
    {
        var parts = trackId.Split('~');
        return sql.Single("SELECT 1 FROM tracks WHERE track_id = $track", r => true, ("$track", trackId))
            || (DutyStore.Find(sql, parts[0]) is not null && ChannelSettings.Read(SettingsStore.Active(sql, parts[0]).Content).Any(c => c.Id == parts[1]));
    }

    public static List<Span> Spans(Sql sql, string trackId, DateTimeOffset? from, DateTimeOffset? to)
    {
        var spans = new List<Span>();
        string? contentType = null;
        foreach (var row in SegmentStore.StreamOverlapping(sql, trackId, from, to))
        {
            if (spans is [.., var last] && last.Disputed == row.Dispute && contentType == row.ContentType && row.From - last.To < StatusEndpoints.Resolution)
            {
                spans[^1] = last with { To = row.To > last.To ? row.To : last.To, Bytes = last.Bytes + row.Bytes, Segments = last.Segments + 1 };
            }
            else
            {
                spans.Add(new Span(row.From, row.To, row.Bytes, 1, row.Dispute));
            }

            contentType = row.ContentType;
        }

        return spans;
    }

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
