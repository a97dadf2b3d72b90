using System.Buffers;
using System.Security.Cryptography;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.ReferenceRecorder.MaterialCopy.Copying;
using FailbackWorkflows.ReferenceRecorder.MaterialCopy.Source;
using FailbackWorkflows.ReferenceRecorder.Segments;

namespace FailbackWorkflows.ReferenceRecorder.MaterialCopy.Coverage;

/// <param name="MayCome">Something is missing that was not given up.</param>
/// <param name="There">Segments that were here before the task, on the timeline or in a side archive.</param>
internal sealed record TrackVerdict(TrackCoverage Coverage, IReadOnlyList<CopyLoss> Losses, bool MayCome, long There);

/// <summary>Verifies one track and tells its coverage.</summary>
internal sealed class TrackVerification(CopyRun run, Track track, bool isConfigured, bool isLast)
{
    private const int RowsAtOnce = 512;
    private const int BufferBytes = 256 * 1024;
    private const int ParallelReads = 2;

    private readonly CopyPeriod _period = run.Task.PeriodOf(track.ChannelId);
    private readonly Dictionary<string, SegmentRow> _damaged = new(StringComparer.Ordinal);
    private readonly Dictionary<string, SegmentRow> _again = new(StringComparer.Ordinal);
    private readonly List<(DateTimeOffset From, DateTimeOffset To)> _here = [];
    private readonly List<(DateTimeOffset From, DateTimeOffset To)> _inArchives = [];
    private readonly SortedSet<string> _archives = new(StringComparer.Ordinal);
    private readonly List<(DateTimeOffset From, DateTimeOffset To, CoverageState State, string? Reason)> _parts = [];
    private readonly List<CopyLoss> _losses = [];
    private Tally _expected, _copied, _there, _archived, _missing, _outside, _disputed, _disputedHere, _verified;
    private long _archivedBefore;
    private bool _mayCome;
    private bool _hasOurDigests;

    private bool WithDisputed => run.Task.Definition.WithDisputed;

    public async Task<TrackVerdict> RunAsync()
    {
        await ReadAgainAsync().ConfigureAwait(false);
        var isListed = true;
        var walk = run.Walk(track);
        try
        {
            await foreach (var page in walk.PagesAsync(_period.FromUtc, _period.ToUtc, run.Stopping).ConfigureAwait(false))
            {
                run.ThrowIfStopping();
                foreach (var item in page)
                {
                    Take(item, walk.Gone);
                }
            }
        }
        catch (SourceException error) when (!error.ConcernsAll)
        {
            isListed = false;
        }

        TakeGone(walk.Gone);
        await RemoveAsync(_again.Values).ConfigureAwait(false);
        var coverage = new TrackCoverage(
            track.Id, track.ChannelId, track.Kind, _period.FromUtc, _period.ToUtc,
            _expected.ToAmount(), _copied.ToAmount(), _there.ToAmount(), _missing.ToAmount(), _outside.ToAmount(), _disputed.ToAmount(), _verified.ToAmount(),
            isListed && _missing.Segments == 0 && _verified.Segments == _copied.Segments + _there.Segments + _archived.Segments && (!WithDisputed || _disputedHere == _disputed),
            Stretches(walk.Gone, isListed),
            WithDisputed ? _disputedHere.ToAmount() : null,
            _hasOurDigests ? TrackCoverage.Copier : null,
            _archived.Segments > 0 ? _archived.ToAmount() : null,
            _archives.Count > 0 ? [.. _archives] : null);
        return new TrackVerdict(coverage, _losses, _mayCome, _there.Segments + _archivedBefore);
    }

    /// <summary>Every whole segment of the period, from the disk, side archives included.</summary>
    private async Task ReadAgainAsync()
    {
        (DateTimeOffset, string)? after = null;
        List<SegmentRow> rows;
        do
        {
            rows = run.Store.Read(sql => SegmentStore.OverlappingOfChannel(sql, track.Identity, track.ChannelId, _period.FromUtc, _period.ToUtc, RowsAtOnce, after));
            var damaged = new List<SegmentRow>();
            await Parallel.ForEachAsync(rows.Where(r => r.Sha256 is not null), new ParallelOptions { MaxDegreeOfParallelism = ParallelReads, CancellationToken = run.Stopping }, async (row, cancellationToken) =>
            {
                await run.Pace.YieldToRecordingAsync(cancellationToken).ConfigureAwait(false);
                if (!IsWhole(row))
                {
                    lock (damaged)
                    {
                        damaged.Add(row);
                    }
                }

                run.Progress.Verified(row.Bytes);
            }).ConfigureAwait(false);

            foreach (var row in damaged)
            {
                _damaged[row.SegmentId] = row;
                run.Log.LogDamagedHere(row.SegmentId);
            }

            foreach (var row in rows.Where(r => !_damaged.ContainsKey(r.SegmentId)))
            {
                if (row.IsArchived)
                {
                    _archives.Add(row.TrackId);
                }

                Remember(row.IsArchived ? _inArchives : _here, run.Tolerance, row.From, row.Dispute == DisputeState.None ? row.To : row.DisputedFrom ?? row.From);
            }

            after = rows.Count == 0 ? null : (rows[^1].From, rows[^1].SegmentId);
        }
        while (rows.Count == RowsAtOnce);
    }

    private bool IsWhole(SegmentRow row)
    {
        var path = Path.Combine(run.Folder.SegmentsPath, row.File);
        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, FileOptions.SequentialScan);
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            long offset = 0;
            for (int read; (read = RandomAccess.Read(file, buffer, offset)) > 0; offset += read)
            {
                hash.AppendData(buffer.AsSpan(0, read));
            }

            return offset == row.Bytes && Convert.ToHexStringLower(hash.GetHashAndReset()) == row.Sha256;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // Not there or not readable is as damaged as it gets.
            return false;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private async Task RemoveAsync(IReadOnlyCollection<SegmentRow> damaged)
    {
        if (damaged.Count == 0)
        {
            return;
        }

        await run.SaveAsync(sql =>
        {
            foreach (var row in damaged)
            {
                SegmentStore.Remove(sql, row, "lost", run.Time.GetUtcNow());
            }
        }).ConfigureAwait(false);
        foreach (var row in damaged)
        {
            File.Delete(Path.Combine(run.Folder.SegmentsPath, row.File));
        }
    }

    private void Take(JudgedSegment item, Dictionary<string, GoneSegment> gone)
    {
        var segment = item.Segment;
        _hasOurDigests |= item.Verdict == Verdict.Present && segment.Sha256 is null;
        switch (item.Verdict)
        {
            case Verdict.Outside:
                return;
            case Verdict.Disputed:
                _disputed.Add(segment.Bytes);
                Part(segment.From, segment.To, CoverageState.Disputed, null);
                return;
            case var verdict when item.OrdinaryTo <= segment.From && verdict != Verdict.OutsideRetention:
                // Disputed material that was asked for: marked, and beside what is expected.
                _disputed.Add(segment.Bytes);
                if (verdict == Verdict.Present && !_damaged.ContainsKey(segment.Id))
                {
                    _disputedHere.Add(segment.Bytes);
                }
                else
                {
                    _mayCome |= verdict == Verdict.Missing || IsFetchedAgain(item);
                    Lose(segment.Id, segment.From, segment.To, segment.Bytes, ReasonOf(item, gone));
                }

                Part(segment.From, segment.To, CoverageState.Disputed, null);
                return;
            case Verdict.OutsideRetention when item.OrdinaryTo <= segment.From:
                _outside.Add(segment.Bytes);
                Part(segment.From, segment.To, CoverageState.OutsideRetention, null);
                return;
            case Verdict.OutsideRetention:
                _expected.Add(segment.Bytes);
                _outside.Add(segment.Bytes);
                Part(segment.From, item.OrdinaryTo, CoverageState.OutsideRetention, null);
                break;
            case Verdict.Present:
                Present(item);
                break;
            default:
                Missing(item, ReasonOf(item, gone));
                break;
        }

        if (item.OrdinaryTo < segment.To)
        {
            Part(item.OrdinaryTo, segment.To, CoverageState.Disputed, null);
        }
    }

    private static string ReasonOf(JudgedSegment item, Dictionary<string, GoneSegment> gone) =>
        gone.TryGetValue(item.Segment.Id, out var tombstone) ? tombstone.Reason : item.Reason ?? (item.Verdict == Verdict.Growing ? "growing" : "unreadable");

    private void Present(JudgedSegment item)
    {
        var segment = item.Segment;
        var isDamaged = item.Local is { } local
            ? _damaged.ContainsKey(local.Id)
            : _damaged.Count > 0 && _damaged.Values.Any(d => d.To > segment.From && d.From < item.OrdinaryTo);
        if (isDamaged)
        {
            // Recorded here and damaged: nothing of the recorder's own is thrown away, but it is no proof of being there either.
            _mayCome |= IsFetchedAgain(item);
            Missing(item, "corruptHere");
            return;
        }

        _expected.Add(segment.Bytes);
        _verified.Add(segment.Bytes);
        var isCopied = item.Local?.TaskId == run.TaskId;
        if (item.IsArchived)
        {
            // Here and right, but not where it would be looked for: it counts as neither copied nor there.
            _archived.Add(segment.Bytes);
            _archivedBefore += isCopied ? 0 : 1;
            Part(segment.From, item.OrdinaryTo, CoverageState.Archived, null);
            return;
        }

        (isCopied ? ref _copied : ref _there).Add(segment.Bytes);
        Part(segment.From, item.OrdinaryTo, isCopied ? CoverageState.Copied : CoverageState.AlreadyThere, null);
    }

    /// <summary>
    /// True when damaged copies stand in the way of what the source lists: they are taken out, so that it is fetched. Those of which the source
    /// has nothing stay, rotten as they are or not to be read just now: there may be no others.
    /// </summary>
    private bool IsFetchedAgain(JudgedSegment item)
    {
        var copies = isLast
            ? []
            : _damaged.Values.Where(d => d.TaskId is not null && (item.Local is { } local ? d.SegmentId == local.Id : d.To > item.Segment.From && d.From < item.Segment.To)).ToList();
        copies.ForEach(c => _again[c.SegmentId] = c);
        return copies.Count > 0;
    }

    private void Missing(JudgedSegment item, string reason)
    {
        _expected.Add(item.Segment.Bytes);
        _missing.Add(item.Segment.Bytes);
        _mayCome |= item.Verdict == Verdict.Missing;
        Part(item.Segment.From, item.OrdinaryTo, CoverageState.Missing, reason);
        Lose(item.Segment.Id, item.Segment.From, item.OrdinaryTo, item.Segment.Bytes, reason);
    }

    /// <summary>What the source removed before it could be fetched, unless its times are here anyway.</summary>
    private void TakeGone(Dictionary<string, GoneSegment> gone)
    {
        foreach (var item in gone.Values.OrderBy(g => g.From).Where(g => !_losses.Exists(l => l.ItemId == g.Id) && !IsHere(g.From, g.To)))
        {
            _expected.Add(item.Bytes);
            _missing.Add(item.Bytes);
            Lose(item.Id, item.From, item.To, item.Bytes, item.Reason);
        }
    }

    private void Lose(string id, DateTimeOffset from, DateTimeOffset to, long bytes, string reason)
    {
        if (!isLast && _mayCome)
        {
            return;
        }

        if (_losses.Count < run.Tuning.LossesPerChannel)
        {
            _losses.Add(new CopyLoss(track.Kind, track.ChannelId, id.Length <= 200 ? id : id[..200], from, to, bytes, reason));
        }
        else if (_losses[^1] is { ItemId: null } last && last.Reason == reason)
        {
            _losses[^1] = last with { To = to > last.To ? to : last.To, Bytes = last.Bytes + bytes };
        }
        else
        {
            _losses.Add(new CopyLoss(track.Kind, track.ChannelId, null, from, to, bytes, reason));
        }
    }

    private void Part(DateTimeOffset from, DateTimeOffset to, CoverageState state, string? reason)
    {
        (from, to) = (from < _period.FromUtc ? _period.FromUtc : from, to > _period.ToUtc ? _period.ToUtc : to);
        if (to <= from)
        {
            return;
        }

        // Neighbours of a kind become one at once, so that memory does not grow with the number of segments.
        if (_parts.Count > 0 && _parts[^1] is var last && last.State == state && last.Reason == reason && from >= last.From && from - last.To <= run.Tolerance)
        {
            _parts[^1] = last with { To = to > last.To ? to : last.To };
        }
        else
        {
            _parts.Add((from, to, state, reason));
        }
    }

    private static void Remember(List<(DateTimeOffset From, DateTimeOffset To)> here, TimeSpan tolerance, DateTimeOffset from, DateTimeOffset to)
    {
        if (to <= from)
        {
            return;
        }

        if (here.Count > 0 && from - here[^1].To <= tolerance)
        {
            here[^1] = (here[^1].From, to > here[^1].To ? to : here[^1].To);
        }
        else
        {
            here.Add((from, to));
        }
    }

    private bool IsHere(DateTimeOffset from, DateTimeOffset to) => _here.Concat(_inArchives).Any(h => h.From <= from + run.Tolerance && h.To >= to - run.Tolerance);

    /// <summary>The whole period without overlap: what the source lists, then what only this recorder has, then what is gone, and the rest was not recorded.</summary>
    private IReadOnlyList<CoverageStretch> Stretches(Dictionary<string, GoneSegment> gone, bool isListed)
    {
        var stretches = new StretchList(run.Tolerance);
        var reached = _period.FromUtc;
        foreach (var part in _parts.OrderBy(p => p.From).ThenBy(p => p.To))
        {
            if (part.From - reached > run.Tolerance)
            {
                FillGap(stretches, reached, part.From, gone, isListed);
            }

            stretches.Add(part.From, part.To, part.State, part.Reason);
            reached = part.To > reached ? part.To : reached;
        }

        if (_period.ToUtc - reached > run.Tolerance)
        {
            FillGap(stretches, reached, _period.ToUtc, gone, isListed);
        }

        return stretches.Items;
    }

    private void FillGap(StretchList stretches, DateTimeOffset from, DateTimeOffset to, Dictionary<string, GoneSegment> gone, bool isListed)
    {
        var fill = _here.Select(h => (h.From, h.To, State: CoverageState.AlreadyThere, Reason: (string?)null))
            .Concat(_inArchives.Select(h => (h.From, h.To, State: CoverageState.Archived, Reason: (string?)null)))
            .Concat(gone.Values.Select(g => (g.From, g.To, State: CoverageState.Missing, Reason: (string?)g.Reason)))
            .Where(f => f.To > from && f.From < to)
            .OrderBy(f => f.From);
        var reached = from;
        foreach (var (start, end, state, reason) in fill)
        {
            var begin = start < reached ? reached : start;
            Empty(reached, begin);
            stretches.Add(begin, end < to ? end : to, state, reason);
            reached = end > reached ? end : reached;
        }

        Empty(reached, to);

        void Empty(DateTimeOffset start, DateTimeOffset end)
        {
            if (end - start > run.Tolerance)
            {
                stretches.Add(start, end, isListed ? CoverageState.NotRecorded : CoverageState.Open, isListed && !isConfigured ? "notConfigured" : null);
            }
        }
    }

    private record struct Tally(long Segments, long Bytes)
    {
        public void Add(long bytes)
        {
            Segments++;
            Bytes += bytes;
        }

        public readonly Amount ToAmount() => new(Segments, Bytes);
    }
}
