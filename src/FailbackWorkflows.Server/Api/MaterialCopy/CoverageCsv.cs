using System.Text;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;

namespace FailbackWorkflows.Server.Api.MaterialCopy;

/// <summary>A coverage report as a table: one line per stretch of a track, per kind of records, and per loss.</summary>
internal static class CoverageCsv
{
    public static string Write(CoverageReport report)
    {
        var text = new StringBuilder("row,kind,channelId,from,to,state,reason,itemId,expected,copied,alreadyThere,missing,outsideRetention,bytes,verified,disputed,disputedHere,digestBy,inSideArchive,archiveTracks,superseded\r\n");
        foreach (var track in report.Tracks)
        {
            CsvText.Line(text, "track", track.Kind, track.ChannelId, track.From, track.To, null, null, null, track.Expected.Segments, track.Copied.Segments, track.AlreadyThere.Segments, track.Missing.Segments, track.OutsideRetention.Segments, track.Expected.Bytes, track.IsVerified, track.Disputed.Segments, track.DisputedHere?.Segments, track.DigestBy, track.Archived?.Segments, track.ArchiveTrackIds is { } tracks ? string.Join(' ', tracks) : null, null);
            foreach (var stretch in track.Stretches)
            {
                CsvText.Line(text, "stretch", track.Kind, track.ChannelId, stretch.From, stretch.To, Camel(stretch.State.ToString()), stretch.Reason, null, null, null, null, null, null, null, null, null, null, null, null, null, null);
            }
        }

        foreach (var records in report.Records)
        {
            CsvText.Line(text, "records", RecordDigest.Name(records.Kind), records.ChannelId, records.From, records.To, null, null, null, records.Expected, records.Copied, records.AlreadyThere, records.Missing, records.OutsideRetention, null, records.IsVerified, records.Disputed, records.DisputedHere, null, records.Archived, null, records.Superseded);
        }

        foreach (var loss in report.Losses)
        {
            CsvText.Line(text, "loss", loss.Kind, loss.ChannelId, loss.From, loss.To, null, loss.Reason, loss.ItemId, null, null, null, null, null, loss.Bytes, null, null, null, null, null, null, null);
        }

        return text.ToString();
    }

    private static string Camel(string name) => char.ToLowerInvariant(name[0]) + name[1..];
}
