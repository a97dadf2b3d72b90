using System.Text.Json;
using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Expressions;
using FailbackWorkflows.Engine.Values;

namespace FailbackWorkflows.Engine.Definitions;

/// <summary>Settings of definitions and activities, and checks that concern one kind of activity.</summary>
public sealed partial class DefinitionReader
{
    private sealed partial class ReadingPass
    {
        private const string LogSettings = "logPersistenceConfig";
        private const string OldLogSettings = "logPersistenceMode";
        private readonly List<(ActivityNode Node, HashSet<string> Outputs, HashSet<string> Asked)> _hidden = [];
        private readonly List<(ActivityNode Reader, Expressions.Script.ScriptReference Reference)> _outputReferences = [];
        private bool? _isHiddenByDefault;

        public static bool IsUsableAsActivity(JsonElement root) =>
            (root.TryGetProperty("options", out var options) && options.ValueKind == JsonValueKind.Object
                && options.TryGetProperty("usableAsActivity", out var flag) && flag.ValueKind == JsonValueKind.True)
            || (root.TryGetProperty("usableAsActivity", out var old) && old.ValueKind == JsonValueKind.True);

        private ActivationStrategy ReadActivation(JsonElement root) => ShortName(root, "activationStrategyType") switch
        {
            null or "" or "AllowAlways" or "Default" => ActivationStrategy.AllowAlways,
            "Singleton" => ActivationStrategy.Singleton,
            "CorrelatedSingleton" => ActivationStrategy.CorrelatedSingleton,
            "Correlation" => ActivationStrategy.Correlation,
            var other => Unknown(ActivationStrategy.AllowAlways, "activationStrategyType", $"There is no activation strategy '{other}'. There are AllowAlways, Singleton, CorrelatedSingleton and Correlation."),
        };

        private IncidentStrategy ReadIncidents(JsonElement root) => ShortName(root, "incidentStrategyType") switch
        {
            null or "" or "Fault" or "Default" => IncidentStrategy.Fault,
            "ContinueWithIncidents" => IncidentStrategy.ContinueWithIncidents,
            var other => Unknown(IncidentStrategy.Fault, "incidentStrategyType", $"There is no incident strategy '{other}'. There are Fault and ContinueWithIncidents."),
        };

        private T Unknown<T>(T otherwise, string option, string sentence)
        {
            Report(null, "$.options." + option, sentence);
            return otherwise;
        }

        /// <summary>Elsa writes the name of a class, <c>Elsa.Workflows.Activation.SingletonStrategy, Elsa.Workflows.Core</c>; the short name is taken, too.</summary>
        private static string? ShortName(JsonElement root, string option)
        {
            if (!root.TryGetProperty("options", out var options) || Text(options, option) is not { } type)
            {
                return null;
            }

            var name = VariableTypes.AliasOf(type);
            name = name.EndsWith("Strategy", StringComparison.Ordinal) ? name[..^"Strategy".Length] : name;
            return name.EndsWith("Activation", StringComparison.Ordinal) ? name[..^"Activation".Length] : name;
        }

        private void ReadLogPolicy(JsonElement root)
        {
            foreach (var name in new[] { LogSettings, OldLogSettings })
            {
                if (CustomProperty(root, name) is { } settings)
                {
                    _isHiddenByDefault = ReadMode(settings.ValueKind == JsonValueKind.Object && TryProperty(settings, "default", out var inside) ? inside : settings, null, $"$.customProperties.{name}");
                }
            }
        }

        /// <summary>
        /// What the journal does not show. A hidden input is evaluated again whenever the journal is folded, so nothing is lost. A hidden output is
        /// gone, so it may not be used by anything.
        /// </summary>
        private HiddenValues ReadHidden(JsonElement element, ActivityNode node, string path)
        {
            var inputs = node.Descriptor.Inputs.Where(i => i.IsSensitive).Select(i => i.Name).ToHashSet(StringComparer.OrdinalIgnoreCase);
            var outputs = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
            var bag = CustomProperty(element, LogSettings) is { ValueKind: JsonValueKind.Object } settings ? (LogSettings, settings)
                : CustomProperty(element, OldLogSettings) is { ValueKind: JsonValueKind.Object } old ? (OldLogSettings, old)
                : default((string Name, JsonElement Settings)?);
            var place = $"{path}.customProperties.{bag?.Name}";
            var isHidden = bag is { } given && TryProperty(given.Settings, "default", out var mode) ? ReadMode(mode, node.Id, place + ".default") ?? _isHiddenByDefault : _isHiddenByDefault;
            Add(inputs, "inputs", node.Descriptor.Inputs.Select(i => i.Name), null);
            var asked = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
            Add(outputs, "outputs", node.Descriptor.Outputs.Select(o => o.Name), asked);
            foreach (var kept in node.Outputs.Select(o => o.Name).Where(outputs.Contains).ToList())
            {
                outputs.Remove(kept);
                if (asked.Contains(kept))
                {
                    Report(node.Id, place + ".outputs." + kept, $"'{kept}' is kept in a variable or output of the workflow, so the journal has to show it. Include it, or do not keep it.");
                }
            }

            if (outputs.Count > 0)
            {
                _hidden.Add((node, outputs, asked));
            }

            return inputs.Count == 0 && outputs.Count == 0 ? HiddenValues.None : new(inputs, outputs);

            void Add(HashSet<string> names, string group, IEnumerable<string> all, HashSet<string>? explicitly)
            {
                var own = bag is { } b && TryProperty(b.Settings, group, out var found) && found.ValueKind == JsonValueKind.Object ? found : default;
                foreach (var name in all)
                {
                    var single = own.ValueKind == JsonValueKind.Object && TryProperty(own, name, out var value) ? ReadMode(value, node.Id, $"{place}.{group}.{name}") : null;
                    if (single ?? isHidden ?? false)
                    {
                        names.Add(name);
                    }

                    if (single == true)
                    {
                        explicitly?.Add(name);
                    }
                }
            }
        }

        /// <summary>True: hidden; false: shown; null: as whatever is around it says.</summary>
        private bool? ReadMode(JsonElement mode, string? activityId, string place)
        {
            if (mode.ValueKind == JsonValueKind.Object)
            {
                if (Text(mode, "evaluationMode") == "Expression")
                {
                    Report(activityId, place, "Log persistence by an expression is not available: choose Include, Exclude or Inherit.");
                    return null;
                }

                return TryProperty(mode, "strategyType", out var strategy) ? ReadMode(strategy, activityId, place) : null;
            }

            var name = mode.ValueKind == JsonValueKind.String ? VariableTypes.AliasOf(mode.GetString()!) : string.Empty;
            switch (name)
            {
                case "Exclude":
                    return true;
                case "Include":
                    return false;
                case "" or "Inherit" or "Default":
                    return null;
                default:
                    Report(activityId, place, $"There is no log persistence mode '{name}'. There are Include, Exclude and Inherit.");
                    return null;
            }
        }

        /// <summary>Hidden outputs that an expression reads would be lost to it: they are shown, or refused when they were to be hidden by name. Known once all expressions are read.</summary>
        private void CheckHiddenOutputs()
        {
            foreach (var (node, outputs, asked) in _hidden)
            {
                foreach (var (reader, reference) in _outputReferences)
                {
                    var output = reference.OutputName ?? "result";
                    if (reader.Composite == node.Composite && (reference.Name == node.Id || reference.Name == node.Name) && outputs.Remove(output) && asked.Contains(output))
                    {
                        Report(node.Id, node.NodeId, $"'{reader.DisplayText}' reads the output '{output}' of '{node.DisplayText}', so the journal has to show it. Include it in the log.");
                    }
                }
            }
        }

        private MergeMode ReadJoinMode(JsonElement element, string id, string path)
        {
            var mode = element.TryGetProperty("mode", out var given) ? FixedText(given) : "WaitAny";
            switch (mode?.ToUpperInvariant())
            {
                case "" or "WAITANY":
                    return MergeMode.Race;
                case "WAITALL":
                    return MergeMode.Merge;
                case "WAITALLACTIVE":
                    return MergeMode.AllActive;
                default:
                    Report(id, path + ".mode", "The mode of a join needs a fixed value: WaitAll, WaitAllActive or WaitAny.");
                    return MergeMode.Race;
            }
        }

        /// <summary>The text of a literal, wrapped or bare; empty when nothing is set, null when it is not fixed.</summary>
        private static string? FixedText(JsonElement value)
        {
            if (value.ValueKind == JsonValueKind.Object)
            {
                if (!value.TryGetProperty("expression", out var expression) || expression.ValueKind != JsonValueKind.Object)
                {
                    return string.Empty;
                }

                if (Text(expression, "type") is not (null or "Literal" or "Object"))
                {
                    return null;
                }

                return expression.TryGetProperty("value", out var inner) ? FixedText(inner) : string.Empty;
            }

            return value.ValueKind switch
            {
                JsonValueKind.String => value.GetString(),
                JsonValueKind.Null or JsonValueKind.Undefined => string.Empty,
                _ => value.GetRawText(),
            };
        }

        private static List<string> ReadTexts(JsonElement element, string name) =>
            [.. Items(element, name).Where(i => i.ValueKind == JsonValueKind.String).Select(i => i.GetString()!).Where(t => t.Length > 0)];

        /// <summary>Checks that only the whole activity allows.</summary>
        private void Check(JsonElement element, ActivityNode node, string path, Scope scope)
        {
            foreach (var input in node.Inputs)
            {
                if (input.Descriptor.Options.Count > 0 && input.Expression is LiteralExpression { Value: string text } && text.Length > 0
                    && !input.Descriptor.Options.Contains(text, StringComparer.OrdinalIgnoreCase))
                {
                    Report(node.Id, $"{path}.{input.Descriptor.Name}", $"'{text}' is no value of '{input.Descriptor.DisplayName}'. There are {string.Join(", ", input.Descriptor.Options)}.");
                }
            }

            switch (node.Descriptor.Type)
            {
                case "Elsa.Break" when !scope.IsInLoop:
                    Report(node.Id, path, $"'{node.DisplayText}' is in no loop. A Break ends the For, ForEach, ParallelForEach or While around it.");
                    break;
                case "Elsa.Cron" when LiteralOf(node, "cronExpression") is { } expression && cron.Problem(expression) is { } problem:
                    Report(node.Id, path + ".cronExpression", problem);
                    break;
                case "Elsa.Timer" when LiteralOf(node, "interval") is { } interval && !(TimeSpan.TryParse(interval, System.Globalization.CultureInfo.InvariantCulture, out var time) && time >= TimeSpan.FromSeconds(1)):
                    Report(node.Id, path + ".interval", "A timer needs an interval of at least one second, such as 00:10:00.");
                    break;
                case "Elsa.SetVariable":
                    CheckSetVariable(node, path, scope);
                    break;
                case "Elsa.SendHttpRequest" or "Elsa.FlowSendHttpRequest" when LiteralOf(node, "authorization") is { } secret && !secret.Split(' ').Any(w => w.StartsWith("secret:", StringComparison.Ordinal)):
                    Report(node.Id, path + ".authorization", "Credentials do not belong into a definition. Put it into the server's configuration (Http:Secrets:NAME) and write 'secret:NAME' here.");
                    break;
                default:
                    break;
            }

            foreach (var (name, instead) in LeftOut(node.Descriptor.Type))
            {
                if (element.TryGetProperty(name, out var value) && FixedText(value) is not "")
                {
                    Report(node.Id, $"{path}.{name}", instead);
                }
            }

            if (CustomProperty(element, "resilienceStrategy") is { ValueKind: not JsonValueKind.Null } strategy && strategy.ToString() is { Length: > 0 } and not "{}")
            {
                Report(node.Id, path + ".customProperties.resilienceStrategy", "Resilience strategies are not available. Use the custom property 'retry' (attempts, initialDelay, maxDelay, factor), whose waits outlast a restart.");
            }
        }

        /// <summary>Inputs that Elsa has and this engine has not.</summary>
        private static (string Name, string Instead)[] LeftOut(string type) => type switch
        {
            "Elsa.BulkDispatchWorkflows" =>
            [
                ("correlationIdFunction", "A function for correlation ids is not available: have the workflow correlate itself by its item (Correlate)."),
                ("channelName", "There are no channels: every run waits for a free place on any node. Leave it out."),
            ],
            "Elsa.DispatchWorkflow" => [("channelName", "There are no channels: every run waits for a free place on any node. Leave it out.")],
            _ => [],
        };

        private static string? LiteralOf(ActivityNode node, string input) =>
            node.Inputs.FirstOrDefault(i => i.Descriptor.Name == input)?.Expression is LiteralExpression literal && PlainValue.ToText(literal.Value) is { Length: > 0 } text ? text : null;

        /// <summary>A fixed value for a variable is read as the variable's type.</summary>
        private void CheckSetVariable(ActivityNode node, string path, Scope scope)
        {
            if (node.Inputs.FirstOrDefault(i => i.Descriptor.Name == "variable")?.Expression?.Evaluate(null!) is not IReadOnlyDictionary<string, object?> reference
                || scope.Find((string)reference["name"]!) is not { } variable
                || node.Inputs.FirstOrDefault(i => i.Descriptor.Name == "value") is not { Expression: LiteralExpression { Value: string text } } value
                || (variable.TypeName is "String" or "Object" or "Any" && !variable.IsArray))
            {
                return;
            }

            if (ReadAs(variable.TypeName, variable.IsArray, text, node, path + ".value") is { } typed)
            {
                node.Inputs = [.. node.Inputs.Select(i => i == value ? i with { Expression = typed } : i)];
            }
        }
    }
}
