using System.Data;

namespace FailbackWorkflows.Persistence;

/// <summary>What several transactions must not do side by side although they touch no row in common.</summary>
public enum DatabaseLock
{
    /// <summary>Giving out places in a feed that is read by "what came after": change notifications and transitions of connections.</summary>
    Feed = 1,

    /// <summary>The same for the audit log.</summary>
    AuditLog,

    /// <summary>Numbering versions of definitions.</summary>
    Publish,

    /// <summary>Turning maintenance mode on or off, and starting what it forbids.</summary>
    Maintenance,

    /// <summary>What a management server does before it serves anybody.</summary>
    Start,

    /// <summary>Sealing what was written: each checkpoint follows the one before.</summary>
    Seal,

    /// <summary>Starting, or going on with, a workflow of which only one may run.</summary>
    Activation,
}

/// <summary>
/// The few places in which the SQL of the products differs. Where there is only one writer at a time there is nobody to hold off, and all of it
/// is empty.
/// </summary>
/// <param name="Hold">Ends a <c>SELECT</c> whose answer must still be true when the transaction commits.</param>
/// <param name="HoldKey">Ends a <c>SELECT</c> whose rows must still be there when the transaction commits; they may be changed.</param>
/// <param name="Claim">Ends the <c>SELECT</c> of wake-ups <c>w</c> to claim: each goes to one transaction, and what another one has is passed over.</param>
/// <param name="TakeLock">Takes the lock <c>@lock</c> until the transaction ends; null: there is nobody to keep out.</param>
public sealed record SqlDialect(string Hold, string HoldKey, string Claim, string? TakeLock)
{
    public static SqlDialect OneWriter { get; } = new("", "", "", null);

    public static SqlDialect ManyWriters { get; } = new(" FOR SHARE", " FOR KEY SHARE", " FOR UPDATE OF w SKIP LOCKED", "SELECT pg_advisory_xact_lock(@lock)");

    /// <summary><see cref="TakeLock"/> for a batch.</summary>
    internal Statement? Lock { get; } = TakeLock is null ? null : new Statement(TakeLock, ("lock", DbType.Int64));
}
