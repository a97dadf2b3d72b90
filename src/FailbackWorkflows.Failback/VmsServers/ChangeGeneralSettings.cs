using FailbackWorkflows.Failback.AutomaticFailback;
using FailbackWorkflows.Failback.AutomaticFailover;
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

/// <summary>Who may take a server's duty over, when that happens by itself, and how much the server takes over itself.</summary>
/// <param name="Group">Servers of the same group stand in for each other; 1–64 characters; null: none, so that its failover server is always chosen by a person.</param>
/// <param name="IsAutomatic">Its duty is taken over by itself; has an effect only while failover is enabled.</param>
/// <param name="AfterPolls">1 to 1,000 failed polls in a row before that.</param>
/// <param name="MostDuties">0 to 1,000: how many duties of others it has at most when it is chosen by itself.</param>
/// <param name="RoomPerDutyBytes">0 to 1 PB free above its reserve for each duty it takes over or still owes material of.</param>
public sealed record FailoverSettings(string? Group, bool IsAutomatic, int AfterPolls, int MostDuties, long RoomPerDutyBytes)
{
    public const int DefaultAfterPolls = 3;
    public const int MostAfterPolls = 1000;
    public const int DefaultMostDuties = 1;
    public const int MostMostDuties = 1000;
    public const long DefaultRoomPerDutyBytes = 1_000_000_000;
    public const long MostRoomPerDutyBytes = 1_000_000_000_000_000;
    public const int MostGroupCharacters = 64;

    public static FailoverSettings Of(VmsServer server) => new(server.FailoverGroup, server.IsAutomaticFailoverEnabled, server.FailoverAfterPolls, server.MostDutiesOfOthers, server.RoomPerDutyBytes);
}

/// <summary>Changes the general settings of a server. What they allow now is looked at at once. Doing it twice changes nothing the second time.</summary>
public sealed class ChangeGeneralSettings(IVmsServers servers, IDomainWriter writer, AutomaticFailbacks failbacks, AutomaticFailovers failovers, TimeProvider time)
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

        return await ChangeAsync(
            serverId,
            server => server with
            {
                IsFailoverEnabled = settings.IsFailoverEnabled,
                IsAutomaticFailbackEnabled = settings.IsAutomaticFailbackEnabled,
                PollInterval = settings.PollInterval,
                StabilityDelay = settings.StabilityDelay,
            },
            cancellationToken);
    }

    /// <inheritdoc cref="ExecuteAsync"/>
    public async Task<VmsServer?> ChangeFailoverAsync(string serverId, FailoverSettings settings, CancellationToken cancellationToken)
    {
        if (settings.Group is { Length: 0 or > FailoverSettings.MostGroupCharacters }
            || settings.AfterPolls is < 1 or > FailoverSettings.MostAfterPolls
            || settings.MostDuties is < 0 or > FailoverSettings.MostMostDuties
            || settings.RoomPerDutyBytes is < 0 or > FailoverSettings.MostRoomPerDutyBytes)
        {
            throw new ArgumentException($"These settings are not possible: {settings}", nameof(settings));
        }

        return await ChangeAsync(
            serverId,
            server => server with
            {
                FailoverGroup = settings.Group,
                IsAutomaticFailoverEnabled = settings.IsAutomatic,
                FailoverAfterPolls = settings.AfterPolls,
                MostDutiesOfOthers = settings.MostDuties,
                RoomPerDutyBytes = settings.RoomPerDutyBytes,
            },
            cancellationToken);
    }

    private async Task<VmsServer?> ChangeAsync(string serverId, Func<VmsServer, VmsServer> change, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            if (await servers.FindAsync(serverId, cancellationToken) is not { } server)
            {
                return null;
            }

            var changed = change(server);
            if (changed == server)
            {
                return server;
            }

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

            await failbacks.DeriveAsync(serverId, cancellationToken);
            await failovers.DeriveAsync(serverId, cancellationToken);
            return changed with { Revision = changed.Revision + 1 };
        }
    }
}
