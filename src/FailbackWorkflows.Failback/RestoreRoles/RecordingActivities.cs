using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Engine.Values;
using FailbackWorkflows.Failback.Clocks;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Licensing;
using FailbackWorkflows.Failback.Policies;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Recording;
using FailbackWorkflows.Recorders.Settings;

namespace FailbackWorkflows.Failback.RestoreRoles;

/// <summary>
/// Step 9a: immediately before the switch, the licence and the settings are looked at once more. The settings of the duty are frozen at the
/// failover server by then, so what is compared cannot change any more.
/// </summary>
[Activity("Failback.RecheckBeforeSwitch", Category = "Failback parts", Description = "Licence still valid, settings still the ones that were applied?")]
[FlowNode("Ready", "SettingsChanged", "Failed")]
[Retry(5, InitialDelayMilliseconds = 500, MaxDelayMilliseconds = 5000)]
public sealed class RecheckBeforeSwitch(DutyCalls calls, IRecorderClient recorders, LicenseCheck licenses) : DutyActivity
{
    private const int MaxRounds = 3;

    [Input(DisplayName = "Recorded identity", UIHint = ActivityHints.VmsServer)]
    public required Input<string> Identity { get; init; }

    [Input(DisplayName = "Failover server", UIHint = ActivityHints.VmsServer)]
    public required Input<string> FailoverServer { get; init; }

    [Input]
    public required Input<string> Sha256 { get; init; }

    [Input(Description = "How often the settings have been read in this run.")]
    public required Input<int> Round { get; init; }

    [Input(DisplayName = "May be away", Description = "The failover server need not answer: the settings of the cache were applied with consent.")]
    public Input<bool?>? MayBeAway { get; init; }

    [Output]
    public Output<string>? Failure { get; init; }

    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var identity = context.Get(Identity);
        var verdict = await licenses.CheckAsync(LicenseCheck.Failover, cancellationToken);
        if (!verdict.IsLicensed)
        {
            return ActivityResult.Completed("Failed").With(Failure, verdict.Message!);
        }

        var serverId = context.Get(FailoverServer);
        SettingsBundle now;
        try
        {
            now = await recorders.GetSettingsAsync(await calls.GetFencedAsync(context, identity, serverId, cancellationToken), identity, cancellationToken);
        }
        catch (RecorderException exception) when (exception.IsTransient && context.GetOrDefault(MayBeAway) == true)
        {
            return ActivityResult.Completed("Ready");
        }

        if (now.Sha256 == context.Get(Sha256))
        {
            return ActivityResult.Completed("Ready");
        }

        return context.Get(Round) < MaxRounds
            ? ActivityResult.Completed("SettingsChanged")
            : ActivityResult.Completed("Failed").With(Failure, $"The settings at {serverId} changed again each time they were taken over ({MaxRounds} times). Stop changing them, then start the failback again.");
    }
}

/// <summary>Starts recording of the duty at the server that has it.</summary>
[Activity("Failback.StartRecording", Category = "Failback parts", Description = "Starts recording at the server that has the duty.")]
[FlowNode("Done", "Unreachable")]
[Retry(1_000_000, InitialDelayMilliseconds = 500, MaxDelayMilliseconds = 5000)]
public sealed class StartRecording(DutyCalls calls, IRecorderClient recorders) : DutyActivity
{
    [Input(DisplayName = "Recorded identity", UIHint = ActivityHints.VmsServer)]
    public required Input<string> Identity { get; init; }

    [Input(UIHint = ActivityHints.VmsServer)]
    public required Input<string> Server { get; init; }

    [Input(DisplayName = "Give up after", Description = "Attempts after which the run gives up; 0: keep trying.", DefaultValue = 5)]
    public Input<int>? GiveUpAfter { get; init; }

    [Input(DisplayName = "Leave by Unreachable", Description = "Instead of failing, when the server does not answer or was restarted meanwhile and waits for its role.")]
    public Input<bool?>? LeavesUnreachable { get; init; }

    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var identity = context.Get(Identity);
        var serverId = context.Get(Server);
        var leaves = context.GetOrDefault(LeavesUnreachable) == true;
        try
        {
            await recorders.StartRecordingAsync(
                await calls.GetEndpointAsync(serverId, cancellationToken),
                new RecordingCommand(identity, await calls.GetAuthorityAsync(context, identity, cancellationToken)),
                context.CallKey("start"),
                cancellationToken);
        }
        catch (RecorderException exception) when (exception.IsTransient && context.GetOrDefault(GiveUpAfter) is > 0 and var limit && context.Attempt >= limit)
        {
            if (leaves)
            {
                return ActivityResult.Completed("Unreachable");
            }

            throw new ActivityFaultException("recorder.unreachable", $"{serverId} did not start to record: {exception.Message}", false, exception);
        }
        catch (RecorderException exception) when (leaves && exception.ProblemType == RecorderProblems.NotRecorder)
        {
            return ActivityResult.Completed("Unreachable");
        }

        return ActivityResult.Completed();
    }
}

/// <summary>
/// Waits until the server has written frames of every required channel under the current epoch. Dark channels are a matter of the site's
/// policy once <see cref="FailbackPolicy.ConfirmTimeout"/> is over. A failed server that takes its duty back may find a camera taken that allows one
/// session: then the failover server is asked to let go of that camera, and the time nobody recorded it is measured and told. Only reads otherwise.
/// </summary>
[Activity("Failback.ConfirmRecording", Category = "Failback parts", Description = "Waits until every required channel has frames.")]
[FlowNode("Confirmed", "Dark", "Unreachable")]
[Retry(LastAttempt, InitialDelayMilliseconds = 500, MaxDelayMilliseconds = 3000)]
public sealed class ConfirmRecording(DutyCalls calls, IRecorderClient recorders, FailbackPolicies policies, IFailoverLog log) : DutyActivity
{
    private const int LastAttempt = 10;

    /// <summary>Channels that a sentence names; of more it says how many there are.</summary>
    private const int MostNamed = 10;

    [Input(DisplayName = "Recorded identity", UIHint = ActivityHints.VmsServer)]
    public required Input<string> Identity { get; init; }

    [Input(UIHint = ActivityHints.VmsServer)]
    public required Input<string> Server { get; init; }

    [Input(DisplayName = "Leave by Unreachable", Description = "Instead of failing, when the server does not answer any more.")]
    public Input<bool?>? LeavesUnreachable { get; init; }

    [Input(DisplayName = "Accept dark channels", Description = "One recording channel is enough, whatever the policy says.", DefaultValue = false)]
    public Input<bool>? AcceptDark { get; init; }

    [Output(DisplayName = "First frames", Description = "First confirmed frame per channel.")]
    public Output<IReadOnlyDictionary<string, DateTimeOffset>>? FirstFrames { get; init; }

    [Output(DisplayName = "Dark channels")]
    public Output<IReadOnlyList<string>>? DarkChannels { get; init; }

    [Output]
    public Output<string>? Failure { get; init; }

    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var identity = context.Get(Identity);
        var server = await calls.GetServerAsync(context.Get(Server), cancellationToken);
        var now = context.Time.GetUtcNow();
        var wait = WaitOf(context, now);
        RecordingState state;
        try
        {
            state = await recorders.GetRecordingAsync(await calls.GetFencedAsync(context, identity, server.Id, cancellationToken), identity, cancellationToken);
        }
        catch (RecorderException exception) when (exception.IsTransient && context.GetOrDefault(LeavesUnreachable) == true && context.Attempt >= LastAttempt)
        {
            return ActivityResult.Completed("Unreachable");
        }

        var required = state.Channels.Where(c => c.Enabled && c.Required).ToList();
        var dark = required.Where(c => !c.Recording || c.FirstFrameAt is null).ToList();
        var policy = await policies.GetAsync(cancellationToken);
        if (dark.Count > 0 && now - wait.Since < policy.ConfirmTimeout)
        {
            wait = wait with { Status = Describe(server, required.Count, dark, wait) };
            return await ReleaseAsync(context, identity, server, dark, wait, now, cancellationToken)
                ?? ActivityResult.RunAgainAt(Looks.Next(wait.Since, now, policy.ConfirmTimeout), wait);
        }

        var names = dark.ConvertAll(c => c.ChannelId);
        var first = state.Channels.Where(c => c.FirstFrameAt is not null).ToDictionary(c => c.ChannelId, c => c.FirstFrameAt!.Value);
        var mayContinue = policy.DarkChannels == DarkChannelPolicy.ContinueAndAlarm || context.GetOrDefault(AcceptDark);
        if (dark.Count == 0 || (mayContinue && first.Count > 0))
        {
            var result = ActivityResult.Completed("Confirmed").With<IReadOnlyDictionary<string, DateTimeOffset>>(FirstFrames, first).With<IReadOnlyList<string>>(DarkChannels, names);
            var sentences = new[]
            {
                dark.Count == 0 ? null : $"{server.Name} records, but these channels stay dark: {string.Join(", ", names)}. Check these cameras.",
                await DescribeGapsAsync(identity, first, wait, cancellationToken),
            };
            return sentences.Any(s => s is not null) ? result.WithAlarm(context, server.Id, string.Join(" ", sentences.Where(s => s is not null))) : result;
        }

        return ActivityResult.Completed("Dark")
            .With<IReadOnlyList<string>>(DarkChannels, names)
            .With(Failure, $"{server.Name} had no frames of {dark.Count} of {required.Count} required channels after {policy.ConfirmTimeout.TotalSeconds:0} s: {string.Join(", ", names.Take(MostNamed))}. Check these cameras, or let the policy accept dark channels.");
    }

    /// <summary>
    /// The failover server lets go of the cameras that are taken. Which ones is committed first, so that a repeated command says the same; a camera that turns out to be
    /// taken later is another command. Null: there is nothing to let go of.
    /// </summary>
    private async Task<ActivityResult?> ReleaseAsync(
        ActivityExecutionContext context, string identity, VmsServer server, List<ChannelRecording> dark, ConfirmWait wait, DateTimeOffset now, CancellationToken cancellationToken)
    {
        if (server.Id != identity || await FindEntryAsync(identity, cancellationToken) is not { } entry)
        {
            return null;
        }

        if (!wait.IsReleasing)
        {
            var taken = dark.Where(c => c.Problem == ChannelProblems.SourceBusy && !wait.Released.ContainsKey(c.ChannelId)).Select(c => c.ChannelId).Order(StringComparer.Ordinal).ToList();
            return taken.Count == 0 ? null : ActivityResult.RunAgainAt(now, wait with { Releasing = taken });
        }

        var released = new Dictionary<string, DateTimeOffset?>(wait.Released, StringComparer.Ordinal);
        try
        {
            var stopped = await recorders.ReleaseChannelsAsync(
                await calls.GetEndpointAsync(entry.FailoverServerId, cancellationToken),
                new ReleaseChannelsCommand(identity, await calls.GetAuthorityAsync(context, identity, cancellationToken), wait.Releasing),
                context.CallKey($"release-{wait.Released.Count}"),
                cancellationToken);
            foreach (var channel in wait.Releasing)
            {
                released[channel] = stopped.Channels.FirstOrDefault(c => c.ChannelId == channel)?.LastFrameAt;
            }
        }
        catch (RecorderException exception) when (exception.IsTransient)
        {
            // It may have arrived: the same command again, a moment later.
            return null;
        }
        catch (RecorderException exception) when (exception.Kind == RecorderErrorKind.NotFound)
        {
            // It cannot. The channels stay dark until it stops, and what that means is for the policy to say.
            foreach (var channel in wait.Releasing)
            {
                released[channel] = null;
            }
        }

        return ActivityResult.RunAgainAt(now, wait with { Releasing = [], Released = released });
    }

    private async Task<FailoverLogEntry?> FindEntryAsync(string identity, CancellationToken cancellationToken) =>
        (await log.ListOpenAsync(identity, cancellationToken)).FirstOrDefault(e => e.Failback == FailbackState.Running);

    /// <summary>How long nobody recorded the channels whose cameras changed hands; null when there are none.</summary>
    private async Task<string?> DescribeGapsAsync(string identity, IReadOnlyDictionary<string, DateTimeOffset> first, ConfirmWait wait, CancellationToken cancellationToken)
    {
        if (!wait.Released.Any(r => r.Value is not null) || await FindEntryAsync(identity, cancellationToken) is not { } entry)
        {
            return null;
        }

        // Each by its own clock; what was measured of them is taken off.
        var (atFailover, atFailed) = (entry.Clocks?.FailoverServerAtEnd ?? entry.Clocks?.FailoverServerAtStart, entry.Clocks?.FailedServerAtEnd);
        var gaps = wait.Released
            .Where(r => r.Value is not null && first.ContainsKey(r.Key))
            .OrderBy(r => r.Key, StringComparer.Ordinal)
            .Select(r => (Channel: r.Key, Gap: first[r.Key] - (atFailed?.Offset ?? TimeSpan.Zero) - (r.Value!.Value - (atFailover?.Offset ?? TimeSpan.Zero))))
            .Select(g => FormattableString.Invariant($"{g.Channel} {Math.Max(0, g.Gap.TotalSeconds):0.0} s"))
            .ToList();
        return gaps.Count == 0
            ? null
            : $"These cameras allow one session and changed hands, so nobody recorded them for a moment: {string.Join(", ", gaps)}.";
    }

    private static string Describe(VmsServer server, int required, List<ChannelRecording> dark, ConfirmWait wait)
    {
        var named = dark.Take(MostNamed).Select(c => c switch
        {
            _ when wait.Released.GetValueOrDefault(c.ChannelId) is not null => $"{c.ChannelId} (the failover server let go of its camera)",
            { Problem: ChannelProblems.SourceBusy } => $"{c.ChannelId} (its camera is taken)",
            { Problem: { } problem } => $"{c.ChannelId} ({problem})",
            { Recording: false } => $"{c.ChannelId} (not armed)",
            _ => $"{c.ChannelId} (no frames yet)",
        });
        var more = dark.Count > MostNamed ? $" and {dark.Count - MostNamed} more" : "";
        return $"{server.Name} has frames of {required - dark.Count} of {required} required channels; still dark: {string.Join(", ", named)}{more}.";
    }

    private static ConfirmWait WaitOf(ActivityExecutionContext context, DateTimeOffset now) => context.Progress switch
    {
        // As runs wrote it that began before cameras could be let go of.
        string since => new(DateTimeOffset.Parse(since, System.Globalization.CultureInfo.InvariantCulture)),
        null => new(now),
        var progress => PlainValue.To<ConfirmWait>(progress) ?? new(now),
    };

    /// <summary>What one look leaves for the next.</summary>
    /// <param name="Since">The first look.</param>
    private sealed record ConfirmWait(DateTimeOffset Since)
    {
        /// <summary>Channels whose cameras the failover server is to let go of now.</summary>
        public IReadOnlyList<string> Releasing { get; init; } = [];

        /// <summary>Those it was asked about, with its last frame of each; null where it has none or cannot let go.</summary>
        public IReadOnlyDictionary<string, DateTimeOffset?> Released { get; init; } = new Dictionary<string, DateTimeOffset?>();

        /// <summary>A sentence on what is waited for; shown with the step (<see cref="Runs.RunReports"/>).</summary>
        public string? Status { get; init; }

        [System.Text.Json.Serialization.JsonIgnore]
        public bool IsReleasing => Releasing.Count > 0;
    }
}

/// <summary>Step 9d: from this commit on there is only a way forward.</summary>
[Activity("Failback.PointOfNoReturn", Category = "Failback parts", Description = "From here on there is only a way forward.")]
public sealed class PointOfNoReturn : DutyActivity
{
    [Output(DisplayName = "Passed at")]
    public Output<DateTimeOffset>? PassedAt { get; init; }

    /// <inheritdoc/>
    protected override ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken) =>
        ValueTask.FromResult(ActivityResult.Completed().With(PassedAt, context.Time.GetUtcNow()).WithCancellation(CancellationMode.Refuse));
}

/// <summary>
/// Step 9e: stops the failover server, but only while the failed server demonstrably records: each attempt first asks for a frame written
/// after the point of no return and at most 5 s old. A failed server that stopped delivering sends the run back to the failover server.
/// The failover server hears by its own clock when its authority ended.
/// </summary>
[Activity("Failback.StopFailoverServer", Category = "Failback parts", Description = "Stops the failover server once the failed server demonstrably records.")]
[FlowNode("Stopped", "FailedServerLost", "Owed")]
[Retry(1_000_000, InitialDelayMilliseconds = 500, MaxDelayMilliseconds = 5000)]
public sealed class StopFailoverServer(DutyCalls calls, IRecorderClient recorders, RecorderClocks clocks, FailbackPolicies policies) : DutyActivity
{
    private static readonly TimeSpan FreshFrame = TimeSpan.FromSeconds(5);

    /// <summary>A management server that was away or slow between two looks has not seen silence for as long as the clock says.</summary>
    private const int FewestSilentLooks = 3;

    [Input(DisplayName = "Recorded identity", UIHint = ActivityHints.VmsServer)]
    public required Input<string> Identity { get; init; }

    [Input(DisplayName = "Failed server", UIHint = ActivityHints.VmsServer)]
    public required Input<string> FailedServer { get; init; }

    [Input(DisplayName = "Failover server", UIHint = ActivityHints.VmsServer)]
    public required Input<string> FailoverServer { get; init; }

    [Input(DisplayName = "First frames")]
    public required Input<IReadOnlyDictionary<string, DateTimeOffset>> FirstFrames { get; init; }

    [Input(DisplayName = "Owe after the timeout", Description = "Leave by Owed when the failover server has not confirmed within the site's hand-over timeout, instead of waiting for it.")]
    public Input<bool?>? OwesAfterTimeout { get; init; }

    [Output(DisplayName = "Last times", Description = "Last written time per channel at the failover server.")]
    public Output<IReadOnlyDictionary<string, DateTimeOffset>>? LastTimes { get; init; }

    [Output]
    public Output<string>? Failure { get; init; }

    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var identity = context.Get(Identity);
        var policy = await policies.GetAsync(cancellationToken);
        var now = context.Time.GetUtcNow();
        var wait = PlainValue.To<HandOver>(context.Progress) ?? new HandOver(now, null, false);
        var failed = await calls.GetServerAsync(context.Get(FailedServer), cancellationToken);
        if (!await IsRecordingAsync(context, failed, identity, wait.Since, now, cancellationToken))
        {
            // Counted from the first look that found it silent: the failover server may have been awaited for long before.
            var silentSince = wait.SilentSince ?? now;
            var looks = wait.SilentLooks + 1;
            return now - silentSince < policy.HandOverTimeout || looks < FewestSilentLooks
                ? ActivityResult.RunAgainAt(Looks.Next(silentSince, now, policy.HandOverTimeout), wait with { SilentSince = silentSince, SilentLooks = looks })
                : ActivityResult.Completed("FailedServerLost").With(Failure, $"{failed.Name} stopped recording before the failover server was stopped.");
        }

        var failover = await calls.GetEndpointAsync(context.Get(FailoverServer), cancellationToken);
        RecordingState stopped;
        try
        {
            var entry = await clocks.FindEntryAsync(identity, [failover.ServerId], cancellationToken);
            if (entry is not null && await clocks.MeasureEndAsync(entry, context.InstanceId, [failover, calls.EndpointOf(failed)], cancellationToken) is var measured && measured != entry)
            {
                // Committed first: a stop that is repeated must say the same.
                return ActivityResult.RunAgainAt(now, wait).WithChanges(new SaveFailoverLogEntry(measured));
            }

            var firstFrames = context.GetOrDefault(FirstFrames);
            stopped = await recorders.StopRecordingAsync(
                failover,
                new RecordingCommand(identity, await calls.GetAuthorityAsync(context, identity, cancellationToken), entry is null ? firstFrames : new FailoverServerTimes(entry).AuthorityEnds(firstFrames)),
                context.CallKey("stopByItsClock"),
                cancellationToken);
        }
        catch (RecorderException exception) when (exception.IsTransient)
        {
            if (context.GetOrDefault(OwesAfterTimeout) == true && now - wait.Since >= policy.HandOverTimeout)
            {
                return ActivityResult.Completed("Owed");
            }

            // The stop may have arrived. Asking again, with the same key, after looking at the failed server again, is right either way.
            var isLate = now - wait.Since > policy.HandOverTimeout;
            var result = ActivityResult.RunAgainAt(
                now + (isLate ? TimeSpan.FromSeconds(5) : TimeSpan.FromMilliseconds(500)),
                wait with { SilentSince = null, SilentLooks = 0, IsAlarmed = isLate });
            return isLate && !wait.IsAlarmed
                ? result.WithAlarm(context, failover.ServerId, $"The failover server {failover.ServerId} does not confirm its stop; the failback waits for it. Bring it back on the network.")
                : result;
        }

        var lastTimes = stopped.Channels.Where(c => c.LastFrameAt is not null).ToDictionary(c => c.ChannelId, c => c.LastFrameAt!.Value);
        return ActivityResult.Completed("Stopped").With<IReadOnlyDictionary<string, DateTimeOffset>>(LastTimes, lastTimes);
    }

    /// <summary>Frames on at least one channel, written since the first look and not older than <see cref="FreshFrame"/>; ages are by the recorder's own clock.</summary>
    private async Task<bool> IsRecordingAsync(ActivityExecutionContext context, VmsServer failed, string identity, DateTimeOffset since, DateTimeOffset now, CancellationToken cancellationToken)
    {
        try
        {
            var state = await recorders.GetRecordingAsync(await calls.GetFencedAsync(context, identity, failed.Id, cancellationToken), identity, cancellationToken);
            return state.Channels.Any(c =>
                c.Recording && c.FirstFrameAt is not null && c.LastFrameAt is { } last && state.AsOf - last is var age && age <= FreshFrame && now - age >= since);
        }
        catch (RecorderException exception) when (exception.IsTransient)
        {
            return false;
        }
    }

    /// <summary>What one look leaves for the next.</summary>
    /// <param name="Since">The first look.</param>
    /// <param name="SilentSince">The first of the looks up to now that did not find the failed server recording.</param>
    /// <param name="IsAlarmed">The alarm that the failover server does not confirm was raised.</param>
    private sealed record HandOver(DateTimeOffset Since, DateTimeOffset? SilentSince, bool IsAlarmed)
    {
        /// <summary>How many looks since <see cref="SilentSince"/> found it silent.</summary>
        public int SilentLooks { get; init; }
    }
}

/// <summary>Step 9e, second half: the hold gets its end at the last time written. What is owed stays held.</summary>
[Activity("Failback.EndRetentionHold", Category = "Failback parts", Description = "Gives the retention hold its end.")]
[FlowNode("Done", "Unreachable")]
[Retry(1_000_000, InitialDelayMilliseconds = 500, MaxDelayMilliseconds = 10_000)]
public sealed class EndRetentionHold(DutyCalls calls, HoldEnds ends, IFailoverLog log, FailbackPolicies policies) : DutyActivity
{
    [Input(DisplayName = "Failover log entry", UIHint = ActivityHints.FailoverLogEntry)]
    public required Input<string> EntryId { get; init; }

    [Input(DisplayName = "Last times")]
    public required Input<IReadOnlyDictionary<string, DateTimeOffset>> LastTimes { get; init; }

    [Input(DisplayName = "Within the hand-over", Description = "Leave by Unreachable when the site's hand-over timeout is over, instead of waiting for the server.")]
    public Input<bool?>? WithinHandOver { get; init; }

    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var entry = await log.GetAsync(context.Get(EntryId), cancellationToken);
        var lastTimes = context.Get(LastTimes);
        var times = new FailoverServerTimes(entry);
        try
        {
            return ActivityResult.Completed().WithChanges(await ends.GiveAsync(
                await calls.GetFencedAsync(context, entry.FailedServerId, entry.FailoverServerId, cancellationToken),
                new RetentionHold(entry.Id, entry.FailoverServerId, entry.FailedServerId, times.Start, null),
                // Without last times each attempt ends it a little later.
                lastTimes.Count > 0 ? lastTimes.Values.Max() : times.Latest(context.Time.GetUtcNow()),
                await calls.GetAuthorityAsync(context, entry.FailedServerId, cancellationToken),
                context.CallKey,
                cancellationToken));
        }
        catch (RecorderException exception) when (exception.IsTransient && context.GetOrDefault(WithinHandOver) == true)
        {
            return LookAgain(context, (await policies.GetAsync(cancellationToken)).HandOverTimeout) ?? ActivityResult.Completed("Unreachable");
        }
    }
}

/// <summary>Step 9g: the failed server is marked ok, if it still records. If it died after the stop it stays broken, with an alarm: the failback is done, and a new failover is due.</summary>
[Activity("Failback.MarkFailedServerOk", Category = "Failback parts", Description = "Marks the failed server ok, if it still records.")]
[FlowNode("MarkedOk", "StillBroken")]
[Retry(4, InitialDelayMilliseconds = 500, MaxDelayMilliseconds = 2000)]
public sealed class MarkFailedServerOk(DutyCalls calls, IRecorderClient recorders) : DutyActivity
{
    [Input(DisplayName = "Failed server", UIHint = ActivityHints.VmsServer)]
    public required Input<string> FailedServer { get; init; }

    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var server = await calls.GetServerAsync(context.Get(FailedServer), cancellationToken);
        var symptom = "does not record";
        try
        {
            var state = await recorders.GetRecordingAsync(await calls.GetFencedAsync(context, server.Id, server.Id, cancellationToken), server.Id, cancellationToken);
            if (state.Channels.Any(c => c.Recording))
            {
                return ActivityResult.Completed("MarkedOk").WithChanges(
                    new SaveVmsServer(server with { State = VmsServerState.Ok }),
                    Tell(context, "server", server.Id, $"{server.Name} is back in service."));
            }
        }
        catch (RecorderException exception) when (exception.IsTransient && context.Attempt >= 4)
        {
            // It died after the hand-over. Nothing can be taken back here; a new failover is the way on.
            symptom = "stopped answering";
        }

        var alarm = $"{server.Name} failed again: it {symptom} after the failover server had stopped, so nobody recorded its channels from then on.";
        return ActivityResult.Completed("StillBroken")
            .WithWorkflowOutput(RunOutputs.NobodyRecords, server.Id)
            .WithWorkflowOutput(RunOutputs.Message, alarm)
            .WithAlarm(context, server.Id, $"{alarm} Start a failover of {server.Name} now, or bring it back.");
    }
}

/// <summary>
/// When to look at a recorder again. Each look takes the run up anew, which raises its fence in the database and at the recorder: soon at
/// first, because frames usually come within a second, then less often.
/// </summary>
internal static class Looks
{
    private static readonly TimeSpan Shortest = TimeSpan.FromMilliseconds(150);
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(1);

    /// <summary>A tenth of the wait so far, 150 ms to 1 s, and never past an end of the wait that is still to come.</summary>
    public static DateTimeOffset Next(DateTimeOffset since, DateTimeOffset now, TimeSpan timeout)
    {
        var wait = (now - since) / 10;
        var (next, end) = (now + (wait < Shortest ? Shortest : wait > Longest ? Longest : wait), since + timeout);
        return next > end && end > now ? end : next;
    }
}
