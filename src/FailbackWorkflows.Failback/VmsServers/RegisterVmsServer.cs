using System.Text.RegularExpressions;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback.Changes;
using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;

namespace FailbackWorkflows.Failback.VmsServers;

/// <summary>An administrator adds a recorder.</summary>
public sealed record RegisterVmsServerRequest(
    string Id,
    string Name,
    Uri BaseUrl,
    string Credential,
    string? FailoverGroup,
    bool IsFailoverEnabled,
    bool IsAutomaticFailbackEnabled);

/// <summary>Either the server, or why not.</summary>
/// <param name="IsDuplicate">A server with this id exists.</param>
public sealed record RegisterVmsServerResult(VmsServer? Server, bool IsDuplicate, string? Message);

/// <summary>
/// Adds a recorder after asking it who it is: learns machine id and version, takes over the duty it holds of its own identity (its epoch
/// wins over an empty registry) and puts its settings into the cache. Nothing is stored when it does not answer.
/// </summary>
public sealed partial class RegisterVmsServer(
    IVmsServers servers,
    IDuties duties,
    IRecorderClient recorders,
    ISecretProtector secrets,
    IDomainWriter writer,
    TimeProvider time)
{
    public async Task<RegisterVmsServerResult> ExecuteAsync(RegisterVmsServerRequest request, CancellationToken cancellationToken)
    {
        if (!ValidId().IsMatch(request.Id))
        {
            return new(null, false, "The id may have 1 to 64 of the characters a–z, 0–9, '-', '_' and '.'.");
        }

        if (string.IsNullOrWhiteSpace(request.Name) || request.Name.Length > 200)
        {
            return new(null, false, "The name needs 1 to 200 characters.");
        }

        if (await servers.FindAsync(request.Id, cancellationToken) is not null)
        {
            return new(null, true, $"A VMS server with the id '{request.Id}' exists already.");
        }

        var endpoint = new RecorderEndpoint(request.Id, request.BaseUrl, request.Credential);
        var now = time.GetUtcNow();
        try
        {
            var status = await recorders.GetStatusAsync(endpoint, cancellationToken);
            if (await servers.FindByMachineAsync(status.Id, cancellationToken) is { } sameMachine)
            {
                return new(null, true, $"The recorder at {request.BaseUrl} is the machine registered as '{sameMachine.Id}'.");
            }

            var server = new VmsServer
            {
                Id = request.Id,
                Name = request.Name.Trim(),
                BaseUrl = request.BaseUrl,
                ProtectedCredential = secrets.Protect(request.Credential),
                MachineId = status.Id,
                SoftwareVersion = status.SoftwareVersion,
                State = VmsServerState.Ok,
                FailoverGroup = request.FailoverGroup,
                IsFailoverEnabled = request.IsFailoverEnabled,
                IsAutomaticFailbackEnabled = request.IsAutomaticFailbackEnabled,
                Connection = ConnectionState.Connected,
                ConnectedSince = now,
                ConnectionEpisode = 1,
                LastSeenAt = now,
                BootId = status.BootId,
                CreatedAt = now,
            };
            var changes = new List<IDomainChange>
            {
                new SaveVmsServer(server),
                new AddTransition(new(0, server.Id, now, TransitionKind.Connected, ConnectionState.Connecting, ConnectionState.Connected, "It was added, and answers.", "registration", status.BootId, 1)),
            };
            var own = status.Duties.FirstOrDefault(d => d.Identity == request.Id && d.AssignedRole == DutyRole.Recorder);
            if (own is { AllocationId: not null } && await duties.FindAsync(request.Id, cancellationToken) is null)
            {
                changes.Add(new GrantEpoch(request.Id, request.Id, own.Epoch, own.AllocationId));
                if (own.Fence > 0)
                {
                    // It was another management server's, or a removed one's: what it was told then must not look like news.
                    changes.Add(new RaiseFence(request.Id, own.Fence));
                }

                var settings = await recorders.GetSettingsAsync(endpoint, request.Id, cancellationToken);
                changes.Add(new SaveSettings(CachedSettings.From(settings, request.Id, own.Epoch, now)));
            }

            changes.Add(new Notify(new ChangeNotification("server", request.Id, $"VMS server {server.Name} was added.", now)));
            await writer.ApplyAsync(changes, cancellationToken);
            return new(server with { Revision = 1 }, false, null);
        }
        catch (RecorderException exception)
        {
            return new(null, false, $"The recorder at {request.BaseUrl} could not be asked who it is: {exception.Message} Check address, credential and network, then try again.");
        }
        catch (ConcurrentChangeException)
        {
            return new(null, true, $"A VMS server with the id '{request.Id}' was added by somebody else at the same moment.");
        }
    }

    [GeneratedRegex("^[a-z0-9][a-z0-9._-]{0,63}$")]
    private static partial Regex ValidId();
}
