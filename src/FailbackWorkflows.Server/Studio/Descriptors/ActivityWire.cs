using System.Text.Json.Nodes;
using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Values;

namespace FailbackWorkflows.Server.Studio.Descriptors;

/// <summary>One activity in the words of the designer.</summary>
internal static class ActivityWire
{
    /// <summary>Stands in the designer for an activity that is not there any more.</summary>
    public const string NotFoundType = "Elsa.NotFoundActivity";

    /// <param name="version">Another version than its own that some definition names; it is the same to the engine.</param>
    public static JsonObject Of(ActivityDescriptor activity, int? version = null) => new()
    {
        ["typeName"] = activity.Type,
        ["namespace"] = NamespaceOf(activity.Type),
        ["name"] = NameOf(activity.Type),
        ["version"] = version ?? activity.Version,
        // A slash would make groups of the same title.
        ["category"] = activity.Category.Replace('/', '·'),
        ["displayName"] = activity.DisplayName,
        ["description"] = activity.Description,
        ["kind"] = activity.Kind.ToString(),
        ["inputs"] = new JsonArray([.. activity.Inputs.Select((input, order) => InputWire.Of(input, order))]),
        ["outputs"] = new JsonArray([.. activity.Outputs.Select((output, order) => (JsonNode)new JsonObject
        {
            ["name"] = Pascal(output.Name),
            ["typeName"] = TypeNames.Of(output.ValueType),
            ["displayName"] = output.DisplayName,
            ["description"] = output.Description,
            ["order"] = order,
            ["isBrowsable"] = true,
            ["isSynthetic"] = false,
        })]),
        ["ports"] = new JsonArray([.. activity.Ports.Select(Port)]),
        ["customProperties"] = CustomProperties(activity),
        ["constructionProperties"] = ConstructionProperties(activity),
        ["isContainer"] = activity.IsContainer,
        ["isBrowsable"] = activity.IsBrowsable,
        ["isStart"] = activity.IsStart,
        ["isTerminal"] = activity.IsTerminal,
        ["runAsynchronously"] = false,
    };

    /// <summary>A type that the server does not know any more: drawn with the ports that definitions use, not offered.</summary>
    public static JsonObject Unknown(string type, int version, IEnumerable<string> ports) => Plain(
        type, version, NameOf(type), "This activity is not available on this server any more. A definition with it cannot be published.", ports);

    public static JsonObject NotFound() => Plain(NotFoundType, 1, "Not found", "Stands for an activity that is not available on this server any more.", []);

    public static string Pascal(string name) => name.Length == 0 ? name : char.ToUpperInvariant(name[0]) + name[1..];

    private static JsonObject Plain(string type, int version, string name, string description, IEnumerable<string> ports) => new()
    {
        ["typeName"] = type,
        ["namespace"] = NamespaceOf(type),
        ["name"] = NameOf(type),
        ["version"] = version,
        ["category"] = "Not available",
        ["displayName"] = name,
        ["description"] = description,
        ["kind"] = "Action",
        ["inputs"] = new JsonArray(),
        ["outputs"] = new JsonArray(),
        ["ports"] = new JsonArray([.. ports.Order(StringComparer.Ordinal).Select(p => Port(new PortDescriptor(p, p, PortKind.Flow)))]),
        ["customProperties"] = new JsonObject(),
        ["constructionProperties"] = new JsonObject(),
        ["isContainer"] = false,
        ["isBrowsable"] = false,
        ["isStart"] = false,
        ["isTerminal"] = false,
        ["runAsynchronously"] = false,
    };

    private static JsonNode Port(PortDescriptor port) => new JsonObject
    {
        ["name"] = port.Kind == PortKind.Embedded ? Pascal(port.Name) : port.Name,
        ["displayName"] = port.DisplayName,
        ["type"] = port.Kind.ToString(),
        ["isBrowsable"] = port.IsBrowsable,
    };

    private static JsonObject CustomProperties(ActivityDescriptor activity)
    {
        var properties = new JsonObject();
        if (activity.WorkflowDefinitionId is { } definition)
        {
            properties["RootType"] = "WorkflowDefinitionActivity";
            properties["WorkflowDefinitionId"] = definition;
            properties["WorkflowDefinitionVersionId"] = activity.WorkflowDefinitionVersionId;
        }

        return properties;
    }

    /// <summary>A workflow that is dropped into another one is used in the version that it has then.</summary>
    private static JsonObject ConstructionProperties(ActivityDescriptor activity) => activity.WorkflowDefinitionId is null
        ? []
        : new JsonObject { ["WorkflowDefinitionId"] = activity.WorkflowDefinitionId, ["WorkflowDefinitionVersionId"] = activity.WorkflowDefinitionVersionId };

    private static string NamespaceOf(string type) => type.LastIndexOf('.') is var dot and > 0 ? type[..dot] : type;

    private static string NameOf(string type) => type[(type.LastIndexOf('.') + 1)..];
}

/// <summary>Elsa's names of types.</summary>
internal static class TypeNames
{
    public static string Of(Type type)
    {
        var value = Nullable.GetUnderlyingType(type) ?? type;
        return value switch
        {
            _ when value == typeof(string) || value.IsEnum || value == typeof(Uri) => "String",
            _ when value == typeof(bool) => "Boolean",
            _ when value == typeof(int) => "Int32",
            _ when value == typeof(long) => "Int64",
            _ when value == typeof(double) => "Double",
            _ when value == typeof(decimal) => "Decimal",
            _ when value == typeof(TimeSpan) => "TimeSpan",
            _ when value == typeof(DateTimeOffset) => "DateTimeOffset",
            _ when IsDictionary(value) => "ObjectDictionary",
            _ when value != typeof(object) && value.IsAssignableTo(typeof(System.Collections.IEnumerable)) => "ObjectArray",
            _ => "Object",
        };
    }

    private static bool IsDictionary(Type type) => type.GetInterfaces().Append(type)
        .Any(i => i.IsGenericType && (i.GetGenericTypeDefinition() == typeof(IReadOnlyDictionary<,>) || i.GetGenericTypeDefinition() == typeof(IDictionary<,>)));
}
