using System.Text;
using FailbackWorkflows.Failback.Runs;

namespace FailbackWorkflows.Server.Api.Runs;

/// <summary>A run report as a table: one line for the run, one per step, executed or not, and one per part of a step.</summary>
internal static class RunReportCsv
{
    public static string Write(RunReport run)
    {
        var text = new StringBuilder("row,number,name,state,times,startedAt,endedAt,seconds,outcome,message,nodeId\r\n");
        CsvText.Line(text, "run", null, $"{run.DefinitionId} version {run.DefinitionVersion}", run.Result, null, run.StartedAt, run.FinishedAt, Seconds(run.StartedAt, run.FinishedAt), null, run.Message, run.RunId);
        foreach (var step in run.Steps)
        {
            Write(text, "step", step);
        }

        return text.ToString();
    }

    private static void Write(StringBuilder text, string row, RunStep step)
    {
        var state = step.State.ToString();
        CsvText.Line(
            text, row, step.Number, step.Name, char.ToLowerInvariant(state[0]) + state[1..], step.Times, step.StartedAt, step.EndedAt, Seconds(step.StartedAt, step.EndedAt), step.Outcome, step.Message, step.NodeId);
        foreach (var part in step.Parts)
        {
            Write(text, "part", part);
        }
    }

    private static double? Seconds(DateTimeOffset? from, DateTimeOffset? to) => from is { } start && to is { } end ? Math.Round((end - start).TotalSeconds, 3) : null;
}
