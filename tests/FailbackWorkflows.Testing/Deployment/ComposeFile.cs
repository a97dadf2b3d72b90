using System.Text.RegularExpressions;
using FailbackWorkflows.Testing.Failback;
using YamlDotNet.Core;
using YamlDotNet.Serialization;

namespace FailbackWorkflows.Testing.Deployment;

/// <summary>A variable that the compose file takes from the environment of whoever starts it.</summary>
/// <param name="Default">What stands in for it; null: without it nothing starts.</param>
public sealed record ComposeVariable(string Name, string? Default);

/// <summary>A service of the compose file.</summary>
public sealed class ComposeService(string name, IReadOnlyDictionary<string, object?> members)
{
    public string Name { get; } = name;

    /// <summary>Its members as written, anchors and merges resolved, variables not.</summary>
    public IReadOnlyDictionary<string, object?> Members { get; } = members;

    public IReadOnlyDictionary<string, string> Environment { get; } =
        members.GetValueOrDefault("environment") is IReadOnlyDictionary<string, object?> environment ? environment.ToDictionary(e => e.Key, e => e.Value as string ?? "") : new Dictionary<string, string>();

    public IReadOnlyList<string> List(string member) => Members.GetValueOrDefault(member) switch
    {
        null => [],
        string text => [text],
        IReadOnlyList<object?> list => [.. list.Select(item => (string)item!)],
        var other => throw new InvalidDataException($"{Name}.{member} is a {other.GetType().Name}."),
    };

    public string? Text(string member) => Members.GetValueOrDefault(member) as string;
}

/// <summary><c>docker-compose.yml</c> as a container engine reads it, without one.</summary>
public sealed partial class ComposeFile
{
    private readonly string _text = File.ReadAllText(RepositoryFiles.PathOf("docker-compose.yml"));

    private ComposeFile()
    {
        var document = (IReadOnlyDictionary<string, object?>)Plain(new DeserializerBuilder().Build().Deserialize<object>(new MergingParser(new Parser(new StringReader(_text)))))!;
        Members = document;
        Services = ((IReadOnlyDictionary<string, object?>)document["services"]!).ToDictionary(
            s => s.Key, s => new ComposeService(s.Key, (IReadOnlyDictionary<string, object?>)s.Value!), StringComparer.Ordinal);
        Variables = [.. Variable().Matches(_text).Select(m => new ComposeVariable(m.Groups["name"].Value, m.Groups["default"].Success ? m.Groups["default"].Value : null)).Distinct()];
    }

    public IReadOnlyDictionary<string, object?> Members { get; }

    public IReadOnlyDictionary<string, ComposeService> Services { get; }

    public IReadOnlyList<ComposeVariable> Variables { get; }

    public static ComposeFile Read() => new();

    /// <summary>Puts values for variables; one that has neither value nor default is an error, as it is for the engine.</summary>
    public static string Resolve(string text, IReadOnlyDictionary<string, string> values) => Variable().Replace(text, m =>
        values.TryGetValue(m.Groups["name"].Value, out var value) && value.Length > 0 ? value
        : m.Groups["default"].Success ? m.Groups["default"].Value
        : throw new InvalidDataException($"{m.Groups["name"].Value} is not set: {m.Groups["sentence"].Value}"));

    /// <summary>All that looks like a variable, also what is not written in the one form that is understood here.</summary>
    public IReadOnlyList<string> Dollars() => [.. Dollar().Matches(Variable().Replace(Comment().Replace(_text, ""), "")).Select(m => m.Value)];

    private static object? Plain(object? node) => node switch
    {
        IDictionary<object, object> map => map.ToDictionary(m => (string)m.Key, m => Plain(m.Value), StringComparer.Ordinal),
        IList<object> list => list.Select(Plain).ToList(),
        _ => node,
    };

    [GeneratedRegex(@"\$\{(?<name>[A-Z][A-Z0-9_]*)(?::-(?<default>[^}]*)|:\?(?<sentence>[^}]+))\}")]
    private static partial Regex Variable();

    [GeneratedRegex(@"\$\S+")]
    private static partial Regex Dollar();

    [GeneratedRegex("^ *#.*$", RegexOptions.Multiline)]
    private static partial Regex Comment();
}
