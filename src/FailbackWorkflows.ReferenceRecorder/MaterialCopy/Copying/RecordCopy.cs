using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.ReferenceRecorder.MaterialCopy.Queue;
using FailbackWorkflows.ReferenceRecorder.MaterialCopy.Source;
using FailbackWorkflows.ReferenceRecorder.Settings;

namespace FailbackWorkflows.ReferenceRecorder.MaterialCopy.Copying;

/// <summary>Records, kind by kind and channel by channel. What is put off and given up follows the rules of tracks.</summary>
internal sealed class RecordCopy(CopyRun run, IReadOnlyList<Track> tracks)
{
    private const int ClosingPasses = 5;

    private readonly Dictionary<(string Kind, string Channel), CopyPosition> _known =
        run.Store.Read(sql => CopyTaskStore.Positions(sql, run.TaskId)).Where(p => p.Pass == CopyPosition.Copying).ToDictionary(p => (p.Kind, p.Channel));

    private readonly List<RecordLane> _lanes = [];

    public string? ListingError { get; private set; }

    /// <summary>Everything that was asked of the source, by kind and channel.</summary>
    public IReadOnlyList<RecordScope> Scopes => _lanes.ConvertAll(l => l.Scope);

    /// <summary>
    /// Which channels have records. The source lists tracks only, so every known channel is counted; when the sum is less than the source's
    /// total there are channels nobody here knows of, and the kind is read as a whole too.
    /// </summary>
    public async Task SurveyAsync()
    {
        var period = run.Task.RecordPeriod;
        var channels = run.Store.Read(sql => ChannelSettings.Read(SettingsStore.Active(sql, run.Task.Identity).Content)).Select(c => c.Id)
            .Concat(tracks.Select(t => t.ChannelId))
            .Concat(run.Task.Definition.Channels.Where(c => c.ChannelId is not null).Select(c => c.ChannelId!))
            .Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).Append(CopyPosition.NoChannel).ToList();
        Add(RecordKind.Locks, CopyPosition.AllChannels, null);
        foreach (var kind in new[] { RecordKind.Text, RecordKind.Metadata, RecordKind.Anpr, RecordKind.Alarms })
        {
            run.ThrowIfStopping();
            try
            {
                var whole = await ManifestAsync(kind, "", period).ConfigureAwait(false);
                var total = whole.Count + whole.Disputed;
                foreach (var channel in channels.TakeWhile(_ => total > 0))
                {
                    if (await ManifestAsync(kind, channel, period).ConfigureAwait(false) is var part && part.Count + part.Disputed > 0)
                    {
                        Add(kind, channel, run.Task.Definition.WithDisputed ? part.Count + part.Disputed : part.Count);
                        total -= part.Count + part.Disputed;
                    }
                }

                if (total > 0 || run.Task.Definition.WithDisputed)
                {
                    // Of channels that nobody here knows of; reading the others again changes nothing.
                    Add(kind, CopyPosition.AllChannels, total);
                }
            }
            catch (SourceException error) when (!error.ConcernsAll)
            {
                Add(kind, CopyPosition.AllChannels, null);
            }
        }

        Add(RecordKind.Bookmarks, CopyPosition.AllChannels, null);
    }

    public async Task CopyAsync(IReadOnlyList<RecordKind> kinds)
    {
        var waiting = kinds.SelectMany(k => _lanes.Where(l => l.Scope.Kind == k && !l.At.IsDone)).ToList();
        while (waiting.Count > 0)
        {
            run.ThrowIfStopping();
            var now = run.Time.GetUtcNow();
            var lane = waiting.Find(l => l.NotBefore is not { } notBefore || notBefore <= now);
            if (lane is null)
            {
                var wait = waiting.Min(l => l.NotBefore!.Value) - now;
                await Task.Delay(wait > TimeSpan.Zero ? wait : TimeSpan.FromMilliseconds(1), run.Time, run.Stopping).ConfigureAwait(false);
                continue;
            }

            try
            {
                await lane.CopyAsync(run, run.Stopping).ConfigureAwait(false);
                waiting.Remove(lane);
            }
            catch (SourceException error) when (!error.ConcernsAll)
            {
                lane.At = lane.At with { Attempts = lane.HasProgress ? 1 : lane.At.Attempts + 1, Error = error.Message };
                lane.NotBefore = now + run.Tuning.BackoffAfter(lane.At.Attempts);
                await run.SaveAsync(sql => CopyTaskStore.SavePosition(sql, run.TaskId, lane.At)).ConfigureAwait(false);
                if (lane.At.Attempts >= run.Tuning.AttemptsPerChannel)
                {
                    ListingError ??= $"Records of kind {lane.Scope.KindName}: {error.Message}";
                    run.Log.LogGaveUp(run.TaskId, $"{lane.Scope.KindName} {lane.Scope.Channel}", error.Message);
                    waiting.Remove(lane);
                }
            }
        }
    }

    /// <summary>What came or changed at the source since its records were read, however old its time. Again until nothing new comes.</summary>
    public async Task CloseAsync()
    {
        foreach (var kind in _lanes.Select(l => l.Scope.Kind).Distinct().ToList())
        {
            var after = _lanes.Where(l => l.Scope.Kind == kind).Min(l => l.At.ChangeSequence);
            for (var pass = 0; after is not null && pass < ClosingPasses; pass++)
            {
                long? next = null;
                var found = 0;
                var scope = new RecordScope(kind, CopyPosition.AllChannels, run.Task.RecordPeriod);
                try
                {
                    await foreach (var batch in RecordLane.BatchesAsync(run, scope, scope.Period.FromUtc, after, s => next = s, run.Stopping).ConfigureAwait(false))
                    {
                        found += batch.Count;
                        await ImportAsync(RecordLane.Wanted(run, batch)).ConfigureAwait(false);
                    }
                }
                catch (SourceException error) when (!error.ConcernsAll)
                {
                    // Verification reads everything again and finds what this pass did not bring.
                    run.Log.LogGaveUp(run.TaskId, $"late {scope.KindName}", error.Message);
                    break;
                }

                after = found == 0 ? null : next;
            }
        }
    }

    private Task ImportAsync(List<MaterialRecord> records) => run.SaveAsync(sql =>
        CopyTaskStore.Count(sql, run.TaskId, 0, RecordLane.Import(sql, run, records), 0, run.Time.GetUtcNow()));

    private Task<RecordManifest> ManifestAsync(RecordKind kind, string channel, CopyPeriod period) =>
        run.Source.GetRecordManifestAsync(kind, run.Task.Identity, channel, period.FromUtc, period.ToUtc, run.Stopping);

    private void Add(RecordKind kind, string channel, long? total)
    {
        var scope = new RecordScope(kind, channel, run.Task.RecordPeriod);
        var known = _known.GetValueOrDefault((scope.KindName, channel)) ?? new CopyPosition(CopyPosition.Copying, scope.KindName, channel);
        _lanes.Add(new RecordLane(scope, known with { Total = total ?? known.Total, Attempts = 0 }));
    }
}
