using System.Net.Mime;
using System.Text.Json.Nodes;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Library;

namespace FailbackWorkflows.Server.Studio.Descriptors;

/// <summary>What there is to build definitions of: activities, expressions, types, strategies.</summary>
internal static class DescriptorRoutes
{
    public static void MapDescriptors(this IEndpointRouteBuilder routes)
    {
        var descriptors = routes.MapGroup("/descriptors");
        descriptors.MapGet("/activities", async (ActivityDescriptors activities, CancellationToken cancellationToken) =>
            Results.Bytes(await activities.GetAsync(cancellationToken), "application/json; charset=utf-8"));
        descriptors.MapPost("/activities/{typeName}/options/{inputName}", async (string typeName, string inputName, InputOptions options, CancellationToken cancellationToken) =>
            StudioJson.Ok(new { Items = await options.GetAsync(typeName, inputName, cancellationToken) }));
        descriptors.MapGet("/expression-descriptors", () => StudioJson.List(Expressions));
        descriptors.MapGet("/variables", () => StudioJson.List(VariableTypes));
        descriptors.MapGet("/storage-drivers", () => StudioJson.List(StorageDrivers));
        descriptors.MapGet("/incident-strategies", () => StudioJson.List(IncidentStrategies));
        descriptors.MapGet("/workflow-activation-strategies", () => StudioJson.List(ActivationStrategies));
        descriptors.MapGet("/log-persistence-strategies", () => StudioJson.List(LogPersistenceStrategies));
        descriptors.MapGet("/commit-strategies/workflows", () => StudioJson.List(CommitStrategies));
        descriptors.MapGet("/commit-strategies/activities", () => StudioJson.List(CommitStrategies));
        descriptors.MapGet("/output-converters", () => StudioJson.List(Array.Empty<object>()));
        routes.MapGet("/features/installed", () => StudioJson.List(Features));
        routes.MapPost("/scripting/javascript/type-definitions/{definitionId}", TypeDefinitionsAsync);
    }

    private static readonly ExpressionDescriptor[] Expressions =
    [
        new("Literal", "Literal", true, false, []),
        new("Object", "Object", true, false, new() { ["MonacoLanguage"] = "json" }),
        new("Variable", "Variable", true, true, []),
        new("Input", "Input", true, true, []),
        // Elsa's editor cannot fill it; definitions from elsewhere may have it.
        new("Output", "Output", true, false, []),
        new("JavaScript", "JavaScript", true, true, new() { ["MonacoLanguage"] = "javascript" }),
    ];

    private static readonly VariableDescriptor[] VariableTypes =
    [
        new("String", "Text", "Primitives", "Characters."),
        new("Boolean", "Yes or no", "Primitives", "True or false."),
        new("Int32", "Whole number", "Primitives", "A number without a fraction."),
        new("Int64", "Large whole number", "Primitives", "A number without a fraction, of up to 18 digits."),
        new("Double", "Number", "Primitives", "A number with a fraction."),
        new("Object", "Anything", "Data", "Any value."),
        new("ObjectDictionary", "Object", "Data", "Named values: {\"name\": value}."),
        new("ObjectArray", "List", "Data", "Values in order: [value, value]."),
        new("JsonElement", "JSON", "Data", "A piece of JSON."),
    ];

    /// <summary>One: variables are part of the instance and written with each step.</summary>
    private static readonly StorageDriver[] StorageDrivers = [new("WorkflowInstance", "Workflow instance", 5, false)];

    private static readonly StrategyDescriptor[] IncidentStrategies =
    [
        new("Elsa.Workflows.IncidentStrategies.FaultStrategy, Elsa.Workflows.Core", "Stop the workflow", "An activity that fails stops the run. It can be retried from there."),
        new("Elsa.Workflows.IncidentStrategies.ContinueWithIncidentsStrategy, Elsa.Workflows.Core", "Go on with the other branches", "An activity that fails stops its own branch only."),
    ];

    private static readonly StrategyDescriptor[] ActivationStrategies =
    [
        new("Elsa.Workflows.ActivationValidators.AllowAlwaysStrategy, Elsa.Workflows.Core", "Always", "Any number of runs at the same time."),
        new("Elsa.Workflows.ActivationValidators.SingletonStrategy, Elsa.Workflows.Core", "One at a time", "No second run while one is going on."),
        new("Elsa.Workflows.ActivationValidators.CorrelatedSingletonStrategy, Elsa.Workflows.Core", "One at a time per correlation id", "No second run with the same correlation id while one is going on."),
        new("Elsa.Workflows.ActivationValidators.CorrelationStrategy, Elsa.Workflows.Core", "One per correlation id, of any workflow", "No second run of any workflow with the same correlation id while one is going on."),
    ];

    private static readonly StrategyDescriptor[] LogPersistenceStrategies =
    [
        new("Elsa.Workflows.LogPersistence.Strategies.Include, Elsa.Workflows.Core", "Show", "The values are shown in the run's journal."),
        new("Elsa.Workflows.LogPersistence.Strategies.Exclude, Elsa.Workflows.Core", "Hide", "The values are kept, because the run goes on from them, but are not shown."),
    ];

    /// <summary>One: every step is written before the next one begins. There is nothing to choose.</summary>
    private static readonly CommitStrategy[] CommitStrategies = [new("EveryStep", "After every step", "Each step is written before the next one begins, whatever is chosen here.")];

    private static readonly Feature[] Features =
    [
        new("RealTimeWorkflowUpdates", "Elsa", "Elsa.RealTimeWorkflowUpdates", "Live updates", "A run that is watched is shown as it goes on."),
    ];

    private static async Task<IResult> TypeDefinitionsAsync(string definitionId, IWorkflowLibrary library, CancellationToken cancellationToken)
    {
        var version = await library.FindAsync(definitionId, VersionChoice.Latest, null, cancellationToken);
        return Results.Text(ScriptDeclarations.Of(version is null ? null : DefinitionText.Parse(version.Json)), "application/x-typescript");
    }

    private sealed record ExpressionDescriptor(string Type, string DisplayName, bool IsSerializable, bool IsBrowsable, Dictionary<string, object> Properties);

    private sealed record VariableDescriptor(string TypeName, string DisplayName, string Category, string Description);

    private sealed record StorageDriver(string TypeName, string DisplayName, double Priority, bool Deprecated);

    private sealed record StrategyDescriptor(string TypeName, string DisplayName, string Description);

    private sealed record CommitStrategy(string Name, string DisplayName, string Description);

    private sealed record Feature(string Name, string Namespace, string FullName, string DisplayName, string Description);
}
