using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.ReferenceRecorder.MaterialCopy.Queue;
using FailbackWorkflows.ReferenceRecorder.Records;
using FailbackWorkflows.ReferenceRecorder.Segments;
using FailbackWorkflows.ReferenceRecorder.Storage;

namespace FailbackWorkflows.ReferenceRecorder.MaterialCopy.Coverage;

/// <summary>What can be said of a task before its end, from the index alone: what is here, and what is open. Nothing is verified yet.</summary>
internal static class Interim
{
    private static readonly TimeSpan Tolerance = TimeSpan.FromMilliseconds(1);

    /// <param name="appends">Timelines here grow at their end only.</param>
    public static CoverageReport Report(Sql sql, CopyTaskRow task, RecorderStore store, bool appends)
    {
        var positions = CopyTaskStore.Positions(sql, task.TaskId).FindAll(p => p.Pass == CopyPosition.Copying);
        var records = positions.Where(p => Enum.TryParse<RecordKind>(p.Kind, ignoreCase: true, out _)).Select(p =>
        {
            var period = task.RecordPeriod;
            var kind = Enum.Parse<RecordKind>(p.Kind, ignoreCase: true);
            var (copied, archived) = appends && RecordRules.IsStream(kind) ? (0L, p.Done) : (p.Done, 0L);
            return new RecordCoverage(kind, p.ChannelId, period.FromUtc, period.ToUtc, p.Total ?? p.Done, copied, 0, 0, 0, 0, null, null, IsVerified: false, Archived: archived);
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
        var (copied, there, archived) = (new Amount(0, 0), new Amount(0, 0), new Amount(0, 0));
        var archives = new SortedSet<string>(StringComparer.Ordinal);
        var (fetched, fetchedBytes) = (0L, 0L);
        var trackId = SegmentStore.TrackId(task.Identity, position.Channel);
        foreach (var row in SegmentStore.StreamOverlappingOfChannel(sql, task.Identity, position.Channel, period.FromUtc, period.ToUtc))
        {
            var state = row.IsArchived ? CoverageState.Archived : row.TaskId == task.TaskId ? CoverageState.Copied : CoverageState.AlreadyThere;
            (copied, there, archived) = state switch
            {
                CoverageState.Archived => (copied, there, Plus(archived, row)),
                CoverageState.Copied => (Plus(copied, row), there, archived),
                _ => (copied, Plus(there, row), archived),
            };
            fetched += row.TaskId == task.TaskId ? 1 : 0;
            fetchedBytes += row.TaskId == task.TaskId ? row.Bytes : 0;
            if (row.IsArchived)
            {
                archives.Add(row.TrackId);
            }

            var from = row.From < period.FromUtc ? period.FromUtc : row.From;
            var reached = stretches.End ?? period.FromUtc;
            if (from - reached > Tolerance)
            {
                stretches.Add(reached, from, CoverageState.Open, null);
            }

            stretches.Add(from, row.To > period.ToUtc ? period.ToUtc : row.To, state, null);
        }

        stretches.Add(stretches.End ?? period.FromUtc, period.ToUtc, CoverageState.Open, null);
        var none = new Amount(0, 0);
        var open = Math.Max(0, (position.Total ?? 0) - fetched);
        return new TrackCoverage(
            trackId, position.Channel, position.Kind, period.FromUtc, period.ToUtc,
            new Amount(copied.Segments + there.Segments + archived.Segments + open, copied.Bytes + there.Bytes + archived.Bytes + Math.Max(0, (position.BytesTotal ?? 0) - fetchedBytes)),
            copied, there, none, none, none, none, IsVerified: false, stretches.Items,
            Archived: archived.Segments > 0 ? archived : null, ArchiveTrackIds: archives.Count > 0 ? [.. archives] : null);
    }

    private static Amount Plus(Amount amount, SegmentRow row) => new(amount.Segments + 1, amount.Bytes + row.Bytes);
}
