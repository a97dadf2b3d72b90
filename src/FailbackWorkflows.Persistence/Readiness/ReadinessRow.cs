using System.Text.Json;
using System.Text.Json.Serialization;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Readiness;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace FailbackWorkflows.Persistence.Readiness;

internal sealed class ReadinessRow
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) } };

    public required string ServerId { get; set; }

    public ReadinessKind Kind { get; set; }

    public ReadinessOutcome Outcome { get; set; }

    public int? Number { get; set; }

    public string? Sentence { get; set; }

    public string? Offer { get; set; }

    public string? EntryId { get; set; }

    public string? FailoverServerId { get; set; }

    /// <summary>JSON.</summary>
    public required string Checks { get; set; }

    public DateTimeOffset CheckedAt { get; set; }

    public required string CheckedBy { get; set; }

    public DateTimeOffset? DueAt { get; set; }

    public DateTimeOffset? TurnedNotReadyAt { get; set; }

    /// <summary>JSON.</summary>
    public required string Stamp { get; set; }

    public static void Configure(EntityTypeBuilder<ReadinessRow> row)
    {
        row.ToTable("readiness");
        row.HasKey(r => new { r.ServerId, r.Kind });
        // Of two results at the same moment the later one stays.
        row.Property(r => r.CheckedAt).IsConcurrencyToken();
        row.Property(r => r.Kind).HasConversion<string>();
        row.Property(r => r.Outcome).HasConversion<string>();
        row.HasIndex(r => new { r.Outcome, r.ServerId });
        row.HasIndex(r => r.TurnedNotReadyAt).HasFilter("turned_not_ready_at IS NOT NULL");
    }

    public static ReadinessRow From(ReadinessResult result) => new()
    {
        ServerId = result.ServerId,
        Kind = result.Kind,
        Outcome = result.Outcome,
        Number = result.Number,
        Sentence = result.Sentence,
        Offer = result.Offer,
        EntryId = result.EntryId,
        FailoverServerId = result.FailoverServerId,
        Checks = JsonSerializer.Serialize(result.Checks, Json),
        CheckedAt = result.CheckedAt,
        CheckedBy = result.CheckedBy,
        DueAt = result.DueAt,
        TurnedNotReadyAt = result.TurnedNotReadyAt,
        Stamp = JsonSerializer.Serialize(result.Stamp, Json),
    };

    public ReadinessResult ToResult() => new()
    {
        ServerId = ServerId,
        Kind = Kind,
        Outcome = Outcome,
        Number = Number,
        Sentence = Sentence,
        Offer = Offer,
        EntryId = EntryId,
        FailoverServerId = FailoverServerId,
        Checks = JsonSerializer.Deserialize<List<ReadinessCheck>>(Checks, Json)!,
        CheckedAt = CheckedAt,
        CheckedBy = CheckedBy,
        DueAt = DueAt,
        TurnedNotReadyAt = TurnedNotReadyAt,
        Stamp = JsonSerializer.Deserialize<ReadinessStamp>(Stamp, Json)!,
    };
}

internal sealed class SaveReadinessHandler : ModelChangeHandler<SaveReadiness>
{
    private static readonly CompiledRead<string, ReadinessKind, ReadinessRow?> ByKey = new((db, serverId, kind, _) => db.Readiness.FirstOrDefault(r => r.ServerId == serverId && r.Kind == kind));

    protected override async Task ApplyAsync(FailbackDbContext db, SaveReadiness change, CancellationToken cancellationToken)
    {
        var row = ReadinessRow.From(change.Result);
        var stored = await ByKey.ExecuteAsync(db, row.ServerId, row.Kind, cancellationToken);
        if (stored is null)
        {
            db.Add(row);
        }
        else if (stored.CheckedAt <= row.CheckedAt)
        {
            db.Entry(stored).CurrentValues.SetValues(row);
        }

        await db.SaveChangesAsync(cancellationToken);
    }
}

internal sealed class ReadinessResults(IDatabase database) : IReadinessResults
{
    private const int MostPerPage = 200;
    private const int MostDue = 1000;

    private static readonly CompiledRead<string, ReadinessKind, ReadinessRow?> ByKey = new((db, serverId, kind, _) => db.Readiness.FirstOrDefault(r => r.ServerId == serverId && r.Kind == kind));

    public async Task<ReadinessResult?> FindAsync(string serverId, ReadinessKind kind, CancellationToken cancellationToken) =>
        (await ByKey.ExecuteAsync(database, serverId, kind, cancellationToken))?.ToResult();

    public async Task<IReadOnlyList<ReadinessResult>> ListAsync(ReadinessQuery query, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        var rows = Counting(db).Where(r => db.Servers.Any(s => s.Id == r.ServerId));
        if (query.Kind is { } kind)
        {
            rows = rows.Where(r => r.Kind == kind);
        }

        if (query.Outcome is { } outcome)
        {
            rows = rows.Where(r => r.Outcome == outcome);
        }

        if (query.After is { } after)
        {
            rows = rows.Where(r => string.Compare(r.ServerId, after) > 0);
        }

        var page = await rows.OrderBy(r => r.ServerId).Take(Math.Clamp(query.Take, 1, MostPerPage)).ToListAsync(cancellationToken);
        return [.. page.Select(r => r.ToResult())];
    }

    public async Task<IReadOnlyList<ReadinessResult>> ListSummariesAsync(CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        return await SummarizeAsync(Counting(db).OrderBy(r => r.ServerId), cancellationToken);
    }

    public async Task<IReadOnlyList<ReadinessResult>> ListSummariesAsync(IReadOnlyCollection<string> serverIds, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        return await SummarizeAsync(Counting(db).Where(r => serverIds.Contains(r.ServerId)).OrderBy(r => r.ServerId), cancellationToken);
    }

    public async Task<(IReadOnlyList<ReadinessResult> Latest, int Count)> ListTurnedNotReadyAsync(int take, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        if (!await db.Readiness.AnyAsync(r => r.TurnedNotReadyAt != null, cancellationToken))
        {
            // On most days: whether a result counts is not worked out of all servers for a page that names none of them.
            return ([], 0);
        }

        var turned = Counting(db).Where(r => r.TurnedNotReadyAt != null && db.Servers.Any(s => s.Id == r.ServerId));
        var latest = await SummarizeAsync(turned.OrderByDescending(r => r.TurnedNotReadyAt).ThenBy(r => r.ServerId).Take(Math.Clamp(take, 1, MostPerPage)), cancellationToken);

        // Those that were read are all there are, unless the list is full.
        return (latest, latest.Count < take ? latest.Count : await turned.CountAsync(cancellationToken));
    }

    public async Task<IReadOnlyList<string>> ListDueAsync(DateTimeOffset? scheduledAt, DateTimeOffset? requestedAt, string? after, int take, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        var fresh = Counting(db);
        if (requestedAt is { } requested)
        {
            fresh = fresh.Where(r => r.CheckedAt >= requested);
        }

        if (scheduledAt is { } scheduled)
        {
            fresh = fresh.Where(r => r.DueAt > scheduled);
        }

        var servers = db.Servers.Where(s => !fresh.Any(r => r.ServerId == s.Id));
        if (after is not null)
        {
            servers = servers.Where(s => string.Compare(s.Id, after) > 0);
        }

        return await servers.OrderBy(s => s.Id).Select(s => s.Id).Take(Math.Clamp(take, 1, MostDue)).ToListAsync(cancellationToken);
    }

    /// <summary>Checks are long and nobody reads them in a list.</summary>
    private static async Task<IReadOnlyList<ReadinessResult>> SummarizeAsync(IQueryable<ReadinessRow> results, CancellationToken cancellationToken)
    {
        var rows = await results
            .Select(r => new ReadinessRow
            {
                ServerId = r.ServerId,
                Kind = r.Kind,
                Outcome = r.Outcome,
                Number = r.Number,
                Sentence = r.Sentence,
                Offer = r.Offer,
                EntryId = r.EntryId,
                FailoverServerId = r.FailoverServerId,
                Checks = "[]",
                CheckedAt = r.CheckedAt,
                CheckedBy = r.CheckedBy,
                DueAt = r.DueAt,
                TurnedNotReadyAt = r.TurnedNotReadyAt,
                Stamp = r.Stamp,
            })
            .ToListAsync(cancellationToken);
        return [.. rows.Select(r => r.ToResult())];
    }

    /// <summary>The results of the kind that counts for their server now.</summary>
    internal static IQueryable<ReadinessRow> Counting(FailbackDbContext db) => db.Readiness.Where(r =>
        (r.Kind == ReadinessKind.Failback) == db.FailoverLog.Any(e =>
            e.FailedServerId == r.ServerId && e.IsActive && e.Failback != FailbackState.Done && e.Failover != FailoverState.Failed));
}
