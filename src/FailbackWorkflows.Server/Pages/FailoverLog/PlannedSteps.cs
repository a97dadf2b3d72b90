using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Failback.Runs;

namespace FailbackWorkflows.Server.Pages.FailoverLog;

/// <summary>The numbered steps of a workflow as its published definition has them, shown before one has run.</summary>
public sealed class PlannedSteps(WorkflowDefinitions definitions)
{
    /// <summary>The steps in their order; empty when nothing is published.</summary>
    public async Task<IReadOnlyList<RunStep>> ReadAsync(string definitionId, CancellationToken cancellationToken) =>
        await definitions.FindPublishedAsync(definitionId, cancellationToken) is { } definition
            ?
            [
                .. definition.Root.Children
                    .Where(node => node.Step is not null)
                    .OrderBy(node => node.Step)
                    .Select(node => new RunStep(node.Step, node.DisplayText, node.NodeId, node.Descriptor.Type, RunStepState.NotExecuted, 0, null, null, null, null, [])),
            ]
            : [];
}
