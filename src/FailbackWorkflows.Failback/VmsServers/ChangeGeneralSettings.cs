using FailbackWorkflows.Failback.AutomaticFailback;
using FailbackWorkflows.Failback.Changes;

namespace FailbackWorkflows.Failback.VmsServers;

/// <summary>The general settings of a VMS server.</summary>
/// <param name="IsFailoverEnabled">Its duty may be taken over, and it may take over others'.</param>
/// <param name="IsAutomaticFailbackEnabled">Its duty comes home by itself; possible only with failover enabled.</param>
/// <param name="PollInterval">1 s to 1 h; null: as the site has it.</param>
/// <param name="StabilityDelay">0 s to 24 h.</param>
public sealed record GeneralSettings(bool IsFailoverEnabled, bool IsAutomaticFailbackEnabled, TimeSpan? PollInterval, TimeSpan StabilityDelay)
{
    public static readonly TimeSpan ShortestPollInterval = TimeSpan.FromSeconds(1);
    public static readonly TimeSpan LongestPollInterval = TimeSpan.FromHours(1);
    public static readonly TimeSpan LongestStabilityDelay = TimeSpan.FromHours(24);

    public static GeneralSettings Of(VmsServer server) => new(server.IsFailoverEnabled, server.IsAutomaticFailbackEnabled, server.PollInterval, server.StabilityDelay);
}

/// <summary>Changes the general settings of a server. What they allow now is looked at at once. Doing it twice changes nothing the second time.</summary>
public sealed class ChangeGeneralSettings(IVmsServers servers, IDomainWriter writer, AutomaticFailbacks automatic, TimeProvider time)
{
    private const int MostAttempts = 5;

    /// <summary>The server as it is now; null: there is no such server. Throws <see cref="ArgumentException"/> for settings out of range: whoever reads them checks them first.</summary>
    public async Task<VmsServer?> ExecuteAsync(string serverId, GeneralSettings settings, CancellationToken cancellationToken)
    {
        if (settings is { IsAutomaticFailbackEnabled: true, IsFailoverEnabled: false }
            || settings.PollInterval < GeneralSettings.ShortestPollInterval
            || settings.PollInterval > GeneralSettings.LongestPollInterval
            || settings.StabilityDelay < TimeSpan.Zero
            || settings.StabilityDelay > GeneralSettings.LongestStabilityDelay)
        {
            throw new ArgumentException($"These settings are not possible: {settings}", nameof(settings));
        }

        for (var attempt = 1; ; attempt++)
        {
            if (await servers.FindAsync(serverId, cancellationToken) is not { } server)
            {
                return null;
            }

            if (GeneralSettings.Of(server) == settings)
            {
                return server;
            }

            var changed = server with
            {
                IsFailoverEnabled = settings.IsFailoverEnabled,
                IsAutomaticFailbackEnabled = settings.IsAutomaticFailbackEnabled,
                PollInterval = settings.PollInterval,
                StabilityDelay = settings.StabilityDelay,
            };
            try
            {
                await writer.ApplyAsync(
                    [new SaveVmsServer(changed), new Notify(new ChangeNotification("server", serverId, $"The settings of {server.Name} were changed.", time.GetUtcNow()))],
                    cancellationToken);
            }
            catch (ConcurrentChangeException) when (attempt < MostAttempts)
            {
                // A poll has written what it saw; the settings are written into the row as it is now.
                continue;
            }

            await automatic.DeriveAsync(serverId, cancellationToken);
            return changed with { Revision = changed.Revision + 1 };
        }
    }
}
