using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Interpretation;
using FailbackWorkflows.Engine.Journal;

namespace FailbackWorkflows.Engine.Runtime;

/// <summary>
/// One trace per run. A run is worked on in bursts, by any node and over restarts, so its trace id is made of its own id: whoever works on it
/// adds to the same trace without having to be told. The burst is a span, so is each activity in it, and one spans the whole run once it has ended.
/// </summary>
public static class WorkflowTracing
{
    /// <summary>Name of the source.</summary>
    public const string SourceName = "FailbackWorkflows.Engine";

    private static readonly ActivitySource Source = new(SourceName);

    /// <summary>The trace of a run: its id where that has the form of one, as the ids made here have, else made of it.</summary>
    public static ActivityTraceId TraceIdOf(string instanceId) =>
        instanceId.Length == 32 && instanceId.All(char.IsAsciiHexDigitLower) && instanceId.Any(c => c != '0')
            ? ActivityTraceId.CreateFromString(instanceId)
            : ActivityTraceId.CreateFromBytes(SHA256.HashData(Encoding.UTF8.GetBytes(instanceId)).AsSpan(0, 16));

    /// <summary>This node takes a run up; null when nobody listens.</summary>
    internal static Activity? Burst(LiveInstance live, string node)
    {
        // Whoever started the run may have been in a trace of their own, which comes along to here and has nothing to do with what follows.
        Activity.Current = null;
        return Source.StartActivity($"burst {live.Definition.DefinitionId}", ActivityKind.Internal, ContextOf(live.Stored.Id))?.About(live).SetTag("workflow.node", node);
    }

    /// <summary>An activity of the run is executed.</summary>
    internal static Activity? Step(ActivityNode node, Execution execution) => Activity.Current?.Source != Source
        ? null
        : Source.StartActivity(node.Descriptor.Type)
            ?.SetTag("workflow.activity.node_id", node.NodeId)
            .SetTag("workflow.activity.execution_id", execution.Id)
            .SetTag("workflow.activity.attempt", execution.Attempt);

    internal static void Faulted(Activity? step, ActivityFault fault) => step?.SetTag("error.type", fault.Kind).SetStatus(ActivityStatusCode.Error);

    /// <summary>The run has ended, and that is committed: the whole of it as one span.</summary>
    internal static void Ended(LiveInstance live)
    {
        // Beside the burst that ended it, not below.
        var burst = Activity.Current;
        Activity.Current = null;
        using (var run = Source.StartActivity(
            $"run {live.Definition.DefinitionId}", ActivityKind.Internal, ContextOf(live.Stored.Id), startTime: live.Stored.CreatedAt)?.About(live))
        {
            run?.SetTag("workflow.sub_status", live.State.SubStatus.ToString());
            if (live.State.SubStatus == WorkflowSubStatus.Faulted)
            {
                run?.SetStatus(ActivityStatusCode.Error);
            }

            run?.SetEndTime(live.Stored.UpdatedAt.UtcDateTime);
        }

        Activity.Current = burst;
    }

    private static Activity About(this Activity span, LiveInstance live) => span
        .SetTag(WorkflowMetrics.WorkflowTag, live.Definition.DefinitionId)
        .SetTag("workflow.version", live.Definition.Version)
        .SetTag("workflow.run.id", live.Stored.Id);

    /// <summary>A trace without a span to be below: a burst is nobody's child, for the one before it may have been another node's.</summary>
    private static ActivityContext ContextOf(string instanceId) => new(TraceIdOf(instanceId), default, ActivityTraceFlags.Recorded);
}
