using System.Data;
using System.Runtime.CompilerServices;
using Microsoft.EntityFrameworkCore;

namespace FailbackWorkflows.Persistence.Seals;

/// <summary>Writes and reads checkpoints.</summary>
internal static class SealStatements
{
    /// <summary>Statements that go out together.</summary>
    public const int Together = 500;

    private static readonly Statement InsertCheckpoint = new(
        "INSERT INTO audit_checkpoints (number, line, signature) VALUES (@number, @line, @signature)",
        ("number", DbType.Int64), ("line", DbType.String), ("signature", DbType.String));

    private static readonly Statement InsertHead = new(
        "INSERT INTO audit_sealed_heads (checkpoint, chain, sequence, head) VALUES (@checkpoint, @chain, @sequence, @head)",
        ("checkpoint", DbType.Int64), ("chain", DbType.String), ("sequence", DbType.Int64), ("head", DbType.String));

    public static async Task InsertAsync(WriteSession session, SealedCheckpoint checkpoint, CancellationToken cancellationToken)
    {
        var number = checkpoint.Checkpoint.Number;
        await session.ExecuteAsync([InsertCheckpoint.With(number, checkpoint.Line, checkpoint.Signature)], cancellationToken);
        foreach (var heads in checkpoint.Heads.Chunk(Together))
        {
            await session.ExecuteAsync([.. heads.Select(h => InsertHead.With(number, h.Chain, h.Sequence, h.Head))], cancellationToken);
        }
    }

    /// <summary>The checkpoints of the database from a number on, oldest first.</summary>
    public static async IAsyncEnumerable<SealedCheckpoint> ReadAsync(FailbackDbContext db, long from, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        foreach (var row in await db.Checkpoints.AsNoTracking().Where(r => r.Number >= from).OrderBy(r => r.Number).ToListAsync(cancellationToken))
        {
            yield return await WithHeadsAsync(db, row, cancellationToken);
        }
    }

    /// <summary>A checkpoint of the database, or null.</summary>
    public static async Task<SealedCheckpoint?> FindAsync(FailbackDbContext db, long number, CancellationToken cancellationToken) =>
        await db.Checkpoints.AsNoTracking().FirstOrDefaultAsync(r => r.Number == number, cancellationToken) is { } row ? await WithHeadsAsync(db, row, cancellationToken) : null;

    private static async Task<SealedCheckpoint> WithHeadsAsync(FailbackDbContext db, CheckpointRow row, CancellationToken cancellationToken)
    {
        var heads = await db.SealedHeads.AsNoTracking().Where(r => r.Checkpoint == row.Number).Select(r => new SealedHead(r.Chain, r.Sequence, r.Head)).ToListAsync(cancellationToken);
        heads.Sort((a, b) => string.CompareOrdinal(a.Chain, b.Chain));
        return new(row.Line, row.Signature, heads);
    }
}
