using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.ReferenceRecorder.MaterialCopy.Queue;
using FailbackWorkflows.ReferenceRecorder.MaterialCopy.Source;
using FailbackWorkflows.ReferenceRecorder.Records;
using FailbackWorkflows.ReferenceRecorder.Storage;

namespace FailbackWorkflows.ReferenceRecorder.MaterialCopy.Copying;

/// <summary>Which records of a kind are meant: a channel's, those of no channel (<c>-</c>), or all of them (<c>*</c>).</summary>
internal sealed record RecordScope(RecordKind Kind, string Channel, CopyPeriod Period)
{
    public string KindName => RecordDigest.Name(Kind);

    /// <summary>The channel as it stands in the source's query; empty leaves it out.</summary>
    public string Query => Channel == CopyPosition.AllChannels ? "" : Channel;
}

/// <summary>
/// A pass over the records of a scope: streamed, stored in batches, never all in memory. The position is the time of the last one stored;
/// going on from there meets some again, which changes nothing.
/// </summary>
internal sealed class RecordLane(RecordScope scope, CopyPosition known)
{
    public RecordScope Scope { get; } = scope;

    /// <summary>Saved with every batch.</summary>
    public CopyPosition At { get; set; } = known;

    public DateTimeOffset? NotBefore { get; set; }

    public bool HasProgress { get; private set; }

    public async Task CopyAsync(CopyRun run, CancellationToken cancellationToken)
    {
        HasProgress = false;
        var from = At.Position is { } position && position > Scope.Period.FromUtc ? position : Scope.Period.FromUtc;
        await foreach (var batch in BatchesAsync(run, Scope, from, null, SetSequence, cancellationToken).ConfigureAwait(false))
        {
            HasProgress = true;
            await ImportAsync(run, batch, cancellationToken).ConfigureAwait(false);
        }

        At = At with { IsDone = true, Error = null, Position = At.Position is { } last && last > Scope.Period.ToUtc ? last : Scope.Period.ToUtc };
        await run.SaveAsync(sql => CopyTaskStore.SavePosition(sql, run.TaskId, At)).ConfigureAwait(false);
    }

    /// <summary>Whole lines of every page, in batches; what came before a page broke off is given before the break is told.</summary>
    /// <param name="sequence">Told the source's change sequence of the first page.</param>
    public static async IAsyncEnumerable<List<MaterialRecord>> BatchesAsync(
        CopyRun run,
        RecordScope scope,
        DateTimeOffset from,
        long? changedAfter,
        Action<long> sequence,
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string? pageToken = null;
        var isFirst = true;
        var batch = new List<MaterialRecord>(run.Tuning.RecordsPerCommit);
        do
        {
            run.ThrowIfStopping();
            SourceException? broken = null;
            RecordPageEnd? end = null;
            var lines = run.Source.GetRecordsAsync(scope.Kind, run.Task.Identity, scope.Query, from, scope.Period.ToUtc, changedAfter, pageToken, cancellationToken).GetAsyncEnumerator(cancellationToken);
            try
            {
                while (broken is null && end is null)
                {
                    try
                    {
                        if (!await lines.MoveNextAsync().ConfigureAwait(false))
                        {
                            break;
                        }
                    }
                    catch (SourceException error)
                    {
                        broken = error;
                        break;
                    }

                    end = lines.Current.End;
                    if (lines.Current.Record is { } record)
                    {
                        batch.Add(record);
                        if (batch.Count == run.Tuning.RecordsPerCommit)
                        {
                            yield return batch;
                            batch.Clear();
                        }
                    }
                }
            }
            finally
            {
                await lines.DisposeAsync().ConfigureAwait(false);
            }

            if (batch.Count > 0)
            {
                yield return batch;
                batch.Clear();
            }

            if (broken is not null)
            {
                throw broken;
            }

            if (isFirst && end is not null)
            {
                sequence(end.ChangeSequence);
                isFirst = false;
            }

            pageToken = end?.NextPageToken;
        }
        while (pageToken is not null);
    }

    /// <summary>Records of the task's period that are to be here.</summary>
    public static List<MaterialRecord> Wanted(CopyRun run, List<MaterialRecord> batch) => batch.FindAll(r => Judge(run, r) == Verdict.Missing);

    public static Verdict Judge(CopyRun run, MaterialRecord record)
    {
        var period = run.Task.RecordPeriod;
        var isLasting = record.Kind is RecordKind.Locks or RecordKind.Bookmarks;
        var end = record.ToUtc ?? record.TimeUtc;
        if (record.Identity != run.Task.Identity)
        {
            return Verdict.Refused;
        }

        if (record.TimeUtc >= period.ToUtc || (isLasting ? end : record.TimeUtc) < period.FromUtc)
        {
            return Verdict.Outside;
        }

        return record.Disputed != DisputeState.None && !run.Task.Definition.WithDisputed ? Verdict.Disputed
            : end < run.KeptFrom ? Verdict.OutsideRetention
            : Verdict.Missing;
    }

    private void SetSequence(long sequence) => At = At with { ChangeSequence = At.ChangeSequence ?? sequence };

    private async Task ImportAsync(CopyRun run, List<MaterialRecord> batch, CancellationToken cancellationToken)
    {
        await run.Pace.YieldToRecordingAsync(cancellationToken).ConfigureAwait(false);
        var last = batch[^1].TimeUtc;
        var wanted = Wanted(run, batch);
        await run.SaveAsync(sql =>
        {
            var stored = Import(sql, run, wanted);
            At = At with { Position = At.Position > last ? At.Position : last, Done = At.Done + wanted.Count };
            CopyTaskStore.SavePosition(sql, run.TaskId, At);
            CopyTaskStore.Count(sql, run.TaskId, 0, stored, 0, run.Time.GetUtcNow());
        }).ConfigureAwait(false);
    }

    /// <summary>Stores records and remembers which could not be; answers with how many were new or newer.</summary>
    public static int Import(Sql sql, CopyRun run, List<MaterialRecord> records)
    {
        var stored = 0;
        var results = RecordStore.Import(sql, records, run.TaskId, run.ArchiveId);
        for (var i = 0; i < results.Count; i++)
        {
            switch (results[i].Outcome)
            {
                case ImportOutcome.Created or ImportOutcome.Updated:
                    stored++;
                    break;
                case ImportOutcome.Rejected or ImportOutcome.Conflict:
                    var record = records[i];
                    var id = record.Id.Length <= 200 ? record.Id : record.Id[..200];
                    CopyTaskStore.SaveLoss(sql, run.TaskId, new CopyLoss(
                        RecordDigest.Name(record.Kind), record.ChannelId, id, record.TimeUtc, record.ToUtc ?? record.TimeUtc, 0, results[i].Outcome == ImportOutcome.Conflict ? "conflict" : "refused"));
                    break;
            }
        }

        return stored;
    }
}
