using System.Data;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Persistence.Identity;
using Microsoft.EntityFrameworkCore;

namespace FailbackWorkflows.Persistence.Seals;

/// <summary>A chain with a head that is not sealed yet.</summary>
internal sealed record GrownChain(SealedHead Head, bool IsOpen);

/// <summary>What there is to seal.</summary>
/// <param name="Chains">Those that go on from what was sealed of them.</param>
/// <param name="Noted">Those that have not grown after all, or do not go on from it: only how far they are sealed is written down again.</param>
/// <param name="Contradicting">Runs that do not go on from what was sealed of them. Whoever signed them would vouch for what somebody has made of them.</param>
/// <param name="ContradictingAuditLog">A sentence on why the audit log is not chained on, or null.</param>
/// <param name="IsAll">False: the others are for the next seal.</param>
internal sealed record ChainsToSeal(
    List<GrownChain> Chains, List<GrownChain> Noted, List<string> Contradicting, string? ContradictingAuditLog, bool IsAll);

/// <summary>
/// Finds the chains that have grown since they were sealed, without looking at the others: those that were open at their last seal, those that are new, and the audit
/// log, which is chained here. What has ended for good cannot grow.
/// </summary>
internal static class GrownChains
{
    private const string Open = "(i.status = 'Running' OR i.sub_status = 'Faulted')";

    private static readonly string GrownSql = WithSealed("FROM audit_chain_seals c JOIN workflow_instances i ON i.id = c.chain WHERE c.is_open AND i.last_sequence > c.sequence AND i.chain_head IS NOT NULL");

    private static readonly string NewSql = WithSealed(
        "FROM workflow_instances i WHERE i.created_at >= @since AND i.chain_head IS NOT NULL AND NOT EXISTS (SELECT 1 FROM audit_chain_seals c WHERE c.chain = i.id) ORDER BY i.created_at LIMIT @most");

    // By what was sealed, not by what is noted of it: a note can be changed by whoever may change the database.
    private static readonly string UnsealedSql =
        $"""
        SELECT i.id AS "Value" FROM workflow_instances i
        WHERE i.chain_head IS NOT NULL AND i.last_sequence > COALESCE((SELECT MAX(h.sequence) FROM audit_sealed_heads h WHERE h.chain = i.id), 0)
        ORDER BY i.created_at LIMIT {IHistorySeals.MostNew}
        """;

    private static readonly Statement Note = new(
        """
        INSERT INTO audit_chain_seals (chain, sequence, is_open) VALUES (@chain, @sequence, @open)
        ON CONFLICT (chain) DO UPDATE SET sequence = @sequence, is_open = @open
        """,
        ("chain", DbType.String), ("sequence", DbType.Int64), ("open", DbType.Boolean));

    private static readonly Statement SetHash = new("UPDATE audit_log SET hash = @hash WHERE sequence = @sequence", ("hash", DbType.String), ("sequence", DbType.Int64));

    /// <summary>Runs with events that are not sealed, of all there are. That takes a while with very many, and nobody waits for it.</summary>
    public static async Task<IReadOnlyList<string>> LookAtAllAsync(IDatabase database, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        return await db.Database.SqlQueryRaw<string>(UnsealedSql).ToListAsync(cancellationToken);
    }

    /// <summary>The chains that have grown.</summary>
    /// <param name="since">Runs that began before were seen by an earlier call.</param>
    /// <param name="unsealed">What <see cref="LookAtAllAsync"/> has found; looked at instead of new runs.</param>
    /// <param name="isSetBack">The database is older than what was sealed: its audit log cannot go on from there.</param>
    public static async Task<ChainsToSeal> CollectAsync(WriteSession session, DateTimeOffset since, IReadOnlyList<string>? unsealed, bool isSetBack, CancellationToken cancellationToken)
    {
        var grown = new ChainsToSeal([], [], [], null, true);
        var seen = new HashSet<string>(StringComparer.Ordinal);
        await ReadAsync(session, GrownSql, grown, seen, cancellationToken);
        var added = unsealed?.Count ?? await ReadAsync(session, NewSql, grown, seen, cancellationToken, ("since", since.UtcTicks), ("most", IHistorySeals.MostNew));
        foreach (var ids in (unsealed ?? []).Chunk(SealStatements.Together))
        {
            var parameters = ids.Select((id, i) => ($"i{i}", (object?)id)).ToArray();
            var sql = WithSealed($"FROM workflow_instances i WHERE i.chain_head IS NOT NULL AND i.id IN ({string.Join(", ", parameters.Select(p => $"@{p.Item1}"))})");
            await ReadAsync(session, sql, grown, seen, cancellationToken, parameters);
        }

        var (audit, contradiction) = await ChainAuditLogAsync(session, isSetBack, cancellationToken);
        if (audit is not null)
        {
            grown.Chains.Add(new(audit, IsOpen: true));
        }

        return grown with { ContradictingAuditLog = contradiction, IsAll = added < IHistorySeals.MostNew };
    }

    public static async Task NoteAsync(WriteSession session, IReadOnlyCollection<GrownChain> grown, CancellationToken cancellationToken)
    {
        foreach (var chains in grown.Chunk(SealStatements.Together))
        {
            await session.ExecuteAsync([.. chains.Select(c => Note.With(c.Head.Chain, c.Head.Sequence, c.IsOpen))], cancellationToken);
        }
    }

    private static string WithSealed(string runs) =>
        $"""
        WITH g AS (SELECT i.id, i.last_sequence, i.chain_head, {Open} AS is_open, (SELECT MAX(h.checkpoint) FROM audit_sealed_heads h WHERE h.chain = i.id) AS newest {runs})
        SELECT g.id, g.last_sequence, g.chain_head, g.is_open, h.sequence, h.head, j.hash
        FROM g LEFT JOIN audit_sealed_heads h ON h.checkpoint = g.newest AND h.chain = g.id LEFT JOIN journal j ON j.instance_id = g.id AND j.sequence = h.sequence
        """;

    /// <summary>Answers with how many rows there were.</summary>
    private static async Task<int> ReadAsync(
        WriteSession session, string sql, ChainsToSeal grown, HashSet<string> seen, CancellationToken cancellationToken, params (string, object?)[] parameters)
    {
        await using var command = session.Command(sql, parameters);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var rows = 0;
        while (await reader.ReadAsync(cancellationToken))
        {
            rows++;
            var chain = new GrownChain(new(reader.GetString(0), reader.GetInt64(1), reader.GetString(2)), reader.GetBoolean(3));
            if (!seen.Add(chain.Head.Chain))
            {
                continue;
            }

            if (reader.IsDBNull(4))
            {
                grown.Chains.Add(chain);
                continue;
            }

            var sealedHead = new SealedHead(chain.Head.Chain, reader.GetInt64(4), reader.GetString(5));
            if (sealedHead == chain.Head)
            {
                grown.Noted.Add(chain);
            }
            else if (sealedHead.Sequence < chain.Head.Sequence && !reader.IsDBNull(6) && reader.GetString(6) == sealedHead.Head)
            {
                grown.Chains.Add(chain);
            }
            else
            {
                grown.Noted.Add(new(sealedHead, IsOpen: true));
                grown.Contradicting.Add(sealedHead.Chain);
            }
        }

        return rows;
    }

    /// <summary>Records have places in the order in which they become visible (<see cref="DatabaseLock.AuditLog"/>), so none comes before one that is chained.</summary>
    private static async Task<(SealedHead? Head, string? Contradiction)> ChainAuditLogAsync(WriteSession session, bool isSetBack, CancellationToken cancellationToken)
    {
        var db = session.Context;
        var last = await db.AuditLog.AsNoTracking().Where(r => r.Hash != null).OrderByDescending(r => r.Sequence).Select(r => new { r.Sequence, r.Hash }).FirstOrDefaultAsync(cancellationToken);
        var (sequence, head) = (last?.Sequence ?? 0, last?.Hash ?? AuditChain.Genesis);
        if (!isSetBack)
        {
            // Chained and sealed in one transaction: what is chained last is what was sealed last.
            var newest = await db.SealedHeads.AsNoTracking().Where(h => h.Chain == AuditChain.Name).OrderByDescending(h => h.Checkpoint).Select(h => new { h.Sequence, h.Head }).FirstOrDefaultAsync(cancellationToken);
            if (sequence != (newest?.Sequence ?? 0) || head != (newest?.Head ?? AuditChain.Genesis))
            {
                return (null, $"The audit log is not sealed any more: its last chained record is {sequence}, and what was sealed last is record {newest?.Sequence ?? 0}, or another one of that number. Somebody has changed it: keep the database as it is and run 'verify'.");
            }
        }

        var before = sequence;
        for (var chained = 0; chained < IHistorySeals.MostNew;)
        {
            var rows = await db.AuditLog.AsNoTracking().Where(r => r.Sequence > sequence).OrderBy(r => r.Sequence).Take(SealStatements.Together).ToListAsync(cancellationToken);
            if (rows.Count == 0)
            {
                break;
            }

            var calls = new List<StatementCall>(rows.Count);
            foreach (var row in rows)
            {
                head = JournalChain.Hash(AuditChain.Line(row.ToEntry(), head));
                calls.Add(SetHash.With(head, row.Sequence));
            }

            await session.ExecuteAsync(calls, cancellationToken);
            sequence = rows[^1].Sequence;
            chained += rows.Count;
        }

        return (sequence > before ? new(AuditChain.Name, sequence, head) : null, null);
    }
}
