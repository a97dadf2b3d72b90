using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Failback.Clocks;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders;

namespace FailbackWorkflows.Failback.Duties;

/// <summary>
/// The largest epochs that were ever drawn, kept outside of the database: a database that was restored from a backup would otherwise draw a
/// number again that a recorder out of reach has already.
/// </summary>
public interface IEpochCheckpoint
{
    /// <summary>The largest epoch of the identity that was noted; 0 when there is none.</summary>
    long Largest(string identity);

    /// <summary>
    /// Notes an epoch; when it returns, that outlives a power failure. Called before the commit that draws the epoch. One that is not larger than
    /// what was noted changes nothing. Throws <see cref="IOException"/> with a sentence for the operator when it cannot be kept: then nothing is drawn.
    /// </summary>
    void Note(string identity, long epoch);
}

/// <summary>What was drawn.</summary>
/// <param name="Epoch">Larger than every one that anybody is known to have.</param>
/// <param name="Clocks">The clocks of the participants that answered, measured by the same call.</param>
public sealed record DrawnEpoch(long Epoch, IReadOnlyDictionary<string, ClockOffset> Clocks);

/// <summary>
/// Draws epochs: 1 + the largest of the database, the checkpoint, everything the polls have ever seen of the identity, and what those say now
/// that answer: the participants and every other server that was seen to know the identity. Commits nothing; a draw that is not committed is lost and harmless.
/// </summary>
public sealed class EpochDraw(DutyCalls calls, IVmsServers servers, SeenDuties seen, RecorderClocks clocks, IEpochCheckpoint checkpoint)
{
    /// <summary>Draws the next epoch of a duty. Who does not answer is left out: what cannot be asked cannot be told either.</summary>
    public async Task<DrawnEpoch> DrawAsync(ActivityExecutionContext context, Duty duty, IReadOnlyCollection<string> participants, CancellationToken cancellationToken)
    {
        var asked = participants.ToHashSet(StringComparer.Ordinal);
        foreach (var serverId in seen.ServersOf(duty.Identity))
        {
            if (await servers.FindAsync(serverId, cancellationToken) is { Connection: not ConnectionState.Disconnected })
            {
                asked.Add(serverId);
            }
        }

        var answers = await Task.WhenAll(asked.Select(serverId => AskAsync(context, serverId, duty.Identity, cancellationToken)));
        var largest = answers.Select(a => a.Epoch).Append(duty.Epoch).Append(checkpoint.Largest(duty.Identity)).Append(seen.LargestEpoch(duty.Identity)).Max();
        var measured = answers.Where(a => a.Clock is not null && participants.Contains(a.ServerId)).ToDictionary(a => a.ServerId, a => a.Clock!, StringComparer.Ordinal);
        return new(largest + 1, measured);
    }

    private async Task<(string ServerId, long Epoch, ClockOffset? Clock)> AskAsync(ActivityExecutionContext context, string serverId, string identity, CancellationToken cancellationToken)
    {
        try
        {
            var (status, clock) = await clocks.MeasureAsync(await calls.GetFencedAsync(context, identity, serverId, cancellationToken), cancellationToken);
            return (serverId, status.Duties.FirstOrDefault(d => d.Identity == identity)?.Epoch ?? 0, clock);
        }
        catch (RecorderException)
        {
            return (serverId, 0, null);
        }
    }
}
