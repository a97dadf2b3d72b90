using System.Globalization;
using System.Security.Claims;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.MaterialCopy;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Server.Resources;

namespace FailbackWorkflows.Server.Pages.FailoverLog;

/// <summary>The material copy of an entry as its page shows it.</summary>
/// <param name="WhyNot">Why it cannot be started; null when it can.</param>
/// <param name="Sentence">What it is doing, or what it waits for, as a person would say it.</param>
public sealed record MaterialCopyView(
    FailoverLogEntry Entry, MaterialCopyTask? Task, string SourceName, string TargetName, string? WhyNot, string? Sentence, long? SecondsLeft, bool MayOperate)
{
    /// <summary>From this part of its limit on, the limit is what makes a copy slow.</summary>
    private const double NearLimit = 0.75;

    /// <summary>What the last copy that ended comes to; null before the first end, and while another one works.</summary>
    public CoverageLine? Coverage { get; init; }

    /// <summary>It ended for good: nothing is left to be started.</summary>
    public bool IsFinished => Entry.MaterialCopy is MaterialCopyState.Copied or MaterialCopyState.NothingToCopy or MaterialCopyState.LossesAccepted;

    /// <summary>A click in the making: its id makes the second of a double click harmless.</summary>
    public string RequestId { get; } = Guid.NewGuid().ToString("N");

    public bool IsPossible => WhyNot is null;

    public CopyTask? Report => Task?.Reported;

    /// <summary>The report tells of the run that works now, not of one long over.</summary>
    public bool ShowsProgress => Task?.RunId is not null && Report is not null;

    public bool CanPause => MayOperate && Task is { RunId: not null, IsPauseWished: false } && Entry.IsCopying;

    public bool CanResume => MayOperate && Task is { RunId: not null, IsPauseWished: true };

    public bool CanCancel => MayOperate && Entry.IsCopying;

    public bool CanLimit => MayOperate && Task?.RunId is not null && Entry.IsCopying;

    /// <summary>A copy is queued or works, and neither an operator nor anything that somebody may have to see to holds it.</summary>
    public bool IsGoingWell => Entry.IsCopying && Task is not { WaitsForServerId: not null } and not { IsOutOfTouch: true }
        and not { Reported.State: CopyTaskState.WaitingForSource }
        and not { Reported: { State: CopyTaskState.Paused, PauseReason: not CopyPauseReason.Window } };

    /// <summary>The copy was tried and has stopped, or cannot go on, and no report tells what there is to accept.</summary>
    public bool MayHaveLosses => HasNoReport && !IsGoingWell && Entry.MaterialCopy != MaterialCopyState.NotStarted;

    /// <summary>Losses may be accepted although nothing says that there will be any.</summary>
    public bool CanGiveUpUnasked => HasNoReport && !MayHaveLosses;

    private bool HasNoReport => Task?.CoverageSha256 is null && Entry.IsCopyDue;

    /// <summary>The copy can be given orders, but not by this person.</summary>
    public bool IsForOthersToOrder => !MayOperate && (Entry.IsCopying || Task is { RunId: not null, IsPauseWished: true });

    public string? BytesText => Report is not { } report ? null
        : report.BytesTotal is { } total ? Texts.Of("{0} of {1}", Wording.Bytes(report.BytesDone), Wording.Bytes(total))
        : Wording.Bytes(report.BytesDone);

    public string? RateText => Report is { State: CopyTaskState.Running, BytesPerSecond: > 0 and var rate } && Task is { IsOutOfTouch: false } ? Texts.Of("{0}/s", Wording.Bytes(rate)) : null;

    /// <summary>The limit in force, as the recorder states it; null: as fast as recording allows.</summary>
    public string? LimitText => Report?.Limits switch
    {
        { MaxBytesPerSecond: { } most } when Report.BytesPerSecond >= most * NearLimit && RateText is not null => Texts.Of("slowed to {0}/s by its limit", Wording.Bytes(most)),
        { MaxBytesPerSecond: { } most } => Texts.Of("limited to {0}/s", Wording.Bytes(most)),
        _ => null,
    };

    /// <summary>Rounded, because it is an estimate; a dash when nothing can be said honestly.</summary>
    public string TimeLeftText => SecondsLeft switch
    {
        null => "–",
        < 60 => Texts.Of("less than a minute"),
        < 3600 => Texts.Of("about {0} min", (SecondsLeft + 59) / 60),
        _ => Texts.Of("about {0} h {1} min", SecondsLeft / 3600, SecondsLeft % 3600 / 60),
    };

    /// <summary>Done and total of a channel in the unit that fits it.</summary>
    public static string AmountOf(CopyChannelProgress channel) => channel.Kind is "video" or "audio"
        ? channel.BytesTotal is { } total ? Texts.Of("{0} of {1}", Wording.Bytes(channel.BytesDone), Wording.Bytes(total)) : Wording.Bytes(channel.BytesDone)
        : channel.Total is { } count ? Texts.Of("{0} of {1}", channel.Done.ToString("N0", CultureInfo.InvariantCulture), count.ToString("N0", CultureInfo.InvariantCulture)) : string.Create(CultureInfo.InvariantCulture, $"{channel.Done:N0}");
}

/// <summary>Works out <see cref="MaterialCopyView"/>s.</summary>
public sealed class MaterialCopyViews(IMaterialCopies copies, IVmsServers servers, TimeProvider time)
{
    public async Task<MaterialCopyView> ReadAsync(FailoverLogEntry entry, ClaimsPrincipal user, CancellationToken cancellationToken)
    {
        var task = await copies.FindByEntryAsync(entry.Id, cancellationToken);
        var source = await NameAsync(entry.FailoverServerId, cancellationToken);
        var target = await NameAsync(entry.FailedServerId, cancellationToken);
        var mayOperate = user.May(Permissions.Operate);
        var waitsFor = task?.WaitsForServerId is { } id ? await NameAsync(id, cancellationToken) : null;
        var kept = task?.CoverageSha256 is null || task.RunId is not null || entry.IsCopying ? null : await copies.FindCoverageAsync(entry.Id, cancellationToken);
        return new(entry, task, source, target, WhyNot(entry, task, mayOperate), Describe(entry, task, source, target, waitsFor), task?.SecondsLeft(time.GetUtcNow()), mayOperate)
        {
            Coverage = kept is null ? null : CoverageLine.Of(entry, kept.Report),
        };
    }

    private static string? WhyNot(FailoverLogEntry entry, MaterialCopyTask? task, bool mayOperate) => entry switch
    {
        _ when task?.RunId is not null => Texts.Of("It is running."),
        _ when MaterialCopyHooks.WhyNot(entry) is { } sentence => sentence,
        _ when !mayOperate => Texts.Of("Needs the role {0}.", Permissions.RolesText(Permissions.Operate)),
        _ => null,
    };

    private static string? Describe(FailoverLogEntry entry, MaterialCopyTask? task, string source, string target, string? waitsFor)
    {
        if (!entry.IsCopying)
        {
            return entry.MaterialCopy == MaterialCopyState.NotStarted ? null : entry.Message;
        }

        return task switch
        {
            null or { RunId: null } => Texts.Of("Queued; it starts by itself in a moment."),
            { IsOutOfTouch: true } => Texts.Of("{0} is out of touch. It copies on by itself; what is shown is what it last reported.", target),
            _ when waitsFor is not null => Texts.Of("Waiting for {0}, which does not answer. It goes on by itself when {0} is back.", waitsFor),
            { IsPauseWished: true, Reported: not { State: CopyTaskState.Paused, PauseReason: CopyPauseReason.Operator } } => Texts.Of("{0} is being told to pause.", target),
            { Reported: { State: CopyTaskState.Paused } report } => report.PauseReason switch
            {
                CopyPauseReason.Operator => Texts.Of("Paused by an operator. It goes on when an operator resumes it."),
                CopyPauseReason.NoAuthority => Texts.Of("Paused: {0} does not have its duty at present. It goes on by itself after the next failback.", target),
                CopyPauseReason.Source => Texts.Of("Paused: {0} refuses the credential or asks to wait. A new credential is obtained by itself. {1}", source, report.LastError),
                CopyPauseReason.Reserve => Texts.Of("Paused: the disk of {0} would fall below its reserve. Make room; it goes on by itself.", target),
                _ => Texts.Of("Paused: outside the daily window. It goes on by itself."),
            },
            { Reported.State: CopyTaskState.WaitingForSource } => Texts.Of("Waiting for its source: {0} cannot reach {1}.", target, source),
            { Reported.State: CopyTaskState.Queued } => Texts.Of("In the queue of {0}, which works its tasks one by one.", target),
            { Reported.State: CopyTaskState.Verifying } => Texts.Of("{0} reads again what it stored.", target),
            { Reported: { State: CopyTaskState.Running } report } => report.Phase switch
            {
                "listing" => Texts.Of("{0} lists what {1} has and what is here already.", target, source),
                "evidence" => Texts.Of("Evidence first: locks, and the minutes of alarms and locks."),
                "closing" => Texts.Of("Closing sweep: what came late."),
                _ => Texts.Of("{0} fetches what it lacks from {1}.", target, source),
            },
            _ => Texts.Of("Being prepared."),
        };
    }

    private async Task<string> NameAsync(string serverId, CancellationToken cancellationToken) => (await servers.FindAsync(serverId, cancellationToken))?.Name ?? serverId;
}
