using System.Text.Json;
using FailbackWorkflows.Failback.MaterialCopy;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.MaterialCopy;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace FailbackWorkflows.Persistence.MaterialCopy;

/// <summary>Mirror of a copy task. What people and queries ask for has columns of its own; what recorders say is kept as they say it.</summary>
internal sealed class MaterialCopyTaskRow : IVersionedRow
{
    public required string TaskId { get; set; }

    public required string EntryId { get; set; }

    public required string Identity { get; set; }

    public required string SourceServerId { get; set; }

    public required string TargetServerId { get; set; }

    public bool IsDisputed { get; set; }

    public DateTimeOffset? PeriodFrom { get; set; }

    public DateTimeOffset? PeriodTo { get; set; }

    /// <summary>JSON of the recorder contract.</summary>
    public string? Definition { get; set; }

    /// <summary>JSON of the recorder contract.</summary>
    public required string Limits { get; set; }

    public bool IsPauseWished { get; set; }

    public CopyWish? ToldWish { get; set; }

    public DateTimeOffset? ToldWishAt { get; set; }

    public string? RunId { get; set; }

    public string? LastRunId { get; set; }

    public string? StoppedRunId { get; set; }

    public int Runs { get; set; }

    public int TokenGeneration { get; set; }

    public string? ProtectedToken { get; set; }

    public DateTimeOffset? TokenDrawnAt { get; set; }

    public int TokenRefusals { get; set; }

    public bool IsRevocationOwed { get; set; }

    public bool IsCancellationOwed { get; set; }

    public string? ToldSourceUrl { get; set; }

    /// <summary>As last reported; derived from <see cref="Reported"/>, as the five after it.</summary>
    public CopyTaskState? State { get; set; }

    public CopyPauseReason? PauseReason { get; set; }

    public long BytesDone { get; set; }

    public long? BytesTotal { get; set; }

    public long SegmentsDone { get; set; }

    public long RecordsDone { get; set; }

    /// <summary>JSON of the recorder contract.</summary>
    public string? Reported { get; set; }

    public DateTimeOffset? ReportedAt { get; set; }

    public CopyTaskState? NotedState { get; set; }

    public CopyPauseReason? NotedPauseReason { get; set; }

    public bool IsOutOfTouch { get; set; }

    public bool IsUnknownAtTarget { get; set; }

    public string? WaitsForServerId { get; set; }

    public string? CoverageSha256 { get; set; }

    public DateTimeOffset CreatedAt { get; set; }

    public DateTimeOffset? EndedAt { get; set; }

    public long Revision { get; set; }

    public static void Configure(EntityTypeBuilder<MaterialCopyTaskRow> row)
    {
        row.ToTable("material_copy_tasks");
        row.HasKey(r => r.TaskId);
        row.Property(r => r.Revision).IsConcurrencyToken();
        row.Property(r => r.ToldWish).HasConversion<string>();
        row.Property(r => r.State).HasConversion<string>();
        row.Property(r => r.PauseReason).HasConversion<string>();
        row.Property(r => r.NotedState).HasConversion<string>();
        row.Property(r => r.NotedPauseReason).HasConversion<string>();

        // One copy per entry and source, however it is asked for, and one of what is disputed.
        row.HasIndex(r => new { r.EntryId, r.SourceServerId, r.IsDisputed }).IsUnique();
        row.HasIndex(r => r.RunId);
    }

    public static MaterialCopyTaskRow From(MaterialCopyTask task) => new()
    {
        TaskId = task.TaskId,
        EntryId = task.EntryId,
        Identity = task.Identity,
        SourceServerId = task.SourceServerId,
        TargetServerId = task.TargetServerId,
        IsDisputed = task.IsDisputed,
        PeriodFrom = task.Definition?.Period.FromUtc,
        PeriodTo = task.Definition?.Period.ToUtc,
        Definition = Write(task.Definition),
        Limits = Write(task.Limits)!,
        IsPauseWished = task.IsPauseWished,
        ToldWish = task.ToldWish,
        ToldWishAt = task.ToldWishAt,
        RunId = task.RunId,
        LastRunId = task.LastRunId,
        StoppedRunId = task.StoppedRunId,
        Runs = task.Runs,
        TokenGeneration = task.TokenGeneration,
        ProtectedToken = task.ProtectedToken,
        TokenDrawnAt = task.TokenDrawnAt,
        TokenRefusals = task.TokenRefusals,
        IsRevocationOwed = task.IsRevocationOwed,
        IsCancellationOwed = task.IsCancellationOwed,
        ToldSourceUrl = task.ToldSourceUrl?.OriginalString,
        State = task.Reported?.State,
        PauseReason = task.Reported?.PauseReason,
        BytesDone = task.Reported?.BytesDone ?? 0,
        BytesTotal = task.Reported?.BytesTotal,
        SegmentsDone = task.Reported?.SegmentsDone ?? 0,
        RecordsDone = task.Reported?.RecordsDone ?? 0,
        Reported = Write(task.Reported),
        ReportedAt = task.ReportedAt,
        NotedState = task.NotedState,
        NotedPauseReason = task.NotedPauseReason,
        IsOutOfTouch = task.IsOutOfTouch,
        IsUnknownAtTarget = task.IsUnknownAtTarget,
        WaitsForServerId = task.WaitsForServerId,
        CoverageSha256 = task.CoverageSha256,
        CreatedAt = task.CreatedAt,
        EndedAt = task.EndedAt,
    };

    public MaterialCopyTask ToTask() => new()
    {
        TaskId = TaskId,
        EntryId = EntryId,
        Identity = Identity,
        SourceServerId = SourceServerId,
        TargetServerId = TargetServerId,
        IsDisputed = IsDisputed,
        Definition = Read<StartDataCopy>(Definition),
        Limits = Read<CopyLimits>(Limits)!,
        IsPauseWished = IsPauseWished,
        ToldWish = ToldWish,
        ToldWishAt = ToldWishAt,
        RunId = RunId,
        LastRunId = LastRunId,
        StoppedRunId = StoppedRunId,
        Runs = Runs,
        TokenGeneration = TokenGeneration,
        ProtectedToken = ProtectedToken,
        TokenDrawnAt = TokenDrawnAt,
        TokenRefusals = TokenRefusals,
        IsRevocationOwed = IsRevocationOwed,
        IsCancellationOwed = IsCancellationOwed,
        ToldSourceUrl = ToldSourceUrl is null ? null : new Uri(ToldSourceUrl),
        Reported = Read<CopyTask>(Reported),
        ReportedAt = ReportedAt,
        NotedState = NotedState,
        NotedPauseReason = NotedPauseReason,
        IsOutOfTouch = IsOutOfTouch,
        IsUnknownAtTarget = IsUnknownAtTarget,
        WaitsForServerId = WaitsForServerId,
        CoverageSha256 = CoverageSha256,
        CreatedAt = CreatedAt,
        EndedAt = EndedAt,
        Revision = Revision,
    };

    internal static string? Write<T>(T? value)
        where T : class => value is null ? null : JsonSerializer.Serialize(value, RecorderJson.Options);

    internal static T? Read<T>(string? json)
        where T : class => json is null ? null : JsonSerializer.Deserialize<T>(json, RecorderJson.Options);
}

/// <summary>Outlives the task: a fence that was given out is never given out again.</summary>
internal sealed class CopyFenceRow
{
    public required string TaskId { get; set; }

    public long Fence { get; set; }

    public static void Configure(EntityTypeBuilder<CopyFenceRow> row)
    {
        row.ToTable("copy_fences");
        row.HasKey(r => r.TaskId);
        row.Property(r => r.Fence).IsConcurrencyToken();
    }
}

internal sealed class CoverageReportRow
{
    public required string TaskId { get; set; }

    public required string EntryId { get; set; }

    public required string Sha256 { get; set; }

    public bool IsVerified { get; set; }

    public int Losses { get; set; }

    public DateTimeOffset KeptAt { get; set; }

    /// <summary>JSON of the recorder contract.</summary>
    public required string Report { get; set; }

    public static void Configure(EntityTypeBuilder<CoverageReportRow> row)
    {
        row.ToTable("coverage_reports");
        row.HasKey(r => r.TaskId);
        row.HasIndex(r => r.EntryId);
    }

    public KeptCoverage ToCoverage() => new(TaskId, EntryId, Sha256, MaterialCopyTaskRow.Read<CoverageReport>(Report)!, KeptAt);
}

/// <summary>An order that a hold may end, and whether its server has been told.</summary>
internal sealed class HoldReleaseRow : IVersionedRow
{
    public required string EntryId { get; set; }

    public required string ServerId { get; set; }

    public required string Identity { get; set; }

    public required string TaskId { get; set; }

    public HoldRelease Release { get; set; }

    public required string Reason { get; set; }

    public DateTimeOffset OrderedAt { get; set; }

    public int Refusals { get; set; }

    public string? LastError { get; set; }

    public DateTimeOffset? ReleasedAt { get; set; }

    public long Revision { get; set; }

    public static void Configure(EntityTypeBuilder<HoldReleaseRow> row)
    {
        row.ToTable("hold_releases");
        row.HasKey(r => new { r.EntryId, r.ServerId });
        row.Property(r => r.Revision).IsConcurrencyToken();
        row.Property(r => r.Release).HasConversion<string>();
        row.HasIndex(r => r.ReleasedAt);
    }

    public HoldReleaseOrder ToOrder() => new(EntryId, ServerId, Identity, TaskId, Release, Reason, OrderedAt, Refusals, LastError, ReleasedAt, Revision);
}
