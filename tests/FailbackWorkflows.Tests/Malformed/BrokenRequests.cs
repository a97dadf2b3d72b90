using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;

namespace FailbackWorkflows.Tests.Malformed;

/// <summary>Who may send a request: headers that sign it in.</summary>
internal sealed record Credentials(IReadOnlyList<(string Name, string Value)> Valid, IReadOnlyList<(string Name, string Value)> TooWeak);

/// <summary>
/// Makes broken requests from a service's OpenAPI document: types, sizes, encodings, ids of nothing or of others, missing and forged
/// credentials. The same seed makes the same requests.
/// </summary>
internal sealed class BrokenRequests(ApiOperations api, Credentials credentials, IReadOnlyList<string> knownIds, IReadOnlyList<(string Name, string Value)> usualHeaders, int seed)
{
    private const string Json = "application/json";
    private readonly Random random = new(seed);
    private readonly IReadOnlyList<ApiOperation> operations = api.List();

    public IEnumerable<BrokenRequest> Make(int count) => Enumerable.Range(0, count).Select(_ => Next());

    private BrokenRequest Next()
    {
        var operation = Pick(operations);
        var faults = new List<Func<ApiOperation, BrokenRequest>> { WithoutRights, WithoutRights, WithOtherMethod };
        if (operation.HasId)
        {
            faults.Add(WithStrangeIds);
            faults.Add(WithStrangeIds);
        }

        if (operation.IsRead)
        {
            faults.Add(WithStrangeQuery);
            faults.Add(WithStrangeHeaders);
        }

        if (operation.Body is not null)
        {
            faults.AddRange([WithBrokenText, WithBrokenText, WithBrokenValue, WithBrokenValue, WithBrokenValue, WithBrokenValue, WithOtherEncoding]);
        }

        return Pick(faults)(operation);
    }

    private BrokenRequest WithoutRights(ApiOperation operation)
    {
        IReadOnlyList<(string, string)>[] wrong =
        [
            [],
            [("Authorization", "Bearer fbk_" + new string('0', 43))],
            [("Authorization", "Bearer ")],
            [("Authorization", "Bearer " + new string('x', 5000))],
            [("Authorization", "Basic YWRtaW46YWRtaW4=")],
            [("Authorization", "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiIsInJvbGUiOiJhZG1pbmlzdHJhdG9yIn0.")],
            [("X-Api-Key", "' OR 1=1 --")],
            [("Cookie", "failback.session=CfDJ8forged; failback.antiforgery=forged"), ("X-Antiforgery-Token", "forged")],
            .. operation.IsRead ? [] : (IReadOnlyList<(string, string)>[])[credentials.TooWeak],
        ];
        return Build(operation, PathOf(operation, Pick(knownIds)), SampleBody(operation), Json, Pick(wrong), "no right to it");
    }

    private BrokenRequest WithOtherMethod(ApiOperation operation)
    {
        var taken = operations.Where(other => other.Path == operation.Path).Select(other => other.Method).ToHashSet();
        HttpMethod[] methods = [HttpMethod.Put, HttpMethod.Delete, HttpMethod.Patch, HttpMethod.Trace, new("PROPFIND"), new("XYZZY")];
        var method = Pick([.. methods.Where(method => !taken.Contains(method))]);
        return Build(operation, PathOf(operation, Pick(knownIds)), SampleBody(operation), Json, credentials.Valid, "another method") with { Method = method };
    }

    private BrokenRequest WithStrangeIds(ApiOperation operation) =>
        Build(operation, PathOf(operation, Uri.EscapeDataString(StrangeText())), SampleBody(operation), Json, credentials.Valid, "an id of nothing");

    private BrokenRequest WithStrangeQuery(ApiOperation operation)
    {
        var names = operation.Parameters.Where(parameter => parameter.In == "query").Select(parameter => parameter.Name).DefaultIfEmpty("x").ToList();
        var query = Enumerable.Range(0, random.Next(1, 4)).Select(_ => $"{Pick(names)}={Uri.EscapeDataString(StrangeText())}");
        return Build(operation, $"{PathOf(operation, Pick(knownIds))}?{string.Join('&', query)}", null, null, credentials.Valid, "a strange query");
    }

    private BrokenRequest WithStrangeHeaders(ApiOperation operation)
    {
        (string, string)[] strange =
        [
            ("If-None-Match", "W/"), ("If-Match", "\"" + new string('z', 2000)), ("Range", "bytes=99999999999999999999-1"), ("Range", "bytes=-"), ("Range", "lines=1-2"),
            ("If-Range", "yesterday"), ("Last-Event-ID", "-1"), ("Last-Event-ID", "99999999999999999999"), ("Last-Event-ID", "x"), ("Accept", "image/png"),
            ("Accept-Encoding", "zstd;q=2"), ("traceparent", "00-zz-zz-01"), ("Content-Length-X", "1"), ("X-Forwarded-For", "999.999.1.1, evil"), ("Accept-Language", new string('q', 3000)),
        ];
        return Build(operation, PathOf(operation, Pick(knownIds)), null, null, [.. credentials.Valid, Pick(strange)], "a strange header");
    }

    private BrokenRequest WithBrokenText(ApiOperation operation)
    {
        var text = api.Sample(operation.Body!, random)?.ToJsonString() ?? "null";
        byte[][] broken =
        [
            [],
            "{"u8.ToArray(),
            Encoding.UTF8.GetBytes(text[..random.Next(text.Length)] + "\u0001"),
            Encoding.UTF8.GetBytes(new string('[', 20_000)),
            Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("{\"a\":", 5_000))),
            "nul"u8.ToArray(),
            "\"just text\""u8.ToArray(),
            "[]"u8.ToArray(),
            "42"u8.ToArray(),
            "<xml/>"u8.ToArray(),
            [0xff, 0xfe, .. Encoding.Unicode.GetBytes(text)],
            [0xc3, 0x28, .. Encoding.UTF8.GetBytes(text)],
            [0x1f, 0x8b, 0x08, 0x00],
            Encoding.UTF8.GetBytes(text + text),
            Encoding.UTF8.GetBytes($"{{\"a\":\"{new string('x', 200_000)}"),
        ];
        return Build(operation, PathOf(operation, Pick(knownIds)), Pick(broken), Json, credentials.Valid, "a body that is no such JSON");
    }

    private BrokenRequest WithOtherEncoding(ApiOperation operation)
    {
        var path = PathOf(operation, Pick(knownIds));
        var body = SampleBody(operation);
        string?[] types = [null, "text/plain", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data", "multipart/form-data; boundary=", "image/png", "*/*", ";;;"];
        return random.Next(3) == 0
            ? Build(operation, path, body, Json + "; charset=utf-99", credentials.Valid, "an unknown character set")
            : Build(operation, path, body, Pick(types), credentials.Valid, "another content type");
    }

    /// <summary>One value of a body that fits is replaced by one that cannot be meant.</summary>
    private BrokenRequest WithBrokenValue(ApiOperation operation)
    {
        var body = api.Sample(operation.Body!, random);
        var text = body is null ? "null" : Break(body);
        return Build(operation, PathOf(operation, Pick(knownIds)), Encoding.UTF8.GetBytes(text), Json, credentials.Valid, "a wrong value");
    }

    private string Break(JsonNode body)
    {
        const string marker = "\u2603broken\u2603";
        var places = new List<(JsonNode Parent, object Key)>();
        Collect(body, places);
        if (places.Count == 0)
        {
            return "\"text\"";
        }

        var (parent, key) = Pick(places);
        var old = key is string name ? parent[name] : parent[(int)key];
        var broken = Instead(old);
        if (key is string property)
        {
            parent[property] = marker;
        }
        else
        {
            parent[(int)key] = marker;
        }

        return body.ToJsonString(Relaxed).Replace($"\"{marker}\"", broken, StringComparison.Ordinal);
    }

    private static System.Text.Json.JsonSerializerOptions Relaxed { get; } = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>JSON text that has another type than what was there, or is no value of its kind.</summary>
    private string Instead(JsonNode? old) => old?.GetValueKind() switch
    {
        System.Text.Json.JsonValueKind.String => Pick(["17", "true", "{}", "[[]]", "\"a\\u0000b\"", "\"\\ud800\"", "1e999", "[null]"]),
        System.Text.Json.JsonValueKind.Number => Pick(["\"many\"", "{}", "[]", "1e999", "-9223372036854775809", "true", "NaN", "0x10", "\"\""]),
        System.Text.Json.JsonValueKind.True or System.Text.Json.JsonValueKind.False => Pick(["\"yes\"", "2", "[]", "{}"]),
        System.Text.Json.JsonValueKind.Array => Pick(["{}", "\"list\"", "7", "{\"length\":1}"]),
        _ => Pick(["\"object\"", "7", "[1]", "true"]),
    };

    private static void Collect(JsonNode node, List<(JsonNode Parent, object Key)> places)
    {
        foreach (var (key, child) in node switch
        {
            JsonObject members => members.Select(member => ((object)member.Key, member.Value)),
            JsonArray items => items.Select((item, index) => ((object)index, item)),
            _ => [],
        })
        {
            places.Add((node, key));
            if (child is not null)
            {
                Collect(child, places);
            }
        }
    }

    private string StrangeText() => random.Next(12) switch
    {
        0 => "../../etc/passwd",
        1 => "\0",
        2 => new string('9', 400),
        3 => "-1",
        4 => "'; DROP TABLE servers; --",
        5 => "\u202e\ud83d\ude00\u0301",
        6 => "2026-13-45T99:99:99Z",
        7 => "%25%00%ff",
        8 => " ",
        9 => random.NextInt64().ToString(CultureInfo.InvariantCulture),
        10 => "<script>alert(1)</script>",
        _ => new string('a', 3000),
    };

    private static string PathOf(ApiOperation operation, string id)
    {
        var path = operation.Path;
        foreach (var parameter in operation.Parameters.Where(parameter => parameter.In == "path"))
        {
            path = path.Replace($"{{{parameter.Name}}}", id, StringComparison.Ordinal);
        }

        return path;
    }

    private byte[]? SampleBody(ApiOperation operation) =>
        operation.Body is null ? null : Encoding.UTF8.GetBytes(api.Sample(operation.Body, random)?.ToJsonString() ?? "null");

    private BrokenRequest Build(ApiOperation operation, string path, byte[]? body, string? type, IReadOnlyList<(string, string)> headers, string fault) =>
        new(operation.Method, path, operation.IsRead ? null : body, type, [.. usualHeaders, .. headers], fault);

    private T Pick<T>(IReadOnlyList<T> values) => values[random.Next(values.Count)];
}
