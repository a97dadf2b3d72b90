using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;

namespace FailbackWorkflows.Testing.Failback;

public sealed partial class FakeRecorder
{
    private readonly Dictionary<string, long> _copyFences = new(StringComparer.Ordinal);
    private readonly Dictionary<string, RetentionHoldState> _releasedHolds = new(StringComparer.Ordinal);
    private FakeCopies? _copies;

    /// <summary>Its copy queue, and the read tokens it has issued.</summary>
    public FakeCopies Copies => _copies ??= new FakeCopies(this, time);

    /// <summary>Why each released hold was released, by entry.</summary>
    public Dictionary<string, HoldRelease> Released { get; } = new(StringComparer.Ordinal);

    /// <summary>As a recorder lists them: released ones too, with why.</summary>
    internal IReadOnlyList<RetentionHoldState> AllHolds => [.. Holds.Values, .. _releasedHolds.Values.Select(h => h with { Release = Released[h.EntryId] })];

    internal RetentionHoldState Release(ReleaseHoldCommand command)
    {
        if (_releasedHolds.TryGetValue(command.EntryId, out var known) && !Holds.ContainsKey(command.EntryId))
        {
            // What is disputed was still held; a weaker release does not undo a stronger one.
            if (Released[command.EntryId] == HoldRelease.VerifiedCopy)
            {
                Released[command.EntryId] = command.Release;
            }

            return known;
        }

        if (!Holds.TryGetValue(command.EntryId, out var hold))
        {
            throw new RecorderException(RecorderErrorKind.NotFound, $"There is no hold {command.EntryId}.", RecorderProblems.UnknownResource);
        }

        if (hold.ToUtc is null && command.Release == HoldRelease.VerifiedCopy)
        {
            throw new RecorderException(RecorderErrorKind.Conflict, "The hold is open.", RecorderProblems.HoldConflict);
        }

        Holds.Remove(command.EntryId);
        _releasedHolds[command.EntryId] = hold;
        Released[command.EntryId] = command.Release;
        return hold;
    }

    /// <summary>A command for a copy task: its fence first, then the key, then the effect.</summary>
    internal (T Answer, bool IsReplay) RunCopy<T>(string taskId, CopyAuthority authority, string key, string content, Func<T> effect)
        where T : class
    {
        if (authority.CopyFence < _copyFences.GetValueOrDefault(taskId))
        {
            throw new RecorderException(RecorderErrorKind.StaleAuthority, $"Copy fence {_copyFences[taskId]} is known here; the call came with {authority.CopyFence}.", RecorderProblems.StaleAuthority);
        }

        _copyFences[taskId] = authority.CopyFence;
        if (_keys.TryGetValue(key, out var known))
        {
            return known.Content != content ? throw new RecorderException(RecorderErrorKind.Rejected, $"The key {key} was used for another command.", RecorderProblems.KeyReused)
                : known.Refusal is { } refusal ? throw new RecorderException(refusal.Kind, refusal.Message, refusal.ProblemType)
                : ((T)known.Answer!, true);
        }

        try
        {
            var answer = effect();
            _keys[key] = new(content, answer, null);
            return (answer, false);
        }
        catch (RecorderException refusal) when (!refusal.IsTransient)
        {
            _keys[key] = new(content, null, refusal);
            throw;
        }
    }
}

/// <summary>Material copy at one <see cref="FakeRecorder"/>: as target its durable queue, as source its read tokens.</summary>
public sealed class FakeCopies(FakeRecorder recorder, TimeProvider time)
{
    /// <summary>Bytes a task fetches; a third with each step.</summary>
    public const long BytesTotal = 3_000_000;

    private readonly List<FakeCopyTask> _tasks = [];
    private readonly Dictionary<string, ReadToken> _tokens = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _accepted = new(StringComparer.Ordinal);

    /// <summary>How the tasks of this target end.</summary>
    public CopyTaskState EndsAs { get; set; } = CopyTaskState.Copied;

    /// <summary>The report it gives has been damaged on the way.</summary>
    public bool DamagesReport { get; set; }

    /// <summary>Its report says of the whole what it does not say of its track: that it is verified.</summary>
    public bool ContradictsItself { get; set; }

    /// <summary>What the source holds of the period without authority.</summary>
    public Amount Disputed { get; set; } = new(0, 0);

    public IReadOnlyList<CopyTask> Tasks => [.. _tasks.Select(t => t.Task)];

    /// <summary>Tokens that are good at this source, by id.</summary>
    public IReadOnlyDictionary<string, ReadToken> Tokens => _tokens;

    /// <summary>Where the target was told its source is.</summary>
    public UpdateClientInfo? SourceOf(string taskId) => Find(taskId).Source;

    /// <summary>A new disk: the queue is gone.</summary>
    public void Forget() => _tasks.Clear();

    /// <summary>At the source, somebody changed the accounts: what was issued is refused, whatever its generation.</summary>
    public void RotateCredentials() => _accepted.Clear();

    internal ReadToken Issue(string tokenId, ReadTokenRequest request)
    {
        if (_tokens.TryGetValue(tokenId, out var known) && known.Generation > request.Generation)
        {
            throw new RecorderException(RecorderErrorKind.Conflict, $"Generation {known.Generation} of {tokenId} was issued already.", RecorderProblems.DutyConflict);
        }

        var token = new ReadToken(tokenId, request.Identity, request.FromUtc, request.ToUtc, request.Generation, $"read-{tokenId}-{request.Generation}");
        if (known?.Generation != request.Generation)
        {
            _accepted[tokenId] = token.Token;
        }

        return _tokens[tokenId] = token;
    }

    internal string Revoke(string tokenId)
    {
        _tokens.Remove(tokenId);
        _accepted.Remove(tokenId);
        return "revoked";
    }

    internal CopyTask Start(StartDataCopy command)
    {
        if (_tasks.Find(t => t.Task.TaskId == command.TaskId) is { } known)
        {
            return known.IsDefinedAs(command)
                ? known.Task
                : throw new RecorderException(RecorderErrorKind.Conflict, $"{command.TaskId} is defined otherwise here.", RecorderProblems.CopyTaskConflict);
        }

        var now = time.GetUtcNow();
        var task = new FakeCopyTask(command, new CopyTask(
            command.TaskId, command.EntryId, command.Identity, command.SourceRecorderId, command.Period, CopyTaskState.WaitingForSource, null, null, null,
            0, 0, 0, 0, null, 0, 0, null, 0, null, command.Limits, now, null, null, now, 1, []));
        _tasks.Add(task);
        return task.Task;
    }

    internal CopyTask Inform(string taskId, UpdateClientInfo source)
    {
        var task = Find(taskId);
        task.Source = source;
        return task.Change(t => t with { State = t.State is CopyTaskState.WaitingForSource or CopyTaskState.Paused && t.PauseReason is null or CopyPauseReason.Source ? CopyTaskState.Queued : t.State, PauseReason = t.PauseReason == CopyPauseReason.Source ? null : t.PauseReason });
    }

    internal MergedCopyTasks Merge(UpdateFailoverTaskStates known)
    {
        foreach (var told in known.Tasks.Where(k => k.State == CopyTaskState.Cancelled || k.LossesAccepted))
        {
            if (_tasks.Find(t => t.Task.TaskId == told.TaskId) is { } task && task.Task.State < CopyTaskState.Copied)
            {
                task.Change(t => t with { State = CopyTaskState.Cancelled, PauseReason = null, EndedAt = time.GetUtcNow() });
            }
        }

        return new([.. _tasks.Select(t => t.Task).Where(t => t.Identity == known.Identity)], [.. known.Tasks.Select(k => k.TaskId).Where(id => _tasks.TrueForAll(t => t.Task.TaskId != id))]);
    }

    internal CopyTask Get(string taskId) => Find(taskId).Task;

    internal CopyTask Limit(string taskId, CopyLimits limits) => Find(taskId).Change(t => t with { Limits = limits });

    internal CopyTask Order(string taskId, CopyOrder order)
    {
        var task = Find(taskId);
        var (isAllowed, state, reason) = order switch
        {
            CopyOrder.Pause => (task.Task.State < CopyTaskState.Copied, CopyTaskState.Paused, (CopyPauseReason?)CopyPauseReason.Operator),
            CopyOrder.Resume => (task.Task.PauseReason == CopyPauseReason.Operator, CopyTaskState.Queued, null),
            CopyOrder.Cancel => (task.Task.State < CopyTaskState.Copied, CopyTaskState.Cancelled, null),
            _ => (task.Task.State is CopyTaskState.Failed or CopyTaskState.Cancelled or CopyTaskState.CopiedWithLosses, CopyTaskState.Queued, null),
        };
        return isAllowed
            ? task.Change(t => t with { State = state, PauseReason = reason, EndedAt = state == CopyTaskState.Cancelled ? time.GetUtcNow() : null })
            : throw new RecorderException(RecorderErrorKind.Conflict, $"{order} does not fit the state {task.Task.State}.", RecorderProblems.CopyTaskState);
    }

    internal void Work(IEnumerable<FakeRecorder> all)
    {
        foreach (var task in _tasks.Where(t => t.Task.State < CopyTaskState.Copied))
        {
            var source = all.FirstOrDefault(r => r.MachineId == task.Task.SourceRecorderId);
            var duty = recorder.Duty(task.Task.Identity);
            if (task.Task is { State: CopyTaskState.Paused, PauseReason: CopyPauseReason.Operator })
            {
                continue;
            }

            if (duty.AssignedRole != DutyRole.Recorder || duty.Awaiting)
            {
                task.ChangeTo(CopyTaskState.Paused, CopyPauseReason.NoAuthority);
            }
            else if (source is null || !source.IsReachable || task.Source is null)
            {
                task.ChangeTo(CopyTaskState.WaitingForSource, null);
            }
            else if (source.Copies._accepted.GetValueOrDefault(task.Task.TaskId) != task.Source.Token)
            {
                task.ChangeTo(CopyTaskState.Paused, CopyPauseReason.Source);
            }
            else
            {
                Advance(task);
            }
        }
    }

    /// <summary>One third of the bytes with each step, then the verification, then the end.</summary>
    private void Advance(FakeCopyTask task) => task.Change(t => t switch
    {
        { State: CopyTaskState.Verifying } => t with { State = EndsAs, Phase = null, BytesVerified = BytesTotal, SecondsLeft = null, EndedAt = time.GetUtcNow(), LastError = EndsAs == CopyTaskState.Failed ? "The disk of the target broke." : null },
        { BytesDone: >= BytesTotal } => t with { State = CopyTaskState.Verifying, PauseReason = null, Phase = "verifying" },
        _ => t with
        {
            State = CopyTaskState.Running,
            PauseReason = null,
            Phase = "copying",
            StartedAt = t.StartedAt ?? time.GetUtcNow(),
            BytesTotal = BytesTotal,
            BytesDone = t.BytesDone + BytesTotal / 3,
            SegmentsDone = t.SegmentsDone + 100,
            BytesPerSecond = BytesTotal / 30,
            SecondsLeft = (BytesTotal - t.BytesDone) / (BytesTotal / 30),
            HeartbeatAt = time.GetUtcNow(),
            Channels = [new("video", "video-1", time.GetUtcNow(), t.SegmentsDone + 100, 300, t.BytesDone + BytesTotal / 3, BytesTotal, 1, null)],
        },
    });

    internal CoverageReport Report(string taskId)
    {
        var known = Find(taskId);
        var task = known.Task;
        var period = task.Period;
        var hasLoss = task.State == CopyTaskState.CopiedWithLosses;
        var isNothing = task.State == CopyTaskState.NothingToCopy;
        var lostFrom = period.ToUtc - TimeSpan.FromTicks((period.ToUtc - period.FromUtc).Ticks / 4);
        var expected = isNothing ? new Amount(0, 0) : new Amount(300, BytesTotal);
        var copied = isNothing ? expected : hasLoss ? new Amount(290, BytesTotal - 100_000) : expected;
        var stretches = isNothing ? [new(period.FromUtc, period.ToUtc, CoverageState.NotRecorded, null)]
            : hasLoss ? new List<CoverageStretch> { new(period.FromUtc, lostFrom, CoverageState.Copied, null), new(lostFrom, period.ToUtc, CoverageState.Missing, "corruptAtSource") }
            : [new(period.FromUtc, period.ToUtc, CoverageState.Copied, null)];
        var none = new Amount(0, 0);
        var isArchived = !recorder.BackfillsAnywhere && !isNothing;
        if (isArchived)
        {
            stretches = [.. stretches.Select(s => s.State == CoverageState.Copied ? s with { State = CoverageState.Archived } : s)];
        }

        var report = new CoverageReport(
            task.TaskId, task.EntryId, task.Identity, task.SourceRecorderId, recorder.MachineId, period,
            task.State >= CopyTaskState.Copied, !hasLoss, TimeSpan.Zero, TimeSpan.Zero, task.EndedAt ?? time.GetUtcNow(),
            [new($"{task.Identity}~video-1", "video-1", "video", period.FromUtc, period.ToUtc, expected, isArchived ? none : copied, none, new(expected.Segments - copied.Segments, expected.Bytes - copied.Bytes), none, Disputed, copied, !hasLoss && !ContradictsItself, stretches, known.WithDisputed ? Disputed : null,
                Archived: isArchived ? copied : null, ArchiveTrackIds: isArchived ? [$"{task.Identity}~video-1~{task.EntryId}"] : null)],
            [],
            hasLoss ? [new("video", "video-1", "segment-290", lostFrom, period.ToUtc, 100_000, "corruptAtSource")] : [],
            null);
        report = report with { Sha256 = CoverageDigest.Compute(report) };
        return DamagesReport ? report with { Losses = [], IsVerified = true, AsOf = report.AsOf.AddSeconds(1) } : report;
    }

    private FakeCopyTask Find(string taskId) =>
        _tasks.Find(t => t.Task.TaskId == taskId) ?? throw new RecorderException(RecorderErrorKind.NotFound, $"There is no copy task {taskId}.", RecorderProblems.UnknownResource);

    private sealed class FakeCopyTask(StartDataCopy definition, CopyTask task)
    {
        public CopyTask Task { get; private set; } = task;

        public UpdateClientInfo? Source { get; set; }

        public bool WithDisputed => definition.WithDisputed;

        public bool IsDefinedAs(StartDataCopy other) =>
            definition with { Channels = other.Channels } == other && definition.Channels.SequenceEqual(other.Channels);

        public CopyTask Change(Func<CopyTask, CopyTask> change) => Task = change(Task) with { Revision = Task.Revision + 1 };

        public void ChangeTo(CopyTaskState state, CopyPauseReason? reason)
        {
            if (Task.State != state || Task.PauseReason != reason)
            {
                Change(t => t with { State = state, PauseReason = reason, Phase = null });
            }
        }
    }
}
