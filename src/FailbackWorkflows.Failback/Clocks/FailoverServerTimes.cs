using FailbackWorkflows.Failback.FailoverLog;

namespace FailbackWorkflows.Failback.Clocks;

/// <summary>
/// Instants of an entry as its failover server's clock has them, for whatever that server is told or asked. What is uncertain moves each of
/// them to the side where nothing is lost: rather an overlap than a hole. A clock that was not measured is taken for ours.
/// </summary>
public sealed class FailoverServerTimes(FailoverLogEntry entry)
{
    private readonly ClockOffset? _atStart = entry.Clocks?.FailoverServerAtStart;
    private readonly ClockOffset? _atEnd = entry.Clocks?.FailoverServerAtEnd;
    private readonly ClockOffset? _failedServer = entry.Clocks?.FailedServerAtEnd;

    /// <summary>
    /// The failover's start: what the failover server was told then, or earlier if its clock was set back since. Never later than what it
    /// was told, so that it can widen the hold there.
    /// </summary>
    public DateTimeOffset Start
    {
        get
        {
            var told = _atStart?.Earliest(entry.FailoverStartedAt) ?? entry.FailoverStartedAt;
            return _atEnd?.Earliest(entry.FailoverStartedAt) is { } now && now < told ? now : told;
        }
    }

    /// <summary>
    /// By how much the failover server's clock was set back (or lost) during the failover, as far as that is certain. What it wrote before may
    /// bear times that much later than what it wrote at the end.
    /// </summary>
    public TimeSpan SetBack
    {
        get
        {
            if (_atStart is null || _atEnd is null)
            {
                return TimeSpan.Zero;
            }

            var uncertainty = _atStart.Uncertainty + _atEnd.Uncertainty;
            var back = _atStart.Offset - _atEnd.Offset;
            return back > uncertainty ? back + uncertainty : TimeSpan.Zero;
        }
    }

    /// <summary>An instant of ours towards the end of the failover.</summary>
    public DateTimeOffset Latest(DateTimeOffset ours) => ((_atEnd ?? _atStart)?.Latest(ours) ?? ours) + SetBack;

    /// <summary>The end of the failover server's authority for a channel.</summary>
    /// <param name="firstFrame">The failed server's first confirmed frame, by its own clock.</param>
    public DateTimeOffset AuthorityEnd(DateTimeOffset firstFrame) =>
        Latest(_failedServer is null ? firstFrame : firstFrame - _failedServer.Offset + _failedServer.Uncertainty);

    /// <summary><see cref="AuthorityEnd"/> of each channel.</summary>
    public IReadOnlyDictionary<string, DateTimeOffset>? AuthorityEnds(IReadOnlyDictionary<string, DateTimeOffset>? firstFrames) =>
        firstFrames?.ToDictionary(f => f.Key, f => AuthorityEnd(f.Value));
}
