using System.Collections.Concurrent;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.ReferenceRecorder.MaterialCopy.Queue;
using FailbackWorkflows.ReferenceRecorder.MaterialCopy.Source;

namespace FailbackWorkflows.ReferenceRecorder.MaterialCopy.Copying;

/// <summary>
/// Audio and video, track by track. A track in trouble is put off, longer each time, while the others go on; when repeating does not mend
/// it, what it lacks is written down as lost.
/// </summary>
internal sealed class TrackCopy(CopyRun run, SegmentPool pool, IReadOnlyList<Track> tracks)
{
    /// <summary>How far one track may be ahead of another where the source may delete the oldest at any time.</summary>
    private static readonly TimeSpan Slice = TimeSpan.FromMinutes(5);

    private readonly Dictionary<(string Pass, string TrackId), TrackLane> _lanes = [];
    private readonly HashSet<(string TrackId, DateTimeOffset From, DateTimeOffset To)> _evidence = [];
    private readonly Dictionary<(string Pass, string Kind, string Channel), CopyPosition> _known =
        run.Store.Read(sql => CopyTaskStore.Positions(sql, run.TaskId)).ToDictionary(p => (p.Pass, p.Kind, p.Channel));

    /// <summary>Why some list could not be read to its end; null when all could.</summary>
    public string? ListingError { get; private set; }

    /// <summary>Some track was given up, so that looking again would find the same.</summary>
    public bool GaveUp { get; private set; }

    /// <summary>What the source has and what of it is needed, before anything is fetched.</summary>
    public async Task SurveyAsync()
    {
        long needed = 0, expected = 0, there = 0;
        foreach (var track in tracks)
        {
            var lane = Lane(CopyPosition.Copying, track);
            long laneSegments = 0, laneBytes = 0;
            try
            {
                var period = run.Task.PeriodOf(track.ChannelId);
                await foreach (var page in run.Walk(track).PagesAsync(period.FromUtc, period.ToUtc, run.Stopping).ConfigureAwait(false))
                {
                    run.ThrowIfStopping();
                    foreach (var item in page)
                    {
                        var bytes = item.Segment.Bytes;
                        if (item.Verdict == Verdict.Missing)
                        {
                            (laneSegments, laneBytes) = (laneSegments + 1, laneBytes + bytes);
                        }

                        there += item.Verdict == Verdict.Present && item.Local?.TaskId != run.TaskId ? 1 : 0;
                        expected += item.Verdict is Verdict.Missing or Verdict.Present ? bytes : 0;
                    }
                }
            }
            catch (SourceException error) when (!error.ConcernsAll)
            {
                // Copying reads the list again and says what is wrong with it.
                lane.Error = error.Message;
            }

            var (at, first) = (lane.ToPosition(), Lane(CopyPosition.Evidence, track).ToPosition());
            lane.Total = at.Done + first.Done + laneSegments;
            lane.BytesTotal = at.BytesDone + first.BytesDone + laneBytes;
            needed += laneBytes;
        }

        run.Progress.AlreadyThere = there;
        run.Progress.BytesTotal = run.Task.Counters.Bytes + needed;
        run.Progress.BytesToVerify = expected;
        await run.SaveAsync(sql =>
        {
            CopyTaskStore.SetTotals(sql, run.TaskId, there, run.Progress.BytesTotal, 0);
            foreach (var track in tracks)
            {
                CopyTaskStore.SavePosition(sql, run.TaskId, Lane(CopyPosition.Copying, track).ToPosition());
            }
        }).ConfigureAwait(false);
    }

    /// <summary>The minutes that matter most, of every track, before the rest of any. Again with more of them: what was fetched is passed over.</summary>
    /// <param name="isComplete">There are no more to come.</param>
    public async Task CopyEvidenceAsync(EvidenceRanges evidence, bool isComplete)
    {
        foreach (var track in tracks)
        {
            var lane = Lane(CopyPosition.Evidence, track);
            var ranges = evidence.Of(track.ChannelId, run.Task.PeriodOf(track.ChannelId));
            if (lane.IsDone || ranges.Count == 0)
            {
                continue;
            }

            try
            {
                lane.Begin();
                foreach (var (from, to) in ranges.Where(r => !_evidence.Contains((track.Id, r.From, r.To))))
                {
                    await FetchAsync(lane, from, to).ConfigureAwait(false);
                    if (HasAll(lane))
                    {
                        _evidence.Add((track.Id, from, to));
                    }
                }

                lane.IsDone = isComplete && HasAll(lane);
            }
            catch (SourceException error) when (!error.ConcernsAll)
            {
                // The pass over the whole track follows and repeats what failed here.
                lane.Error = error.Message;
            }

            await SaveAsync(lane).ConfigureAwait(false);
        }
    }

    public async Task CopyAsync()
    {
        if (!run.SourceHolds)
        {
            await CopyOldestFirstAsync().ConfigureAwait(false);
        }

        await CopyAsync([.. tracks.Select(t => Lane(CopyPosition.Copying, t)).Where(l => !l.IsDone)]).ConfigureAwait(false);
    }

    /// <summary>From the start of the period, for what verification missed; what is here is passed over quickly.</summary>
    public Task CopyAgainAsync()
    {
        foreach (var track in tracks)
        {
            var former = Lane(CopyPosition.Copying, track).ToPosition();
            _lanes[(CopyPosition.Copying, track.Id)] = new TrackLane(CopyPosition.Copying, track, former with { Position = null, IsDone = false, Attempts = 0 });
        }

        return CopyAsync();
    }

    /// <summary>
    /// For a source that deletes by age while we copy: slice by slice through all tracks, so that none is left for last and has lost its beginning
    /// by then. A track in trouble is left to the pass over whole tracks that follows.
    /// </summary>
    private async Task CopyOldestFirstAsync()
    {
        var lanes = tracks.Select(t => Lane(CopyPosition.Copying, t)).Where(l => !l.IsDone).ToList();
        var periods = lanes.ToDictionary(l => l, l => run.Task.PeriodOf(l.Track.ChannelId));
        for (var from = periods.Values.Select(p => p.FromUtc).DefaultIfEmpty().Min(); lanes.Count > 0; from += Slice)
        {
            lanes.RemoveAll(l => periods[l].ToUtc <= from);
            foreach (var lane in lanes.ToList())
            {
                var (begin, end) = (Latest(from, periods[lane].FromUtc, lane.Position), Earliest(from + Slice, periods[lane].ToUtc));
                if (begin < end && !await TryFetchAsync(lane, begin, end).ConfigureAwait(false))
                {
                    lanes.Remove(lane);
                }
            }
        }
    }

    /// <summary>False: something of the range is not here now.</summary>
    private async Task<bool> TryFetchAsync(TrackLane lane, DateTimeOffset from, DateTimeOffset to)
    {
        var isGrowing = false;
        lane.Begin();
        try
        {
            isGrowing = await FetchAsync(lane, from, to).ConfigureAwait(false);
        }
        catch (SourceException error) when (!error.ConcernsAll)
        {
            lane.Error = error.Message;
            return false;
        }

        await SaveAsync(lane).ConfigureAwait(false);
        return !isGrowing && HasAll(lane);
    }

    /// <summary>Everything that was asked for since the lane began has come.</summary>
    private static bool HasAll(TrackLane lane) => lane is { Trouble: null, IsCalledOff: false } && lane.FailedItems().Count == 0;

    /// <summary>
    /// Lane by lane. A lane is left as soon as all of it is handed over: what is still in flight of it arrives beside the next one's, so that
    /// tracks of few segments are fetched as many at once as one of many.
    /// </summary>
    private async Task CopyAsync(List<TrackLane> lanes)
    {
        var settling = new List<Task>();
        var again = new ConcurrentQueue<TrackLane>();
        try
        {
            while (true)
            {
                await ThrowFirstAsync(settling).ConfigureAwait(false);
                while (again.TryDequeue(out var unfinished))
                {
                    lanes.Add(unfinished);
                }

                var now = run.Time.GetUtcNow();
                var lane = lanes.Find(l => l.NotBefore is not { } notBefore || notBefore <= now);
                if (lane is not null)
                {
                    lanes.Remove(lane);
                    settling.Add(SettleAsync(lane, await HandOverAsync(lane).ConfigureAwait(false), again));
                }
                else if (settling.Count > 0 || lanes.Count > 0)
                {
                    var wait = lanes.Count == 0 ? Timeout.InfiniteTimeSpan : lanes.Min(l => l.NotBefore!.Value) - now;
                    await WaitAsync(settling, wait).ConfigureAwait(false);
                    run.ThrowIfStopping();
                }
                else if (again.IsEmpty)
                {
                    return;
                }
            }
        }
        finally
        {
            await Task.WhenAll(settling).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Forgets what is settled; throws what one of them threw.</summary>
    private static async Task ThrowFirstAsync(List<Task> settling)
    {
        foreach (var settled in settling.FindAll(t => t.IsCompleted))
        {
            settling.Remove(settled);
            await settled.ConfigureAwait(false);
        }
    }

    private async Task WaitAsync(List<Task> settling, TimeSpan wait)
    {
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(run.Stopping);
        var delay = Task.Delay(wait == Timeout.InfiniteTimeSpan || wait > TimeSpan.Zero ? wait : TimeSpan.FromMilliseconds(1), run.Time, enough.Token);
        await Task.WhenAny([.. settling, delay]).ConfigureAwait(false);
        await enough.CancelAsync().ConfigureAwait(false);
    }

    /// <summary>Asks for what is missing of a lane.</summary>
    private async Task<HandedOver> HandOverAsync(TrackLane lane)
    {
        var period = run.Task.PeriodOf(lane.Track.ChannelId);
        try
        {
            lane.Begin();
            var from = lane.Position is { } position && position > period.FromUtc ? position : period.FromUtc;
            if (from >= period.ToUtc)
            {
                // A run before this one ended after the segment that reaches beyond the period and before it could say that the lane is done.
                return new HandedOver(false, null);
            }

            return new HandedOver(await DispatchAsync(lane, from, period.ToUtc).ConfigureAwait(false), null);
        }
        catch (SourceException error) when (!error.ConcernsAll)
        {
            return new HandedOver(false, error.Message);
        }
        catch
        {
            await lane.DrainAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Waits for what is in flight of a lane, and decides whether it is through (complete, or given up) or comes again.</summary>
    private async Task SettleAsync(TrackLane lane, HandedOver handedOver, ConcurrentQueue<TrackLane> again)
    {
        await lane.DrainAsync().ConfigureAwait(false);
        var (isGrowing, listing) = handedOver;
        lane.Error = listing ?? lane.Error;
        var failed = lane.FailedItems();
        if (lane.IsCalledOff)
        {
            // The run stops, and the next one goes on from here: neither done nor in trouble.
            await SaveAsync(lane).ConfigureAwait(false);
            return;
        }

        if (listing is null && failed.Count == 0 && !isGrowing)
        {
            lane.IsDone = true;
            lane.Error = null;
            await SaveAsync(lane).ConfigureAwait(false);
            return;
        }

        var now = run.Time.GetUtcNow();
        if (isGrowing && listing is null && failed.Count == 0)
        {
            // Its end is about to be closed; waiting for that is no failure.
            lane.GrowingSince ??= now;
            lane.Error = "The end of the period is still being recorded at the source.";
            if (now - lane.GrowingSince < run.Tuning.GrowingWait)
            {
                lane.NotBefore = now + TimeSpan.FromSeconds(1);
                await SaveAsync(lane).ConfigureAwait(false);
                again.Enqueue(lane);
                return;
            }
        }

        lane.Attempts = lane.HasProgress ? 1 : lane.Attempts + 1;
        if (lane.Attempts < run.Tuning.AttemptsPerChannel && !(isGrowing && failed.Count == 0 && listing is null))
        {
            lane.NotBefore = now + run.Tuning.BackoffAfter(lane.Attempts);
            await SaveAsync(lane).ConfigureAwait(false);
            again.Enqueue(lane);
            return;
        }

        lock (_lanes)
        {
            GaveUp = true;
            ListingError ??= listing is null ? null : $"Track '{lane.Track.Id}': {listing}";
        }

        run.Log.LogGaveUp(run.TaskId, lane.Track.Id, lane.Error ?? "");
        lane.IsDone = listing is null;
        await run.SaveAsync(sql =>
        {
            foreach (var (segment, reason) in failed)
            {
                CopyTaskStore.SaveLoss(sql, run.TaskId, lane.LossOf(segment, reason));
            }
        }).ConfigureAwait(false);
        await SaveAsync(lane).ConfigureAwait(false);
    }

    private static DateTimeOffset Latest(DateTimeOffset one, DateTimeOffset other, DateTimeOffset? third) =>
        new(Math.Max(Math.Max(one.UtcTicks, other.UtcTicks), third?.UtcTicks ?? 0), TimeSpan.Zero);

    private static DateTimeOffset Earliest(DateTimeOffset one, DateTimeOffset other) => one < other ? one : other;

    /// <summary>Fetches what is missing of a range and waits until it is stored; true when its end is still growing at the source.</summary>
    private async Task<bool> FetchAsync(TrackLane lane, DateTimeOffset from, DateTimeOffset to)
    {
        try
        {
            return await DispatchAsync(lane, from, to).ConfigureAwait(false);
        }
        finally
        {
            await lane.DrainAsync().WaitAsync(CancellationToken.None).ConfigureAwait(false);
        }
    }

    /// <summary>Hands over what is missing of a range; true when its end is still growing at the source.</summary>
    private async Task<bool> DispatchAsync(TrackLane lane, DateTimeOffset from, DateTimeOffset to)
    {
        var isGrowing = false;
        await foreach (var page in run.Walk(lane.Track).PagesAsync(from, to, run.Stopping).ConfigureAwait(false))
        {
            foreach (var item in page)
            {
                run.ThrowIfStopping();
                switch (item.Verdict)
                {
                    case Verdict.Missing when item.Segment.Bytes > run.Tuning.MaxSegmentBytes:
                        lane.Refuse(item.Segment, "tooLarge");
                        break;
                    case Verdict.Missing:
                        await pool.DispatchAsync(new FetchJob(lane, lane.Add(item.Segment.To, isDone: false), item.Segment, item.Overlaps)).ConfigureAwait(false);
                        break;
                    case Verdict.Growing:
                        isGrowing = true;
                        lane.Block();
                        break;
                    case Verdict.Refused:
                        lane.Refuse(item.Segment, "refused");
                        break;
                    case Verdict.Present or Verdict.Lost or Verdict.OutsideRetention or Verdict.Disputed:
                        lane.Add(item.Segment.To, isDone: true);
                        break;
                }

                if (lane.Trouble is not null)
                {
                    return isGrowing;
                }
            }
        }

        return isGrowing;
    }

    private Task SaveAsync(TrackLane lane)
    {
        var losses = lane.TakeLosses();
        return run.SaveAsync(sql =>
        {
            foreach (var loss in losses)
            {
                CopyTaskStore.SaveLoss(sql, run.TaskId, loss);
            }

            if (!lane.IsUnsure)
            {
                CopyTaskStore.SavePosition(sql, run.TaskId, lane.ToPosition());
            }
        });
    }

    private TrackLane Lane(string pass, Track track)
    {
        if (!_lanes.TryGetValue((pass, track.Id), out var lane))
        {
            var known = _known.GetValueOrDefault((pass, track.Kind, track.ChannelId)) ?? new CopyPosition(pass, track.Kind, track.ChannelId);
            _lanes.Add((pass, track.Id), lane = new TrackLane(pass, track, known));
        }

        return lane;
    }

    /// <param name="IsGrowing">The end of the track is not whole yet at the source.</param>
    /// <param name="ListingError">Why its list could not be read to the end; null when it could.</param>
    private sealed record HandedOver(bool IsGrowing, string? ListingError);
}
