using System.Text.Json;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;

namespace FailbackWorkflows.ReferenceRecorder.MaterialCopy.Copying;

/// <summary>The minutes around alarms and bookmarks and within locks, per channel: what is fetched before all else. Ranges that touch are one.</summary>
internal sealed class EvidenceRanges
{
    private const string EveryChannel = "";
    private static readonly TimeSpan Around = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan LongestAlarm = TimeSpan.FromMinutes(10);

    private readonly Dictionary<string, SortedList<long, long>> _byChannel = new(StringComparer.Ordinal);

    public void Add(MaterialRecord record)
    {
        // In ticks, which do not end with the calendar: what has no end is given year 9999.
        var from = record.TimeUtc.UtcTicks;
        var to = (record.ToUtc ?? record.TimeUtc).UtcTicks;
        if (record.Kind == RecordKind.Alarms)
        {
            // An alarm nobody closed must not put the whole period first.
            to = Math.Min(to, from + LongestAlarm.Ticks);
        }

        if (record.Kind != RecordKind.Locks)
        {
            from -= Around.Ticks;
            to += Around.Ticks;
        }

        var channels = Channels(record);
        foreach (var channel in channels.Count == 0 ? [EveryChannel] : channels)
        {
            Add(channel, from, to);
        }
    }

    /// <summary>Ranges of a channel within its period, oldest first.</summary>
    public IReadOnlyList<(DateTimeOffset From, DateTimeOffset To)> Of(string channelId, CopyPeriod period)
    {
        var merged = new SortedList<long, long>();
        foreach (var name in new[] { EveryChannel, channelId })
        {
            foreach (var (from, to) in _byChannel.GetValueOrDefault(name) ?? [])
            {
                Merge(merged, Math.Max(from, period.FromUtc.UtcTicks), Math.Min(to, period.ToUtc.UtcTicks));
            }
        }

        return [.. merged.Select(r => (new DateTimeOffset(r.Key, TimeSpan.Zero), new DateTimeOffset(r.Value, TimeSpan.Zero)))];
    }

    private static List<string> Channels(MaterialRecord record)
    {
        var channels = new List<string>();
        if (record.ChannelId is { } own)
        {
            channels.Add(own);
        }

        foreach (var name in new[] { "relatedChannels", "trackIds" })
        {
            if (record.Body.ValueKind == JsonValueKind.Object && record.Body.TryGetProperty(name, out var related) && related.ValueKind == JsonValueKind.Array)
            {
                channels.AddRange(related.EnumerateArray().Select(TextOf).OfType<string>().Select(c => c[(c.IndexOf('~') + 1)..]));
            }
        }

        return channels;
    }

    private static string? TextOf(JsonElement element)
    {
        try
        {
            return element.ValueKind == JsonValueKind.String ? element.GetString() : null;
        }
        catch (InvalidOperationException)
        {
            // Not valid Unicode, so it names no channel; the record itself is refused in its turn.
            return null;
        }
    }

    private void Add(string channel, long from, long to)
    {
        if (!_byChannel.TryGetValue(channel, out var ranges))
        {
            _byChannel.Add(channel, ranges = []);
        }

        Merge(ranges, from, to);
    }

    private static void Merge(SortedList<long, long> ranges, long from, long to)
    {
        if (to <= from)
        {
            return;
        }

        // Index of the first range that starts after `from`; the one before may reach into it.
        var (low, high) = (0, ranges.Count);
        while (low < high)
        {
            var middle = (low + high) / 2;
            (low, high) = ranges.GetKeyAtIndex(middle) <= from ? (middle + 1, high) : (low, middle);
        }

        if (low > 0 && ranges.GetValueAtIndex(low - 1) >= from)
        {
            low--;
            from = ranges.GetKeyAtIndex(low);
        }

        while (low < ranges.Count && ranges.GetKeyAtIndex(low) <= to)
        {
            to = Math.Max(to, ranges.GetValueAtIndex(low));
            ranges.RemoveAt(low);
        }

        ranges.Add(from, to);
    }
}
