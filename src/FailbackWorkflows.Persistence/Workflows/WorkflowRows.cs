using FailbackWorkflows.Engine.Library;
using FailbackWorkflows.Engine.Storage;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace FailbackWorkflows.Persistence.Workflows;

internal sealed class WorkflowDefinitionRow
{
    public required string Id { get; set; }

    public required string DefinitionId { get; set; }

    public int Version { get; set; }

    public required string Name { get; set; }

    public required string Json { get; set; }

    public required string Sha256 { get; set; }

    public DateTimeOffset PublishedAt { get; set; }

    public required string PublishedBy { get; set; }

    public bool IsPublished { get; set; }

    public bool IsDraft { get; set; }

    public bool IsLatest { get; set; }

    public string? Description { get; set; }

    public long Revision { get; set; }

    public VersionOrigin Origin { get; set; }

    public string? Reason { get; set; }

    public int? BasedOn { get; set; }

    public string? Conflict { get; set; }

    public DateTimeOffset? DeletedAt { get; set; }

    public string? DeletedBy { get; set; }

    public static void Configure(EntityTypeBuilder<WorkflowDefinitionRow> row)
    {
        row.ToTable("workflow_definitions");
        row.HasKey(r => r.Id);
        row.HasIndex(r => new { r.DefinitionId, r.Version }).IsUnique();
        row.HasIndex(r => new { r.DefinitionId, r.IsPublished });
        row.HasIndex(r => new { r.IsLatest, r.Name });
        row.Property(r => r.Origin).HasConversion<string>();
    }

    public StoredDefinition ToDefinition() => new(Id, DefinitionId, Version, Name, Json, Sha256, PublishedAt, PublishedBy);

    public static WorkflowDefinitionRow From(WorkflowVersion version)
    {
        var row = new WorkflowDefinitionRow
        {
            Id = version.Id,
            DefinitionId = version.DefinitionId,
            Name = version.Name,
            Json = version.Json,
            Sha256 = version.Sha256,
            PublishedBy = version.SavedBy,
        };
        row.Take(version);
        return row;
    }

    /// <summary>The row of the same version as it is now.</summary>
    public void Take(WorkflowVersion version)
    {
        Version = version.Version;
        Name = version.Name;
        Description = version.Description;
        Json = version.Json;
        Sha256 = version.Sha256;
        PublishedAt = version.SavedAt;
        PublishedBy = version.SavedBy;
        IsPublished = version.IsPublished;
        IsDraft = version.IsDraft;
        IsLatest = version.IsLatest;
        Revision = version.Revision;
        Origin = version.Origin;
        Reason = version.Reason;
        BasedOn = version.BasedOn;
        Conflict = version.Conflict;
        DeletedAt = version.DeletedAt;
        DeletedBy = version.DeletedBy;
    }
}

/// <summary>A trigger of the published version of a definition.</summary>
internal sealed class WorkflowTriggerRow
{
    public required string DefinitionId { get; set; }

    public required string NodeId { get; set; }

    public required string Key { get; set; }

    public static void Configure(EntityTypeBuilder<WorkflowTriggerRow> row)
    {
        row.ToTable("workflow_triggers");
        row.HasKey(r => new { r.DefinitionId, r.NodeId });
        row.HasIndex(r => r.Key);
    }
}

internal sealed class WorkflowInstanceRow
{
    public required string Id { get; set; }

    public required string DefinitionId { get; set; }

    public required string DefinitionVersionId { get; set; }

    public int DefinitionVersion { get; set; }

    public string? Name { get; set; }

    public string? CorrelationId { get; set; }

    public string? StartKey { get; set; }

    public required string Status { get; set; }

    public required string SubStatus { get; set; }

    public int IncidentCount { get; set; }

    public DateTimeOffset CreatedAt { get; set; }

    public DateTimeOffset UpdatedAt { get; set; }

    public DateTimeOffset? FinishedAt { get; set; }

    public long LastSequence { get; set; }

    /// <summary>Largest fence ever given on the instance; outlives the wake-up row.</summary>
    public long LastFence { get; set; }

    /// <summary>Hash of the last event of the journal.</summary>
    public string? ChainHead { get; set; }

    public required string Snapshot { get; set; }

    public static void Configure(EntityTypeBuilder<WorkflowInstanceRow> row)
    {
        row.ToTable("workflow_instances");
        row.HasKey(r => r.Id);
        row.HasIndex(r => r.StartKey).IsUnique();
        row.HasIndex(r => new { r.CorrelationId, r.CreatedAt });
        row.HasIndex(r => new { r.DefinitionId, r.CreatedAt });

        // None over what every step changes: PostgreSQL then leaves the indexes alone until a run ends.
        row.HasIndex(r => new { r.Status, r.CreatedAt, r.Id });
        row.HasIndex(r => new { r.CreatedAt, r.Id });
    }
}

internal sealed class BookmarkRow
{
    public required string InstanceId { get; set; }

    public required string Id { get; set; }

    public required string NodeId { get; set; }

    public required string Name { get; set; }

    public string? Key { get; set; }

    public DateTimeOffset? DueAt { get; set; }

    public DateTimeOffset CreatedAt { get; set; }

    public static void Configure(EntityTypeBuilder<BookmarkRow> row)
    {
        row.ToTable("bookmarks");
        row.HasKey(r => new { r.InstanceId, r.Id });
        row.HasIndex(r => r.Key);
    }
}

/// <summary>What makes an instance runnable, and who runs it.</summary>
internal sealed class WakeUpRow
{
    public required string InstanceId { get; set; }

    public DateTimeOffset? DueAt { get; set; }

    /// <summary>Grows with every post.</summary>
    public long Seq { get; set; }

    /// <summary>The last <see cref="Seq"/> a runner has taken notice of.</summary>
    public long Ran { get; set; }

    public string? Owner { get; set; }

    public DateTimeOffset? LeaseUntil { get; set; }

    public long Fence { get; set; }

    public static void Configure(EntityTypeBuilder<WakeUpRow> row)
    {
        row.ToTable("wake_ups");
        row.HasKey(r => r.InstanceId);
        row.HasIndex(r => new { r.Owner, r.DueAt });
    }
}

internal sealed class InboxRow
{
    public long Id { get; set; }

    public required string InstanceId { get; set; }

    public required string Kind { get; set; }

    public string? BookmarkKey { get; set; }

    public string? Payload { get; set; }

    public required string Actor { get; set; }

    public string? Reason { get; set; }

    public DateTimeOffset At { get; set; }

    public static void Configure(EntityTypeBuilder<InboxRow> row)
    {
        row.ToTable("inbox");
        row.HasKey(r => r.Id);
        row.HasIndex(r => new { r.InstanceId, r.Id });
    }
}

internal sealed class JournalRow
{
    public required string InstanceId { get; set; }

    public long Sequence { get; set; }

    public DateTimeOffset At { get; set; }

    public required string Kind { get; set; }

    public string? NodeId { get; set; }

    public string? ExecutionId { get; set; }

    public required string Payload { get; set; }

    /// <summary>Hash of this event and the one before, lower-case hex. Null only between an upgrade's migration and its <see cref="Seals.JournalChaining"/>.</summary>
    public string? Hash { get; set; }

    public static void Configure(EntityTypeBuilder<JournalRow> row)
    {
        row.ToTable("journal");
        row.HasKey(r => new { r.InstanceId, r.Sequence });
    }
}
