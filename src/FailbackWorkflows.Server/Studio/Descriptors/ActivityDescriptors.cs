using System.Text.Json;
using System.Text.Json.Nodes;
using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Library;
using FailbackWorkflows.Engine.Runtime;

namespace FailbackWorkflows.Server.Studio.Descriptors;

/// <summary>
/// The activities as the designer's palette shows them, derived from the catalog. Whatever a kept definition names has a descriptor, too: what the designer does not
/// know it does not draw, and it says nothing.
/// </summary>
internal sealed class ActivityDescriptors(ActivityCatalog catalog, IWorkflowLibrary library, WorkflowDefinitions definitions)
{
    private readonly SemaphoreSlim _one = new(1);
    private volatile Made? _made;

    /// <summary>All of them as JSON, in UTF-8. Asked for after each save, so it is made anew only when the library has changed what it names.</summary>
    public async Task<ReadOnlyMemory<byte>> GetAsync(CancellationToken cancellationToken)
    {
        var stamp = await library.GetStampAsync(cancellationToken);
        if (_made is { } made && made.Stamp == stamp)
        {
            return made.Json;
        }

        await _one.WaitAsync(cancellationToken);
        try
        {
            if (_made is { } meanwhile && meanwhile.Stamp == stamp)
            {
                return meanwhile.Json;
            }

            _made = await MakeAsync(stamp, _made, cancellationToken);
            return _made.Json;
        }
        finally
        {
            _one.Release();
        }
    }

    private async Task<Made> MakeAsync(string stamp, Made? before, CancellationToken cancellationToken)
    {
        // What was named once stays known: a version of a type that no definition has any more does no harm.
        var named = new HashSet<(string Type, int Version)>(before?.Named ?? []);
        var read = new HashSet<string>(before?.Read ?? [], StringComparer.Ordinal);
        var ports = new Dictionary<string, HashSet<string>>(before?.Ports ?? [], StringComparer.Ordinal);
        var uses = new HashSet<(string Type, string VersionId)>(before?.Uses ?? []);
        var versions = await library.ListAsync(new VersionQuery { WithDeleted = true }, cancellationToken);
        foreach (var version in versions.Items.Where(v => read.Add($"{v.Id} {v.Sha256}")))
        {
            if (await library.FindByIdAsync(version.Id, cancellationToken) is { } whole && DefinitionText.Parse(whole.Json)["root"] is JsonObject root && StudioJson.Text(root["id"]) is not null && StudioJson.Text(root["type"]) is not null)
            {
                Note(root, named, ports, uses);
            }
        }

        // Published workflows that may be used as activities, and the versions of them that definitions stay with.
        var workflows = (await definitions.ListActivitiesAsync(cancellationToken)).ToList();
        foreach (var (type, id) in uses)
        {
            if (await definitions.FindActivityAsync(id, cancellationToken) is { } used)
            {
                workflows.Add(used with { Type = type, IsBrowsable = workflows.Exists(w => w.WorkflowDefinitionVersionId == id) });
            }
        }

        var names = string.Join(' ', workflows.Select(w => $"{w.Type}:{w.WorkflowDefinitionVersionId}"));
        if (before is not null && before.Workflows == names && named.Count == before.Named.Count && ports.Sum(p => p.Value.Count) == before.PortCount)
        {
            return before with { Stamp = stamp, Read = read };
        }

        var items = catalog.Descriptors.Values.Select(d => ActivityWire.Of(d)).ToList();
        items.Add(ActivityWire.NotFound());
        foreach (var workflow in workflows.Where(w => catalog.Find(w.Type, w.Version) is null).GroupBy(w => (w.Type, w.Version)).Select(g => g.First()))
        {
            items.Add(ActivityWire.Of(workflow));
            named.Remove((workflow.Type, workflow.Version));
        }

        foreach (var (type, version) in named.Where(n => catalog.Find(n.Type, n.Version) is null && n.Type != ActivityWire.NotFoundType).OrderBy(n => n.Type, StringComparer.Ordinal).ThenBy(n => n.Version))
        {
            items.Add(catalog.Descriptors.TryGetValue(type, out var known) ? ActivityWire.Of(known, version) : ActivityWire.Unknown(type, version, ports.GetValueOrDefault(type) ?? []));
        }

        return new(stamp, JsonSerializer.SerializeToUtf8Bytes(new { items, count = items.Count }, StudioJson.Options), named, read, ports, ports.Sum(p => p.Value.Count), uses, names);
    }

    /// <summary>The types and versions that a definition names, and the ports by which something leaves them.</summary>
    private static void Note(JsonObject root, HashSet<(string Type, int Version)> named, Dictionary<string, HashSet<string>> ports, HashSet<(string Type, string VersionId)> uses)
    {
        var types = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var activity in DefinitionText.Activities(root))
        {
            var type = (string)activity["type"]!;
            named.Add((type, activity["version"] is JsonValue value && value.TryGetValue<int>(out var version) ? version : 1));
            types[(string)activity["id"]!] = type;
            if (StudioJson.Text(activity["workflowDefinitionVersionId"]) is { } versionId)
            {
                uses.Add((type, versionId));
            }
        }

        foreach (var source in DefinitionText.Activities(root).SelectMany(a => a["connections"] as JsonArray ?? []).Select(c => c?["source"]))
        {
            if (StudioJson.Text(source?["activity"]) is { } id && StudioJson.Text(source?["port"]) is { } port && types.TryGetValue(id, out var type))
            {
                (ports.TryGetValue(type, out var known) ? known : ports[type] = new(StringComparer.Ordinal)).Add(port);
            }
        }
    }

    private sealed record Made(
        string Stamp, byte[] Json, HashSet<(string Type, int Version)> Named, HashSet<string> Read, Dictionary<string, HashSet<string>> Ports, int PortCount,
        HashSet<(string Type, string VersionId)> Uses, string Workflows);
}
