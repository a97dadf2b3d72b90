using System.Text;

namespace FailbackWorkflows.Persistence.Seals;

/// <summary>What a run's row says of its chain.</summary>
internal sealed record RunRow(string Id, string DefinitionVersionId, long LastSequence, string? ChainHead)
{
    public bool HasJournal { get; set; }
}

/// <summary>How far the chain of one run was followed.</summary>
internal sealed class RunChain(string id, RunRow? row, List<(long Sequence, string Head, long Checkpoint)>? sealedHeads, string genesis)
{
    private readonly long _lastSealed = sealedHeads?[^1].Sequence ?? 0;
    private int _next;

    public string Id => id;

    public RunRow? Row => row;

    public byte[] Utf8Id { get; } = Encoding.UTF8.GetBytes(id);

    /// <summary>Hash of the last event that was followed, in hex.</summary>
    public byte[] Head { get; } = Encoding.ASCII.GetBytes(genesis);

    public string HeadText => Encoding.ASCII.GetString(Head);

    public long Last { get; set; }

    public bool IsBroken { get; set; }

    public bool HasFinished { get; set; }

    /// <summary>Up to here everything is as sealed.</summary>
    public long LastSealed { get; private set; }

    public long Unsealed { get; private set; }

    public long OldestUnsealed { get; private set; } = long.MaxValue;

    /// <summary>Number of the oldest of them.</summary>
    public long OldestUnsealedEvent { get; private set; }

    public bool WasSealed => sealedHeads is not null;

    public (long Sequence, string Head, long Checkpoint)? NextSealed => sealedHeads is not null && _next < sealedHeads.Count ? sealedHeads[_next] : null;

    public void PassSealed() => LastSealed = sealedHeads![_next++].Sequence;

    public void Unseal(long sequence, long at)
    {
        if (sequence > _lastSealed)
        {
            Unsealed++;
            if (at < OldestUnsealed)
            {
                (OldestUnsealed, OldestUnsealedEvent) = (at, sequence);
            }
        }
    }
}
