using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback.Policies;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Recording;
using Microsoft.Extensions.Logging;

namespace FailbackWorkflows.Failback.SettingsCache;

/// <summary>
/// May the earlier bundle be brought back? It is known, and whoever has the duty answers, records under the current epoch, is not frozen and
/// has other settings now. Notes what is active there and which channels have frames, so that undo knows where to go back to. Only reads.
/// </summary>
[Activity("Failback.CheckSettingsRollback", Category = "Settings", DisplayName = "Check settings rollback", Description = "May the earlier settings be brought back?")]
[FlowNode("Possible", "Refused")]
[Retry(3, InitialDelayMilliseconds = 500, MaxDelayMilliseconds = 2000)]
public sealed class CheckSettingsRollback(DutyCalls calls, IRecorderClient recorders, ISettingsCache cache) : DutyActivity
{
    public const int Number = 1;

    [Input(DisplayName = "VMS server", Description = "Whose settings go back; also the recorded identity.", UIHint = ActivityHints.VmsServer)]
    public required Input<string> Identity { get; init; }

    [Input(DisplayName = "Number", Description = "Number of the earlier bundle in the history.")]
    public required Input<long> BundleNumber { get; init; }

    [Output(DisplayName = "Holder", Description = "The server that has the duty now, and gets the settings.")]
    public Output<string>? Holder { get; init; }

    [Output(Description = "Digest of the earlier settings.")]
    public Output<string>? Sha256 { get; init; }

    [Output(DisplayName = "Former revision", Description = "Revision active there before anything is changed; undo goes back to it.")]
    public Output<long>? FormerRevision { get; init; }

    [Output(DisplayName = "Recorded channels", Description = "Channels that have frames before anything is changed.")]
    public Output<IReadOnlyList<string>>? RecordedChannels { get; init; }

    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var identity = context.Get(Identity);
        var number = context.Get(BundleNumber);
        if (await cache.FindRevisionAsync(identity, number, cancellationToken) is not { } target)
        {
            return Refuse("Refused", Number, $"The history of the settings of {identity} has no number {number}. Choose one that is listed there.");
        }

        var duty = await calls.GetDutyAsync(identity, cancellationToken);
        var server = await calls.GetServerAsync(duty.HolderServerId, cancellationToken);
        try
        {
            // Which machine it is comes before the fence: another machine must not be told anything.
            var status = await recorders.GetStatusAsync(calls.EndpointOf(server), cancellationToken);
            if (server.MachineId is not null && status.Id != server.MachineId)
            {
                return Refuse("Refused", Number, $"The machine at {server.BaseUrl} is not {server.Name}. Find out what answers there before its settings are changed.");
            }

            var endpoint = await calls.GetFencedAsync(context, identity, server.Id, cancellationToken);
            var seen = (await recorders.GetStatusAsync(endpoint, cancellationToken)).Duties.FirstOrDefault(d => d.Identity == identity);
            if (seen is not { Role: DutyRole.Recorder } || seen.Epoch != duty.Epoch)
            {
                return Refuse("Refused", Number, $"{server.Name} should be recorder for {identity} with epoch {duty.Epoch}, but is {seen?.Role.ToString().ToLowerInvariant() ?? "nothing"} with epoch {seen?.Epoch ?? 0}. Wait until it has its duty again, then start once more.");
            }

            var active = await recorders.GetSettingsAsync(endpoint, identity, cancellationToken);
            if (active.Sha256 == target.Sha256)
            {
                return Refuse("Refused", Number, $"{server.Name} has exactly these settings already (revision {active.Revision}). There is nothing to bring back.");
            }

            if (active.Frozen)
            {
                return Refuse("Refused", Number, $"The settings of {identity} are frozen at {server.Name}, as during a failback. Try again when that is over.");
            }

            var recording = await recorders.GetRecordingAsync(endpoint, identity, cancellationToken);
            return ActivityResult.Completed("Possible")
                .With(Holder, server.Id)
                .With(Sha256, target.Sha256)
                .With(FormerRevision, active.Revision)
                .With<IReadOnlyList<string>>(RecordedChannels, [.. recording.Channels.Where(c => IsFresh(c, recording)).Select(c => c.ChannelId)])
                .WithCancellation(CancellationMode.Undo)
                .WithChanges(new SaveSettings(CachedSettings.From(active, server.Id, duty.Epoch, context.Time.GetUtcNow())));
        }
        catch (RecorderException exception) when (exception.IsTransient && context.Attempt >= 3)
        {
            return Refuse("Refused", Number, $"{server.Name} does not answer, so its settings cannot be changed. Bring it back on the network, then start again. ({exception.Message})");
        }
        catch (RecorderException exception) when (!exception.IsTransient)
        {
            return Refuse("Refused", Number, $"{server.Name} refused to be asked: {exception.Message}");
        }
    }

    private static bool IsFresh(ChannelRecording channel, RecordingState state) => channel is { Recording: true, LastFrameAt: { } last } && state.AsOf - last <= ConfirmSettingsInForce.FreshFrame;
}

/// <summary>
/// After an activation: every channel that had frames before, and that the settings still want, must have new ones within the site's
/// <see cref="FailbackPolicy.ConfirmTimeout"/>. A channel that comes with the settings and stays dark is an alarm, not a reason to go back. Only reads.
/// </summary>
[Activity("Failback.ConfirmSettingsInForce", Category = "Settings", DisplayName = "Confirm settings in force", Description = "Does the server record on under the settings?")]
[FlowNode("Confirmed", "Dark", "Failed")]
[Retry(10, InitialDelayMilliseconds = 500, MaxDelayMilliseconds = 3000)]
public sealed class ConfirmSettingsInForce(DutyCalls calls, IRecorderClient recorders, FailbackPolicies policies) : SettingsActivity
{
    internal static readonly TimeSpan FreshFrame = TimeSpan.FromSeconds(5);

    [Input(DisplayName = "Recorded channels", Description = "Channels that had frames before.")]
    public required Input<IReadOnlyList<string>> RecordedChannels { get; init; }

    [Output]
    public Output<string>? Failure { get; init; }

    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var identity = context.Get(Identity);
        var server = await calls.GetServerAsync(context.Get(Server), cancellationToken);
        var now = context.Time.GetUtcNow();
        var since = context.Progress is string text ? DateTimeOffset.Parse(text, System.Globalization.CultureInfo.InvariantCulture) : now;
        var state = await recorders.GetRecordingAsync(await calls.GetFencedAsync(context, identity, server.Id, cancellationToken), identity, cancellationToken);
        // Ages are by the recorder's own clock: written since the first look here, whatever its clock says.
        var dark = state.Channels
            .Where(c => c is { Enabled: true, Required: true } && !(c is { Recording: true, LastFrameAt: { } last } && state.AsOf - last is var age && age <= FreshFrame && now - age > since))
            .ToList();
        var policy = await policies.GetAsync(cancellationToken);
        if (dark.Count > 0 && now - since < policy.ConfirmTimeout)
        {
            return ActivityResult.RunAgainAt(RestoreRoles.Looks.Next(since, now, policy.ConfirmTimeout), since.UtcDateTime.ToString("O"));
        }

        var recordedBefore = context.Get(RecordedChannels).ToHashSet(StringComparer.Ordinal);
        var lost = dark.Where(c => recordedBefore.Contains(c.ChannelId)).Select(c => c.Name).ToList();
        if (lost.Count > 0)
        {
            return ActivityResult.Completed("Dark")
                .With(Failure, $"{server.Name} had no more frames of {lost.Count} {(lost.Count == 1 ? "channel" : "channels")} under the earlier settings after {policy.ConfirmTimeout.TotalSeconds:0} s: {string.Join(", ", lost.Take(10))}. Compare the two bundles of these channels.");
        }

        var result = ActivityResult.Completed("Confirmed");
        return dark.Count == 0
            ? result
            : result.WithAlarm(context, server.Id, $"{server.Name} records under the earlier settings, but these channels of them stay dark: {string.Join(", ", dark.Select(c => c.Name))}. Check these cameras.");
    }
}

/// <summary>
/// Takes a settings rollback back, when it took effect: the server itself is asked, because the answer to an activation may have been lost.
/// Settings that somebody else made active meanwhile are left alone. Keeps trying while the server does not answer.
/// </summary>
[Activity("Failback.UndoSettingsRollback", Category = "Settings", DisplayName = "Undo settings rollback", Description = "Makes the settings active again that were so before the run.")]
[FlowNode("Done", "NotNeeded")]
[Retry(1_000_000, InitialDelayMilliseconds = 500, MaxDelayMilliseconds = 10_000)]
public sealed class UndoSettingsRollback(DutyCalls calls, IRecorderClient recorders) : SettingsActivity
{
    [Input(Description = "Digest of the earlier settings.")]
    public required Input<string> Sha256 { get; init; }

    [Input(DisplayName = "Former revision")]
    public required Input<long> FormerRevision { get; init; }

    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var identity = context.Get(Identity);
        var serverId = context.Get(Server);
        var former = context.Get(FormerRevision);
        var endpoint = await calls.GetFencedAsync(context, identity, serverId, cancellationToken);
        var active = await recorders.GetSettingsAsync(endpoint, identity, cancellationToken);
        if (active.Revision == former || active.Sha256 != context.Get(Sha256))
        {
            return ActivityResult.Completed("NotNeeded");
        }

        await recorders.RollBackSettingsAsync(
            endpoint,
            new(identity, await calls.GetAuthorityAsync(context, identity, cancellationToken), former),
            context.CallKey("rollBack"),
            cancellationToken);
        return ActivityResult.Completed();
    }
}

/// <summary>Ends a settings rollback: done, or undone with the sentence that says why.</summary>
[Activity("Failback.LogSettingsRollback", Category = "Settings", DisplayName = "Log: settings rollback", Description = "Says how the settings rollback ended.")]
public sealed class LogSettingsRollback(DutyCalls calls, IRecorderClient recorders, ILogger<LogSettingsRollback> logger) : SettingsActivity
{
    [Input(Description = "True when the former settings are in force again.", DefaultValue = false)]
    public Input<bool>? IsUndone { get; init; }

    [Input(Description = "Why it was undone; empty when it was cancelled.", UIHint = "multiline")]
    public Input<string>? Failure { get; init; }

    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var identity = context.Get(Identity);
        var server = await calls.GetServerAsync(context.Get(Server), cancellationToken);
        if (!context.GetOrDefault(IsUndone))
        {
            return ActivityResult.Completed()
                .WithWorkflowOutput(RunOutputs.Result, RunOutputs.Done)
                .WithChanges(Tell(context, "settings", identity, $"{server.Name} has earlier settings of {identity} again."));
        }

        var failure = context.GetOrDefault(Failure);
        var message = string.IsNullOrWhiteSpace(failure)
            ? $"The settings rollback was cancelled; {server.Name} has the settings it had before."
            : $"The settings rollback was undone; {server.Name} has the settings it had before. {failure}";
        var changes = new List<IDomainChange> { Tell(context, "settings", identity, $"The settings rollback of {identity} was undone.") };
        try
        {
            // Its last revision has the former content under a new number: the history says so, with who and why.
            var active = await recorders.GetSettingsAsync(await calls.GetFencedAsync(context, identity, server.Id, cancellationToken), identity, cancellationToken);
            var epoch = (await calls.GetDutyAsync(identity, cancellationToken)).Epoch;
            var settings = CachedSettings.From(active, server.Id, epoch, context.Time.GetUtcNow());
            changes.Insert(0, new SaveSettings(settings with
            {
                Provenance = settings.Provenance with { ChangedBy = context.Run.StartedBy.Name, Reason = "The settings rollback was undone.", RunId = context.InstanceId },
            }));
        }
        catch (RecorderException exception) when (exception.IsTransient)
        {
            logger.LogInformation("{Server} could not be asked what it has now; the next refresh of the cache finds it: {Reason}", server.Id, exception.Message);
        }

        return ActivityResult.Completed()
            .WithWorkflowOutput(RunOutputs.Result, RunOutputs.Undone)
            .WithWorkflowOutput(RunOutputs.Message, message)
            .WithChanges(changes);
    }
}
