using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback.Changes;
using FailbackWorkflows.Recorders;

namespace FailbackWorkflows.Failback.VmsServers;

/// <summary>Either the server as it is now, or why nothing was changed.</summary>
public sealed record ChangeAddressResult(VmsServer? Server, bool IsUnknown, string? Message);

/// <summary>
/// Gives a server another name, and another address of the same machine; a new address is asked first who answers there. Its id, duty and history
/// stay. Needs no claim, like <see cref="ChangeCredential"/>: a run at work goes on at whichever address it reads. Another machine is a matter
/// for <see cref="ReplaceMachine"/>. Doing it twice changes nothing more.
/// </summary>
public sealed class ChangeAddress(IVmsServers servers, IRecorderClient recorders, ISecretProtector secrets, IDomainWriter writer, TimeProvider time)
{
    private const int MostAttempts = 5;

    /// <param name="name">1–200 characters.</param>
    /// <param name="baseUrl">Checked by <see cref="RegisterVmsServer"/>'s rules before.</param>
    public async Task<ChangeAddressResult> ExecuteAsync(string serverId, string name, Uri baseUrl, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            if (await servers.FindAsync(serverId, cancellationToken) is not { } server)
            {
                return new(null, true, $"There is no VMS server '{serverId}'.");
            }

            if (server.Name == name && server.BaseUrl == baseUrl)
            {
                return new(server, false, null);
            }

            if (server.BaseUrl != baseUrl && await FindObjectionAsync(server, baseUrl, cancellationToken) is { } objection)
            {
                return new(null, false, objection);
            }

            var changed = server with { Name = name, BaseUrl = baseUrl };
            try
            {
                await writer.ApplyAsync(
                    [new SaveVmsServer(changed), new Notify(new ChangeNotification("server", serverId, $"{server.Name} is {name} at {baseUrl} now.", time.GetUtcNow()))],
                    cancellationToken);
                return new(changed with { Revision = server.Revision + 1 }, false, null);
            }
            catch (ConcurrentChangeException) when (attempt < MostAttempts)
            {
                // A poll has written what it saw; name and address are written into the row as it is now.
            }
        }
    }

    private async Task<string?> FindObjectionAsync(VmsServer server, Uri baseUrl, CancellationToken cancellationToken)
    {
        try
        {
            var status = await recorders.GetStatusAsync(new RecorderEndpoint(server.Id, baseUrl, secrets.CredentialOf(server)), cancellationToken);
            return server.MachineId is null || status.Id == server.MachineId
                ? null
                : $"The machine at {baseUrl} is not {server.Name}: its id is {status.Id}, known is {server.MachineId}. If the machine was exchanged, replace the machine instead.";
        }
        catch (RecorderException exception)
        {
            return $"Nobody could be asked at {baseUrl}: {exception.Message} Check address and network, then try again.";
        }
    }
}
