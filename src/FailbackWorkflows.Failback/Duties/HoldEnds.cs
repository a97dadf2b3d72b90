using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;

namespace FailbackWorkflows.Failback.Duties;

/// <summary>Gives a retention hold its end, whoever comes to know it: a failback, a failover that failed, a material copy.</summary>
public sealed class HoldEnds(DutyCalls calls, IRecorderClient recorders)
{
    /// <summary>
    /// Tells the server the end and answers with the change of the mirror. A hold that has a later end already keeps it. Throws what the
    /// recorder throws otherwise. Another end is another command: a hold may be ended later than before, so <paramref name="key"/> is asked for one of its own.
    /// </summary>
    /// <param name="key">Makes the command's idempotency key of its name.</param>
    public async Task<SaveRetentionHold> GiveAsync(RetentionHold hold, DateTimeOffset end, DutyAuthority authority, Func<string, string> key, CancellationToken cancellationToken)
    {
        try
        {
            await recorders.PutRetentionHoldAsync(
                await calls.GetEndpointAsync(hold.ServerId, cancellationToken),
                new RetentionHoldCommand(hold.EntryId, hold.Identity, authority, hold.FromUtc, end, RetentionHold.Reason),
                key($"endHold/{end.UtcTicks}"),
                cancellationToken);
        }
        catch (RecorderException exception) when (exception.ProblemType == RecorderProblems.HoldConflict)
        {
            // It has a later end already, which is as good.
        }

        return new(hold with { ToUtc = end });
    }
}
