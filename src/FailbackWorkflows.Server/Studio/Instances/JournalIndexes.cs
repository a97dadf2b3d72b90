using System.Collections.Concurrent;
using FailbackWorkflows.Persistence.Workflows;

namespace FailbackWorkflows.Server.Studio.Instances;

/// <summary>
/// What the events of an instance are about, kept in memory: a journal only ever grows, so each look reads what is new. Filters, counts and pages of a long journal
/// then cost nothing in the database but the events that are shown.
/// </summary>
internal sealed class JournalIndexes(IRunBrowser runs, TimeProvider time)
{
    private const int Kept = 32;

    private readonly ConcurrentDictionary<string, JournalIndex> _indexes = new(StringComparer.Ordinal);

    /// <summary>The index with everything that is committed now.</summary>
    public async Task<JournalIndex> GetAsync(string instanceId, CancellationToken cancellationToken)
    {
        var index = _indexes.GetOrAdd(instanceId, static id => new JournalIndex(id));
        index.UsedAt = time.GetTimestamp();
        await index.CatchUpAsync(runs, cancellationToken);
        if (_indexes.Count > Kept && _indexes.Values.MinBy(i => i.UsedAt) is { } oldest)
        {
            _indexes.TryRemove(oldest.InstanceId, out _);
        }

        return index;
    }
}

/// <summary>The marks of one instance's events. What is read from it is a state of its own and does not change.</summary>
internal sealed class JournalIndex(string instanceId)
{
    private readonly SemaphoreSlim _one = new(1);
    private const int KeptChoices = 16;

    private readonly ConcurrentDictionary<string, Choice> _choices = new(StringComparer.Ordinal);
    private volatile IReadOnlyList<JournalMark> _marks = [];
    private volatile Statistics? _statistics;

    public string InstanceId { get; } = instanceId;

    public long UsedAt { get; set; }

    /// <summary>In order.</summary>
    public IReadOnlyList<JournalMark> Marks => _marks;

    /// <summary>What a filter lets through, and where events without an activity are shown. Made once for as long as nothing comes: pages of one filter are asked for one after the other.</summary>
    public Choice Choose(string filter, Func<IReadOnlyList<JournalMark>, Choice> choose)
    {
        var marks = _marks;
        if (_choices.TryGetValue(filter, out var known) && known.Marks == marks)
        {
            return known;
        }

        if (_choices.Count >= KeptChoices)
        {
            _choices.Clear();
        }

        return _choices[filter] = choose(marks);
    }

    /// <summary>The badges of all activities, counted once for as long as nothing comes.</summary>
    public async Task<IReadOnlyList<NodeStats>> CountAsync(Func<IReadOnlyList<JournalMark>, Task<IReadOnlyList<NodeStats>>> count)
    {
        var marks = _marks;
        if (_statistics is { } known && known.Marks == marks)
        {
            return known.Stats;
        }

        var stats = await count(marks);
        _statistics = new(marks, stats);
        return stats;
    }

    public async Task CatchUpAsync(IRunBrowser runs, CancellationToken cancellationToken)
    {
        await _one.WaitAsync(cancellationToken);
        try
        {
            var known = _marks;
            var news = await runs.ReadMarksAsync(InstanceId, known.Count == 0 ? 0 : known[^1].Sequence, cancellationToken);
            if (news.Count > 0)
            {
                // The names of kinds and nodes are few and repeat; one object each is enough.
                _marks = [.. known, .. news.Select(m => m with { Kind = string.Intern(m.Kind), NodeId = m.NodeId is null ? null : string.Intern(m.NodeId) })];
            }
        }
        finally
        {
            _one.Release();
        }
    }

    /// <param name="Wanted">Numbers of the events, in order.</param>
    internal sealed record Choice(IReadOnlyList<JournalMark> Marks, IReadOnlyList<long> Wanted, IReadOnlyDictionary<long, string?> Places);

    private sealed record Statistics(IReadOnlyList<JournalMark> Marks, IReadOnlyList<NodeStats> Stats);
}
