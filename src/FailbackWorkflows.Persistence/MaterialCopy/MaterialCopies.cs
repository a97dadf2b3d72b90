using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.MaterialCopy;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.Persistence.FailoverLog;
using Microsoft.EntityFrameworkCore;

namespace FailbackWorkflows.Persistence.MaterialCopy;

internal sealed class SaveCopyTaskHandler(IDatabase database) : ModelChangeHandler<SaveCopyTask>
{
    private static readonly CompiledRead<string, MaterialCopyTaskRow?> ById = new((db, id, _) => db.Set<MaterialCopyTaskRow>().FirstOrDefault(r => r.TaskId == id));

    protected override Task ApplyAsync(FailbackDbContext db, SaveCopyTask change, CancellationToken cancellationToken) =>
        db.SaveVersionedAsync(database, ById, MaterialCopyTaskRow.From(change.Task), change.Task.TaskId, change.Task.Revision, $"Material copy {change.Task.TaskId}", cancellationToken);
}

internal sealed class RaiseCopyFenceHandler(IDatabase database) : ModelChangeHandler<RaiseCopyFence>
{
    protected override async Task ApplyAsync(FailbackDbContext db, RaiseCopyFence change, CancellationToken cancellationToken)
    {
        var row = await db.Set<CopyFenceRow>().FindAsync([change.TaskId], cancellationToken);
        if (row is null)
        {
            db.Add(new CopyFenceRow { TaskId = change.TaskId, Fence = change.Fence });
        }
        else if (change.Fence > row.Fence)
        {
            row.Fence = change.Fence;
        }
        else
        {
            throw new ConcurrentChangeException($"The copy fence of {change.TaskId}");
        }

        try
        {
            await db.SaveChangesAsync(cancellationToken);
        }
        catch (DbUpdateException exception) when (exception is DbUpdateConcurrencyException || (exception.InnerException is { } inner && database.IsUniqueViolation(inner)))
        {
            throw new ConcurrentChangeException($"The copy fence of {change.TaskId}");
        }
    }
}

internal sealed class KeepCoverageHandler : ModelChangeHandler<KeepCoverage>
{
    protected override async Task ApplyAsync(FailbackDbContext db, KeepCoverage change, CancellationToken cancellationToken)
    {
        var coverage = change.Coverage;
        var row = new CoverageReportRow
        {
            TaskId = coverage.TaskId,
            EntryId = coverage.EntryId,
            Sha256 = coverage.Sha256,
            IsVerified = coverage.Report.IsVerified,
            Losses = coverage.Report.Losses.Count,
            KeptAt = coverage.KeptAt,
            Report = MaterialCopyTaskRow.Write(coverage.Report)!,
        };
        var stored = await db.Set<CoverageReportRow>().FindAsync([coverage.TaskId], cancellationToken);
        if (stored is null)
        {
            db.Add(row);
        }
        else
        {
            db.Entry(stored).CurrentValues.SetValues(row);
        }

        await db.SaveChangesAsync(cancellationToken);
    }
}

internal sealed class SaveHoldReleaseHandler(IDatabase database) : ModelChangeHandler<SaveHoldRelease>
{
    protected override async Task ApplyAsync(FailbackDbContext db, SaveHoldRelease change, CancellationToken cancellationToken)
    {
        var order = change.Order;
        var stored = await db.Set<HoldReleaseRow>().FindAsync([order.EntryId, order.ServerId], cancellationToken);
        if (order.Revision > 0 && order.Revision != stored?.Revision)
        {
            throw new ConcurrentChangeException(NameOf(order));
        }

        if (stored is { Release: HoldRelease.AcceptedLoss } && order.Release != HoldRelease.AcceptedLoss)
        {
            // Somebody has decided already; the decision is delivered.
            return;
        }

        var row = new HoldReleaseRow
        {
            EntryId = order.EntryId,
            ServerId = order.ServerId,
            Identity = order.Identity,
            TaskId = order.TaskId,
            Release = order.Release,
            Reason = order.Reason,
            OrderedAt = order.OrderedAt,
            Refusals = order.Refusals,
            LastError = order.LastError,
            ReleasedAt = order.ReleasedAt,
            Revision = (stored?.Revision ?? 0) + 1,
        };
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
        catch (DbUpdateException exception) when (order.Revision > 0 && (exception is DbUpdateConcurrencyException || (exception.InnerException is { } inner && database.IsUniqueViolation(inner))))
        {
            // Who names no revision means whatever is there: it is looked at once more.
            throw new ConcurrentChangeException(NameOf(order));
        }
    }

    private static string NameOf(HoldReleaseOrder order) => $"The release of the hold of {order.EntryId} at {order.ServerId}";
}

internal sealed class MaterialCopies(IDatabase database) : IMaterialCopies
{
    public async Task<MaterialCopyTask?> FindAsync(string taskId, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        return (await db.Set<MaterialCopyTaskRow>().FirstOrDefaultAsync(r => r.TaskId == taskId, cancellationToken))?.ToTask();
    }

    public async Task<MaterialCopyTask?> FindByEntryAsync(string entryId, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        return (await db.Set<MaterialCopyTaskRow>()
            .Where(r => r.EntryId == entryId && !r.IsDisputed)
            .OrderByDescending(r => r.CreatedAt)
            .ThenByDescending(r => r.TaskId)
            .FirstOrDefaultAsync(cancellationToken))?.ToTask();
    }

    public async Task<IReadOnlyList<MaterialCopyTask>> ListWatchedAsync(CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        return [.. (await db.Set<MaterialCopyTaskRow>()
            .Where(r => r.RunId != null || r.IsRevocationOwed || r.IsCancellationOwed)
            .OrderBy(r => r.CreatedAt)
            .ThenBy(r => r.TaskId)
            .ToListAsync(cancellationToken)).Select(r => r.ToTask())];
    }

    public async Task<IReadOnlyList<string>> ListDueEntriesAsync(string? after, int take, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        IQueryable<FailoverLogRow> entries = db.FailoverLog;
        if (after is not null && await db.FailoverLog.FirstOrDefaultAsync(e => e.Id == after, cancellationToken) is { } mark)
        {
            entries = entries.Where(e => e.FailoverStartedAt > mark.FailoverStartedAt || (e.FailoverStartedAt == mark.FailoverStartedAt && string.Compare(e.Id, mark.Id) > 0));
        }

        return await entries
            .Where(e => e.MaterialCopy == MaterialCopyState.Queued && (e.Failback == FailbackState.Done || e.Failover == FailoverState.Failed)
                && !db.Set<MaterialCopyTaskRow>().Any(t => t.EntryId == e.Id && t.RunId != null && !t.IsDisputed))
            .OrderBy(e => e.FailoverStartedAt)
            .ThenBy(e => e.Id)
            .Select(e => e.Id)
            .Take(take)
            .ToListAsync(cancellationToken);
    }

    public async Task<string?> FindOldestOwedEntryAsync(string failedServerId, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        return await db.FailoverLog
            .Where(e => e.FailedServerId == failedServerId
                && ((e.Failover == FailoverState.Done && e.Failback == FailbackState.Done) || (e.Failover == FailoverState.Failed && e.LastTimes != null))
                && e.MaterialCopy != MaterialCopyState.Copied && e.MaterialCopy != MaterialCopyState.LossesAccepted && e.MaterialCopy != MaterialCopyState.NothingToCopy)
            .OrderBy(e => e.FailoverStartedAt)
            .ThenBy(e => e.Id)
            .Select(e => e.Id)
            .FirstOrDefaultAsync(cancellationToken);
    }

    public async Task<long> GetFenceAsync(string taskId, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        return await db.Set<CopyFenceRow>().Where(r => r.TaskId == taskId).Select(r => r.Fence).FirstOrDefaultAsync(cancellationToken);
    }

    public async Task<KeptCoverage?> FindCoverageAsync(string entryId, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        return (await db.Set<CoverageReportRow>()
            .Where(r => r.EntryId == entryId && !db.Set<MaterialCopyTaskRow>().Any(t => t.TaskId == r.TaskId && t.IsDisputed))
            .OrderByDescending(r => r.KeptAt)
            .FirstOrDefaultAsync(cancellationToken))?.ToCoverage();
    }

    public async Task<KeptCoverage?> FindCoverageOfTaskAsync(string taskId, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        return (await db.Set<CoverageReportRow>().FirstOrDefaultAsync(r => r.TaskId == taskId, cancellationToken))?.ToCoverage();
    }

    public async Task<HoldReleaseOrder?> FindReleaseAsync(string entryId, string serverId, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        return (await db.Set<HoldReleaseRow>().FirstOrDefaultAsync(r => r.EntryId == entryId && r.ServerId == serverId, cancellationToken))?.ToOrder();
    }

    public async Task<IReadOnlyList<HoldReleaseOrder>> ListOwedReleasesAsync(CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        return [.. (await db.Set<HoldReleaseRow>().Where(r => r.ReleasedAt == null).OrderBy(r => r.OrderedAt).ThenBy(r => r.EntryId).ToListAsync(cancellationToken)).Select(r => r.ToOrder())];
    }

    public async Task<RetentionHold?> FindHoldAsync(string entryId, string serverId, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        return await db.RetentionHolds
            .Where(r => r.EntryId == entryId && r.ServerId == serverId)
            .Select(r => new RetentionHold(r.EntryId, r.ServerId, r.Identity, r.FromUtc, r.ToUtc))
            .FirstOrDefaultAsync(cancellationToken);
    }
}
