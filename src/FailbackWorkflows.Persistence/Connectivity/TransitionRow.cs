using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.VmsServers;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;
using DbType = System.Data.DbType;

namespace FailbackWorkflows.Persistence.Connectivity;

internal sealed class TransitionRow
{
    /// <summary>Grows and is never used again.</summary>
    public long Sequence { get; set; }

    public required string ServerId { get; set; }

    public DateTimeOffset At { get; set; }

    public TransitionKind Kind { get; set; }

    public ConnectionState FromState { get; set; }

    public ConnectionState ToState { get; set; }

    public required string Reason { get; set; }

    public required string NoticedBy { get; set; }

    public string? BootId { get; set; }

    public long Episode { get; set; }

    public static void Configure(EntityTypeBuilder<TransitionRow> row)
    {
        row.ToTable("connectivity_transitions");
        row.HasKey(r => r.Sequence);
        row.Property(r => r.Kind).HasConversion<string>();
        row.Property(r => r.FromState).HasConversion<string>();
        row.Property(r => r.ToState).HasConversion<string>();
        row.HasIndex(r => new { r.ServerId, r.Sequence });
        row.HasIndex(r => new { r.ServerId, r.At });
        row.HasIndex(r => r.At);
    }

    public ConnectivityTransition ToTransition() => new(Sequence, ServerId, At, Kind, FromState, ToState, Reason, NoticedBy, BootId, Episode);
}

internal sealed class AddTransitionHandler(IDatabase database) : FeedChangeHandler<AddTransition>
{
    private static readonly Statement Insert = new(
        """
        INSERT INTO connectivity_transitions (server_id, at, kind, from_state, to_state, reason, noticed_by, boot_id, episode)
        VALUES (@server, @at, @kind, @from, @to, @reason, @by, @boot, @episode)
        """,
        ("server", DbType.String), ("at", DbType.Int64), ("kind", DbType.String), ("from", DbType.String), ("to", DbType.String), ("reason", DbType.String), ("by", DbType.String), ("boot", DbType.String),
        ("episode", DbType.Int64));

    protected override StatementCall CallOf(AddTransition change)
    {
        var transition = change.Transition;
        return Insert.With(
            transition.ServerId,
            database.ToParameter(transition.At),
            transition.Kind.ToString(),
            transition.From.ToString(),
            transition.To.ToString(),
            transition.Reason,
            transition.By,
            transition.BootId,
            transition.Episode);
    }
}

internal sealed class ConnectivityHistory(IDatabase database) : IConnectivityHistory
{
    private const int MostPerPage = 200;

    public async Task<IReadOnlyList<ConnectivityTransition>> ListAsync(string serverId, long? before, int take, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        var end = before ?? long.MaxValue;
        var rows = await db.ConnectivityTransitions
            .Where(r => r.ServerId == serverId && r.Sequence < end)
            .OrderByDescending(r => r.Sequence)
            .Take(Math.Clamp(take, 1, MostPerPage))
            .ToListAsync(cancellationToken);
        return [.. rows.Select(r => r.ToTransition())];
    }

    public async Task<IReadOnlyList<ConnectivityTransition>> ReadAfterAsync(long sequence, int take, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        var rows = await db.ConnectivityTransitions.Where(r => r.Sequence > sequence).OrderBy(r => r.Sequence).Take(take).ToListAsync(cancellationToken);
        return [.. rows.Select(r => r.ToTransition())];
    }

    public async Task<int> CountLossesAsync(string serverId, DateTimeOffset since, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        return await db.ConnectivityTransitions.CountAsync(
            r => r.ServerId == serverId && r.At > since && (r.Kind == TransitionKind.Disconnected || r.Kind == TransitionKind.Restarted), cancellationToken);
    }

    public async Task<IReadOnlyDictionary<string, int>> CountLossesAsync(DateTimeOffset since, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        return await db.ConnectivityTransitions
            .Where(r => r.At > since && (r.Kind == TransitionKind.Disconnected || r.Kind == TransitionKind.Restarted))
            .GroupBy(r => r.ServerId)
            .Select(group => new { group.Key, Count = group.Count() })
            .ToDictionaryAsync(group => group.Key, group => group.Count, cancellationToken);
    }

    public async Task<IReadOnlyDictionary<string, int>> CountLossesAsync(IReadOnlyCollection<string> serverIds, DateTimeOffset since, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        return await db.ConnectivityTransitions
            .Where(r => serverIds.Contains(r.ServerId) && r.At > since && (r.Kind == TransitionKind.Disconnected || r.Kind == TransitionKind.Restarted))
            .GroupBy(r => r.ServerId)
            .Select(group => new { group.Key, Count = group.Count() })
            .ToDictionaryAsync(group => group.Key, group => group.Count, cancellationToken);
    }

    public Task<int> RemoveBeforeAsync(DateTimeOffset before, long published, int take, CancellationToken cancellationToken) => database.WriteAsync(
        session => session.ExecuteAsync(
            """
            DELETE FROM connectivity_transitions WHERE sequence IN (
                SELECT t.sequence FROM connectivity_transitions t
                WHERE t.at < @before AND t.sequence <= @published
                    AND EXISTS (SELECT 1 FROM connectivity_transitions n WHERE n.server_id = t.server_id AND n.sequence > t.sequence)
                ORDER BY t.at, t.sequence LIMIT @take)
            """,
            cancellationToken,
            ("before", database.ToParameter(before)),
            ("published", published),
            ("take", take)),
        cancellationToken);
}
