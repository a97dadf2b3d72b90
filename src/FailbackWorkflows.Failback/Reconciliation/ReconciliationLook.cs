using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders.Duties;

namespace FailbackWorkflows.Failback.Reconciliation;

/// <summary>What one server said when it was asked for a reconciliation.</summary>
/// <param name="State">The duty as it has it; null: it does not know it.</param>
/// <param name="Holds">Its retention holds for the identity, released ones included.</param>
internal sealed record RecorderAnswer(VmsServer Server, DutyState? State, IReadOnlyList<RetentionHoldState> Holds);

/// <summary>Who may take the recorders' word.</summary>
public enum ReconciliationVerdict
{
    /// <summary>There is only one way to read it: the management server does it by itself.</summary>
    Clear,

    /// <summary>Somebody who does not answer may know more: an administrator decides.</summary>
    NeedsAdministrator,

    /// <summary>Nobody, or more than one, has the duty: only a new epoch helps, which a failover or an adoption draws.</summary>
    NeedsNewEpoch,
}

/// <summary>What the recorders say of a duty, taken together. Decides; knows no recorder, no clock and no table.</summary>
/// <param name="Accepted">The duty as it should be in the database; null: nobody that answered has it under the largest epoch.</param>
/// <param name="Sentence">How it was read; for the operator.</param>
/// <param name="Next">What to do; null when it is clear.</param>
internal sealed record ReconciliationLook(ReconciliationVerdict Verdict, long Epoch, Duty? Accepted, string Sentence, string? Next)
{
    /// <param name="known">The duty in the database; null: there is none.</param>
    /// <param name="heard">The largest epoch and fence that any recorder has told since the start, also one that does not answer now.</param>
    /// <param name="checkpoint">The largest epoch that was ever drawn; 0 when that is not known.</param>
    /// <param name="silent">Names of the registered servers that do not answer.</param>
    public static ReconciliationLook Of(
        string identity, Duty? known, (long Epoch, long Fence) heard, long checkpoint, IReadOnlyList<RecorderAnswer> answers, IReadOnlyList<string> silent)
    {
        var told = answers.Where(a => a.State is not null).Select(a => (a.Server, State: a.State!)).ToList();
        var epoch = told.Select(t => t.State.Epoch).Append(known?.Epoch ?? 0).Append(heard.Epoch).Max();
        var fence = told.Select(t => t.State.Fence).Append(known?.Fence ?? 0).Append(heard.Fence).Max();
        var holders = told.Where(t => t.State is { AssignedRole: DutyRole.Recorder, AllocationId: not null } && t.State.Epoch == epoch).ToList();
        if (holders.Count > 1)
        {
            return new(
                ReconciliationVerdict.NeedsNewEpoch,
                epoch,
                null,
                $"{string.Join(" and ", holders.Select(h => h.Server.Name))} both have the duty under epoch {epoch}.",
                "Find out which one shall record, then start a failover to it, or adopt the failed server in its failover log entry: either draws a new epoch.");
        }

        // Of the epoch that the database knows it also knows who got it: a recorder may only not have heard of it yet.
        var accepted = holders is [var holder] ? new Duty(identity, holder.Server.Id, epoch, holder.State.AllocationId!, fence)
            : known is not null && known.Epoch == epoch ? known with { Fence = fence }
            : null;
        if (accepted is null)
        {
            return new(
                ReconciliationVerdict.NeedsNewEpoch,
                epoch,
                null,
                $"Epoch {epoch} was drawn, and none of the servers that answer has the duty under it.{Silence(silent)}",
                $"{(silent.Count > 0 ? "Bring those servers back: then it is settled by itself. If they are gone, start" : "Start")} a failover, or adopt the failed server in its failover log entry: either draws a new epoch.");
        }

        var reading = holders.Count == 1
            ? $"{holders[0].Server.Name} has the duty under epoch {epoch}."
            : $"No recorder contradicts that {accepted.HolderServerId} has the duty under epoch {epoch}.";

        // A number that we did not draw, or drew for somebody else, was granted by another system: a failover it will report, perhaps. Only a checkpoint that is older than the database itself says nothing of that.
        var isCheckpointKept = checkpoint >= (known?.Epoch ?? 1);
        if ((isCheckpointKept && epoch > checkpoint) || (known is not null && accepted.Epoch == known.Epoch && accepted.AllocationId != known.AllocationId))
        {
            return new(
                ReconciliationVerdict.NeedsAdministrator,
                epoch,
                accepted,
                $"{reading} That was not granted here: another system did, or the checkpoint of epochs was restored with the database.{Silence(silent)}",
                "If another system has taken the duty over, report that failover (POST /api/v1/failover-log), or adopt the failed server in its failover log entry. If everything was restored, press Reconcile: the word of those that answer is taken.");
        }

        // Nothing above the checkpoint was ever drawn: who has the epoch of the checkpoint has the newest, whoever is silent.
        return silent.Count == 0 || checkpoint == epoch
            ? new(ReconciliationVerdict.Clear, epoch, accepted, reading, null)
            : new(
                ReconciliationVerdict.NeedsAdministrator,
                epoch,
                accepted,
                $"{reading} That need not be the newest.{(checkpoint > epoch ? $" Epoch {checkpoint} was drawn." : "")}{Silence(silent)}",
                "Bring those servers back: then it is settled by itself. If they are gone for good, or you know how it stands, press Reconcile: the word of those that answer is taken.");
    }

    /// <summary>
    /// The same when somebody who does not say so now said last that it has the duty under the accepted epoch by another allocation: two have it by their word, and taking the
    /// other one's would leave the duty in doubt.
    /// </summary>
    public ReconciliationLook ContradictedBy(string serverName) => new(
        ReconciliationVerdict.NeedsNewEpoch,
        Epoch,
        null,
        $"{serverName} said last that it has the duty under epoch {Epoch} by another allocation.",
        "Start a failover to the server that shall record, or adopt the failed server: either draws a new epoch.");

    private static string Silence(IReadOnlyList<string> silent) => silent.Count switch
    {
        0 => "",
        <= 5 => $" No answer from: {string.Join(", ", silent)}.",
        _ => $" No answer from: {string.Join(", ", silent.Take(5))} and {silent.Count - 5} more.",
    };
}
