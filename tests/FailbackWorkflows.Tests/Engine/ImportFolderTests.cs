using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Engine;

/// <summary>What a start makes of the workflow folder when somebody has published in the database meanwhile.</summary>
public sealed class ImportFolderTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("workflows-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Folder_WithAnOlderVersionThanIsPublished_LeavesItAlone_HoweverOftenItIsRead()
    {
        await using var world = await FailbackWorld.CreateEmptyAsync();
        var definitions = world.Node.Get<WorkflowDefinitions>();
        Write(1, "from the folder");
        Write(2, "from the folder, too");
        await definitions.ImportFolderAsync(_folder, default);
        var edited = await definitions.PublishAsync(Json(2, "edited by Ines"), "Ines Integrator", default);

        foreach (var _ in Enumerable.Range(0, 2))
        {
            var imported = (await definitions.ImportFolderAsync(_folder, default)).ShouldHaveSingleItem();

            (imported.Published!.Id, imported.Published!.Version, imported.FolderVersion, imported.NewerBy).ShouldBe((edited.Id, 3, 2, "Ines Integrator"));
        }

        (await world.Get<IWorkflowStore>().FindPublishedDefinitionAsync("door", default))!.ShouldSatisfyAllConditions(
            stored => stored.Version.ShouldBe(3),
            stored => stored.Name.ShouldBe("edited by Ines"));
    }

    [Fact]
    public async Task Folder_WithANewerVersionThanIsPublished_IsPublished()
    {
        await using var world = await FailbackWorld.CreateEmptyAsync();
        var definitions = world.Node.Get<WorkflowDefinitions>();
        Write(2, "from the folder");
        await definitions.ImportFolderAsync(_folder, default);
        await definitions.PublishAsync(Json(2, "edited by Ines"), "Ines Integrator", default);
        Write(4, "with the next release");

        var imported = (await definitions.ImportFolderAsync(_folder, default)).Single();
        var again = (await definitions.ImportFolderAsync(_folder, default)).Single();

        (imported.Published!.Version, imported.Published!.Name, imported.NewerBy).ShouldBe((4, "with the next release", null));
        again.Published!.Id.ShouldBe(imported.Published!.Id);
    }

    // A copy of what the folder has, under the number that the database gave it, is not somebody's change.
    [Fact]
    public async Task Folder_WithTheContentThatIsPublished_ChangesNothing()
    {
        await using var world = await FailbackWorld.CreateEmptyAsync();
        var definitions = world.Node.Get<WorkflowDefinitions>();
        await definitions.PublishAsync(Json(1, "first"), "Ines Integrator", default);
        var published = await definitions.PublishAsync(Json(1, "second"), "Ines Integrator", default);
        Write(1, "second");

        var imported = (await definitions.ImportFolderAsync(_folder, default)).Single();

        (published.Version, imported.Published!.Id, imported.NewerBy).ShouldBe((2, published.Id, null));
    }

    // A file that was changed without a higher number does not take somebody's change back; it is kept for a person to compare.
    [Fact]
    public async Task Folder_WithAChangedFile_BesideSomebodysChange_IsKeptAndSaysSo()
    {
        await using var world = await FailbackWorld.CreateEmptyAsync();
        var definitions = world.Node.Get<WorkflowDefinitions>();
        Write(2, "from the folder");
        await definitions.ImportFolderAsync(_folder, default);
        await definitions.PublishAsync(Json(2, "edited by Ines"), "Ines Integrator", default);
        Write(2, "changed in the folder");

        var imported = (await definitions.ImportFolderAsync(_folder, default)).Single();
        var again = (await definitions.ImportFolderAsync(_folder, default)).Single();

        imported.Published!.Name.ShouldBe("edited by Ines");
        imported.Conflict.ShouldNotBeNull().ShouldContain("Ines Integrator");
        again.Conflict.ShouldBeNull("it is told once");
        var store = world.Get<IWorkflowStore>();
        (await store.FindPublishedDefinitionAsync("door", default))!.Version.ShouldBe(3);
        (await store.FindDefinitionVersionAsync("door:4", default))!.Name.ShouldBe("changed in the folder");
    }

    [Fact]
    public async Task Folder_WithANewRelease_OverSomebodysChange_IsPublished_AndSaysWhatItOvertook()
    {
        await using var world = await FailbackWorld.CreateEmptyAsync();
        var definitions = world.Node.Get<WorkflowDefinitions>();
        Write(2, "from the folder");
        await definitions.ImportFolderAsync(_folder, default);
        await definitions.PublishAsync(Json(2, "edited by Ines"), "Ines Integrator", default);
        Write(4, "with the next release");

        (await definitions.ImportFolderAsync(_folder, default)).Single().Conflict.ShouldNotBeNull().ShouldContain("version 3");
    }

    [Fact]
    public async Task Folder_WithAChangedFile_WhenNobodyElsePublished_BecomesTheNextVersion()
    {
        await using var world = await FailbackWorld.CreateEmptyAsync();
        var definitions = world.Node.Get<WorkflowDefinitions>();
        Write(1, "from the folder");
        await definitions.ImportFolderAsync(_folder, default);
        Write(1, "changed in the folder");

        var imported = (await definitions.ImportFolderAsync(_folder, default)).Single();

        (imported.Published!.Version, imported.Published.Name, imported.Conflict).ShouldBe((2, "changed in the folder", null));
    }

    private void Write(int version, string name) => File.WriteAllText(Path.Combine(_folder, $"door.v{version}.json"), Json(version, name));

    private static string Json(int version, string name) => $$"""
        { "definitionId": "door", "version": {{version}}, "name": "{{name}}", "root": { "id": "flow", "type": "Elsa.Flowchart", "activities": [], "connections": [] } }
        """;
}
