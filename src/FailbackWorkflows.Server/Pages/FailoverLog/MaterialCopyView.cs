using System.Globalization;
using System.Security.Claims;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.MaterialCopy;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.Server.Identity;

namespace FailbackWorkflows.Server.Pages.FailoverLog;

/// <summary>The material copy of an entry as its page shows it.</summary>
/// <param name="WhyNot">Why it cannot be started; null when it can.</param>
/// <param name="Sentence">What it is doing, or what it waits for, as a person would say it.</param>
public sealed record MaterialCopyView(
    FailoverLogEntry Entry, MaterialCopyTask? Task, string SourceName, string TargetName, string? WhyNot, string? Sentence, long? SecondsLeft, bool MayOperate)
{
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

    public string? BytesText => Report is not { } report ? null
        : report.BytesTotal is { } total ? $"{Wording.Bytes(report.BytesDone)} of {Wording.Bytes(total)}"
        : Wording.Bytes(report.BytesDone);

    public string? RateText => Report is { State: CopyTaskState.Running, BytesPerSecond: > 0 and var rate } && Task is { IsOutOfTouch: false } ? $"{Wording.Bytes(rate)}/s" : null;

    /// <summary>Rounded, because it is an estimate; a dash when nothing can be said honestly.</summary>
    public string TimeLeftText => SecondsLeft switch
    {
        null => "–",
        < 60 => "less than a minute",
        < 3600 => $"about {(SecondsLeft + 59) / 60} min",
        _ => $"about {SecondsLeft / 3600} h {SecondsLeft % 3600 / 60} min",
    };

    /// <summary>Done and total of a channel in the unit that fits it.</summary>
    public static string AmountOf(CopyChannelProgress channel) => channel.Kind is "video" or "audio"
        ? channel.BytesTotal is { } total ? $"{Wording.Bytes(channel.BytesDone)} of {Wording.Bytes(total)}" : Wording.Bytes(channel.BytesDone)
        : channel.Total is { } count ? string.Create(CultureInfo.InvariantCulture, $"{channel.Done:N0} of {count:N0}") : string.Create(CultureInfo.InvariantCulture, $"{channel.Done:N0}");
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
        return new(entry, task, source, target, WhyNot(entry, task, mayOperate), Describe(entry, task, source, target, waitsFor), task?.SecondsLeft(time.GetUtcNow()), mayOperate);
    }

    private static string? WhyNot(FailoverLogEntry entry, MaterialCopyTask? task, bool mayOperate) => entry switch
    {
        _ when task?.RunId is not null => "It is running.",
        _ when MaterialCopyHooks.WhyNot(entry) is { } sentence => sentence,
        _ when !mayOperate => $"Needs the role {Permissions.RolesText(Permissions.Operate)}.",
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
            null or { RunId: null } => "Queued; it starts by itself in a moment.",
            { IsOutOfTouch: true } => $"{target} is out of touch. It copies on by itself; what is shown is what it last reported.",
            _ when waitsFor is not null => $"Waiting for {waitsFor}, which does not answer. It goes on by itself when {waitsFor} is back.",
            { IsPauseWished: true, Reported: not { State: CopyTaskState.Paused, PauseReason: CopyPauseReason.Operator } } => $"{target} is being told to pause.",
            { Reported: { State: CopyTaskState.Paused } report } => report.PauseReason switch
            {
                CopyPauseReason.Operator => "Paused by an operator. It goes on when an operator resumes it.",
                CopyPauseReason.NoAuthority => $"Paused: {target} does not have its duty at present. It goes on by itself after the next failback.",
                CopyPauseReason.Source => $"Paused: {source} refuses the credential or asks to wait. A new credential is obtained by itself. {report.LastError}",
                CopyPauseReason.Reserve => $"Paused: the disk of {target} would fall below its reserve. Make room; it goes on by itself.",
                _ => "Paused: outside the daily window. It goes on by itself.",
            },
            { Reported.State: CopyTaskState.WaitingForSource } => $"Waiting for its source: {target} cannot reach {source}.",
            { Reported.State: CopyTaskState.Queued } => $"In the queue of {target}, which works its tasks one by one.",
            { Reported.State: CopyTaskState.Verifying } => $"{target} reads again what it stored.",
            { Reported: { State: CopyTaskState.Running } report } => report.Phase switch
            {
                "listing" => $"{target} lists what {source} has and what is here already.",
                "evidence" => "Evidence first: locks, and the minutes of alarms and locks.",
                "closing" => "Closing sweep: what came late.",
                _ => $"{target} fetches what it lacks from {source}.",
            },
            _ => "Being prepared.",
        };
    }

    private async Task<string> NameAsync(string serverId, CancellationToken cancellationToken) => (await servers.FindAsync(serverId, cancellationToken))?.Name ?? serverId;
}
