using FailbackWorkflows.Engine.Journal;

namespace FailbackWorkflows.Persistence.Seals;

/// <summary>
/// A tree over lines: each leaf is the SHA-256 of a line, each node that of <c>node LEFT RIGHT</c> with the hashes in hex, so that a shell can follow it. A leaf's line
/// begins with <c>{</c>, so none can pass for a node. A node without a neighbour goes up as it is.
/// </summary>
public static class MerkleTree
{
    /// <summary>The root over these lines in their order; of no lines the hash of the empty text.</summary>
    public static string Root(IReadOnlyList<string> lines)
    {
        var level = lines.Select(JournalChain.Hash).ToArray();
        if (level.Length == 0)
        {
            return JournalChain.Hash("");
        }

        for (var count = level.Length; count > 1; count = (count + 1) / 2)
        {
            Rise(level, count);
        }

        return level[0];
    }

    /// <summary>What leads from a line to the root, from the bottom: on which side the other hash stands (<c>L</c> or <c>R</c>), and the hash.</summary>
    public static IReadOnlyList<(char Side, string Hash)> Proof(IReadOnlyList<string> lines, int index)
    {
        var level = lines.Select(JournalChain.Hash).ToArray();
        var proof = new List<(char, string)>();
        for (var count = level.Length; count > 1; count = (count + 1) / 2)
        {
            var other = index ^ 1;
            if (other < count)
            {
                proof.Add((other < index ? 'L' : 'R', level[other]));
            }

            Rise(level, count);
            index /= 2;
        }

        return proof;
    }

    /// <summary>The root that a proof leads to.</summary>
    public static string Follow(string line, IReadOnlyList<(char Side, string Hash)> proof) =>
        proof.Aggregate(JournalChain.Hash(line), (hash, step) => step.Side == 'L' ? Node(step.Hash, hash) : Node(hash, step.Hash));

    private static void Rise(string[] level, int count)
    {
        for (var i = 0; i < count; i += 2)
        {
            level[i / 2] = i + 1 < count ? Node(level[i], level[i + 1]) : level[i];
        }
    }

    private static string Node(string left, string right) => JournalChain.Hash($"node {left} {right}");
}
