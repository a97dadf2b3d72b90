using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Recording;
using FailbackWorkflows.Recorders.Settings;

namespace FailbackWorkflows.Testing.Failback;

/// <summary>
/// One recorder in memory, honest about what a real one keeps: duties with epoch and fence, settings with revisions, recording with times
/// per channel, holds, and every idempotency key with its answer. What a test changes here is what would happen to the machine.
/// </summary>
public sealed partial class FakeRecorder(string serverId, TimeProvider time)
{
    private readonly Dictionary<string, FakeDuty> _duties = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Remembered> _keys = new(StringComparer.Ordinal);
    private readonly ShiftedTimeProvider _clock = new(time);
    private readonly HashSet<string> _busy = new(StringComparer.Ordinal);
    private int _boots = 1;
    private int _staged;

    public string ServerId { get; } = serverId;

    public string MachineId { get; set; } = $"machine-of-{serverId}";

    public string BootId => $"boot-{_boots}-of-{ServerId}";

    public string SoftwareVersion { get; set; } = "1.4.0";

    public string Credential { get; set; } = $"token-of-{serverId}";

    /// <summary>Its clock minus the true one. Setting it while it records is a clock that is set: what it has written keeps its times.</summary>
    public TimeSpan ClockOffset
    {
        get => _clock.Offset;
        set
        {
            foreach (var duty in _duties.Values)
            {
                duty.WriteFrames();
            }

            _clock.Offset = value;
            foreach (var duty in _duties.Values)
            {
                duty.ClockWasSet();
            }
        }
    }

    /// <summary>Why the probe write fails; null: it does not.</summary>
    public string? CannotWriteBecause { get; set; }

    public const long ReserveBytes = 10_000_000;

    /// <summary>Free on its disk, <see cref="ReserveBytes"/> included.</summary>
    public long FreeBytes { get; set; } = 50_000_000_000;

    /// <summary>The network to it is cut; it goes on recording.</summary>
    public bool IsCutOff { get; set; }

    /// <summary>The network to it is cut until then.</summary>
    public DateTimeOffset? CutOffUntil { get; set; }

    /// <summary>The process or the machine is gone.</summary>
    public bool IsDead { get; private set; }

    public bool IsReachable => !IsDead && !IsCutOff && !(time.GetUtcNow() < CutOffUntil);

    /// <summary>Channels that give no frames.</summary>
    public HashSet<string> DarkChannels { get; } = new(StringComparer.Ordinal);

    /// <summary>Channels whose cameras refuse it another session.</summary>
    public IReadOnlyCollection<string> BusyChannels => _busy;

    /// <summary>The cameras of these channels are taken, until <see cref="FreeChannel"/>.</summary>
    public void TakeChannels(params ReadOnlySpan<string> channels)
    {
        foreach (var channel in channels)
        {
            _busy.Add(channel);
        }
    }

    /// <summary>The camera allows it a session from now on.</summary>
    public void FreeChannel(string channel)
    {
        if (_busy.Remove(channel))
        {
            FreeSince[channel] = _clock.GetUtcNow();
        }
    }

    internal Dictionary<string, DateTimeOffset> FreeSince { get; } = new(StringComparer.Ordinal);

    /// <summary>No frame of any channel was written after this, although it says that it records.</summary>
    public DateTimeOffset? FramesEndAt { get; set; }

    /// <summary>Findings of a dry run that stand in the way of any settings.</summary>
    public string? RejectsSettingsBecause { get; set; }

    /// <summary>The digest it states for its settings, when it is not theirs (a damaged database).</summary>
    public string? StatesDigest { get; set; }

    /// <summary>Activations break off half way and leave the revision there was.</summary>
    public bool BreaksAtActivation { get; set; }

    /// <summary>Holds by failover log entry.</summary>
    public Dictionary<string, RetentionHoldState> Holds { get; } = new(StringComparer.Ordinal);

    public FakeDuty Duty(string identity)
    {
        if (!_duties.TryGetValue(identity, out var duty))
        {
            _duties[identity] = duty = new FakeDuty(identity, this, _clock);
        }

        return duty;
    }

    public DutyState State(string identity) => Duty(identity).ToState();

    /// <summary>Every duty it has ever heard of, by identity.</summary>
    public IReadOnlyList<FakeDuty> Duties => [.. _duties.Values.Where(d => d.IsKnown).OrderBy(d => d.Identity, StringComparer.Ordinal)];

    /// <summary>Loses power. What it recorded until now is on its disk.</summary>
    public void Die()
    {
        foreach (var duty in _duties.Values)
        {
            duty.WriteFrames();
        }

        IsDead = true;
    }

    /// <summary>Comes up again: a duty it had waits to be confirmed.</summary>
    public void Boot()
    {
        if (!IsDead)
        {
            Die();
        }

        IsDead = false;
        _boots++;
        foreach (var duty in _duties.Values)
        {
            duty.Awaiting = duty.AssignedRole == DutyRole.Recorder;
            duty.Provisional = false;
        }
    }

    /// <summary>False: it takes material only behind what it has.</summary>
    public bool BackfillsAnywhere { get; set; } = true;

    /// <summary>What cannot go into its timelines it keeps in a side archive.</summary>
    public bool KeepsSideArchive { get; set; }

    internal RecorderStatus Status() => new(
        MachineId, BootId, SoftwareVersion, "1", _clock.GetUtcNow(), TimeSpan.FromMilliseconds(1), [.. _duties.Values.Where(d => d.IsKnown).Select(d => d.ToState())], [Storage], new(true, 64, 8, BackfillsAnywhere, SideArchive: KeepsSideArchive));

    /// <summary>Channels whose place on its disk cannot be written, with the reason.</summary>
    public Dictionary<string, string> UnwritableChannels { get; } = new(StringComparer.Ordinal);

    /// <summary>Channels that a failback does not wait for, as its probe has them.</summary>
    public HashSet<string> UnrequiredChannels { get; } = new(StringComparer.Ordinal);

    /// <summary>False: its probe says nothing of channels.</summary>
    public bool ProbesChannels { get; set; } = true;

    internal ProbeResult Probe(string? identity) => new(
        CannotWriteBecause is null,
        [Weight is { } weight ? Storage with { HeldBytes = weight.Held, ClearableBytes = weight.Clearable } : Storage],
        CannotWriteBecause,
        identity is null || !ProbesChannels
            ? null
            : [.. (Duty(identity).Revision == 0 ? [] : FakeSettings.Channels).Select(c => new ChannelProbe(
                c, $"Channel {c}", !UnrequiredChannels.Contains(c), !UnwritableChannels.ContainsKey(c), UnwritableChannels.GetValueOrDefault(c)))]);

    internal DutyState RaiseFence(string identity, long fence)
    {
        var duty = Duty(identity);
        duty.RefuseStale(duty.Epoch, fence);
        duty.Fence = fence;
        duty.IsKnown = true;
        return duty.ToState();
    }

    /// <summary>A command: authority first, then the key, then the effect; the key is kept with the answer or a definitive refusal.</summary>
    internal (T Answer, bool IsReplay) Run<T>(string identity, DutyAuthority authority, bool isAssignment, string key, string content, Func<FakeDuty, T> effect)
        where T : class
    {
        var duty = Duty(identity);
        duty.RefuseStale(authority.Epoch, authority.Fence);
        duty.IsKnown = true;
        if (!isAssignment && authority.Epoch > duty.Epoch)
        {
            duty.LearnEpoch(authority.Epoch);
        }

        duty.Fence = authority.Fence;
        if (_keys.TryGetValue(key, out var known))
        {
            if (known.Content != content)
            {
                throw new RecorderException(RecorderErrorKind.Rejected, $"The key {key} was used for another command.", RecorderProblems.KeyReused);
            }

            return known.Refusal is { } refusal
                ? throw new RecorderException(refusal.Kind, refusal.Message, refusal.ProblemType)
                : ((T)known.Answer!, true);
        }

        try
        {
            var answer = effect(duty);
            _keys[key] = new(content, answer, null);
            return (answer, false);
        }
        catch (RecorderException refusal) when (!refusal.IsTransient && refusal.Kind != RecorderErrorKind.StorageFull)
        {
            _keys[key] = new(content, null, refusal);
            throw;
        }
    }

    /// <summary>Its record of commands is lost: what is told again is done again.</summary>
    public void ForgetKeys() => _keys.Clear();

    internal SettingsValidation Validate(SettingsContent content) => RejectsSettingsBecause is { } reason
        ? new([new("channels[0]", FindingSeverity.Error, reason)])
        : new([]);

    internal StagedSettings Stage(FakeDuty duty, SettingsContent content, string sha256)
    {
        if (SettingsDigest.Compute(content) != sha256)
        {
            throw new RecorderException(RecorderErrorKind.Rejected, "The settings have another digest than the one stated.", RecorderProblems.DigestMismatch);
        }

        var id = $"staged-{++_staged}";
        duty.Staged[id] = content;
        return new(id, sha256);
    }

    internal SettingsRevision Activate(FakeDuty duty, string stagedId, long expectedRevision)
    {
        if (!duty.Staged.TryGetValue(stagedId, out var content))
        {
            throw new RecorderException(RecorderErrorKind.NotFound, $"There are no staged settings {stagedId}.", RecorderProblems.UnknownResource);
        }

        if (BreaksAtActivation)
        {
            throw new RecorderException(RecorderErrorKind.StorageFull, "No room to activate the settings.", RecorderProblems.StorageFull);
        }

        duty.RefuseFrozen();
        if (duty.Revision != expectedRevision)
        {
            throw new RecorderException(RecorderErrorKind.Conflict, $"The active revision is {duty.Revision}, not {expectedRevision}.", RecorderProblems.RevisionChanged);
        }

        duty.Staged.Remove(stagedId);
        return duty.Activate(content);
    }

    internal RetentionHoldState PutHold(RetentionHoldState hold)
    {
        if (Holds.TryGetValue(hold.EntryId, out var known) && (hold.FromUtc > known.FromUtc || (known.ToUtc is { } end && !(hold.ToUtc >= end))))
        {
            throw new RecorderException(RecorderErrorKind.Conflict, "A hold may not shrink.", RecorderProblems.HoldConflict);
        }

        return Holds[hold.EntryId] = hold;
    }

    /// <summary>What its probe says it keeps and cannot give up, and what it may clear; null: it does not tell.</summary>
    public (long Held, long Clearable)? Weight { get; set; }

    private StorageState Storage => new("disk-1", 100_000_000_000, CannotWriteBecause is null ? FreeBytes : 0, ReserveBytes);

    private sealed record Remembered(string Content, object? Answer, RecorderException? Refusal);
}

/// <summary>A duty as a <see cref="FakeRecorder"/> keeps it.</summary>
public sealed class FakeDuty(string identity, FakeRecorder recorder, TimeProvider time)
{
    private readonly List<SettingsContent> _revisions = [FakeSettings.Empty];
    private readonly Dictionary<string, DateTimeOffset> _first = new(StringComparer.Ordinal);
    private readonly Dictionary<string, DateTimeOffset> _last = new(StringComparer.Ordinal);
    private DateTimeOffset _framesFrom;

    public string Identity { get; } = identity;

    public DutyRole AssignedRole { get; set; }

    public long Epoch { get; set; }

    public string? AllocationId { get; set; }

    public long Fence { get; set; }

    public string? HoldEntryId { get; set; }

    /// <summary>Recording is intended; it survives a restart.</summary>
    public bool Recording { get; set; }

    public bool Awaiting { get; set; }

    public bool Provisional { get; set; }

    public bool Frozen { get; set; }

    /// <summary>Revision of the active settings, 0 when there are none.</summary>
    public long Revision => _revisions.Count - 1;

    public SettingsContent Settings => _revisions[^1];

    public string Sha256 => recorder.StatesDigest ?? SettingsDigest.Compute(Settings);

    public bool IsRecording => Recording && !recorder.IsDead && (!Awaiting || Provisional);

    /// <summary>Per channel what the successor had when this recorder was stopped; what was written after it is disputed.</summary>
    public IReadOnlyDictionary<string, DateTimeOffset>? AuthorityEnds { get; set; }

    internal bool IsKnown { get; set; }

    internal Dictionary<string, SettingsContent> Staged { get; } = new(StringComparer.Ordinal);

    /// <summary>Makes the recorder what it would be after a history that the test does not play.</summary>
    public FakeDuty Become(DutyRole role, long epoch, string allocationId, bool isRecording)
    {
        WriteFrames();
        IsKnown = true;
        (AssignedRole, Epoch, AllocationId, Recording, Awaiting, Provisional) = (role, epoch, allocationId, isRecording, false, false);
        BeginFrames();
        return this;
    }

    /// <summary>A change made at the recorder itself.</summary>
    public SettingsRevision Activate(SettingsContent content)
    {
        _revisions.Add(content);
        return ToRevision();
    }

    /// <summary>The recorder was set back to a backup: its revisions begin anew.</summary>
    public void SetBack(SettingsContent content)
    {
        _revisions.Clear();
        _revisions.AddRange([FakeSettings.Empty, content]);
    }

    public DutyState ToState() => new(
        Identity, Awaiting ? DutyRole.AwaitingRole : AssignedRole, AssignedRole, Epoch, AllocationId, Fence, IsRecording, IsRecording && Provisional);

    internal SettingsRevision ToRevision() => new(Identity, Revision, Sha256, Frozen);

    internal SettingsBundle ToBundle() => IsKnown
        ? new(Identity, Revision, Sha256, Frozen, Settings)
        : throw new RecorderException(RecorderErrorKind.NotFound, $"There is no duty for '{Identity}'.", RecorderProblems.UnknownIdentity);

    public RecordingState ToRecording()
    {
        if (!IsKnown)
        {
            throw new RecorderException(RecorderErrorKind.NotFound, $"There is no duty for '{Identity}'.", RecorderProblems.UnknownIdentity);
        }

        var now = time.GetUtcNow();
        WriteFrames(now);
        var channels = Revision == 0 ? [] : FakeSettings.Channels;
        return new(Identity, now, [.. channels.Select(c => new ChannelRecording(
            c,
            c,
            c.StartsWith("text", StringComparison.Ordinal) ? ChannelKind.Text : ChannelKind.Video,
            Enabled: true,
            Required: true,
            IsRecording,
            _first.TryGetValue(c, out var first) ? first : null,
            _last.TryGetValue(c, out var last) ? last : null,
            IsRecording && recorder.BusyChannels.Contains(c) ? ChannelProblems.SourceBusy : null))]);
    }

    /// <summary>Channels whose cameras it let go of.</summary>
    public HashSet<string> Released { get; } = new(StringComparer.Ordinal);

    internal RecordingState Release(IReadOnlyList<string> channelIds)
    {
        WriteFrames();
        Released.UnionWith(channelIds);
        return ToRecording();
    }

    internal DutyState Assign(DutyAssignment assignment)
    {
        WriteFrames();
        Released.Clear();
        if (assignment.Epoch == Epoch && AllocationId is not null)
        {
            var isSame = assignment.AllocationId == AllocationId && assignment.Role == AssignedRole && (assignment.Hold is null || assignment.Hold.EntryId == HoldEntryId);
            if (!isSame)
            {
                throw new RecorderException(RecorderErrorKind.Conflict, $"Epoch {Epoch} means something else here.", RecorderProblems.DutyConflict);
            }

            if (Awaiting && !Provisional)
            {
                BeginFrames();
            }

            (Awaiting, Provisional) = (false, false);
            return ToState();
        }

        if (assignment.Hold is { } hold)
        {
            recorder.PutHold(new(hold.EntryId, Identity, hold.FromUtc, null, hold.Reason));
        }

        WriteFrames();
        var goesOn = assignment.Role == DutyRole.Recorder && IsRecording;
        (AssignedRole, Epoch, AllocationId, HoldEntryId, Recording, Awaiting, Provisional, Frozen) =
            (assignment.Role, assignment.Epoch, assignment.AllocationId, assignment.Hold?.EntryId, goesOn, false, false, false);
        BeginFrames();
        return ToState();
    }

    internal RecordingState Start()
    {
        if (Awaiting || AssignedRole != DutyRole.Recorder)
        {
            throw new RecorderException(RecorderErrorKind.Conflict, $"The role is {ToState().Role}, not recorder.", RecorderProblems.NotRecorder);
        }

        if (Revision == 0)
        {
            throw new RecorderException(RecorderErrorKind.Conflict, "There are no settings.", RecorderProblems.NotConfigured);
        }

        Released.Clear();
        if (!Recording)
        {
            Recording = true;
            BeginFrames();
        }

        return ToRecording();
    }

    internal RecordingState Stop(IReadOnlyDictionary<string, DateTimeOffset>? authorityEnds)
    {
        WriteFrames();
        Recording = false;
        Released.Clear();
        AuthorityEnds = authorityEnds ?? AuthorityEnds;
        return ToRecording();
    }

    internal SettingsRevision RollBack(long toRevision)
    {
        RefuseFrozen();
        return toRevision >= 0 && toRevision < _revisions.Count
            ? Activate(_revisions[(int)toRevision])
            : throw new RecorderException(RecorderErrorKind.NotFound, $"There is no revision {toRevision}.", RecorderProblems.UnknownResource);
    }

    internal SettingsRevision Freeze(bool frozen)
    {
        Frozen = frozen;
        return ToRevision();
    }

    internal void RefuseFrozen()
    {
        if (Frozen)
        {
            throw new RecorderException(RecorderErrorKind.Conflict, "The settings are frozen.", RecorderProblems.SettingsFrozen);
        }
    }

    internal void RefuseStale(long epoch, long fence)
    {
        if (epoch < Epoch || fence < Fence)
        {
            throw new RecorderException(RecorderErrorKind.StaleAuthority, $"Epoch {Epoch}, fence {Fence} are known here; the call came with {epoch}, {fence}.", RecorderProblems.StaleAuthority);
        }
    }

    internal void LearnEpoch(long epoch)
    {
        WriteFrames();
        (AssignedRole, Epoch, AllocationId, HoldEntryId, Recording, Awaiting, Provisional, Frozen) = (DutyRole.Standby, epoch, null, null, false, false, false, false);
    }

    /// <summary>First frame per channel under the current epoch.</summary>
    public IReadOnlyDictionary<string, DateTimeOffset> ToFirstFrames() => _first;

    /// <summary>Everything filmed until now is on the disk.</summary>
    internal void WriteFrames() => WriteFrames(time.GetUtcNow());

    private void WriteFrames(DateTimeOffset now)
    {
        if (!IsRecording || Revision == 0)
        {
            return;
        }

        var until = recorder.FramesEndAt is { } end && end < now ? end : now;
        foreach (var channel in FakeSettings.Channels)
        {
            var from = recorder.FreeSince.TryGetValue(channel, out var free) && free > _framesFrom ? free : _framesFrom;
            if (until >= from && !recorder.DarkChannels.Contains(channel) && !recorder.BusyChannels.Contains(channel) && !Released.Contains(channel))
            {
                _first.TryAdd(channel, from);
                _last[channel] = _last.TryGetValue(channel, out var last) && last > until ? last : until;
            }
        }
    }

    internal void ClockWasSet() => _framesFrom = time.GetUtcNow();

    /// <summary>First frames count from here: a new epoch, or a new start.</summary>
    private void BeginFrames()
    {
        _first.Clear();
        _framesFrom = time.GetUtcNow();
    }
}

/// <summary>Another clock, off by a constant.</summary>
internal sealed class ShiftedTimeProvider(TimeProvider time) : TimeProvider
{
    public TimeSpan Offset { get; set; }

    public override DateTimeOffset GetUtcNow() => time.GetUtcNow() + Offset;
}
