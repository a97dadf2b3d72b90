using System.Text.Json;
using System.Xml;
using FailbackWorkflows.ReferenceRecorder.Duties;
using FailbackWorkflows.ReferenceRecorder.Idempotency;
using FailbackWorkflows.ReferenceRecorder.Segments;
using FailbackWorkflows.ReferenceRecorder.Settings;
using FailbackWorkflows.ReferenceRecorder.Storage;

namespace FailbackWorkflows.ReferenceRecorder.Retention;

/// <summary>Deletes what is past its retention time and not held, each minute; forgets old keys and abandoned stagings, at the start and each day.</summary>
public sealed partial class Housekeeping(RecorderStore store, DataFolder folder, ILogger<Housekeeping> logger) : BackgroundService
{
    private const int MostSegmentsPerSweep = 500;

    /// <summary>One sweep; answers with the number of segments deleted.</summary>
    internal async Task<int> SweepRetentionAsync(CancellationToken cancellationToken)
    {
        var files = await store.WriteAsync(
            sql =>
            {
                var now = store.Time.GetUtcNow();
                var expired = new List<string>();
                foreach (var duty in DutyStore.List(sql))
                {
                    if (MaximumRetentionTime(SettingsStore.Active(sql, duty.Identity).Content.Retention) is { } most)
                    {
                        expired.AddRange(SegmentStore.DeleteExpired(sql, duty.Identity, now - most, now, MostSegmentsPerSweep));
                    }
                }

                return expired;
            },
            cancellationToken).ConfigureAwait(false);

        // Index first: a crash here leaves files that nobody can see and the next start removes.
        foreach (var file in files)
        {
            File.Delete(Path.Combine(folder.SegmentsPath, file));
        }

        return files.Count;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMinutes(1), store.Time);
        DateTimeOffset? forgotAt = null;
        do
        {
            try
            {
                await SweepRetentionAsync(stoppingToken).ConfigureAwait(false);
                var now = store.Time.GetUtcNow();
                if (forgotAt is null || now - forgotAt >= TimeSpan.FromDays(1))
                {
                    await store.WriteAsync(sql => KeyStore.Purge(sql, now) + SettingsStore.PurgeStaged(sql, now - KeyStore.KeptFor), stoppingToken).ConfigureAwait(false);
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

    /// <summary>How long settings keep material; null is without limit.</summary>
    internal static TimeSpan? MaximumRetentionTime(JsonElement retention) =>
        retention.ValueKind == JsonValueKind.Object
        && retention.TryGetProperty("maximumRetentionTime", out var value)
        && value.ValueKind == JsonValueKind.String
        && XmlConvert.ToTimeSpan(value.GetString()!) is var most
        && most > TimeSpan.Zero
            ? most
            : null;

    [LoggerMessage(Level = LogLevel.Error, Message = "Housekeeping failed and will be tried again in a minute")]
    private partial void LogFailed(Exception error);
}
