using System.Diagnostics;
using System.Text.Json;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Recording;
using FailbackWorkflows.Recorders.Settings;

namespace FailbackWorkflows.Testing.Failback;

/// <summary>What became of a call.</summary>
public enum CallFate
{
    /// <summary>It read, or it took effect.</summary>
    Answered,

    /// <summary>Its key was known: the first answer was given again.</summary>
    Replayed,

    /// <summary>The recorder said no.</summary>
    Refused,

    /// <summary>It never arrived.</summary>
    NotArrived,

    /// <summary>It took effect, and its answer was lost.</summary>
    AnswerLost,
}

/// <summary>A call as the network saw it.</summary>
/// <param name="Name">Method of <see cref="IRecorderClient"/> without <c>Async</c>.</param>
/// <param name="Key">Null for calls that only read, and for the fence.</param>
/// <param name="Authority">Of a command; of a fence its number, with epoch 0.</param>
public sealed record RecorderCall(string ServerId, string Name, string? Identity, string? Key, DutyAuthority? Authority, CallFate Fate);

/// <summary>Several <see cref="FakeRecorder"/>s and the network to them, on which a test lets things go wrong at a chosen call.</summary>
public sealed partial class FakeRecorders(TimeProvider time) : IRecorderClient
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, FakeRecorder> _recorders = new(StringComparer.Ordinal);
    private readonly List<RecorderCall> _calls = [];
    private readonly List<Rule> _rules = [];
    private long _ticksInCalls;

    /// <summary>Called just before a call takes effect at a recorder and just after it, before its answer is on the way.</summary>
    public Action<RecorderCall>? Arrived { get; set; }

    public FakeRecorder this[string serverId] => _recorders[serverId];

    /// <summary>All of them, by id.</summary>
    public IReadOnlyList<FakeRecorder> All => [.. _recorders.Values.OrderBy(r => r.ServerId, StringComparer.Ordinal)];

    /// <summary>All calls so far, oldest first.</summary>
    public IReadOnlyList<RecorderCall> Calls
    {
        get
        {
            lock (_lock)
            {
                return [.. _calls];
            }
        }
    }

    /// <summary>Time spent in calls so far.</summary>
    public TimeSpan TimeInCalls => new(Interlocked.Read(ref _ticksInCalls));

    /// <summary>Commands that took effect, in order.</summary>
    public IReadOnlyList<RecorderCall> Effects => [.. Calls.Where(c => c.Key is not null && (c.Fate is CallFate.Answered or CallFate.AnswerLost))];

    /// <summary>Lets go of the calls and the remembered keys so far: no command of theirs is repeated.</summary>
    public void ForgetCalls()
    {
        lock (_lock)
        {
            _calls.Clear();
            foreach (var recorder in _recorders.Values)
            {
                recorder.ForgetKeys();
            }
        }
    }

    public FakeRecorder Add(string serverId)
    {
        var recorder = new FakeRecorder(serverId, time);
        _recorders[serverId] = recorder;
        return recorder;
    }

    /// <summary>Does something before a call arrives; what it throws is what the caller gets.</summary>
    /// <param name="nth">At which of these calls, from 1.</param>
    /// <param name="times">And how many after it.</param>
    public void Before(string serverId, string name, Func<Task> action, int nth = 1, int times = 1) => AddRule(new(serverId, name, nth, times, action, null));

    /// <inheritdoc cref="Before(string, string, Func{Task}, int, int)"/>
    public void Before(string serverId, string name, Action action, int nth = 1, int times = 1) => Before(serverId, name, Async(action), nth, times);

    /// <summary>Does something after a call took effect and before its answer arrives; what it throws is what the caller gets.</summary>
    public void After(string serverId, string name, Func<Task> action, int nth = 1, int times = 1) => AddRule(new(serverId, name, nth, times, null, action));

    /// <inheritdoc cref="After(string, string, Func{Task}, int, int)"/>
    public void After(string serverId, string name, Action action, int nth = 1, int times = 1) => After(serverId, name, Async(action), nth, times);

    /// <summary>The call does not arrive or is refused.</summary>
    public void Fail(string serverId, string name, RecorderErrorKind kind = RecorderErrorKind.Unreachable, int nth = 1, int times = 1) =>
        Before(serverId, name, () => throw new RecorderException(kind, $"{serverId} was made to fail {name} ({kind})."), nth, times);

    /// <summary>The call takes effect, its answer is lost.</summary>
    public void LoseAnswer(string serverId, string name, int nth = 1, int times = 1) =>
        After(serverId, name, () => throw new RecorderException(RecorderErrorKind.Unreachable, $"The answer of {serverId} to {name} was lost."), nth, times);

    /// <summary>The machine dies before the call arrives, or after it took effect.</summary>
    public void DieAt(string serverId, string name, bool afterEffect = false, int nth = 1)
    {
        if (afterEffect)
        {
            After(serverId, name, this[serverId].Die, nth);
        }
        else
        {
            Before(serverId, name, this[serverId].Die, nth);
        }
    }

    public Task<RecorderStatus> GetStatusAsync(RecorderEndpoint recorder, CancellationToken cancellationToken) =>
        ReadAsync(recorder, "GetStatus", null, r => r.Status(), cancellationToken);

    public Task<ProbeResult> ProbeAsync(RecorderEndpoint recorder, string? identity, CancellationToken cancellationToken) =>
        ReadAsync(recorder, "Probe", null, r => r.Probe(identity), cancellationToken);

    public Task<DutyState> RaiseFenceAsync(RecorderEndpoint recorder, string identity, long fence, CancellationToken cancellationToken) =>
        CallAsync(recorder, "RaiseFence", identity, null, new(0, fence), r => (r.RaiseFence(identity, fence), false), cancellationToken);

    public Task<DutyState> AssignDutyAsync(RecorderEndpoint recorder, string identity, DutyAssignment assignment, string idempotencyKey, CancellationToken cancellationToken) =>
        CommandAsync(recorder, "AssignDuty", identity, new(assignment.Epoch, assignment.Fence), idempotencyKey, assignment with { Fence = 0 }, (_, d) => d.Assign(assignment), cancellationToken);

    public Task<RecordingState> GetRecordingAsync(RecorderEndpoint recorder, string identity, CancellationToken cancellationToken) =>
        ReadAsync(recorder, "GetRecording", identity, r => r.Duty(identity).ToRecording(), cancellationToken);

    public Task<RecordingState> StartRecordingAsync(RecorderEndpoint recorder, RecordingCommand command, string idempotencyKey, CancellationToken cancellationToken) =>
        CommandAsync(recorder, "StartRecording", command.Identity, command.Authority, idempotencyKey, command with { Authority = NoAuthority }, (_, d) => d.Start(), cancellationToken);

    public Task<RecordingState> StopRecordingAsync(RecorderEndpoint recorder, RecordingCommand command, string idempotencyKey, CancellationToken cancellationToken) =>
        CommandAsync(recorder, "StopRecording", command.Identity, command.Authority, idempotencyKey, command with { Authority = NoAuthority }, (_, d) => d.Stop(command.AuthorityEnds), cancellationToken);

    public Task<RecordingState> ReleaseChannelsAsync(RecorderEndpoint recorder, ReleaseChannelsCommand command, string idempotencyKey, CancellationToken cancellationToken) =>
        CommandAsync(recorder, "ReleaseChannels", command.Identity, command.Authority, idempotencyKey, command with { Authority = NoAuthority }, (_, d) => d.Release(command.ChannelIds), cancellationToken);

    public Task<SettingsBundle> GetSettingsAsync(RecorderEndpoint recorder, string identity, CancellationToken cancellationToken) =>
        ReadAsync(recorder, "GetSettings", identity, r => r.Duty(identity).ToBundle(), cancellationToken);

    public Task<SettingsBundle?> FindChangedSettingsAsync(RecorderEndpoint recorder, string identity, long knownRevision, string knownSha256, CancellationToken cancellationToken) =>
        ReadAsync(
            recorder,
            "FindChangedSettings",
            identity,
            r => r.Duty(identity).ToBundle() is var bundle && bundle.Revision == knownRevision && bundle.Sha256 == knownSha256 ? null : bundle,
            cancellationToken);

    public Task<SettingsValidation> ValidateSettingsAsync(RecorderEndpoint recorder, string identity, SettingsContent content, CancellationToken cancellationToken) =>
        ReadAsync(recorder, "ValidateSettings", identity, r => r.Validate(content), cancellationToken);

    public Task<StagedSettings> StageSettingsAsync(RecorderEndpoint recorder, StageSettingsCommand command, string idempotencyKey, CancellationToken cancellationToken) =>
        CommandAsync(recorder, "StageSettings", command.Identity, command.Authority, idempotencyKey, command with { Authority = NoAuthority }, (r, d) => r.Stage(d, command.Content, command.Sha256), cancellationToken);

    public Task<SettingsRevision> ActivateSettingsAsync(RecorderEndpoint recorder, ActivateSettingsCommand command, string idempotencyKey, CancellationToken cancellationToken) =>
        CommandAsync(recorder, "ActivateSettings", command.Identity, command.Authority, idempotencyKey, command with { Authority = NoAuthority }, (r, d) => r.Activate(d, command.StagedId, command.ExpectedRevision), cancellationToken);

    public Task<SettingsRevision> RollBackSettingsAsync(RecorderEndpoint recorder, RollBackSettingsCommand command, string idempotencyKey, CancellationToken cancellationToken) =>
        CommandAsync(recorder, "RollBackSettings", command.Identity, command.Authority, idempotencyKey, command with { Authority = NoAuthority }, (_, d) => d.RollBack(command.ToRevision), cancellationToken);

    public Task<SettingsRevision> FreezeSettingsAsync(RecorderEndpoint recorder, FreezeSettingsCommand command, string idempotencyKey, CancellationToken cancellationToken) =>
        CommandAsync(recorder, "FreezeSettings", command.Identity, command.Authority, idempotencyKey, command with { Authority = NoAuthority }, (_, d) => d.Freeze(command.Frozen), cancellationToken);

    public Task<RetentionHoldState?> FindRetentionHoldAsync(RecorderEndpoint recorder, string entryId, CancellationToken cancellationToken) =>
        ReadAsync(recorder, "FindRetentionHold", null, r => r.Holds.GetValueOrDefault(entryId), cancellationToken);

    public Task<IReadOnlyList<RetentionHoldState>> ListRetentionHoldsAsync(RecorderEndpoint recorder, CancellationToken cancellationToken) =>
        ReadAsync<IReadOnlyList<RetentionHoldState>>(recorder, "ListRetentionHolds", null, r => r.AllHolds, cancellationToken);

    public Task<RetentionHoldState> PutRetentionHoldAsync(RecorderEndpoint recorder, RetentionHoldCommand command, string idempotencyKey, CancellationToken cancellationToken) =>
        CommandAsync(
            recorder,
            "PutRetentionHold",
            command.Identity,
            command.Authority,
            idempotencyKey,
            command with { Authority = NoAuthority },
            (r, _) => r.PutHold(new(command.EntryId, command.Identity, command.FromUtc, command.ToUtc, command.Reason)),
            cancellationToken);

    private static readonly DutyAuthority NoAuthority = new(0, 0);

    private static Func<Task> Async(Action action) => () =>
    {
        action();
        return Task.CompletedTask;
    };

    private Task<T> ReadAsync<T>(RecorderEndpoint endpoint, string name, string? identity, Func<FakeRecorder, T> read, CancellationToken cancellationToken) =>
        CallAsync(endpoint, name, identity, null, null, r => (read(r), false), cancellationToken);

    private Task<T> CommandAsync<T>(
        RecorderEndpoint endpoint, string name, string identity, DutyAuthority authority, string key, object content, Func<FakeRecorder, FakeDuty, T> effect, CancellationToken cancellationToken)
        where T : class =>
        CallAsync(
            endpoint,
            name,
            identity,
            key,
            authority,
            r => r.Run(identity, authority, content is DutyAssignment, key, $"{name} {JsonSerializer.Serialize(content, content.GetType(), RecorderJson.Options)}", d => effect(r, d)),
            cancellationToken);

    private async Task<T> CallAsync<T>(
        RecorderEndpoint endpoint, string name, string? identity, string? key, DutyAuthority? authority, Func<FakeRecorder, (T Answer, bool IsReplay)> body, CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        try
        {
            return await AnswerAsync(endpoint, name, identity, key, authority, body, cancellationToken);
        }
        finally
        {
            Interlocked.Add(ref _ticksInCalls, Stopwatch.GetElapsedTime(started).Ticks);
        }
    }

    private async Task<T> AnswerAsync<T>(
        RecorderEndpoint endpoint, string name, string? identity, string? key, DutyAuthority? authority, Func<FakeRecorder, (T Answer, bool IsReplay)> body, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var call = new RecorderCall(endpoint.ServerId, name, identity, key, authority, CallFate.Answered);
        var (before, after) = TakeRules(call);
        try
        {
            await RunAsync(before);
            ThrowIfUnreachable(endpoint);
        }
        catch (RecorderException exception)
        {
            Log(call with { Fate = exception.Kind == RecorderErrorKind.Unreachable ? CallFate.NotArrived : CallFate.Refused });
            throw;
        }

        T answer;
        bool isReplay;
        Arrived?.Invoke(call);
        try
        {
            lock (_lock)
            {
                (answer, isReplay) = body(_recorders[endpoint.ServerId]);
            }
        }
        catch (RecorderException)
        {
            Log(call with { Fate = CallFate.Refused });
            throw;
        }

        Arrived?.Invoke(call);
        try
        {
            await RunAsync(after);
            ThrowIfUnreachable(endpoint);
        }
        catch (RecorderException)
        {
            Log(call with { Fate = isReplay ? CallFate.Replayed : CallFate.AnswerLost });
            throw;
        }

        Log(call with { Fate = isReplay ? CallFate.Replayed : CallFate.Answered });
        return answer;
    }

    private void ThrowIfUnreachable(RecorderEndpoint endpoint)
    {
        if (!_recorders.TryGetValue(endpoint.ServerId, out var recorder) || !recorder.IsReachable)
        {
            throw new RecorderException(RecorderErrorKind.Unreachable, $"{endpoint.ServerId} does not answer.");
        }

        if (recorder.Credential != endpoint.Credential)
        {
            throw new RecorderException(RecorderErrorKind.Unauthorized, $"{endpoint.ServerId} does not accept the credential.", RecorderProblems.Unauthorized);
        }
    }

    private static async Task RunAsync(List<Func<Task>> actions)
    {
        foreach (var action in actions)
        {
            await action();
        }
    }

    private void AddRule(Rule rule)
    {
        lock (_lock)
        {
            _rules.Add(rule);
        }
    }

    private (List<Func<Task>> Before, List<Func<Task>> After) TakeRules(RecorderCall call)
    {
        lock (_lock)
        {
            var matching = _rules.Where(r => r.Matches(call)).ToList();
            return ([.. matching.Select(r => r.Before).OfType<Func<Task>>()], [.. matching.Select(r => r.After).OfType<Func<Task>>()]);
        }
    }

    private void Log(RecorderCall call)
    {
        lock (_lock)
        {
            _calls.Add(call);
        }
    }

    private sealed class Rule(string serverId, string name, int nth, int times, Func<Task>? before, Func<Task>? after)
    {
        private int _seen;

        public Func<Task>? Before => before;

        public Func<Task>? After => after;

        /// <summary>Counts the call when it is one of these.</summary>
        public bool Matches(RecorderCall call)
        {
            if (call.ServerId != serverId || call.Name != name)
            {
                return false;
            }

            _seen++;
            return _seen >= nth && _seen < nth + (long)times;
        }
    }
}
