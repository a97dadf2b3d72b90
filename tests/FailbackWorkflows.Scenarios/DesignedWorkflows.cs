using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using FailbackWorkflows.Testing.Failback;
using FailbackWorkflows.Testing.Processes;
using Microsoft.Playwright;
using Shouldly;

namespace FailbackWorkflows.Scenarios;

/// <summary>What the designer shows and changes, put at the server and asked of it.</summary>
internal static class DesignedWorkflows
{
    /// <summary>One of the samples, as a file that is chosen in the browser.</summary>
    public static FilePayload Sample(string name) => FileOf($"{name}.json", File.ReadAllText(PathOf(name)));

    public static FilePayload FileOf(string name, string text) => new() { Name = name, MimeType = "application/json", Buffer = Encoding.UTF8.GetBytes(text) };

    /// <summary>One of the samples as a workflow of its own, a draft.</summary>
    public static async Task ImportAsync(this Site site, string sample, string definition, string name, Action<JsonObject>? change = null)
    {
        var model = JsonNode.Parse(await File.ReadAllTextAsync(PathOf(sample)))!.AsObject();
        (model["id"], model["definitionId"], model["name"]) = ($"{definition}:1", definition, name);
        model["root"]!["id"] = $"{definition}-flow";
        change?.Invoke(model);
        var answer = await site.Server.PostAsync("elsa/api/workflow-definitions/import", model);
        answer.Status.ShouldBe(HttpStatusCode.OK, answer.ToString());
    }

    /// <summary>Runs the latest version.</summary>
    public static async Task RunAsync(this Site site, string definition)
    {
        var answer = await site.Server.PostAsync($"elsa/api/workflow-definitions/{definition}/execute", new JsonObject { ["versionOptions"] = "Latest" });
        answer.Status.ShouldBe(HttpStatusCode.OK, answer.ToString());
    }

    /// <summary>The latest version; null: there is none in the lists.</summary>
    public static async Task<JsonNode?> FindDefinitionAsync(this Site site, string definition) =>
        await site.Server.GetAsync($"elsa/api/workflow-definitions/by-definition-id/{definition}?versionOptions=Latest") is { Status: HttpStatusCode.OK } answer ? answer.Json : null;

    public static async Task<JsonNode> ReadDefinitionAsync(this Site site, string definition) =>
        await site.FindDefinitionAsync(definition) ?? throw new InvalidOperationException($"There is no workflow {definition}.");

    public static async Task<bool> IsPublishedAsync(this Site site, string definition) => (await site.ReadDefinitionAsync(definition))["isPublished"]!.GetValue<bool>();

    /// <summary>The runs in the list.</summary>
    public static async Task<IReadOnlyList<ListedRun>> ListRunsAsync(this Site site, string definition) =>
    [
        .. (await site.Server.PostAsync("elsa/api/workflow-instances", new JsonObject { ["definitionId"] = definition })).Json!["items"]!.AsArray()
            .Select(run => new ListedRun((string)run!["id"]!, (string)run["status"]!, (string)run["subStatus"]!)),
    ];

    private static string PathOf(string sample) => RepositoryFiles.PathOf($"tests/FailbackWorkflows.Tests/Workflows/Samples/{sample}.json");
}

/// <summary>A run as the designer's list has it.</summary>
internal sealed record ListedRun(string Id, string Status, string SubStatus)
{
    public bool HasEnded => Status == "Finished";

    public bool IsWaiting => SubStatus == "Suspended";

    public bool IsCancelled => SubStatus == "Cancelled";
}
