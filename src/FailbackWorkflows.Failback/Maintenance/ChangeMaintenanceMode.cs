using FailbackWorkflows.Engine;
using FailbackWorkflows.Failback.AutomaticFailback;
using FailbackWorkflows.Failback.Changes;
using FailbackWorkflows.Failback.VmsServers;
using Microsoft.Extensions.Logging;

namespace FailbackWorkflows.Failback.Maintenance;

/// <summary>What became of it: the mode as it is now, or a sentence.</summary>
/// <param name="IsUnknown">There is no such server.</param>
public sealed record ChangeMaintenanceResult(MaintenanceMode? Mode, bool IsUnknown, string? Message);

/// <summary>
/// Turns maintenance mode on and off, for the system or one server. What it held back is looked at at once when it ends. Doing it twice is
/// harmless: turning it on again changes reason and end, turning it off again nothing.
/// </summary>
public sealed class ChangeMaintenanceMode(
    IMaintenanceModes modes, IVmsServers servers, IDomainWriter writer, AutomaticFailbacks automatic, TimeProvider time, ILogger<ChangeMaintenanceMode> logger)
{
    private const int MostAttempts = 5;

    /// <param name="serverId">Null: the whole system.</param>
    /// <param name="reason">Required.</param>
    /// <param name="endsAt">When it ends by itself; must lie in the future.</param>
    public Task<ChangeMaintenanceResult> TurnOnAsync(string? serverId, string reason, DateTimeOffset? endsAt, Actor actor, CancellationToken cancellationToken) =>
        ChangeAsync(
            serverId,
            (former, now) =>
            {
                if (endsAt <= now)
                {
                    return (null, "The end lies in the past. Give a later one, or none.");
                }

                var goesOn = former?.IsActive(now) == true;
                return (new MaintenanceMode
                {
                    Scope = MaintenanceMode.ScopeOf(serverId),
                    IsOn = true,
                    Reason = reason.Trim(),
                    StartedBy = actor.Name,
                    StartedAt = goesOn ? former!.StartedAt : now,
                    EndsAt = endsAt,
                    Episode = (former?.Episode ?? 0) + (goesOn ? 0 : 1),
                    Revision = former?.Revision ?? 0,
                }, null);
            },
            mode => $"{mode.Sentence} Nothing is failed back by itself.",
            cancellationToken);

    /// <inheritdoc cref="TurnOnAsync"/>
    public async Task<ChangeMaintenanceResult> TurnOffAsync(string? serverId, Actor actor, CancellationToken cancellationToken)
    {
        var result = await ChangeAsync(
            serverId,
            (former, now) => (former?.IsOn == true ? former with { IsOn = false, EndedAt = now, EndedBy = actor.Name } : former, null),
            _ => $"Maintenance mode is off {(serverId is null ? "for the whole system" : $"for the server {serverId}")}.",
            cancellationToken);
        if (!result.IsUnknown)
        {
            await automatic.DeriveAllAsync(cancellationToken);
        }

        return result;
    }

    /// <summary>Turns off what has come to its end. It did not hold any more; this makes it known.</summary>
    public async Task EndExpiredAsync(CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        foreach (var mode in await modes.ListOnAsync(cancellationToken))
        {
            if (!mode.IsActive(now))
            {
                try
                {
                    await writer.ApplyAsync(
                        [
                            new SaveMaintenanceMode(mode with { IsOn = false, EndedAt = mode.EndsAt, EndedBy = Actor.System.Name }),
                            new Notify(new ChangeNotification("maintenance", mode.ServerId, "Maintenance mode has ended by itself.", now)),
                        ],
                        cancellationToken);
                }
                catch (ConcurrentChangeException)
                {
                    logger.LogDebug("The maintenance mode of {Scope} was changed at the moment it ended", mode.Scope);
                }
            }
        }
    }

    private async Task<ChangeMaintenanceResult> ChangeAsync(
        string? serverId,
        Func<MaintenanceMode?, DateTimeOffset, (MaintenanceMode? Mode, string? WhyNot)> change,
        Func<MaintenanceMode, string> news,
        CancellationToken cancellationToken)
    {
        if (serverId is not null && await servers.FindAsync(serverId, cancellationToken) is null)
        {
            return new(null, true, $"There is no VMS server '{serverId}'.");
        }

        for (var attempt = 1; ; attempt++)
        {
            var now = time.GetUtcNow();
            var former = await modes.FindAsync(MaintenanceMode.ScopeOf(serverId), cancellationToken);
            var (mode, whyNot) = change(former, now);
            if (mode is null || mode == former)
            {
                return new(mode, false, whyNot);
            }

            try
            {
                await writer.ApplyAsync([new SaveMaintenanceMode(mode), new Notify(new ChangeNotification("maintenance", serverId, news(mode), now))], cancellationToken);
                return new(mode with { Revision = mode.Revision + 1 }, false, null);
            }
            catch (ConcurrentChangeException) when (attempt < MostAttempts)
            {
                // Somebody else changed it between the look and the write.
            }
        }
    }
}
