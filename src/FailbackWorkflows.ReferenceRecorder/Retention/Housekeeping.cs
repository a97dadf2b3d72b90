using System.Globalization;
using System.Text.Json;
using System.Xml;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.ReferenceRecorder.Duties;
using FailbackWorkflows.ReferenceRecorder.Idempotency;
using FailbackWorkflows.ReferenceRecorder.Records;
using FailbackWorkflows.ReferenceRecorder.Segments;
using FailbackWorkflows.ReferenceRecorder.Settings;
using FailbackWorkflows.ReferenceRecorder.Storage;

namespace FailbackWorkflows.ReferenceRecorder.Retention;

/// <summary>
/// Makes room. Each second: a disk that nears its reserve loses its oldest segments that nothing keeps (ring storage), and what is owed only
/// when nothing else is left and the policy says so. Each minute: what is past its retention time and not kept. Each day: old keys, abandoned
/// stagings, old tombstones.
/// </summary>
public sealed partial class Housekeeping(RecorderStore store, DataFolder folder, RecorderOptions options, ILogger<Housekeeping> logger) : BackgroundService
{
    private const int MostSegmentsPerBatch = 500;
    private const int MostRecordsPerBatch = 2000;

    /// <summary>How long a removed segment is remembered.</summary>
    private static readonly TimeSpan GoneIsKeptFor = TimeSpan.FromDays(90);

    private DateTimeOffset? _ringToldAt;
    private bool _isFull;

    /// <summary>Removes all that is past its time, in batches so that recording need not wait; answers with the number of segments deleted.</summary>
    internal async Task<int> SweepRetentionAsync(CancellationToken cancellationToken)
    {
        var total = 0;
        bool isMore;
        do
        {
            (var files, isMore) = await store.WriteAsync(SweepBatch, cancellationToken).ConfigureAwait(false);
            Delete(files);
            total += files.Count;
        }
        while (isMore);
        return total;
    }

    /// <summary>Keeps the disk a tenth of its reserve above it; answers with the number of segments that gave way.</summary>
    internal async Task<int> RelieveAsync(CancellationToken cancellationToken)
    {
        var state = folder.Measure();
        var missing = GivesWayBelow(state) - state.FreeBytes;
        if (missing <= 0 || state.TotalBytes == 0)
        {
            _isFull = false;
            return 0;
        }

        var rows = await store.WriteAsync(sql => MakeRoom(sql, missing), cancellationToken).ConfigureAwait(false);
        Delete(rows.ConvertAll(r => r.File));
        return rows.Count;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1), store.Time);
        DateTimeOffset? sweptAt = null;
        DateTimeOffset? forgotAt = null;
        do
        {
            try
            {
                var now = store.Time.GetUtcNow();
                await RelieveAsync(stoppingToken).ConfigureAwait(false);
                if (IsDue(sweptAt, now, TimeSpan.FromMinutes(1)))
                {
                    await SweepRetentionAsync(stoppingToken).ConfigureAwait(false);
                    sweptAt = now;
                }

                if (IsDue(forgotAt, now, TimeSpan.FromDays(1)))
                {
                    await store.WriteAsync(
                        sql => KeyStore.Purge(sql, now) + SettingsStore.PurgeStaged(sql, now - KeyStore.KeptFor) + SegmentStore.ForgetGone(sql, now - GoneIsKeptFor),
                        stoppingToken).ConfigureAwait(false);
                    forgotAt = now;
                }
            }
            catch (Exception error) when (error is not OperationCanceledException)
            {
                LogFailed(error);
            }
        }
        while (await WaitAsync(timer, stoppingToken).ConfigureAwait(false));
    }

    /// <summary>Due as well when the clock was set back.</summary>
    private static bool IsDue(DateTimeOffset? last, DateTimeOffset now, TimeSpan every) => last is null || now - last >= every || now < last;

    private (List<string> Files, bool IsMore) SweepBatch(Sql sql)
    {
        var now = store.Time.GetUtcNow();
        var files = new List<string>();
        var isMore = false;
        foreach (var duty in DutyStore.List(sql))
        {
            if (KeptFrom(SettingsStore.Active(sql, duty.Identity).Content.Retention, now) is { } before)
            {
                var expired = SegmentStore.DeleteExpired(sql, duty.Identity, before, now, MostSegmentsPerBatch);
                files.AddRange(expired);
                isMore |= expired.Count == MostSegmentsPerBatch;
                isMore |= RecordStore.DeleteExpired(sql, duty.Identity, before, now, MostRecordsPerBatch) >= MostRecordsPerBatch;
            }
        }

        return (files, isMore);
    }

    private List<SegmentRow> MakeRoom(Sql sql, long missing)
    {
        var now = store.Time.GetUtcNow();
        var free = SegmentStore.Oldest(sql, owed: false, missing, now, MostSegmentsPerBatch);
        if (free.Count > 0)
        {
            Remove(sql, free, "retention", now);
            if (IsDue(_ringToldAt, now, TimeSpan.FromHours(1)))
            {
                // Ring storage is how a recorder lives; that it has begun is worth telling, not every round.
                _ringToldAt = now;
                Tell(sql, free, "ringStorage", "The disk is at its reserve; the oldest segments that nothing keeps make room. This is told once an hour.", now);
            }

            _isFull = false;
            return free;
        }

        var owed = options.OnHoldPressure == HoldPressure.DropOldestOwed ? SegmentStore.Oldest(sql, owed: true, missing, now, MostSegmentsPerBatch) : [];
        if (owed.Count > 0)
        {
            Remove(sql, owed, "pressure", now);
            Tell(sql, owed, "owedDropped", "The disk is full of owed material and live recording wins; this was dropped though it was owed, and is lost unless it was copied.", now);
        }
        else if (!_isFull)
        {
            _isFull = true;
            LogFull(missing);
            RecorderJournal.Write(sql, now, "", "storageFull", "The disk is at its reserve and nothing may be removed: what is left is owed or locked as evidence. Nothing more is recorded or accepted until there is room.");
        }

        return owed;
    }

    private static void Remove(Sql sql, List<SegmentRow> rows, string reason, DateTimeOffset now)
    {
        foreach (var row in rows)
        {
            SegmentStore.Remove(sql, row, reason, now);
        }
    }

    private static void Tell(Sql sql, List<SegmentRow> rows, string kind, string sentence, DateTimeOffset now)
    {
        foreach (var track in rows.GroupBy(r => (r.Identity, r.ChannelId)))
        {
            RecorderJournal.Write(sql, now, track.Key.Identity, kind, string.Create(
                CultureInfo.InvariantCulture,
                $"{sentence} Channel {track.Key.ChannelId}: {track.Count()} segments, {track.Sum(r => r.Bytes)} bytes, from {RecorderJson.FormatInstant(track.Min(r => r.From))} to {RecorderJson.FormatInstant(track.Max(r => r.To))}."));
        }
    }

    /// <summary>Index first: a crash here leaves files that nobody can see and the next start removes.</summary>
    private void Delete(List<string> files)
    {
        foreach (var file in files)
        {
            File.Delete(Path.Combine(folder.SegmentsPath, file));
        }
    }

    private static async ValueTask<bool> WaitAsync(PeriodicTimer timer, CancellationToken stoppingToken)
    {
        try
        {
            return await timer.WaitForNextTickAsync(stoppingToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    /// <summary>With fewer bytes free than these, the oldest material makes room: a tenth above the reserve.</summary>
    internal static long GivesWayBelow(StorageState storage) => storage.ReserveBytes + (storage.ReserveBytes / 10);

    /// <summary>What settings no longer keep ended before this; null: they keep without limit, or longer than there is a calendar.</summary>
    internal static DateTimeOffset? KeptFrom(JsonElement retention, DateTimeOffset now) =>
        retention.ValueKind == JsonValueKind.Object
        && retention.TryGetProperty("maximumRetentionTime", out var value)
        && value.ValueKind == JsonValueKind.String
        && XmlConvert.ToTimeSpan(value.GetString()!) is var most
        && most > TimeSpan.Zero
        && most < now - DateTimeOffset.MinValue
            ? now - most
            : null;

    [LoggerMessage(Level = LogLevel.Error, Message = "Housekeeping failed and will be tried again")]
    private partial void LogFailed(Exception error);

    [LoggerMessage(Level = LogLevel.Error, Message = "The disk lacks {MissingBytes} bytes and nothing may be removed: what is left is owed or locked")]
    private partial void LogFull(long missingBytes);
}
