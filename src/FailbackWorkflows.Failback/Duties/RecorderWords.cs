using System.Collections.Concurrent;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Recorders.Duties;

namespace FailbackWorkflows.Failback.Duties;

/// <summary>What a recorder said last of a duty, and the most it ever said.</summary>
/// <param name="Epoch">Epoch it told last.</param>
/// <param name="Fence">Fence it told last.</param>
/// <param name="LargestEpoch">The largest epoch it ever told: a recorder that was reset tells less than it commanded under.</param>
/// <param name="LargestFence">The largest fence it ever told.</param>
/// <param name="AskedAt">When it was asked; of a word that was kept, when it was asked first that said so.</param>
public sealed record RecorderWord(
    string ServerId, string Identity, DutyRole AssignedRole, long Epoch, string? AllocationId, long Fence, long LargestEpoch, long LargestFence, DateTimeOffset AskedAt)
{
    internal static RecorderWord Of(string serverId, DutyState told, DateTimeOffset askedAt) =>
        new(serverId, told.Identity, told.AssignedRole, told.Epoch, told.AllocationId, told.Fence, told.Epoch, told.Fence, askedAt);

    /// <summary>Of a duty that means anything to the recorder.</summary>
    internal static bool IsOne(DutyState told) => told.Epoch > 0 || told.Fence > 0;

    /// <summary>The two taken together: the later one, and the most of both.</summary>
    internal RecorderWord With(RecorderWord other) => (AskedAt >= other.AskedAt ? this : other) with
    {
        LargestEpoch = Math.Max(LargestEpoch, other.LargestEpoch),
        LargestFence = Math.Max(LargestFence, other.LargestFence),
    };

    /// <summary>As <see cref="SetRecorderWordsAside"/> has it.</summary>
    internal RecorderWord SetAside(DateTimeOffset at) => this with { AssignedRole = DutyRole.Standby, Epoch = 0, AllocationId = null, Fence = 0, AskedAt = at };

    internal bool SaysTheSameAs(RecorderWord other) => this with { LargestEpoch = 0, LargestFence = 0, AskedAt = default } == other with { LargestEpoch = 0, LargestFence = 0, AskedAt = default };
}

/// <summary>
/// What recorders said of duties, as far as whoever polls them has written it down for the other management servers on the database. Written when a recorder says something
/// else than before, so polls that find nothing new write nothing. After a restore these rows are as old as everything else; they are believed to be complete only once
/// somebody has asked every recorder since (<see cref="Connectivity.WatchReport.HasAskedEverybody"/>).
/// </summary>
public interface IRecorderWords
{
    /// <summary>Whether anybody needs them: there may be other management servers.</summary>
    bool AreKept { get; }

    /// <summary>What each recorder said of an identity.</summary>
    Task<IReadOnlyList<RecorderWord>> ListAsync(string identity, CancellationToken cancellationToken);

    /// <summary>All of them.</summary>
    Task<IReadOnlyList<RecorderWord>> ListAsync(CancellationToken cancellationToken);

    /// <summary>The identities of whose duty some recorder said more than the database knows.</summary>
    Task<IReadOnlyList<string>> ListAheadAsync(CancellationToken cancellationToken);
}

/// <summary>
/// Keeps what recorders said. Throws <see cref="ConcurrentChangeException"/> when the watch has another term than this by now: whoever has it has asked the recorder
/// since. Of a server that is not registered any more nothing is kept.
/// </summary>
/// <param name="Term">Of the watch under which they were asked.</param>
public sealed record KeepRecorderWords(long Term, IReadOnlyList<RecorderWord> Words) : IDomainChange;

/// <summary>
/// What a server said last counts no more, because its machine was replaced: it has no duty by it. The largest numbers it ever told stay, because new ones must be larger.
/// </summary>
/// <param name="At">When the machine was replaced; what is heard later counts.</param>
public sealed record SetRecorderWordsAside(string ServerId, DateTimeOffset At) : IDomainChange;

/// <summary>For a database that lets one process in: it has heard everything itself.</summary>
public sealed class NoRecorderWords : IRecorderWords
{
    /// <inheritdoc/>
    public bool AreKept => false;

    /// <inheritdoc/>
    public Task<IReadOnlyList<RecorderWord>> ListAsync(string identity, CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<RecorderWord>>([]);

    /// <inheritdoc/>
    public Task<IReadOnlyList<RecorderWord>> ListAsync(CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<RecorderWord>>([]);

    /// <inheritdoc/>
    public Task<IReadOnlyList<string>> ListAheadAsync(CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<string>>([]);
}

/// <summary>Writes down what the polls of this process hear, when that is something new.</summary>
public sealed class KeptWords(IRecorderWords words, IDomainWriter writer)
{
    private ConcurrentDictionary<string, ConcurrentDictionary<string, RecorderWord>> _kept = new(StringComparer.Ordinal);

    /// <summary>Reads what is written: whoever had the watch before may have written since this process had it.</summary>
    internal async Task BeginAsync(CancellationToken cancellationToken)
    {
        if (words.AreKept)
        {
            _kept = new(
                (await words.ListAsync(cancellationToken)).GroupBy(word => word.ServerId, StringComparer.Ordinal).Select(of => KeyValuePair.Create(
                    of.Key, new ConcurrentDictionary<string, RecorderWord>(of.Select(word => KeyValuePair.Create(word.Identity, word)), StringComparer.Ordinal))),
                StringComparer.Ordinal);
        }
    }

    /// <summary>What is written of a server is not known any more: it went with the server, or means nothing since its machine was replaced.</summary>
    internal void Forget(string serverId) => _kept.TryRemove(serverId, out _);

    /// <summary>Keeps what a recorder said, if it is not what is written already.</summary>
    internal async Task KeepAsync(long term, string serverId, IReadOnlyList<DutyState> told, DateTimeOffset askedAt, CancellationToken cancellationToken)
    {
        if (!words.AreKept)
        {
            return;
        }

        var kept = _kept.GetOrAdd(serverId, static _ => new(StringComparer.Ordinal));
        var news = told
            .Where(RecorderWord.IsOne)
            .Select(duty => RecorderWord.Of(serverId, duty, askedAt))
            .Where(word => !(kept.TryGetValue(word.Identity, out var known) && known.SaysTheSameAs(word)))
            .ToList();
        if (news.Count > 0)
        {
            await writer.ApplyAsync([new KeepRecorderWords(term, news)], cancellationToken);
            news.ForEach(word => kept[word.Identity] = word);
        }
    }
}
