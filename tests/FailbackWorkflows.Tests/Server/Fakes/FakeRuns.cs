using System.Collections.Concurrent;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Changes;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.Failover;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.MaterialCopy;
using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Failback.SettingsCache;

namespace FailbackWorkflows.Tests.Server.Fakes;

/// <summary>
/// Runs that start and then stand still where a test puts them, over the real stores: claims, start keys and changes are those of the
/// database. What runs do is tested elsewhere; here it is about what the server says of them.
/// </summary>
internal sealed class FakeRuns(IDomainWriter writer, IFailoverLog log, IDuties duties, IMaterialCopies copies) : IWorkflowRuntime, IRunReports
{
    private readonly SemaphoreSlim gate = new(1, 1);
    private readonly ConcurrentDictionary<string, string> startKeys = [];
    private readonly ConcurrentDictionary<string, RunReport> reports = [];

    public ConcurrentQueue<StartWorkflow> Starts { get; } = [];

    public ConcurrentQueue<(string RunId, string What, string? Reason, Actor Actor)> Asked { get; } = [];

    public void Put(RunReport report) => reports[report.RunId] = report;

    Task<RunReport?> IRunReports.FindAsync(string runId, CancellationToken cancellationToken) => Task.FromResult(reports.GetValueOrDefault(runId));

    public Task<IReadOnlyList<OpenTask>> ListTasksAsync(int take, CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<OpenTask>>([]);

    public async Task<StartedWorkflow> StartAsync(StartWorkflow request, CancellationToken cancellationToken)
    {
        await gate.WaitAsync(cancellationToken);
        try
        {
            if (startKeys.TryGetValue(request.StartKey!, out var known))
            {
                return new(known, true);
            }

            var runId = Guid.NewGuid().ToString("N");
            if (request.DefinitionId == StartSettingsRollback.DefinitionId)
            {
                await writer.ApplyAsync([new TakeClaims(runId, request.DefinitionId, [DutyClaim.Identity((string)request.Input["ServerId"]!)], DateTimeOffset.UnixEpoch)], cancellationToken);
                return Started(request, runId, null);
            }

            if (request.DefinitionId == StartFailover.DefinitionId)
            {
                await writer.ApplyAsync([new TakeClaims(runId, request.DefinitionId, [DutyClaim.Identity((string)request.Input["FailedServerId"]!)], DateTimeOffset.UnixEpoch)], cancellationToken);
                return Started(request, runId, null);
            }

            var entryId = (string)request.Input["EntryId"]!;
            var entry = (await log.FindAsync(entryId, cancellationToken))!;
            if (request.DefinitionId == StartMaterialCopy.DefinitionId)
            {
                await StartCopyAsync(entry, runId, request.Input.ContainsKey(MaterialCopyHooks.DisputedReason), cancellationToken);
                return Started(request, runId, entryId);
            }

            if (await FindClaimAsync(entry.FailedServerId) is { } claim)
            {
                throw new ClaimConflictException(claim.Key, claim.InstanceId, claim.Kind);
            }

            await writer.ApplyAsync(
                [
                    .. request.Changes,
                    new TakeClaims(runId, request.DefinitionId, [DutyClaim.Identity(entry.FailedServerId)], DateTimeOffset.UnixEpoch),
                    new SaveFailoverLogEntry(entry.FailbackStarted(runId, DateTimeOffset.UnixEpoch)),
                    new Notify(new ChangeNotification("run", runId, "A failback was started.", DateTimeOffset.UnixEpoch)),
                ],
                cancellationToken);
            return Started(request, runId, entryId);
        }
        finally
        {
            gate.Release();
        }
    }

    public Task<IReadOnlyList<string>> ResumeAsync(Stimulus stimulus, CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<string>>([]);

    public Task CancelAsync(string instanceId, Actor actor, string? reason, CancellationToken cancellationToken)
    {
        Asked.Enqueue((instanceId, "cancel", reason, actor));
        return Task.CompletedTask;
    }

    public Task RedriveAsync(string instanceId, Actor actor, string? reason, CancellationToken cancellationToken)
    {
        if (reports[instanceId].SubStatus != WorkflowSubStatus.Faulted)
        {
            throw new WorkflowRefusedException("not-faulted", "Only a run that was stopped by an error can be retried.");
        }

        Asked.Enqueue((instanceId, "redrive", reason, actor));
        return Task.CompletedTask;
    }

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

    private StartedWorkflow Started(StartWorkflow request, string runId, string? entryId)
    {
        startKeys[request.StartKey!] = runId;
        Starts.Enqueue(request);
        Put(new RunReport(
            runId, request.DefinitionId, 1, WorkflowSubStatus.Executing, "running", null, null, request.Actor, request.Reason, entryId, DateTimeOffset.UnixEpoch, null, [], []));
        return new(runId, false);
    }

    private async Task StartCopyAsync(FailoverLogEntry entry, string runId, bool isDisputed, CancellationToken cancellationToken)
    {
        var taskId = MaterialCopyTask.IdOf(entry.Id, entry.FailoverServerId, isDisputed);
        if (await copies.FindAsync(taskId, cancellationToken) is { RunId: { } holder })
        {
            throw new CopyTaskTakenException(holder);
        }

        if ((isDisputed ? (await new DisputedMaterial(copies).ReadAsync(entry, cancellationToken)).WhyNot : MaterialCopyHooks.WhyNot(entry)) is { } sentence)
        {
            throw new WorkflowRefusedException("copy-not-possible", sentence);
        }

        await writer.ApplyAsync(
            [
                new SaveCopyTask(new MaterialCopyTask
                {
                    TaskId = taskId,
                    EntryId = entry.Id,
                    IsDisputed = isDisputed,
                    Identity = entry.FailedServerId,
                    SourceServerId = entry.FailoverServerId,
                    TargetServerId = entry.FailedServerId,
                    RunId = runId,
                    LastRunId = runId,
                    Runs = 1,
                    CreatedAt = DateTimeOffset.UnixEpoch,
                }),
                new SaveFailoverLogEntry(isDisputed || entry.MaterialCopy == MaterialCopyState.Queued ? entry with { Message = null } : entry.MaterialCopyQueued()),
            ],
            cancellationToken);
    }

    /// <summary>Lets a run hold a duty, as if it had been started elsewhere.</summary>
    public Task ClaimAsync(string identity, string runId, string kind) =>
        writer.ApplyAsync([new TakeClaims(runId, kind, [DutyClaim.Identity(identity)], DateTimeOffset.UnixEpoch)], CancellationToken.None);

    public Task<DutyClaim?> FindClaimAsync(string identity) => duties.FindClaimAsync(DutyClaim.Identity(identity), CancellationToken.None);
}
