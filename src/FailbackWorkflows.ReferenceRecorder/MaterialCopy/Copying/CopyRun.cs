using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.ReferenceRecorder.MaterialCopy.Coverage;
using FailbackWorkflows.ReferenceRecorder.MaterialCopy.Queue;
using FailbackWorkflows.ReferenceRecorder.MaterialCopy.Source;
using FailbackWorkflows.ReferenceRecorder.Retention;
using FailbackWorkflows.ReferenceRecorder.Settings;
using FailbackWorkflows.ReferenceRecorder.Storage;

namespace FailbackWorkflows.ReferenceRecorder.MaterialCopy.Copying;

/// <summary>
/// One run of a task, from its start or from where the last one left off, to its end or to whatever stops it:
/// listing, evidence, copying, closing, verifying. Every step can be repeated, since what is stored is found again.
/// </summary>
internal sealed class CopyRun : IDisposable
{
    private readonly CancellationTokenSource _stopping;
    private readonly RecorderStore _store;
    private readonly DataFolder _folder;
    private readonly Lock _lock = new();
    private CopyOutcome? _outcome;

    /// <param name="appends">Timelines here grow at their end only.</param>
    public CopyRun(
        CopyTaskRow task, SourceConnection source, RecorderStore store, DataFolder folder, CopyPace pace, CopyTuning tuning, CopyLog log, bool appends, CancellationToken stopping)
    {
        (Task, Source, _store, _folder, Pace, Tuning, Log) = (task, source, store, folder, pace, tuning, log);
        ArchiveId = appends ? task.Definition.EntryId : null;
        _stopping = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        KeptFrom = Housekeeping.KeptFrom(store.Read(sql => SettingsStore.Active(sql, task.Identity)).Content.Retention, store.Time.GetUtcNow());
    }

    public CopyTaskRow Task { get; }

    public string TaskId => Task.TaskId;

    public SourceConnection Source { get; }

    public CopyPace Pace { get; }

    public CopyTuning Tuning { get; }

    public CopyLog Log { get; }

    public TimeProvider Time => _store.Time;

    public RecorderStore Store => _store;

    public DataFolder Folder => _folder;

    /// <summary>Failover log entry of the side archive that what is fetched goes into; null: it goes into the timelines.</summary>
    public string? ArchiveId { get; }

    public CopyProgress Progress { get; } = new();

    /// <summary>Cancelled when the run is to stop at once.</summary>
    public CancellationToken Stopping => _stopping.Token;

    /// <summary>What is older is deleted here by age; null: nothing is.</summary>
    public DateTimeOffset? KeptFrom { get; }

    /// <summary>Times closer than this are the same.</summary>
    public TimeSpan Tolerance { get; private set; }

    /// <summary>The source keeps what is owed; where it cannot, its retention runs on while we copy.</summary>
    public bool SourceHolds { get; private set; } = true;

    /// <summary>The source states no digests: each segment is read twice, and its digest is made here.</summary>
    public bool MakesDigests { get; private set; }

    /// <summary>Source's clock minus ours, as far as it is certain.</summary>
    public TimeSpan ClockOffset { get; private set; }

    /// <summary>Does all there is to do, or as much as can be done now. Never throws for what the source or the disk does.</summary>
    public async Task<CopyOutcome> RunAsync()
    {
        try
        {
            return await CopyAsync().ConfigureAwait(false);
        }
        catch (Exception error) when (error is OperationCanceledException or CopyStoppedException or SourceException)
        {
            if (error is SourceException trouble)
            {
                StopFor(trouble);
            }
        }
        catch (Exception error)
        {
            StopFor(error);
        }

        lock (_lock)
        {
            return _outcome ?? CopyOutcome.AsOrdered;
        }
    }

    /// <summary>Ends the run; the first reason counts.</summary>
    /// <param name="letFinish">What is in flight is received to its end; otherwise its beginning is kept for later.</param>
    public void Stop(CopyOutcome outcome, bool letFinish = false)
    {
        lock (_lock)
        {
            _outcome ??= outcome;
        }

        if (!letFinish)
        {
            _stopping.Cancel();
        }
    }

    /// <summary>When nothing of the run runs any more. A task that waits for its source for weeks has a run every minute.</summary>
    public void Dispose() => _stopping.Dispose();

    public void StopFor(Exception error)
    {
        var now = Time.GetUtcNow();
        switch (error)
        {
            case SourceException source:
                Stop(CopyOutcome.Of(source, Task.Attempts + 1, Tuning, now));
                break;
            case IOException or UnauthorizedAccessException when !_folder.HasRoom():
                Stop(CopyOutcome.Reserve(now));
                break;
            default:
                Log.LogRunFailed(error, TaskId);
                Stop(new CopyOutcome(CopyTaskState.Queued, null, now + Tuning.BackoffAfter(Task.Attempts + 1), $"Copying failed here: {error.Message}"));
                break;
        }
    }

    public void ThrowIfStopping()
    {
        _stopping.Token.ThrowIfCancellationRequested();
        lock (_lock)
        {
            if (_outcome is not null)
            {
                throw new CopyStoppedException();
            }
        }
    }

    /// <summary>One short transaction. What it says is true, so it is carried out even when the run stops.</summary>
    public Task SaveAsync(Action<Sql> change) => _store.WriteAsync(
        sql =>
        {
            change(sql);
            return true;
        },
        CancellationToken.None);

    public SegmentJudge JudgeOf(Track track)
    {
        var losses = _store.Read(sql => CopyTaskStore.Losses(sql, TaskId)).Where(l => l.ChannelId == track.ChannelId && l.Kind == track.Kind && l.ItemId is not null);
        return new SegmentJudge(track, ArchiveId, Task.PeriodOf(track.ChannelId), Tolerance, KeptFrom, Task.Definition.WithDisputed, MakesDigests, losses.ToDictionary(l => l.ItemId!, l => l.Reason, StringComparer.Ordinal));
    }

    public TrackWalk Walk(Track track) => new(Source, _store, JudgeOf(track), ClockOffset);

    private async Task<CopyOutcome> CopyAsync()
    {
        var parallel = await ConnectAsync().ConfigureAwait(false);
        var tracks = (await Source.GetTracksAsync(Task.Identity, Stopping).ConfigureAwait(false))
            .Where(t => t.Kind is "audio" or "video" && t.Archive is null).OrderBy(t => t.Kind, StringComparer.Ordinal).ThenBy(t => t.ChannelId, StringComparer.Ordinal).ToList();
        await SaveAsync(sql =>
        {
            foreach (var track in tracks)
            {
                Segments.SegmentStore.EnsureTrack(sql, track.Identity, track.ChannelId, track.Kind, ArchiveId);
            }
        }).ConfigureAwait(false);

        var fetcher = new SegmentFetcher(Source, new IncomingFolder(_folder), Pace, Tuning, Time);
        await using var pool = new SegmentPool(this, _store, _folder, fetcher, Tuning, parallel);
        var trackCopy = new TrackCopy(this, pool, tracks);
        var recordCopy = new RecordCopy(this, tracks);

        await PhaseAsync("listing", CopyTaskState.Running).ConfigureAwait(false);
        await trackCopy.SurveyAsync().ConfigureAwait(false);
        await recordCopy.SurveyAsync().ConfigureAwait(false);

        await PhaseAsync("evidence", CopyTaskState.Running).ConfigureAwait(false);
        await recordCopy.CopyAsync([RecordKind.Locks, RecordKind.Bookmarks]).ConfigureAwait(false);
        var evidence = new EvidenceReading(this);
        while (await evidence.ReadOnAsync().ConfigureAwait(false))
        {
            await trackCopy.CopyEvidenceAsync(evidence.Ranges, evidence.IsComplete).ConfigureAwait(false);
        }

        await PhaseAsync("copying", CopyTaskState.Running).ConfigureAwait(false);
        await trackCopy.CopyAsync().ConfigureAwait(false);
        await recordCopy.CopyAsync([RecordKind.Text, RecordKind.Metadata, RecordKind.Anpr, RecordKind.Alarms]).ConfigureAwait(false);

        var verification = new Verification(this, tracks);
        for (var round = 1; ; round++)
        {
            await PhaseAsync("closing", CopyTaskState.Running).ConfigureAwait(false);
            await recordCopy.CloseAsync().ConfigureAwait(false);
            await PhaseAsync("verifying", CopyTaskState.Verifying).ConfigureAwait(false);
            var isLast = round == Tuning.ClosingRounds || trackCopy.GaveUp;
            if (await verification.RunAsync(recordCopy.Scopes, isLast).ConfigureAwait(false) is { } report)
            {
                return await EndAsync(report, trackCopy.ListingError ?? recordCopy.ListingError).ConfigureAwait(false);
            }

            await PhaseAsync("copying", CopyTaskState.Running).ConfigureAwait(false);
            await trackCopy.CopyAgainAsync().ConfigureAwait(false);
        }
    }

    private async Task<int> ConnectAsync()
    {
        var (status, offset, uncertainty) = await Source.GetStatusAsync(Stopping).ConfigureAwait(false);
        if (status.Id != Task.Definition.SourceRecorderId)
        {
            throw new SourceException(SourceFault.Unreachable, $"Another recorder ('{status.Id[..Math.Min(64, status.Id.Length)]}') answers at the source's address. Check the address and send it with UpdateClientInfo.");
        }

        Tolerance = status.TimeResolution > TimeSpan.FromMilliseconds(1) && status.TimeResolution <= TimeSpan.FromSeconds(10) ? status.TimeResolution : TimeSpan.FromMilliseconds(1);
        SourceHolds = status.Capabilities.RetentionHold;
        MakesDigests = status.Capabilities.Digest == DigestOrigin.ComputedByCopier;
        // What may be the measurement's own error moves nothing.
        ClockOffset = offset.Duration() <= uncertainty ? TimeSpan.Zero : offset - (uncertainty * Math.Sign(offset.Ticks));
        await SaveAsync(sql => Update(sql, row => row with { ClockOffsetBefore = row.ClockOffsetBefore ?? offset, ClockOffsetAfter = offset, LastError = null })).ConfigureAwait(false);
        return Math.Clamp(status.Capabilities.MaxParallelReads, 1, Tuning.ParallelFetches);
    }

    private async Task PhaseAsync(string phase, CopyTaskState state)
    {
        ThrowIfStopping();
        Progress.Phase = phase;
        await SaveAsync(sql => Update(sql, row => row with { State = state, PauseReason = null, Phase = phase, StartedAt = row.StartedAt ?? Time.GetUtcNow(), HeartbeatAt = Time.GetUtcNow() })).ConfigureAwait(false);
    }

    /// <summary>Changes the row unless an order has taken the task out of this run's hands.</summary>
    private void Update(Sql sql, Func<CopyTaskRow, CopyTaskRow> change)
    {
        if (CopyTaskStore.Find(sql, TaskId) is { HasEnded: false } row and not { State: CopyTaskState.Paused, PauseReason: CopyPauseReason.Operator })
        {
            CopyTaskStore.Save(sql, change(row));
        }
    }

    private async Task<CopyOutcome> EndAsync(CoverageReport report, string? listingError)
    {
        var (_, after, _) = await Source.GetStatusAsync(Stopping).ConfigureAwait(false);
        ThrowIfStopping();
        report = CoverageReports.Seal(report with { ClockOffsetAfter = after, AsOf = Time.GetUtcNow() });
        await SaveAsync(sql =>
        {
            Update(sql, row => row with { ClockOffsetAfter = after });
            CopyTaskStore.SaveCoverage(sql, TaskId, CoverageReports.Write(report));
            CopyTaskStore.SetTotals(sql, TaskId, Progress.AlreadyThere, Progress.BytesTotal, Progress.BytesVerified);
        }).ConfigureAwait(false);

        // A list that could not be read leaves unknown what is missing: that is no end to be content with.
        return listingError is not null ? CopyOutcome.Failed(listingError)
            : report.Losses.Count > 0 || !report.IsVerified ? new CopyOutcome(CopyTaskState.CopiedWithLosses)
            : _store.Read(sql => CopyTaskStore.Find(sql, TaskId))?.Counters is { Segments: 0, Records: 0 } ? new CopyOutcome(CopyTaskState.NothingToCopy)
            : new CopyOutcome(CopyTaskState.Copied);
    }
}

/// <summary>What a run knows beyond what is stored: for progress and estimates.</summary>
internal sealed class CopyProgress
{
    private long _verified;

    public volatile string Phase = "listing";

    /// <summary>Segments and records found here that this task did not bring.</summary>
    public long AlreadyThere { get; set; }

    /// <summary>What this run must fetch; null while that is not known.</summary>
    public long? BytesTotal { get; set; }

    /// <summary>Everything expected, to be read again in the end.</summary>
    public long BytesToVerify { get; set; }

    public long BytesVerified => Interlocked.Read(ref _verified);

    public void Verified(long bytes) => Interlocked.Add(ref _verified, bytes);

    public void VerifyAgain() => Interlocked.Exchange(ref _verified, 0);
}
