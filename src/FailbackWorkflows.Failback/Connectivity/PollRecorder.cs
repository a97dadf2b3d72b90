using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback.AutomaticFailback;
using FailbackWorkflows.Failback.AutomaticFailover;
using FailbackWorkflows.Failback.Changes;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.Obligations;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Recording;
using Microsoft.Extensions.Logging;

namespace FailbackWorkflows.Failback.Connectivity;

/// <summary>
/// Asks one recorder how it is: notes its connection coming and going, and answers a recorder that came up and waits to hear whether it still
/// has its duty. A recorder that was broken and demonstrably records its own duty again is marked ok: that is how it comes back when no
/// failover server had the duty meanwhile; one whose duty may come home by itself gets its automatic failback, and the duties of one that fails enough polls their automatic failover. Owns no truth: a poll that is
/// missed or done twice does no harm. A poll that finds everything as it was reads and writes no row.
/// </summary>
public sealed class PollRecorder(
    IVmsServers servers,
    IDuties duties,
    IObligations obligations,
    HolderLook look,
    SeenDuties seenDuties,
    IConnectivityHistory history,
    IRecorderClient recorders,
    IDomainWriter writer,
    PublishTransitions publish,
    FailedPolls failed,
    AutomaticFailbacks failbacks,
    AutomaticFailovers failovers,
    TimeProvider time,
    ILogger<PollRecorder> logger)
{
    /// <summary>Lost this often within <see cref="FlapWindow"/>, a recorder that answers is called unstable.</summary>
    public const int FlapsUntilUnstable = 3;

    /// <summary>How far back the flap counter looks.</summary>
    public static readonly TimeSpan FlapWindow = TimeSpan.FromHours(1);

    /// <summary>A clock offset that differs by more than this (and what the measurement leaves open) from the one that is stored is stored.</summary>
    public static readonly TimeSpan ClockTolerance = TimeSpan.FromMilliseconds(500);

    private static readonly TimeSpan FreshFrame = TimeSpan.FromSeconds(5);

    /// <summary>Polls a recorder once. Throws only what the database throws, and when cancelled.</summary>
    internal async Task ExecuteAsync(PolledRecorder polled, RecorderRoster roster, TimeSpan patience, CancellationToken cancellationToken)
    {
        var server = polled.Server;
        var endpoint = polled.Endpoint;
        RecorderStatus status;
        var sentAt = time.GetUtcNow();
        var sent = time.GetTimestamp();
        using (var limit = new CancellationTokenSource(patience, time))
        using (var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken))
        {
            try
            {
                status = await recorders.GetStatusAsync(endpoint, either.Token);
            }
            catch (RecorderException exception)
            {
                await FailAsync(polled, roster, exception.Message, $"The connection to {server.Name} was lost.", cancellationToken);
                return;
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                await FailAsync(polled, roster, $"It gave no answer within {patience.TotalSeconds:0.#} s.", $"The connection to {server.Name} was lost.", cancellationToken);
                return;
            }
        }

        if (server.MachineId is not null && status.Id != server.MachineId)
        {
            // Another machine at the address of this one: it is told nothing and believed nothing.
            await FailAsync(
                polled, roster, $"The machine at its address has the id {status.Id}, expected {server.MachineId}.", $"Another machine answers at the address of {server.Name}.", cancellationToken);
            return;
        }

        seenDuties.Notice(server.Id, status.Duties);
        var now = time.GetUtcNow();
        var roundTrip = time.GetElapsedTime(sent);
        polled.Seen(now, status.TimeUtc - (sentAt + (roundTrip / 2)), roundTrip / 2);
        var isBackInService = await IsBackInServiceAsync(server, endpoint, status, cancellationToken);
        // While a run is at work on the duty it decides what becomes of it; what it was about to do is no failure.
        var isIdle = server.State == VmsServerState.Broken
            && !isBackInService
            && roster.DutyOf(server.Id)?.HolderServerId == server.Id
            && await duties.FindClaimAsync(DutyClaim.Identity(server.Id), cancellationToken) is null;
        if (isIdle)
        {
            failed.Count(server.Id);
        }
        else
        {
            failed.Forget(server.Id);
        }

        if (isBackInService || IsNews(polled, status, now))
        {
            await NoteSeenAsync(polled, status, isBackInService, cancellationToken);
        }

        foreach (var seen in status.Duties)
        {
            if (roster.DutyOf(seen.Identity) is { } duty && IsToBeAnswered(server, duty, seen))
            {
                await AnswerAsync(endpoint, status.BootId, seen, cancellationToken);
            }
        }

        if (polled.Server is { State: VmsServerState.Broken, Answers: true })
        {
            await failbacks.DeriveAsync(server.Id, cancellationToken);
        }

        if (isIdle)
        {
            await FailOverAsync(server.Id, roster, cancellationToken);
        }
    }

    /// <summary>The poll has failed: notes that, and has taken over what may be.</summary>
    private async Task FailAsync(PolledRecorder polled, RecorderRoster roster, string reason, string news, CancellationToken cancellationToken)
    {
        failed.Count(polled.Server.Id);
        await NoteLostAsync(polled, reason, news, cancellationToken);
        await FailOverAsync(polled.Server.Id, roster, cancellationToken);
    }

    private async Task FailOverAsync(string holderId, RecorderRoster roster, CancellationToken cancellationToken)
    {
        foreach (var identity in roster.DutiesOf(holderId))
        {
            if (roster.Find(identity)?.Server is { } server && AutomaticFailovers.IsWanted(server))
            {
                await failovers.DeriveAsync(identity, cancellationToken);
            }
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

    /// <summary>Something that the row does not have yet, or that is to be looked at again.</summary>
    private static bool IsNews(PolledRecorder polled, RecorderStatus status, DateTimeOffset now)
    {
        var server = polled.Server;
        return server.Connection != ConnectionState.Connected && (server.Connection != ConnectionState.Unstable || polled.IsCalmLookDue(now))
            || server.BootId != status.BootId
            || server.SoftwareVersion != Newer(server.SoftwareVersion, status.SoftwareVersion)
            || IsClockNews(polled);
    }

    private static bool IsClockNews(PolledRecorder polled) =>
        (polled.ClockOffset - (polled.Server.ClockOffset ?? TimeSpan.Zero)).Duration() > ClockTolerance + polled.ClockUncertainty;

    private async Task NoteSeenAsync(PolledRecorder polled, RecorderStatus status, bool isBackInService, CancellationToken cancellationToken)
    {
        // The row as it is now: what is kept in memory may be a moment old.
        if (await servers.FindAsync(polled.Server.Id, cancellationToken) is not { } server)
        {
            return;
        }

        var now = time.GetUtcNow();
        polled.Server = server;
        var isRestart = server.Answers && server.BootId is not null && server.BootId != status.BootId;
        var isConnection = isRestart || !server.Answers;
        var losses = isConnection || server.Connection == ConnectionState.Unstable
            ? await history.CountLossesAsync(server.Id, now - FlapWindow, cancellationToken) + (isRestart ? 1 : 0)
            : 0;
        var next = server with
        {
            State = isBackInService ? VmsServerState.Ok : server.State,
            Connection = losses >= FlapsUntilUnstable ? ConnectionState.Unstable : ConnectionState.Connected,
            ConnectedSince = isConnection ? now : server.ConnectedSince,
            ConnectionEpisode = isConnection ? server.ConnectionEpisode + 1 : server.ConnectionEpisode,
            BootId = status.BootId,
            SoftwareVersion = Newer(server.SoftwareVersion, status.SoftwareVersion),
            ClockOffset = isConnection || IsClockNews(polled) ? polled.ClockOffset : server.ClockOffset,
        };
        if (next == server)
        {
            return;
        }

        next = next with { LastSeenAt = now };
        ConnectivityTransition? transition = null;
        if (isConnection || next.Connection != server.Connection)
        {
            var kind = isRestart ? TransitionKind.Restarted : isConnection ? TransitionKind.Connected : TransitionKind.Calmed;
            var reason = kind switch
            {
                TransitionKind.Restarted => $"It answers in another boot than before ({server.BootId}).",
                TransitionKind.Connected when next.Connection == ConnectionState.Unstable => $"It answers, but was lost {losses} times within the last hour.",
                TransitionKind.Connected => "It answers.",
                _ => $"It was lost only {losses} times within the last hour.",
            };
            transition = new(0, server.Id, now, kind, server.Connection, next.Connection, reason, "poll", status.BootId, next.ConnectionEpisode);
        }

        var news = isBackInService ? $"{server.Name} is back in service: it records its own duty again."
            : isConnection ? $"{server.Name} is connected."
            : null;
        if (transition is not null)
        {
            logger.LogInformation("{Server} is {Connection}: {Reason}", server.Id, next.Connection, transition.Reason);
        }

        await SaveAsync(polled, next, transition, news, cancellationToken);
    }

    private async Task NoteLostAsync(PolledRecorder polled, string reason, string news, CancellationToken cancellationToken)
    {
        if (polled.Server.Connection == ConnectionState.Disconnected || await servers.FindAsync(polled.Server.Id, cancellationToken) is not { } server)
        {
            return;
        }

        polled.Server = server;
        if (server.Connection != ConnectionState.Disconnected)
        {
            logger.LogWarning("{Server} is not reachable: {Reason}", server.Id, reason);
            await SaveAsync(
                polled,
                server with { Connection = ConnectionState.Disconnected, ConnectedSince = null, LastSeenAt = polled.SeenAt ?? server.LastSeenAt },
                new(0, server.Id, time.GetUtcNow(), TransitionKind.Disconnected, server.Connection, ConnectionState.Disconnected, reason, "poll", server.BootId, server.ConnectionEpisode),
                news,
                cancellationToken);
        }
    }

    private async Task SaveAsync(PolledRecorder polled, VmsServer server, ConnectivityTransition? transition, string? news, CancellationToken cancellationToken)
    {
        var changes = new List<IDomainChange> { new SaveVmsServer(server) };
        if (transition is not null)
        {
            changes.Add(new AddTransition(transition));
        }

        if (news is not null)
        {
            changes.Add(new Notify(new ChangeNotification("server", server.Id, news, time.GetUtcNow())));
        }

        try
        {
            await writer.ApplyAsync(changes, cancellationToken);
            polled.Server = server with { Revision = server.Revision + 1 };
        }
        catch (ConcurrentChangeException)
        {
            logger.LogDebug("{Server} was changed while it was polled; the next poll looks again", server.Id);
            return;
        }

        if (transition is not null)
        {
            publish.Soon();
        }
    }

    private static string Newer(string? known, string now) => Version.TryParse(known, out var a) && Version.TryParse(now, out var b) && a > b ? known! : now;

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

    private static bool IsToBeAnswered(VmsServer server, Duty duty, DutyState seen) =>
        (seen.Role == DutyRole.AwaitingRole && IsHolder(server, duty, seen))
        || IsHolderBehind(server, duty, seen)
        || IsIdle(server, duty, seen)
        || IsBehind(server, duty, seen);

    /// <summary>
    /// Tells a recorder that waits for its role, or that has not heard of the current epoch, what it is; one that would have to be stopped for
    /// that is owed it. While a run holds the claim on the duty, only that run speaks.
    /// </summary>
    private async Task AnswerAsync(RecorderEndpoint endpoint, string bootId, DutyState seen, CancellationToken cancellationToken)
    {
        try
        {
            if (await duties.FindAsync(seen.Identity, cancellationToken) is not { } duty || await servers.FindAsync(endpoint.ServerId, cancellationToken) is not { } server)
            {
                return;
            }

            var isHolder = IsHolder(server, duty, seen);
            var isHolderBehind = IsHolderBehind(server, duty, seen);
            var isIdle = IsIdle(server, duty, seen);
            if (!IsToBeAnswered(server, duty, seen) || await duties.FindClaimAsync(DutyClaim.Identity(seen.Identity), cancellationToken) is not null)
            {
                return;
            }

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
        catch (RecorderException exception)
        {
            // Fenced off or gone meanwhile: whoever is in charge now goes on, and the next poll looks again.
            logger.LogInformation("{Server} did not take the answer about {Identity}: {Reason}", endpoint.ServerId, seen.Identity, exception.Message);
        }
    }

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
