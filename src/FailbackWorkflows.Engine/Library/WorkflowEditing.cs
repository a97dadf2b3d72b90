using System.Text.Json.Nodes;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Engine.Storage;

namespace FailbackWorkflows.Engine.Library;

/// <summary>
/// Edits and publishes definitions. Every save is kept; a published version never changes; two people who edit the same definition do not overwrite each other.
/// </summary>
public sealed class WorkflowEditing(IWorkflowLibrary library, WorkflowDefinitions definitions, IPublishRules rules, TimeProvider time)
{
    private static readonly TimeSpan RepeatedWithin = TimeSpan.FromMinutes(2);

    /// <summary>
    /// Keeps the definition as the draft of its next version. A save that says the same as what is there changes nothing. Throws
    /// <see cref="LibraryRefusedException"/>: <c>overtaken</c> when somebody else has saved since the client's state (what was sent is kept as a refused save),
    /// <c>emptied</c> when it would take all activities away, <c>invalid-name</c>, <c>invalid-root</c>.
    /// </summary>
    public async Task<WorkflowVersion> SaveAsync(SaveDefinition request, CancellationToken cancellationToken)
    {
        var definitionId = request.DefinitionId ?? await NameAsync(request, cancellationToken);
        CheckId(definitionId);
        var saved = await library.ChangeAsync(definitionId, change => SaveAsync(change, definitionId, request, cancellationToken), cancellationToken);
        return saved.Refusal is null ? saved.Version! : throw saved.Refusal;
    }

    /// <summary>Saves, then publishes what was saved, in one transaction.</summary>
    public async Task<SavedDefinition> SaveAndPublishAsync(SaveDefinition request, PublishDefinition wish, CancellationToken cancellationToken)
    {
        var definitionId = request.DefinitionId ?? await NameAsync(request, cancellationToken);
        CheckId(definitionId);
        var (saved, published) = await library.ChangeAsync(
            definitionId,
            async change =>
            {
                var saved = await SaveAsync(change, definitionId, request, cancellationToken);
                return (saved, saved.Refusal is null ? await PublishAsync(change, definitionId, wish, cancellationToken) : null);
            },
            cancellationToken);
        return saved.Refusal is null ? await WithPinnedAsync(published!, cancellationToken) : throw saved.Refusal;
    }

    /// <summary>Publishes the latest version. Throws <see cref="LibraryRefusedException"/> <c>unknown</c>.</summary>
    public async Task<SavedDefinition> PublishAsync(string definitionId, PublishDefinition wish, CancellationToken cancellationToken) => await WithPinnedAsync(
        await library.ChangeAsync(definitionId, change => PublishAsync(change, definitionId, wish, cancellationToken), cancellationToken),
        cancellationToken);

    /// <summary>New runs are no longer possible; running ones go on. Answers with the latest version.</summary>
    public Task<WorkflowVersion> RetractAsync(string definitionId, Actor author, CancellationToken cancellationToken) => library.ChangeAsync(
        definitionId,
        async change =>
        {
            if (change.Versions.FirstOrDefault(v => v.IsPublished) is { } published)
            {
                await change.PutAsync(published with { IsPublished = false, Json = await change.ReadJsonAsync(published.Id, cancellationToken) }, cancellationToken);
                await change.SetTriggersAsync([], cancellationToken);
                await NoteAsync(change, published, RevisionKind.Retracted, author, cancellationToken);
            }

            return await ReadAsync(change, Latest(change) ?? throw Unknown(definitionId), cancellationToken);
        },
        cancellationToken);

    /// <summary>Makes an earlier version the draft again. What was the draft is kept among the saves.</summary>
    public Task<WorkflowVersion> RollBackAsync(string definitionId, int version, Actor author, CancellationToken cancellationToken) => library.ChangeAsync(
        definitionId,
        async change =>
        {
            var wanted = change.Versions.FirstOrDefault(v => v.Version == version && !v.IsDraft)
                ?? throw new LibraryRefusedException("unknown", $"The workflow has no version {version}.");
            var model = DefinitionText.Parse(await change.ReadJsonAsync(wanted.Id, cancellationToken));
            return await PutDraftAsync(change, definitionId, model, author, VersionOrigin.RollBack, RevisionKind.RolledBack, basedOn: null, cancellationToken);
        },
        cancellationToken);

    /// <summary>Makes the save of a revision the draft again.</summary>
    public async Task<WorkflowVersion> RestoreSaveAsync(string definitionId, long revision, Actor author, CancellationToken cancellationToken)
    {
        var save = await library.FindRevisionAsync(definitionId, revision, cancellationToken)
            ?? throw new LibraryRefusedException("unknown", $"The save {revision} is not kept any more.");
        return await library.ChangeAsync(
            definitionId,
            change => PutDraftAsync(change, definitionId, DefinitionText.Parse(save.Json), author, VersionOrigin.Designer, RevisionKind.Restored, basedOn: null, cancellationToken),
            cancellationToken);
    }

    /// <summary>
    /// Makes the draft a version that is not published, so that a run of it stays with what it ran. Throws <see cref="DefinitionInvalidException"/> when it could not run.
    /// </summary>
    public Task<WorkflowVersion> FreezeAsync(string definitionId, Actor author, CancellationToken cancellationToken) => library.ChangeAsync(
        definitionId,
        async change =>
        {
            var latest = await ReadAsync(change, Latest(change) ?? throw Unknown(definitionId), cancellationToken);
            if (!latest.IsDraft)
            {
                return latest;
            }

            var (read, problems) = await definitions.ValidateAsync(latest.Json, cancellationToken);
            if (read is null)
            {
                throw new DefinitionInvalidException(problems);
            }

            var frozen = latest with { IsDraft = false, SavedAt = time.GetUtcNow(), SavedBy = author.Name, Origin = VersionOrigin.Run, Sha256 = read.Sha256, Reason = "It was run as a draft." };
            await change.PutAsync(frozen with { Revision = change.LastRevision + 1 }, cancellationToken);
            await NoteAsync(change, frozen, RevisionKind.Frozen, author, cancellationToken);
            return frozen;
        },
        cancellationToken);

    /// <summary>
    /// Takes a version out of the lists. Refused for a version with instances and for the published one. A draft is removed; its saves are kept.
    /// </summary>
    public Task DeleteVersionAsync(string definitionId, string versionId, Actor author, CancellationToken cancellationToken) => library.ChangeAsync(
        definitionId,
        async change =>
        {
            var version = change.Versions.FirstOrDefault(v => v.Id == versionId && v.DeletedAt is null) ?? throw new LibraryRefusedException("unknown", "There is no such version.");
            if (version.IsPublished)
            {
                throw new LibraryRefusedException("published", $"Version {version.Version} is published. Publish another version or unpublish it first.");
            }

            await DeleteAsync(change, version, author, cancellationToken);
            return true;
        },
        cancellationToken);

    /// <summary>Takes a definition with all its versions out of the lists; it can be brought back. Refused when a version has instances.</summary>
    public Task DeleteAsync(string definitionId, Actor author, CancellationToken cancellationToken) => library.ChangeAsync(
        definitionId,
        async change =>
        {
            var versions = change.Versions.Where(v => v.DeletedAt is null).ToList();
            foreach (var version in versions.OrderBy(v => v.IsDraft ? 1 : 0))
            {
                await DeleteAsync(change, version, author, cancellationToken);
            }

            await change.SetTriggersAsync([], cancellationToken);
            return versions.Count;
        },
        cancellationToken);

    /// <summary>Brings a deleted version back into the lists, not published.</summary>
    public Task RestoreVersionAsync(string definitionId, int version, Actor author, CancellationToken cancellationToken) => library.ChangeAsync(
        definitionId,
        async change =>
        {
            var deleted = change.Versions.FirstOrDefault(v => v.Version == version && v.DeletedAt is not null) ?? throw new LibraryRefusedException("unknown", $"Version {version} is not deleted.");
            await change.PutAsync(await ReadAsync(change, deleted with { DeletedAt = null, DeletedBy = null }, cancellationToken), cancellationToken);
            await MarkLatestAsync(change, cancellationToken);
            await NoteAsync(change, deleted, RevisionKind.Restored, author, cancellationToken);
            return true;
        },
        cancellationToken);

    private async Task<Saving> SaveAsync(ILibraryChange change, string definitionId, SaveDefinition request, CancellationToken cancellationToken)
    {
        var latest = Latest(change);
        var before = latest is null ? null : DefinitionText.Parse(await change.ReadJsonAsync(latest.Id, cancellationToken));
        var model = DefinitionText.Normalise(request.Model, definitionId, NextVersion(change, latest), isPublished: false, before);
        if (before is not null && DefinitionText.SaysTheSame(before, model))
        {
            return new(await ReadAsync(change, latest!, cancellationToken), null);
        }

        if (await FindOvertakingAsync(change, request, latest, cancellationToken) is { } other)
        {
            var json = DefinitionText.Write(model);
            await change.AddRevisionAsync(
                new(definitionId, change.LastRevision + 1, RevisionKind.Refused, latest?.Version ?? 1, request.Author.Id, request.Author.Name, time.GetUtcNow(), DefinitionText.Sha256(json), json),
                cancellationToken);
            return new(null, new LibraryRefusedException(
                "overtaken",
                $"{other.AuthorName} has changed this workflow at {other.SavedAt.UtcDateTime:yyyy-MM-dd HH:mm} UTC, after you opened it. Your change was not saved over theirs; it is kept in the list of saves of this workflow. "
                + "Load the page again to see theirs."));
        }

        if (before is not null)
        {
            DraftGuard.Check(before, model);
        }

        CheckName(model);
        CheckRoot(model);
        var kind = request.Origin == VersionOrigin.Import ? RevisionKind.Imported : RevisionKind.Saved;
        return new(await PutDraftAsync(change, definitionId, model, request.Author, request.Origin, kind, latest is { IsDraft: true } ? latest.BasedOn : latest?.Version, cancellationToken), null);
    }

    /// <summary>The newest save of somebody else that the client does not know. Its own later ones are overlapping saves of one person.</summary>
    private static async Task<DraftRevision?> FindOvertakingAsync(ILibraryChange change, SaveDefinition request, WorkflowVersion? latest, CancellationToken cancellationToken)
    {
        if (request.KnownRevision is not { } known)
        {
            return null;
        }

        // What a start took from the workflow folder is no save; the client's version says that it is older.
        if (latest is { IsDraft: false, Revision: 0 } && request.Model["version"] is JsonValue value && value.TryGetValue<int>(out var version) && version < latest.Version)
        {
            return new(latest.DefinitionId, 0, RevisionKind.Published, latest.Version, latest.SavedBy, latest.SavedBy == StoredDefinition.FromFile ? "The workflow folder" : latest.SavedBy, latest.SavedAt, latest.Sha256, "");
        }

        var since = await change.ListRevisionsAfterAsync(known, cancellationToken);
        return since.LastOrDefault(r => r.Kind is not (RevisionKind.Refused or RevisionKind.Retracted or RevisionKind.Deleted) && r.AuthorId != request.Author.Id);
    }

    private async Task<WorkflowVersion> PutDraftAsync(
        ILibraryChange change, string definitionId, JsonObject model, Actor author, VersionOrigin origin, RevisionKind kind, int? basedOn, CancellationToken cancellationToken)
    {
        var latest = Latest(change);
        var number = NextVersion(change, latest);
        var json = DefinitionText.Write(DefinitionText.Normalise(model, definitionId, number, isPublished: false, null));
        var now = time.GetUtcNow();
        var draft = new WorkflowVersion
        {
            Id = $"{definitionId}:{number}",
            DefinitionId = definitionId,
            Version = number,
            Name = (string?)model["name"] ?? definitionId,
            Description = (string?)model["description"],
            Json = json,
            Sha256 = DefinitionText.Sha256(json),
            IsDraft = true,
            Revision = change.LastRevision + 1,
            SavedAt = now,
            SavedBy = author.Name,
            Origin = origin,
            BasedOn = basedOn ?? change.Versions.Where(v => !v.IsDraft && v.DeletedAt is null).Select(v => (int?)v.Version).Max(),
        };
        await change.PutAsync(draft, cancellationToken);
        await MarkLatestAsync(change, cancellationToken);
        var since = await change.ListRevisionsAfterAsync(change.LastRevision - 1, cancellationToken);
        await change.AddRevisionAsync(new(definitionId, draft.Revision, kind, number, author.Id, author.Name, now, draft.Sha256, json), cancellationToken);

        // Of what one person saves within a minute the last is kept.
        if (kind == RevisionKind.Saved && since is [.., var last] && IsOneStep(last, author, now))
        {
            await change.RemoveRevisionAsync(last.Revision, cancellationToken);
        }

        return draft with { IsLatest = true };
    }

    private static bool IsOneStep(DraftRevision save, Actor author, DateTimeOffset now) =>
        save.Kind == RevisionKind.Saved && save.AuthorId == author.Id && save.SavedAt.UtcTicks / TimeSpan.TicksPerMinute == now.UtcTicks / TimeSpan.TicksPerMinute;

    private async Task<SavedDefinition> PublishAsync(ILibraryChange change, string definitionId, PublishDefinition wish, CancellationToken cancellationToken)
    {
        var latest = await ReadAsync(change, Latest(change) ?? throw Unknown(definitionId), cancellationToken);
        var published = change.Versions.FirstOrDefault(v => v.IsPublished);
        var publishedJson = published is null ? null : await change.ReadJsonAsync(published.Id, cancellationToken);
        var model = DefinitionText.Parse(latest.Json);
        if (publishedJson is not null && DefinitionText.SaysTheSame(DefinitionText.Parse(publishedJson), model))
        {
            return new(latest, [], [], WasPublishedAlready: true);
        }

        if (!wish.Overtakes && published is not null && latest.IsDraft && latest.BasedOn < published.Version)
        {
            return new(latest, [$"{published.SavedBy} has published version {published.Version} after this draft was begun from version {latest.BasedOn}. Compare the two on the page of this workflow's versions, and publish from there."], [], false);
        }

        var number = latest.IsDraft ? latest.Version : NextVersion(change, latest);
        var json = DefinitionText.Write(DefinitionText.Normalise(model, definitionId, number, isPublished: true, null));
        var (definition, problems) = await definitions.ValidateAsync(json, cancellationToken);
        if (definition is null)
        {
            return new(latest, [.. problems.Select(p => ProblemSentences.Of(p, model))], [], false);
        }

        var before = publishedJson is null ? null : (await definitions.ValidateAsync(publishedJson, cancellationToken)).Definition;
        var findings = rules.Check(new(definition, before, wish.Reason, wish.IsAdministrator));
        var errors = findings.Where(f => f.Severity == FindingSeverity.Error).Select(f => f.Sentence).ToList();
        if (errors.Count > 0)
        {
            return new(latest, errors, [], false);
        }

        var version = latest with
        {
            Id = $"{definitionId}:{number}",
            Version = number,
            Json = json,
            Sha256 = definition.Sha256,
            IsDraft = false,
            IsPublished = true,
            IsLatest = true,
            SavedAt = time.GetUtcNow(),
            SavedBy = wish.Author.Name,
            Reason = wish.Reason,
            Revision = change.LastRevision + 1,
            Conflict = null,
        };
        foreach (var other in change.Versions.Where(v => v.IsPublished && v.Version != number).ToList())
        {
            await change.PutAsync(await ReadAsync(change, other with { IsPublished = false }, cancellationToken), cancellationToken);
        }

        await change.PutAsync(version, cancellationToken);
        await MarkLatestAsync(change, cancellationToken);
        await change.SetTriggersAsync(definition.Triggers, cancellationToken);
        await NoteAsync(change, version, RevisionKind.Published, wish.Author, cancellationToken);
        return new(version, [], [.. findings.Select(f => f.Sentence)], false);
    }

    private async Task<SavedDefinition> WithPinnedAsync(SavedDefinition saved, CancellationToken cancellationToken) => saved.Version is { IsPublished: true, DefinitionId: var id, Id: var current }
        ? saved with { Pinned = [.. (await library.CountInstancesAsync(id, cancellationToken)).Where(c => c.Running > 0 && c.DefinitionVersionId != current)] }
        : saved;

    private async Task DeleteAsync(ILibraryChange change, WorkflowVersion version, Actor author, CancellationToken cancellationToken)
    {
        if (await change.CountInstancesAsync(version.Id, cancellationToken) is > 0 and var instances)
        {
            throw new LibraryRefusedException(
                "has-instances",
                $"Version {version.Version} of '{version.Name}' has {instances} {(instances == 1 ? "run" : "runs")}, which can only be read together with it. It is kept. Unpublish the workflow to keep it from being started.");
        }

        if (version.IsDraft)
        {
            await change.RemoveDraftAsync(cancellationToken);
        }
        else
        {
            await change.PutAsync(
                (await ReadAsync(change, version, cancellationToken)) with { IsPublished = false, IsLatest = false, DeletedAt = time.GetUtcNow(), DeletedBy = author.Name },
                cancellationToken);
        }

        await MarkLatestAsync(change, cancellationToken);
        await NoteAsync(change, version, RevisionKind.Deleted, author, cancellationToken);
    }

    private static async Task MarkLatestAsync(ILibraryChange change, CancellationToken cancellationToken)
    {
        var latest = Latest(change);
        foreach (var version in change.Versions.Where(v => v.IsLatest != (v.Version == latest?.Version)).ToList())
        {
            await change.PutAsync(await ReadAsync(change, version with { IsLatest = version.Version == latest?.Version }, cancellationToken), cancellationToken);
        }
    }

    private async Task NoteAsync(ILibraryChange change, WorkflowVersion version, RevisionKind kind, Actor author, CancellationToken cancellationToken) => await change.AddRevisionAsync(
        new(version.DefinitionId, change.LastRevision + 1, kind, version.Version, author.Id, author.Name, time.GetUtcNow(), version.Sha256, ""), cancellationToken);

    private static async Task<WorkflowVersion> ReadAsync(ILibraryChange change, WorkflowVersion version, CancellationToken cancellationToken) =>
        version.Json.Length > 0 ? version : version with { Json = await change.ReadJsonAsync(version.Id, cancellationToken) };

    private static WorkflowVersion? Latest(ILibraryChange change) => change.Versions.LastOrDefault(v => v.DeletedAt is null);

    private static int NextVersion(ILibraryChange change, WorkflowVersion? latest) =>
        latest is { IsDraft: true } ? latest.Version : change.Versions.Select(v => v.Version).DefaultIfEmpty(0).Max() + 1;

    private static LibraryRefusedException Unknown(string definitionId) => new("unknown", $"There is no workflow '{definitionId}'.");

    private static void CheckName(JsonObject model)
    {
        if ((model["name"] as JsonValue)?.TryGetValue<string>(out var name) != true || string.IsNullOrWhiteSpace(name) || name.Length > 200)
        {
            throw new LibraryRefusedException("invalid-name", "A workflow needs a name of 1 to 200 characters.");
        }
    }

    /// <summary>What has no root that could be drawn would stop the designer for every workflow, because it reads all of them.</summary>
    private static void CheckRoot(JsonObject model)
    {
        if (model["root"] is not JsonObject root || !DefinitionText.IsActivity(root))
        {
            throw new LibraryRefusedException("invalid-root", "A workflow needs a root activity with an id and a type.");
        }
    }

    private static void CheckId(string definitionId)
    {
        if (definitionId.Length is 0 or > 100 || !definitionId.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.'))
        {
            throw new LibraryRefusedException("invalid-id", "The id of a workflow has 1 to 100 letters, digits, hyphens, underscores and dots.");
        }
    }

    /// <summary>
    /// A new definition is named after its name, so that its file can be. The client repeats a request whose answer was lost: what the same person has made a moment
    /// ago from the same root is that one.
    /// </summary>
    private async Task<string> NameAsync(SaveDefinition request, CancellationToken cancellationToken)
    {
        CheckName(request.Model);
        var name = (string)request.Model["name"]!;
        var slug = string.Join('-', string.Concat(name.ToLowerInvariant().Select(c => char.IsAsciiLetterOrDigit(c) ? c : ' ')).Split(' ', StringSplitOptions.RemoveEmptyEntries));
        slug = slug.Length == 0 ? "workflow" : slug[..Math.Min(slug.Length, 80)];
        for (var number = 1; ; number++)
        {
            var id = number == 1 ? slug : $"{slug}-{number}";
            var known = (await library.ListAsync(new VersionQuery { DefinitionIds = [id], WithDeleted = true, WithJson = true, OrderBy = VersionOrder.Version, IsDescending = true, Take = 1 }, cancellationToken)).Items;
            if (known.Count == 0 || IsRepeated(known[0], request))
            {
                return id;
            }
        }
    }

    private bool IsRepeated(WorkflowVersion version, SaveDefinition request) =>
        version is { Version: 1, IsDraft: true, DeletedAt: null }
        && version.SavedBy == request.Author.Name
        && time.GetUtcNow() - version.SavedAt < RepeatedWithin
        && version.Name == (string?)request.Model["name"]
        && (string?)DefinitionText.Parse(version.Json)["root"]?["id"] == (string?)request.Model["root"]?["id"];

    private sealed record Saving(WorkflowVersion? Version, LibraryRefusedException? Refusal);
}
