using System.Text.Json;
using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Expressions;
using FailbackWorkflows.Engine.Interpretation;
using FailbackWorkflows.Engine.Values;

namespace FailbackWorkflows.Engine.Definitions;

/// <summary>What activities hold: branches, loops, ports, and workflows used as activities.</summary>
public sealed partial class DefinitionReader
{
    private sealed partial class ReadingPass
    {
        /// <summary>Workflows used as activities inside one another. A version can only name older ones, so this is a guard against forged rows.</summary>
        private const int MostNestedWorkflows = 10;

        private ActivityDescriptor? FindDescriptor(JsonElement element, string type, string id, string path)
        {
            if (Text(element, "workflowDefinitionVersionId") is { Length: > 0 } versionId && !catalog.Descriptors.ContainsKey(type))
            {
                if (versions.Find(versionId) is not { } stored)
                {
                    Report(id, path + ".workflowDefinitionVersionId", $"There is no published workflow version '{versionId}'. Publish the workflow '{type}' first.");
                    return null;
                }

                if (WorkflowActivities.Describe(stored, type) is { } found)
                {
                    return found;
                }

                Report(id, path, $"The workflow '{stored.Name}' may not be used as an activity. Set 'Usable as activity' in its settings and publish it.");
                return null;
            }

            // Definitions made elsewhere name versions of their own; ours are told apart only where there is more than one.
            if (catalog.Find(type, Integer(element, "version") ?? 1) is { } known || catalog.Descriptors.TryGetValue(type, out known))
            {
                return known;
            }

            Report(id, path + ".type", Text(element, "workflowDefinitionId") is { Length: > 0 } workflow
                ? $"The workflow '{workflow}' is used as an activity without a version. Say which: 'workflowDefinitionVersionId', for example '{workflow}:1'."
                : UnknownActivities.Sentence(type));
            return null;
        }

        private static Scope InLoop(Scope scope, ActivityShape shape)
        {
            string[] names = shape switch
            {
                ActivityShape.For => [Containers.CurrentValue],
                ActivityShape.ForEach or ActivityShape.ParallelForEach => [Containers.CurrentValue, Containers.CurrentIndex],
                _ => [],
            };
            return WithVariables(scope, names) with { IsInLoop = true };
        }

        private static Scope WithVariables(Scope scope, IEnumerable<string> names) =>
            scope with { Parent = scope, Variables = [.. names.Select(n => new VariableDefinition(n, n, "Object", null))] };

        private void ReadSwitch(JsonElement element, ActivityNode node, string path, Scope scope, string? composite)
        {
            var found = new Dictionary<string, ActivityNode>(StringComparer.Ordinal);
            var labels = new HashSet<string>(StringComparer.Ordinal);
            var index = 0;
            foreach (var item in element.TryGetProperty("cases", out var cases) ? UnwrapItems(cases) : [])
            {
                var place = $"{path}.cases[{index++}]";
                if (Text(item, "label") is not { Length: > 0 } label)
                {
                    Report(node.Id, place, "A case needs a label.");
                }
                else if (!labels.Add(label))
                {
                    Report(node.Id, place, $"There are two cases '{label}'. Each needs a label of its own.");
                }
                else if (item.TryGetProperty("activity", out var activity) && activity.ValueKind == JsonValueKind.Object
                    && ReadActivity(activity, place + ".activity", node, scope, composite) is { } child)
                {
                    found[Containers.PortOfCase(label)] = child;
                }
            }

            AddPort(element, "default", node, path, scope, composite, found);
            SetPorts(node, found);
        }

        /// <summary>Ports of an activity that runs code. The expected status codes of a request are ports named by the code.</summary>
        private void ReadEmbedded(JsonElement element, ActivityNode node, string path, Scope scope, string? composite)
        {
            var found = new Dictionary<string, ActivityNode>(StringComparer.Ordinal);
            foreach (var port in node.Descriptor.EmbeddedPorts)
            {
                AddPort(element, port.Name, node, path, port.Variables.Count == 0 ? scope : WithVariables(scope, port.Variables), composite, found);
            }

            var index = 0;
            foreach (var item in element.TryGetProperty("expectedStatusCodes", out var codes) ? UnwrapItems(codes) : [])
            {
                var place = $"{path}.expectedStatusCodes[{index++}]";
                if (Integer(item, "statusCode") is not { } code)
                {
                    Report(node.Id, place, "An expected status needs a statusCode.");
                }
                else if (item.TryGetProperty("activity", out var activity) && activity.ValueKind == JsonValueKind.Object
                    && ReadActivity(activity, place + ".activity", node, scope, composite) is { } child)
                {
                    found[code.ToString(System.Globalization.CultureInfo.InvariantCulture)] = child;
                }
            }

            SetPorts(node, found);
        }

        private void AddPort(JsonElement element, string port, ActivityNode node, string path, Scope scope, string? composite, Dictionary<string, ActivityNode> found)
        {
            if (element.TryGetProperty(port, out var activity) && activity.ValueKind == JsonValueKind.Object
                && ReadActivity(activity, $"{path}.{port}", node, scope, composite) is { } child)
            {
                found[port] = child;
            }
        }

        private static void SetPorts(ActivityNode node, Dictionary<string, ActivityNode> found)
        {
            node.Ports = found;
            node.Children = [.. found.Values];
        }

        /// <summary>The inside of a workflow used as an activity: its own variables, inputs and outputs are in sight, nothing of the workflow around it.</summary>
        private void ReadWorkflow(ActivityNode node, string path)
        {
            var depth = 0;
            for (var outer = node.Parent; outer is not null; outer = outer.Parent)
            {
                depth += outer.Descriptor.WorkflowDefinitionId is null ? 0 : 1;
            }

            if (depth >= MostNestedWorkflows)
            {
                Report(node.Id, path, $"Workflows are used as activities inside one another more than {MostNestedWorkflows} deep.");
                return;
            }

            var stored = versions.Find(node.Descriptor.WorkflowDefinitionVersionId!)!;
            using var document = JsonDocument.Parse(stored.Json, ReadingOptions);
            var root = document.RootElement;
            node.Variables = ReadVariables(root, $"{path}<{stored.Id}>");
            var scope = new Scope(
                null, node.Variables, [.. ReadInputs(root).Select(i => i.Name)], [.. Items(root, "outputs").Select(o => Text(o, "name") ?? string.Empty)]);
            if (root.TryGetProperty("root", out var inside) && ReadActivity(inside, $"{path}<{stored.Id}>", node, scope, node.NodeId) is { } child)
            {
                node.Children = [child];
            }
        }

        /// <summary>
        /// Studio stores every literal as text. Where the type of what it is for is known (a variable to be set, an input of a workflow used as an
        /// activity), the text is read as that.
        /// </summary>
        private IExpression? Typed(IExpression? expression, InputDescriptor input, ActivityNode node, string place)
        {
            if (expression is not LiteralExpression { Value: string text } || node.Descriptor.WorkflowDefinitionId is null || input.ValueType == typeof(object) || input.ValueType == typeof(string))
            {
                return expression;
            }

            var alias = input.ValueType == typeof(bool) ? "Boolean" : input.ValueType == typeof(long) ? "Int64" : "Double";
            return ReadAs(alias, false, text, node, place) ?? expression;
        }

        private LiteralExpression? ReadAs(string alias, bool isArray, string text, ActivityNode node, string place)
        {
            var element = JsonSerializer.SerializeToElement(text, PlainValue.Json);
            if (isArray ? VariableTypes.TryReadArray(alias, element, out var value) : VariableTypes.TryRead(alias, element, out value))
            {
                return new LiteralExpression(value);
            }

            Report(node.Id, place, $"'{text}' is no {(isArray ? "list of " : string.Empty)}{alias}.");
            return null;
        }

        private static IEnumerable<JsonElement> UnwrapItems(JsonElement value)
        {
            var array = FlowSwitchCases.Unwrap(value);
            return array.ValueKind == JsonValueKind.Array ? array.EnumerateArray().Where(i => i.ValueKind == JsonValueKind.Object) : [];
        }

        /// <summary>A property by its name, else by its name in another case: workflows used as activities keep the spelling of their inputs.</summary>
        private static bool TryProperty(JsonElement element, string name, out JsonElement value)
        {
            if (element.TryGetProperty(name, out value))
            {
                return true;
            }

            foreach (var property in element.EnumerateObject())
            {
                if (property.Name.Equals(name, StringComparison.OrdinalIgnoreCase))
                {
                    value = property.Value;
                    return true;
                }
            }

            return false;
        }
    }
}
