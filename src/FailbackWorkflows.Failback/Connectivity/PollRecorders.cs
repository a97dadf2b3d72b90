using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback.Changes;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.Obligations;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Recording;
using Microsoft.Extensions.Logging;

namespace FailbackWorkflows.Failback.Connectivity;

/// <summary>
/// Asks every recorder how it is: notes connections coming and going (runs that wait for the recorder are woken), keeps the settings cache
/// fresh, and answers a recorder that came up and waits to hear whether it still has its duty. A recorder that was broken and demonstrably
/// records its own duty again is marked ok: that is how it comes back when no failover server had the duty meanwhile. Owns no truth: a poll
/// that is missed or done twice does no harm.
/// </summary>
public sealed class PollRecorders(
    IVmsServers servers,
    IDuties duties,
    IObligations obligations,
    HolderLook look,
    ISettingsCache cache,
    DutyCalls calls,
    IRecorderClient recorders,
    IDomainWriter writer,
    IWorkflowRuntime runtime,
    TimeProvider time,
    ILogger<PollRecorders> logger)
{
    private const int MaxConcurrency = 16;

    /// <summary>A connected server's row is written this often when nothing else changed, so that "last seen" stays true.</summary>
    private static readonly TimeSpan SeenEvery = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan FreshFrame = TimeSpan.FromSeconds(5);

    /// <summary>Polls every server once.</summary>
    public async Task ExecuteAsync(CancellationToken cancellationToken)
    {
        var all = await servers.ListAsync(cancellationToken);
        await Parallel.ForEachAsync(
            all,
            new ParallelOptions { MaxDegreeOfParallelism = MaxConcurrency, CancellationToken = cancellationToken },
            async (server, token) => await PollAsync(server, token));
    }

    private async Task PollAsync(VmsServer server, CancellationToken cancellationToken)
    {
        var endpoint = calls.EndpointOf(server);
        RecorderStatus status;
        try
        {
            status = await recorders.GetStatusAsync(endpoint, cancellationToken);
        }
        catch (RecorderException exception)
        {
            if (server.Connection != ConnectionState.Disconnected)
            {
                logger.LogWarning("{Server} is not reachable: {Reason}", server.Id, exception.Message);
                await SaveAsync(server with { Connection = ConnectionState.Disconnected }, $"The connection to {server.Name} was lost.", cancellationToken);
            }

            return;
        }

        if (server.MachineId is not null && status.Id != server.MachineId)
        {
            // Another machine at the address of this one: it is told nothing and believed nothing.
            logger.LogWarning("The machine at the address of {Server} has the id {MachineId}, expected {ExpectedMachineId}", server.Id, status.Id, server.MachineId);
            if (server.Connection != ConnectionState.Disconnected)
            {
                await SaveAsync(server with { Connection = ConnectionState.Disconnected }, $"Another machine answers at the address of {server.Name}.", cancellationToken);
            }

            return;
        }

        await NoteSeenAsync(server, status, await IsBackInServiceAsync(server, endpoint, status, cancellationToken), cancellationToken);
        foreach (var seen in status.Duties)
        {
            await AnswerAsync(server, endpoint, status.BootId, seen, cancellationToken);
        }
    }

    /// <summary>
    /// True for a broken server that has its own duty under the current epoch and writes frames. That is so only when nobody took the duty
    /// over, or after a failback; a run at work on the duty decides for itself.
    /// </summary>
    private async Task<bool> IsBackInServiceAsync(VmsServer server, RecorderEndpoint endpoint, RecorderStatus status, CancellationToken cancellationToken)
    {
        if (server.State != VmsServerState.Broken
            || status.Duties.FirstOrDefault(d => d.Identity == server.Id) is not { Role: DutyRole.Recorder, Recording: true, Disputed: false } seen
            || await duties.FindAsync(server.Id, cancellationToken) is not { } duty
            || duty.HolderServerId != server.Id
            || seen.Epoch != duty.Epoch
            || seen.AllocationId != duty.AllocationId
            || await duties.FindClaimAsync(DutyClaim.Identity(server.Id), cancellationToken) is not null)
        {
            return false;
        }

        try
        {
            var recording = await recorders.GetRecordingAsync(endpoint, server.Id, cancellationToken);
            return recording.Channels.Any(c => c.Recording && c.LastFrameAt is { } last && recording.AsOf - last <= FreshFrame);
        }
        catch (RecorderException exception)
        {
            logger.LogInformation("{Server} has its duty again, but could not be asked whether it records: {Reason}", server.Id, exception.Message);
            return false;
        }
    }

    private async Task NoteSeenAsync(VmsServer server, RecorderStatus status, bool isBackInService, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var isNews = isBackInService || server.Connection != ConnectionState.Connected || server.BootId != status.BootId;
        if (isNews || now - server.LastSeenAt >= SeenEvery)
        {
            await SaveAsync(
                server with
                {
                    State = isBackInService ? VmsServerState.Ok : server.State,
                    Connection = ConnectionState.Connected,
                    LastSeenAt = now,
                    BootId = status.BootId,
                    SoftwareVersion = Newer(server.SoftwareVersion, status.SoftwareVersion),
                },
                isBackInService ? $"{server.Name} is back in service: it records its own duty again." : isNews ? $"{server.Name} is connected." : null,
                cancellationToken);
            if (isNews)
            {
                await runtime.ResumeAsync(new Stimulus(RecorderConnected.KeyOf(server.Id), new Actor(ActorKind.RecorderSignal, server.Id, server.Name)), cancellationToken);
            }
        }
    }

    private static string Newer(string? known, string now) => Version.TryParse(known, out var a) && Version.TryParse(now, out var b) && a > b ? known! : now;

    /// <summary>
    /// Tells a recorder that waits for its role, or that has not heard of the current epoch, what it is. While a run holds the claim on the
    /// duty, only that run speaks.
    /// </summary>
    private async Task AnswerAsync(VmsServer server, RecorderEndpoint endpoint, string bootId, DutyState seen, CancellationToken cancellationToken)
    {
        try
        {
            if (await duties.FindAsync(seen.Identity, cancellationToken) is not { } duty)
            {
                return;
            }

            var isHolder = duty.HolderServerId == endpoint.ServerId && seen.Epoch == duty.Epoch && seen.AllocationId == duty.AllocationId;
            // The duty came back to it without its knowing: the failover that had moved it failed.
            var isHolderBehind = duty.HolderServerId == endpoint.ServerId && seen.Epoch < duty.Epoch;
            var isBehind = seen.Epoch < duty.Epoch && !isHolderBehind && (seen.Role is DutyRole.Recorder or DutyRole.AwaitingRole || seen.Recording);
            var isIdle = isHolder && seen is { Role: DutyRole.Recorder, Recording: false } && server.State == VmsServerState.Broken && server.Id == seen.Identity;
            if ((seen.Role == DutyRole.AwaitingRole && isHolder) || isBehind || isHolderBehind || isIdle)
            {
                if (await duties.FindClaimAsync(DutyClaim.Identity(seen.Identity), cancellationToken) is not null)
                {
                    return;
                }

                // One that waits for its role would record by itself after a while.
                var isToBeStopped = isBehind && (seen.Recording || !await look.IsSeenRecordingAsync(duty, cancellationToken));
                if (isToBeStopped || (await obligations.ListOpenAsync(server.Id, seen.Identity, cancellationToken)).Any(o => o.Attempts < Obligation.AttemptsBeforeOthers))
                {
                    // What it missed is told by a run with the claim, which stops nobody before the holder of the duty is seen to record.
                    await OweStandByAsync(server, duty, isToBeStopped, cancellationToken);
                    return;
                }

                // The boot id makes each boot's question a new one: a recorder answers a key it knows without acting.
                var key = $"poll/{seen.Identity}/{duty.Epoch}/{duty.Fence}/{bootId}";
                var isRecorder = isHolder || isHolderBehind;
                if (!isIdle)
                {
                    await recorders.AssignDutyAsync(
                        endpoint,
                        seen.Identity,
                        new DutyAssignment(isRecorder ? DutyRole.Recorder : DutyRole.Standby, duty.Epoch, duty.AllocationId, duty.Fence),
                        $"{key}/{(isRecorder ? "confirm" : "standby")}",
                        cancellationToken);
                    logger.LogInformation("{Server} was told that it is {Role} for {Identity} under epoch {Epoch}", endpoint.ServerId, isRecorder ? "recorder" : "standby", seen.Identity, duty.Epoch);
                }

                if (isIdle || (isHolderBehind && !seen.Recording))
                {
                    // A confirmed role goes on with what it did; under an epoch the recorder did not know, recording has to be begun.
                    await recorders.StartRecordingAsync(
                        endpoint, new RecordingCommand(seen.Identity, new DutyAuthority(duty.Epoch, duty.Fence)), $"{key}/start", cancellationToken);
                }
            }

            if (isHolder)
            {
                await RefreshSettingsAsync(endpoint, duty, cancellationToken);
            }
        }
        catch (RecorderException exception)
        {
            // Fenced off or gone meanwhile: whoever is in charge now goes on, and the next poll looks again.
            logger.LogInformation("{Server} did not take the answer about {Identity}: {Reason}", endpoint.ServerId, seen.Identity, exception.Message);
        }
    }

    private async Task OweStandByAsync(VmsServer server, Duty duty, bool isToBeStopped, CancellationToken cancellationToken)
    {
        if (!isToBeStopped || (await obligations.ListOpenAsync(server.Id, duty.Identity, cancellationToken)).Any(o => o.Kind == ObligationKind.StandBy && o.Epoch == duty.Epoch))
        {
            return;
        }

        var now = time.GetUtcNow();
        await writer.ApplyAsync(
            [
                new Owe(
                [
                    new Obligation
                    {
                        Id = $"poll/{server.Id}/{duty.Identity}/{duty.Epoch}/{now.UtcTicks}",
                        ServerId = server.Id,
                        Identity = duty.Identity,
                        Kind = ObligationKind.StandBy,
                        Epoch = duty.Epoch,
                        Role = DutyRole.Standby,
                        Reason = $"It acts for {duty.Identity} under an older epoch than {duty.Epoch}, which {duty.HolderServerId} has.",
                        CreatedAt = now,
                        NextAttemptAt = now,
                    },
                ]),
            ],
            cancellationToken);
    }

    private async Task RefreshSettingsAsync(RecorderEndpoint endpoint, Duty duty, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var newest = await cache.FindNewestAsync(duty.Identity, cancellationToken);
        if (newest is not null && newest.Epoch == duty.Epoch && now - newest.TakenAt < SeenEvery)
        {
            return;
        }

        var bundle = await recorders.GetSettingsAsync(endpoint, duty.Identity, cancellationToken);
        await writer.ApplyAsync(
            [new SaveSettings(new CachedSettings(duty.Identity, endpoint.ServerId, duty.Epoch, bundle.Revision, bundle.Sha256, now, bundle.Content))],
            cancellationToken);
    }

    private async Task SaveAsync(VmsServer server, string? news, CancellationToken cancellationToken)
    {
        var changes = new List<IDomainChange> { new SaveVmsServer(server) };
        if (news is not null)
        {
            changes.Add(new Notify(new ChangeNotification("server", server.Id, news, time.GetUtcNow())));
        }

        try
        {
            await writer.ApplyAsync(changes, cancellationToken);
        }
        catch (ConcurrentChangeException)
        {
            logger.LogDebug("{Server} was changed while it was polled; the next poll looks again", server.Id);
        }
    }
}
