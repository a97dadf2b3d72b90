namespace FailbackWorkflows.Failback.Clocks;

/// <summary>How far a recorder's clock was from the management server's when it was asked for its status.</summary>
/// <param name="Offset">The recorder's clock minus ours.</param>
/// <param name="Uncertainty">By how much <paramref name="Offset"/> may be wrong either way: half the round trip and the recorder's time resolution. Zero or more.</param>
/// <param name="MeasuredAt">By our clock.</param>
public sealed record ClockOffset(TimeSpan Offset, TimeSpan Uncertainty, DateTimeOffset MeasuredAt)
{
    /// <summary>The earliest the recorder's clock may have shown at that instant of ours.</summary>
    public DateTimeOffset Earliest(DateTimeOffset ours) => ours + Offset - Uncertainty;

    /// <summary>The latest the recorder's clock may have shown at that instant of ours.</summary>
    public DateTimeOffset Latest(DateTimeOffset ours) => ours + Offset + Uncertainty;
}

/// <summary>The clocks of the two recorders of a failover log entry, as far as they were measured.</summary>
/// <param name="FailoverServerAtStart">Before the failover server was given the duty; null when it did not answer then, or another system did the failover.</param>
/// <param name="FailoverServerAtEnd">Before the duty was given back, newest measurement.</param>
/// <param name="FailedServerAtEnd">As before, of the failed server.</param>
public sealed record EntryClocks(ClockOffset? FailoverServerAtStart = null, ClockOffset? FailoverServerAtEnd = null, ClockOffset? FailedServerAtEnd = null);
