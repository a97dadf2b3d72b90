using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Testing.Engine;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace FailbackWorkflows.Testing.Evidence;

/// <summary>A run of the real engine that goes round in a loop until its journal is as long as wanted. Run in memory; then its commits are written into a database, many as one.</summary>
public static class LoopingRun
{
    private const int CommitsTogether = 500;

    private const string DefinitionId = "looping";

    private static readonly string Json = """
        {
          "id": "looping:1", "definitionId": "looping", "name": "Looping", "version": 1, "isLatest": true, "isPublished": true,
          "variables": [
            { "id": "Count", "name": "Count", "typeName": "Int64", "isArray": false, "value": 0, "storageDriverTypeName": "WorkflowInstance" },
            { "id": "Most", "name": "Most", "typeName": "Int64", "isArray": false, "value": 0, "storageDriverTypeName": "WorkflowInstance" }
          ],
          "inputs": [{ "name": "Rounds", "type": "Int64" }], "outputs": [], "outcomes": [], "customProperties": {},
          "root": {
            "id": "flowchart", "nodeId": "Workflow1:flowchart", "name": "flowchart", "type": "Elsa.Flowchart", "version": 1, "customProperties": {}, "metadata": {}, "start": "Add", "variables": [],
            "activities": [
              { "id": "Add", "name": "Add", "type": "Elsa.SetVariable", "version": 1, "customProperties": {}, "metadata": { "displayText": "Count on", "designer": { "position": { "x": 20, "y": 60 }, "size": { "width": 220, "height": 54 } } },
                "variable": { "id": "Count", "name": "Count", "typeName": "Int64" }, "value": { "typeName": "Object", "expression": { "type": "JavaScript", "value": "getVariable('Count') + 1" } } },
              { "id": "Enough", "name": "Enough", "type": "Elsa.FlowDecision", "version": 1, "customProperties": {}, "metadata": { "displayText": "Enough?", "designer": { "position": { "x": 320, "y": 60 }, "size": { "width": 220, "height": 54 } } },
                "condition": { "typeName": "Boolean", "expression": { "type": "JavaScript", "value": "getVariable('Count') >= getInput('Rounds')" } } }
            ],
            "connections": [
              { "source": { "activity": "Add", "port": "Done" }, "target": { "activity": "Enough", "port": "In" } },
              { "source": { "activity": "Enough", "port": "False" }, "target": { "activity": "Add", "port": "In" } }
            ]
          }
        }
        """;

    /// <summary>An engine over a store that runs nothing by itself.</summary>
    public static ServiceProvider Services(IWorkflowStore store)
    {
        var services = new ServiceCollection();
        services.AddLogging();
        services.AddSingleton(TimeProvider.System);
        services.AddSingleton(store);
        services.AddWorkflowEngine(_ => { });
        return services.BuildServiceProvider();
    }

    /// <summary>Writes a run of at least so many events and answers with its id.</summary>
    public static async Task<string> WriteAsync(IWorkflowStore target, int events)
    {
        var memory = new InMemoryWorkflowStore();
        string id;
        await using (var services = Services(memory))
        {
            var definition = await services.GetRequiredService<WorkflowDefinitions>().PublishAsync(Json, "test", CancellationToken.None);
            foreach (var hosted in services.GetServices<IHostedService>())
            {
                await hosted.StartAsync(CancellationToken.None);
            }

            // A round is two activities with two events each.
            id = (await services.GetRequiredService<IWorkflowRuntime>().StartAsync(
                new StartWorkflow(DefinitionId, Actor.System) { Input = new Dictionary<string, object?> { ["Rounds"] = (events / 4) + 1L }, Reason = "To be long." }, CancellationToken.None)).InstanceId;
            await memory.WaitForAsync(id, i => i.Status == WorkflowStatus.Finished);
            foreach (var hosted in services.GetServices<IHostedService>())
            {
                await hosted.StopAsync(CancellationToken.None);
            }

            await target.PublishDefinitionAsync((await memory.FindDefinitionVersionAsync(definition.Id, CancellationToken.None))!, CancellationToken.None);
        }

        string? head = null;
        foreach (var commits in memory.Commits.Where(c => c.Instance.Id == id).Chunk(CommitsTogether))
        {
            var last = commits[^1];
            var together = new StepCommit
            {
                Lease = last.Lease,
                Instance = last.Instance with { ChainHead = head },
                IsStart = commits[0].IsStart,
                Events = [.. commits.SelectMany(c => c.Events)],
                Bookmarks = last.Instance.Status == WorkflowStatus.Finished ? [] : null,
                Releases = last.Releases,
                At = last.At,
                LeaseUntil = last.LeaseUntil,
            };
            await target.CommitAsync(together, CancellationToken.None);
            head = together.ChainHead;
        }

        return id;
    }
}
