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

namespace FailbackWorkflows.Server.Pages;

/// <summary>How a run stands or ended, as the banner on top of a page says it: what, why, what to do next.</summary>
public sealed record RunResultView(string Tone, string Title, string? Sentence, string? Next, DateTimeOffset? StartedAt, DateTimeOffset? EndedAt)
{
    /// <summary>What the run raised alarms about, oldest first.</summary>
    public IReadOnlyList<RunAlarm> Alarms { get; init; } = [];

    private const string FailedAgain = "Failback performed, but the failed server failed again";

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
                ? new("ok", "Failback OK", entry.ClosedByEntryId is null ? null : "Ended together with a newer failover of the same server.", null, entry.FailbackStartedAt, entry.FailbackEndedAt)
                : null;
        }

        var what = run.DefinitionId switch
        {
            StartFailback.DefinitionId => "Failback",
            StartFailover.DefinitionId => "Failover",
            StartMaterialCopy.DefinitionId => "Material copy",
            StartSettingsRollback.DefinitionId => "Settings rollback",
            StartAdoption.DefinitionId => "Adoption",
            AbandonFailback.DefinitionId => "Abandonment",
            DeliverObligations.DefinitionId => "Delivery",
            _ => "Run",
        };
        var (tone, title, next) = run switch
        {
            // What is to be done about it is the entry's alert, which knows how things stand now.
            { Result: "done", NobodyRecords: not null } => ("bad", FailedAgain, null),
            { Result: "done", Alarms.Count: > 0 } => ("warn", $"{what} OK, with alarms", "See to what the alarms name."),
            { Result: "done" or CopyEndings.Copied } => ("ok", $"{what} OK", null),
            { Result: CopyEndings.NothingToCopy } => ("ok", "There was nothing to copy", null),
            { Result: CopyEndings.CopiedWithLosses } => (
                "warn", "Material copied with losses", "Look at the coverage report, then start the copy again or have an administrator accept the losses."),
            { Result: "cancelled", DefinitionId: StartMaterialCopy.DefinitionId } => ("warn", "Material copy cancelled", "What is copied stays, the rest is still owed. Start it again to go on."),
            { SubStatus: WorkflowSubStatus.Faulted } or { Result: "faulted" } => (
                "bad", $"{what} stopped by an error", "Put right what the sentence names, then retry from the failed step."),
            { Result: "running" } => ("busy", $"{what} running", null),
            { Result: "refused", RefusedCheck: { } check } => (
                "warn", $"{what} refused by check {check}", "Nothing was touched. Put right what the check found, then start it again."),
            { Result: "refused" } => ("warn", $"{what} refused", "Nothing was touched. Put right what was found, then start it again."),
            { Result: "undone" or "cancelled", DefinitionId: StartSettingsRollback.DefinitionId } => (
                "warn", $"{what} {run.Result}", "The settings from before are in force. Put right what failed, then start it again."),
            { Result: "failed" or "cancelled", DefinitionId: StartFailover.DefinitionId } => (
                "bad", $"{what} {run.Result}", "Nobody may be recording the channels. Put right what failed, or start a failover to another server."),
            { Result: "undone" } => ("warn", $"{what} undone", "The failover server records on as before. Put right what failed, then start it again."),
            { Result: "cancelled" } => ("warn", $"{what} cancelled", "The failover server records on as before. Start it again when you are ready."),
            _ => ("bad", $"{what} failed", "See the step that failed below. Put right what it names, then start it again."),
        };
        // The alarm of that ending says it again, with the way on.
        var sentence = run.NobodyRecords is not null && run.Alarms.Count > 0 ? null : run.Message;
        return new(tone, title, sentence, next, run.StartedAt, run.FinishedAt ?? (run.Result == "running" ? null : entry?.FailbackEndedAt))
        {
            Alarms = run.Alarms,
        };
    }
}
