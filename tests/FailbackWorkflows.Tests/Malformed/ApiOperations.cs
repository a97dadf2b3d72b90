using System.Text.Json.Nodes;

namespace FailbackWorkflows.Tests.Malformed;

/// <summary>One operation of a service, as its OpenAPI document tells it.</summary>
internal sealed record ApiOperation(HttpMethod Method, string Path, IReadOnlyList<ApiParameter> Parameters, JsonObject? Body)
{
    public bool IsRead => Method == HttpMethod.Get || Method == HttpMethod.Head;

    public bool HasId => Parameters.Any(parameter => parameter.In == "path");
}

internal sealed record ApiParameter(string Name, string In, JsonObject Schema);

/// <summary>Reads an OpenAPI document and makes values that fit its schemas.</summary>
internal sealed class ApiOperations(JsonObject document)
{
    private const int Deepest = 6;
    private static readonly string[] Methods = ["get", "put", "post", "delete", "patch", "head"];

    public IReadOnlyList<ApiOperation> List() =>
    [
        .. from path in document["paths"]!.AsObject()
           from operation in path.Value!.AsObject()
           where Methods.Contains(operation.Key, StringComparer.Ordinal)
           select Read(path.Key, operation.Key, operation.Value!.AsObject(), path.Value["parameters"] as JsonArray),
    ];

    /// <summary>A value as the schema wants it: what is broken afterwards is then the only thing that is.</summary>
    public JsonNode? Sample(JsonObject schema, Random random, int depth = 0)
    {
        schema = Resolve(schema);
        if (schema["enum"] is JsonArray { Count: > 0 } values)
        {
            return values[random.Next(values.Count)]?.DeepClone();
        }

        foreach (var word in (string[])["oneOf", "anyOf", "allOf"])
        {
            if (schema[word] is JsonArray { Count: > 0 } choices)
            {
                return Sample(choices[random.Next(choices.Count)]!.AsObject(), random, depth);
            }
        }

        return TypeOf(schema) switch
        {
            "object" when depth < Deepest => SampleObject(schema, random, depth),
            "object" => new JsonObject(),
            "array" when depth < Deepest && schema["items"] is JsonObject items => new JsonArray(Sample(items, random, depth + 1)),
            "array" => new JsonArray(),
            "integer" => random.Next(0, 100),
            "number" => random.NextDouble() * 100,
            "boolean" => random.Next(2) == 0,
            "string" => SampleText(schema),
            _ => new JsonObject(),
        };
    }

    private static string SampleText(JsonObject schema) => (string?)schema["format"] switch
    {
        "date-time" => "2026-03-01T12:00:00Z",
        "uri" => "http://127.0.0.1:9/",
        "uuid" => "5f0c1d2e-0000-4000-8000-000000000001",
        _ => (string?)schema["pattern"] is { } pattern && pattern.Contains(':', StringComparison.Ordinal) ? "00:01:00" : "text",
    };

    private JsonObject SampleObject(JsonObject schema, Random random, int depth)
    {
        var sample = new JsonObject();
        foreach (var (name, property) in schema["properties"]?.AsObject() ?? [])
        {
            sample[name] = Sample(property!.AsObject(), random, depth + 1);
        }

        return sample;
    }

    /// <summary>In OpenAPI 3.1 a type may be a list with "null" in it.</summary>
    private static string? TypeOf(JsonObject schema) => schema["type"] switch
    {
        JsonArray types => types.Select(type => (string?)type).FirstOrDefault(type => type != "null"),
        { } type => (string?)type,
        null => schema["properties"] is null ? null : "object",
    };

    private JsonObject Resolve(JsonObject schema)
    {
        while ((string?)schema["$ref"] is { } reference)
        {
            JsonNode target = document;
            foreach (var part in reference.TrimStart('#', '/').Split('/'))
            {
                target = target[part] ?? throw new InvalidOperationException($"The document has no {reference}.");
            }

            schema = target.AsObject();
        }

        return schema;
    }

    private ApiOperation Read(string path, string method, JsonObject operation, JsonArray? shared)
    {
        var parameters = (shared ?? []).Concat(operation["parameters"] as JsonArray ?? [])
            .Select(parameter => Resolve(parameter!.AsObject()))
            .Select(parameter => new ApiParameter((string)parameter["name"]!, (string)parameter["in"]!, parameter["schema"] as JsonObject ?? []));
        var body = operation["requestBody"] is JsonObject wanted ? Resolve(wanted)["content"]?["application/json"]?["schema"] as JsonObject : null;
        return new ApiOperation(new HttpMethod(method.ToUpperInvariant()), path, [.. parameters], body);
    }
}
