using System.Text.Json;
using FailbackWorkflows.Failback.Clocks;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.VmsServers;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace FailbackWorkflows.Persistence.FailoverLog;

internal sealed class FailoverLogRow : IVersionedRow
{
    public required string Id { get; set; }

    public required string FailedServerId { get; set; }

    public required string FailoverServerId { get; set; }

    public FailoverState Failover { get; set; }

    public FailbackState Failback { get; set; }

    public MaterialCopyState MaterialCopy { get; set; }

    /// <summary>Derived from the states; stored because lists are cut by it.</summary>
    public bool IsActive { get; set; }

    public DateTimeOffset FailoverStartedAt { get; set; }

    public DateTimeOffset? FailoverEndedAt { get; set; }

    public DateTimeOffset? FailbackStartedAt { get; set; }

    public DateTimeOffset? FailbackEndedAt { get; set; }

    public string? FailoverRunId { get; set; }

    public string? FailbackRunId { get; set; }

    public required string StartedBy { get; set; }

    public string? Reason { get; set; }

    public string? ExternalId { get; set; }

    public string? Message { get; set; }

    public string? ClosedByEntryId { get; set; }

    public string? LastTimes { get; set; }

    public string? AuthorityEnds { get; set; }

    public string? Clocks { get; set; }

    public long Revision { get; set; }

    public static void Configure(EntityTypeBuilder<FailoverLogRow> row)
    {
        row.ToTable("failover_log");
        row.HasKey(r => r.Id);
        row.Property(r => r.Revision).IsConcurrencyToken();
        row.Property(r => r.Failover).HasConversion<string>();
        row.Property(r => r.Failback).HasConversion<string>();
        row.Property(r => r.MaterialCopy).HasConversion<string>();
        row.HasIndex(r => r.ExternalId).IsUnique();
        row.HasIndex(r => new { r.IsActive, r.FailoverStartedAt, r.Id });
        row.HasIndex(r => new { r.FailoverStartedAt, r.Id });
        row.HasIndex(r => new { r.FailedServerId, r.FailoverStartedAt, r.Id });
        row.HasIndex(r => new { r.FailoverServerId, r.FailoverStartedAt });

        // Of a server on a page: whether an entry of it is open. Hundreds are in an outage, and each is looked at for every server otherwise.
        row.HasIndex(r => r.FailedServerId, "IX_failover_log_open").HasFilter($"is_active AND failback <> '{nameof(FailbackState.Done)}'");

        // What is left to do is a handful of entries among a million that are done with.
        row.HasIndex(r => r.FailoverStartedAt).HasFilter($"failover = '{nameof(FailoverState.Failed)}' AND material_copy = '{nameof(MaterialCopyState.NotStarted)}' AND last_times IS NULL");
        row.HasIndex(r => r.FailoverServerId).HasFilter(
            $"material_copy NOT IN ('{nameof(MaterialCopyState.Copied)}', '{nameof(MaterialCopyState.NothingToCopy)}', '{nameof(MaterialCopyState.LossesAccepted)}')");
    }

    public static FailoverLogRow From(FailoverLogEntry entry) => new()
    {
        Id = entry.Id,
        FailedServerId = entry.FailedServerId,
        FailoverServerId = entry.FailoverServerId,
        Failover = entry.Failover,
        Failback = entry.Failback,
        MaterialCopy = entry.MaterialCopy,
        IsActive = entry.IsActive,
        FailoverStartedAt = entry.FailoverStartedAt,
        FailoverEndedAt = entry.FailoverEndedAt,
        FailbackStartedAt = entry.FailbackStartedAt,
        FailbackEndedAt = entry.FailbackEndedAt,
        FailoverRunId = entry.FailoverRunId,
        FailbackRunId = entry.FailbackRunId,
        StartedBy = entry.StartedBy,
        Reason = entry.Reason,
        ExternalId = entry.ExternalId,
        Message = entry.Message,
        ClosedByEntryId = entry.ClosedByEntryId,
        LastTimes = Write(entry.LastTimes),
        AuthorityEnds = Write(entry.AuthorityEnds),
        Clocks = entry.Clocks is null ? null : JsonSerializer.Serialize(entry.Clocks),
    };

    public FailoverLogEntry ToEntry() => new()
    {
        Id = Id,
        FailedServerId = FailedServerId,
        FailoverServerId = FailoverServerId,
        Failover = Failover,
        Failback = Failback,
        MaterialCopy = MaterialCopy,
        FailoverStartedAt = FailoverStartedAt,
        FailoverEndedAt = FailoverEndedAt,
        FailbackStartedAt = FailbackStartedAt,
        FailbackEndedAt = FailbackEndedAt,
        FailoverRunId = FailoverRunId,
        FailbackRunId = FailbackRunId,
        StartedBy = StartedBy,
        Reason = Reason,
        ExternalId = ExternalId,
        Message = Message,
        ClosedByEntryId = ClosedByEntryId,
        LastTimes = Read(LastTimes),
        AuthorityEnds = Read(AuthorityEnds),
        Clocks = Clocks is null ? null : JsonSerializer.Deserialize<EntryClocks>(Clocks),
        Revision = Revision,
    };

    private static string? Write(IReadOnlyDictionary<string, DateTimeOffset>? times) => times is null ? null : JsonSerializer.Serialize(times);

    private static Dictionary<string, DateTimeOffset>? Read(string? json) => json is null ? null : JsonSerializer.Deserialize<Dictionary<string, DateTimeOffset>>(json);
}

internal sealed class SaveFailoverLogEntryHandler(IDatabase database) : ModelChangeHandler<SaveFailoverLogEntry>
{
    private static readonly CompiledRead<string, FailoverLogRow?> ById = new((db, id, _) => db.FailoverLog.FirstOrDefault(r => r.Id == id));

    protected override Task ApplyAsync(FailbackDbContext db, SaveFailoverLogEntry change, CancellationToken cancellationToken) =>
        db.SaveVersionedAsync(database, ById, FailoverLogRow.From(change.Entry), change.Entry.Id, change.Entry.Revision, $"Failover log entry {change.Entry.Id}", cancellationToken);
}

internal sealed class FailoverLog(IDatabase database) : IFailoverLog
{
    private const int MostPerPage = 200;

    private static readonly CompiledRead<string, FailoverLogRow?> ById = new((db, id, _) => db.FailoverLog.FirstOrDefault(r => r.Id == id));
    private static readonly CompiledList<string, FailoverLogRow> OpenOf = new((db, failedServerId) => db.FailoverLog
        .Where(r => r.FailedServerId == failedServerId && r.IsActive && r.Failback != FailbackState.Done)
        .OrderByDescending(r => r.FailoverStartedAt)
        .ThenByDescending(r => r.Id));

    private static readonly CompiledList<bool, FailoverLogRow> Open = new((db, isActive) => db.FailoverLog
        .Where(r => r.IsActive == isActive && r.Failback != FailbackState.Done)
        .OrderByDescending(r => r.FailoverStartedAt)
        .ThenByDescending(r => r.Id));

    private static readonly CompiledList<string[], FailoverLogRow> OpenOfThese = new((db, failedServerIds) => db.FailoverLog
        .Where(r => failedServerIds.Contains(r.FailedServerId) && r.IsActive && r.Failback != FailbackState.Done)
        .OrderByDescending(r => r.FailoverStartedAt)
        .ThenByDescending(r => r.Id));

    private static readonly CompiledList<bool, string> ServersToFailBack = new((db, isActive) => db.FailoverLog
        .Where(r => r.IsActive == isActive && r.Failover == FailoverState.Done && (r.Failback == FailbackState.NotStarted || r.Failback == FailbackState.Failed))
        .Where(r => db.Servers.Any(s => s.Id == r.FailedServerId && s.IsFailoverEnabled && s.IsAutomaticFailbackEnabled))
        .Select(r => r.FailedServerId)
        .Distinct());

    public async Task<FailoverLogEntry?> FindAsync(string entryId, CancellationToken cancellationToken) => (await ById.ExecuteAsync(database, entryId, cancellationToken))?.ToEntry();

    public async Task<FailoverLogEntry?> FindByExternalIdAsync(string externalId, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        return (await db.FailoverLog.FirstOrDefaultAsync(r => r.ExternalId == externalId, cancellationToken))?.ToEntry();
    }

    public async Task<IReadOnlyList<FailoverLogEntry>> ListAsync(FailoverLogQuery query, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        IQueryable<FailoverLogRow> rows = db.FailoverLog;
        if (query.View != FailoverLogView.All)
        {
            var active = query.View == FailoverLogView.Active;
            rows = rows.Where(r => r.IsActive == active);
        }

        if (query.Before is { } before)
        {
            var mark = await db.FailoverLog.Where(r => r.Id == before).Select(r => new { r.FailoverStartedAt, r.Id }).FirstOrDefaultAsync(cancellationToken);
            if (mark is null)
            {
                return [];
            }

            // The first condition says nothing new. It is where the index begins, also for a database that does not conclude it from the second.
            rows = rows.Where(r => r.FailoverStartedAt <= mark.FailoverStartedAt);
            rows = rows.Where(r => r.FailoverStartedAt < mark.FailoverStartedAt || (r.FailoverStartedAt == mark.FailoverStartedAt && string.Compare(r.Id, mark.Id) < 0));
        }

        if (query.Since is { } since)
        {
            rows = rows.Where(r => r.FailoverStartedAt >= since);
        }

        if (query.Until is { } until)
        {
            rows = rows.Where(r => r.FailoverStartedAt < until);
        }

        var take = Math.Clamp(query.Take, 1, MostPerPage);
        if (query.ServerIds is { } named)
        {
            var servers = named.Distinct(StringComparer.Ordinal).Take(FailoverLogQuery.MostServers).ToList();
            if (servers.Count == 0)
            {
                return [];
            }

            rows = OfServers(rows, servers, take);
        }

        var page = await Newest(rows, take).ToListAsync(cancellationToken);
        return [.. page.Select(r => r.ToEntry())];
    }

    /// <summary>Each server and role by an index of its own: of the entries of all servers those of one may be very few.</summary>
    private static IQueryable<FailoverLogRow> OfServers(IQueryable<FailoverLogRow> rows, List<string> servers, int take) => servers
        .SelectMany(server => new[]
        {
            Newest(rows.Where(r => r.FailedServerId == server), take),
            Newest(rows.Where(r => r.FailoverServerId == server && !servers.Contains(r.FailedServerId)), take),
        })
        .Aggregate((one, other) => one.Concat(other));

    private static IQueryable<FailoverLogRow> Newest(IQueryable<FailoverLogRow> rows, int take) =>
        rows.OrderByDescending(r => r.FailoverStartedAt).ThenByDescending(r => r.Id).Take(take);

    public async Task<IReadOnlyDictionary<string, string>> ListFailedServersAsync(IReadOnlyCollection<string> entryIds, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        return await db.FailoverLog.Where(r => entryIds.Contains(r.Id)).ToDictionaryAsync(r => r.Id, r => r.FailedServerId, StringComparer.Ordinal, cancellationToken);
    }

    public async Task<IReadOnlyList<FailoverLogEntry>> ListUnsettledAsync(int take, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        var rows = await db.FailoverLog
            .Where(r => r.Failover == FailoverState.Failed && r.MaterialCopy == MaterialCopyState.NotStarted && r.LastTimes == null)
            .OrderBy(r => r.FailoverStartedAt)
            .ThenBy(r => r.Id)
            .Take(take)
            .ToListAsync(cancellationToken);
        return [.. rows.Select(r => r.ToEntry())];
    }

    public Task<IReadOnlyList<FailoverLogEntry>> ListOpenAsync(CancellationToken cancellationToken) => Open.ExecuteAsync(database, true, r => r.ToEntry(), cancellationToken);

    /// <summary>One statement, however many are broken: in an outage that is every second one.</summary>
    public async Task<IReadOnlyList<FailoverLogEntry>> ListNewestOfBrokenAsync(CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        var rows = await db.NewestOfBroken()
            .Where(r => r.Failover == FailoverState.Failed || r.Failback == FailbackState.Done || r.Failback == FailbackState.Failed)
            .OrderByDescending(r => r.FailoverStartedAt)
            .ThenByDescending(r => r.Id)
            .ToListAsync(cancellationToken);
        return [.. rows.Select(r => r.ToEntry())];
    }

    public async Task<IReadOnlyDictionary<string, int>> CountOwedPeriodsAsync(CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        return await db.FailoverLog
            .Where(r => r.Failover != FailoverState.Running
                && r.MaterialCopy != MaterialCopyState.Copied
                && r.MaterialCopy != MaterialCopyState.NothingToCopy
                && r.MaterialCopy != MaterialCopyState.LossesAccepted)
            .GroupBy(r => r.FailoverServerId)
            .Select(g => new { ServerId = g.Key, Count = g.Count() })
            .ToDictionaryAsync(g => g.ServerId, g => g.Count, StringComparer.Ordinal, cancellationToken);
    }

    public Task<IReadOnlyList<string>> ListServersToFailBackAsync(CancellationToken cancellationToken) => ServersToFailBack.ExecuteAsync(database, true, id => id, cancellationToken);

    public Task<IReadOnlyList<FailoverLogEntry>> ListOpenAsync(IReadOnlyCollection<string> failedServerIds, CancellationToken cancellationToken) =>
        OpenOfThese.ExecuteAsync(database, [.. failedServerIds], r => r.ToEntry(), cancellationToken);

    public Task<IReadOnlyList<FailoverLogEntry>> ListOpenAsync(string failedServerId, CancellationToken cancellationToken) =>
        OpenOf.ExecuteAsync(database, failedServerId, r => r.ToEntry(), cancellationToken);
}
