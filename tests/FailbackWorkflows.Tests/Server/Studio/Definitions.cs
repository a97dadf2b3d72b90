using System.Net;
using System.Text.Json.Nodes;
using Shouldly;

namespace FailbackWorkflows.Tests.Server.Studio;

/// <summary>Definitions as the designer sends them, and a person who does so.</summary>
internal static class Definitions
{
    /// <summary>A flowchart of lines to write, one after the other; each is an activity of its own.</summary>
    public static JsonObject Model(string name, string? definitionId = null, params string[] lines)
    {
        var activities = new JsonArray();
        var connections = new JsonArray();
        for (var i = 0; i < lines.Length; i++)
        {
            activities.Add(new JsonObject
            {
                ["id"] = $"line{i + 1}",
                ["name"] = $"WriteLine{i + 1}",
                ["type"] = "Elsa.WriteLine",
                ["version"] = 1,
                ["customProperties"] = new JsonObject { ["canStartWorkflow"] = false, ["runAsynchronously"] = false },
                ["metadata"] = new JsonObject { ["designer"] = new JsonObject { ["position"] = new JsonObject { ["x"] = 20 + (320 * i), ["y"] = 20 }, ["size"] = new JsonObject { ["width"] = 200, ["height"] = 50 } } },
                ["text"] = new JsonObject { ["typeName"] = "String", ["expression"] = new JsonObject { ["type"] = "Literal", ["value"] = lines[i] } },
            });
            if (i > 0)
            {
                connections.Add(new JsonObject
                {
                    ["source"] = new JsonObject { ["activity"] = $"line{i}", ["port"] = "Done" },
                    ["target"] = new JsonObject { ["activity"] = $"line{i + 1}", ["port"] = "In" },
                    ["vertices"] = new JsonArray(),
                });
            }
        }

        return new JsonObject
        {
            ["id"] = null,
            ["definitionId"] = definitionId,
            ["name"] = name,
            ["version"] = 1,
            ["customProperties"] = null,
            ["root"] = new JsonObject { ["id"] = $"flow-{name}", ["type"] = "Elsa.Flowchart", ["version"] = 1, ["name"] = "Flowchart1", ["activities"] = activities, ["connections"] = connections },
        };
    }

    /// <summary>A workflow that starts another one.</summary>
    /// <param name="expression">Kind of the expression that says which.</param>
    public static JsonObject Starting(string expression, string value)
    {
        var model = Model(NewName(), null, "one");
        var activity = model.Activity("line1");
        activity["type"] = "Elsa.DispatchWorkflow";
        activity.Remove("text");
        activity["workflowDefinitionId"] = new JsonObject { ["typeName"] = "String", ["expression"] = new JsonObject { ["type"] = expression, ["value"] = value } };
        return model;
    }

    /// <summary>A name that no other test uses.</summary>
    public static string NewName() => $"Workflow {Guid.NewGuid():N}";

    public static async Task<JsonObject> ReadAsync(this HttpClient person, string path)
    {
        using var answer = await person.GetAsync($"/elsa/api{path}");
        answer.StatusCode.ShouldBe(HttpStatusCode.OK, path);
        return (JsonObject)JsonNode.Parse(await answer.Content.ReadAsStringAsync())!;
    }

    public static async Task<HttpResponseMessage> PostAsync(this HttpClient person, string path, JsonNode? body, string? reason = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"/elsa/api{path}") { Content = ServerHarness.Json((body ?? new JsonObject()).ToJsonString()) };
        if (reason is not null)
        {
            request.Headers.Add("X-Failback-Reason", Uri.EscapeDataString(reason));
        }

        return await person.SendAsync(request);
    }

    /// <summary>Saves as the designer does, and gives back what it is answered with: the model to go on from.</summary>
    public static async Task<JsonObject> SaveAsync(this HttpClient person, JsonObject model, bool publish = false, string? reason = null)
    {
        using var answer = await person.PostAsync("/workflow-definitions", new JsonObject { ["model"] = model.DeepClone(), ["publish"] = publish }, reason);
        var body = (JsonObject)JsonNode.Parse(await answer.Content.ReadAsStringAsync())!;
        answer.StatusCode.ShouldBe(HttpStatusCode.OK, body.ToJsonString());
        return (JsonObject)body["workflowDefinition"]!.DeepClone();
    }

    /// <summary>The sentences of a save that is refused.</summary>
    public static async Task<string> RefusedAsync(this HttpClient person, JsonObject model, bool publish = false, string? reason = null)
    {
        using var answer = await person.PostAsync("/workflow-definitions", new JsonObject { ["model"] = model.DeepClone(), ["publish"] = publish }, reason);
        answer.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        var body = JsonNode.Parse(await answer.Content.ReadAsStringAsync())!;
        body["errors"]!["generalErrors"]!.AsArray().Count.ShouldBeGreaterThan(0);
        return string.Join("\n", body["errors"]!["generalErrors"]!.AsArray().Select(e => (string)e!));
    }

    /// <summary>The activity of an id, to be changed.</summary>
    public static JsonObject Activity(this JsonObject model, string id) => model["root"]!["activities"]!.AsArray().OfType<JsonObject>().Single(a => (string)a["id"]! == id);

    public static void SetText(this JsonObject model, string id, string text) => model.Activity(id)["text"]!["expression"]!["value"] = text;

    public static bool MayPublish(this JsonObject definition) => definition["links"]!.AsArray().Any(l => (string)l!["rel"]! == "publish");
}
