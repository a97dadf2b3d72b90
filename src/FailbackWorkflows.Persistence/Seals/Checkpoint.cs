using System.Globalization;
using System.Text.Json;
using FailbackWorkflows.Engine.Journal;

namespace FailbackWorkflows.Persistence.Seals;

/// <summary>What one seal says: which chains have grown since the one before, in one root, and which checkpoint that was.</summary>
/// <param name="Number">From 1 without a hole.</param>
/// <param name="Changed">Leaves of its tree.</param>
/// <param name="Chains">All chains sealed so far, this seal's included: none of them may be missing later.</param>
/// <param name="Key">Id of the key it is signed with.</param>
/// <param name="NewKey">A key that signs from now on, as SubjectPublicKeyInfo in Base64; what is signed by the key before vouches for it. Null in most.</param>
/// <param name="Previous">Hash of the line of the checkpoint before; 64 zeros in the first.</param>
/// <param name="Root">Root of the tree over the changed chains' <see cref="SealedHead.Line"/>s, sorted by chain.</param>
public sealed record Checkpoint(long Number, DateTimeOffset At, int Changed, long Chains, string Key, string? NewKey, string Previous, string Root)
{
    /// <summary>What the first checkpoint has in place of the one before.</summary>
    public static readonly string Nothing = new('0', 64);

    /// <summary>What is signed.</summary>
    public string Line => string.Create(
        CultureInfo.InvariantCulture,
        $$"""{"at":"{{JournalChain.Instant(At)}}","changed":{{Changed}},"chains":{{Chains}},"key":{{JournalChain.Quote(Key)}},{{(NewKey is null ? "" : $"\"newKey\":{JournalChain.Quote(NewKey)},")}}"number":{{Number}},"previous":{{JournalChain.Quote(Previous)}},"root":{{JournalChain.Quote(Root)}},"v":1}""");

    /// <summary>Reads a line again. Throws <see cref="FormatException"/> when it is none, or not in the one form it can have.</summary>
    public static Checkpoint Parse(string line)
    {
        try
        {
            using var document = JsonDocument.Parse(line);
            var json = document.RootElement;
            var checkpoint = new Checkpoint(
                json.GetProperty("number").GetInt64(),
                json.GetProperty("at").GetDateTimeOffset(),
                json.GetProperty("changed").GetInt32(),
                json.GetProperty("chains").GetInt64(),
                json.GetProperty("key").GetString()!,
                json.TryGetProperty("newKey", out var key) ? key.GetString() : null,
                json.GetProperty("previous").GetString()!,
                json.GetProperty("root").GetString()!);
            return checkpoint.Line == line ? checkpoint : throw new FormatException("A checkpoint is not in its canonical form.");
        }
        catch (Exception exception) when (exception is JsonException or KeyNotFoundException or InvalidOperationException or ArgumentException)
        {
            throw new FormatException($"A checkpoint cannot be read: {exception.Message}", exception);
        }
    }
}

/// <summary>A checkpoint with its signature and what its root stands for.</summary>
/// <param name="Line">As it was signed.</param>
/// <param name="Signature">ECDSA P-256 over the SHA-256 of the line, DER in Base64.</param>
/// <param name="Heads">Sorted by chain.</param>
public sealed record SealedCheckpoint(string Line, string Signature, IReadOnlyList<SealedHead> Heads)
{
    private Checkpoint? _checkpoint;

    /// <summary>What the line says. Throws <see cref="FormatException"/> when that cannot be read.</summary>
    public Checkpoint Checkpoint => _checkpoint ??= Checkpoint.Parse(Line);

    /// <summary>Hash of the line: what the next checkpoint names.</summary>
    public string Hash => JournalChain.Hash(Line);

    /// <summary>Root of the tree over the heads.</summary>
    public string RootOfHeads() => MerkleTree.Root([.. Heads.Select(h => h.Line)]);
}
