using FailbackWorkflows.Engine.Definitions;

namespace FailbackWorkflows.Engine.Library;

/// <summary>Where a version of a definition came from.</summary>
public enum VersionOrigin
{
    /// <summary>A file of the workflow folder.</summary>
    File,

    /// <summary>Somebody edited it.</summary>
    Designer,

    /// <summary>Somebody brought a file.</summary>
    Import,

    /// <summary>Somebody went back to an earlier version.</summary>
    RollBack,

    /// <summary>A draft that was run: it was made a version first, so that its runs stay with what they ran.</summary>
    Run,
}

/// <summary>
/// A version of a definition as the library keeps it. A version that is no draft never changes, but for what is said about it (published, deleted); a draft is
/// replaced with each save until it becomes a version.
/// </summary>
public sealed record WorkflowVersion
{
    /// <summary>definitionVersionId: <c>definitionId:version</c>.</summary>
    public required string Id { get; init; }

    public required string DefinitionId { get; init; }

    /// <summary>From 1; of a draft: the number it will have.</summary>
    public required int Version { get; init; }

    public required string Name { get; init; }

    public string? Description { get; init; }

    /// <summary>The definition in Elsa 3's format; empty in lists that did not ask for it.</summary>
    public required string Json { get; init; }

    /// <summary>Lower-case hex SHA-256 over <see cref="Json"/>.</summary>
    public required string Sha256 { get; init; }

    /// <summary>True: it is still edited, and no run can have it.</summary>
    public bool IsDraft { get; init; }

    /// <summary>The newest of its definition.</summary>
    public bool IsLatest { get; init; }

    /// <summary>New runs use it.</summary>
    public bool IsPublished { get; init; }

    /// <summary>Grows with every save of the definition; see <see cref="DraftRevision"/>.</summary>
    public long Revision { get; init; }

    /// <summary>Of a version: when it became one. Of a draft: when it was saved last.</summary>
    public required DateTimeOffset SavedAt { get; init; }

    public required string SavedBy { get; init; }

    public VersionOrigin Origin { get; init; }

    /// <summary>Why it was published.</summary>
    public string? Reason { get; init; }

    /// <summary>Of a draft: the version it was made from; null: it is the first.</summary>
    public int? BasedOn { get; init; }

    /// <summary>A sentence when it met with somebody else's change and a person should compare the two; null otherwise.</summary>
    public string? Conflict { get; init; }

    /// <summary>When it was taken out of the lists; it is kept all the same.</summary>
    public DateTimeOffset? DeletedAt { get; init; }

    public string? DeletedBy { get; init; }
}

/// <summary>What was done with a definition at a revision.</summary>
public enum RevisionKind
{
    Saved,

    /// <summary>A save that was refused because somebody else had saved meanwhile; kept so that nothing is lost.</summary>
    Refused,
    Published,
    Imported,
    RolledBack,
    Retracted,

    /// <summary>The draft became a version because it was run.</summary>
    Frozen,
    Deleted,
    Restored,
}

/// <summary>
/// One save of a definition. Its number is what a later save names as the state it was made from. Of the saves that one person makes within one minute the last
/// is kept.
/// </summary>
/// <param name="Json">Empty in lists.</param>
public sealed record DraftRevision(string DefinitionId, long Revision, RevisionKind Kind, int Version, string AuthorId, string AuthorName, DateTimeOffset SavedAt, string Sha256, string Json);

/// <summary>Which versions are meant, in Elsa's words.</summary>
public enum VersionChoice
{
    /// <summary>All that are not deleted.</summary>
    All,
    Latest,
    Published,

    /// <summary>Each that is one of the two.</summary>
    LatestOrPublished,

    /// <summary>Each that is both.</summary>
    LatestAndPublished,
    Draft,

    /// <summary>The one of <see cref="VersionQuery.Version"/>.</summary>
    Number,
}

/// <summary>One page of versions.</summary>
public sealed record VersionQuery
{
    public VersionChoice Choice { get; init; }

    public int? Version { get; init; }

    /// <summary>Only of these definitions; empty: of all.</summary>
    public IReadOnlyCollection<string> DefinitionIds { get; init; } = [];

    /// <summary>Only versions with these ids; empty: all.</summary>
    public IReadOnlyCollection<string> Ids { get; init; } = [];

    /// <summary>Part of the name, the description or the id.</summary>
    public string? SearchTerm { get; init; }

    public VersionOrder OrderBy { get; init; }

    public bool IsDescending { get; init; }

    public int Skip { get; init; }

    /// <summary>1–1,000.</summary>
    public int Take { get; init; } = 1000;

    /// <summary>Whether the deleted ones are wanted, too.</summary>
    public bool WithDeleted { get; init; }

    /// <summary>Whether the definitions themselves are wanted.</summary>
    public bool WithJson { get; init; }
}

/// <summary>What a list of versions is ordered by.</summary>
public enum VersionOrder
{
    Name,
    Version,
    Created,
}

/// <summary>A page and how many there are in all.</summary>
public sealed record VersionPage(IReadOnlyList<WorkflowVersion> Items, int TotalCount);

/// <summary>Instances of one version.</summary>
public sealed record InstanceCount(string DefinitionVersionId, int Version, int Running, int All);
