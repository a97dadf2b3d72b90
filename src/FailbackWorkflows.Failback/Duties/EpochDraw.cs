using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Failback.Clocks;
using FailbackWorkflows.Failback.Reconciliation;
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
    /// The largest that was noted at the start of this process, before it drew anything itself; null when there was none. One that is larger than the database knows
    /// says that the database was set back, or that this program was killed between the note and the commit.
    /// </summary>
    NotedEpoch? AtStart(string identity);

    /// <summary>
    /// Notes an epoch; when it returns, that outlives a power failure. Called before the commit that draws the epoch. One that is not larger than
    /// what was noted changes nothing. Throws <see cref="IOException"/> with a sentence for the operator when it cannot be kept: then nothing is drawn.
    /// </summary>
    /// <param name="drawnBy">The allocation of the draw, as in <see cref="GrantEpoch"/>; null when nobody drew it here.</param>
    void Note(string identity, long epoch, string? drawnBy);

    /// <summary>
    /// Notes what the database has granted and is larger than what was noted: another node drew it, and this one must not draw it again when the
    /// database is restored. Costs nothing when nothing is larger. Throws as <see cref="Note"/> does.
    /// </summary>
    void Follow(IEnumerable<Duty> granted);
}

/// <summary>An epoch that was noted outside of the database.</summary>
/// <param name="DrawnBy">The allocation of its draw; null when it is not known.</param>
public sealed record NotedEpoch(long Epoch, string? DrawnBy);

/// <summary>What was drawn.</summary>
/// <param name="Epoch">Larger than every one that anybody is known to have.</param>
/// <param name="Clocks">The clocks of the participants that answered, measured by the same call.</param>
public sealed record DrawnEpoch(long Epoch, IReadOnlyDictionary<string, ClockOffset> Clocks);

/// <summary>
/// Draws epochs: 1 + the largest of the database, the checkpoint, everything the polls have ever seen of the identity, and what those say now
/// that answer: the participants and every other server that was seen to know the identity. While it is not known that somebody has asked every recorder since this process
/// began, all of them are asked. Commits nothing; a draw that is not committed is lost and harmless.
/// </summary>
public sealed class EpochDraw(
    DutyCalls calls, IVmsServers servers, SeenDuties seen, RecordersKnowMore doubts, RecorderClocks clocks, IRecorderClient recorders, IEpochCheckpoint checkpoint, TimeProvider time)
{
    /// <summary>How many are asked at once that may have nothing to do with the duty.</summary>
    private const int MostAtOnce = 64;

    /// <summary>Draws the next epoch of a duty. Who does not answer is left out: what cannot be asked cannot be told either.</summary>
    public async Task<DrawnEpoch> DrawAsync(ActivityExecutionContext context, Duty duty, IReadOnlyCollection<string> participants, CancellationToken cancellationToken)
    {
        var asked = participants.ToHashSet(StringComparer.Ordinal);
        if (!doubts.IsRoundDone())
        {
            await AskEverybodyAsync(asked, cancellationToken);
        }

        var known = await seen.OfAsync(duty.Identity, cancellationToken);
        foreach (var serverId in known.Servers)
        {
            if (await servers.FindAsync(serverId, cancellationToken) is { Connection: not ConnectionState.Disconnected })
            {
                asked.Add(serverId);
            }
        }

        var answers = await Task.WhenAll(asked.Select(serverId => AskAsync(context, serverId, duty.Identity, cancellationToken)));
        var largest = answers.Select(a => a.Epoch).Append(duty.Epoch).Append(checkpoint.Largest(duty.Identity)).Append(known.LargestEpoch).Max();
        var measured = answers.Where(a => a.Clock is not null && participants.Contains(a.ServerId)).ToDictionary(a => a.ServerId, a => a.Clock!, StringComparer.Ordinal);
        return new(largest + 1, measured);
    }

    /// <summary>Who knows the identity is not known yet: a database that was restored does not say so. Nobody is told anything.</summary>
    private async Task AskEverybodyAsync(HashSet<string> participants, CancellationToken cancellationToken) => await Parallel.ForEachAsync(
        (await servers.ListAsync(cancellationToken)).Where(server => !participants.Contains(server.Id)),
        new ParallelOptions { MaxDegreeOfParallelism = MostAtOnce, CancellationToken = cancellationToken },
        async (server, token) =>
        {
            try
            {
                var askedAt = time.GetUtcNow();
                var status = await recorders.GetStatusAsync(calls.EndpointOf(server), token);
                if (server.MachineId is null || server.MachineId == status.Id)
                {
                    seen.Notice(server.Id, status.Duties, askedAt);
                }
            }
            catch (RecorderException)
            {
                // What cannot be asked cannot be told either.
            }
        });

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
