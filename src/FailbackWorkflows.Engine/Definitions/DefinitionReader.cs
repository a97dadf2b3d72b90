using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Values;

namespace FailbackWorkflows.Engine.Definitions;

/// <summary>
/// Reads workflow definitions in Elsa 3's JSON format and validates them completely: what this reader accepts, the engine can run. Every
/// problem is reported, each with its place.
/// </summary>
public sealed partial class DefinitionReader(ActivityCatalog catalog, ICronSchedules? cron = null)
{
    private const int MaxJsonLength = 4 * 1024 * 1024;
    internal static readonly JsonDocumentOptions ReadingOptions = new() { MaxDepth = 128, CommentHandling = JsonCommentHandling.Skip };
    private static readonly TimeSpan MaxRetryDelay = TimeSpan.FromDays(365);

    /// <summary>Reads a definition. Throws <see cref="DefinitionInvalidException"/> with all problems.</summary>
    public WorkflowDefinition Read(string json) => Read(json, NoWorkflowVersions.Instance);

    internal WorkflowDefinition Read(string json, IWorkflowVersions versions) => TryRead(json, versions, out var problems) ?? throw new DefinitionInvalidException(problems);

    /// <summary>Reads a definition that uses no workflow as an activity; null when there are problems.</summary>
    public WorkflowDefinition? TryRead(string json, out IReadOnlyList<DefinitionProblem> problems) => TryRead(json, NoWorkflowVersions.Instance, out problems);

    internal WorkflowDefinition? TryRead(string json, IWorkflowVersions versions, out IReadOnlyList<DefinitionProblem> problems)
    {
        if (json.Length > MaxJsonLength)
        {
            problems = [new(null, "$", $"The definition is larger than {MaxJsonLength} characters.")];
            return null;
        }

        try
        {
            using var document = JsonDocument.Parse(json, ReadingOptions);
            var pass = new ReadingPass(catalog, versions, cron ?? NoCronSchedules.Instance);
            var definition = pass.Read(document.RootElement, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(json))));
            problems = pass.Problems;
            return pass.Problems.Count == 0 ? definition : null;
        }
        catch (JsonException exception)
        {
            problems =
            [
                new(
                    null,
                    exception.Path ?? "$",
                    string.Create(CultureInfo.InvariantCulture, $"The text is not JSON (line {exception.LineNumber + 1}, column {exception.BytePositionInLine + 1}).")),
            ];
            return null;
        }
    }

    internal static bool MayBeUsedAsActivity(JsonElement root) => ReadingPass.IsUsableAsActivity(root);

    /// <summary>One reading of one definition; gathers problems on its way.</summary>
    private sealed partial class ReadingPass(ActivityCatalog catalog, IWorkflowVersions versions, ICronSchedules cron)
    {
        private readonly Dictionary<string, ActivityNode> _nodes = new(StringComparer.Ordinal);
        private readonly HashSet<string> _activityIds = new(StringComparer.Ordinal);
        private readonly List<Action> _whenAllNodesAreKnown = [];
        private readonly List<TriggerDefinition> _triggers = [];

        public List<DefinitionProblem> Problems { get; } = [];

        public WorkflowDefinition? Read(JsonElement root, string sha256)
        {
            if (root.ValueKind != JsonValueKind.Object)
            {
                Report(null, "$", "A workflow definition is a JSON object.");
                return null;
            }

            var definitionId = Text(root, "definitionId");
            if (string.IsNullOrWhiteSpace(definitionId))
            {
                Report(null, "$.definitionId", "The definition needs a definitionId.");
                definitionId = "?";
            }

            var version = Integer(root, "version") ?? 1;
            var variables = ReadVariables(root, "$");
            var inputs = ReadInputs(root);
            var outputs = Items(root, "outputs").Select(o => Text(o, "name") ?? string.Empty).ToList();
            var scope = new Scope(null, variables, [.. inputs.Select(i => i.Name)], outputs);
            if (!root.TryGetProperty("root", out var rootActivity) || rootActivity.ValueKind != JsonValueKind.Object)
            {
                Report(null, "$.root", "The definition has no root activity.");
                return null;
            }

            ReadLogPolicy(root);
            var rootNode = ReadActivity(rootActivity, "$.root", null, scope, null);
            foreach (var check in _whenAllNodesAreKnown)
            {
                check();
            }

            CheckHiddenOutputs();

            var cancelHandlerId = CustomProperty(rootActivity, "cancelHandler") is { ValueKind: JsonValueKind.String } handler ? handler.GetString() : null;
            var cancelHandler = cancelHandlerId is null ? null : rootNode?.Children.FirstOrDefault(c => c.Id == cancelHandlerId);
            if (cancelHandlerId is not null && cancelHandler is null)
            {
                Report(null, "$.root.customProperties.cancelHandler", $"The root has no activity '{cancelHandlerId}'.");
            }
            else if (cancelHandler is not null && rootNode!.Descriptor.Shape != ActivityShape.Flowchart)
            {
                Report(null, "$.root.customProperties.cancelHandler", "Only a flowchart can have a cancel handler: a sequence would run it on its way.");
            }

            return rootNode is null
                ? null
                : new WorkflowDefinition
                {
                    Id = $"{definitionId}:{version}",
                    DefinitionId = definitionId,
                    Version = version,
                    Name = Text(root, "name") ?? definitionId,
                    Description = Text(root, "description"),
                    Variables = variables,
                    Inputs = inputs,
                    Outputs = outputs,
                    Outcomes = ReadTexts(root, "outcomes"),
                    Activation = ReadActivation(root),
                    Incidents = ReadIncidents(root),
                    IsUsableAsActivity = IsUsableAsActivity(root),
                    Root = rootNode,
                    Sha256 = sha256,
                    Nodes = _nodes,
                    CancelHandler = cancelHandler,
                    Triggers = _triggers,
                };
        }

        private ActivityNode? ReadActivity(JsonElement element, string path, ActivityNode? parent, Scope scope, string? composite)
        {
            if (element.ValueKind != JsonValueKind.Object)
            {
                Report(null, path, "An activity is a JSON object.");
                return null;
            }

            var id = Text(element, "id");
            if (string.IsNullOrWhiteSpace(id))
            {
                Report(null, path, "The activity has no id.");
                return null;
            }

            var type = Text(element, "type");
            if (type is null || FindDescriptor(element, type, id, path) is not { } descriptor)
            {
                if (type is null)
                {
                    Report(id, path + ".type", "The activity has no type.");
                }

                return null;
            }

            var nodeId = parent is null ? id : $"{parent.NodeId}:{id}";
            if (!_nodes.TryAdd(nodeId, null!) || (composite is null && !_activityIds.Add(id)))
            {
                Report(id, path + ".id", $"There are two activities with the id '{id}'.");
                return null;
            }

            var node = new ActivityNode
            {
                Id = id,
                NodeId = nodeId,
                Name = Text(element, "name"),
                DisplayText = DisplayText(element) ?? Text(element, "name") ?? descriptor.DisplayName,
                Step = CustomProperty(element, "step") is { ValueKind: JsonValueKind.Number } step && step.TryGetInt32(out var stepNumber) ? stepNumber : null,
                Descriptor = descriptor,
                Parent = parent,
                Retry = ReadRetry(element, id, path, descriptor),
                Merge = descriptor.Type == "Elsa.FlowJoin" ? ReadJoinMode(element, id, path) : ReadMergeMode(element, id, path),
                Outcomes = ReadOutcomes(element, id, path, descriptor),
            };
            _nodes[nodeId] = node;
            node.Variables = ReadVariables(element, path);
            var inner = scope with { Parent = scope, Variables = node.Variables, IsInLoop = scope.IsInLoop };
            node.Inputs = ReadInputValues(element, node, path, scope);
            node.Outputs = ReadOutputTargets(element, node, path, scope);
            node.Hidden = ReadHidden(element, node, path);
            Check(element, node, path, scope);
            if (composite is null && descriptor.Trigger is { } trigger && CustomProperty(element, "canStartWorkflow") is { ValueKind: JsonValueKind.True })
            {
                ReadTrigger(trigger, node, path);
            }

            switch (descriptor.Shape)
            {
                case ActivityShape.Flowchart:
                    ReadFlowchart(element, node, path, inner, composite);
                    break;
                case ActivityShape.Sequence:
                    node.Children = ReadChildren(element, node, path, inner, composite);
                    break;
                case ActivityShape.Parallel:
                    node.Children = ReadChildren(element, node, path, inner, composite);
                    break;
                case ActivityShape.Fork:
                    node.Children = ReadChildren(element, node, path, inner, composite, "branches");
                    break;
                case ActivityShape.Switch:
                    ReadSwitch(element, node, path, inner, composite);
                    break;
                case ActivityShape.For or ActivityShape.ForEach or ActivityShape.ParallelForEach or ActivityShape.While:
                    ReadPorts(element, node, path, InLoop(inner, descriptor.Shape), composite, Interpretation.Containers.Body);
                    break;
                case ActivityShape.Composite:
                    ReadComposite(node, path);
                    break;
                default:
                    if (descriptor.EmbeddedPorts.Count > 0)
                    {
                        ReadEmbedded(element, node, path, inner, composite);
                    }

                    break;
            }

            return node;
        }

        private void ReadTrigger(TriggerAttribute trigger, ActivityNode node, string path)
        {
            if (node.Parent is { Parent: not null } or { Descriptor.Shape: not ActivityShape.Flowchart })
            {
                Report(node.Id, path, $"'{node.DisplayText}' can start the workflow only as an activity of its outermost flowchart.");
                return;
            }

            var key = trigger.Name;
            foreach (var name in trigger.Inputs)
            {
                var input = node.Inputs.FirstOrDefault(i => i.Descriptor.Name == name);
                if (input is { Expression: not Expressions.LiteralExpression })
                {
                    Report(node.Id, $"{path}.{name}", $"'{node.DisplayText}' starts the workflow, so '{input.Descriptor.DisplayName}' needs a fixed value: it is read when the workflow is published.");
                }
                else if (input?.Expression is Expressions.LiteralExpression literal
                    && PlainValue.ToText(literal.Value) is { Length: > 0 } text
                    && text != PlainValue.ToText(input.Descriptor.DefaultValue))
                {
                    key += $";{name}={text}";
                }
            }

            _triggers.Add(new(node.NodeId, key));
        }

        private void ReadComposite(ActivityNode node, string path)
        {
            if (node.Descriptor.WorkflowDefinitionVersionId is not null)
            {
                ReadWorkflow(node, path);
                return;
            }

            using var document = JsonDocument.Parse(node.Descriptor.CompositeJson!);
            // Inside a composite only its own inputs and variables are in sight; that keeps it the same wherever it is used.
            var scope = new Scope(null, [], [.. node.Descriptor.Inputs.Select(i => i.Name)], []);
            if (ReadActivity(document.RootElement, $"{path}<{node.Descriptor.Type}>", node, scope, node.NodeId) is { } inside)
            {
                node.Children = [inside];
            }
        }

        private void ReadFlowchart(JsonElement element, ActivityNode node, string path, Scope scope, string? composite)
        {
            node.Children = ReadChildren(element, node, path, scope, composite);
            var byId = node.Children.ToDictionary(c => c.Id, StringComparer.Ordinal);

            // Activities that could not be read were reported already; connections to them would only repeat it.
            var unread = Items(element, "activities").Select(a => Text(a, "id")).Where(id => id is not null && !byId.ContainsKey(id)).ToHashSet();
            var connections = new List<Connection>();
            var index = 0;
            foreach (var item in Items(element, "connections"))
            {
                var place = $"{path}.connections[{index++}]";
                var (sourceId, port) = ReadEnd(item, "source", "sourcePort", "Done");
                var (targetId, _) = ReadEnd(item, "target", "targetPort", "In");
                if (unread.Contains(sourceId) || unread.Contains(targetId))
                {
                    continue;
                }

                if (!byId.TryGetValue(sourceId ?? string.Empty, out var source))
                {
                    Report(node.Id, place, $"The connection starts at '{sourceId}', which is not in this flowchart.");
                }
                else if (!byId.TryGetValue(targetId ?? string.Empty, out var target))
                {
                    Report(node.Id, place, $"The connection ends at '{targetId}', which is not in this flowchart.");
                }
                else if (!source.Outcomes.Contains(port))
                {
                    Report(source.Id, place, $"'{source.DisplayText}' has no outcome '{port}'. It has: {string.Join(", ", source.Outcomes)}.");
                }
                else
                {
                    connections.Add(new(source, port, target));
                }
            }

            foreach (var child in node.Children)
            {
                child.Outbound = [.. connections.Where(c => c.Source == child)];
                child.Inbound = [.. connections.Where(c => c.Target == child)];
            }

            node.Start = ChooseStart(element, node, path, byId);
            MarkBackwardConnections(node);
        }

        private ActivityNode? ChooseStart(JsonElement element, ActivityNode node, string path, Dictionary<string, ActivityNode> byId)
        {
            if (Text(element, "start") is { Length: > 0 } startId)
            {
                if (byId.TryGetValue(startId, out var explicitStart))
                {
                    return explicitStart;
                }

                Report(node.Id, path + ".start", $"The start activity '{startId}' is not in this flowchart.");
                return null;
            }

            var starters = Items(element, "activities")
                .Where(a => a.ValueKind == JsonValueKind.Object && CustomProperty(a, "canStartWorkflow") is { ValueKind: JsonValueKind.True })
                .Select(a => Text(a, "id"));
            return node.Children.FirstOrDefault(c => c.Descriptor.Type == "Elsa.Start")
                ?? node.Children.FirstOrDefault(c => starters.Contains(c.Id))
                ?? node.Children.FirstOrDefault(c => c.Inbound.Count == 0)
                ?? node.Children.FirstOrDefault();
        }

        /// <summary>A connection is backward when its target is an ancestor of its source in a depth-first walk from the start.</summary>
        private static void MarkBackwardConnections(ActivityNode flowchart)
        {
            var open = new HashSet<ActivityNode>();
            var closed = new HashSet<ActivityNode>();
            var stack = new Stack<(ActivityNode Node, int Next)>();
            foreach (var root in new[] { flowchart.Start }.Concat(flowchart.Children).OfType<ActivityNode>())
            {
                if (closed.Contains(root))
                {
                    continue;
                }

                stack.Push((root, 0));
                open.Add(root);
                while (stack.TryPop(out var frame))
                {
                    if (frame.Next == frame.Node.Outbound.Count)
                    {
                        open.Remove(frame.Node);
                        closed.Add(frame.Node);
                        continue;
                    }

                    stack.Push((frame.Node, frame.Next + 1));
                    var connection = frame.Node.Outbound[frame.Next];
                    if (open.Contains(connection.Target))
                    {
                        connection.IsBackward = true;
                    }
                    else if (!closed.Contains(connection.Target))
                    {
                        open.Add(connection.Target);
                        stack.Push((connection.Target, 0));
                    }
                }
            }
        }

        private List<ActivityNode> ReadChildren(JsonElement element, ActivityNode node, string path, Scope scope, string? composite, string property = "activities")
        {
            var children = new List<ActivityNode>();
            var index = 0;
            foreach (var item in Items(element, property))
            {
                if (ReadActivity(item, $"{path}.{property}[{index++}]", node, scope, composite) is { } child)
                {
                    children.Add(child);
                }
            }

            return children;
        }

        private void ReadPorts(JsonElement element, ActivityNode node, string path, Scope scope, string? composite, params string[] ports)
        {
            var found = new Dictionary<string, ActivityNode>(StringComparer.Ordinal);
            foreach (var port in ports)
            {
                if (element.TryGetProperty(port, out var activity)
                    && activity.ValueKind == JsonValueKind.Object
                    && ReadActivity(activity, $"{path}.{port}", node, scope, composite) is { } child)
                {
                    found[port] = child;
                }
            }

            node.Ports = found;
            node.Children = [.. found.Values];
        }

        private List<NodeInput> ReadInputValues(JsonElement element, ActivityNode node, string path, Scope scope)
        {
            var reader = new ExpressionReader(scope.FindVariable, scope.HasInput, Report, check => _whenAllNodesAreKnown.Add(check), activity =>
                _nodes.Values.Any(n => n is not null && n.Composite == node.Composite && (n.Id == activity || n.Name == activity)),
                reference => _outputReferences.Add((node, reference)));
            var inputs = new List<NodeInput>();
            foreach (var descriptor in node.Descriptor.Inputs)
            {
                var place = $"{path}.{descriptor.Name}";
                var expression = TryProperty(element, descriptor.Name, out var value) ? reader.Read(value, descriptor.ValueType, node.Id, place) : null;
                expression = Typed(expression, descriptor, node, place);
                if (expression is null && descriptor.DefaultValue is not null)
                {
                    expression = new Expressions.LiteralExpression(descriptor.DefaultValue);
                }

                if (expression is null && descriptor.IsRequired && !reader.Failed)
                {
                    Report(node.Id, place, $"'{node.DisplayText}' needs a value for '{descriptor.DisplayName}'.");
                }

                if (expression is not null)
                {
                    inputs.Add(new(descriptor, expression));
                }
            }

            return inputs;
        }

        private List<NodeOutput> ReadOutputTargets(JsonElement element, ActivityNode node, string path, Scope scope)
        {
            var outputs = new List<NodeOutput>();
            foreach (var descriptor in node.Descriptor.Outputs)
            {
                if (!TryProperty(element, descriptor.Name, out var value)
                    || value.ValueKind != JsonValueKind.Object
                    || !value.TryGetProperty("memoryReference", out var reference)
                    || Text(reference, "id") is not { Length: > 0 } target)
                {
                    continue;
                }

                if (scope.FindVariable(target) is { } variable)
                {
                    outputs.Add(new(descriptor.Name, variable, IsWorkflowOutput: false));
                }
                else if (scope.HasOutput(target))
                {
                    outputs.Add(new(descriptor.Name, target, IsWorkflowOutput: true));
                }
                else
                {
                    Report(node.Id, $"{path}.{descriptor.Name}", $"There is no variable or workflow output '{target}' to put '{descriptor.DisplayName}' into.");
                }
            }

            return outputs;
        }

        private List<VariableDefinition> ReadVariables(JsonElement element, string path)
        {
            var variables = new List<VariableDefinition>();
            var index = 0;
            foreach (var item in Items(element, "variables"))
            {
                var place = $"{path}.variables[{index++}]";
                var name = Text(item, "name");
                if (string.IsNullOrWhiteSpace(name))
                {
                    Report(null, place, "A variable needs a name.");
                    continue;
                }

                if (variables.Exists(v => v.Name == name))
                {
                    Report(null, place, $"There are two variables named '{name}'.");
                    continue;
                }

                var typeName = VariableTypes.AliasOf(Text(item, "typeName") ?? "Object");
                var isArray = item.TryGetProperty("isArray", out var array) && array.ValueKind == JsonValueKind.True;
                object? initial = null;
                if (item.TryGetProperty("value", out var value) && value.ValueKind != JsonValueKind.Null)
                {
                    if (!(isArray ? VariableTypes.TryReadArray(typeName, value, out initial) : VariableTypes.TryRead(typeName, value, out initial)))
                    {
                        Report(null, place + ".value", $"'{value}' is no {(isArray ? "list of " : string.Empty)}{typeName}.");
                    }
                }

                variables.Add(new(Text(item, "id") ?? name, name, typeName, initial) { IsArray = isArray });
            }

            return variables;
        }

        private List<InputDefinition> ReadInputs(JsonElement root)
        {
            var inputs = new List<InputDefinition>();
            var index = 0;
            foreach (var item in Items(root, "inputs"))
            {
                var place = $"$.inputs[{index++}]";
                if (Text(item, "name") is not { Length: > 0 } name)
                {
                    Report(null, place, "A workflow input needs a name.");
                    continue;
                }

                inputs.Add(new(name, VariableTypes.AliasOf(Text(item, "type") ?? "Object"), item.TryGetProperty("isRequired", out var required) && required.ValueKind == JsonValueKind.True)
                {
                    IsArray = item.TryGetProperty("isArray", out var array) && array.ValueKind == JsonValueKind.True,
                });
            }

            return inputs;
        }

        private RetryPolicy ReadRetry(JsonElement element, string id, string path, ActivityDescriptor descriptor)
        {
            if (CustomProperty(element, "retry") is not { ValueKind: not JsonValueKind.Null } retry)
            {
                return descriptor.Retry;
            }

            var attempts = Integer(retry, "attempts") ?? 0;
            if (attempts is < 1 or > 1_000_000
                || !TryTime(retry, "initialDelay", out var initial)
                || !TryTime(retry, "maxDelay", out var max)
                || max < initial
                || max > MaxRetryDelay
                || initial <= TimeSpan.Zero)
            {
                Report(id, path + ".customProperties.retry", "A retry policy needs attempts (1 to 1,000,000), initialDelay and maxDelay (times such as 00:00:01, the latter not shorter and at most 365 days), and may have a factor.");
                return descriptor.Retry;
            }

            return new(attempts, initial, retry.TryGetProperty("factor", out var f) && f.ValueKind == JsonValueKind.Number && f.TryGetDouble(out var factor) && factor >= 1 ? factor : 2, max);

            static bool TryTime(JsonElement retry, string name, out TimeSpan time)
            {
                time = TimeSpan.Zero;
                return Text(retry, name) is { } text && TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out time);
            }
        }

        private MergeMode ReadMergeMode(JsonElement element, string id, string path)
        {
            if (CustomProperty(element, "mergeMode") is not { ValueKind: not JsonValueKind.Null } mode || mode.ToString() is "" or "None")
            {
                return MergeMode.Stream;
            }

            // By name only: Enum.TryParse would take numbers, too.
            if (mode.ValueKind == JsonValueKind.String
                && Enum.GetNames<MergeMode>().FirstOrDefault(n => n != nameof(MergeMode.AllActive) && n.Equals(mode.GetString(), StringComparison.OrdinalIgnoreCase)) is { } name)
            {
                return Enum.Parse<MergeMode>(name);
            }

            Report(id, path + ".customProperties.mergeMode", $"There is no merge mode '{mode}'. There are Stream, Merge, Converge, Cascade and Race.");
            return MergeMode.Stream;
        }

        private List<string> ReadOutcomes(JsonElement element, string id, string path, ActivityDescriptor descriptor)
        {
            var outcomes = descriptor.Outcomes.ToList();
            if (descriptor.OutcomesFromInput is { } input && TryProperty(element, input, out var value))
            {
                foreach (var name in OutcomeNames.Read(value))
                {
                    if (string.IsNullOrEmpty(name))
                    {
                        Report(id, $"{path}.{input}", "A case needs a label.");
                    }
                    else if (!outcomes.Contains(name))
                    {
                        outcomes.Add(name);
                    }
                }
            }

            return outcomes;
        }

        private void Report(string? activityId, string path, string message) => Problems.Add(new(activityId, path, message));

        private static string? DisplayText(JsonElement element) =>
            element.TryGetProperty("metadata", out var metadata) && metadata.ValueKind == JsonValueKind.Object ? Text(metadata, "displayText") : null;

        private static JsonElement? CustomProperty(JsonElement element, string name)
        {
            foreach (var bag in new[] { "customProperties", "applicationProperties" })
            {
                if (element.TryGetProperty(bag, out var properties) && properties.ValueKind == JsonValueKind.Object)
                {
                    foreach (var property in properties.EnumerateObject())
                    {
                        if (property.Name.Equals(name, StringComparison.OrdinalIgnoreCase))
                        {
                            return property.Value;
                        }
                    }
                }
            }

            return null;
        }

        /// <summary>Reads both forms: <c>{source: {activity, port}}</c> and the older <c>{source: "a", sourcePort: "Done"}</c>.</summary>
        private static (string? Activity, string Port) ReadEnd(JsonElement connection, string name, string oldPort, string defaultPort)
        {
            if (connection.ValueKind != JsonValueKind.Object || !connection.TryGetProperty(name, out var end))
            {
                return (null, defaultPort);
            }

            return end.ValueKind == JsonValueKind.Object
                ? (Text(end, "activity"), Text(end, "port") ?? defaultPort)
                : (end.ValueKind == JsonValueKind.String ? end.GetString() : null, Text(connection, oldPort) ?? defaultPort);
        }

        private static string? Text(JsonElement element, string name) =>
            element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

        private static int? Integer(JsonElement element, string name) =>
            element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number)
                ? number
                : null;

        private static IEnumerable<JsonElement> Items(JsonElement element, string name) =>
            element.TryGetProperty(name, out var items) && items.ValueKind == JsonValueKind.Array ? items.EnumerateArray() : [];

        /// <summary>What an activity at some place can name.</summary>
        private sealed record Scope(Scope? Parent, IReadOnlyList<VariableDefinition> Variables, IReadOnlyList<string> Inputs, IReadOnlyList<string> Outputs)
        {
            /// <summary>A Break has something to end.</summary>
            public bool IsInLoop { get; init; }

            /// <summary>How many workflows used as activities are around it.</summary>
            public int Depth { get; init; }


            /// <summary>Name of the variable with this id or name, the nearest first.</summary>
            public string? FindVariable(string idOrName) => Find(idOrName)?.Name;

            public VariableDefinition? Find(string idOrName)
            {
                for (var scope = this; scope is not null; scope = scope.Parent)
                {
                    var found = scope.Variables.FirstOrDefault(v => v.Id == idOrName) ?? scope.Variables.FirstOrDefault(v => v.Name == idOrName);
                    if (found is not null)
                    {
                        return found;
                    }
                }

                return null;
            }

            public bool HasInput(string name) => Inputs.Contains(name, StringComparer.OrdinalIgnoreCase);

            public bool HasOutput(string name) => Outputs.Contains(name);
        }
    }
}
