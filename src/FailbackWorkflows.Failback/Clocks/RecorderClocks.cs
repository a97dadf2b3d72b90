using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Recorders;

namespace FailbackWorkflows.Failback.Clocks;

/// <summary>
/// Measures recorders' clocks. What a recorder is told in instants must not change when the telling is repeated, so a measurement is
/// committed with the entry before anything is told by it.
/// </summary>
public sealed class RecorderClocks(IRecorderClient recorders, IFailoverLog log, TimeProvider time)
{
    /// <summary>Asks for the status and compares its time with the middle of the round trip. Throws what the recorder throws.</summary>
    public async Task<(RecorderStatus Status, ClockOffset Clock)> MeasureAsync(RecorderEndpoint recorder, CancellationToken cancellationToken)
    {
        var sent = time.GetUtcNow();
        var started = time.GetTimestamp();
        var status = await recorders.GetStatusAsync(recorder, cancellationToken);
        var half = time.GetElapsedTime(started) / 2;
        var clock = new ClockOffset(status.TimeUtc - (sent + half), half + status.TimeResolution, sent + half);
        ActivityWitness.Note(new ClockReading(recorder.ServerId, clock.Offset.TotalMilliseconds, clock.Uncertainty.TotalMilliseconds));
        return (status, clock);
    }

    /// <summary>The newest open failover of the identity to one of these servers; null when there is none.</summary>
    public async Task<FailoverLogEntry?> FindEntryAsync(string identity, IReadOnlyCollection<string> serverIds, CancellationToken cancellationToken) =>
        (await log.ListOpenAsync(identity, cancellationToken)).FirstOrDefault(e => e.Failover != FailoverState.Failed && serverIds.Contains(e.FailoverServerId));

    /// <summary>The entry with the clocks of its hand-over; the same entry when they were measured already. Throws what the recorders throw.</summary>
    public async Task<FailoverLogEntry> MeasureEndAsync(FailoverLogEntry entry, string runId, IReadOnlyCollection<RecorderEndpoint> servers, CancellationToken cancellationToken)
    {
        if (entry.Clocks is { FailoverServerAtEnd: not null, FailedServerAtEnd: not null })
        {
            return entry;
        }

        var measured = new Dictionary<string, ClockOffset>(StringComparer.Ordinal);
        foreach (var server in servers)
        {
            measured[server.ServerId] = (await MeasureAsync(server, cancellationToken)).Clock;
        }

        return Note(entry, runId, measured);
    }

    /// <summary>The entry with what was measured; a server that was not keeps its former measurement.</summary>
    /// <param name="runId">The run that measures: the one that performs the failover, or a later one.</param>
    public static FailoverLogEntry Note(FailoverLogEntry entry, string runId, IReadOnlyDictionary<string, ClockOffset> measured)
    {
        var former = entry.Clocks ?? new EntryClocks();
        var failover = measured.GetValueOrDefault(entry.FailoverServerId);
        return entry with
        {
            Clocks = entry.FailoverRunId == runId
                ? former with { FailoverServerAtStart = failover ?? former.FailoverServerAtStart }
                : former with
                {
                    FailoverServerAtEnd = failover ?? former.FailoverServerAtEnd,
                    FailedServerAtEnd = measured.GetValueOrDefault(entry.FailedServerId) ?? former.FailedServerAtEnd,
                },
        };
    }
}
