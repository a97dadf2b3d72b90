using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace FailbackWorkflows.Persistence.Seals;

/// <summary>A signed checkpoint; rows are added and never changed.</summary>
internal sealed class CheckpointRow
{
    /// <summary>From 1 without a hole.</summary>
    public long Number { get; set; }

    /// <summary>What was signed, as it was signed.</summary>
    public required string Line { get; set; }

    /// <summary>DER in Base64.</summary>
    public required string Signature { get; set; }

    public static void Configure(EntityTypeBuilder<CheckpointRow> row)
    {
        row.ToTable("audit_checkpoints");
        row.HasKey(r => r.Number);
        row.Property(r => r.Number).ValueGeneratedNever();
    }
}

/// <summary>The head of a chain as a checkpoint has sealed it: a leaf of its tree.</summary>
internal sealed class SealedHeadRow
{
    public long Checkpoint { get; set; }

    public required string Chain { get; set; }

    public long Sequence { get; set; }

    public required string Head { get; set; }

    public static void Configure(EntityTypeBuilder<SealedHeadRow> row)
    {
        row.ToTable("audit_sealed_heads");
        row.HasKey(r => new { r.Checkpoint, r.Chain });
        row.HasIndex(r => new { r.Chain, r.Checkpoint });
    }
}

/// <summary>
/// How far a chain is sealed, so that a seal need not look at all of them. Owns no truth: it can be made anew from the sealed heads, and whoever verifies compares it
/// with them.
/// </summary>
internal sealed class ChainSealRow
{
    public required string Chain { get; set; }

    public long Sequence { get; set; }

    /// <summary>More may come: the run has not ended, or an incident stopped it and it may be redriven.</summary>
    public bool IsOpen { get; set; }

    public static void Configure(EntityTypeBuilder<ChainSealRow> row)
    {
        row.ToTable("audit_chain_seals");
        row.HasKey(r => r.Chain);
        row.HasIndex(r => r.IsOpen);
    }
}
