using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.ReferenceRecorder.MaterialCopy.Copying;
using FailbackWorkflows.ReferenceRecorder.MaterialCopy.Queue;
using FailbackWorkflows.ReferenceRecorder.MaterialCopy.Source;
using FailbackWorkflows.ReferenceRecorder.Recording;
using FailbackWorkflows.ReferenceRecorder.Storage;

namespace FailbackWorkflows.ReferenceRecorder.MaterialCopy;

/// <summary>
/// The DVRFailoverService: works the durable queue, one task at a time. What a task waits for (its source, its window, authority, room) does
/// not hold up the others. It keeps no state of its own: after a restart the queue goes on from the database.
/// </summary>
internal sealed class CopyService(RecorderStore store, DataFolder folder, RecorderOptions options, RecordingEngine engine, TokenVault vault, CopyTuning tuning, CopyLog log) : BackgroundService
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan HeartbeatEvery = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan AssumedReading = TimeSpan.FromSeconds(1);
    private const long AssumedReadBytes = 50L * 1024 * 1024;

    private readonly HttpClient _http = SourceConnection.CreateHttp(tuning);
    private readonly SemaphoreSlim _wake = new(0, 1);
    private readonly Lock _lock = new();
    private CopyRun? _running;

    /// <summary>Released after every change of a task's state; for tests.</summary>
    internal SemaphoreSlim Changed { get; } = new(0);

    /// <summary>Something about tasks changed: orders and new sources take effect at once.</summary>
    public void Wake()
    {
        lock (_lock)
        {
            if (_wake.CurrentCount == 0)
            {
                _wake.Release();
            }
        }
    }

    /// <summary>Rate and estimate of a task that runs now; nothing for others.</summary>
    public (long BytesPerSecond, long? SecondsLeft, long? BytesVerified) Live(CopyTaskRow task)
    {
        CopyRun? run;
        lock (_lock)
        {
            run = _running;
        }

        if (run?.TaskId != task.TaskId)
        {
            return (0, null, null);
        }

        var rate = run.Pace.BytesPerSecond;
        var progress = run.Progress;
        var toFetch = Math.Max(0, (progress.BytesTotal ?? 0) - task.Counters.Bytes);
        var toRead = Math.Max(0, progress.BytesToVerify - progress.BytesVerified);
        long? left = progress.BytesTotal is null || (toFetch > 0 && rate == 0)
            ? null
            : (long)Math.Ceiling((toFetch == 0 ? 0 : (double)toFetch / rate) + (toRead * AssumedReading.TotalSeconds / AssumedReadBytes));
        return (rate, left, progress.Phase == "verifying" ? progress.BytesVerified : null);
    }

    public override void Dispose()
    {
        base.Dispose();
        _http.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            var incoming = new IncomingFolder(folder);
            while (true)
            {
                stoppingToken.ThrowIfCancellationRequested();
                try
                {
                    if (await NextAsync().ConfigureAwait(false) is { } task)
                    {
                        incoming.Ensure();
                        await RunOrPutOffAsync(task, stoppingToken).ConfigureAwait(false);
                        continue;
                    }

                    if (store.Read(CopyTaskStore.Open).Count == 0)
                    {
                        incoming.Clear();
                    }
                }
                catch (Exception error) when (error is not OperationCanceledException)
                {
                    log.LogQueueFailed(error);
                }

                await WaitAsync(stoppingToken).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            Changed.Release();
        }
    }

    /// <summary>The first task of the queue that can run now. What keeps the others from it is written down.</summary>
    private async Task<CopyTaskRow?> NextAsync()
    {
        var open = store.Read(CopyTaskStore.Open);
        foreach (var task in open)
        {
            var now = store.Time.GetUtcNow();
            if (task is { State: CopyTaskState.Paused, PauseReason: CopyPauseReason.Operator }
                or { State: CopyTaskState.Paused, PauseReason: CopyPauseReason.Source, RetryAt: null }
                || task.RetryAt > now)
            {
                continue;
            }

            var obstacle = !store.Read(sql => CopyRules.HasAuthority(sql, task.Identity)) ? CopyOutcome.NoAuthority
                : !CopyRules.IsWithin(task.Limits, now) ? CopyOutcome.Window
                : task.SourceUrl is null ? new CopyOutcome(CopyTaskState.WaitingForSource, Error: "No address and credential of the source are known yet. Send them with UpdateClientInfo.")
                : task is { State: CopyTaskState.Paused, PauseReason: CopyPauseReason.Reserve } && !HasRoom() ? CopyOutcome.Reserve(now)
                : null;
            if (obstacle is null)
            {
                return task;
            }

            if ((task.State, task.PauseReason, task.LastError) != (obstacle.State, obstacle.PauseReason, obstacle.Error))
            {
                await EndRunAsync(task.TaskId, obstacle).ConfigureAwait(false);
            }
        }

        return null;
    }

    private bool HasRoom() => tuning.RoomIn(folder.Measure()) > 0;

    /// <summary>A task that cannot even be begun must not hold up the others.</summary>
    private async Task RunOrPutOffAsync(CopyTaskRow task, CancellationToken stoppingToken)
    {
        try
        {
            await RunAsync(task, stoppingToken).ConfigureAwait(false);
        }
        catch (Exception error) when (error is not OperationCanceledException)
        {
            log.LogRunFailed(error, task.TaskId);
            var retryAt = store.Time.GetUtcNow() + tuning.LongestBackoff;
            await EndRunAsync(task.TaskId, new CopyOutcome(CopyTaskState.Queued, null, retryAt, $"Copying could not begin here: {error.Message}")).ConfigureAwait(false);
        }
    }

    private async Task RunAsync(CopyTaskRow task, CancellationToken stoppingToken)
    {
        if (vault.Open(task.TaskId, task.SourceToken!) is not { } token)
        {
            await EndRunAsync(task.TaskId, new CopyOutcome(CopyTaskState.Paused, CopyPauseReason.Source, null, "The stored credential cannot be read: its key file is not the one it was encrypted with. Send it again with UpdateClientInfo.")).ConfigureAwait(false);
            return;
        }

        var source = new SourceConnection(_http, new Uri(task.SourceUrl!), token, tuning, store.Time);
        var pace = new CopyPace(engine, tuning, store.Time);
        pace.Limit.BytesPerSecond = task.Limits.MaxBytesPerSecond;
        using var run = new CopyRun(task, source, store, folder, pace, tuning, log, options.IsAppendOnly, stoppingToken);
        log.LogRuns(task.TaskId, task.Attempts + 1);
        lock (_lock)
        {
            _running = run;
        }

        using var watching = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
        var watch = WatchAsync(run, watching.Token);
        CopyOutcome outcome;
        try
        {
            outcome = await Task.Run(run.RunAsync, CancellationToken.None).ConfigureAwait(false);
        }
        finally
        {
            await watching.CancelAsync().ConfigureAwait(false);
            await watch.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            lock (_lock)
            {
                _running = null;
            }
        }

        await EndRunAsync(task.TaskId, outcome, run).ConfigureAwait(false);
    }

    /// <summary>Looks every second, and whenever something is ordered, whether the run may go on and at which rate.</summary>
    private async Task WatchAsync(CopyRun run, CancellationToken cancellationToken)
    {
        var beatAt = store.Time.GetUtcNow();
        while (true)
        {
            await WaitAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                var now = store.Time.GetUtcNow();
                Look(run, now);
                if (now - beatAt >= HeartbeatEvery)
                {
                    beatAt = now;
                    await run.SaveAsync(sql => CopyTaskStore.Count(sql, run.TaskId, 0, 0, 0, now)).ConfigureAwait(false);
                }
            }
            catch (Exception error) when (error is not OperationCanceledException)
            {
                // A run that nobody watches would hear of no order and keep to no limit: the next look may work again.
                log.LogWatchFailed(error, run.TaskId);
            }
        }
    }

    private void Look(CopyRun run, DateTimeOffset now)
    {
        var (task, hasAuthority) = store.Read(sql => (CopyTaskStore.Find(sql, run.TaskId), CopyRules.HasAuthority(sql, run.Task.Identity)));
        if (task is null || task.HasEnded || task.State == CopyTaskState.Paused)
        {
            run.Stop(CopyOutcome.AsOrdered);
            return;
        }

        run.Pace.Limit.BytesPerSecond = task.Limits.MaxBytesPerSecond;
        if (!hasAuthority)
        {
            run.Stop(CopyOutcome.NoAuthority);
        }
        else if (task.SourceRevision != run.Task.SourceRevision)
        {
            run.Stop(CopyOutcome.GoOn);
        }
        else if (!CopyRules.IsWithin(task.Limits, now))
        {
            run.Stop(CopyOutcome.Window, letFinish: true);
        }
    }

    private async Task WaitAsync(CancellationToken cancellationToken)
    {
        // The semaphore's own timeout knows only the real clock.
        using var wait = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var woken = _wake.WaitAsync(wait.Token);
        var due = Task.Delay(LookEvery, store.Time, wait.Token);
        await Task.WhenAny(woken, due).ConfigureAwait(false);
        await wait.CancelAsync().ConfigureAwait(false);
        await woken.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await due.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        cancellationToken.ThrowIfCancellationRequested();
    }

    private async Task EndRunAsync(string taskId, CopyOutcome outcome, CopyRun? run = null)
    {
        var now = store.Time.GetUtcNow();
        await store.WriteAsync(
            sql =>
            {
                var task = CopyTaskStore.Find(sql, taskId)!;
                var isOrdered = task.HasEnded || task is { State: CopyTaskState.Paused, PauseReason: CopyPauseReason.Operator };
                if (outcome.State is not { } state || isOrdered)
                {
                    return CopyTaskStore.Save(sql, task with { Phase = null });
                }

                if (task.SourceRevision != (run?.Task.SourceRevision ?? task.SourceRevision) && state is CopyTaskState.WaitingForSource or CopyTaskState.Paused && outcome.PauseReason is null or CopyPauseReason.Source)
                {
                    // What stopped the run concerned the former address or credential.
                    (state, outcome) = (CopyTaskState.Queued, CopyOutcome.GoOn);
                }

                // A run that brought something counts as a new beginning for backing off.
                var attempts = run is null || CopyTaskRow.IsEnd(state) ? task.Attempts : run.Pace.BytesReceived > 0 ? 1 : task.Attempts + 1;
                if (state == CopyTaskState.Queued && outcome.Error is not null && attempts >= tuning.AttemptsPerChannel)
                {
                    state = CopyTaskState.Failed;
                }

                log.LogIsNow(taskId, state.ToString(), outcome.PauseReason?.ToString() ?? "", outcome.Error ?? "");
                return CopyTaskStore.Save(sql, task with
                {
                    State = state,
                    PauseReason = outcome.PauseReason,
                    RetryAt = CopyTaskRow.IsEnd(state) ? null : outcome.RetryAt,
                    LastError = outcome.Error,
                    Attempts = attempts,
                    Phase = null,
                    EndedAt = CopyTaskRow.IsEnd(state) ? now : null,
                    HeartbeatAt = run is null ? task.HeartbeatAt : now,
                });
            },
            CancellationToken.None).ConfigureAwait(false);
        Changed.Release();
    }
}
