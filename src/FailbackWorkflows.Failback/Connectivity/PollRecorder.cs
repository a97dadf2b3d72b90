using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback.AutomaticFailback;
using FailbackWorkflows.Failback.AutomaticFailover;
using FailbackWorkflows.Failback.Changes;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.Reconciliation;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Recording;
using Microsoft.Extensions.Logging;

namespace FailbackWorkflows.Failback.Connectivity;

/// <summary>
/// Asks one recorder how it is: notes its connection coming and going, and has a recorder that came up and waits to hear whether it still
/// has its duty <see cref="AnswerRecorder">answered</see>. A recorder that was broken and demonstrably records its own duty again is marked ok: that is how it comes back when no
/// failover server had the duty meanwhile; one whose duty may come home by itself gets its automatic failback, and the duties of one that fails enough polls their automatic failover. Owns no truth: a poll that is
/// missed or done twice does no harm. A poll that finds everything as it was reads and writes no row. In the first round after this server took the
/// <see cref="IWatch">watch</see> it only notes what it finds; when the watch has been lost meanwhile, not even that.
/// </summary>
public sealed class PollRecorder(
    IVmsServers servers,
    IDuties duties,
    RecordersKnowMore doubts,
    KeptWords words,
    IConnectivityHistory history,
    IRecorderClient recorders,
    IDomainWriter writer,
    PublishTransitions publish,
    FailedPolls failed,
    IWatch watch,
    AutomaticFailbacks failbacks,
    AutomaticFailovers failovers,
    AnswerRecorder answers,
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
    /// <param name="term">Of the watch, when this poll was begun.</param>
    /// <returns>False: it did not count, because the watch was not ours any more.</returns>
    internal async Task<bool> ExecuteAsync(PolledRecorder polled, RecorderRoster roster, TimeSpan patience, long term, CancellationToken cancellationToken)
    {
        var server = polled.Server;
        var endpoint = polled.Endpoint;
        if (polled.CredentialProblem is { } problem)
        {
            // It was not asked, so it has not failed: nothing is taken over for what is wrong with us.
            failed.Forget(server.Id);
            if (!IsStillOurs(term))
            {
                return false;
            }

            // But it is as silent as one that gives no answer: nobody waits for its word without end.
            doubts.HearNothing(server.Id);
            polled.AskedIn = term;
            await NoteLostAsync(polled, term, problem, problem, cancellationToken);
            return true;
        }

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
                return await FailAsync(polled, roster, term, exception.Message, $"The connection to {server.Name} was lost.", cancellationToken);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                return await FailAsync(polled, roster, term, $"It gave no answer within {patience.TotalSeconds:0.#} s.", $"The connection to {server.Name} was lost.", cancellationToken);
            }
        }

        if (server.MachineId is not null && status.Id != server.MachineId)
        {
            // Another machine at the address of this one: it is told nothing and believed nothing.
            return await FailAsync(
                polled, roster, term, $"The machine at its address has the id {status.Id}, expected {server.MachineId}.", $"Another machine answers at the address of {server.Name}.", cancellationToken);
        }

        doubts.Hear(server.Id, status.Duties, roster.DutyOf, sentAt);
        var now = time.GetUtcNow();
        var roundTrip = time.GetElapsedTime(sent);
        if (!IsStillOurs(term))
        {
            return false;
        }

        polled.Seen(now, status.TimeUtc - (sentAt + (roundTrip / 2)), roundTrip / 2);

        // Before anything is decided by it: whoever decides elsewhere must know as much.
        if (!await IsKeptAsync(term, server.Id, status.Duties, sentAt, cancellationToken))
        {
            return false;
        }

        polled.AskedIn = term;
        if (!watch.MayDecide)
        {
            failed.Forget(server.Id);
            if (IsNews(polled, status, now))
            {
                await NoteSeenAsync(polled, term, status, isBackInService: false, cancellationToken);
            }

            return true;
        }

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
            await NoteSeenAsync(polled, term, status, isBackInService, cancellationToken);
        }

        foreach (var seen in status.Duties)
        {
            if (roster.DutyOf(seen.Identity) is { } duty && AnswerRecorder.IsToBeAnswered(server, duty, seen))
            {
                await answers.ExecuteAsync(endpoint, seen.Identity, patience, cancellationToken);
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

        return true;
    }

    /// <summary>The poll has failed: notes that, and has taken over what may be. False: it did not count.</summary>
    private async Task<bool> FailAsync(PolledRecorder polled, RecorderRoster roster, long term, string reason, string news, CancellationToken cancellationToken)
    {
        if (!IsStillOurs(term))
        {
            return false;
        }

        failed.Count(polled.Server.Id);
        doubts.HearNothing(polled.Server.Id);
        polled.AskedIn = term;
        await NoteLostAsync(polled, term, reason, news, cancellationToken);
        if (watch.MayDecide)
        {
            await FailOverAsync(polled.Server.Id, roster, cancellationToken);
        }

        return true;
    }

    /// <summary>The watch has not been another's since the poll began, either: what was found then is not of this term.</summary>
    private bool IsStillOurs(long term) => watch.IsOurs && watch.Term == term;

    /// <summary>False: another server has the watch by now.</summary>
    private async Task<bool> IsKeptAsync(long term, string serverId, IReadOnlyList<DutyState> told, DateTimeOffset askedAt, CancellationToken cancellationToken)
    {
        try
        {
            await words.KeepAsync(term, serverId, told, askedAt, cancellationToken);
            return true;
        }
        catch (ConcurrentChangeException)
        {
            logger.LogInformation("What {Server} said is not kept: another management server has taken the watch", serverId);
            return false;
        }
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
            || await duties.FindClaimAsync(DutyClaim.Identity(server.Id), cancellationToken) is not null
            || await doubts.FindAsync(server.Id, cancellationToken) is not null)
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

    private async Task NoteSeenAsync(PolledRecorder polled, long term, RecorderStatus status, bool isBackInService, CancellationToken cancellationToken)
    {
        // The row as it is now: what is kept in memory may be a moment old.
        if (await servers.FindAsync(polled.Server.Id, cancellationToken) is not { } server || !polled.IsOf(server))
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

        await SaveAsync(polled, term, next, transition, news, cancellationToken);
    }

    private async Task NoteLostAsync(PolledRecorder polled, long term, string reason, string news, CancellationToken cancellationToken)
    {
        if (polled.Server.Connection == ConnectionState.Disconnected || await servers.FindAsync(polled.Server.Id, cancellationToken) is not { } server || !polled.IsOf(server))
        {
            return;
        }

        polled.Server = server;
        if (server.Connection != ConnectionState.Disconnected)
        {
            logger.LogWarning("{Server} is not reachable: {Reason}", server.Id, reason);
            await SaveAsync(
                polled,
                term,
                server with { Connection = ConnectionState.Disconnected, ConnectedSince = null, LastSeenAt = polled.LastSeenAt(server, watch.Report, polled.Interval) },
                new(0, server.Id, time.GetUtcNow(), TransitionKind.Disconnected, server.Connection, ConnectionState.Disconnected, reason, "poll", server.BootId, server.ConnectionEpisode),
                news,
                cancellationToken);
        }
    }

    private async Task SaveAsync(PolledRecorder polled, long term, VmsServer server, ConnectivityTransition? transition, string? news, CancellationToken cancellationToken)
    {
        var changes = new List<IDomainChange>(watch.Require(term)) { new SaveVmsServer(server) };
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
            logger.LogDebug("{Server} was changed, or the watch was taken by another management server, while it was polled; the next poll looks again", server.Id);
            return;
        }

        // In a first round nobody is started by it yet: they are told when it is done.
        if (transition is not null && watch.MayDecide)
        {
            publish.Soon();
        }
    }

    private static string Newer(string? known, string now) => Version.TryParse(known, out var a) && Version.TryParse(now, out var b) && a > b ? known! : now;
}
