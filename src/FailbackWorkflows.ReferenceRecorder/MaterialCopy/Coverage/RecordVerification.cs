using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.ReferenceRecorder.MaterialCopy.Copying;
using FailbackWorkflows.ReferenceRecorder.MaterialCopy.Queue;
using FailbackWorkflows.ReferenceRecorder.MaterialCopy.Source;
using FailbackWorkflows.ReferenceRecorder.Records;
using FailbackWorkflows.ReferenceRecorder.Storage;

namespace FailbackWorkflows.ReferenceRecorder.MaterialCopy.Coverage;

/// <param name="There">Records that were here before the task, in a side archive or not.</param>
internal sealed record RecordVerdict(IReadOnlyList<RecordCoverage> Coverage, IReadOnlyList<CopyLoss> Losses, long There);

/// <summary>
/// Verifies records. Where count and root agree with the source's there is nothing to look at; where not (the target has records of its
/// own, or later revisions), each record of the source is looked up, and one that is not here is stored now.
/// </summary>
internal sealed class RecordVerification(CopyRun run)
{
    private long _archivedBefore;

    private bool WithDisputed => run.Task.Definition.WithDisputed;

    /// <param name="IsTwin">Here as another recorder's line of text (<see cref="RecordStore.HasTwin"/>).</param>
    private sealed record Known(long Revision, string Sha256, string? TaskId, bool IsOrdinary, bool IsArchived, bool IsTwin = false);

    private sealed class Tally
    {
        public long Expected { get; set; }

        public long Copied { get; set; }

        public long There { get; set; }

        public long Archived { get; set; }

        public long Superseded { get; set; }

        public long Missing { get; set; }

        public long Outside { get; set; }

        public long Disputed { get; set; }

        public long DisputedHere { get; set; }

        public bool IsVerified(bool withDisputed) => Missing == 0 && (!withDisputed || DisputedHere == Disputed);
    }

    public async Task<RecordVerdict> RunAsync(IReadOnlyList<RecordScope> scopes)
    {
        var names = Enum.GetValues<RecordKind>().Select(RecordDigest.Name).ToHashSet(StringComparer.Ordinal);
        await run.SaveAsync(sql => CopyTaskStore.ForgetLosses(sql, run.TaskId, names)).ConfigureAwait(false);
        var coverage = new List<RecordCoverage>();
        foreach (var scope in scopes)
        {
            run.ThrowIfStopping();
            var others = scope.Channel == CopyPosition.AllChannels
                ? scopes.Where(s => s.Kind == scope.Kind && s.Channel != CopyPosition.AllChannels).Select(s => s.Channel).ToHashSet(StringComparer.Ordinal)
                : [];
            coverage.AddRange(await VerifyAsync(scope, others).ConfigureAwait(false));
        }

        return new RecordVerdict(coverage, run.Store.Read(sql => CopyTaskStore.Losses(sql, run.TaskId)).FindAll(l => names.Contains(l.Kind)), coverage.Sum(c => c.AlreadyThere) + _archivedBefore);
    }

    private async Task<IReadOnlyList<RecordCoverage>> VerifyAsync(RecordScope scope, HashSet<string> others)
    {
        var isOne = scope.Channel != CopyPosition.AllChannels;
        try
        {
            if (isOne && await AgreesAsync(scope).ConfigureAwait(false) is { } agreed)
            {
                return [agreed];
            }

            var tallies = await LookUpAsync(scope, others).ConfigureAwait(false);
            if (isOne && tallies.Count == 0)
            {
                tallies.Add(scope.Channel, new Tally());
            }

            var result = new List<RecordCoverage>();
            foreach (var (channel, tally) in tallies.OrderBy(t => t.Key, StringComparer.Ordinal))
            {
                var period = run.Task.RecordPeriod;
                var source = await run.Source.GetRecordManifestAsync(scope.Kind, run.Task.Identity, channel, period.FromUtc, period.ToUtc, run.Stopping).ConfigureAwait(false);
                result.Add(new RecordCoverage(
                    scope.Kind, channel == CopyPosition.NoChannel ? null : channel, period.FromUtc, period.ToUtc,
                    tally.Expected, tally.Copied, tally.There, tally.Superseded, tally.Missing, tally.Outside,
                    source.RootSha256, Root(scope.Kind, channel, period).RootSha256, tally.IsVerified(WithDisputed), tally.Disputed, tally.DisputedHere, tally.Archived));
            }

            return result;
        }
        catch (SourceException error) when (!error.ConcernsAll)
        {
            // Not asked is not verified.
            var channelId = scope.Channel is CopyPosition.AllChannels or CopyPosition.NoChannel ? null : scope.Channel;
            return [new RecordCoverage(scope.Kind, channelId, scope.Period.FromUtc, scope.Period.ToUtc, 0, 0, 0, 0, 0, 0, null, null, IsVerified: false)];
        }
    }

    private async Task<RecordCoverage?> AgreesAsync(RecordScope scope)
    {
        var period = scope.Period;
        var source = await run.Source.GetRecordManifestAsync(scope.Kind, run.Task.Identity, scope.Channel, period.FromUtc, period.ToUtc, run.Stopping).ConfigureAwait(false);
        var (count, root) = Root(scope.Kind, scope.Channel, period);
        if (source.Count != count || source.RootSha256 != root || (WithDisputed && source.Disputed > 0))
        {
            return null;
        }

        var channelId = scope.Channel == CopyPosition.NoChannel ? null : scope.Channel;
        var (copied, archived, archivedBefore) = run.Store.Read(sql => sql.Single(
            """
            SELECT coalesce(sum(archive_id IS NULL AND task_id IS $task), 0), coalesce(sum(archive_id IS NOT NULL), 0), coalesce(sum(archive_id IS NOT NULL AND task_id IS NOT $task), 0)
            FROM records WHERE identity = $identity AND kind = $kind AND channel_id IS $channel AND time_ticks >= $from AND time_ticks < $to
                AND dispute = 'none'
            """,
            r => (r.GetInt64(0), r.GetInt64(1), r.GetInt64(2)),
            ("$identity", run.Task.Identity), ("$kind", scope.KindName), ("$channel", channelId), ("$from", period.FromUtc.UtcTicks), ("$to", period.ToUtc.UtcTicks), ("$task", run.TaskId)));
        _archivedBefore += archivedBefore;
        return new RecordCoverage(
            scope.Kind, channelId, period.FromUtc, period.ToUtc, count, copied, count - copied - archived, 0, 0, 0, source.RootSha256, root, IsVerified: true, source.Disputed, Archived: archived);
    }

    /// <summary>Of the recorder's own records and its side archives.</summary>
    private (long Count, string RootSha256) Root(RecordKind kind, string channel, CopyPeriod period) =>
        run.Store.Read(sql => RecordStore.Root(sql, new RecordQuery(kind, run.Task.Identity, channel == CopyPosition.NoChannel ? "" : channel, period.FromUtc, period.ToUtc, Archive: RecordQuery.Everywhere)));

    private async Task<Dictionary<string, Tally>> LookUpAsync(RecordScope scope, HashSet<string> others)
    {
        var tallies = new Dictionary<string, Tally>(StringComparer.Ordinal);
        await foreach (var batch in RecordLane.BatchesAsync(run, scope, scope.Period.FromUtc, null, _ => { }, run.Stopping).ConfigureAwait(false))
        {
            await run.Pace.YieldToRecordingAsync(run.Stopping).ConfigureAwait(false);
            var own = batch.FindAll(r => !others.Contains(r.ChannelId ?? CopyPosition.NoChannel));
            var known = run.Store.Read(sql => LookUp(sql, own));
            var toStore = new List<MaterialRecord>();
            for (var i = 0; i < own.Count; i++)
            {
                var (record, here) = (own[i], known[i]);
                var verdict = RecordLane.Judge(run, record);
                if (verdict == Verdict.Disputed)
                {
                    TallyOf(tallies, record).Disputed++;
                }
                else if (verdict is Verdict.Missing or Verdict.OutsideRetention)
                {
                    var tally = TallyOf(tallies, record);
                    if (here is null && verdict == Verdict.OutsideRetention)
                    {
                        tally.Expected += IsOrdinary(record) ? 1 : 0;
                        tally.Outside++;
                        continue;
                    }

                    if (!IsOrdinary(record))
                    {
                        // It was asked for: marked, and beside what is expected. What is here with authority under the same id stands for it.
                        tally.Disputed++;
                        if (here is { IsOrdinary: true } || here?.Sha256 == record.Sha256 || here?.Revision > record.Revision)
                        {
                            tally.DisputedHere++;
                        }
                        else
                        {
                            toStore.Add(record);
                        }

                        continue;
                    }

                    tally.Expected++;
                    if (here is { IsTwin: true })
                    {
                        tally.There++;
                    }
                    else if (here is { IsOrdinary: true } && here.Sha256 == record.Sha256)
                    {
                        _archivedBefore += here.IsArchived && here.TaskId != run.TaskId ? 1 : 0;
                        _ = here.IsArchived ? tally.Archived++ : here.TaskId == run.TaskId ? tally.Copied++ : tally.There++;
                    }
                    else if (here is { IsOrdinary: true } && here.Revision > record.Revision)
                    {
                        tally.Superseded++;
                    }
                    else
                    {
                        toStore.Add(record);
                    }
                }
            }

            if (toStore.Count > 0)
            {
                await run.SaveAsync(sql => Store(sql, toStore, tallies)).ConfigureAwait(false);
            }
        }

        return tallies;
    }

    private void Store(Sql sql, List<MaterialRecord> records, Dictionary<string, Tally> tallies)
    {
        foreach (var record in records)
        {
            var tally = TallyOf(tallies, record);
            var stored = RecordLane.Import(sql, run, [record]);
            CopyTaskStore.Count(sql, run.TaskId, 0, stored, 0, run.Time.GetUtcNow());
            var here = LookUp(sql, [record])[0];
            if (!IsOrdinary(record))
            {
                tally.DisputedHere += stored;
            }
            else if (stored > 0)
            {
                _ = here is { IsArchived: true } ? tally.Archived++ : tally.Copied++;
            }
            else if (here is not null && !CopyTaskStore.IsLost(sql, run.TaskId, RecordDigest.Name(record.Kind), record.Id))
            {
                // An alarm of the same revision that is further on here.
                tally.Superseded++;
            }
            else
            {
                tally.Missing++;
            }
        }
    }

    private List<Known?> LookUp(Sql sql, List<MaterialRecord> records)
    {
        using var find = sql.Reusable("SELECT revision, sha256, task_id, dispute = 'none', archive_id IS NOT NULL FROM records WHERE identity = $identity AND kind = $kind AND id = $id");
        using var twins = RecordStore.FindTwin(sql);
        return records.ConvertAll(record =>
            find.Single(
                r => new Known(r.GetInt64(0), r.GetString(1), r.TextOrNull(2), r.GetBoolean(3), r.GetBoolean(4)),
                ("$identity", record.Identity), ("$kind", RecordDigest.Name(record.Kind)), ("$id", record.Id))
            ?? (RecordStore.HasTwin(twins, RecordRow.Of(record, null)) ? new Known(record.Revision, record.Sha256, null, true, IsArchived: false, IsTwin: true) : null));
    }

    private static bool IsOrdinary(MaterialRecord record) => record.Disputed == DisputeState.None;

    private static Tally TallyOf(Dictionary<string, Tally> tallies, MaterialRecord record)
    {
        var channel = record.ChannelId ?? CopyPosition.NoChannel;
        if (!tallies.TryGetValue(channel, out var tally))
        {
            tallies.Add(channel, tally = new Tally());
        }

        return tally;
    }
}
