using System.Security.Cryptography;
using System.Text.Json;
using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Guards;

/// <summary>What is published can be run, and is what was published.</summary>
public sealed class WorkflowFileTests
{
    private static readonly ActivityCatalog Catalog = Fill();

    public static TheoryData<string> Files => [.. Directory.EnumerateFiles(RepositoryFiles.Workflows, "*.json", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(RepositoryFiles.Workflows, f)).Order()];

    public static TheoryData<string> Composites => [.. Catalog.Descriptors.Where(d => d.Value.CompositeJson is not null).Select(d => d.Key).Order()];

    [Theory]
    [MemberData(nameof(Files))]
    public void Workflow_EachActivityType_IsInTheCatalog(string file)
    {
        var json = File.ReadAllText(Path.Combine(RepositoryFiles.Workflows, file));

        ShouldBeKnown(json);
        Should.NotThrow(() => new DefinitionReader(Catalog).Read(json));
    }

    [Theory]
    [MemberData(nameof(Composites))]
    public void Composite_EachActivityType_IsInTheCatalog(string type) => ShouldBeKnown(Catalog.Descriptors[type].CompositeJson!);

    [Fact]
    public void Workflows_AreAsPublished()
    {
        var published = File.ReadAllLines(Path.Combine(RepositoryFiles.Workflows, "published.sha256")).Where(l => l.Length > 0);
        var actual = Directory.EnumerateFiles(RepositoryFiles.Workflows, "*.json", SearchOption.AllDirectories)
            .Select(f => $"{Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(f)))}  {Path.GetRelativePath(RepositoryFiles.Workflows, f).Replace('\\', '/')}");

        actual.Order().ShouldBe(published.Order(), "A published workflow never changes: add a new version beside it. A new file goes into published.sha256.");
    }

    private static void ShouldBeKnown(string json)
    {
        using var document = JsonDocument.Parse(json);
        var types = TypesIn(document.RootElement).Distinct().ToList();
        types.ShouldNotBeEmpty();
        types.Where(t => !Catalog.Descriptors.ContainsKey(t)).ShouldBeEmpty();
    }

    /// <summary>Types of activities: texts with a dot under <c>type</c> of an object that has an id.</summary>
    private static IEnumerable<string> TypesIn(JsonElement element)
    {
        if (element.ValueKind == JsonValueKind.Object)
        {
            if (element.TryGetProperty("id", out _) && element.TryGetProperty("type", out var type) && type.ValueKind == JsonValueKind.String)
            {
                yield return type.GetString()!;
            }

            foreach (var found in element.EnumerateObject().SelectMany(m => TypesIn(m.Value)))
            {
                yield return found;
            }
        }
        else if (element.ValueKind == JsonValueKind.Array)
        {
            foreach (var found in element.EnumerateArray().SelectMany(TypesIn))
            {
                yield return found;
            }
        }
    }

    private static ActivityCatalog Fill()
    {
        var catalog = new ActivityCatalog();
        FailbackActivities.AddTo(catalog);
        return catalog;
    }
}
