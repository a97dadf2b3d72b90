using System.Security.Cryptography;
using System.Text.Json;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.ReferenceRecorder.Duties;
using FailbackWorkflows.ReferenceRecorder.MaterialCopy.Copying;
using FailbackWorkflows.ReferenceRecorder.Recording.Video;
using FailbackWorkflows.ReferenceRecorder.Records;
using FailbackWorkflows.ReferenceRecorder.Segments;
using FailbackWorkflows.ReferenceRecorder.Settings;
using FailbackWorkflows.ReferenceRecorder.Storage;

namespace FailbackWorkflows.ReferenceRecorder.Recording;

/// <summary>
/// Records what the duties say. It works in ticks under the store's lock; what to record is read anew after every commit. A frame counts
/// as written when its bytes and its index row are on disk: at once for the first frame of a segment, then every second.
/// A killed process leaves at most files that the next start closes or removes.
/// </summary>
public sealed partial class RecordingEngine : BackgroundService
{
    private static readonly TimeSpan ConfirmEvery = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestCatchUp = TimeSpan.FromSeconds(10);

    private readonly RecorderStore _store;
    private readonly DataFolder _folder;
    private readonly RecorderOptions _options;
    private readonly VideoClips _clips;
    private readonly ILogger<RecordingEngine> _logger;
    private readonly Dictionary<(string Identity, string ChannelId), ChannelWriter> _writers = [];
    private readonly List<ChannelWriter> _closing = [];
    private readonly HashSet<(string Identity, string ChannelId)> _released = [];
    private readonly CameraSessions _cameras;
    private RecordingPlan _plan = new([], null);
    private bool _planIsOld = true;
    private bool _mustRecover;
    private bool _hasRoom = true;
    private bool _failing;
    private bool _isWriting;
    private long _tickedAt;
    private DateTimeOffset _confirmedAt;
    private DateTimeOffset _measuredAt;

    internal RecordingEngine(RecorderStore store, DataFolder folder, RecorderOptions options, VideoClips clips, ILogger<RecordingEngine> logger)
    {
        _store = store;
        _folder = folder;
        _options = options;
        _clips = clips;
        _cameras = new CameraSessions(options.CamerasFolder);
        _logger = logger;
        store.Committed = () => _planIsOld = true;
        store.RolledBack = Abandon;
    }

    /// <summary>How much later than due the frames are that should have been written by now; zero when nothing is recorded.</summary>
    public TimeSpan Lag =>
        Volatile.Read(ref _isWriting) && _store.Time.GetElapsedTime(Volatile.Read(ref _tickedAt)) - _options.FrameInterval is var lag && lag > TimeSpan.Zero ? lag : TimeSpan.Zero;

    /// <summary>After a start, before anything is served: mends files, and lets every duty of role recorder wait to be confirmed.</summary>
    public void Boot()
    {
        _store.Transact(sql =>
        {
            Recover(sql);
            var now = _store.Time.GetUtcNow();
            foreach (var duty in DutyStore.List(sql).Where(d => d.AssignedRole == DutyRole.Recorder))
            {
                DutyStore.Save(sql, duty with { AwaitingSince = now, Provisional = false });
            }

            return true;
        });
        RemoveStrayFiles();
    }

    /// <summary>Closes what is being recorded for an identity, in the caller's transaction. The caller changes the duty so that it stays so.</summary>
    public void Stop(Sql sql, string identity)
    {
        if (_mustRecover)
        {
            Recover(sql);
            return;
        }

        _released.RemoveWhere(c => c.Identity == identity);
        Close(sql, [.. _writers.Values.Where(w => w.Plan.Identity == identity)]);
    }

    /// <summary>Lets go of the cameras of some channels, in the caller's transaction; the others are recorded on. Until <see cref="TakeBack"/>, a stop or a restart.</summary>
    public void Release(Sql sql, string identity, IReadOnlyCollection<string> channelIds)
    {
        if (_mustRecover)
        {
            Recover(sql);
        }

        _released.UnionWith(channelIds.Select(id => (identity, id)));
        Close(sql, [.. _writers.Values.Where(w => _released.Contains((w.Plan.Identity, w.Plan.ChannelId)))]);
    }

    /// <summary>What was released is recorded again, once its camera is free.</summary>
    public void TakeBack(string identity) => _released.RemoveWhere(c => c.Identity == identity);

    /// <summary>Another recorder has the only session at the channel's camera.</summary>
    public bool IsSourceBusy(string identity, string channelId) => _cameras.IsBusy(identity, channelId);

    private void Close(Sql sql, IReadOnlyCollection<ChannelWriter> stopping)
    {
        foreach (var writer in stopping)
        {
            writer.Fill();
        }

        Confirm(sql, stopping);
        foreach (var writer in stopping)
        {
            _writers.Remove((writer.Plan.Identity, writer.Plan.ChannelId));
            writer.Dispose();
        }

        _cameras.KeepOnly(_writers.ContainsKey, _ => true);
    }

    /// <summary>Brings what was written for an identity to the disk and into the index, in the caller's transaction: what the caller then says of it holds for all of it.</summary>
    public void ConfirmWritten(Sql sql, string identity)
    {
        if (_mustRecover)
        {
            Recover(sql);
            return;
        }

        Confirm(sql, [.. _writers.Values.Where(w => w.Plan.Identity == identity)]);
    }

    /// <summary>A new recording begins: the first frames of the former one are no longer this recording's.</summary>
    public void ForgetFirstFrames(Sql sql, string identity, long epoch) =>
        sql.Run("UPDATE channel_times SET first_frame = NULL, first_epoch = $epoch WHERE identity = $identity", ("$epoch", epoch), ("$identity", identity));

    /// <summary>Does all that is due now; returns when it is on disk or waits for the next confirmation.</summary>
    internal Task TickAsync(CancellationToken cancellationToken) => _store.ExclusiveAsync(
        () =>
        {
            Tick();
            return true;
        },
        cancellationToken);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(_options.FrameInterval, _store.Time);
        try
        {
            do
            {
                await TickSafelyAsync(stoppingToken).ConfigureAwait(false);
            }
            while (await timer.WaitForNextTickAsync(stoppingToken).ConfigureAwait(false));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            LogStopping();
        }

        await _store.ExclusiveAsync(CloseAll, CancellationToken.None).ConfigureAwait(false);
    }

    private async Task TickSafelyAsync(CancellationToken stoppingToken)
    {
        try
        {
            await TickAsync(stoppingToken).ConfigureAwait(false);
            if (_failing)
            {
                _failing = false;
                LogRecordingAgain();
            }
        }
        catch (Exception error) when (error is not OperationCanceledException)
        {
            // A disk that is gone may come back; the status and the probe tell about it meanwhile.
            await _store.ExclusiveAsync(
                () =>
                {
                    Abandon();
                    return true;
                },
                CancellationToken.None).ConfigureAwait(false);
            if (!_failing)
            {
                _failing = true;
                LogRecordingFails(error);
            }
        }
    }

    private void Tick()
    {
        var now = _store.Time.GetUtcNow();
        if (_mustRecover)
        {
            _store.Transact(sql =>
            {
                Recover(sql);
                return true;
            });
        }

        RefreshPlan();
        if (_plan.NextConfirmBefore <= now || _plan.NextConfirmBefore > now + _options.BootConfirm)
        {
            _store.Transact(sql => RecordUnanswered(sql, now));
            RefreshPlan();
        }

        MeasureRoom(now);
        Reconcile(now);
        foreach (var writer in _writers.Values)
        {
            writer.WriteDue(now, _options.FrameInterval, _options.SegmentLength, LongestCatchUp);
        }

        if (_closing.Count > 0 || now - _confirmedAt >= ConfirmEvery || now < _confirmedAt || _writers.Values.Any(w => w.WantsIndex))
        {
            ConfirmAll();
            _confirmedAt = now;
        }

        Volatile.Write(ref _tickedAt, _store.Time.GetTimestamp());
        Volatile.Write(ref _isWriting, _writers.Count > 0);
    }

    private void ConfirmAll()
    {
        List<ChannelWriter> writers = [.. _closing, .. _writers.Values];
        if (writers.Any(w => w.HasUnconfirmed))
        {
            // Confirming changes no duty and no settings, so a fresh plan stays fresh.
            var planIsOld = _planIsOld;
            _store.Transact(sql =>
            {
                Confirm(sql, writers);
                return true;
            });
            _planIsOld = planIsOld;
        }

        foreach (var writer in _closing)
        {
            writer.Dispose();
        }

        _closing.Clear();
    }

    private void RefreshPlan()
    {
        if (_planIsOld)
        {
            _plan = _store.Read(sql => RecordingPlan.Load(sql, _options.BootConfirm, LogMasksMissing));
            _planIsOld = false;
        }
    }

    private bool RecordUnanswered(Sql sql, DateTimeOffset now)
    {
        foreach (var duty in DutyStore.List(sql).Where(d => d.AwaitingSince > now))
        {
            // The clock was set back since the start: to wait by the former time could take for ever.
            DutyStore.Save(sql, duty with { AwaitingSince = now });
        }

        foreach (var duty in DutyStore.List(sql).Where(d => d is { Recording: true, Provisional: false } && d.AwaitingSince + _options.BootConfirm <= now))
        {
            DutyStore.Save(sql, duty with { Provisional = true });
            ForgetFirstFrames(sql, duty.Identity, duty.Epoch);
            RecorderJournal.Write(sql, now, duty.Identity, "recordingProvisionally", $"Nobody confirmed the role under epoch {duty.Epoch} within {_options.BootConfirm:c} after the start; recording, provisionally disputed.");
        }

        return true;
    }

    private void MeasureRoom(DateTimeOffset now)
    {
        if (now - _measuredAt < ConfirmEvery && _measuredAt <= now)
        {
            return;
        }

        _measuredAt = now;
        var hasRoom = _folder.HasRoom();
        if (hasRoom != _hasRoom)
        {
            _hasRoom = hasRoom;
            LogRoom(hasRoom, _options.ReserveBytes);
        }
    }

    /// <summary>Opens writers for what the plan wants; those it no longer wants are full and wait in <see cref="_closing"/>.</summary>
    private void Reconcile(DateTimeOffset now)
    {
        var wanted = (_hasRoom ? _plan.Channels : []).Where(c => !_released.Contains((c.Identity, c.ChannelId))).ToDictionary(c => (c.Identity, c.ChannelId));
        foreach (var (name, writer) in _writers.Where(w => wanted.GetValueOrDefault(w.Key) != w.Value.Plan).ToList())
        {
            writer.Fill();
            _closing.Add(writer);
            _writers.Remove(name);
        }

        // A recording that goes on under another epoch keeps its camera.
        _cameras.KeepOnly(c => _writers.ContainsKey(c) || wanted.ContainsKey(c), wanted.ContainsKey);
        foreach (var (name, plan) in wanted.Where(w => !_writers.ContainsKey(w.Key)).ToList())
        {
            if (!_cameras.TryOpen(plan, now))
            {
                continue;
            }

            // A recording that goes on under another epoch goes on with the very next frame.
            var former = _closing.Find(w => (w.Plan.Identity, w.Plan.ChannelId) == name);
            _writers.Add(name, new ChannelWriter(plan, former?.NextFrame ?? FirstFrameTime(plan, now), _folder, _store.MachineId, _clips, _options.IsBusy ? RecordPace.Busy : RecordPace.Quiet));
        }
    }

    private DateTimeOffset FirstFrameTime(PlannedChannel plan, DateTimeOffset now)
    {
        var next = Grid.Ceiling(now, _options.FrameInterval);
        var end = _store.Read(sql => SegmentStore.LastEnd(sql, plan.Identity, plan.ChannelId));

        // What is stored already ends a little later than now when the clock was set back; far later, recording is worth the overlap.
        return end > next && end - next < LongestCatchUp ? Grid.Ceiling(end.Value, _options.FrameInterval) : next;
    }

    /// <summary>Flushes bytes, publishes full segments, flushes their folders, writes the rows; the commit of the caller makes it true.</summary>
    private void Confirm(Sql sql, IReadOnlyCollection<ChannelWriter> writers)
    {
        var pending = writers.SelectMany(w => w.Unconfirmed.Select(s => (Writer: w, Segment: s))).ToList();
        Parallel.ForEach(pending, new ParallelOptions { MaxDegreeOfParallelism = 8 }, p => p.Segment.Flush());
        foreach (var (_, segment) in pending.Where(p => p.Segment.IsFull))
        {
            segment.Publish();
        }

        var changed = pending.Where(p => p.Segment.IsFull || !p.Segment.IsIndexed).Select(p => p.Segment.Folder).Distinct().ToList();
        Parallel.ForEach(changed, new ParallelOptions { MaxDegreeOfParallelism = 8 }, DurableFiles.FlushFolder);
        foreach (var (writer, segment) in pending)
        {
            if (!segment.IsIndexed)
            {
                SegmentStore.EnsureTrack(sql, writer.Plan.Identity, writer.Plan.ChannelId, JsonNamingPolicy.CamelCase.ConvertName(writer.Plan.Kind.ToString()));
            }

            SegmentStore.Save(sql, segment.ToRow(_store.Time.GetUtcNow()));
            ChannelTimes.Confirm(sql, writer.Plan.Identity, writer.Plan.ChannelId, writer.Plan.Epoch, segment.From, segment.LastFrame);
            segment.Confirmed();
        }

        ConfirmRecords(sql, writers);
        foreach (var writer in writers)
        {
            writer.ForgetConfirmed();
        }
    }

    private static void ConfirmRecords(Sql sql, IReadOnlyCollection<ChannelWriter> writers)
    {
        foreach (var writer in writers)
        {
            if (writer.Lines is { } lines)
            {
                ChannelTimes.Confirm(sql, writer.Plan.Identity, writer.Plan.ChannelId, writer.Plan.Epoch, lines.First, lines.Last);
            }
        }

        if (writers.Any(w => w.Records.Count > 0))
        {
            using var import = new RecordImport(sql);
            foreach (var record in writers.SelectMany(w => w.Records))
            {
                import.Record(record);
            }
        }
    }

    private bool CloseAll()
    {
        foreach (var writer in _writers.Values)
        {
            writer.Fill();
        }

        ConfirmAll();
        Abandon();
        return true;
    }

    /// <summary>Lets go of all files as they are; what is whole in them is recovered before anything else is done.</summary>
    private void Abandon()
    {
        foreach (var writer in _writers.Values.Concat(_closing))
        {
            writer.Dispose();
        }

        _writers.Clear();
        _closing.Clear();
        _released.Clear();
        _cameras.CloseAll();
        _mustRecover = true;
        _planIsOld = true;
    }

    private void Recover(Sql sql)
    {
        foreach (var row in SegmentStore.Growing(sql))
        {
            var path = Path.Combine(_folder.SegmentsPath, row.File);
            var temporary = path + SegmentFile.TemporarySuffix;
            if (!File.Exists(path) && !File.Exists(temporary))
            {
                SegmentStore.Delete(sql, row.SegmentId);
                RecorderJournal.Write(sql, _store.Time.GetUtcNow(), row.Identity, "segmentLost", $"Segment {row.SegmentId} was growing when the recorder stopped, and its file is gone.");
                continue;
            }

            var isPublished = File.Exists(path);
            var bytes = File.ReadAllBytes(isPublished ? path : temporary);
            var (whole, _, last) = SegmentContent.Inspect(row.ContentType, bytes);
            if (last is null)
            {
                SegmentStore.Delete(sql, row.SegmentId);
                File.Delete(isPublished ? path : temporary);
                continue;
            }

            if (!isPublished)
            {
                using (var file = new FileStream(temporary, FileMode.Open, FileAccess.ReadWrite, FileShare.None, bufferSize: 0))
                {
                    file.SetLength(whole);
                    file.Flush(flushToDisk: true);
                }

                DurableFiles.Publish(temporary, path);
                DurableFiles.FlushFolder(Path.GetDirectoryName(path)!);
            }

            var closed = row with { To = last.Value + _options.FrameInterval, Bytes = whole, Sha256 = Convert.ToHexStringLower(SHA256.HashData(bytes.AsSpan(0, whole))) };
            SegmentStore.Save(sql, closed);
            ChannelTimes.Confirm(sql, row.Identity, row.ChannelId, row.Epoch, row.From, last.Value);
        }

        _mustRecover = false;
    }

    /// <summary>Files that no row knows were never confirmed to anybody.</summary>
    private void RemoveStrayFiles()
    {
        var known = _store.Read(SegmentStore.Files);
        foreach (var path in Directory.EnumerateFiles(_folder.SegmentsPath, "*", SearchOption.AllDirectories))
        {
            if (!known.Contains(Path.GetRelativePath(_folder.SegmentsPath, path)) && !IncomingFolder.TakeBack(_folder, path))
            {
                LogStray(path);
                File.Delete(path);
            }
        }
    }

    private void LogMasksMissing(string identity, string channelId) => LogRefusingToRecord(identity, channelId);

    [LoggerMessage(Level = LogLevel.Information, Message = "Recording stops; open segments are closed")]
    private partial void LogStopping();

    [LoggerMessage(Level = LogLevel.Error, Message = "Recording fails and is tried again with the next frame. Check the data folder")]
    private partial void LogRecordingFails(Exception error);

    [LoggerMessage(Level = LogLevel.Information, Message = "Recording works again")]
    private partial void LogRecordingAgain();

    [LoggerMessage(Level = LogLevel.Warning, Message = "Storage has room above its reserve of {ReserveBytes} bytes: {HasRoom}. Without room nothing is recorded")]
    private partial void LogRoom(bool hasRoom, long reserveBytes);

    [LoggerMessage(Level = LogLevel.Error, Message = "Nothing is recorded for {Identity}: channel {ChannelId} requires a privacy mask and the active settings have none for it")]
    private partial void LogRefusingToRecord(string identity, string channelId);

    [LoggerMessage(Level = LogLevel.Information, Message = "Removing {Path}, which the index does not know")]
    private partial void LogStray(string path);
}
