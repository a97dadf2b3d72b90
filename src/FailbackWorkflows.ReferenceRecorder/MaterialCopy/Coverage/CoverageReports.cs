using System.Globalization;
using System.Text;
using System.Text.Json;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;

namespace FailbackWorkflows.ReferenceRecorder.MaterialCopy.Coverage;

/// <summary>How a coverage report is written, sealed and told as a table.</summary>
internal static class CoverageReports
{
    public static string Write(CoverageReport report) => JsonSerializer.Serialize(report, RecorderJson.Options);

    public static CoverageReport Read(string text) =>
        JsonSerializer.Deserialize<CoverageReport>(text, RecorderJson.Options) ?? throw new InvalidOperationException("A stored coverage report is empty.");

    /// <summary>Gives the report its digest.</summary>
    public static CoverageReport Seal(CoverageReport report) => report with { Sha256 = CoverageDigest.Compute(report) };

    /// <summary>One line per track and kind, then one per loss; for a spreadsheet.</summary>
    public static string ToCsv(CoverageReport report)
    {
        var text = new StringBuilder("what,channel,from,to,expected,copied,alreadyThere,missing,outsideRetention,disputed,superseded,verified,expectedBytes,verifiedBytes,isVerified,reason,disputedHere,digestBy,inSideArchive,archiveTracks\r\n");
        foreach (var track in report.Tracks)
        {
            Line(text, track.Kind, track.ChannelId, track.From, track.To, track.Expected.Segments, track.Copied.Segments, track.AlreadyThere.Segments, track.Missing.Segments, track.OutsideRetention.Segments, track.Disputed.Segments, null, track.Verified.Segments, track.Expected.Bytes, track.Verified.Bytes, track.IsVerified, null, track.DisputedHere?.Segments, track.DigestBy, track.Archived?.Segments, track.ArchiveTrackIds is { } tracks ? string.Join(' ', tracks) : null);
        }

        foreach (var records in report.Records)
        {
            Line(text, RecordDigest.Name(records.Kind), records.ChannelId, records.From, records.To, records.Expected, records.Copied, records.AlreadyThere, records.Missing, records.OutsideRetention, records.Disputed, records.Superseded, null, null, null, records.IsVerified, null, records.DisputedHere, null, records.Archived, null);
        }

        foreach (var loss in report.Losses)
        {
            Line(text, $"loss of {loss.Kind} {loss.ItemId}".TrimEnd(), loss.ChannelId, loss.From, loss.To, null, null, null, 1, null, null, null, null, loss.Bytes, null, false, loss.Reason, null, null, null, null);
        }

        return text.ToString();
    }

    private static void Line(StringBuilder text, params ReadOnlySpan<object?> cells)
    {
        for (var i = 0; i < cells.Length; i++)
        {
            var cell = cells[i] switch
            {
                null => "",
                DateTimeOffset instant => RecorderJson.FormatInstant(instant),
                bool flag => flag ? "true" : "false",
                var other => Convert.ToString(other, CultureInfo.InvariantCulture)!,
            };

            // Ids come from another machine: a spreadsheet must not take one for a formula.
            cell = cell.Length > 0 && cell[0] is '=' or '+' or '-' or '@' && cells[i] is string ? "'" + cell : cell;
            text.Append(i == 0 ? "" : ",").Append(cell.AsSpan().IndexOfAny(",\"\r\n") >= 0 ? $"\"{cell.Replace("\"", "\"\"", StringComparison.Ordinal)}\"" : cell);
        }

        text.Append("\r\n");
    }
}

/// <summary>Puts stretches of a timeline together: neighbours of the same kind are one, and none overlaps the one before.</summary>
internal sealed class StretchList(TimeSpan tolerance)
{
    private readonly List<CoverageStretch> _stretches = [];

    public DateTimeOffset? End => _stretches.Count == 0 ? null : _stretches[^1].To;

    public IReadOnlyList<CoverageStretch> Items => _stretches;

    public void Add(DateTimeOffset from, DateTimeOffset to, CoverageState state, string? reason)
    {
        if (End is { } end && from < end)
        {
            from = end;
        }

        if (to <= from)
        {
            return;
        }

        if (_stretches.Count > 0 && _stretches[^1] is var last && last.State == state && last.Reason == reason && from - last.To <= tolerance)
        {
            _stretches[^1] = last with { To = to };
        }
        else
        {
            // What is closer than the resolution is no gap.
            from = End is { } former && from - former <= tolerance ? former : from;
            _stretches.Add(new CoverageStretch(from, to, state, reason));
        }
    }
}
