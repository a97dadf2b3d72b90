using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.ReferenceRecorder.MaterialCopy.Source;

namespace FailbackWorkflows.ReferenceRecorder.MaterialCopy.Copying;

/// <summary>How a run of a task ended, and when the task is taken up again by itself.</summary>
/// <param name="State">Null: somebody's order has set the state already, or the process stops.</param>
internal sealed record CopyOutcome(CopyTaskState? State, CopyPauseReason? PauseReason = null, DateTimeOffset? RetryAt = null, string? Error = null)
{
    private static readonly TimeSpan LookAgain = TimeSpan.FromSeconds(10);

    /// <summary>An order changed the state, or the recorder stops; the task goes on from its state.</summary>
    public static CopyOutcome AsOrdered { get; } = new((CopyTaskState?)null);

    /// <summary>Taken up again at once, with what is new (another source address, say).</summary>
    public static CopyOutcome GoOn { get; } = new(CopyTaskState.Queued);

    public static CopyOutcome NoAuthority { get; } = new(CopyTaskState.Paused, CopyPauseReason.NoAuthority, Error: "This recorder does not hold the current duty of the identity. Goes on by itself when it does.");

    public static CopyOutcome Window { get; } = new(CopyTaskState.Paused, CopyPauseReason.Window);

    public static CopyOutcome Reserve(DateTimeOffset now) =>
        new(CopyTaskState.Paused, CopyPauseReason.Reserve, now + LookAgain, "The disk would fall below its reserve, which is for recording. Free some space; goes on by itself.");

    public static CopyOutcome Failed(string error) => new(CopyTaskState.Failed, Error: error);

    public static CopyOutcome Of(SourceException error, int attempts, CopyTuning tuning, DateTimeOffset now) => error.Fault switch
    {
        // No time to repeat: a refused credential that is tried again and again locks accounts.
        SourceFault.Unauthorized => new CopyOutcome(CopyTaskState.Paused, CopyPauseReason.Source, null, error.Message),
        SourceFault.Busy => new CopyOutcome(CopyTaskState.Paused, CopyPauseReason.Source, now + Bounded(error.RetryAfter ?? tuning.BackoffAfter(attempts)), error.Message),
        _ => new CopyOutcome(CopyTaskState.WaitingForSource, null, now + (error.RetryAfter is { } asked ? Bounded(asked) : tuning.BackoffAfter(attempts)), error.Message),
    };

    private static TimeSpan Bounded(TimeSpan wait) => TimeSpan.FromTicks(Math.Clamp(wait.Ticks, TimeSpan.TicksPerSecond, TimeSpan.TicksPerHour));
}

/// <summary>The run is being stopped; its outcome is known to the run.</summary>
internal sealed class CopyStoppedException : Exception;
