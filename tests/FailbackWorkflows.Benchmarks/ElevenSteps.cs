using FailbackWorkflows.Engine.Activities;

namespace FailbackWorkflows.Benchmarks;

/// <summary>The workload of the engine benchmarks: a flowchart of 11 activities that do nothing.</summary>
internal static class ElevenSteps
{
    public const string DefinitionId = "eleven-steps";

    public static string Json { get; } = $$"""
        {
          "definitionId": "{{DefinitionId}}",
          "name": "Eleven steps",
          "root": { "id": "flow", "type": "Elsa.Flowchart", "activities": [{{Steps(11)}}], "connections": [{{Connections(10)}}] }
        }
        """;

    private static string Steps(int count) => string.Join(",", Enumerable.Range(1, count).Select(i => $$"""{"id": "step{{i}}", "type": "Benchmark.Nothing"}"""));

    private static string Connections(int count) => string.Join(",", Enumerable.Range(1, count).Select(i => $$"""{"source": "step{{i}}", "target": "step{{i + 1}}"}"""));

    [Activity("Benchmark.Nothing")]
    public sealed class Nothing : CodeActivity
    {
        protected internal override ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken) =>
            ValueTask.FromResult(ActivityResult.Completed());
    }
}
