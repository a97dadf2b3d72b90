using System.Text;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Persistence.Identity;
using Microsoft.EntityFrameworkCore;

namespace FailbackWorkflows.Persistence.Seals;

/// <summary>What leads from the head of a chain to a signed checkpoint.</summary>
/// <param name="Steps">As <see cref="MerkleTree.Proof"/>.</param>
public sealed record SealProof(SealedHead Head, CheckpointText Checkpoint, IReadOnlyList<(char Side, string Hash)> Steps);

/// <summary>A checkpoint without what it has sealed.</summary>
/// <param name="Signature">DER in Base64.</param>
public sealed record CheckpointText(long Number, string Line, string Signature);

/// <summary>A run as it was hashed.</summary>
/// <param name="Lines">The lines of its events, byte by byte as they were hashed; the first follows from <paramref name="GenesisLine"/>.</param>
/// <param name="Proof">Of its last sealed event; null: nothing of it is sealed yet.</param>
public sealed record RunEvidence(
    string RunId, string DefinitionVersionId, string DefinitionJson, string GenesisLine, IReadOnlyList<string> Lines, IReadOnlyList<JournalEvent> Events, SealProof? Proof);

/// <summary>A stretch of the audit log as it was hashed, up to a record that was sealed.</summary>
/// <param name="Before">Hash of the record before the first one, or the genesis of the log.</param>
public sealed record AuditEvidence(string Before, IReadOnlyList<string> Lines, IReadOnlyList<AuditEntry> Entries, SealProof Proof);

/// <summary>Reads histories as they were hashed, with what proves them; for whoever takes them elsewhere.</summary>
public interface ISealedHistory
{
    /// <summary>A run, or null when there is no such run or its definition is gone.</summary>
    Task<RunEvidence?> FindRunAsync(string runId, CancellationToken cancellationToken);

    /// <summary>The audit log from the first record at or after <paramref name="from"/> on, up to the first seal after <paramref name="to"/>, or the last seal; null when nothing of that is sealed.</summary>
    Task<AuditEvidence?> ReadAuditAsync(DateTimeOffset from, DateTimeOffset to, CancellationToken cancellationToken);

    /// <summary>The checkpoints that introduced keys, oldest first.</summary>
    Task<IReadOnlyList<CheckpointText>> ListKeysAsync(CancellationToken cancellationToken);

    /// <summary>Signs a text with this node's sealing key, which a checkpoint must have introduced; answers with the key's id and the signature, DER in Base64.</summary>
    Task<(string KeyId, string Signature)> SignAsync(string text, CancellationToken cancellationToken);
}

/// <inheritdoc cref="ISealedHistory"/>
internal sealed class SealedHistory(IDatabase database, SealFolder folder) : ISealedHistory
{
    public async Task<RunEvidence?> FindRunAsync(string runId, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        var run = await db.WorkflowInstances.Where(r => r.Id == runId).Select(r => new { r.Id, r.DefinitionVersionId }).FirstOrDefaultAsync(cancellationToken);
        if (run is null || await db.WorkflowDefinitions.Where(d => d.Id == run.DefinitionVersionId).Select(d => d.Json).FirstOrDefaultAsync(cancellationToken) is not { } json)
        {
            return null;
        }

        var rows = await db.Journal.Where(r => r.InstanceId == runId).OrderBy(r => r.Sequence).ToListAsync(cancellationToken);
        var genesis = JournalChain.GenesisLine(runId, run.DefinitionVersionId, rows.Count == 0 ? "" : ChainedRow.DefinitionSha256Of(rows[0].Kind, rows[0].Payload));
        var (line, lines, events) = (new ChainLine(), new List<string>(rows.Count), new List<JournalEvent>(rows.Count));
        var head = JournalChain.Hash(genesis);
        foreach (var row in rows)
        {
            // With the hashes as they are stored: whether they are right is for the reader of the pack to find out, not for us to repair.
            line.Make(runId, row.Sequence, row.At, row.Kind, row.NodeId, row.ExecutionId, row.Payload, head);
            lines.Add(Encoding.UTF8.GetString(line.Bytes));
            events.Add(System.Text.Json.JsonSerializer.Deserialize<JournalEvent>(row.Payload, Engine.Values.PlainValue.Json)!);
            head = row.Hash ?? "";
        }

        var last = rows.Count == 0 ? 0 : rows[^1].Sequence;
        return new(runId, run.DefinitionVersionId, json, genesis, lines, events, await FindProofAsync(db, runId, h => h.Sequence <= last, isNewest: true, cancellationToken));
    }

    public async Task<AuditEvidence?> ReadAuditAsync(DateTimeOffset from, DateTimeOffset to, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        var first = await db.AuditLog.Where(r => r.At >= from).OrderBy(r => r.Sequence).Select(r => (long?)r.Sequence).FirstOrDefaultAsync(cancellationToken);
        var last = await db.AuditLog.Where(r => r.At <= to).MaxAsync(r => (long?)r.Sequence, cancellationToken);
        if (first is null || last is null || last < first)
        {
            return null;
        }

        var proof = await FindProofAsync(db, AuditChain.Name, h => h.Sequence >= last, isNewest: false, cancellationToken)
            ?? await FindProofAsync(db, AuditChain.Name, h => h.Sequence >= first, isNewest: true, cancellationToken);
        if (proof is null)
        {
            return null;
        }

        var head = await db.AuditLog.Where(r => r.Sequence < first).OrderByDescending(r => r.Sequence).Select(r => r.Hash).FirstOrDefaultAsync(cancellationToken) ?? AuditChain.Genesis;
        var (before, lines, entries) = (head, new List<string>(), new List<AuditEntry>());
        foreach (var row in await db.AuditLog.Where(r => r.Sequence >= first && r.Sequence <= proof.Head.Sequence).OrderBy(r => r.Sequence).ToListAsync(cancellationToken))
        {
            entries.Add(row.ToEntry());
            lines.Add(AuditChain.Line(entries[^1], head));
            head = row.Hash ?? "";
        }

        return new(before, lines, entries, proof);
    }

    public async Task<IReadOnlyList<CheckpointText>> ListKeysAsync(CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        return await db.Checkpoints.Where(r => r.Line.Contains("\"newKey\"")).OrderBy(r => r.Number).Select(r => new CheckpointText(r.Number, r.Line, r.Signature)).ToListAsync(cancellationToken);
    }

    public async Task<(string KeyId, string Signature)> SignAsync(string text, CancellationToken cancellationToken)
    {
        var known = (await ListKeysAsync(cancellationToken)).Select(c => SealingKey.IdOf(Checkpoint.Parse(c.Line).NewKey!)).ToHashSet(StringComparer.Ordinal);
        var key = folder.Key(known.Contains);
        return known.Contains(key.Id)
            ? (key.Id, key.Sign(text))
            : throw new SealConflictException("This management server has sealed nothing yet, so nobody knows its key. Wait for its first checkpoint.");
    }

    private static async Task<SealProof?> FindProofAsync(
        FailbackDbContext db, string chain, System.Linq.Expressions.Expression<Func<SealedHeadRow, bool>> condition, bool isNewest, CancellationToken cancellationToken)
    {
        var heads = db.SealedHeads.Where(h => h.Chain == chain).Where(condition);
        var found = await (isNewest ? heads.OrderByDescending(h => h.Checkpoint) : heads.OrderBy(h => h.Checkpoint)).Select(h => (long?)h.Checkpoint).FirstOrDefaultAsync(cancellationToken);
        if (found is not { } number || await SealStatements.FindAsync(db, number, cancellationToken) is not { } checkpoint)
        {
            return null;
        }

        var index = checkpoint.Heads.ToList().FindIndex(h => h.Chain == chain);
        return new(checkpoint.Heads[index], new(number, checkpoint.Line, checkpoint.Signature), MerkleTree.Proof([.. checkpoint.Heads.Select(h => h.Line)], index));
    }
}
