using System.Text;
using System.Text.Json.Nodes;

namespace FailbackWorkflows.Server.Studio.Descriptors;

/// <summary>What an expression may use, as declarations for the code editor's suggestions.</summary>
internal static class ScriptDeclarations
{
    private const string Common =
        """
        /** The value of a variable that can be seen from the activity. */
        declare function getVariable(name: string): any;
        /** The value of an input of the workflow. */
        declare function getInput(name: string): any;
        /** An output of an activity that has been completed, by the activity's name or id. */
        declare function getOutputFrom(activity: string, output?: string): any;
        /** The result of the activity that was completed last. */
        declare function getLastResult(): any;
        /** The id of this run. */
        declare function getWorkflowInstanceId(): string;
        /** The correlation id of this run. */
        declare function getCorrelationId(): string;
        /** The id of this workflow. */
        declare function getWorkflowDefinitionId(): string;
        /** The version of this workflow that the run stays with. */
        declare function getWorkflowDefinitionVersion(): number;

        """;

    public static string Of(JsonObject? definition)
    {
        var text = new StringBuilder(Common);
        foreach (var variable in definition?["variables"] as JsonArray ?? [])
        {
            if (Pascal(variable) is { } name)
            {
                text.Append("/** The value of the variable. */\ndeclare function get").Append(name).Append("(): any;\n");
            }
        }

        foreach (var input in definition?["inputs"] as JsonArray ?? [])
        {
            if (Pascal(input) is { } name)
            {
                text.Append("/** The value of the workflow's input. */\ndeclare function get").Append(name).Append("(): any;\n");
            }
        }

        return text.ToString();
    }

    /// <summary>Only what is an identifier can be part of one.</summary>
    private static string? Pascal(JsonNode? item) =>
        StudioJson.Text(item?["name"]) is { Length: > 0 } name && name.All(c => char.IsAsciiLetterOrDigit(c) || c == '_') ? char.ToUpperInvariant(name[0]) + name[1..] : null;
}
