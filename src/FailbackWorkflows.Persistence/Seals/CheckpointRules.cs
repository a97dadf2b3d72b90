namespace FailbackWorkflows.Persistence.Seals;

/// <summary>The public keys that checkpoints have introduced so far.</summary>
public sealed class KeyRing
{
    private readonly Dictionary<string, string> _keys = new(StringComparer.Ordinal);
    private readonly List<IntroducedKey> _introduced = [];

    /// <summary>In the order in which they came.</summary>
    public IReadOnlyList<IntroducedKey> Introduced => _introduced;

    /// <summary>Whether a checkpoint is signed by a key that is known, or that it introduces itself; takes in the key it introduces.</summary>
    public bool Accepts(SealedCheckpoint sealedCheckpoint)
    {
        var checkpoint = sealedCheckpoint.Checkpoint;
        var isNew = checkpoint.NewKey is { } newKey && SealingKey.IdOf(newKey) == checkpoint.Key && !_keys.ContainsKey(checkpoint.Key);
        var signer = isNew ? checkpoint.NewKey! : _keys.GetValueOrDefault(checkpoint.Key);
        if (signer is null || !SealingKey.Verifies(signer, sealedCheckpoint.Line, sealedCheckpoint.Signature))
        {
            return false;
        }

        if (checkpoint.NewKey is { } key && _keys.TryAdd(SealingKey.IdOf(key), key))
        {
            _introduced.Add(new(SealingKey.IdOf(key), key, checkpoint.Number, isNew ? null : checkpoint.Key));
        }

        return true;
    }
}

/// <summary>A key that signs checkpoints.</summary>
/// <param name="Since">Number of the checkpoint that introduced it.</param>
/// <param name="VouchedBy">The key that signed that checkpoint; null: it introduced itself, as the first key of each management server does. Compare such a key's id with that on the server's disk.</param>
public sealed record IntroducedKey(string Id, string PublicKey, long Since, string? VouchedBy);

/// <summary>What must be true of each checkpoint and the one before it.</summary>
internal static class CheckpointRules
{
    /// <summary>A sentence on what is wrong, or null.</summary>
    public static string? WhyNot(SealedCheckpoint next, SealedCheckpoint? before, KeyRing keys)
    {
        Checkpoint checkpoint;
        try
        {
            checkpoint = next.Checkpoint;
        }
        catch (FormatException exception)
        {
            return $"The checkpoint after {before?.Checkpoint.Number ?? 0} cannot be read: {exception.Message}";
        }

        var number = (before?.Checkpoint.Number ?? 0) + 1;
        if (checkpoint.Number != number)
        {
            return $"Checkpoint {number} is missing; the next one is {checkpoint.Number}.";
        }

        if (checkpoint.Previous != (before?.Hash ?? Checkpoint.Nothing))
        {
            return $"Checkpoint {number} does not follow the one before it.";
        }

        if (checkpoint.Changed != next.Heads.Count || checkpoint.Root != next.RootOfHeads())
        {
            return $"The list of chains that checkpoint {number} has sealed is not the one it was signed with.";
        }

        return AcceptsKey(next, keys) ? null : $"The signature of checkpoint {number} is not that of a known key.";
    }

    private static bool AcceptsKey(SealedCheckpoint next, KeyRing keys)
    {
        try
        {
            return keys.Accepts(next);
        }
        catch (FormatException)
        {
            return false;
        }
    }
}
