using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.Obligations;
using FailbackWorkflows.Failback.Reconciliation;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Recording;
using Microsoft.Extensions.Logging;

namespace FailbackWorkflows.Failback.Connectivity;

/// <summary>
/// Tells a recorder that waits for its role, or that has not heard of the current epoch, what it is; one that would have to be stopped for
/// that is owed it. While a run holds the claim on the duty, only that run speaks. Telling twice is harmless.
/// </summary>
public sealed class AnswerRecorder(
    IVmsServers servers,
    IDuties duties,
    IObligations obligations,
    HolderLook look,
    RecordersKnowMore doubts,
    IRecorderClient recorders,
    IDomainWriter writer,
    TimeProvider time,
    ILogger<AnswerRecorder> logger)
{
    /// <summary>It waits for its role, or does not know what it is.</summary>
    internal static bool IsToBeAnswered(VmsServer server, Duty duty, DutyState seen) =>
        (seen.Role == DutyRole.AwaitingRole && IsHolder(server, duty, seen))
        || IsHolderBehind(server, duty, seen)
        || IsIdle(server, duty, seen)
        || IsBehind(server, duty, seen);

    /// <summary>
    /// Answers a recorder of which a poll has found that it is to be answered. A run may have ended since, and what the poll has seen then is from before it: so the recorder is
    /// asked once more after nobody was seen to hold the duty. A run that begins later than that draws an epoch or raises the fence before it commands, and what is told here
    /// is refused.
    /// </summary>
    /// <param name="patience">How long the recorder may take to say again how it is.</param>
    internal async Task ExecuteAsync(RecorderEndpoint endpoint, string identity, TimeSpan patience, CancellationToken cancellationToken)
    {
        if (await duties.FindAsync(identity, cancellationToken) is not { } duty
            || await servers.FindAsync(endpoint.ServerId, cancellationToken) is not { } server
            || await duties.FindClaimAsync(DutyClaim.Identity(identity), cancellationToken) is not null
            || await doubts.FindAsync(identity, cancellationToken) is not null)
        {
            return;
        }

        try
        {
            var status = await AskAsync(endpoint, patience, cancellationToken);
            if ((server.MachineId is null || server.MachineId == status.Id)
                && status.Duties.FirstOrDefault(d => d.Identity == identity) is { } seen
                && IsToBeAnswered(server, duty, seen))
            {
                await AnswerAsync(endpoint, server, duty, seen, status.BootId, cancellationToken);
            }
        }
        catch (RecorderException exception)
        {
            // Fenced off or gone meanwhile: whoever is in charge now goes on, and the next poll looks again.
            logger.LogInformation("{Server} did not take the answer about {Identity}: {Reason}", endpoint.ServerId, identity, exception.Message);
        }
    }

    private async Task AnswerAsync(RecorderEndpoint endpoint, VmsServer server, Duty duty, DutyState seen, string bootId, CancellationToken cancellationToken)
    {
        // One that waits for its role would record by itself after a while.
        var isToBeStopped = IsBehind(server, duty, seen) && (seen.Recording || !await look.IsSeenRecordingAsync(duty, cancellationToken));
        var open = await obligations.ListOpenAsync(server.Id, seen.Identity, cancellationToken);
        if (isToBeStopped || open.Any(o => o.Attempts < Obligation.AttemptsBeforeOthers))
        {
            // What it missed is told by a run with the claim, which stops nobody before the holder of the duty is seen to record.
            if (isToBeStopped && !open.Any(o => o.Kind == ObligationKind.StandBy && o.Epoch == duty.Epoch))
            {
                await OweStandByAsync(server, duty, cancellationToken);
            }

            return;
        }

        // The boot id makes each boot's question a new one: a recorder answers a key it knows without acting.
        var key = $"poll/{seen.Identity}/{duty.Epoch}/{duty.Fence}/{bootId}";
        var isHolderBehind = IsHolderBehind(server, duty, seen);
        var isRecorder = IsHolder(server, duty, seen) || isHolderBehind;
        var isIdle = IsIdle(server, duty, seen);
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

    private async Task<RecorderStatus> AskAsync(RecorderEndpoint endpoint, TimeSpan patience, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            return await recorders.GetStatusAsync(endpoint, either.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new RecorderException(RecorderErrorKind.Unreachable, $"It gave no answer within {patience.TotalSeconds:0.#} s.");
        }
    }

    private static bool IsHolder(VmsServer server, Duty duty, DutyState seen) =>
        duty.HolderServerId == server.Id && seen.Epoch == duty.Epoch && seen.AllocationId == duty.AllocationId;

    /// <summary>The duty came back to it without its knowing, as when the failover that had moved it failed; it may have heard of the number only.</summary>
    private static bool IsHolderBehind(VmsServer server, Duty duty, DutyState seen) =>
        duty.HolderServerId == server.Id && (seen.Epoch < duty.Epoch || (seen.Epoch == duty.Epoch && seen.AllocationId is null));

    private static bool IsIdle(VmsServer server, Duty duty, DutyState seen) =>
        IsHolder(server, duty, seen) && seen is { Role: DutyRole.Recorder, Recording: false } && server.State == VmsServerState.Broken && server.Id == seen.Identity;

    /// <summary>It acts, or waits to act, for a duty that was granted to somebody else meanwhile.</summary>
    private static bool IsBehind(VmsServer server, Duty duty, DutyState seen) =>
        duty.HolderServerId != server.Id && seen.Epoch < duty.Epoch && (seen.Role is DutyRole.Recorder or DutyRole.AwaitingRole || seen.Recording);

    private Task OweStandByAsync(VmsServer server, Duty duty, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        return writer.ApplyAsync(
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
}
