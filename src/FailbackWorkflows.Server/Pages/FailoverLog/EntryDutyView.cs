using System.Security.Claims;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Obligations;
using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Server.Identity;

namespace FailbackWorkflows.Server.Pages.FailoverLog;

/// <summary>What is still owed about an entry, and which ways out of a failback that is refused or stopped a person has.</summary>
public sealed record EntryDutyView(FailoverLogEntry Entry, string FailedServerName, string FailoverServerName)
{
    /// <summary>Open and settled, oldest first.</summary>
    public required IReadOnlyList<Obligation> Obligations { get; init; }

    public IEnumerable<Obligation> Open => Obligations.Where(o => o.SettledAt is null);

    /// <summary>The failover server did not answer; the failback may be confirmed without it.</summary>
    public bool CanFailBackWithout { get; init; }

    /// <summary>The failed server may be given its duty as it stands.</summary>
    public bool CanAdopt { get; init; }

    /// <summary>Another machine answers for the failed server.</summary>
    public bool CanReplaceMachine { get; init; }

    /// <summary>The run that an error stopped and that may be given up; null: none.</summary>
    public string? AbandonableRunId { get; init; }

    public bool MayOperate { get; init; }

    public bool MayAdminister { get; init; }

    public bool HasWaysOut => CanFailBackWithout || CanAdopt || CanReplaceMachine || AbandonableRunId is not null;

    /// <summary>A click in the making: its id makes the second of a double click harmless.</summary>
    public string RequestId { get; } = Guid.NewGuid().ToString("N");

    public string NameOf(string serverId) => serverId == Entry.FailedServerId ? FailedServerName : serverId == Entry.FailoverServerId ? FailoverServerName : serverId;
}

/// <summary>Reads <see cref="EntryDutyView"/>s.</summary>
public sealed class EntryDutyViews(IVmsServers servers, IObligations obligations)
{
    /// <param name="run">The newest failback run of the entry.</param>
    public async Task<EntryDutyView> ReadAsync(FailoverLogEntry entry, RunReport? run, ClaimsPrincipal user, CancellationToken cancellationToken)
    {
        var failed = await servers.FindAsync(entry.FailedServerId, cancellationToken);
        var failover = await servers.FindAsync(entry.FailoverServerId, cancellationToken);
        var offer = entry.CanFailBack && run?.Result == RunOutputs.Refused ? run.Offer : null;
        return new EntryDutyView(entry, failed?.Name ?? entry.FailedServerId, failover?.Name ?? entry.FailoverServerId)
        {
            Obligations = await obligations.ListOfEntryAsync(entry.Id, cancellationToken),
            CanFailBackWithout = offer == RunOffers.WithoutFailoverServer,
            CanAdopt = offer == RunOffers.Adopt,
            CanReplaceMachine = offer == RunOffers.ReplaceMachine,
            AbandonableRunId = run is { SubStatus: WorkflowSubStatus.Faulted } && entry.Failback == FailbackState.Running && entry.FailbackRunId == run.RunId ? run.RunId : null,
            MayOperate = user.May(Permissions.Operate),
            MayAdminister = user.May(Permissions.Administer),
        };
    }
}
