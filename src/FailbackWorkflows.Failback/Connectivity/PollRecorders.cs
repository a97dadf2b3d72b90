using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.VmsServers;
using Microsoft.Extensions.Logging;

namespace FailbackWorkflows.Failback.Connectivity;

/// <summary>How recorders are polled.</summary>
public sealed class PollOptions
{
    /// <summary>How often a recorder is polled that has no interval of its own; 1 s to 1 h. Default: 5 s.</summary>
    public TimeSpan Interval { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Polls at the same time of recorders that answered last time; those that did not have as many for themselves. 1 to 10,000. Default: 256.</summary>
    public int MaxConcurrency { get; set; } = 256;
}

/// <summary>How punctual the polls are.</summary>
/// <param name="Recorders">How many are polled.</param>
/// <param name="InFlight">How many are being asked at this moment.</param>
/// <param name="LongestLag">By how much the latest poll of the last two minutes at most began too late.</param>
/// <param name="LongestGap">The longest time between two polls of the same recorder, beyond its interval, within the same time.</param>
/// <param name="SweptAt">When somebody last looked what is due; null: not yet.</param>
public sealed record PollPunctuality(int Recorders, int InFlight, TimeSpan LongestLag, TimeSpan LongestGap, DateTimeOffset? SweptAt);

/// <summary>
/// Has every recorder polled at its interval by sweeps that come many times within it: each sweep is a shard, the recorders whose moment has
/// come since the last one. The moments are spread over the interval by the recorder's id, so that they never come all at once and stay
/// where they are over restarts. A sweep only begins polls; one that hangs keeps nobody else waiting, and no recorder is asked twice at once.
/// The embedded database lets one process in, so there is one poll of each recorder.
/// </summary>
public sealed class PollRecorders(
    IVmsServers servers, IDuties duties, DutyCalls calls, PollRecorder poll, PublishTransitions publish, PollOptions options, TimeProvider time, ILogger<PollRecorders> logger)
    : IAsyncDisposable
{
    private static readonly TimeSpan MostPatience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LeastPatience = TimeSpan.FromSeconds(2);

    private readonly RecorderRoster _roster = new(servers, duties, calls, time);
    private readonly CancellationTokenSource _stopping = new();
    private readonly Lock _lock = new();
    private Punctuality _thisMinute = new(DateTimeOffset.MinValue);
    private Punctuality _lastMinute = new(DateTimeOffset.MinValue);
    private TaskCompletionSource? _drained;
    private DateTimeOffset? _sweptAt;
    private int _answering;
    private int _silent;

    /// <summary>Polls every server once, now, and returns when all have answered or not, and workflows were told.</summary>
    public async Task ExecuteAsync(CancellationToken cancellationToken)
    {
        await _roster.RefreshAsync(isAtOnce: true, cancellationToken);
        await Parallel.ForEachAsync(
            _roster.Recorders,
            new ParallelOptions { MaxDegreeOfParallelism = options.MaxConcurrency, CancellationToken = cancellationToken },
            async (recorder, token) =>
            {
                if (recorder.TryBegin())
                {
                    try
                    {
                        await poll.ExecuteAsync(recorder, _roster, PatienceOf(recorder), token);
                    }
                    finally
                    {
                        recorder.End();
                    }
                }
            });
        await publish.ExecuteAsync(cancellationToken);
    }

    /// <summary>Begins the polls that are due. Call it many times per interval, one call at a time.</summary>
    public async Task SweepAsync(CancellationToken cancellationToken)
    {
        await _roster.RefreshAsync(isAtOnce: false, cancellationToken);
        var now = time.GetUtcNow();
        foreach (var recorder in _roster.Recorders)
        {
            var interval = recorder.Server.PollInterval ?? options.Interval;
            if (recorder.DueAt is not { } dueAt || recorder.Interval != interval)
            {
                recorder.Interval = interval;
                recorder.DueAt = NextMoment(recorder.Server.Id, interval, now);
            }
            else if (dueAt <= now)
            {
                Begin(recorder, dueAt, now);
            }
        }

        _sweptAt = now;
    }

    /// <summary>When a server was last seen: by a poll of this process, else as its row says.</summary>
    public DateTimeOffset? SeenAt(VmsServer server) => _roster.Find(server.Id)?.SeenAt is { } seenAt && !(seenAt < server.LastSeenAt) ? seenAt : server.LastSeenAt;

    /// <summary>How punctual the polls are now.</summary>
    public PollPunctuality Punctual()
    {
        lock (_lock)
        {
            Turn(time.GetUtcNow());
            return new(
                _roster.Recorders.Count,
                _answering + _silent,
                _thisMinute.Lag > _lastMinute.Lag ? _thisMinute.Lag : _lastMinute.Lag,
                _thisMinute.Gap > _lastMinute.Gap ? _thisMinute.Gap : _lastMinute.Gap,
                _sweptAt);
        }
    }

    /// <summary>Ends the polls that are under way.</summary>
    public async ValueTask DisposeAsync()
    {
        Task drained;
        lock (_lock)
        {
            _drained ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            drained = _answering + _silent == 0 ? Task.CompletedTask : _drained.Task;
        }

        await _stopping.CancelAsync();
        await drained;
    }

    private static TimeSpan PatienceOf(PolledRecorder recorder) =>
        recorder.Interval > MostPatience || recorder.Interval == TimeSpan.Zero ? MostPatience : recorder.Interval < LeastPatience ? LeastPatience : recorder.Interval;

    private static DateTimeOffset NextMoment(string serverId, TimeSpan interval, DateTimeOffset now)
    {
        // FNV-1a: the same in every process, unlike the hash of a string.
        var hash = 14695981039346656037UL;
        foreach (var c in serverId)
        {
            hash = (hash ^ c) * 1099511628211UL;
        }

        var phase = (long)(hash % (ulong)interval.Ticks);
        var sinceMoment = (now.UtcTicks - phase) % interval.Ticks;
        return now.AddTicks(interval.Ticks - sinceMoment);
    }

    private void Begin(PolledRecorder recorder, DateTimeOffset dueAt, DateTimeOffset now)
    {
        // Recorders that do not answer take long. They have places of their own, so that a part of the network that is gone slows nobody else down.
        var isSilent = !recorder.Server.Answers;
        lock (_lock)
        {
            ref var places = ref isSilent ? ref _silent : ref _answering;
            if (_drained is not null || places >= options.MaxConcurrency || !recorder.TryBegin())
            {
                return;
            }

            places++;
            Turn(now);
            _thisMinute = _thisMinute.With(now - dueAt, recorder.PolledAt is { } polledAt ? now - polledAt - recorder.Interval : TimeSpan.Zero);
        }

        recorder.PolledAt = now;
        recorder.DueAt = NextMoment(recorder.Server.Id, recorder.Interval, now);
        _ = Task.Run(() => PollAsync(recorder, isSilent));
    }

    private async Task PollAsync(PolledRecorder recorder, bool isSilent)
    {
        try
        {
            await poll.ExecuteAsync(recorder, _roster, PatienceOf(recorder), _stopping.Token);
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            // The server stops.
        }
        catch (Exception exception)
        {
            logger.LogError(exception, "The poll of {Server} failed; the next one looks again", recorder.Server.Id);
        }
        finally
        {
            recorder.End();
            lock (_lock)
            {
                ref var places = ref isSilent ? ref _silent : ref _answering;
                places--;
                if (_answering + _silent == 0)
                {
                    _drained?.TrySetResult();
                }
            }
        }
    }

    private void Turn(DateTimeOffset now)
    {
        if (now - _thisMinute.Since >= TimeSpan.FromMinutes(1))
        {
            _lastMinute = now - _thisMinute.Since < TimeSpan.FromMinutes(2) ? _thisMinute : new(now);
            _thisMinute = new(now);
        }
    }

    private readonly record struct Punctuality(DateTimeOffset Since, TimeSpan Lag = default, TimeSpan Gap = default)
    {
        public Punctuality With(TimeSpan lag, TimeSpan gap) => this with { Lag = lag > Lag ? lag : Lag, Gap = gap > Gap ? gap : Gap };
    }
}
