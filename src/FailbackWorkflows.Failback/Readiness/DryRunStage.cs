using System.Globalization;
using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback.Changes;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Licensing;
using FailbackWorkflows.Failback.Maintenance;
using FailbackWorkflows.Failback.Policies;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders;

namespace FailbackWorkflows.Failback.Readiness;

/// <summary>What dry runs are made of: stores that only read, and the recorders.</summary>
public sealed class DryRunParts(
    IRecorderClient recorders,
    IVmsServers servers,
    IDuties duties,
    IFailoverLog log,
    ISettingsCache cache,
    SettingsAges ages,
    LicenseCheck licenses,
    FailbackPolicies policies,
    IMaintenanceModes maintenance,
    ISecretProtector secrets)
{
    /// <summary>A stage for one dry run.</summary>
    /// <param name="failedServer">A server that is taken as failed; null: none.</param>
    public DryRunStage CreateStage(string? failedServer) => new(recorders, servers, duties, log, cache, ages, licenses, policies, maintenance, secrets, failedServer);
}

/// <summary>
/// The stage of a dry run. The activities find the tables as they are, as if the start had been committed: the claims are theirs unless
/// somebody else holds one. Recorders are only looked at (<see cref="LookingRecorders"/>). Settings that a step would have put into the cache
/// are there for the steps after it. A check that refuses is noted, and the checks that only look are executed all the same, so that everything
/// that is in the way is seen at once; what decides is the first.
/// </summary>
public sealed class DryRunStage : RehearsalStage, IServiceProvider
{
    private readonly LookingRecorders _recorders;
    private readonly ClaimsAsTaken _duties;
    private readonly SettingsAsSaved _cache;
    private readonly IMaintenanceModes _maintenance;
    private readonly Dictionary<Type, object> _services;

    internal DryRunStage(
        IRecorderClient recorders,
        IVmsServers servers,
        IDuties duties,
        IFailoverLog log,
        ISettingsCache cache,
        SettingsAges ages,
        LicenseCheck licenses,
        FailbackPolicies policies,
        IMaintenanceModes maintenance,
        ISecretProtector secrets,
        string? failedServer)
    {
        _recorders = new(recorders, failedServer);
        _duties = new(duties);
        _cache = new(cache);
        _maintenance = maintenance;
        _services = new()
        {
            [typeof(IRecorderClient)] = _recorders,
            [typeof(IDuties)] = _duties,
            [typeof(ISettingsCache)] = _cache,
            [typeof(DutyCalls)] = new DutyCalls(servers, _duties, _recorders, secrets),
            [typeof(IVmsServers)] = servers,
            [typeof(IFailoverLog)] = log,
            [typeof(SettingsAges)] = ages,
            [typeof(LicenseCheck)] = licenses,
            [typeof(FailbackPolicies)] = policies,
            [typeof(IMaintenanceModes)] = maintenance,
        };
    }

    /// <inheritdoc/>
    public override IServiceProvider Services => this;

    /// <summary>The first check that refused; null: none did.</summary>
    public Refusal? FirstRefusal { get; private set; }

    /// <summary>What an activity of a dry run may be made of.</summary>
    public IReadOnlyCollection<Type> Offers => _services.Keys;

    /// <summary>Nothing but what is written down above: an activity that needs more cannot be made, and is not fit for a dry run.</summary>
    public object? GetService(Type serviceType) => _services.GetValueOrDefault(serviceType);

    /// <inheritdoc/>
    public override async ValueTask<object?> StartAsync(string instanceId, IReadOnlyList<IDomainChange> changes, CancellationToken cancellationToken)
    {
        ClaimedDuty? claimed = null;
        foreach (var change in changes)
        {
            switch (change)
            {
                case RequireNoMaintenance require:
                    if (await _maintenance.FindActiveAsync(require.ServerId, require.At, cancellationToken) is { } mode)
                    {
                        throw new MaintenanceModeOnException(mode);
                    }

                    break;
                case TakeClaims take:
                    claimed = await TakeAsync(take, cancellationToken);
                    break;
                case Notify:
                    break;
                default:
                    throw new InvalidOperationException($"A dry run does not know whether {change.GetType().Name} would have been refused.");
            }
        }

        return claimed;
    }

    /// <inheritdoc/>
    public override RehearsalMode Enter(ActivityNode node)
    {
        var mode = base.Enter(node);
        return FirstRefusal is not null && mode != RehearsalMode.Executes ? RehearsalMode.Ends : mode;
    }

    /// <inheritdoc/>
    public override ActivityCompleted Leave(ActivityNode node, ActivityCompleted completed, IReadOnlyList<IDomainChange> changes)
    {
        foreach (var save in changes.OfType<SaveSettings>())
        {
            _cache.Save(save.Settings);
        }

        if (_recorders.TakeNotes() is { Count: > 0 } notes)
        {
            completed = completed with { Notes = [.. completed.Notes ?? [], .. notes] };
        }

        if (completed.WorkflowOutputs?.GetValueOrDefault(RunOutputs.Result) as string != RunOutputs.Refused)
        {
            return completed;
        }

        FirstRefusal ??= new(
            completed.WorkflowOutputs.GetValueOrDefault(RunOutputs.RefusedCheck) is { } number ? Convert.ToInt32(number, CultureInfo.InvariantCulture) : null,
            completed.WorkflowOutputs.GetValueOrDefault(RunOutputs.Message) as string,
            completed.WorkflowOutputs.GetValueOrDefault(RunOutputs.Offer) as string);
        return completed with { Outcomes = [node.Outcomes[0]] };
    }

    /// <summary>As the store does it: all or none.</summary>
    private async Task<ClaimedDuty?> TakeAsync(TakeClaims take, CancellationToken cancellationToken)
    {
        foreach (var key in take.Keys)
        {
            if (await _duties.FindClaimAsync(key, cancellationToken) is { } claim)
            {
                throw new ClaimConflictException(key, claim.InstanceId, claim.Kind);
            }
        }

        _duties.Take(take);
        var identity = take.Keys.First(k => k.StartsWith("identity:", StringComparison.Ordinal))["identity:".Length..];
        return await _duties.FindAsync(identity, cancellationToken) is { } duty ? new ClaimedDuty(identity, duty.Fence) : null;
    }

    /// <summary>How a check refused: what the run would say.</summary>
    public sealed record Refusal(int? Number, string? Sentence, string? Offer);

    /// <summary>Duties as they are, with the claims that the start would have taken.</summary>
    private sealed class ClaimsAsTaken(IDuties duties) : IDuties
    {
        private TakeClaims? _taken;

        public long Version => duties.Version;

        public void Take(TakeClaims taken) => _taken = taken;

        public Task<Duty?> FindAsync(string identity, CancellationToken cancellationToken) => duties.FindAsync(identity, cancellationToken);

        public Task<IReadOnlyList<Duty>> ListAsync(CancellationToken cancellationToken) => duties.ListAsync(cancellationToken);

        public Task<IReadOnlyList<Duty>> ListAsync(IReadOnlyCollection<string> identities, CancellationToken cancellationToken) => duties.ListAsync(identities, cancellationToken);

        public Task<IReadOnlyList<Duty>> ListHeldAsync(IReadOnlyCollection<string> holderServerIds, CancellationToken cancellationToken) => duties.ListHeldAsync(holderServerIds, cancellationToken);

        public async Task<IReadOnlyList<DutyClaim>> ListClaimsAsync(string instanceId, CancellationToken cancellationToken) => _taken?.InstanceId == instanceId
            ? [.. _taken.Keys.Select(key => Of(_taken, key))]
            : await duties.ListClaimsAsync(instanceId, cancellationToken);

        public async Task<IReadOnlyList<DutyClaim>> ListClaimsAsync(CancellationToken cancellationToken) =>
            [.. await duties.ListClaimsAsync(cancellationToken), .. _taken?.Keys.Select(key => Of(_taken, key)) ?? []];

        public async Task<DutyClaim?> FindClaimAsync(string key, CancellationToken cancellationToken) =>
            await duties.FindClaimAsync(key, cancellationToken) ?? (_taken?.Keys.Contains(key) == true ? Of(_taken, key) : null);

        private static DutyClaim Of(TakeClaims taken, string key) => new(key, taken.InstanceId, taken.Kind, taken.At);
    }

    /// <summary>The settings cache as it is, with what steps would have put into it.</summary>
    private sealed class SettingsAsSaved(ISettingsCache cache) : ISettingsCache
    {
        private readonly List<CachedSettings> _saved = [];

        public void Save(CachedSettings settings) => _saved.Add(settings);

        public Task<CachedSettings?> FindNewestAsync(string identity, CancellationToken cancellationToken) => cache.FindNewestAsync(identity, cancellationToken);

        public async Task<CachedSettings?> FindAsync(string identity, string sha256, CancellationToken cancellationToken) =>
            _saved.Find(s => s.Identity == identity && s.Sha256 == sha256) ?? await cache.FindAsync(identity, sha256, cancellationToken);

        public Task<CachedRevision?> FindRevisionAsync(string identity, long number, CancellationToken cancellationToken) => cache.FindRevisionAsync(identity, number, cancellationToken);

        public Task<IReadOnlyList<CachedRevision>> ListAsync(string identity, long? before, int take, CancellationToken cancellationToken) => cache.ListAsync(identity, before, take, cancellationToken);

        public Task<IReadOnlyList<CachedRevision>> ListLatestAsync(CancellationToken cancellationToken) => cache.ListLatestAsync(cancellationToken);

        public Task<IReadOnlyList<CachedRevision>> ListLatestAsync(string identity, CancellationToken cancellationToken) => cache.ListLatestAsync(identity, cancellationToken);

        public Task<IReadOnlyList<CachedRevision>> ListLatestAsync(IReadOnlyCollection<string> identities, CancellationToken cancellationToken) =>
            cache.ListLatestAsync(identities, cancellationToken);
    }
}
