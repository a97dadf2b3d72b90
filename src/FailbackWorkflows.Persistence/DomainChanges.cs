using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Persistence.AutomaticFailback;
using FailbackWorkflows.Persistence.AutomaticFailover;
using FailbackWorkflows.Persistence.Changes;
using FailbackWorkflows.Persistence.Connectivity;
using FailbackWorkflows.Persistence.Duties;
using FailbackWorkflows.Persistence.FailoverLog;
using FailbackWorkflows.Persistence.Licensing;
using FailbackWorkflows.Persistence.Maintenance;
using FailbackWorkflows.Persistence.MaterialCopy;
using FailbackWorkflows.Persistence.Nodes;
using FailbackWorkflows.Persistence.Obligations;
using FailbackWorkflows.Persistence.Readiness;
using FailbackWorkflows.Persistence.Reconciliation;
using FailbackWorkflows.Persistence.Settings;
using FailbackWorkflows.Persistence.SettingsCache;
using FailbackWorkflows.Persistence.VmsServers;
using FailbackWorkflows.Persistence.Workflows;
using Microsoft.EntityFrameworkCore;

namespace FailbackWorkflows.Persistence;

/// <summary>Knows what one kind of domain change means in the database.</summary>
internal abstract class DomainChangeHandler
{
    public abstract Type ChangeType { get; }

    public abstract Task ApplyAsync(WriteSession session, IDomainChange change, CancellationToken cancellationToken);
}

/// <inheritdoc/>
internal abstract class DomainChangeHandler<TChange> : DomainChangeHandler
    where TChange : IDomainChange
{
    public override Type ChangeType => typeof(TChange);

    public override Task ApplyAsync(WriteSession session, IDomainChange change, CancellationToken cancellationToken) => ApplyAsync(session, (TChange)change, cancellationToken);

    protected abstract Task ApplyAsync(WriteSession session, TChange change, CancellationToken cancellationToken);
}

/// <summary>
/// A change that gives out the next place in a feed. Such changes come last, under <see cref="DatabaseLock.Feed"/>: whoever has the lock waits for nobody
/// any more, and the next one to have it begins after his commit can be seen. So no place ever appears behind one that has been read.
/// </summary>
internal abstract class FeedChangeHandler<TChange> : DomainChangeHandler<TChange>
    where TChange : IDomainChange
{
    protected sealed override Task ApplyAsync(WriteSession session, TChange change, CancellationToken cancellationToken)
    {
        session.WriteLast(DatabaseLock.Feed, CallOf(change));
        return Task.CompletedTask;
    }

    /// <summary>The statement that puts it there.</summary>
    protected abstract StatementCall CallOf(TChange change);
}

/// <summary>A change that goes through the model.</summary>
internal abstract class ModelChangeHandler<TChange> : DomainChangeHandler<TChange>
    where TChange : IDomainChange
{
    /// <summary>What must not be done by two at once, where the rows it touches do not see to that.</summary>
    protected virtual DatabaseLock? Lock => null;

    protected override async Task ApplyAsync(WriteSession session, TChange change, CancellationToken cancellationToken)
    {
        if (Lock is { } taken)
        {
            await session.LockAsync(taken, cancellationToken);
        }

        await ApplyAsync(session.Context, change, cancellationToken);

        // What was tracked may be out of date after a later change has written past the tracker.
        session.Context.ChangeTracker.Clear();
    }

    /// <summary>Applies the change and saves it.</summary>
    protected abstract Task ApplyAsync(FailbackDbContext db, TChange change, CancellationToken cancellationToken);
}

/// <summary>All domain changes there are, one line each.</summary>
internal sealed class DomainChanges(IDatabase database, IEpochCheckpoint checkpoint)
{
    private readonly Dictionary<Type, DomainChangeHandler> _handlers = new DomainChangeHandler[]
    {
        new SaveVmsServerHandler(database),
        new DeleteVmsServerHandler(),
        new SaveFailoverLogEntryHandler(database),
        new AddTransitionHandler(database),
        new SaveAutomaticFailbackHandler(database),
        new SaveAutomaticFailoverHandler(database),
        new SaveMaintenanceModeHandler(database),
        new RequireNoMaintenanceHandler(),
        new TakeClaimsHandler(database),
        new ReleaseClaimsHandler(),
        new RequireClaimHandler(),
        new GrantEpochHandler(checkpoint),
        new RaiseFenceHandler(),
        new AcceptDutyHandler(checkpoint),
        new KeepRecorderWordsHandler(database),
        new SetRecorderWordsAsideHandler(database),
        new RequireWatchTermHandler(),
        new RequireLeaseHandler(),
        new EndRunHandler(database),
        new AddReconciliationHandler(),
        new SaveRetentionHoldHandler(database),
        new OweHandler(),
        new SettleObligationHandler(database),
        new PostponeObligationsHandler(database),
        new SaveCopyTaskHandler(database),
        new RaiseCopyFenceHandler(database),
        new KeepCoverageHandler(),
        new SaveHoldReleaseHandler(database),
        new SaveSettingsHandler(database),
        new ConfirmSettingsHandler(database),
        new InstallLicenseHandler(),
        new SaveSystemSettingHandler(),
        new SaveReadinessHandler(),
        new NotifyHandler(database),
    }.ToDictionary(h => h.ChangeType);

    /// <summary>Applies changes in order within the session's transaction; what goes into a feed goes there with the commit.</summary>
    public async Task ApplyAsync(WriteSession session, IReadOnlyList<IDomainChange> changes, CancellationToken cancellationToken)
    {
        foreach (var change in changes)
        {
            await HandlerOf(change).ApplyAsync(session, change, cancellationToken);
        }
    }

    private DomainChangeHandler HandlerOf(IDomainChange change) => _handlers.TryGetValue(change.GetType(), out var handler)
        ? handler
        : throw new InvalidOperationException($"No store knows what {change.GetType().Name} means.");
}

/// <summary>Rows with optimistic concurrency.</summary>
internal interface IVersionedRow
{
    long Revision { get; set; }
}

/// <summary>Writing for handlers.</summary>
internal static class VersionedRows
{
    /// <summary>Inserts (expected revision 0) or overwrites a row that still has the expected revision; stores the next one.</summary>
    public static async Task SaveVersionedAsync<TRow>(
        this FailbackDbContext db, IDatabase database, CompiledRead<string, TRow?> read, TRow row, string key, long expectedRevision, string what, CancellationToken cancellationToken)
        where TRow : class, IVersionedRow
    {
        // Read, although the update would notice: then only the columns that change are written, and the indexes of the others are left alone.
        var stored = await read.ExecuteAsync(db, key, cancellationToken);
        if ((stored?.Revision ?? 0) != expectedRevision)
        {
            throw new ConcurrentChangeException(what);
        }

        row.Revision = expectedRevision + 1;
        if (stored is null)
        {
            db.Add(row);
        }
        else
        {
            db.Entry(stored).CurrentValues.SetValues(row);
        }

        try
        {
            await db.SaveChangesAsync(cancellationToken);
        }
        catch (DbUpdateException exception) when (exception is DbUpdateConcurrencyException || (exception.InnerException is { } inner && database.IsUniqueViolation(inner)))
        {
            // Another writer was between the look and the write (the token on Revision, or a key, refused it).
            throw new ConcurrentChangeException(what);
        }
    }
}
