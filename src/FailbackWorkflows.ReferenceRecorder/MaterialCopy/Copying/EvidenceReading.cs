using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.ReferenceRecorder.MaterialCopy.Queue;
using FailbackWorkflows.ReferenceRecorder.MaterialCopy.Source;

namespace FailbackWorkflows.ReferenceRecorder.MaterialCopy.Copying;

/// <summary>
/// Learns from the source's locks, bookmarks and alarms which minutes come first. A kind whose list breaks is put off, longer each time, and read on from
/// where it broke; what is known by then need not wait for it. A kind that is given up loses no material, only its turn, and the task says so.
/// The records themselves come in their turn.
/// </summary>
internal sealed class EvidenceReading(CopyRun run)
{
    private readonly List<KindToRead> _open =
        [.. new[] { RecordKind.Locks, RecordKind.Bookmarks, RecordKind.Alarms }.Select(k => new KindToRead(new RecordScope(k, CopyPosition.AllChannels, run.Task.RecordPeriod)))];

    /// <summary>What is known so far.</summary>
    public EvidenceRanges Ranges { get; } = new();

    /// <summary>Every list was read to its end.</summary>
    public bool IsComplete => !_open.Exists(k => !k.At.IsDone);

    /// <summary>Waits for the next kind that is due and reads as much as can be had. False: there is nothing left to try.</summary>
    public async Task<bool> ReadOnAsync()
    {
        var open = _open.FindAll(k => k is { At.IsDone: false } && k.At.Attempts < run.Tuning.AttemptsPerChannel);
        if (open.Count == 0)
        {
            return false;
        }

        var now = run.Time.GetUtcNow();
        var due = open.Min(k => k.NotBefore);
        if (due > now)
        {
            await Task.Delay(due - now, run.Time, run.Stopping).ConfigureAwait(false);
        }

        foreach (var kind in open.Where(k => k.NotBefore <= due || k.NotBefore <= now))
        {
            await ReadAsync(kind).ConfigureAwait(false);
        }

        return true;
    }

    private async Task ReadAsync(KindToRead kind)
    {
        var scope = kind.Scope;
        var hasProgress = false;
        try
        {
            await foreach (var batch in RecordLane.BatchesAsync(run, scope, kind.At.Position ?? scope.Period.FromUtc, null, _ => { }, run.Stopping).ConfigureAwait(false))
            {
                batch.ForEach(Ranges.Add);
                var last = (batch[^1].TimeUtc, batch[^1].Id);
                if (last.CompareTo(kind.Last) > 0)
                {
                    hasProgress = true;
                    kind.Last = last;
                    kind.At = kind.At with { Position = last.TimeUtc > scope.Period.FromUtc ? last.TimeUtc : scope.Period.FromUtc };
                }
            }

            kind.At = kind.At with { IsDone = true, Error = null };
        }
        catch (SourceException error) when (!error.ConcernsAll)
        {
            var attempts = hasProgress ? 1 : kind.At.Attempts + 1;
            var isGivenUp = attempts >= run.Tuning.AttemptsPerChannel;
            kind.NotBefore = run.Time.GetUtcNow() + run.Tuning.BackoffAfter(attempts);
            kind.At = kind.At with
            {
                Attempts = attempts,
                Error = isGivenUp
                    ? $"Which minutes {scope.KindName} concern could not be read to the end, so what is not known of them could not be put first; it is copied in the ordinary order. {error.Message}"
                    : $"Which minutes {scope.KindName} concern is being read again, to put them first. {error.Message}",
            };
            if (isGivenUp)
            {
                run.Log.LogGaveUp(run.TaskId, $"the minutes around {scope.KindName}", error.Message);
            }
        }

        await run.SaveAsync(sql => CopyTaskStore.SavePosition(sql, run.TaskId, kind.At)).ConfigureAwait(false);
    }

    private sealed class KindToRead(RecordScope scope)
    {
        public RecordScope Scope { get; } = scope;

        /// <summary>Each run begins anew: ranges are not stored.</summary>
        public CopyPosition At { get; set; } = new(CopyPosition.Evidence, scope.KindName, scope.Channel);

        public (DateTimeOffset Time, string Id) Last { get; set; } = (DateTimeOffset.MinValue, "");

        public DateTimeOffset NotBefore { get; set; }
    }
}
