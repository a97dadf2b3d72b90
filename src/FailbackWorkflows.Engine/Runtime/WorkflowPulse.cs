namespace FailbackWorkflows.Engine.Runtime;

/// <summary>
/// Says whether the dispatcher of this node still goes round. It does several times a second, also while the database is gone: a look that fails
/// is tried again. One that hangs is cut off by the database's own timeout.
/// </summary>
public sealed class WorkflowPulse(TimeProvider time)
{
    private long _beatAt;

    /// <summary>How long ago the dispatcher began a round; null before the first one.</summary>
    public TimeSpan? Silence => Volatile.Read(ref _beatAt) is not 0 and var at ? time.GetElapsedTime(at) : null;

    internal void Beat() => Volatile.Write(ref _beatAt, time.GetTimestamp());
}
