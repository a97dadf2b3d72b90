using FailbackWorkflows.Engine;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Abandonment;
using FailbackWorkflows.Failback.Adoption;
using FailbackWorkflows.Failback.Failover;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.MaterialCopy;
using FailbackWorkflows.Failback.Obligations;
using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Server.Resources;

namespace FailbackWorkflows.Server.Pages;

/// <summary>How a run stands or ended, as the banner on top of a page says it: what, why, what to do next.</summary>
public sealed record RunResultView(string Tone, string Title, string? Sentence, string? Next, DateTimeOffset? StartedAt, DateTimeOffset? EndedAt)
{
    /// <summary>What the run raised alarms about, oldest first.</summary>
    public IReadOnlyList<RunAlarm> Alarms { get; init; } = [];

    private static string FailedAgain => Texts.Of("Failback performed, but the failed server failed again");

    /// <summary>The failback is half of it: what about the recordings.</summary>
    private static string? NextAfterFailback(FailoverLogEntry entry) => entry switch
    {
        { ClosedByEntryId: not null } => null,
        { IsCopying: true } => Texts.Of("Nothing: the recordings of the failover period are being brought home. Material copy below shows how far that is."),
        { MaterialCopy: MaterialCopyState.NotStarted } => Texts.Of("The failover server still has the recordings of the failover period. Bring them home with Start material copying."),
        { MaterialCopy: MaterialCopyState.Copied } => Texts.Of("Nothing: the recordings of the failover period are home too. Its coverage says what was brought home."),
        { MaterialCopy: MaterialCopyState.NothingToCopy } => Texts.Of("Nothing: there were no recordings to bring home."),
        { MaterialCopy: MaterialCopyState.LossesAccepted } => null,
        _ => Texts.Of("The recordings of the failover period are not all home. Material copy below says why, and how to go on."),
    };

    /// <param name="entry">The entry a failback belongs to; its own times count, because they bound the failover period.</param>
    public static RunResultView? Of(RunReport? run, FailoverLogEntry? entry)
    {
        if (run is null)
        {
            if (entry is { Failback: FailbackState.Done, ClosedByEntryId: null, Message: { } badEnding })
            {
                return new("bad", FailedAgain, badEnding, null, entry.FailbackStartedAt, entry.FailbackEndedAt);
            }

            return entry is { Failback: FailbackState.Done }
                ? new("ok", Texts.Of("Failback OK"), entry.ClosedByEntryId is null ? null : Texts.Of("Ended together with a newer failover of the same server."), NextAfterFailback(entry), entry.FailbackStartedAt, entry.FailbackEndedAt)
                : null;
        }

        var what = run.DefinitionId switch
        {
            StartFailback.DefinitionId => Texts.Of("Failback"),
            StartFailover.DefinitionId => Texts.Of("Failover"),
            StartMaterialCopy.DefinitionId => Texts.Of("Material copy"),
            StartSettingsRollback.DefinitionId => Texts.Of("Settings rollback"),
            StartAdoption.DefinitionId => Texts.Of("Adoption"),
            AbandonFailback.DefinitionId => Texts.Of("Abandonment"),
            DeliverObligations.DefinitionId => Texts.Of("Delivery"),
            _ => Texts.Of("Run"),
        };
        var (tone, title, next) = run switch
        {
            // What is to be done about it is the entry's alert, which knows how things stand now.
            { Result: "done", NobodyRecords: not null } => ("bad", FailedAgain, null),
            { Result: "done", Alarms.Count: > 0 } => ("warn", Texts.Of("{0} OK, with alarms", what), Texts.Of("See to what the alarms name.")),
            { Result: "done", DefinitionId: StartFailback.DefinitionId } => ("ok", Texts.Of("{0} OK", what), entry is null ? null : NextAfterFailback(entry)),
            { Result: "done" or CopyEndings.Copied } => ("ok", Texts.Of("{0} OK", what), null),
            { Result: CopyEndings.NothingToCopy } => ("ok", Texts.Of("There was nothing to copy"), null),
            { Result: CopyEndings.CopiedWithLosses } => (
                "warn", Texts.Of("Material copied with losses"), Texts.Of("Look at the coverage report, then start the copy again or have an administrator accept the losses.")),
            { Result: "cancelled", DefinitionId: StartMaterialCopy.DefinitionId } => ("warn", Texts.Of("Material copy cancelled"), Texts.Of("What is copied stays, the rest is still owed. Start it again to go on.")),
            { SubStatus: WorkflowSubStatus.Faulted, CanRedrive: false } => (
                "bad", Texts.Of("{0} stopped by an error", what), Texts.Of("Put right what the sentence names, then start it again.")),
            { SubStatus: WorkflowSubStatus.Faulted } or { Result: "faulted" } => (
                "bad", Texts.Of("{0} stopped by an error", what), Texts.Of("Put right what the sentence names, then retry from the failed step.")),
            { Result: "running" } => ("busy", Texts.Of("{0} running", what), null),
            { Result: "refused", RefusedCheck: { } check } => (
                "warn", Texts.Of("{0} refused by check {1}", what, check), Texts.Of("Nothing was touched. Put right what the check found, then start it again.")),
            { Result: "refused" } => ("warn", Texts.Of("{0} refused", what), Texts.Of("Nothing was touched. Put right what was found, then start it again.")),
            { Result: "undone" or "cancelled", DefinitionId: StartSettingsRollback.DefinitionId } => (
                "warn", run.Result == "undone" ? Texts.Of("{0} undone", what) : Texts.Of("{0} cancelled", what), Texts.Of("The settings from before are in force. Put right what failed, then start it again.")),
            { Result: "failed" or "cancelled", DefinitionId: StartFailover.DefinitionId } => (
                "bad", run.Result == "failed" ? Texts.Of("{0} failed", what) : Texts.Of("{0} cancelled", what), Texts.Of("Nobody may be recording the channels. Put right what failed, or start a failover to another server.")),
            { Result: "undone" } => ("warn", Texts.Of("{0} undone", what), Texts.Of("The failover server records on as before. Put right what failed, then start it again.")),
            { Result: "cancelled" } => ("warn", Texts.Of("{0} cancelled", what), Texts.Of("The failover server records on as before. Start it again when you are ready.")),
            _ => ("bad", Texts.Of("{0} failed", what), Texts.Of("See the step that failed below. Put right what it names, then start it again.")),
        };
        // The alarm of that ending says it again, with the way on.
        var sentence = run.NobodyRecords is not null && run.Alarms.Count > 0 ? null : run.Message;
        return new(tone, title, sentence, next, run.StartedAt, run.FinishedAt ?? (run.Result == "running" ? null : entry?.FailbackEndedAt))
        {
            Alarms = run.Alarms,
        };
    }
}
