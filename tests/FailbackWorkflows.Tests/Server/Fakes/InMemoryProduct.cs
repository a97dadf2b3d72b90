using System.Collections.Concurrent;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Changes;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Licensing;
using FailbackWorkflows.Failback.Policies;
using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Failback.VmsServers;

namespace FailbackWorkflows.Tests.Server.Fakes;

/// <summary>The product's data in memory, with the rules the server's answers depend on: claims, revisions, a growing cursor.</summary>
internal sealed class InMemoryProduct : IFailoverLog, IVmsServers, IDuties, IChangeFeed, ISystemSettings, ILicenses, IDomainWriter, IRunReports, IWorkflowRuntime
{
    private readonly Lock gate = new();
    private readonly List<FailoverLogEntry> entries = [];
    private readonly Dictionary<string, VmsServer> servers = [];
    private readonly Dictionary<string, Duty> duties = [];
    private readonly Dictionary<string, DutyClaim> claims = [];
    private readonly Dictionary<string, string> settings = [];
    private readonly List<FeedItem> feed = [];
    private readonly Dictionary<string, string> startKeys = [];
    private readonly ConcurrentDictionary<string, RunReport> reports = [];
    private SignedLicense? license;
    private TaskCompletionSource changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>How many writes there were; a request that was refused must not move it.</summary>
    public int Writes { get; private set; }

    public IReadOnlyList<StartWorkflow> Starts => starts;

    public List<(string RunId, string What, string? Reason, Actor Actor)> Asked { get; } = [];

    private readonly List<StartWorkflow> starts = [];

    public void Put(RunReport report) => reports[report.RunId] = report;

    public void Claim(string key, string runId, string kind) => claims[key] = new DutyClaim(key, runId, kind, DateTimeOffset.UnixEpoch);

    public Task ApplyAsync(IReadOnlyList<IDomainChange> changes, CancellationToken cancellationToken)
    {
        lock (gate)
        {
            foreach (var change in changes)
            {
                Apply(change);
            }
        }

        return Task.CompletedTask;
    }

    Task<FailoverLogEntry?> IFailoverLog.FindAsync(string entryId, CancellationToken cancellationToken)
    {
        lock (gate)
        {
            return Task.FromResult(entries.Find(entry => entry.Id == entryId));
        }
    }

    public Task<FailoverLogEntry?> FindByExternalIdAsync(string externalId, CancellationToken cancellationToken) =>
        Task.FromResult(entries.Find(entry => entry.ExternalId == externalId));

    public Task<IReadOnlyList<FailoverLogEntry>> ListAsync(FailoverLogQuery query, CancellationToken cancellationToken)
    {
        lock (gate)
        {
            var list = entries
                .Where(entry => query.View == FailoverLogView.All || entry.IsActive == (query.View == FailoverLogView.Active))
                .Where(entry => query.ServerId is null || entry.FailedServerId == query.ServerId)
                .OrderByDescending(entry => entry.FailoverStartedAt)
                .ToList();
            var from = query.Before is null ? 0 : list.FindIndex(entry => entry.Id == query.Before) + 1;
            return Task.FromResult<IReadOnlyList<FailoverLogEntry>>([.. list.Skip(from).Take(query.Take)]);
        }
    }

    public Task<IReadOnlyList<FailoverLogEntry>> ListOpenAsync(string failedServerId, CancellationToken cancellationToken)
    {
        lock (gate)
        {
            return Task.FromResult<IReadOnlyList<FailoverLogEntry>>(
            [
                .. entries
                    .Where(entry => entry.FailedServerId == failedServerId && entry.IsActive && entry.Failback != FailbackState.Done)
                    .OrderByDescending(entry => entry.FailoverStartedAt),
            ]);
        }
    }

    Task<VmsServer?> IVmsServers.FindAsync(string id, CancellationToken cancellationToken) => Task.FromResult(servers.GetValueOrDefault(id));

    Task<IReadOnlyList<VmsServer>> IVmsServers.ListAsync(CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyList<VmsServer>>([.. servers.Values.OrderBy(server => server.Name)]);

    Task<Duty?> IDuties.FindAsync(string identity, CancellationToken cancellationToken) => Task.FromResult(duties.GetValueOrDefault(identity));

    Task<IReadOnlyList<Duty>> IDuties.ListAsync(CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<Duty>>([.. duties.Values]);

    public Task<IReadOnlyList<DutyClaim>> ListClaimsAsync(string instanceId, CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyList<DutyClaim>>([.. claims.Values.Where(claim => claim.InstanceId == instanceId)]);

    public Task<DutyClaim?> FindClaimAsync(string key, CancellationToken cancellationToken) => Task.FromResult(claims.GetValueOrDefault(key));

    public Task<IReadOnlyList<FeedItem>> ReadAsync(long afterCursor, int take, CancellationToken cancellationToken)
    {
        lock (gate)
        {
            return Task.FromResult<IReadOnlyList<FeedItem>>([.. feed.Where(item => item.Cursor > afterCursor).Take(take)]);
        }
    }

    public Task<long> GetLatestCursorAsync(CancellationToken cancellationToken)
    {
        lock (gate)
        {
            return Task.FromResult(feed.Count == 0 ? 0 : feed[^1].Cursor);
        }
    }

    public Task WaitAsync(CancellationToken cancellationToken)
    {
        lock (gate)
        {
            return changed.Task.WaitAsync(cancellationToken);
        }
    }

    Task<string?> ISystemSettings.FindAsync(string key, CancellationToken cancellationToken) => Task.FromResult(settings.GetValueOrDefault(key));

    public Task<SignedLicense?> FindCurrentAsync(CancellationToken cancellationToken) => Task.FromResult(license);

    Task<RunReport?> IRunReports.FindAsync(string runId, CancellationToken cancellationToken) => Task.FromResult(reports.GetValueOrDefault(runId));

    public Task<StartedWorkflow> StartAsync(StartWorkflow request, CancellationToken cancellationToken)
    {
        lock (gate)
        {
            if (request.StartKey is { } key && startKeys.TryGetValue(key, out var known))
            {
                return Task.FromResult(new StartedWorkflow(known, true));
            }

            var entryId = request.Input.GetValueOrDefault("EntryId") as string;
            var entry = entries.Find(candidate => candidate.Id == entryId);
            var identity = entry?.FailedServerId ?? (string)request.Input["FailedServerId"]!;
            if (claims.TryGetValue(DutyClaim.Identity(identity), out var claim))
            {
                throw new ClaimConflictException(claim.Key, claim.InstanceId, claim.Kind);
            }

            var runId = $"run-{startKeys.Count + 1}";
            startKeys[request.StartKey ?? runId] = runId;
            starts.Add(request);
            Claim(DutyClaim.Identity(identity), runId, request.DefinitionId);
            if (entry is not null)
            {
                Apply(new SaveFailoverLogEntry(entry.FailbackStarted(runId, DateTimeOffset.UnixEpoch)));
            }

            Apply(new Notify(new ChangeNotification("run", runId, $"A {request.DefinitionId} was started.", DateTimeOffset.UnixEpoch)));
            reports[runId] = new RunReport(
                runId, request.DefinitionId, 1, WorkflowSubStatus.Executing, "running", null, null, request.Actor, request.Reason, entryId, DateTimeOffset.UnixEpoch, null, [], []);
            return Task.FromResult(new StartedWorkflow(runId, false));
        }
    }

    public Task<IReadOnlyList<string>> ResumeAsync(Stimulus stimulus, CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<string>>([]);

    public Task CancelAsync(string instanceId, Actor actor, string? reason, CancellationToken cancellationToken) => Ask(instanceId, "cancel", reason, actor);

    public Task RedriveAsync(string instanceId, Actor actor, string? reason, CancellationToken cancellationToken) =>
        reports[instanceId].SubStatus == WorkflowSubStatus.Faulted
            ? Ask(instanceId, "redrive", reason, actor)
            : throw new WorkflowRefusedException("not-faulted", "Only a run that was stopped by an error can be retried.");

    Task<WorkflowInstance?> IWorkflowRuntime.FindAsync(string instanceId, CancellationToken cancellationToken) =>
        Task.FromResult(reports.TryGetValue(instanceId, out var report)
            ? new WorkflowInstance(
                instanceId,
                report.DefinitionId,
                $"{report.DefinitionId}:1",
                1,
                WorkflowStatus.Running,
                report.SubStatus,
                report.StartedAt,
                report.StartedAt,
                null,
                1,
                new Dictionary<string, object?>(),
                [])
            : null);

    private Task Ask(string runId, string what, string? reason, Actor actor)
    {
        Writes++;
        Asked.Add((runId, what, reason, actor));
        return Task.CompletedTask;
    }

    private void Apply(IDomainChange change)
    {
        Writes++;
        switch (change)
        {
            case SaveFailoverLogEntry save:
                entries.RemoveAll(entry => entry.Id == save.Entry.Id);
                entries.Add(save.Entry with { Revision = save.Entry.Revision + 1 });
                break;
            case SaveVmsServer save:
                servers[save.Server.Id] = save.Server with { Revision = save.Server.Revision + 1 };
                break;
            case GrantEpoch grant:
                duties[grant.Identity] = new Duty(grant.Identity, grant.HolderServerId, grant.Epoch, grant.AllocationId, 0);
                break;
            case SaveSystemSetting save:
                settings[save.Key] = save.Json;
                break;
            case InstallLicense install:
                license = install.License;
                break;
            case Notify notify:
                feed.Add(new FeedItem(feed.Count + 1, notify.Change));
                changed.SetResult();
                changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                break;
            default:
                throw new NotSupportedException($"{change.GetType().Name} is not part of these tests.");
        }
    }
}
