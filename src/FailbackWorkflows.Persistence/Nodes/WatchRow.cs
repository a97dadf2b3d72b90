using FailbackWorkflows.Failback.Connectivity;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace FailbackWorkflows.Persistence.Nodes;

/// <summary>Who is on watch. One row.</summary>
internal sealed class WatchRow
{
    public const string Polls = "polls";

    public required string Name { get; set; }

    /// <summary>The node that has it; empty: nobody, it was let go of.</summary>
    public required string Node { get; set; }

    /// <summary>Grows each time the node says that it is still there.</summary>
    public long Beat { get; set; }

    /// <summary>Grows each time the watch is taken.</summary>
    public long Term { get; set; }

    /// <summary>What whoever has it, or had it last, told with the last beat; of an earlier term until it tells something. Null: nothing.</summary>
    public DateTimeOffset? SweptAt { get; set; }

    /// <summary>The term of what was told.</summary>
    public long ToldTerm { get; set; }

    public string ToldNode { get; set; } = "";

    public bool IsRoundDone { get; set; }

    public bool HasAskedEverybody { get; set; }

    public int Recorders { get; set; }

    public int InFlight { get; set; }

    public int Unasked { get; set; }

    /// <summary>In ticks, as the next one.</summary>
    public long LongestLag { get; set; }

    public long LongestGap { get; set; }

    /// <summary>Null: nobody told anything yet.</summary>
    public WatchReport? ToReport() => SweptAt is null
        ? null
        : new(
            ToldNode,
            ToldTerm,
            IsRoundDone,
            HasAskedEverybody,
            new(Recorders, InFlight, TimeSpan.FromTicks(LongestLag), TimeSpan.FromTicks(LongestGap), SweptAt, Unasked),
            ToldTerm != Term);

    public static void Configure(EntityTypeBuilder<WatchRow> row)
    {
        row.ToTable("watches");
        row.HasKey(r => r.Name);

        // A node of an earlier version knows nothing of what is told: during an upgrade it makes the row, or keeps the watch, without it.
        row.Property(r => r.Term).HasDefaultValue(0L);
        row.Property(r => r.ToldTerm).HasDefaultValue(0L);
        row.Property(r => r.ToldNode).HasDefaultValue("");
        row.Property(r => r.IsRoundDone).HasDefaultValue(false);
        row.Property(r => r.HasAskedEverybody).HasDefaultValue(false);
        row.Property(r => r.Recorders).HasDefaultValue(0);
        row.Property(r => r.InFlight).HasDefaultValue(0);
        row.Property(r => r.Unasked).HasDefaultValue(0);
        row.Property(r => r.LongestLag).HasDefaultValue(0L);
        row.Property(r => r.LongestGap).HasDefaultValue(0L);
    }
}
