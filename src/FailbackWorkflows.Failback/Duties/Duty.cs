using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Storage;

namespace FailbackWorkflows.Failback.Duties;

/// <summary>Who has the duty of a recorded identity, as the management server granted it; with the fence of whoever may act for it.</summary>
/// <param name="Identity">The recorder whose duty it is.</param>
/// <param name="HolderServerId">The server the current epoch was granted to.</param>
/// <param name="Epoch">Current epoch.</param>
/// <param name="AllocationId">Who allocated it: <c>instance/execution</c>, or <c>seed</c>.</param>
/// <param name="Fence">Fence of the newest acquisition; outlives claims.</param>
public sealed record Duty(string Identity, string HolderServerId, long Epoch, string AllocationId, long Fence);

/// <summary>One claimed thing: a recorded identity or a participating recorder.</summary>
/// <param name="Key"><c>identity:X</c> or <c>recorder:X</c>.</param>
/// <param name="Kind">What the claiming run does: <c>failback</c>, <c>failover</c>.</param>
public sealed record DutyClaim(string Key, string InstanceId, string Kind, DateTimeOffset TakenAt)
{
    public static string Identity(string identity) => $"identity:{identity}";

    public static string Recorder(string serverId) => $"recorder:{serverId}";
}

/// <summary>Reads duties and claims.</summary>
public interface IDuties
{
    /// <summary>Grows with every grant that this process commits.</summary>
    long Version { get; }

    Task<Duty?> FindAsync(string identity, CancellationToken cancellationToken);

    Task<IReadOnlyList<Duty>> ListAsync(CancellationToken cancellationToken);

    /// <summary>The duties of these identities, by identity.</summary>
    Task<IReadOnlyList<Duty>> ListAsync(IReadOnlyCollection<string> identities, CancellationToken cancellationToken);

    /// <summary>The duties that these servers have, by identity.</summary>
    Task<IReadOnlyList<Duty>> ListHeldAsync(IReadOnlyCollection<string> holderServerIds, CancellationToken cancellationToken);

    Task<IReadOnlyList<DutyClaim>> ListClaimsAsync(string instanceId, CancellationToken cancellationToken);

    Task<DutyClaim?> FindClaimAsync(string key, CancellationToken cancellationToken);

    /// <summary>All claims there are: one or two for each run at work.</summary>
    Task<IReadOnlyList<DutyClaim>> ListClaimsAsync(CancellationToken cancellationToken);
}

/// <summary>Takes all claims for an instance or none. Throws <see cref="ClaimConflictException"/> naming the holder. A claim the instance has already is no conflict.</summary>
public sealed record TakeClaims(string InstanceId, string Kind, IReadOnlyList<string> Keys, DateTimeOffset At) : IDomainChange;

/// <summary>Releases an instance's claims, except one key when given. Harmless when there is none.</summary>
public sealed record ReleaseClaims(string InstanceId, string? ExceptKey = null) : IDomainChange;

/// <summary>Holds a claim until the commit. Throws <see cref="ConcurrentChangeException"/> when the instance does not have it (any more): somebody who may has taken it away.</summary>
public sealed record RequireClaim(string InstanceId, string Key) : IDomainChange;

/// <summary>Records that an epoch was granted (the intent, committed before the recorder hears of it). Throws <see cref="ConcurrentChangeException"/> unless it is larger than the stored one or the same grant again. Creates the duty with fence 0 when it is new.</summary>
public sealed record GrantEpoch(string Identity, string HolderServerId, long Epoch, string AllocationId) : IDomainChange;

/// <summary>Raises the fence of an identity. Throws <see cref="ConcurrentChangeException"/> unless it is larger than the stored one.</summary>
public sealed record RaiseFence(string Identity, long Fence) : IDomainChange;

/// <summary>Another run has the duty or one of its recorders.</summary>
public sealed class ClaimConflictException(string key, string holderInstanceId, string holderKind)
    : WorkflowRefusedException("claim-conflict", $"{key} is held by {holderKind} run {holderInstanceId}.")
{
    public string Key { get; } = key;

    public string HolderInstanceId { get; } = holderInstanceId;

    public string HolderKind { get; } = holderKind;
}

/// <summary>Mirror of a retention hold on a recorder.</summary>
public sealed record RetentionHold(string EntryId, string ServerId, string Identity, DateTimeOffset FromUtc, DateTimeOffset? ToUtc)
{
    /// <summary>What the recorder is told it is for.</summary>
    public const string Reason = "Material recorded during the failover";
}

/// <summary>Adds or updates the mirror of a hold.</summary>
public sealed record SaveRetentionHold(RetentionHold Hold) : IDomainChange;
