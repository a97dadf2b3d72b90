using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Interpretation;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Engine.Values;
using FailbackWorkflows.Testing.Engine;
using Shouldly;

namespace FailbackWorkflows.Tests.Engine;

/// <summary>What holds for every run: its stored snapshot is what its journal folds to.</summary>
internal static class Folds
{
    public static void Check(EngineHost host, StoredInstance instance)
    {
        var definition = host.Definitions.GetVersionAsync(instance.DefinitionVersionId, CancellationToken.None).GetAwaiter().GetResult();
        var result = JournalFold.Fold(definition, instance.Id, host.Journal(instance.Id));
        result.Difference.ShouldBeNull();
        PlainValue.AreEqual(PlainValue.Parse(result.StateJson), PlainValue.Parse(instance.Snapshot)).ShouldBeTrue();
    }
}

/// <summary>What is wrong with a definition.</summary>
internal static class Problems
{
    public static IReadOnlyList<DefinitionProblem> Of(System.Text.Json.Nodes.JsonObject root) => OfDefinition(Json.Workflow(root));

    public static IReadOnlyList<DefinitionProblem> OfDefinition(string definition)
    {
        var catalog = new ActivityCatalog();
        TestHosts.AddTestActivities(catalog);
        new DefinitionReader(catalog).TryRead(definition, out var problems);
        return problems;
    }
}
