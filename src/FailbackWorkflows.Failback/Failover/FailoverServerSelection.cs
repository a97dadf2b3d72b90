using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Obligations;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders;

namespace FailbackWorkflows.Failback.Failover;

/// <summary>A server that might take a duty over.</summary>
/// <param name="WhyNot">A sentence; null: it is fit.</param>
/// <param name="IsBusy">It is unfit only until a run that is at work on it has ended, or until it has been told what it is owed.</param>
/// <param name="DutiesOfOthers">Duties of other servers that it has now.</param>
/// <param name="OwedPeriods">Failover periods whose material it still owes, those that last included.</param>
/// <param name="FreeBytes">Free above its reserve, on the storage that has least; null: it was not asked, or gave no answer.</param>
/// <param name="NeededBytes">The room it would need.</param>
public sealed record FailoverCandidate(string ServerId, string Name, string? WhyNot, bool IsBusy, int DutiesOfOthers, int OwedPeriods, long? FreeBytes, long NeededBytes)
{
    /// <summary>What it keeps for holds, locks and copies, and cannot give up; null: it was not asked, or does not tell.</summary>
    public long? HeldBytes { get; init; }

    /// <summary>What it would remove by itself to make room, on the storage that has least room; null: it was not asked, or does not tell.</summary>
    public long? ClearableBytes { get; init; }

    /// <summary>The last failover of the duty went to it and failed.</summary>
    public bool HasFailedLately { get; init; }

    /// <summary>It answers, but was lost several times within the last hour.</summary>
    public bool IsUnstable { get; init; }

    public bool IsFit => WhyNot is null;

    /// <summary>It has said itself that it is fit; false: only the registry says so, or it is not fit.</summary>
    public bool IsAsked => IsFit && FreeBytes is not null;
}

/// <summary>Who takes a duty over, or why nobody can.</summary>
/// <param name="Chosen">The first of the fit ones; null: there is none.</param>
/// <param name="Candidates">All there are, in the order in which they would be chosen, the unfit ones last.</param>
/// <param name="Message">Why nobody was chosen, candidate by candidate; null when one was.</param>
public sealed record FailoverSelection(FailoverCandidate? Chosen, IReadOnlyList<FailoverCandidate> Candidates, string? Message)
{
    /// <summary>Nobody is fit now, but one will be when a run has ended.</summary>
    public bool IsOnlyBusy => Chosen is null && Candidates.Any(candidate => candidate.IsBusy);
}

/// <summary>
/// Chooses the server that takes a duty over: one of the failover group that is enabled for failover, connected, marked ok, the right machine,
/// with software that is not older, fewer duties of others than it may have, a successful probe write, and room for this duty and for each of
/// others that it has. Room is what is free above its reserve and what it may clear; what it owes is held with its own size, and is neither. Of a recorder that does not tell
/// these sizes room is what is free, and each period that it owes material of is counted as a duty. Of those that are fit, in this order: one that did not fail at this very duty last time,
/// stable, without material debt, with the fewest duties of others, with the smallest id. Only reads; asks every candidate that is fit as far as the registry knows.
/// </summary>
public sealed class FailoverServerSelection(IVmsServers servers, IDuties duties, IObligations obligations, IFailoverLog log, DutyCalls calls, IRecorderClient recorders, TimeProvider time)
{
    /// <summary>A candidate that has not answered by then is not waited for.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>Chooses for the duty of a server, whoever has it now. Throws <see cref="ArgumentException"/> when there is no such server.</summary>
    /// <param name="enough">
    /// Asks so many at a time, the best first, and nobody any more once so many are fit: the same choice with fewer questions. The others then count as fit by the
    /// registry alone. Null: all are asked at once.
    /// </param>
    public async Task<FailoverSelection> SelectAsync(string failedServerId, int? enough, CancellationToken cancellationToken)
    {
        var failed = await servers.FindAsync(failedServerId, cancellationToken) ?? throw new ArgumentException($"There is no VMS server '{failedServerId}'.", nameof(failedServerId));
        if (failed.FailoverGroup is null)
        {
            return new(null, [], $"{failed.Name} is in no failover group, so no failover server can be chosen for it. Name its group on its page, or choose a failover server yourself.");
        }

        var duty = duties.FindAsync(failedServerId, cancellationToken);
        var counted = log.CountOwedPeriodsAsync(cancellationToken);
        var newest = FindUnluckyAsync(failedServerId, cancellationToken);
        var occupied = ReadBusyAsync(failedServerId, cancellationToken);
        var group = servers.ListGroupAsync(failed.FailoverGroup, cancellationToken);
        await Task.WhenAll(duty, counted, newest, occupied, group);
        var (holder, owed, unlucky, busy) = ((await duty)?.HolderServerId, await counted, await newest, await occupied);
        var others = (await group).Where(server => server.Id != failedServerId).ToList();
        var held = (await duties.ListHeldAsync([.. others.Select(server => server.Id)], cancellationToken)).ToLookup(taken => taken.HolderServerId);
        var candidates = new List<FailoverCandidate>();
        foreach (var server in others)
        {
            var taken = held[server.Id].Count(has => has.Identity != server.Id);
            var periods = owed.GetValueOrDefault(server.Id);
            var candidate = new FailoverCandidate(server.Id, server.Name, null, false, taken, periods, null, server.RoomPerDutyBytes * (1 + Math.Max(taken, periods)))
            {
                HasFailedLately = server.Id == unlucky,
                IsUnstable = server.Connection == ConnectionState.Unstable,
            };
            candidates.Add(FindWhyNot(server, failed, holder, taken) is { } whyNot ? candidate with { WhyNot = whyNot } : CheckBusy(candidate, busy));
        }

        var asked = await AskAsync([.. InOrder(candidates)], others.ToDictionary(server => server.Id), enough, cancellationToken);
        var ordered = InOrder(asked).ToList();
        return ordered.FirstOrDefault() switch
        {
            { IsFit: true } chosen => new(chosen, ordered, null),
            null => new(null, ordered, $"The failover group {failed.FailoverGroup} has no server beside {failed.Name}. Add one to it, or choose a failover server yourself."),
            _ => new(null, ordered, $"No server of the failover group {failed.FailoverGroup} can take the duty of {failed.Name} over. {string.Join(' ', ordered.Select(c => c.WhyNot))}"),
        };
    }

    private static IEnumerable<FailoverCandidate> InOrder(IEnumerable<FailoverCandidate> candidates) => candidates
        .OrderByDescending(c => c.IsFit)
        .ThenBy(c => c.HasFailedLately)
        .ThenBy(c => c.IsUnstable)
        .ThenBy(c => c.OwedPeriods > 0)
        .ThenBy(c => c.DutiesOfOthers)
        .ThenBy(c => c.ServerId, StringComparer.Ordinal);

    private async Task<IReadOnlyList<FailoverCandidate>> AskAsync(
        IReadOnlyList<FailoverCandidate> candidates, Dictionary<string, VmsServer> registered, int? enough, CancellationToken cancellationToken)
    {
        var asked = new List<FailoverCandidate>();
        foreach (var some in candidates.Chunk(enough ?? Math.Max(1, candidates.Count)))
        {
            asked.AddRange(asked.Count(c => c.IsFit) >= enough ? some : await Task.WhenAll(some.Select(candidate => AskAsync(candidate, registered[candidate.ServerId], cancellationToken))));
        }

        return asked;
    }

    /// <summary>Why not, as far as the registry knows.</summary>
    private static string? FindWhyNot(VmsServer server, VmsServer failed, string? holder, int taken) => server switch
    {
        _ when server.Id == holder => $"{server.Name} has the duty already.",
        { IsFailoverEnabled: false } => $"{server.Name} is not enabled for failover.",
        { State: VmsServerState.Broken } => $"{server.Name} is marked broken itself.",
        { Answers: false } => $"{server.Name} is not connected.",
        _ when taken >= server.MostDutiesOfOthers => $"{server.Name} has {taken} {(taken == 1 ? "duty" : "duties")} of others and may have {server.MostDutiesOfOthers}.",
        _ when IsOlder(server.SoftwareVersion, failed.SoftwareVersion) => $"{server.Name} has older software ({server.SoftwareVersion}) than {failed.Name} ({failed.SoftwareVersion}).",
        _ => null,
    };

    private static bool IsOlder(string? one, string? other) => Version.TryParse(one, out var a) && Version.TryParse(other, out var b) && a < b;

    /// <summary>What is at work and what is owed, of all at once: few are busy, and a group may have hundreds of servers.</summary>
    private async Task<Busy> ReadBusyAsync(string identity, CancellationToken cancellationToken) => new(
        (await duties.ListClaimsAsync(cancellationToken)).ToDictionary(claim => claim.Key),
        (await obligations.ListOpenAsync(cancellationToken)).Where(owed => owed.Identity == identity && owed.HoldsUp).ToLookup(owed => owed.ServerId));

    private static FailoverCandidate CheckBusy(FailoverCandidate candidate, Busy busy)
    {
        if (busy.Claims.TryGetValue(DutyClaim.Recorder(candidate.ServerId), out var claim))
        {
            return candidate with { WhyNot = $"A {claim.Kind} is at work on {candidate.Name}.", IsBusy = true };
        }

        return busy.Owed[candidate.ServerId].FirstOrDefault() is { } first
            ? candidate with { WhyNot = $"{candidate.Name} must first be told what it missed: {first.Reason}", IsBusy = true }
            : candidate;
    }

    private async Task<FailoverCandidate> AskAsync(FailoverCandidate candidate, VmsServer server, CancellationToken cancellationToken)
    {
        if (!candidate.IsFit)
        {
            return candidate;
        }

        using var limit = new CancellationTokenSource(Patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            var endpoint = calls.EndpointOf(server);
            var status = await recorders.GetStatusAsync(endpoint, either.Token);
            if (server.MachineId is not null && status.Id != server.MachineId)
            {
                return candidate with { WhyNot = $"The machine at {server.BaseUrl} is not {server.Name}." };
            }

            var probe = await recorders.ProbeAsync(endpoint, null, either.Token);
            candidate = Weigh(candidate, server, probe.Storage);
            return candidate with { WhyNot = probe.Writable ? FindWhyNoRoom(candidate, server) : $"{server.Name} cannot write: {probe.Reason}" };
        }
        catch (RecorderException exception)
        {
            return candidate with { WhyNot = $"{server.Name} does not answer as it should: {exception.Message}" };
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return candidate with { WhyNot = $"{server.Name} gave no answer within {Patience.TotalSeconds:0} s." };
        }
    }

    private static FailoverCandidate Weigh(FailoverCandidate candidate, VmsServer server, IReadOnlyList<StorageState> storages)
    {
        var least = storages.MinBy(storage => storage.FreeBytes - storage.ReserveBytes + (storage.ClearableBytes ?? 0));
        candidate = candidate with { FreeBytes = least is null ? 0 : least.FreeBytes - least.ReserveBytes };
        return storages.Count > 0 && storages.All(storage => storage is { HeldBytes: not null, ClearableBytes: not null })
            ? candidate with
            {
                HeldBytes = storages.Sum(storage => storage.HeldBytes),
                ClearableBytes = least!.ClearableBytes,
                NeededBytes = server.RoomPerDutyBytes * (1 + candidate.DutiesOfOthers),
            }
            : candidate;
    }

    private static string? FindWhyNoRoom(FailoverCandidate candidate, VmsServer server)
    {
        var free = candidate.FreeBytes ?? 0;
        if (free + (candidate.ClearableBytes ?? 0) >= candidate.NeededBytes)
        {
            return null;
        }

        return candidate is { HeldBytes: { } held, ClearableBytes: { } clearable }
            ? $"{server.Name} has room for {Megabytes(free + clearable)} MB ({Megabytes(free)} free above its reserve, {Megabytes(clearable)} that it may clear) and needs {Megabytes(candidate.NeededBytes)}: {Megabytes(server.RoomPerDutyBytes)} for this duty and for each of others that it has. {Megabytes(held)} MB are held until they are home."
            : $"{server.Name} has {Megabytes(free)} MB free above its reserve and needs {Megabytes(candidate.NeededBytes)}: {Megabytes(server.RoomPerDutyBytes)} for this duty and for each it has or still owes material of.";
    }

    /// <summary>The failover server of the duty's newest failover, if that failed: asked again at once, it is likely to fail again.</summary>
    private async Task<string?> FindUnluckyAsync(string failedServerId, CancellationToken cancellationToken)
    {
        // The log of a server has its failovers and those it took over; what is looked for is among the newest.
        var newest = (await log.ListAsync(new FailoverLogQuery(FailoverLogView.All) { ServerIds = [failedServerId] }, cancellationToken)).FirstOrDefault(entry => entry.FailedServerId == failedServerId);
        return newest?.Failover == FailoverState.Failed ? newest.FailoverServerId : null;
    }

    private static long Megabytes(long bytes) => bytes / 1_000_000;

    private sealed record Busy(IReadOnlyDictionary<string, DutyClaim> Claims, ILookup<string, Obligation> Owed);
}
