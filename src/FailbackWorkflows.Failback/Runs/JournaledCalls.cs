using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Recorders;

namespace FailbackWorkflows.Failback.Runs;

/// <summary>Brings the recorder calls of an activity into the event of its end. Polls are made outside of activities and go nowhere.</summary>
public sealed class JournaledCalls : IRecorderCallObserver
{
    /// <inheritdoc/>
    public bool IsObserving => ActivityWitness.IsListening;

    /// <inheritdoc/>
    public void Observed(ObservedCall call)
    {
        ActivityWitness.Note(new OutsideCall(call.ServerId, call.Call, call.Request, call.RequestSha256, call.Status, call.ResponseSha256, Math.Round(call.Took.TotalMilliseconds, 3)));
        if (call.Clock is { } clock)
        {
            ActivityWitness.Note(new ClockReading(call.ServerId, Math.Round(clock.Offset.TotalMilliseconds, 3), Math.Round(clock.Uncertainty.TotalMilliseconds, 3)));
        }
    }
}
