using System.Reflection;
using System.Text.Json.Nodes;
using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Library;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback;

namespace FailbackWorkflows.Server.Studio.Running;

/// <summary>What running a workflow would do, as far as its definition tells.</summary>
/// <param name="Changes">The activities by which it changes something, as the designer shows them; empty: it may be run by a click.</param>
/// <param name="Own">The first of them that belongs to something with a start of its own; null: none does.</param>
/// <param name="IsOpen">Which workflow it starts, is only known when it runs.</param>
internal sealed record RunEffects(IReadOnlyList<string> Changes, OwnStart? Own, bool IsOpen);

/// <summary>Something that is started where roles, confirmations and maintenance mode are checked for it, and so nowhere else.</summary>
/// <param name="Page">Where that is.</param>
internal sealed record OwnStart(string What, string Page, string PageName);

/// <summary>
/// Which workflows may be run by a click: those in which nothing is reached that commands a recorder, changes the failover log or starts such a workflow. What cannot
/// be told from the definition counts as reached.
/// </summary>
internal sealed class RunPermits(ActivityCatalog catalog, IWorkflowLibrary library, IWorkflowStore store)
{
    private static readonly Assembly Engine = typeof(ActivityCatalog).Assembly;

    /// <summary>By the activity that no such workflow does without: a copy under another name has it too.</summary>
    private static readonly IReadOnlyDictionary<string, OwnStart> OwnStarts = new Dictionary<string, OwnStart>(StringComparer.Ordinal)
    {
        ["Failback.LogFailbackStarted"] = new("A failback", "/failover-log", "Failover log"),
        ["Failback.RunFailback"] = new("A failback", "/failover-log", "Failover log"),
        ["Failback.CheckAdoption"] = new("An adoption", "/failover-log", "Failover log"),
        ["Failback.CheckAbandonment"] = new("The abandonment of a failback", "/failover-log", "Failover log"),
        ["Failback.CheckMaterialCopy"] = new("A material copy", "/failover-log", "Failover log"),
        ["Failback.LogFailoverStarted"] = new("A failover", "/servers", "VMS servers"),
        ["Failback.RunFailover"] = new("A failover", "/servers", "VMS servers"),
        ["Failback.CheckSettingsRollback"] = new("A settings rollback", "/servers", "VMS servers"),
        ["Failback.DeliverObligation"] = new("The delivery of what a recorder is owed", "/servers", "VMS servers"),
    };

    public async Task<RunEffects> FindEffectsAsync(string json, CancellationToken cancellationToken)
    {
        var found = new Found();
        await LookAsync(json, found, new HashSet<string>(StringComparer.Ordinal), cancellationToken);
        return new([.. found.Names.Distinct(StringComparer.Ordinal)], found.Own, found.IsOpen);
    }

    /// <summary>Whether executing the activity itself changes something; what it holds or starts is not looked at.</summary>
    public static bool Changes(ActivityDescriptor descriptor) =>
        descriptor.ActivityType is { } type && type.Assembly != Engine && !type.IsDefined(typeof(SafeToTryAttribute), inherit: false);

    private async Task LookAsync(string json, Found found, HashSet<string> seen, CancellationToken cancellationToken)
    {
        if (DefinitionText.Parse(json)["root"] is JsonObject root)
        {
            foreach (var activity in DefinitionText.Activities(root))
            {
                await LookAsync(activity, found, seen, cancellationToken);
            }
        }
    }

    private async Task LookAsync(JsonObject activity, Found found, HashSet<string> seen, CancellationToken cancellationToken)
    {
        var type = StudioJson.Text(activity["type"])!;
        var version = activity["version"] is JsonValue value && value.TryGetValue<int>(out var number) ? number : 1;
        var name = StudioJson.Text(activity["metadata"]?["displayText"]) ?? StudioJson.Text(activity["name"]) ?? type;
        if ((catalog.Find(type, version) ?? catalog.Descriptors.GetValueOrDefault(type)) is not { } descriptor)
        {
            // Unknown to the server: it cannot run, which is said by whoever reads the definition. A workflow used as an activity is known by its own members.
            if (StudioJson.Text(activity["workflowDefinitionVersionId"]) is { } pinned && seen.Add(pinned) && await library.FindByIdAsync(pinned, cancellationToken) is { } used)
            {
                var before = found.Names.Count;
                await LookAsync(used.Json, found, seen, cancellationToken);
                Rename(found, before, name);
            }

            return;
        }

        if (Changes(descriptor))
        {
            found.Names.Add(name);
            found.Own ??= OwnStarts.GetValueOrDefault(descriptor.Type);
        }
        else if (descriptor.CompositeJson is { } inside)
        {
            var before = found.Names.Count;
            foreach (var part in DefinitionText.Activities(DefinitionText.Parse(inside)))
            {
                await LookAsync(part, found, seen, cancellationToken);
            }

            Rename(found, before, name);
        }
        else if (type is "Elsa.ExecuteWorkflow" or "Elsa.DispatchWorkflow" or "Elsa.BulkDispatchWorkflows")
        {
            await LookIntoAsync(Literal(activity["workflowDefinitionId"]), name, found, seen, cancellationToken);
        }
        else if (type == "Elsa.PublishEvent")
        {
            await LookAtTriggersAsync(Literal(activity["eventName"]), name, found, seen, cancellationToken);
        }
    }

    /// <summary>Null: which workflow it is, is only known when it runs.</summary>
    private async Task LookIntoAsync(string? definitionId, string name, Found found, HashSet<string> seen, CancellationToken cancellationToken)
    {
        if (definitionId is null)
        {
            found.Names.Add(name);
            found.IsOpen = true;
        }
        else if (seen.Add(definitionId) && await library.FindAsync(definitionId, VersionChoice.Published, null, cancellationToken) is { } version)
        {
            var before = found.Names.Count;
            await LookAsync(version.Json, found, seen, cancellationToken);
            Rename(found, before, $"{name} (runs “{version.Name}”)");
        }
    }

    private async Task LookAtTriggersAsync(string? eventName, string name, Found found, HashSet<string> seen, CancellationToken cancellationToken)
    {
        if (eventName is null)
        {
            found.Names.Add(name);
            found.IsOpen = true;
            return;
        }

        foreach (var trigger in await store.FindTriggersAsync([$"Event:{eventName}", $"Event;eventName={eventName}", eventName], cancellationToken))
        {
            await LookIntoAsync(trigger.DefinitionId, name, found, seen, cancellationToken);
        }
    }

    /// <summary>What is inside something is named as what the person sees.</summary>
    private static void Rename(Found found, int before, string name)
    {
        if (found.Names.Count > before)
        {
            found.Names.RemoveRange(before, found.Names.Count - before);
            found.Names.Add(name);
        }
    }

    private static string? Literal(JsonNode? input) => input switch
    {
        JsonValue => StudioJson.Text(input),
        JsonObject wrapped when wrapped["expression"] is JsonObject expression && StudioJson.Text(expression["type"]) is null or "Literal" => StudioJson.Text(wrapped["expression"]?["value"]),
        _ => null,
    };

    private sealed class Found
    {
        public List<string> Names { get; } = [];

        public OwnStart? Own { get; set; }

        public bool IsOpen { get; set; }
    }
}
