using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.ReferenceRecorder.MaterialCopy.Queue;
using FailbackWorkflows.ReferenceRecorder.Segments;
using FailbackWorkflows.ReferenceRecorder.Storage;

namespace FailbackWorkflows.ReferenceRecorder.MaterialCopy.Coverage;

/// <summary>What can be said of a task before its end, from the index alone: what is here, and what is open. Nothing is verified yet.</summary>
internal static class Interim
{
    private static readonly TimeSpan Tolerance = TimeSpan.FromMilliseconds(1);

    public static CoverageReport Report(Sql sql, CopyTaskRow task, RecorderStore store)
    {
        var positions = CopyTaskStore.Positions(sql, task.TaskId).FindAll(p => p.Pass == CopyPosition.Copying);
        var records = positions.Where(p => Enum.TryParse<RecordKind>(p.Kind, ignoreCase: true, out _)).Select(p =>
        {
            var period = task.RecordPeriod;
            return new RecordCoverage(Enum.Parse<RecordKind>(p.Kind, ignoreCase: true), p.ChannelId, period.FromUtc, period.ToUtc, p.Total ?? p.Done, p.Done, 0, 0, 0, 0, null, null, IsVerified: false);
        });
        return new CoverageReport(
            task.TaskId, task.Definition.EntryId, task.Identity, task.Definition.SourceRecorderId, store.MachineId, task.Definition.Period,
            IsComplete: false, IsVerified: false, task.ClockOffsetBefore, task.ClockOffsetAfter, store.Time.GetUtcNow(),
            [.. positions.Where(p => p.Kind is "audio" or "video").Select(p => Track(sql, task, p))],
            [.. records], CopyTaskStore.Losses(sql, task.TaskId), Sha256: null);
    }

    private static TrackCoverage Track(Sql sql, CopyTaskRow task, CopyPosition position)
    {
        var period = task.PeriodOf(position.ChannelId);
        var stretches = new StretchList(Tolerance);
        var (copied, there) = (new Amount(0, 0), new Amount(0, 0));
        var trackId = SegmentStore.TrackId(task.Identity, position.Channel);
        foreach (var row in SegmentStore.StreamOverlapping(sql, trackId, period.FromUtc, period.ToUtc))
        {
            var isCopied = row.TaskId == task.TaskId;
            (copied, there) = isCopied ? (Plus(copied, row), there) : (copied, Plus(there, row));
            var from = row.From < period.FromUtc ? period.FromUtc : row.From;
            var reached = stretches.End ?? period.FromUtc;
            if (from - reached > Tolerance)
            {
                stretches.Add(reached, from, CoverageState.Open, null);
            }

            stretches.Add(from, row.To > period.ToUtc ? period.ToUtc : row.To, isCopied ? CoverageState.Copied : CoverageState.AlreadyThere, null);
        }

        stretches.Add(stretches.End ?? period.FromUtc, period.ToUtc, CoverageState.Open, null);
        var none = new Amount(0, 0);
        var open = Math.Max(0, (position.Total ?? 0) - copied.Segments);
        return new TrackCoverage(
            trackId, position.Channel, position.Kind, period.FromUtc, period.ToUtc,
            new Amount(copied.Segments + there.Segments + open, copied.Bytes + there.Bytes + Math.Max(0, (position.BytesTotal ?? 0) - copied.Bytes)),
            copied, there, none, none, none, none, IsVerified: false, stretches.Items);
    }

    private static Amount Plus(Amount amount, SegmentRow row) => new(amount.Segments + 1, amount.Bytes + row.Bytes);
}
