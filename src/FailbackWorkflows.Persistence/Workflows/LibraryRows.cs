using FailbackWorkflows.Engine.Library;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace FailbackWorkflows.Persistence.Workflows;

/// <summary>One save of a definition.</summary>
internal sealed class DraftRevisionRow
{
    public required string DefinitionId { get; set; }

    public long Revision { get; set; }

    public RevisionKind Kind { get; set; }

    public int Version { get; set; }

    public required string AuthorId { get; set; }

    public required string AuthorName { get; set; }

    public DateTimeOffset SavedAt { get; set; }

    public required string Sha256 { get; set; }

    public required string Json { get; set; }

    public static void Configure(EntityTypeBuilder<DraftRevisionRow> row)
    {
        row.ToTable("workflow_draft_revisions");
        row.HasKey(r => new { r.DefinitionId, r.Revision });
        row.Property(r => r.Kind).HasConversion<string>();
    }

    public static DraftRevisionRow From(DraftRevision revision) => new()
    {
        DefinitionId = revision.DefinitionId,
        Revision = revision.Revision,
        Kind = revision.Kind,
        Version = revision.Version,
        AuthorId = revision.AuthorId,
        AuthorName = revision.AuthorName,
        SavedAt = revision.SavedAt,
        Sha256 = revision.Sha256,
        Json = revision.Json,
    };
}

/// <summary>An instance that somebody took out of the lists. It is kept with everything that belongs to it.</summary>
internal sealed class HiddenInstanceRow
{
    public required string InstanceId { get; set; }

    public DateTimeOffset HiddenAt { get; set; }

    public required string HiddenBy { get; set; }

    public static void Configure(EntityTypeBuilder<HiddenInstanceRow> row)
    {
        row.ToTable("hidden_instances");
        row.HasKey(r => r.InstanceId);
    }
}
