using FailbackWorkflows.Engine;

namespace FailbackWorkflows.Benchmarks.Durable;

/// <summary>A workflow that waits for an event again and again.</summary>
internal static class WaitingWorkflow
{
    private const string DefinitionId = "waits";
    private const string Event = "go";

    public static string Json { get; } = $$"""
        {
          "definitionId": "{{DefinitionId}}",
          "name": "Waits",
          "root": {
            "id": "flow",
            "type": "Elsa.Flowchart",
            "activities": [{ "id": "wait", "type": "Elsa.Event", "eventName": { "typeName": "String", "expression": { "type": "Literal", "value": "{{Event}}" } } }],
            "connections": [{"source": "wait", "target": "wait"}]
          }
        }
        """;

    /// <summary>What wakes one instance of it.</summary>
    public static Stimulus Wake(string instanceId) => Stimulus.Event(Event, Actor.System, instanceId: instanceId);

    /// <summary>Starts an instance; it waits when this returns.</summary>
    public static async Task<string> StartAsync(DurableNode node)
    {
        var started = await node.Runtime.StartAsync(new StartWorkflow(DefinitionId, Actor.System), CancellationToken.None);
        await node.Store.RestedAsync(started.InstanceId);
        return started.InstanceId;
    }
}
