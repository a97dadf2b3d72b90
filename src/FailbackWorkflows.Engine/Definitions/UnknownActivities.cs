namespace FailbackWorkflows.Engine.Definitions;

/// <summary>What Elsa has and this engine has not, each with what to use instead.</summary>
internal static class UnknownActivities
{
    private static readonly Dictionary<string, string> Replacements = new(StringComparer.Ordinal)
    {
        ["Elsa.HttpEndpoint"] = "HTTP endpoints are not available: start workflows through the API or by an event instead.",
        ["Elsa.WriteHttpResponse"] = "There is no HTTP request to answer: set a workflow output with SetOutput instead.",
        ["Elsa.WriteFileHttpResponse"] = "There is no HTTP request to answer: set a workflow output with SetOutput instead.",
        ["Elsa.DownloadHttpFile"] = "Files are not downloaded into a workflow: use SendHttpRequest, whose answer may have 1 MiB, or write an activity in C#.",
        ["Elsa.RunJavaScript"] = "RunJavaScript is not available: use a JavaScript expression in SetVariable instead.",
        ["Elsa.RunCSharp"] = "RunCSharp would run code of the definition on the server and is not available: write an activity in C# instead.",
        ["Elsa.RunPython"] = "RunPython would run code of the definition on the server and is not available: write an activity in C# instead.",
        ["Elsa.ReadLine"] = "There is no console to read from: use RunTask, which a person or program completes.",
        ["Elsa.Inline"] = "Inline is code of a program, not of a definition: write an activity in C# instead.",
        ["Elsa.Workflow"] = "A workflow is not an activity of itself: use ExecuteWorkflow, or publish it as 'Usable as activity'.",
        ["Elsa.StateMachine"] = "State machines are not available: use a Flowchart whose connections are the transitions, with Event activities between them.",
        ["Elsa.Try"] = "There is no Try: connect the port 'Failed' of the activity instead.",
        ["Elsa.Catch"] = "There is no Catch: connect the port 'Failed' of the activity instead.",
        ["Elsa.Join"] = "Join is an older name: use FlowJoin.",
        ["Elsa.BulkDispatchWorkflow"] = "BulkDispatchWorkflow is an older name: use BulkDispatchWorkflows.",
        ["Elsa.NotFoundActivity"] = "The designer did not know this activity when the definition was saved. Put the right activity in its place.",
        ["Elsa.AlterationPlanCompleted"] = "There are no alterations: retry a faulted run, or cancel it.",
        ["Elsa.DispatchWorkflowDefinition"] = "Use DispatchWorkflow.",
    };

    public static string Sentence(string type)
    {
        if (Replacements.TryGetValue(type, out var sentence))
        {
            return sentence;
        }

        return type switch
        {
            _ when type.Contains("Python", StringComparison.Ordinal) || type.Contains("CSharp", StringComparison.Ordinal) =>
                $"'{type}' would run code of the definition on the server and is not available: write an activity in C# instead.",
            _ when type.StartsWith("Elsa.", StringComparison.Ordinal) => $"There is no activity '{type}'. Write an activity in C# that does it, or use RunTask and let a program of yours do it.",
            _ => $"There is no activity '{type}'.",
        };
    }
}
