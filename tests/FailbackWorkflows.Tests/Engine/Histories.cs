using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Interpretation;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Testing.Engine;
using Microsoft.Extensions.DependencyInjection;
using Shouldly;

namespace FailbackWorkflows.Tests.Engine;

internal static class Histories
{
    /// <summary>What the runner stored is what its journal folds to.</summary>
    public static void Verify(EngineHost host, StoredInstance instance)
    {
        var stored = host.Store.FindDefinitionVersionAsync(instance.DefinitionVersionId, CancellationToken.None).Result!;
        var definition = host.Services.GetRequiredService<DefinitionReader>().Read(stored.Json);
        var result = JournalFold.Fold(definition, instance.Id, host.Journal(instance.Id));
        result.Difference.ShouldBeNull();
        result.StateJson.ShouldBe(instance.Snapshot);
    }
}
