using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;

namespace FailbackWorkflows.Failback.Duties;

/// <summary>Gives a retention hold its end, whoever comes to know it: a failback, a failover that failed, a material copy.</summary>
public sealed class HoldEnds(IRecorderClient recorders)
{
    /// <summary>
    /// Tells the server the end and answers with the change of the mirror. The server is asked first what it holds: a later end is as good, and
    /// an earlier beginning stays, for a hold may not shrink and an end that is refused for its beginning would leave it open. Throws what the
    /// recorder throws. Another end is another command: a hold may be ended later than before, so <paramref name="key"/> is asked for one of its own.
    /// </summary>
    /// <param name="endpoint">Of the hold's server, where the fence was raised by a caller that has one.</param>
    /// <param name="key">Makes the command's idempotency key of its name.</param>
    public async Task<SaveRetentionHold> GiveAsync(
        RecorderEndpoint endpoint, RetentionHold hold, DateTimeOffset end, DutyAuthority authority, Func<string, string> key, CancellationToken cancellationToken)
    {
        var known = await recorders.FindRetentionHoldAsync(endpoint, hold.EntryId, cancellationToken);
        if (known is not null && known.Identity == hold.Identity && (known.ToUtc >= end || known.Release is not null))
        {
            return new(hold with { FromUtc = known.FromUtc, ToUtc = known.ToUtc ?? end });
        }

        var from = known?.FromUtc < hold.FromUtc ? known.FromUtc : hold.FromUtc;
        await recorders.PutRetentionHoldAsync(
            endpoint,
            new RetentionHoldCommand(hold.EntryId, hold.Identity, authority, from, end, RetentionHold.Reason),
            key($"endHold/{end.UtcTicks}"),
            cancellationToken);
        return new(hold with { FromUtc = from, ToUtc = end });
    }
}
