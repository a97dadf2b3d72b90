using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback.Changes;
using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Recorders;

namespace FailbackWorkflows.Failback.VmsServers;

/// <summary>An administrator binds another machine to a server of the registry.</summary>
/// <param name="OldMachineId">The machine id that was shown as known.</param>
/// <param name="NewMachineId">The machine id that was shown as new, and confirmed.</param>
/// <param name="BaseUrl">Where the new machine answers; null: where the old one did.</param>
/// <param name="Credential">The new machine's bearer token; not the old machine's.</param>
/// <param name="Reason">Why; required.</param>
public sealed record ReplaceMachineRequest(string ServerId, string? OldMachineId, string NewMachineId, Uri? BaseUrl, string Credential, Actor Actor, string? Reason);

/// <summary>Either the server as it is now, or why nothing was changed.</summary>
/// <param name="RunId">The run that is in the way, if one is.</param>
public sealed record ReplaceMachineResult(VmsServer? Server, bool IsUnknown, string? RunId, string? Message);

/// <summary>Who answers at an address, next to who should.</summary>
/// <param name="SeenMachineId">Null when nobody answers; then <paramref name="Error"/> says why.</param>
public sealed record SeenMachine(string? KnownMachineId, string? SeenMachineId, string? SoftwareVersion, string? Error);

/// <summary>
/// Replaces the machine of a broken server: the new machine is asked who it is, and must be the one that was confirmed. Its identity, duty and
/// entries stay; the old machine is believed and told nothing any more. Claims the duty and the server while it writes, so no run is at work on either. Nothing is stored
/// otherwise; calling twice changes nothing more.
/// </summary>
public sealed class ReplaceMachine(IVmsServers servers, IRecorderClient recorders, ISecretProtector secrets, IDomainWriter writer, SeenDuties seen, TimeProvider time)
{
    /// <summary>Kind of its claims.</summary>
    public const string Kind = "machine replacement";

    /// <summary>Who answers at the server's address (or another one) with its credential (or another one). Only reads.</summary>
    public async Task<SeenMachine?> LookAsync(string serverId, Uri? baseUrl, string? credential, CancellationToken cancellationToken)
    {
        if (await servers.FindAsync(serverId, cancellationToken) is not { } server)
        {
            return null;
        }

        try
        {
            var status = await recorders.GetStatusAsync(new RecorderEndpoint(server.Id, baseUrl ?? server.BaseUrl, credential ?? secrets.CredentialOf(server)), cancellationToken);
            return new(server.MachineId, status.Id, status.SoftwareVersion, null);
        }
        catch (RecorderException exception)
        {
            return new(server.MachineId, null, null, exception.Message);
        }
    }

    public async Task<ReplaceMachineResult> ExecuteAsync(ReplaceMachineRequest request, CancellationToken cancellationToken)
    {
        if (await servers.FindAsync(request.ServerId, cancellationToken) is not { } server)
        {
            return new(null, true, null, $"There is no VMS server '{request.ServerId}'.");
        }

        if (string.IsNullOrWhiteSpace(request.Reason))
        {
            return Refused("Replacing a machine needs a reason.");
        }

        if (server.State != VmsServerState.Broken)
        {
            return Refused($"{server.Name} is in service. Fail it over first: a machine is replaced while its duty is elsewhere.");
        }

        if (server.MachineId != request.OldMachineId && server.MachineId != request.NewMachineId)
        {
            return Refused($"{server.Name} is bound to the machine {server.MachineId} by now, not to {request.OldMachineId}. Look again, then confirm what you see.");
        }

        if (server.MachineId != request.NewMachineId && IsStored(server, request.Credential))
        {
            return Refused("The new machine needs a credential of its own: whoever has the old machine still has the old one. Give the recorder a new token, then enter that.");
        }

        var address = request.BaseUrl ?? server.BaseUrl;
        try
        {
            var status = await recorders.GetStatusAsync(new RecorderEndpoint(server.Id, address, request.Credential), cancellationToken);
            if (status.Id != request.NewMachineId)
            {
                return Refused($"The machine at {address} has the id {status.Id}, not {request.NewMachineId} as confirmed. Look again, then confirm what you see.");
            }

            if (await servers.FindByMachineAsync(status.Id, cancellationToken) is { } other && other.Id != server.Id)
            {
                return Refused($"That machine is registered as {other.Name} ({other.Id}). One machine cannot be two servers.");
            }

            var now = time.GetUtcNow();
            var isConnection = !server.Answers || server.MachineId != status.Id || server.BootId != status.BootId;
            var replaced = server with
            {
                MachineId = status.Id,
                BaseUrl = address,
                ProtectedCredential = secrets.Protect(request.Credential),
                SoftwareVersion = status.SoftwareVersion,
                BootId = status.BootId,
                Connection = isConnection ? ConnectionState.Connected : server.Connection,
                ConnectedSince = isConnection ? now : server.ConnectedSince,
                ConnectionEpisode = isConnection ? server.ConnectionEpisode + 1 : server.ConnectionEpisode,
                LastSeenAt = now,
            };
            var claimant = $"replace-machine/{server.Id}/{status.Id}";
            var changes = new List<IDomainChange>
            {
                new TakeClaims(claimant, Kind, [DutyClaim.Identity(server.Id), DutyClaim.Recorder(server.Id)], now),
                new SaveVmsServer(replaced),
                new ReleaseClaims(claimant),
                new Notify(new ChangeNotification("server", server.Id, $"The machine of {server.Name} was replaced: {status.Id} instead of {server.MachineId}.", now)),
            };
            if (isConnection)
            {
                // The next poll would find nothing new, and nobody would be told that the server is there.
                changes.Add(new AddTransition(new(
                    0, server.Id, now, server.Answers ? TransitionKind.Restarted : TransitionKind.Connected, server.Connection, replaced.Connection,
                    $"Its machine was replaced, and {status.Id} answers.", "machineReplacement", status.BootId, replaced.ConnectionEpisode)));
            }

            var isOther = server.MachineId is not null && server.MachineId != status.Id;
            if (isOther)
            {
                // Nobody could contradict what the old machine said last: it is not asked any more.
                changes.Add(new SetRecorderWordsAside(server.Id, now));
            }

            await writer.ApplyAsync(changes, cancellationToken);
            if (isOther)
            {
                seen.SetAside(server.Id, now);
            }

            return new(replaced with { Revision = server.Revision + 1 }, false, null, null);
        }
        catch (RecorderException exception)
        {
            return Refused($"The machine at {address} could not be asked who it is: {exception.Message} Check address, credential and network, then try again.");
        }
        catch (ClaimConflictException conflict)
        {
            return new(null, false, conflict.HolderInstanceId, $"A {conflict.HolderKind} is running for {server.Name}. Wait for it to end.");
        }
        catch (ConcurrentChangeException)
        {
            return Refused($"{server.Name} was changed by somebody else at the same moment. Look again, then try again.");
        }

        static ReplaceMachineResult Refused(string message) => new(null, false, null, message);
    }

    private bool IsStored(VmsServer server, string credential)
    {
        try
        {
            return secrets.CredentialOf(server) == credential;
        }
        catch (RecorderException)
        {
            // What cannot be read cannot be compared, and must not stand in the way of a new one.
            return false;
        }
    }
}
