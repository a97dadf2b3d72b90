using System.Diagnostics.Metrics;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Journal;

namespace FailbackWorkflows.Engine.Runtime;

/// <summary>What the engine counts and measures. Nobody listens: it costs next to nothing. Labels are names of definitions, activity types and states, never of instances.</summary>
public sealed class WorkflowMetrics : IDisposable
{
    /// <summary>Name of the meter.</summary>
    public const string MeterName = "FailbackWorkflows.Engine";

    internal const string WorkflowTag = "workflow.id";

    private static readonly InstrumentAdvice<double> StepBuckets = new() { HistogramBucketBoundaries = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60] };
    private static readonly InstrumentAdvice<double> RunBuckets = new() { HistogramBucketBoundaries = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600, 14_400, 86_400] };

    private readonly Meter _meter;
    private readonly Counter<long> _started;
    private readonly Counter<long> _ended;
    private readonly Histogram<double> _runDuration;
    private readonly Histogram<double> _stepDuration;
    private readonly Histogram<double> _commitDuration;
    private readonly UpDownCounter<long> _active;
    private readonly Counter<long> _leasesLost;

    /// <param name="meters">The host's; without one the meter is the process's.</param>
    public WorkflowMetrics(IMeterFactory? meters = null)
    {
        _meter = meters?.Create(MeterName) ?? new Meter(MeterName);
        _started = _meter.CreateCounter<long>("workflow.run.started", "{run}", "Runs started.");
        _ended = _meter.CreateCounter<long>("workflow.run.ended", "{run}", "Runs that finished, faulted or were cancelled. A run that is redriven ends again.");
        _runDuration = _meter.CreateHistogram("workflow.run.duration", "s", "From the start of a run to its end, waiting included.", null, RunBuckets);
        _stepDuration = _meter.CreateHistogram("workflow.step.duration", "s", "How long an activity took, its commit not included.", null, StepBuckets);
        _commitDuration = _meter.CreateHistogram("workflow.commit.duration", "s", "How long the commit of a step took, until it was durable.", null, StepBuckets);
        _active = _meter.CreateUpDownCounter<long>("workflow.run.active", "{run}", "Runs that this node works on now.");
        _leasesLost = _meter.CreateCounter<long>("workflow.lease.lost", "{lease}", "Runs that another node took over while this one worked on them.");
    }

    public void Dispose() => _meter.Dispose();

    internal void Started(WorkflowDefinition definition) => _started.Add(1, Workflow(definition));

    internal void Ended(LiveInstance live)
    {
        var subStatus = new KeyValuePair<string, object?>("workflow.sub_status", live.State.SubStatus.ToString());
        _ended.Add(1, Workflow(live.Definition), subStatus);
        _runDuration.Record((live.Stored.UpdatedAt - live.Stored.CreatedAt).TotalSeconds, Workflow(live.Definition), subStatus);
    }

    /// <param name="fault">Null: it did not fail. Its kind may be a workflow author's own word and is no label.</param>
    internal void Stepped(WorkflowDefinition definition, string activityType, TimeSpan took, ActivityFault? fault)
    {
        var activity = new KeyValuePair<string, object?>("workflow.activity.type", activityType);
        if (fault is null)
        {
            _stepDuration.Record(took.TotalSeconds, Workflow(definition), activity);
        }
        else
        {
            _stepDuration.Record(took.TotalSeconds, Workflow(definition), activity, new("error.type", fault.IsTransient ? "transient" : "permanent"));
        }
    }

    internal void Committed(TimeSpan took) => _commitDuration.Record(took.TotalSeconds);

    internal void TookUp() => _active.Add(1);

    internal void PutDown() => _active.Add(-1);

    internal void LostLease() => _leasesLost.Add(1);

    private static KeyValuePair<string, object?> Workflow(WorkflowDefinition definition) => new(WorkflowTag, definition.DefinitionId);
}
