using System.Collections.Concurrent;
using FailbackWorkflows.Recorders.Duties;

namespace FailbackWorkflows.Failback.Duties;

/// <summary>What recorders have said of one duty.</summary>
/// <param name="Words">What each of them said last, by server.</param>
public sealed record SeenDuty(IReadOnlyDictionary<string, RecorderWord> Words)
{
    /// <summary>The servers that were seen to know an epoch of the identity.</summary>
    public IReadOnlyCollection<string> Servers => [.. Words.Values.Where(word => word.LargestEpoch > 0).Select(word => word.ServerId)];

    /// <summary>The largest epoch of the identity that was seen anywhere; 0 when there is none.</summary>
    public long LargestEpoch => Words.Values.Select(word => word.LargestEpoch).DefaultIfEmpty().Max();

    /// <summary>The largest fence of the identity that was seen anywhere; 0 when there is none.</summary>
    public long LargestFence => Words.Values.Select(word => word.LargestFence).DefaultIfEmpty().Max();
}

/// <summary>
/// What recorders have said of duties: to this process, in memory, and to whoever polls them (<see cref="IRecorderWords"/>), read at each look. Which servers know an
/// identity, the largest epoch and fence that any of them told, and what each of them said last. What was said to this process is empty after a start; owns no truth.
/// </summary>
public sealed class SeenDuties(IRecorderWords words)
{
    private readonly ConcurrentDictionary<string, ConcurrentDictionary<string, RecorderWord>> _seen = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, bool> _answered = new(StringComparer.Ordinal);

    /// <summary>Takes notice of what a server said to this process about its duties.</summary>
    /// <param name="askedAt">When it was asked: what it said to others that asked it later counts more.</param>
    public void Notice(string serverId, IReadOnlyList<DutyState> duties, DateTimeOffset askedAt)
    {
        foreach (var word in duties.Where(RecorderWord.IsOne).Select(duty => RecorderWord.Of(serverId, duty, askedAt)))
        {
            _seen.GetOrAdd(word.Identity, static _ => new(StringComparer.Ordinal)).AddOrUpdate(serverId, static (_, word) => word, static (_, known, word) => word.With(known), word);
        }

        _answered[serverId] = true;
    }

    /// <summary>The machine of a server was replaced: what the old one said last counts no more, but for the largest numbers.</summary>
    internal void SetAside(string serverId, DateTimeOffset at)
    {
        foreach (var words in _seen.Values)
        {
            if (words.TryGetValue(serverId, out var word))
            {
                words.TryUpdate(serverId, word.SetAside(at), word);
            }
        }
    }

    /// <summary>Takes notice that a server was asked by this process and did not answer, or not as itself.</summary>
    public void NoticeSilence(string serverId) => _answered[serverId] = false;

    /// <summary>Whether the server answered when this process asked it last; null: it was not asked yet, or not since <see cref="AskAnew"/>.</summary>
    public bool? HasAnswered(string serverId) => _answered.TryGetValue(serverId, out var answered) ? answered : null;

    /// <summary>What recorders have said of an identity.</summary>
    public async Task<SeenDuty> OfAsync(string identity, CancellationToken cancellationToken)
    {
        var merged = (await words.ListAsync(identity, cancellationToken)).ToDictionary(word => word.ServerId, StringComparer.Ordinal);
        if (_seen.TryGetValue(identity, out var seen))
        {
            foreach (var word in seen.Values)
            {
                merged[word.ServerId] = merged.TryGetValue(word.ServerId, out var kept) ? word.With(kept) : word;
            }
        }

        return new(merged);
    }

    /// <summary>Who answers is to be found out anew: the last time this process asked may be long ago. What was said is not forgotten.</summary>
    internal void AskAnew() => _answered.Clear();
}
