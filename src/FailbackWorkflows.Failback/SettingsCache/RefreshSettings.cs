using System.Collections.Concurrent;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback.Changes;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders;
using Microsoft.Extensions.Logging;

namespace FailbackWorkflows.Failback.SettingsCache;

/// <summary>
/// Keeps the settings cache true: asks whoever has a duty whether its settings are still those known here, which costs a recorder whose
/// settings did not change a look and no content. A recorder whose duty is with somebody else is asked for its own copy too: what was changed
/// there meanwhile would be overwritten by a failback, and must not be lost in silence. Only reads at recorders; derives what to ask from
/// the tables each time.
/// </summary>
public sealed class RefreshSettings(
    IVmsServers servers,
    IDuties duties,
    ISettingsCache cache,
    SettingsAges ages,
    DutyCalls calls,
    IRecorderClient recorders,
    IDomainWriter writer,
    TimeProvider time,
    ILogger<RefreshSettings> logger)
{
    private const int MaxConcurrency = 16;

    /// <summary>Asks every server that answers once. What one of them answers does not keep the others from being asked.</summary>
    public async Task ExecuteAsync(CancellationToken cancellationToken)
    {
        var registered = (await servers.ListAsync(cancellationToken)).ToDictionary(s => s.Id);
        var held = await duties.ListAsync(cancellationToken);
        var latest = (await cache.ListLatestAsync(cancellationToken)).ToLookup(r => (r.Identity, r.SourceServerId));
        var toConfirm = new ConcurrentBag<IDomainChange>();
        await Parallel.ForEachAsync(
            held.SelectMany(Copies),
            new ParallelOptions { MaxDegreeOfParallelism = MaxConcurrency, CancellationToken = cancellationToken },
            async (copy, token) =>
            {
                if (registered.TryGetValue(copy.ServerId, out var server))
                {
                    var known = latest[(copy.Identity, copy.ServerId)].FirstOrDefault(r => r.IsOfHolder == copy.Epoch > 0);
                    await RefreshAsync(copy, server, known, toConfirm, token);
                }
            });
        if (!toConfirm.IsEmpty)
        {
            await writer.ApplyAsync([.. toConfirm], cancellationToken);
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

    private async Task RefreshAsync(Copy copy, VmsServer server, CachedRevision? known, ConcurrentBag<IDomainChange> toConfirm, CancellationToken cancellationToken)
    {
        if (!server.Answers)
        {
            // Since when its settings are not known any more is worth a row: it must outlive this process.
            Write(known, toConfirm);
            return;
        }

        // Before the question: what is answered was so at that moment at the latest.
        var now = time.GetUtcNow();
        try
        {
            var endpoint = calls.EndpointOf(server);
            var isSameEpoch = known?.Epoch == copy.Epoch;
            var bundle = isSameEpoch
                ? await recorders.FindChangedSettingsAsync(endpoint, copy.Identity, known!.Revision, known.Sha256, cancellationToken)
                : await recorders.GetSettingsAsync(endpoint, copy.Identity, cancellationToken);
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
            logger.LogDebug("{Server} never had anything to do with {Identity}: there is no copy that could be overwritten", server.Id, copy.Identity);
        }
        catch (RecorderException exception)
        {
            if (ages.Fail(copy.Identity, server.Id, exception.Message))
            {
                logger.LogWarning("The settings of {Identity} at {Server} could not be read: {Reason}", copy.Identity, server.Id, exception.Message);
            }

            Write(known, toConfirm);
        }
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
}
