using FailbackWorkflows.Engine;
using FailbackWorkflows.Persistence.Identity;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;

namespace FailbackWorkflows.Persistence.Seals;

/// <summary>Seals what was written since the last time: one signed checkpoint over the heads of all chains that have grown.</summary>
public interface IHistorySeals
{
    /// <summary>
    /// Chains, and records of the audit log, that one seal takes in of those that it sees for the first time: after an upgrade there may be a million, and on SQLite nobody else writes meanwhile.
    /// The next seal goes on.
    /// </summary>
    const int MostNew = 10_000;

    /// <summary>
    /// Seals, in the database and in the file outside of it; null: nothing has been written since. Safe to call at any time and by several nodes. Throws
    /// <see cref="SealConflictException"/> when database and file contradict each other, and then seals nothing. A chain that does not go on from what was sealed of it is
    /// left out.
    /// </summary>
    Task<SealedCheckpoint?> SealAsync(CancellationToken cancellationToken);

    /// <summary>Why this node's key or file, or what is in them or in the audit log, kept it from sealing or following the last time, as a sentence; null: nothing did.</summary>
    string? Trouble { get; }

    /// <summary>Copies into this node's file what other nodes have sealed. Throws as <see cref="SealAsync"/> does.</summary>
    Task FollowAsync(CancellationToken cancellationToken);

    /// <summary>Makes a new key for this node, has the present one vouch for it in a checkpoint, and signs with it from then on.</summary>
    Task<SealedCheckpoint> RotateKeyAsync(CancellationToken cancellationToken);
}

/// <summary>The checkpoints in the database are not those that were written outside of it: somebody has changed one of them.</summary>
public sealed class SealConflictException(string message) : Exception(message);

/// <inheritdoc cref="IHistorySeals"/>
internal sealed class HistorySeals(IDatabase database, SealFolder folder, TimeProvider time, ILogger<HistorySeals> logger) : IHistorySeals, IDisposable
{
    /// <summary>A run that another node has begun may be seen late by so much, and its clock may differ by so much.</summary>
    internal static readonly TimeSpan Overlap = TimeSpan.FromMinutes(15);

    /// <summary>Who began a run with a clock that is further off is found by a look at all of them.</summary>
    internal static readonly TimeSpan LookAtAllEvery = TimeSpan.FromHours(1);

    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly HashSet<string> _known = new(StringComparer.Ordinal);
    private readonly HashSet<string> _leftOut = new(StringComparer.Ordinal);
    private DateTimeOffset? _lookedAt;
    private DateTimeOffset _lookedAtAllAt;
    private KeyRing? _keys;
    private bool _hasSeenAll;
    private long _knownUpTo;
    private string? _contradiction;

    public Task<SealedCheckpoint?> SealAsync(CancellationToken cancellationToken) => SealAsync(null, cancellationToken);

    public async Task<SealedCheckpoint> RotateKeyAsync(CancellationToken cancellationToken)
    {
        await InTurnAsync(
            async () =>
            {
                // First what an interrupted rotation has left, then a new one.
                await using var db = database.CreateReadContext();
                return folder.Key((await KnownKeysAsync(db, cancellationToken)).Contains);
            },
            cancellationToken);
        var next = folder.MakeNext();
        var written = await SealAsync(next, cancellationToken);
        folder.TakeNext(next);
        return written!;
    }

    public string? Trouble { get; private set; }

    public Task FollowAsync(CancellationToken cancellationToken) => InTurnAsync<SealedCheckpoint?>(
        async () =>
        {
            await using var db = database.CreateReadContext();
            var inFile = folder.Checkpoints.Last();
            return (await db.Checkpoints.MaxAsync(r => (long?)r.Number, cancellationToken) ?? 0) > (inFile?.Checkpoint.Number ?? 0) ? await FollowAsync(db, inFile, cancellationToken) : inFile;
        },
        cancellationToken);

    public void Dispose() => _turn.Dispose();

    private Task<SealedCheckpoint?> SealAsync(SealingKey? next, CancellationToken cancellationToken) => InTurnAsync(
        async () =>
        {
            var now = time.GetUtcNow();
            if (_lookedAt is null || now - _lookedAtAllAt >= LookAtAllEvery)
            {
                (_lookedAt, _lookedAtAllAt) = (null, now);
            }

            var unsealed = _lookedAt is null ? await GrownChains.LookAtAllAsync(database, cancellationToken) : null;
            var written = await database.WriteAsync(session => WriteAsync(session, next, now, unsealed, cancellationToken), cancellationToken);
            if (written is not null)
            {
                // After the commit: what is in the file is in the database, too. A process that dies in between finds it with the next seal.
                folder.Checkpoints.Append(written);
                _keys?.Accepts(written);
            }

            _lookedAt = _hasSeenAll ? now : null;
            return written;
        },
        cancellationToken);

    private async Task<T> InTurnAsync<T>(Func<Task<T>> work, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            var result = await work();
            Trouble = _contradiction;
            return result;
        }
        catch (Exception exception) when (exception is SealConflictException or IOException or UnauthorizedAccessException or DatabaseNotOpenedException or FormatException)
        {
            // What the database cannot do is told of elsewhere, and passes with it.
            Trouble = exception.Message;
            throw;
        }
        finally
        {
            _turn.Release();
        }
    }

    private async Task<SealedCheckpoint?> WriteAsync(WriteSession session, SealingKey? next, DateTimeOffset now, IReadOnlyList<string>? unsealed, CancellationToken cancellationToken)
    {
        await session.LockAsync(DatabaseLock.Seal, cancellationToken);
        var (last, isSetBack) = await MeetAsync(session, now, cancellationToken);
        var grown = await GrownChains.CollectAsync(session, (_lookedAt ?? now) - Overlap, unsealed, isSetBack, cancellationToken);
        (var heads, _hasSeenAll) = (grown.Chains, grown.IsAll);
        await GrownChains.NoteAsync(session, grown.Noted, cancellationToken);
        Tell(grown);
        if (heads.Count == 0 && next is null)
        {
            return null;
        }

        var known = await KnownKeysAsync(session.Context, cancellationToken);
        var key = folder.Key(known.Contains);
        var sorted = heads.Select(h => h.Head).OrderBy(h => h.Chain, StringComparer.Ordinal).ToList();
        await GrownChains.NoteAsync(session, heads, cancellationToken);
        var checkpoint = new Checkpoint(
            (last?.Checkpoint.Number ?? 0) + 1,
            now,
            sorted.Count,
            await session.Context.ChainSeals.LongCountAsync(cancellationToken),
            key.Id,
            next?.PublicKey ?? (known.Contains(key.Id) ? null : key.PublicKey),
            last?.Hash ?? Checkpoint.Nothing,
            MerkleTree.Root([.. sorted.Select(h => h.Line)]));
        if (next is not null && !known.Contains(key.Id))
        {
            throw new SealConflictException("The present key has sealed nothing yet, so it can vouch for no other one. Wait for the first checkpoint.");
        }

        var line = checkpoint.Line;
        var written = new SealedCheckpoint(line, key.Sign(line), sorted);
        await SealStatements.InsertAsync(session, written, cancellationToken);
        return written;
    }

    /// <summary>
    /// Brings file and database to the same last checkpoint: other nodes have sealed, or the database comes from a backup that does not have what was sealed
    /// since. In that case the checkpoints go back into it, and what they have sealed and is gone is found missing by whoever verifies.
    /// </summary>
    private async Task<(SealedCheckpoint? Last, bool IsSetBack)> MeetAsync(WriteSession session, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var inFile = folder.Checkpoints.Last();
        var inDatabase = await session.Context.Checkpoints.AsNoTracking().OrderByDescending(r => r.Number).FirstOrDefaultAsync(cancellationToken);
        var (file, rows) = (inFile?.Checkpoint.Number ?? 0, inDatabase?.Number ?? 0);
        if (file > 0 && rows >= file)
        {
            var same = await session.Context.Checkpoints.AsNoTracking().FirstOrDefaultAsync(r => r.Number == file, cancellationToken);
            if (same?.Line != inFile!.Line)
            {
                throw Conflict(file);
            }
        }

        if (rows > file)
        {
            return (await FollowAsync(session.Context, inFile, cancellationToken), false);
        }

        if (file > rows)
        {
            foreach (var missing in folder.Checkpoints.Read().Where(c => c.Checkpoint.Number >= rows && c.Checkpoint.Number > 0).ToList())
            {
                if (missing.Checkpoint.Number == rows)
                {
                    if (missing.Line != inDatabase!.Line)
                    {
                        throw Conflict(rows);
                    }

                    continue;
                }

                await SealStatements.InsertAsync(session, missing, cancellationToken);
                await GrownChains.NoteAsync(session, [.. missing.Heads.Select(h => new GrownChain(h, IsOpen: true))], cancellationToken);
            }

            // Sealed with what comes now: nobody can have checkpoints put back unseen.
            await AuditLog.AddAsync(
                database,
                session,
                new AuditRecord(now, Actor.System, "checkpoints put back", $"{rows + 1} to {file}", "The database is older than the file of checkpoints: it was restored from a backup, or somebody has deleted them.", "done"),
                cancellationToken);
        }

        return (inFile, file > rows);
    }

    /// <summary>Says of each chain once that it is left out.</summary>
    private void Tell(ChainsToSeal grown)
    {
        foreach (var run in grown.Contradicting.Where(_leftOut.Add))
        {
            logger.LogCritical("Run {Run} is not sealed any more: it is not what was sealed of it. Keep the database as it is and run 'verify'", run);
        }

        if (grown.ContradictingAuditLog is { } contradiction && contradiction != _contradiction)
        {
            logger.LogCritical("{Contradiction}", contradiction);
        }

        _contradiction = grown.ContradictingAuditLog;
    }

    /// <summary>The keys that the file has introduced; once, because it may hold years.</summary>
    private KeyRing ReadKeys()
    {
        var keys = new KeyRing();
        foreach (var checkpoint in folder.Checkpoints.Read().Where(c => c.Line.Contains("\"newKey\"", StringComparison.Ordinal)))
        {
            keys.Accepts(checkpoint);
        }

        return keys;
    }

    private SealConflictException Conflict(long number) =>
        new($"Checkpoint {number} in the database is not the one in '{folder.Checkpoints.Path}'. Somebody has changed one of them: keep both as they are and run 'verify'.");

    /// <summary>Nothing comes into the file that is not signed and does not follow what is in it.</summary>
    private async Task<SealedCheckpoint?> FollowAsync(FailbackDbContext db, SealedCheckpoint? last, CancellationToken cancellationToken)
    {
        var keys = _keys ??= ReadKeys();
        await foreach (var next in SealStatements.ReadAsync(db, (last?.Checkpoint.Number ?? 0) + 1, cancellationToken))
        {
            if (CheckpointRules.WhyNot(next, last, keys) is { } why)
            {
                throw new SealConflictException($"A checkpoint in the database is not taken over into '{folder.Checkpoints.Path}': {why}");
            }

            folder.Checkpoints.Append(next);
            last = next;
            if (keys.Introduced is [.., { VouchedBy: null } key] && key.Since == next.Checkpoint.Number)
            {
                logger.LogCritical(
                    "Checkpoint {Number}, which another management server wrote, introduces the key {Key} by itself. Compare that id with that server's key; if no server has it, somebody else signs",
                    key.Since, key.Id);
            }
        }

        return last;
    }

    /// <summary>The keys that checkpoints have introduced; of the checkpoints only those that have come since the last time are read.</summary>
    private async Task<HashSet<string>> KnownKeysAsync(FailbackDbContext db, CancellationToken cancellationToken)
    {
        var upTo = await db.Checkpoints.MaxAsync(r => (long?)r.Number, cancellationToken) ?? 0;
        var lines = await db.Checkpoints.AsNoTracking().Where(r => r.Number > _knownUpTo && r.Line.Contains("\"newKey\"")).Select(r => r.Line).ToListAsync(cancellationToken);
        _known.UnionWith(lines.Select(Checkpoint.Parse).Select(c => SealingKey.IdOf(c.NewKey!)));
        _knownUpTo = upTo;
        return _known;
    }
}
