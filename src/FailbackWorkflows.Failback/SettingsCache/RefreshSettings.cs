using System.Collections.Concurrent;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback.Changes;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.Reconciliation;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Settings;
using Microsoft.Extensions.Logging;

namespace FailbackWorkflows.Failback.SettingsCache;

/// <summary>How the settings cache is kept true.</summary>
public sealed class RefreshSettingsOptions
{
    /// <summary>How often a round begins, and how long it goes on to begin looks: what it does not come to, the next round begins with. 1 s to 1 day. Default: 30 s.</summary>
    public TimeSpan Interval { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>How long one recorder may take to answer; 1 s to 5 min. Default: 10 s.</summary>
    public TimeSpan Patience { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Looks at the same time at recorders that answered the last one; the others share a quarter of that. 1 to 10,000. Default: 64.</summary>
    public int MaxConcurrency { get; set; } = 64;
}

/// <summary>How punctual the looks at settings are.</summary>
/// <param name="Copies">How many settings are looked at: those of every duty, and a failed server's own.</param>
/// <param name="InFlight">Looks whose recorder has not answered, those included that were given up.</param>
/// <param name="Skipped">Looks that the last round left out, because its time was over or the one before was still under way.</param>
/// <param name="LastRound">How long the last round took.</param>
/// <param name="LongestLag">By how much the oldest look at a recorder that is connected is later than it should be.</param>
public sealed record RefreshPunctuality(int Copies, int InFlight, int Skipped, TimeSpan LastRound, TimeSpan LongestLag);

/// <summary>
/// Keeps the settings cache true: asks whoever has a duty whether its settings are still those known here, which costs a recorder whose
/// settings did not change a look and no content. A recorder whose duty is with somebody else is asked for its own copy too: what was changed
/// there meanwhile would be overwritten by a failback, and must not be lost in silence. Only reads at recorders; derives what to ask from
/// the tables each time. A round has an end, however many recorders hang: each has a time to answer, those that did not answer the last time have
/// places of their own, and what a round does not come to is first in the next one.
/// </summary>
public sealed class RefreshSettings(
    IVmsServers servers,
    IDuties duties,
    RecordersKnowMore doubts,
    ISettingsCache cache,
    SettingsAges ages,
    DutyCalls calls,
    IRecorderClient recorders,
    IDomainWriter writer,
    RefreshSettingsOptions options,
    TimeProvider time,
    ILogger<RefreshSettings> logger)
{
    private readonly ConcurrentDictionary<(string Identity, string ServerId), Look> _looks = new();
    private volatile RefreshPunctuality _punctuality = new(0, 0, 0, TimeSpan.Zero, TimeSpan.Zero);

    /// <summary>
    /// One round: asks every server that answers once. What one of them answers does not keep the others from being asked. Ends at the latest
    /// after <see cref="RefreshSettingsOptions.Interval"/> and <see cref="RefreshSettingsOptions.Patience"/>, and what writing takes.
    /// </summary>
    public async Task ExecuteAsync(CancellationToken cancellationToken)
    {
        var began = time.GetUtcNow();
        var registered = (await servers.ListAsync(cancellationToken)).ToDictionary(s => s.Id);
        // Of a duty in doubt it is not known who has it, and whose settings count.
        var inDoubt = (await doubts.ListAsync(cancellationToken)).Select(d => d.Identity).ToHashSet(StringComparer.Ordinal);
        var held = (await duties.ListAsync(cancellationToken)).Where(d => !inDoubt.Contains(d.Identity)).ToList();
        var latest = (await cache.ListLatestAsync(cancellationToken)).ToLookup(r => (r.Identity, r.SourceServerId));
        var toConfirm = new ConcurrentBag<IDomainChange>();
        var toAsk = new List<(Copy Copy, VmsServer Server, CachedRevision? Known, Look Look)>();
        foreach (var copy in held.SelectMany(Copies))
        {
            if (registered.TryGetValue(copy.ServerId, out var server))
            {
                var known = latest[(copy.Identity, copy.ServerId)].FirstOrDefault(r => r.IsOfHolder == copy.Epoch > 0);
                var look = _looks.GetOrAdd((copy.Identity, copy.ServerId), static (_, at) => new Look(at), began);
                look.IsWanted = server.Answers;
                if (server.Answers)
                {
                    toAsk.Add((copy, server, known, look));
                }
                else
                {
                    // Since when its settings are not known any more is worth a row: it must outlive this process.
                    Write(known, toConfirm);
                }
            }
        }

        Forget(toAsk.Select(a => (a.Copy.Identity, a.Copy.ServerId)));
        toAsk.Sort((a, b) => a.Look.BeganAt.CompareTo(b.Look.BeganAt));
        var skipped = 0;
        var (silent, answering) = (toAsk.FindAll(a => a.Look.IsSilent), toAsk.FindAll(a => !a.Look.IsSilent));
        await Task.WhenAll(AskAllAsync(answering, options.MaxConcurrency), AskAllAsync(silent, Math.Max(1, options.MaxConcurrency / 4)));
        if (!toConfirm.IsEmpty)
        {
            await writer.ApplyAsync([.. toConfirm], cancellationToken);
        }

        _punctuality = _punctuality with { Copies = toAsk.Count, Skipped = skipped, LastRound = time.GetUtcNow() - began };

        async Task AskAllAsync(List<(Copy Copy, VmsServer Server, CachedRevision? Known, Look Look)> asked, int places) => await Parallel.ForEachAsync(
            asked,
            new ParallelOptions { MaxDegreeOfParallelism = places, CancellationToken = cancellationToken },
            async (item, token) =>
            {
                if (item.Look.IsUnderWay || time.GetUtcNow() - began >= options.Interval)
                {
                    Interlocked.Increment(ref skipped);
                    return;
                }

                item.Look.BeganAt = time.GetUtcNow();
                await RefreshAsync(item.Copy, item.Server, item.Known, item.Look, toConfirm, token);
            });
    }

    /// <summary>How punctual the looks are now.</summary>
    public RefreshPunctuality Punctual()
    {
        var now = time.GetUtcNow();
        var oldest = _looks.Values.Where(l => l.IsWanted).Select(l => l.BeganAt).DefaultIfEmpty(now).Min();
        return _punctuality with
        {
            InFlight = _looks.Values.Count(l => l.IsUnderWay),
            LongestLag = now - oldest - options.Interval is var lag && lag > TimeSpan.Zero ? lag : TimeSpan.Zero,
        };
    }

    private void Forget(IEnumerable<(string Identity, string ServerId)> asked)
    {
        var wanted = asked.ToHashSet();
        foreach (var (key, look) in _looks)
        {
            if (!wanted.Contains(key) && !look.IsUnderWay)
            {
                _looks.TryRemove(key, out _);
            }
        }
    }

    private static IEnumerable<Copy> Copies(Duty duty)
    {
        yield return new(duty.Identity, duty.HolderServerId, duty.Epoch);
        if (duty.HolderServerId != duty.Identity)
        {
            yield return new(duty.Identity, duty.Identity, 0);
        }
    }

    private async Task RefreshAsync(
        Copy copy, VmsServer server, CachedRevision? known, Look look, ConcurrentBag<IDomainChange> toConfirm, CancellationToken cancellationToken)
    {
        // Before the question: what is answered was so at that moment at the latest.
        var now = time.GetUtcNow();
        try
        {
            var bundle = await AskAsync(copy, server, known, look, cancellationToken);
            look.IsSilent = false;
            if (bundle is null)
            {
                ages.Confirm(known!, now);
                if (now - known!.TakenAt >= SettingsAges.WrittenEvery)
                {
                    Write(known, toConfirm);
                }

                return;
            }

            if (bundle.Revision > 0 || copy.Epoch > 0)
            {
                await SaveAsync(copy, server, known, CachedSettings.From(bundle, server.Id, copy.Epoch, now), cancellationToken);
            }
        }
        catch (RecorderException exception) when (exception.Kind == RecorderErrorKind.NotFound && copy.Epoch == 0)
        {
            look.IsSilent = false;
            logger.LogDebug("{Server} never had anything to do with {Identity}: there is no copy that could be overwritten", server.Id, copy.Identity);
        }
        catch (RecorderException exception)
        {
            look.IsSilent = exception.IsTransient;
            if (ages.Fail(copy.Identity, server.Id, exception.Message))
            {
                logger.LogWarning("The settings of {Identity} at {Server} could not be read: {Reason}", copy.Identity, server.Id, exception.Message);
            }

            Write(known, toConfirm);
        }
    }

    /// <summary>The settings there when they are others than those known, else null. Waits as long as a recorder may take, also for one whose connection cannot be cut.</summary>
    private async Task<SettingsBundle?> AskAsync(Copy copy, VmsServer server, CachedRevision? known, Look look, CancellationToken cancellationToken)
    {
        var endpoint = calls.EndpointOf(server);
        using var limit = new CancellationTokenSource(options.Patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            var answer = known?.Epoch == copy.Epoch
                ? recorders.FindChangedSettingsAsync(endpoint, copy.Identity, known!.Revision, known.Sha256, either.Token)
                : FoundAsync(recorders.GetSettingsAsync(endpoint, copy.Identity, either.Token));
            look.Begin(answer);
            return await answer.WaitAsync(either.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new RecorderException(RecorderErrorKind.Unreachable, $"{server.Name} did not say within {options.Patience.TotalSeconds:0.#} s which settings it has. Look at its load and at the network to it; it is asked again.");
        }

        static async Task<SettingsBundle?> FoundAsync(Task<SettingsBundle> bundle) => await bundle;
    }

    private async Task SaveAsync(Copy copy, VmsServer server, CachedRevision? known, CachedSettings settings, CancellationToken cancellationToken)
    {
        var changes = new List<IDomainChange> { new SaveSettings(settings) };
        if (known is not null && known.Sha256 != settings.Sha256)
        {
            var where = copy.Identity == server.Id ? $"The settings of {server.Name} were changed" : $"The settings of {copy.Identity} were changed at {server.Name}";
            changes.Add(new Notify(new ChangeNotification("settings", copy.Identity, $"{where}.", settings.TakenAt)));
            if (known.Epoch == settings.Epoch && known.Revision >= settings.Revision)
            {
                // A recorder that was set back counts again from where it was.
                changes.Add(new Notify(new ChangeNotification(
                    "alarm",
                    copy.Identity,
                    $"{server.Name} shows revision {settings.Revision} of the settings of {copy.Identity}, after revision {known.Revision} with another content: it seems to have been set back. Compare its settings with the history.",
                    settings.TakenAt)));
            }
        }

        try
        {
            await writer.ApplyAsync(changes, cancellationToken);
            ages.Forget(copy.Identity, server.Id);
        }
        catch (ConcurrentChangeException)
        {
            logger.LogDebug("The settings of {Identity} were saved by somebody else meanwhile; the next look compares again", copy.Identity);
        }
    }

    /// <summary>Has the last confirmation written down, when only this process knows of it.</summary>
    private void Write(CachedRevision? known, ConcurrentBag<IDomainChange> toConfirm)
    {
        if (known is not null && ages.ConfirmedAt(known) is var at && at > known.TakenAt)
        {
            toConfirm.Add(new ConfirmSettings(known.Identity, known.Number, at));
        }
    }

    /// <param name="Epoch">The current one at whoever has the duty, 0 elsewhere.</param>
    private sealed record Copy(string Identity, string ServerId, long Epoch);

    /// <summary>What is known of the looks at one copy.</summary>
    private sealed class Look(DateTimeOffset firstWantedAt)
    {
        private volatile Task _answer = Task.CompletedTask;

        /// <summary>When the last look began; before the first, when one was wanted.</summary>
        public DateTimeOffset BeganAt { get; set; } = firstWantedAt;

        /// <summary>Its recorder answers polls, so that it is to be looked at.</summary>
        public bool IsWanted { get; set; }

        /// <summary>It did not answer the last look.</summary>
        public bool IsSilent { get; set; }

        /// <summary>A look has not ended, given up or not.</summary>
        public bool IsUnderWay => !_answer.IsCompleted;

        public void Begin(Task answer)
        {
            _answer = answer;

            // One that is given up fails unseen.
            _ = answer.ContinueWith(static t => t.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted | TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }
    }
}
