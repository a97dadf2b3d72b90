using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback.Changes;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Obligations;
using FailbackWorkflows.Failback.Policies;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.MaterialCopy;

namespace FailbackWorkflows.Failback.Reconciliation;

/// <summary>
/// What the recorders' word means for the failover log: entries of the backup that are over by now, periods that the backup does not know. The
/// holds that failover servers keep tell of each period, by the id of its entry. Nothing is taken as home: what was recorded stays owed until a copy is
/// verified, or its server says why it was released.
/// </summary>
internal sealed class ReconciledEntries(Duty duty, IReadOnlyList<RecorderAnswer> answers, FailbackPolicy policy, string id, DateTimeOffset now)
{
    private const string Remark = "Reconciled with the recorders after the database was set back.";

    private readonly List<IDomainChange> _changes = [];
    private readonly List<string> _sentences = [];
    private bool _isAwayKnown;

    public IReadOnlyList<IDomainChange> Changes => _changes;

    public IReadOnlyList<string> Sentences => _sentences;

    private string Identity => duty.Identity;

    private bool IsHome => duty.HolderServerId == Identity;

    /// <summary>An entry of the backup whose failback is not done.</summary>
    public void Add(FailoverLogEntry entry)
    {
        if (entry.Failover == FailoverState.Failed)
        {
            return;
        }

        var hold = HoldOf(entry.FailoverServerId, entry.Id);
        var isAway = IsAway(entry.FailoverServerId, entry.Id, hold);
        var found = entry;
        if (entry.Failover == FailoverState.Running)
        {
            if (hold is null && !isAway)
            {
                // Whether it recorded anything is asked when it answers, and only a hold that is known here is asked for.
                _changes.Add(new SaveRetentionHold(new RetentionHold(entry.Id, entry.FailoverServerId, Identity, entry.FailoverStartedAt, null)));
                Save(entry, entry.FailoverFailed(now, $"{Remark} {entry.FailoverServerId} does not have the duty, and is not known to have had it."), "its failover is taken as failed");
                return;
            }

            found = entry.FoundTakenOver(now, Remark);
        }

        if (isAway)
        {
            _isAwayKnown = true;
            Save(entry, found.Failback == FailbackState.Running ? found.FailbackFailed(now, $"{Remark} {entry.FailoverServerId} has the duty: the failback that was running was not performed.") : found, "its failover goes on");
            return;
        }

        End(entry, found, hold);
    }

    /// <summary>Periods of holds that no entry of the backup tells of, and whoever has the duty without one.</summary>
    /// <param name="known">Ids of entries that the backup knows, finished ones included.</param>
    public void AddUnknown(IReadOnlySet<string> known)
    {
        foreach (var (server, hold) in answers
            .SelectMany(a => a.Holds.Select(h => (a.Server, Hold: h)))
            .Where(h => h.Server.Id != Identity && h.Hold.Identity == Identity && !known.Contains(h.Hold.EntryId))
            .OrderBy(h => h.Hold.FromUtc))
        {
            _changes.Add(new SaveRetentionHold(new RetentionHold(hold.EntryId, server.Id, Identity, hold.FromUtc, hold.ToUtc)));
            var made = Make(hold.EntryId, server.Id, hold.FromUtc, $"{Remark} Made from the hold that {server.Name} keeps for it.");
            if (IsAway(server.Id, hold.EntryId, hold))
            {
                _isAwayKnown = true;
                Save(null, made, "it was not known here, and goes on");
            }
            else
            {
                End(null, made, hold);
            }
        }

        if (!IsHome && !_isAwayKnown)
        {
            // A recorder without holds: nothing keeps its retention from deleting what is owed, so people must know.
            Save(null, Make($"reconciled-{id}", duty.HolderServerId, now, $"{Remark} {duty.HolderServerId} has the duty and keeps no hold for it: bring the material home before its retention deletes it."), "it was not known here, and goes on");
        }
    }

    /// <summary>The duty is with this server under this very entry.</summary>
    private bool IsAway(string serverId, string entryId, RetentionHoldState? hold) =>
        duty.HolderServerId == serverId
        && serverId != Identity
        && hold is not { ToUtc: not null }
        && hold is not { Release: not null }
        && !(hold is null && answers.Any(a => a.Server.Id == serverId && a.Holds.Any(h => h.Identity == Identity && h.EntryId != entryId && h is { ToUtc: null, Release: null })));

    private RetentionHoldState? HoldOf(string serverId, string entryId) =>
        answers.FirstOrDefault(a => a.Server.Id == serverId)?.Holds.FirstOrDefault(h => h.EntryId == entryId && h.Identity == Identity);

    private FailoverLogEntry Make(string entryId, string serverId, DateTimeOffset from, string message) => new()
    {
        Id = entryId,
        FailedServerId = Identity,
        FailoverServerId = serverId,
        Failover = FailoverState.Done,
        FailoverStartedAt = from,
        FailoverEndedAt = from,
        StartedBy = "Reconciliation",
        Reason = "The database was set back to before this failover.",
        Message = message,
    };

    /// <summary>A period that is over: at its own recorder by now, or at yet another server. What its server still has to say and to hear is owed.</summary>
    private void End(FailoverLogEntry? before, FailoverLogEntry found, RetentionHoldState? hold)
    {
        var released = hold?.Release switch
        {
            HoldRelease.VerifiedCopy => MaterialCopyState.Copied,
            HoldRelease.AcceptedLoss => MaterialCopyState.LossesAccepted,
            HoldRelease.NothingRecorded => MaterialCopyState.NothingToCopy,
            _ => (MaterialCopyState?)null,
        };
        var sentence = "its failover goes on at another server";
        // A copy is verified only after the failback: if the duty is away again, that is another period.
        if (IsHome || released is MaterialCopyState.Copied)
        {
            found = found.FoundHome(hold?.ToUtc ?? now, $"{Remark} {Identity} had its duty back{(released is null ? "; what was recorded meanwhile is owed" : "")}.");
            sentence = "its failback is taken as performed";
        }
        else if (found.Failback == FailbackState.Running)
        {
            found = found.FailbackFailed(now, $"{Remark} {duty.HolderServerId} has the duty: the failback that was running was not performed.");
        }

        if (released is { } state)
        {
            Save(before, found.FoundReleased(state), sentence);
            return;
        }

        if (IsHome && policy.MaterialCopy == MaterialCopyPolicy.Automatic && found.MaterialCopy == MaterialCopyState.NotStarted)
        {
            found = found.MaterialCopyQueued();
        }

        Save(before, found, sentence);
        Owe(found, hold);
    }

    private void Owe(FailoverLogEntry entry, RetentionHoldState? hold)
    {
        var kinds = new List<ObligationKind>();
        if (entry.LastTimes is null)
        {
            kinds.Add(ObligationKind.LastTimes);
        }

        if (hold?.ToUtc is null)
        {
            kinds.Add(ObligationKind.HoldEnd);
        }

        if (kinds.Count > 0)
        {
            _changes.Add(new Owe([.. kinds.Select(kind => new Obligation
            {
                Id = $"reconciliation/{id}/{entry.Id}/{kind}",
                ServerId = entry.FailoverServerId,
                Identity = Identity,
                EntryId = entry.Id,
                Kind = kind,
                Epoch = duty.Epoch,
                Reason = $"{entry.FailoverServerId} does not have the duty of {Identity} any more, and what it recorded is owed.",
                CreatedAt = now,
                NextAttemptAt = now,
            })]));
        }
    }

    private void Save(FailoverLogEntry? before, FailoverLogEntry found, string sentence)
    {
        if (found == before)
        {
            return;
        }

        _changes.Add(new SaveFailoverLogEntry(found));
        _changes.Add(new Notify(new ChangeNotification("failoverLog", found.Id, found.Message, now)));
        _sentences.Add($"Failover log entry {found.Id}: {sentence}.");
    }
}
