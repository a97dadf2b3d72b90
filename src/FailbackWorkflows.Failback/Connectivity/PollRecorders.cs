using FailbackWorkflows.Engine.Runtime;
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
/// <param name="Unasked">How many have not had their turn yet in the first round since the watch was taken; 0: it is done.</param>
public sealed record PollPunctuality(int Recorders, int InFlight, TimeSpan LongestLag, TimeSpan LongestGap, DateTimeOffset? SweptAt, int Unasked = 0);

/// <summary>
/// Has every recorder polled at its interval by sweeps that come many times within it: each sweep is a shard, the recorders whose moment has
/// come since the last one. The moments are spread over the interval by the recorder's id, so that they never come all at once and stay
/// where they are over restarts. A sweep only begins polls; one that hangs keeps nobody else waiting, and no recorder is asked twice at once.
/// Of several management servers on one database the one on <see cref="IWatch">watch</see> polls, and the others poll nobody. Who has just taken the watch asks every recorder
/// once, at once, before anything is decided: what the one before had in memory is gone with it.
/// </summary>
public sealed class PollRecorders(
    IVmsServers servers, IDuties duties, IEpochCheckpoint checkpoint, DutyCalls calls, PollRecorder poll, PublishTransitions publish, IWatch watch, SeenDuties seen, KeptWords words, FailedPolls failed,
    PollOptions options, PollMetrics metrics, WorkflowEngineOptions engine, TimeProvider time, ILogger<PollRecorders> logger)
    : IAsyncDisposable
{
    /// <summary>How long an answer is waited for at most.</summary>
    internal static readonly TimeSpan MostPatience = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan LeastPatience = TimeSpan.FromSeconds(2);

    /// <summary>How soon a recorder is asked again whose turn in the first round failed, or that was registered during it: all others wait for it.</summary>
    private static readonly TimeSpan FirstRoundRetry = TimeSpan.FromSeconds(1);

    /// <summary>Beats, which carry it to the others, are rarer.</summary>
    private static readonly TimeSpan ReportEvery = TimeSpan.FromMilliseconds(250);

    private readonly RecorderRoster _roster = new(
        servers,
        duties,
        calls,
        serverId =>
        {
            words.Forget(serverId);
            failed.Forget(serverId);
        },
        time);

    private readonly CancellationTokenSource _stopping = new();
    private readonly Lock _lock = new();
    private Punctuality _thisMinute = new(DateTimeOffset.MinValue);
    private Punctuality _lastMinute = new(DateTimeOffset.MinValue);
    private TaskCompletionSource? _drained;
    private IReadOnlyDictionary<string, long>? _epochsAtStart;
    private DateTimeOffset? _sweptAt;
    private DateTimeOffset _termSince;
    private DateTimeOffset _reportedAt;
    private long _term;
    private int _unasked;
    private bool _hasAskedEverybody;
    private int _answering;
    private int _silent;

    /// <summary>
    /// Polls every server once, now, and returns when all have answered or not, and workflows were told. Polls nobody when another server is on watch; as a first round
    /// it only takes notice.
    /// </summary>
    public async Task ExecuteAsync(CancellationToken cancellationToken)
    {
        await RefreshAsync(isAtOnce: true, cancellationToken);
        if (await TakeTermAsync(cancellationToken) is not { } term)
        {
            return;
        }

        await Parallel.ForEachAsync(
            _roster.Recorders,
            new ParallelOptions { MaxDegreeOfParallelism = options.MaxConcurrency, CancellationToken = cancellationToken },
            async (recorder, token) =>
            {
                if (recorder.TryBegin())
                {
                    try
                    {
                        if (await poll.ExecuteAsync(recorder, _roster, PatienceOf(recorder), term, token))
                        {
                            recorder.TurnIn = term;
                        }
                    }
                    finally
                    {
                        recorder.End();
                    }
                }
            });
        Report(term);
        if (watch.MayDecide)
        {
            await publish.ExecuteAsync(cancellationToken);
        }
    }

    /// <summary>Begins the polls that are due, if this server is on watch. Call it many times per interval, one call at a time.</summary>
    public async Task SweepAsync(CancellationToken cancellationToken)
    {
        // Also by who does not poll: it follows the epochs that others draw.
        await RefreshAsync(isAtOnce: false, cancellationToken);
        if (await TakeTermAsync(cancellationToken) is not { } term)
        {
            _sweptAt = time.GetUtcNow();
            return;
        }

        var now = time.GetUtcNow();
        var isFirstRound = !watch.MayDecide;
        foreach (var recorder in _roster.Recorders)
        {
            var interval = recorder.Server.PollInterval ?? options.Interval;
            if (isFirstRound && recorder.TurnIn != term && !recorder.IsPolling && !(recorder.DueAt <= now + FirstRoundRetry))
            {
                // Nothing is decided for anybody before it has had its turn, and its interval may be an hour.
                (recorder.Interval, recorder.DueAt) = (interval, now + FirstRoundRetry);
            }

            if (recorder.DueAt is not { } dueAt || recorder.Interval != interval)
            {
                recorder.Interval = interval;
                recorder.DueAt = NextMoment(recorder.Server.Id, interval, now);
            }
            else if (dueAt <= now)
            {
                Begin(recorder, dueAt, now, term);
            }
        }

        _sweptAt = now;
        Report(term);
    }

    /// <summary>
    /// When a server was last seen: by a poll of this process, else as its row says or, while it is connected, as whoever is on watch last told: then it was seen
    /// at least as late as that.
    /// </summary>
    public DateTimeOffset? SeenAt(VmsServer server) => _roster.Find(server.Id)?.LastSeenAt(server, watch.Report, options.Interval) ?? server.LastSeenAt;

    /// <summary>Polls in a row of a server that have failed; null: another management server is on watch and counts them.</summary>
    public int? FailedPollsOf(string serverId) => watch.IsOurs ? failed.Of(serverId) : null;

    /// <summary>How punctual the polls of the cluster are now: this server's own, or what whoever is on watch told last.</summary>
    public WatchReport? OfCluster() => watch.IsOurs ? new(engine.Node, watch.Term, _unasked == 0, _hasAskedEverybody, Punctual()) : watch.Report;

    /// <summary>Why a server cannot be asked at all and what to do: its stored credential cannot be read; null: it can be asked.</summary>
    public string? CredentialProblemOf(string serverId) => _roster.Find(serverId)?.CredentialProblem;

    /// <summary>How punctual the polls of this process are now.</summary>
    public PollPunctuality Punctual()
    {
        lock (_lock)
        {
            Turn(time.GetUtcNow());
            return new(
                _roster.Count,
                _answering + _silent,
                _thisMinute.Lag > _lastMinute.Lag ? _thisMinute.Lag : _lastMinute.Lag,
                _thisMinute.Gap > _lastMinute.Gap ? _thisMinute.Gap : _lastMinute.Gap,
                _sweptAt,
                _unasked);
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

    private async Task RefreshAsync(bool isAtOnce, CancellationToken cancellationToken)
    {
        if (!await _roster.RefreshAsync(isAtOnce, cancellationToken))
        {
            return;
        }

        // What the database said at the start may be a backup's word: a checkpoint that does not know it is a reason for doubt, and stays one.
        _epochsAtStart ??= _roster.Duties.ToDictionary(d => d.Identity, d => d.Epoch, StringComparer.Ordinal);

        try
        {
            checkpoint.Follow(_roster.Duties.Where(d => d.Epoch > _epochsAtStart.GetValueOrDefault(d.Identity)));
        }
        catch (IOException exception)
        {
            // Recorders are polled all the same. It is tried again with the next look at the registry.
            logger.LogError("{Reason} Until then this node would not notice by itself that the database was restored from a backup", exception.Message);
        }
    }

    /// <summary>The term of the watch to poll in, after what its beginning needs; null: the watch is another's.</summary>
    private async Task<long?> TakeTermAsync(CancellationToken cancellationToken)
    {
        var term = watch.Term;
        if (term == 0 || !watch.IsOurs)
        {
            StandDown();
            return null;
        }

        if (term == _term)
        {
            return term;
        }

        // What others have written meanwhile is read; what was seen here in an earlier term decides nothing.
        StandDown();
        await words.BeginAsync(cancellationToken);
        if (!watch.MayDecide)
        {
            await RefreshAsync(isAtOnce: true, cancellationToken);
            seen.AskAnew();
            _termSince = time.GetUtcNow();
            foreach (var recorder in _roster.Recorders)
            {
                recorder.Interval = recorder.Server.PollInterval ?? options.Interval;
                recorder.DueAt = _termSince;
            }

            _unasked = _roster.Count;
            logger.LogInformation("This server has taken the watch (term {Term}) and asks all {Count} recorders before it decides anything", term, _unasked);
        }

        _term = term;
        return term;
    }

    private void StandDown()
    {
        if (_term == 0)
        {
            return;
        }

        _term = 0;
        _unasked = 0;
        _hasAskedEverybody = false;
        failed.ForgetAll();
        foreach (var recorder in _roster.Recorders)
        {
            (recorder.DueAt, recorder.PolledAt) = (null, null);
        }

        lock (_lock)
        {
            _thisMinute = _lastMinute = new(DateTimeOffset.MinValue);
        }
    }

    /// <summary>Tells how far the first round is, and how punctual the polls are.</summary>
    private void Report(long term)
    {
        var now = time.GetUtcNow();
        if (watch.MayDecide)
        {
            if (now - _reportedAt < ReportEvery)
            {
                return;
            }
        }
        else
        {
            _unasked = _roster.Recorders.Count(recorder => recorder.TurnIn != term);
            if (_unasked == 0)
            {
                logger.LogInformation("All {Count} recorders have been asked within {Elapsed}; from here on this server decides", _roster.Count, now - _termSince);
            }
        }

        _reportedAt = now;

        // Once is enough: who is registered later is asked when it is registered.
        _hasAskedEverybody = _hasAskedEverybody || (_unasked == 0 && _roster.Recorders.All(recorder => recorder.AskedIn == term));
        watch.Tell(new(engine.Node, term, _unasked == 0, _hasAskedEverybody, Punctual()));
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

    private void Begin(PolledRecorder recorder, DateTimeOffset dueAt, DateTimeOffset now, long term)
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

        metrics.Began(now - dueAt);
        recorder.PolledAt = now;
        recorder.DueAt = NextMoment(recorder.Server.Id, recorder.Interval, now);
        _ = Task.Run(() => PollAsync(recorder, isSilent, term));
    }

    private async Task PollAsync(PolledRecorder recorder, bool isSilent, long term)
    {
        try
        {
            if (await poll.ExecuteAsync(recorder, _roster, PatienceOf(recorder), term, _stopping.Token))
            {
                recorder.TurnIn = term;
            }
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            // The server stops.
        }
        catch (Exception exception)
        {
            logger.LogError(exception, "The poll of {Server} failed; the next one looks again", recorder.Server.Id);

            // One that fails for a reason of its own must not keep a first round, and all that waits for it, from ending.
            if (recorder.BrokenIn == term)
            {
                recorder.TurnIn = term;
            }

            recorder.BrokenIn = term;
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
