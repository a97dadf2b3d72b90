using System.Text.Json.Nodes;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Library;
using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Persistence.Tests.Workflows;
using FailbackWorkflows.Persistence.Workflows;
using FailbackWorkflows.Testing;
using FailbackWorkflows.Testing.Persistence;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Persistence.Tests.Library;

/// <summary>Drafts, versions and their saves, whatever the database.</summary>
public abstract class WorkflowLibraryCompliance : IAsyncLifetime
{
    private static readonly Actor Ines = new(ActorKind.User, "1", "Ines");
    private static readonly Actor Ivan = new(ActorKind.User, "2", "Ivan");
    private readonly FakeTimeProvider _time = new();

    private protected TestDatabase Database { get; private set; } = null!;

    private IWorkflowLibrary Library => Database.Get<IWorkflowLibrary>();

    private WorkflowEditing Editing => new(Library, new WorkflowDefinitions(Database.Get<IWorkflowStore>(), new DefinitionReader(new ActivityCatalog()), _time), new NoPublishRules(), _time);

    protected abstract Task<TestDatabase> BuildCleanDatabaseAsync();

    public async Task InitializeAsync() => Database = await BuildCleanDatabaseAsync();

    public async Task DisposeAsync() => await Database.DisposeAsync();

    [Fact]
    public async Task Saves_OfOnePersonWithinAMinute_AreThinnedToTheLast()
    {
        await SaveAsync(Ines, "door", "0");
        foreach (var text in (string[])["1", "2", "3"])
        {
            await SaveAsync(Ines, "door", text);
        }

        _time.Advance(TimeSpan.FromMinutes(1));
        await SaveAsync(Ines, "door", "4");
        await SaveAsync(Ivan, "door", "5");
        await SaveAsync(Ines, "door", "6");

        var kept = await Library.ListRevisionsAsync("door", 100, default);
        kept.Select(r => (r.AuthorName, r.Revision)).ShouldBe([("Ines", 7), ("Ivan", 6), ("Ines", 5), ("Ines", 4)]);
        (await Library.FindRevisionAsync("door", 4, default))!.Json.ShouldContain("\"3\"");
        (await LatestAsync("door")).Json.ShouldContain("\"6\"");
    }

    [Fact]
    public async Task TwoPeople_AtTheSameMoment_OneIsTold_AndBothAreKept()
    {
        var known = (await SaveAsync(Ines, "door", "0")).Revision;

        var both = await Task.WhenAll(TryAsync(Ines, "hers"), TryAsync(Ivan, "his"));

        both.Count(saved => saved).ShouldBe(1);
        var kept = await Library.ListRevisionsAsync("door", 100, default);
        kept.Count(r => r.Kind == RevisionKind.Refused).ShouldBe(1);
        var texts = new List<string>();
        foreach (var save in kept.Take(2))
        {
            texts.Add((await Library.FindRevisionAsync("door", save.Revision, default))!.Json);
        }

        texts.ShouldContain(t => t.Contains("hers", StringComparison.Ordinal));
        texts.ShouldContain(t => t.Contains("his", StringComparison.Ordinal));

        async Task<bool> TryAsync(Actor author, string text)
        {
            try
            {
                await Editing.SaveAsync(new SaveDefinition("door", Model("door", text), known, author), default);
                return true;
            }
            catch (LibraryRefusedException refused) when (refused.Code == "overtaken")
            {
                return false;
            }
        }
    }

    [Fact]
    public async Task OneLatest_AndAtMostOnePublished_WhateverIsDone()
    {
        await SaveAsync(Ines, "door", "0");
        await PublishAsync("door");
        await SaveAsync(Ines, "door", "1");
        await PublishAsync("door");
        await Editing.RollBackAsync("door", 1, Ines, default);
        await Editing.RetractAsync("door", Ines, default);
        await PublishAsync("door");
        await SaveAsync(Ines, "door", "4");
        var latest = await LatestAsync("door");
        await Editing.DeleteVersionAsync("door", latest.Id, Ines, default);

        var versions = (await Library.ListAsync(new VersionQuery { DefinitionIds = ["door"], OrderBy = VersionOrder.Version }, default)).Items;
        versions.Select(v => (v.Version, v.IsLatest, v.IsPublished)).ShouldBe([(1, false, false), (2, false, false), (3, true, true)]);
    }

    [Fact]
    public async Task Draft_ThatIsRun_BecomesAVersion_AndTheNextSaveIsAnotherOne()
    {
        await SaveAsync(Ines, "door", "0");
        var frozen = await Editing.FreezeAsync("door", Ines, default);
        var again = await Editing.FreezeAsync("door", Ines, default);
        var draft = await SaveAsync(Ines, "door", "1");

        again.Id.ShouldBe(frozen.Id);
        (await Database.Get<IWorkflowStore>().FindDefinitionVersionAsync(frozen.Id, default))!.Json.ShouldBe(frozen.Json);
        (await Database.Get<IWorkflowStore>().FindDefinitionVersionAsync(draft.Id, default)).ShouldBeNull("nobody runs what is still edited");
        draft.Version.ShouldBe(2);
    }

    [Fact]
    public async Task Version_WithARun_IsNotDeleted_AndTheRunIsHiddenInstead()
    {
        await SaveAsync(Ines, "door", "0");
        await PublishAsync("door");
        var start = Steps.Starting("run-1", "node-1");
        start = new StepCommit
        {
            Lease = start.Lease,
            IsStart = true,
            Events = start.Events,
            At = start.At,
            LeaseUntil = start.LeaseUntil,
            Instance = start.Instance with { DefinitionId = "door", DefinitionVersionId = "door:1", DefinitionVersion = 1 },
        };
        await Database.Get<IWorkflowStore>().CommitAsync(start, default);
        await SaveAsync(Ines, "door", "1");
        await PublishAsync("door");

        (await Should.ThrowAsync<LibraryRefusedException>(() => Editing.DeleteVersionAsync("door", "door:1", Ines, default))).Code.ShouldBe("has-instances");
        (await Should.ThrowAsync<LibraryRefusedException>(() => Editing.DeleteAsync("door", Ines, default))).Code.ShouldBe("has-instances");
        (await Library.FindAsync("door", VersionChoice.Published, null, default))!.Version.ShouldBe(2, "nothing of a refused change is written");
        (await Library.CountInstancesAsync("door", default)).ShouldBe([new InstanceCount("door:1", 1, 1, 1)]);

        var runs = Database.Get<IRunBrowser>();
        (await runs.HideAsync(["run-1"], "Ines", _time.GetUtcNow(), default)).ShouldBeEmpty("it is still going on");
        await Database.Get<IWorkflowStore>().CommitAsync(Steps.Next(start.Lease, start.Instance, WorkflowSubStatus.Finished, bookmarks: []), default);
        (await runs.HideAsync(["run-1"], "Ines", _time.GetUtcNow(), default)).ShouldBe(["run-1"]);
        (await runs.ListAsync(new RunQuery(), default)).TotalCount.ShouldBe(0);
        (await runs.FindAsync("run-1", default)).ShouldNotBeNull("it is history");
    }

    [Fact]
    public async Task Publish_OfADraft_ThatWasBegunBeforeSomebodyElsePublished_IsRefused_UntilSaid()
    {
        await SaveAsync(Ines, "door", "0");
        await PublishAsync("door");
        await SaveAsync(Ivan, "door", "his draft");
        await Database.Get<IWorkflowStore>().PublishDefinitionAsync(
            new StoredDefinition("door:2", "door", 2, "door", DefinitionText.Write(DefinitionText.Normalise(Model("door", "from the folder"), "door", 2, true, null)), "sha", _time.GetUtcNow(), StoredDefinition.FromFile), default);

        var draft = await LatestAsync("door");
        (draft.IsDraft, draft.Version).ShouldBe((true, 4), "its number was taken by the file; the draft goes on under the next one");
        var refused = await Editing.PublishAsync("door", new PublishDefinition(Ivan, "mine", false), default);
        var published = await Editing.PublishAsync("door", new PublishDefinition(Ivan, "mine, compared", false) { Overtakes = true }, default);

        refused.Errors.ShouldHaveSingleItem().ShouldContain("has published version 3");
        (published.Errors.Count, published.Version.Version, published.Version.IsPublished).ShouldBe((0, 4, true));
    }

    [Fact]
    public async Task List_FindsByNameDescriptionAndId_AndPages()
    {
        foreach (var name in (string[])["alpha", "Beta", "gamma"])
        {
            await SaveAsync(Ines, name, "0");
        }

        var page = await Library.ListAsync(new VersionQuery { Choice = VersionChoice.Latest, Skip = 1, Take = 1 }, default);
        page.Items.Select(v => v.Name).ShouldBe(["Beta"]);
        page.TotalCount.ShouldBe(3);
        (await Library.ListAsync(new VersionQuery { SearchTerm = "BET" }, default)).Items.Select(v => v.Name).ShouldBe(["Beta"]);
        (await Library.IsNameTakenAsync("ALPHA", null, default)).ShouldBeTrue();
        (await Library.IsNameTakenAsync("ALPHA", "alpha", default)).ShouldBeFalse();
    }

    [Fact]
    public async Task Stamp_ChangesWithEverySave()
    {
        var stamps = new List<string> { await Library.GetStampAsync(default) };
        await SaveAsync(Ines, "door", "0");
        stamps.Add(await Library.GetStampAsync(default));
        await SaveAsync(Ines, "door", "1");
        stamps.Add(await Library.GetStampAsync(default));
        await PublishAsync("door");
        stamps.Add(await Library.GetStampAsync(default));

        stamps.ShouldBeUnique();
    }

    private async Task<WorkflowVersion> LatestAsync(string id) => (await Library.FindAsync(id, VersionChoice.Latest, null, default)).ShouldNotBeNull();

    private Task<WorkflowVersion> SaveAsync(Actor author, string id, string text) => Editing.SaveAsync(new SaveDefinition(id, Model(id, text), null, author), default);

    private async Task PublishAsync(string id) => (await Editing.PublishAsync(id, new PublishDefinition(Ines, "because", false), default)).Errors.ShouldBeEmpty();

    private static JsonObject Model(string name, string text) => new()
    {
        ["name"] = name,
        ["root"] = new JsonObject
        {
            ["id"] = "flow",
            ["type"] = "Elsa.Flowchart",
            ["version"] = 1,
            ["activities"] = new JsonArray(new JsonObject
            {
                ["id"] = "line",
                ["type"] = "Elsa.WriteLine",
                ["version"] = 1,
                ["text"] = new JsonObject { ["typeName"] = "String", ["expression"] = new JsonObject { ["type"] = "Literal", ["value"] = text } },
            }),
            ["connections"] = new JsonArray(),
        },
    };
}
