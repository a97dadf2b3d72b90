using System.Data.Common;

namespace FailbackWorkflows.Persistence.Seals;

/// <summary>
/// All checkpoints of a history, those of the file outside of the database first, proven and brought into one list of what was sealed of each chain. What a
/// database superuser changes in its own copies is found by comparing.
/// </summary>
internal sealed class SealedCheckpoints
{
    private readonly Dictionary<string, List<(long Sequence, string Head, long Checkpoint)>> _heads = new(StringComparer.Ordinal);
    private readonly KeyRing _keys = new();
    private readonly List<Finding> _findings = [];

    public IReadOnlyDictionary<string, List<(long Sequence, string Head, long Checkpoint)>> Heads => _heads;

    public IReadOnlyList<IntroducedKey> Keys => _keys.Introduced;

    public IReadOnlyList<Finding> Findings => _findings;

    public SealedCheckpoint? Last { get; private set; }

    public bool HasOutsideFile { get; private init; }

    /// <summary>Number of the newest one that the database itself has: what it notes of its chains goes up to there.</summary>
    public long LastInDatabase { get; private set; }

    /// <param name="outside">What is outside of the database; read before the database was looked at, so that it cannot be newer.</param>
    public static async Task<SealedCheckpoints> ReadAsync(DbConnection connection, DbTransaction? transaction, OutsideCheckpoints outside, CancellationToken cancellationToken)
    {
        var all = new SealedCheckpoints { HasOutsideFile = outside.IsThere };
        var inDatabase = await ReadRowsAsync(connection, transaction, cancellationToken);
        all.LastInDatabase = inDatabase.Count == 0 ? 0 : inDatabase.Keys.Last();
        all.TakeIn(outside, inDatabase);
        var before = all.Last?.Checkpoint.Number ?? 0;
        foreach (var row in inDatabase.Where(r => r.Key > before).OrderBy(r => r.Key))
        {
            if (!all.TakeIn(row.Value))
            {
                break;
            }
        }

        return all;
    }

    private void TakeIn(OutsideCheckpoints file, SortedDictionary<long, SealedCheckpoint> inDatabase)
    {
        foreach (var outside in file.Checkpoints)
        {
            if (!TakeIn(outside))
            {
                return;
            }

            Compare(outside, inDatabase.GetValueOrDefault(outside.Checkpoint.Number));
        }

        if (file.Damage is { } damage)
        {
            Add((Last?.Checkpoint.Number ?? 0) + 1, damage);
        }
    }

    private void Compare(SealedCheckpoint outside, SealedCheckpoint? inside)
    {
        var number = outside.Checkpoint.Number;
        if (inside is null)
        {
            Add(number, $"Checkpoint {number} is in the file outside of the database but not in the database. The database was restored from an older backup, or somebody has deleted it.");
        }
        else if (inside.Line != outside.Line || inside.Signature != outside.Signature)
        {
            Add(number, $"Checkpoint {number} in the database is not the one in the file outside of it.");
        }
        else if (!inside.Heads.SequenceEqual(outside.Heads))
        {
            Add(number, $"The database lists other chains for checkpoint {number} than were sealed with it.");
        }
    }

    private bool TakeIn(SealedCheckpoint checkpoint)
    {
        if (CheckpointRules.WhyNot(checkpoint, Last, _keys) is { } why)
        {
            Add((Last?.Checkpoint.Number ?? 0) + 1, why);
            return false;
        }

        Last = checkpoint;
        foreach (var head in checkpoint.Heads)
        {
            if (!_heads.TryGetValue(head.Chain, out var sealedHeads))
            {
                _heads[head.Chain] = sealedHeads = new(1);
            }

            sealedHeads.Add((head.Sequence, head.Head, checkpoint.Checkpoint.Number));
        }

        return true;
    }

    private void Add(long? number, string message) => _findings.Add(new(FindingKind.CheckpointWrong, "checkpoints", number, message));

    private static async Task<SortedDictionary<long, SealedCheckpoint>> ReadRowsAsync(DbConnection connection, DbTransaction? transaction, CancellationToken cancellationToken)
    {
        var heads = new Dictionary<long, List<SealedHead>>();
        await using (var command = connection.CreateCommand())
        {
            command.Transaction = transaction;
            command.CommandText = "SELECT checkpoint, chain, sequence, head FROM audit_sealed_heads";
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            while (await reader.ReadAsync(cancellationToken))
            {
                var checkpoint = reader.GetInt64(0);
                if (!heads.TryGetValue(checkpoint, out var list))
                {
                    heads[checkpoint] = list = [];
                }

                list.Add(new(reader.GetString(1), reader.GetInt64(2), reader.GetString(3)));
            }
        }

        var rows = new SortedDictionary<long, SealedCheckpoint>();
        await using var checkpoints = connection.CreateCommand();
        checkpoints.Transaction = transaction;
        checkpoints.CommandText = "SELECT number, line, signature FROM audit_checkpoints";
        await using var lines = await checkpoints.ExecuteReaderAsync(cancellationToken);
        while (await lines.ReadAsync(cancellationToken))
        {
            var number = lines.GetInt64(0);
            var sealedHeads = heads.GetValueOrDefault(number) ?? [];
            sealedHeads.Sort((a, b) => string.CompareOrdinal(a.Chain, b.Chain));
            rows[number] = new(lines.GetString(1), lines.GetString(2), sealedHeads);
        }

        return rows;
    }
}

/// <summary>What stands in the file outside of the database.</summary>
/// <param name="Damage">A sentence on where it cannot be read any further, or null.</param>
internal sealed record OutsideCheckpoints(bool IsThere, IReadOnlyList<SealedCheckpoint> Checkpoints, string? Damage)
{
    public static OutsideCheckpoints Read(CheckpointFile? file)
    {
        if (file is null || !File.Exists(file.Path))
        {
            return new(false, [], null);
        }

        var read = new List<SealedCheckpoint>();
        try
        {
            foreach (var checkpoint in file.Read())
            {
                read.Add(checkpoint);
            }

            return new(true, read, null);
        }
        catch (FormatException exception)
        {
            return new(true, read, $"The file of checkpoints '{file.Path}' is damaged. {exception.Message}");
        }
    }
}
