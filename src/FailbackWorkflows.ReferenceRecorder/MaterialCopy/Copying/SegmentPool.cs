using System.Threading.Channels;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.ReferenceRecorder.MaterialCopy.Queue;
using FailbackWorkflows.ReferenceRecorder.MaterialCopy.Source;
using FailbackWorkflows.ReferenceRecorder.Records;
using FailbackWorkflows.ReferenceRecorder.Segments;
using FailbackWorkflows.ReferenceRecorder.Storage;

namespace FailbackWorkflows.ReferenceRecorder.MaterialCopy.Copying;

/// <summary>
/// Fetches several segments at once and stores them in batches: flush the files side by side, give them their names, flush the folders,
/// one index transaction. The index shares its lock with recording, so it is held for the rows alone.
/// </summary>
internal sealed class SegmentPool : IAsyncDisposable
{
    private const int ParallelFlushes = 8;

    private readonly CopyRun _run;
    private readonly RecorderStore _store;
    private readonly DataFolder _folder;
    private readonly SegmentFetcher _fetcher;
    private readonly CopyTuning _tuning;
    private readonly Channel<FetchJob> _jobs;
    private readonly Channel<FetchedSegment> _fetched;
    private readonly Task[] _workers;
    private readonly Task _committer;
    private readonly HashSet<string> _knownFolders = new(StringComparer.Ordinal);
    private long _bytesOnTheWay;
    private DateTimeOffset _measuredAt;
    private long _room;

    public SegmentPool(CopyRun run, RecorderStore store, DataFolder folder, SegmentFetcher fetcher, CopyTuning tuning, int parallel)
    {
        (_run, _store, _folder, _fetcher, _tuning) = (run, store, folder, fetcher, tuning);
        _jobs = Channel.CreateBounded<FetchJob>(new BoundedChannelOptions(parallel) { SingleWriter = true });
        _fetched = Channel.CreateBounded<FetchedSegment>(new BoundedChannelOptions(tuning.SegmentsPerCommit) { SingleReader = true });
        _workers = [.. Enumerable.Range(0, parallel).Select(_ => Task.Run(FetchAllAsync))];
        _committer = Task.Run(CommitAllAsync);
    }

    /// <summary>Hands a segment over; waits while enough are in flight. Stops the run before the disk's reserve is touched.</summary>
    public async Task DispatchAsync(FetchJob job)
    {
        try
        {
            _run.ThrowIfStopping();
            await _run.Pace.YieldToRecordingAsync(_run.Stopping).ConfigureAwait(false);
            TakeRoom(job.Segment.Bytes);
            await _jobs.Writer.WriteAsync(job, _run.Stopping).ConfigureAwait(false);
        }
        catch
        {
            job.Lane.CalledOff();
            throw;
        }
    }

    /// <summary>What was received is stored, whatever the run was stopped for.</summary>
    public async ValueTask DisposeAsync()
    {
        _jobs.Writer.TryComplete();
        await Task.WhenAll(_workers).ConfigureAwait(false);
        _fetched.Writer.TryComplete();
        await _committer.ConfigureAwait(false);
    }

    private void TakeRoom(long bytes)
    {
        var now = _store.Time.GetUtcNow();
        if (now - _measuredAt >= TimeSpan.FromSeconds(1) || now < _measuredAt || _room < 0)
        {
            _room = _tuning.RoomIn(_folder.Measure()) - Interlocked.Read(ref _bytesOnTheWay);
            _measuredAt = now;
        }

        _room -= bytes;
        if (_room < 0)
        {
            _run.Stop(CopyOutcome.Reserve(now), letFinish: true);
            _run.ThrowIfStopping();
        }

        Interlocked.Add(ref _bytesOnTheWay, bytes);
    }

    private async Task FetchAllAsync()
    {
        await foreach (var job in _jobs.Reader.ReadAllAsync().ConfigureAwait(false))
        {
            try
            {
                _run.Stopping.ThrowIfCancellationRequested();
                await _fetched.Writer.WriteAsync(await _fetcher.FetchAsync(job, _run.Stopping).ConfigureAwait(false)).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                NotStored(job);
                job.Lane.CalledOff();
            }
            catch (DigestMismatchException error)
            {
                NotStored(job);
                job.Lane.Failed(job.Segment, "corruptAtSource", error.Message, isTrouble: false);
            }
            catch (SourceException error)
            {
                NotStored(job);
                Judge(job, error);
            }
            catch (Exception error)
            {
                NotStored(job);
                _run.StopFor(error);
                job.Lane.CalledOff();
            }
        }
    }

    private void NotStored(FetchJob job) => Interlocked.Add(ref _bytesOnTheWay, -job.Segment.Bytes);

    private void Judge(FetchJob job, SourceException error)
    {
        switch (error.Fault)
        {
            case SourceFault.Unreachable or SourceFault.Unauthorized or SourceFault.Busy:
                _run.StopFor(error);
                job.Lane.CalledOff();
                break;
            case SourceFault.Gone:
                job.Lane.Lost(job.Item, job.Segment, "gone");
                break;
            case SourceFault.TooLarge:
                job.Lane.Lost(job.Item, job.Segment, "tooLarge");
                break;
            case SourceFault.Refused or SourceFault.PageExpired:
                _run.Log.LogRefusedSegment(job.Segment.TrackId, error.Message);
                job.Lane.Lost(job.Item, job.Segment, "refused");
                break;
            default:
                job.Lane.Failed(job.Segment, error.Fault == SourceFault.Growing ? "growing" : "unreadable", error.Message, isTrouble: error.Fault != SourceFault.Growing);
                break;
        }
    }

    private async Task CommitAllAsync()
    {
        var batch = new List<FetchedSegment>(_tuning.SegmentsPerCommit);
        while (await _fetched.Reader.WaitToReadAsync().ConfigureAwait(false))
        {
            batch.Clear();
            for (long bytes = 0; batch.Count < _tuning.SegmentsPerCommit && bytes < _tuning.BytesPerCommit && _fetched.Reader.TryRead(out var next);)
            {
                batch.Add(next);
                bytes += next.Job.Segment.Bytes;
            }

            try
            {
                await CommitAsync(batch).ConfigureAwait(false);
            }
            catch (Exception error)
            {
                _run.StopFor(error);
                foreach (var segment in batch)
                {
                    segment.File.Dispose();
                    segment.Job.Lane.NotCommitted(segment.Job.Item);
                }
            }

            foreach (var segment in batch)
            {
                NotStored(segment.Job);
            }
        }
    }

    private async Task CommitAsync(List<FetchedSegment> batch)
    {
        var inits = new SegmentInit?[batch.Count];
        Parallel.For(0, batch.Count, new ParallelOptions { MaxDegreeOfParallelism = ParallelFlushes }, i =>
        {
            RandomAccess.FlushToDisk(batch[i].File);
            inits[i] = InitSegments.Read(batch[i].Job.Segment.ContentType, batch[i].File);
            batch[i].File.Dispose();
        });

        var folders = new HashSet<string>(StringComparer.Ordinal);
        var files = new string[batch.Count];
        for (var i = 0; i < batch.Count; i++)
        {
            var track = batch[i].Job.Lane.Track;
            var relative = Path.Combine([track.Identity, track.ChannelId, .. _run.ArchiveId is { } archive ? ["archives", archive] : Array.Empty<string>()]);
            var folder = Path.Combine(_folder.SegmentsPath, relative);
            if (_knownFolders.Add(folder))
            {
                folders.UnionWith(DurableFiles.MakeFolder(folder));
            }

            folders.Add(folder);
            files[i] = Path.Combine(relative, Path.ChangeExtension(Path.GetFileName(batch[i].Path), ".seg"));

            // The name is made of id and digest: what may lie there without a row has these very bytes.
            File.Move(batch[i].Path, Path.Combine(_folder.SegmentsPath, files[i]), overwrite: true);
        }

        Parallel.ForEach(folders, new ParallelOptions { MaxDegreeOfParallelism = ParallelFlushes }, DurableFiles.FlushFolder);
        await _store.WriteAsync(
            sql =>
            {
                Index(sql, batch, files, inits);
                return true;
            },
            CancellationToken.None).ConfigureAwait(false);
    }

    private void Index(Sql sql, List<FetchedSegment> batch, string[] files, SegmentInit?[] inits)
    {
        var now = _store.Time.GetUtcNow();
        long bytes = 0;
        using var insert = sql.Reusable(
            """
            INSERT INTO segments (segment_id, identity, channel_id, track_id, epoch, from_ticks, to_ticks, bytes, sha256, dispute, disputed_from, file,
                origin_recorder, content_type, stored_at, task_id, overlaps, init_sha256, init_bytes)
            VALUES ($id, $identity, $channel, $track, $epoch, $from, $to, $bytes, $sha256, $dispute, $disputedFrom, $file, $origin, $type, $stored, $task, $overlaps, $init, $initBytes)
            ON CONFLICT (segment_id) DO NOTHING
            """);
        using var forget = sql.Reusable("DELETE FROM gone_segments WHERE segment_id = $id");
        for (var i = 0; i < batch.Count; i++)
        {
            var (lane, item, segment, overlaps) = batch[i].Job;
            var isDisputed = segment.Disputed != Recorders.Material.DisputeState.None;
            insert.Run(
                ("$id", segment.Id), ("$identity", lane.Track.Identity), ("$channel", lane.Track.ChannelId), ("$track", SegmentStore.TrackId(lane.Track.Identity, lane.Track.ChannelId, _run.ArchiveId)), ("$epoch", segment.Origin.Epoch),
                ("$from", segment.From.UtcTicks), ("$to", segment.To.UtcTicks), ("$bytes", segment.Bytes), ("$sha256", segment.Sha256),
                ("$dispute", DisputeNames.Of(segment.Disputed)), ("$disputedFrom", isDisputed ? (segment.DisputedFrom ?? segment.From).UtcTicks : null),
                ("$file", files[i]), ("$origin", segment.Origin.RecorderId), ("$type", segment.ContentType), ("$stored", now.UtcTicks),
                ("$task", _run.TaskId), ("$overlaps", overlaps ? 1 : 0),
                ("$init", inits[i]?.Sha256), ("$initBytes", inits[i]?.Bytes));
            forget.Run(("$id", segment.Id));
            lane.Stored(item, segment.Bytes);
            bytes += segment.Bytes;
        }

        foreach (var lane in batch.Select(b => b.Job.Lane).Distinct().Where(l => !l.IsUnsure))
        {
            CopyTaskStore.SavePosition(sql, _run.TaskId, lane.ToPosition());
        }

        CopyTaskStore.Count(sql, _run.TaskId, batch.Count, 0, bytes, now);
    }
}
