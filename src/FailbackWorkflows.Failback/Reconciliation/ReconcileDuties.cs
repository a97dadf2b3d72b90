using System.Collections.Concurrent;
using System.Globalization;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback.Changes;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.MaterialCopy;
using FailbackWorkflows.Failback.Obligations;
using FailbackWorkflows.Failback.Policies;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using Microsoft.Extensions.Logging;

namespace FailbackWorkflows.Failback.Reconciliation;

/// <summary>An administrator has the word of the recorders that answer taken.</summary>
/// <param name="Identity">The recorded identity whose duty is in doubt.</param>
/// <param name="Reason">Why it is known that those that do not answer need not be waited for; required.</param>
public sealed record ReconcileRequest(string Identity, Actor Actor, string? Reason);

/// <summary>What became of it.</summary>
/// <param name="Reconciliation">What was written down; null when nothing was changed.</param>
/// <param name="RunId">The run that is in the way, if one is.</param>
/// <param name="Message">Why nothing was changed, or what is left to do.</param>
public sealed record ReconcileResult(DutyReconciliation? Reconciliation, string? RunId, string? Message);

/// <summary>
/// Takes the recorders' word about duties that are in doubt (<see cref="RecordersKnowMore"/>). Asks recorders and tells them nothing: only our own
/// rows follow, all of one duty in one transaction, together with the end of the runs that the backup had at work on it. By itself when there is only one way
/// to read what the recorders say, else when an administrator says so. Doing it again changes nothing.
/// </summary>
public sealed class ReconcileDuties(
    RecordersKnowMore doubts,
    IVmsServers servers,
    IDuties duties,
    IFailoverLog log,
    IObligations obligations,
    IMaterialCopies copies,
    FailbackPolicies policies,
    SeenDuties seen,
    IEpochCheckpoint checkpoint,
    DutyCalls calls,
    IRecorderClient recorders,
    IDomainWriter writer,
    TimeProvider time,
    ILogger<ReconcileDuties> logger)
{
    /// <summary>How often recorders are asked again about a duty that could not be settled.</summary>
    public static readonly TimeSpan AskAgain = TimeSpan.FromSeconds(10);

    /// <summary>How long after a start the polls are waited for; whoever they have not come to by then is asked for each duty in doubt.</summary>
    private static readonly TimeSpan WaitForPolls = TimeSpan.FromSeconds(30);

    private const int MaxEntries = 200;

    private readonly ConcurrentDictionary<string, (ReconciliationLook Look, DateTimeOffset At)> _looks = new(StringComparer.Ordinal);

    /// <summary>Settles what is clear by itself.</summary>
    public async Task ExecuteAsync(CancellationToken cancellationToken)
    {
        if (time.GetUtcNow() < doubts.Since + WaitForPolls && !await doubts.IsEverybodyAskedAsync(cancellationToken))
        {
            // Who has to do with which duty is known by then, and nobody is asked twice.
            return;
        }

        var open = await doubts.ListAsync(cancellationToken);
        foreach (var identity in _looks.Keys.Except(open.Select(d => d.Identity)).ToList())
        {
            _looks.TryRemove(identity, out _);
        }

        foreach (var doubt in open)
        {
            if (_looks.TryGetValue(doubt.Identity, out var before) && time.GetUtcNow() < before.At + AskAgain)
            {
                continue;
            }

            try
            {
                await SettleAsync(doubt, Actor.System, null, cancellationToken);
            }
            catch (Exception exception) when (exception is ConcurrentChangeException or InvalidOperationException && !cancellationToken.IsCancellationRequested)
            {
                logger.LogWarning(exception, "The duty of {Identity} could not be reconciled; the next look tries again", doubt.Identity);
            }
        }
    }

    /// <summary>Takes the word of those that answer.</summary>
    public async Task<ReconcileResult> ExecuteAsync(ReconcileRequest request, CancellationToken cancellationToken)
    {
        if (string.IsNullOrWhiteSpace(request.Reason))
        {
            return new(null, null, "Taking the word of the recorders that answer needs a reason: one that does not may know better.");
        }

        if (await doubts.FindAsync(request.Identity, cancellationToken) is not { } doubt)
        {
            return new(null, null, "There is nothing to reconcile: no recorder knows more of this duty than the database.");
        }

        try
        {
            return await SettleAsync(doubt, request.Actor, request.Reason.Trim(), cancellationToken);
        }
        catch (ConcurrentChangeException changed)
        {
            return new(null, null, $"{changed.Message} Look again, then press Reconcile again.");
        }
    }

    /// <summary>How a doubt was read when recorders were asked last; null: they were not asked yet.</summary>
    internal ReconciliationLook? LookOf(string identity) => _looks.TryGetValue(identity, out var look) ? look.Look : null;

    /// <param name="reason">An administrator's; null: only what is clear is settled.</param>
    private async Task<ReconcileResult> SettleAsync(Doubt doubt, Actor actor, string? reason, CancellationToken cancellationToken)
    {
        if (doubt.Kind == DoubtKind.NotAskedYet)
        {
            return new(null, null, $"{doubt.Sentence} Wait a moment.");
        }

        if (await servers.FindAsync(doubt.Identity, cancellationToken) is not { } server)
        {
            return new(null, null, $"{doubt.Sentence} It was added after the backup was made: add it to the registry again.");
        }

        var claim = await duties.FindClaimAsync(DutyClaim.Identity(doubt.Identity), cancellationToken);
        if (claim is not null && claim.TakenAt >= doubts.Since)
        {
            // Somebody has decided meanwhile, and draws a new epoch or ends.
            return new(null, claim.InstanceId, $"A {claim.Kind} is at work on this duty. Wait for it to end.");
        }

        var known = await duties.FindAsync(doubt.Identity, cancellationToken);
        var (answers, silent) = await AskAsync(doubt.Identity, known, cancellationToken);
        var said = await seen.OfAsync(doubt.Identity, cancellationToken);
        var look = ReconciliationLook.Of(
            doubt.Identity, known, (said.LargestEpoch, said.LargestFence), checkpoint.Largest(doubt.Identity), answers, silent);
        if (look.Accepted is { } accepted && said.Words.Values.FirstOrDefault(word => RecordersKnowMore.IsOtherAllocation(word, accepted)) is { } other)
        {
            look = look.ContradictedBy((await servers.FindAsync(other.ServerId, cancellationToken))?.Name ?? other.ServerId);
        }

        _looks[doubt.Identity] = (look, time.GetUtcNow());
        if (reason is null && look.Verdict != ReconciliationVerdict.Clear)
        {
            return new(null, null, $"{look.Sentence} {look.Next}");
        }

        var made = await ApplyAsync(doubt, server, claim, known, look, answers, actor, reason, cancellationToken);
        if (look.Accepted is not null && made.Changes.Count > 0)
        {
            _looks.TryRemove(doubt.Identity, out _);
        }

        return new(made, null, look.Accepted is null ? $"{look.Sentence} {look.Next}" : null);
    }

    /// <summary>Asks whoever may have to do with the duty, and whoever was not asked yet. Of the others it is enough that they answered their last poll and did not tell of it.</summary>
    private async Task<(IReadOnlyList<RecorderAnswer> Answers, IReadOnlyList<string> Silent)> AskAsync(string identity, Duty? known, CancellationToken cancellationToken)
    {
        var involved = (await seen.OfAsync(identity, cancellationToken)).Servers.Append(identity).ToHashSet(StringComparer.Ordinal);
        if (known is not null)
        {
            involved.Add(known.HolderServerId);
        }

        foreach (var entry in await log.ListAsync(new FailoverLogQuery(FailoverLogView.All) { Take = MaxEntries, ServerIds = [identity] }, cancellationToken))
        {
            involved.Add(entry.FailoverServerId);
        }

        var registered = await servers.ListAsync(cancellationToken);
        involved.UnionWith(registered.Where(s => doubts.HasAnswered(s) is null).Select(s => s.Id));
        var asked = await Task.WhenAll(registered.Where(s => involved.Contains(s.Id)).Select(s => AskAsync(s, identity, cancellationToken)));
        var silent = registered.Where(s => involved.Contains(s.Id) ? !asked.Any(a => a?.Server.Id == s.Id) : doubts.HasAnswered(s) != true);
        return ([.. asked.OfType<RecorderAnswer>()], [.. silent.Select(s => s.Name)]);
    }

    private async Task<RecorderAnswer?> AskAsync(VmsServer server, string identity, CancellationToken cancellationToken)
    {
        try
        {
            var endpoint = calls.EndpointOf(server);
            var askedAt = time.GetUtcNow();
            var status = await recorders.GetStatusAsync(endpoint, cancellationToken);
            if (server.MachineId is not null && status.Id != server.MachineId)
            {
                return null;
            }

            seen.Notice(server.Id, status.Duties, askedAt);
            var holds = await recorders.ListRetentionHoldsAsync(endpoint, cancellationToken);
            return new(server, status.Duties.FirstOrDefault(d => d.Identity == identity), [.. holds.Where(h => h.Identity == identity)]);
        }
        catch (RecorderException exception)
        {
            logger.LogInformation("{Server} could not be asked about the duty of {Identity}: {Reason}", server.Id, identity, exception.Message);
            return null;
        }
    }

    private async Task<DutyReconciliation> ApplyAsync(
        Doubt doubt, VmsServer server, DutyClaim? claim, Duty? known, ReconciliationLook look, IReadOnlyList<RecorderAnswer> answers, Actor actor, string? reason, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var identity = doubt.Identity;
        var id = string.Create(CultureInfo.InvariantCulture, $"{identity}-{look.Epoch}-{now.UtcTicks}");
        var changes = new List<IDomainChange>();
        var sentences = new List<string>();
        if (claim is not null)
        {
            // It would go on from where the backup had it, and what it has told recorders since is not known. Nothing of it is undone: the recorders' word counts.
            changes.Add(new EndRun(claim.InstanceId, actor, $"This {claim.Kind} was at work when the backup was made. Recorders have been told more since, so it does not go on: the duty was reconciled with them.", now));
            changes.Add(new ReleaseClaims(claim.InstanceId));
            sentences.Add($"The {claim.Kind} that the backup had at work was ended.");
        }

        if (look.Accepted is { } accepted)
        {
            if (accepted != known)
            {
                changes.Add(new AcceptDuty(accepted, known));
                sentences.Add(accepted.Epoch == known?.Epoch && accepted.HolderServerId == known.HolderServerId
                    ? "The duty is as the database had it."
                    : $"The duty is with {accepted.HolderServerId} under epoch {accepted.Epoch}.");
            }

            if (accepted.HolderServerId != identity && server.State != VmsServerState.Broken)
            {
                changes.Add(new SaveVmsServer(server with { State = VmsServerState.Broken }));
                sentences.Add($"{server.Name} is marked broken.");
            }

            await AddEntriesAsync(accepted, answers, id, now, changes, sentences, cancellationToken);
            await SettleOvertakenAsync(accepted, known, now, changes, sentences, cancellationToken);
        }

        await AddCopiesAsync(identity, changes, cancellationToken);
        var reconciliation = new DutyReconciliation
        {
            Identity = identity,
            At = now,
            By = actor.Name,
            Reason = reason ?? doubt.Sentence,
            EpochBefore = known?.Epoch,
            HolderBefore = known?.HolderServerId,
            HolderServerId = look.Accepted?.HolderServerId,
            Epoch = look.Epoch,
            // Only what was settled counts as looked for: without a holder the doubt stays.
            Checkpoint = look.Accepted is null ? 0 : checkpoint.Largest(identity),
            Changes = sentences,
        };
        changes.Add(new AddReconciliation(reconciliation));
        changes.Add(new Notify(new ChangeNotification("reconciliation", identity, $"The duty of {server.Name} was reconciled with the recorders. {string.Join(' ', sentences)}", now)));
        await writer.ApplyAsync(changes, cancellationToken);
        logger.LogWarning("The duty of {Identity} was reconciled with the recorders ({Doubt}): {Changes}", identity, doubt.Sentence, string.Join(' ', sentences));
        return reconciliation;
    }

    private async Task AddEntriesAsync(
        Duty accepted, IReadOnlyList<RecorderAnswer> answers, string id, DateTimeOffset now, List<IDomainChange> changes, List<string> sentences, CancellationToken cancellationToken)
    {
        var entries = new ReconciledEntries(accepted, answers, await policies.GetAsync(cancellationToken), id, now);
        foreach (var entry in await log.ListOpenAsync(accepted.Identity, cancellationToken))
        {
            entries.Add(entry);
        }

        var known = new HashSet<string>(StringComparer.Ordinal);
        foreach (var entryId in answers.SelectMany(a => a.Holds).Select(h => h.EntryId).Distinct(StringComparer.Ordinal))
        {
            if (await log.FindAsync(entryId, cancellationToken) is not null)
            {
                known.Add(entryId);
            }
        }

        entries.AddUnknown(known);
        changes.AddRange(entries.Changes);
        sentences.AddRange(entries.Sentences);
    }

    /// <summary>Roles and settings that were owed under an older epoch mean nothing any more; who acts under one is found by the polls and owed anew.</summary>
    private async Task SettleOvertakenAsync(Duty accepted, Duty? known, DateTimeOffset now, List<IDomainChange> changes, List<string> sentences, CancellationToken cancellationToken)
    {
        if (accepted.Epoch == known?.Epoch && accepted.AllocationId == known.AllocationId)
        {
            return;
        }

        var overtaken = (await obligations.ListOpenAsync(cancellationToken))
            .Where(o => o.Identity == accepted.Identity && o.Epoch < accepted.Epoch && o.Kind is not (ObligationKind.LastTimes or ObligationKind.HoldEnd))
            .ToList();
        changes.AddRange(overtaken.Select(o => new SettleObligation(o.Id, now, $"Overtaken. The duty was reconciled: {accepted.HolderServerId} has it under epoch {accepted.Epoch}.")));
        if (overtaken.Count > 0)
        {
            sentences.Add($"{overtaken.Count} {(overtaken.Count == 1 ? "thing" : "things")} owed under an older epoch {(overtaken.Count == 1 ? "was" : "were")} settled.");
        }
    }

    /// <summary>As after a lost connection: the run that works on a task has both sides' states merged, and the recorder's position wins.</summary>
    private async Task AddCopiesAsync(string identity, List<IDomainChange> changes, CancellationToken cancellationToken)
    {
        foreach (var task in await copies.ListWatchedAsync(cancellationToken))
        {
            if (task.Identity == identity && task is { RunId: not null, Reported: not null, IsOutOfTouch: false })
            {
                changes.Add(new SaveCopyTask(task with { IsOutOfTouch = true }));
            }
        }
    }
}
