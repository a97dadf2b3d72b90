using FailbackWorkflows.Engine.Storage;

namespace FailbackWorkflows.Failback.Policies;

/// <summary>What a failback does when a channel stays dark at the failed server.</summary>
public enum DarkChannelPolicy
{
    /// <summary>The failback is undone.</summary>
    Refuse,

    /// <summary>It goes on when at least one channel records; the dark ones are named in an alarm.</summary>
    ContinueAndAlarm,
}

/// <summary>Whether the material copy starts by itself after a failback.</summary>
public enum MaterialCopyPolicy
{
    Automatic,
    Manual,
}

/// <summary>What becomes of the material of older failovers that a failback ends together with the newest.</summary>
public enum SupersededMaterialPolicy
{
    /// <summary>It is owed like any other and gets a copy of its own.</summary>
    Copy,

    /// <summary>It is given up: an accepted loss, with the reason given when the policy was set.</summary>
    MarkDone,
}

/// <summary>Rules of the site for failbacks. Stored in <c>system_settings</c> under <c>failbackPolicy</c>.</summary>
public sealed record FailbackPolicy
{
    /// <summary>Default: <see cref="DarkChannelPolicy.Refuse"/>.</summary>
    public DarkChannelPolicy DarkChannels { get; init; } = DarkChannelPolicy.Refuse;

    /// <summary>Default: <see cref="MaterialCopyPolicy.Automatic"/>.</summary>
    public MaterialCopyPolicy MaterialCopy { get; init; } = MaterialCopyPolicy.Automatic;

    /// <summary>
    /// Bandwidth limit, in bytes per second, that a material copy begins with; it can be changed while the copy runs. At least
    /// <see cref="FailbackWorkflows.Failback.MaterialCopy.ControlMaterialCopy.LeastBytesPerSecond"/>; null (the default): no limit.
    /// </summary>
    public long? MaterialCopyBytesPerSecond { get; init; }

    /// <summary>Default: <see cref="SupersededMaterialPolicy.Copy"/>.</summary>
    public SupersededMaterialPolicy SupersededMaterial { get; init; } = SupersededMaterialPolicy.Copy;

    /// <summary>Why superseded material is given up; copied to each entry. Required with <see cref="SupersededMaterialPolicy.MarkDone"/>.</summary>
    public string? SupersededMaterialReason { get; init; }

    /// <summary>How long the failed server may take to confirm frames on every required channel; 1 s to 10 min. Default: 30 s.</summary>
    public TimeSpan ConfirmTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a server may take to confirm its part of the hand-over before that is owed and the failback goes on; 1 s to 10 min. Default: 30 s.</summary>
    public TimeSpan HandOverTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>A failback goes on by itself when the failover server does not answer, with the settings of the cache; otherwise it needs an operator's confirmation and reason. Default: false.</summary>
    public bool FailbackWithoutFailoverServer { get; init; }
}

/// <summary>Reads system settings.</summary>
public interface ISystemSettings
{
    /// <summary>The stored JSON text of a setting, or null.</summary>
    Task<string?> FindAsync(string key, CancellationToken cancellationToken);
}

/// <summary>Stores a system setting as JSON text.</summary>
public sealed record SaveSystemSetting(string Key, string Json) : IDomainChange;
