using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback.Changes;
using FailbackWorkflows.Recorders;

namespace FailbackWorkflows.Failback.VmsServers;

/// <summary>Either the server as it is now, or why nothing was changed.</summary>
public sealed record ChangeCredentialResult(VmsServer? Server, bool IsUnknown, string? Message);

/// <summary>
/// Stores another credential of the same machine, after asking it who it is with that credential. Needs no claim: nothing is commanded, and a
/// run at work goes on with whichever credential it reads. Another machine is a matter for <see cref="ReplaceMachine"/>. Doing it twice does no harm.
/// </summary>
public sealed class ChangeCredential(IVmsServers servers, IRecorderClient recorders, ISecretProtector secrets, IDomainWriter writer, TimeProvider time)
{
    private const int MostAttempts = 5;

    public async Task<ChangeCredentialResult> ExecuteAsync(string serverId, string credential, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            if (await servers.FindAsync(serverId, cancellationToken) is not { } server)
            {
                return new(null, true, $"There is no VMS server '{serverId}'.");
            }

            try
            {
                var status = await recorders.GetStatusAsync(new RecorderEndpoint(server.Id, server.BaseUrl, credential), cancellationToken);
                if (server.MachineId is not null && status.Id != server.MachineId)
                {
                    return new(null, false, $"The machine at {server.BaseUrl} is not {server.Name}: its id is {status.Id}, known is {server.MachineId}. If it was exchanged, replace the machine instead.");
                }
            }
            catch (RecorderException exception)
            {
                return new(null, false, $"{server.Name} could not be asked with this credential: {exception.Message} Check it, then try again.");
            }

            var changed = server with { ProtectedCredential = secrets.Protect(credential) };
            try
            {
                await writer.ApplyAsync(
                    [new SaveVmsServer(changed), new Notify(new ChangeNotification("server", serverId, $"The credential of {server.Name} was entered anew.", time.GetUtcNow()))],
                    cancellationToken);
                return new(changed with { Revision = server.Revision + 1 }, false, null);
            }
            catch (ConcurrentChangeException) when (attempt < MostAttempts)
            {
                // A poll has written what it saw; the credential is written into the row as it is now.
            }
        }
    }
}
