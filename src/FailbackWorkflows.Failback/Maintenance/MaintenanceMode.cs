using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Storage;

namespace FailbackWorkflows.Failback.Maintenance;

/// <summary>
/// While it is on, nothing is failed back by itself: for the whole system, or for one server. An operator may still fail back when an
/// administrator overrides it with a reason.
/// </summary>
public sealed record MaintenanceMode
{
    /// <summary>Scope of the whole system.</summary>
    public const string System = "system";

    /// <summary><see cref="System"/>, or <c>server:ID</c>.</summary>
    public required string Scope { get; init; }

    /// <summary>Somebody has turned it on and nobody off; whether it still holds is <see cref="IsActive"/>.</summary>
    public required bool IsOn { get; init; }

    /// <summary>Why it was turned on.</summary>
    public required string Reason { get; init; }

    public required string StartedBy { get; init; }

    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>When it ends by itself; null: when somebody turns it off.</summary>
    public DateTimeOffset? EndsAt { get; init; }

    public string? EndedBy { get; init; }

    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>Grows each time it is turned on.</summary>
    public long Episode { get; init; }

    /// <summary>Optimistic concurrency: grows by one with every change; 0 = not stored yet.</summary>
    public long Revision { get; init; }

    /// <summary>The server it is for; null: all.</summary>
    public string? ServerId => Scope == System ? null : Scope["server:".Length..];

    public static string ScopeOf(string? serverId) => serverId is null ? System : $"server:{serverId}";

    public bool IsActive(DateTimeOffset now) => IsOn && !(EndsAt <= now);

    /// <summary>What an operator is told who wants to do something that it forbids.</summary>
    public string Sentence => $"Maintenance mode is on for {(ServerId is { } id ? $"the server {id}" : "the whole system")} since {StartedAt:u} ({StartedBy}: {Reason}){(EndsAt is { } end ? $", until {end:u}" : "")}.";
}

/// <summary>Reads maintenance modes.</summary>
public interface IMaintenanceModes
{
    /// <summary>The scope's last one, on or off; null: it never was on.</summary>
    Task<MaintenanceMode?> FindAsync(string scope, CancellationToken cancellationToken);

    /// <summary>All that are turned on, those included whose end has passed.</summary>
    Task<IReadOnlyList<MaintenanceMode>> ListOnAsync(CancellationToken cancellationToken);
}

/// <summary>Adds (revision 0) or changes a maintenance mode. Throws <see cref="ConcurrentChangeException"/> when somebody else changed it since it was read.</summary>
public sealed record SaveMaintenanceMode(MaintenanceMode Mode) : IDomainChange;

/// <summary>Changes nothing; lets the transaction through only when no maintenance mode is on for the server. Throws <see cref="MaintenanceModeOnException"/>.</summary>
public sealed record RequireNoMaintenance(string ServerId, DateTimeOffset At) : IDomainChange;

/// <summary>Maintenance mode is on.</summary>
public sealed class MaintenanceModeOnException(MaintenanceMode mode)
    : WorkflowRefusedException("maintenance-mode", $"{mode.Sentence} Turn it off, or have an administrator override it with a reason.")
{
    public MaintenanceMode Mode { get; } = mode;
}

/// <summary>The maintenance mode that holds for a server now.</summary>
public static class MaintenanceModeReading
{
    /// <summary>The system's before the server's own; null: none.</summary>
    public static async Task<MaintenanceMode?> FindActiveAsync(this IMaintenanceModes modes, string serverId, DateTimeOffset now, CancellationToken cancellationToken)
    {
        foreach (var scope in new[] { MaintenanceMode.System, MaintenanceMode.ScopeOf(serverId) })
        {
            if (await modes.FindAsync(scope, cancellationToken) is { } mode && mode.IsActive(now))
            {
                return mode;
            }
        }

        return null;
    }
}
