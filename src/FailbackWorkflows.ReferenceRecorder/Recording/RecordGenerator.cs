using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.Recording;
using FailbackWorkflows.ReferenceRecorder.Records;

namespace FailbackWorkflows.ReferenceRecorder.Recording;

/// <summary>
/// What the built-in tills, analytics and alarm inputs deliver, second by second: the same for the same channel and time on every recorder of the same pace.
/// Alarms and analytics come from the camera and keep its ids, so an alarm that is open across a switch is one alarm; a line of text is what
/// this recorder took down, and its id says so.
/// </summary>
internal static class RecordGenerator
{
    /// <summary>Nothing happens between two of these.</summary>
    public static readonly TimeSpan Step = TimeSpan.FromSeconds(1);

    private const int LinesPerTransaction = 15;
    private const int ShortestAlarmSeconds = 5;

    private static readonly byte[] Key = SHA256.HashData("FailbackWorkflows reference recorder records"u8);
    private static readonly string[] Goods = ["Coffee 2.80", "Newspaper 3.20", "Sandwich 4.50", "Water 1.90", "Tea 2.60", "Apple 0.70", "Batteries 5.90", "Magazine 6.50"];

    /// <summary>Records of one channel at one whole second. An alarm comes as its state at that moment; see <see cref="FollowUp"/>.</summary>
    public static IEnumerable<RecordRow> At(PlannedChannel plan, string machineId, DateTimeOffset time, RecordPace pace)
    {
        if (plan.Kind == ChannelKind.Text)
        {
            yield return Line(plan, machineId, time);
        }

        var second = time.UtcTicks / Step.Ticks;
        if (plan.Kind is ChannelKind.Video or ChannelKind.Text && second % pace.MetadataEverySeconds == 0)
        {
            yield return Metadata(plan, machineId, time);
        }

        if (plan.Kind != ChannelKind.Video)
        {
            yield break;
        }

        if (second % pace.PlateSlotSeconds == 0 && Draw(plan.ChannelId, "anpr", second) % pace.OneSlotIn == 0)
        {
            yield return Plate(plan, machineId, time, second);
        }

        foreach (var alarm in Alarms(plan, machineId, second, pace))
        {
            yield return alarm;
        }
    }

    /// <summary>A line of a text channel; also the first frame of a recording, whenever that is.</summary>
    public static RecordRow Line(PlannedChannel plan, string machineId, DateTimeOffset time)
    {
        var second = time.UtcTicks / Step.Ticks;
        var sequence = (int)(second % LinesPerTransaction);
        var line = sequence switch
        {
            0 => "*** Welcome ***",
            LinesPerTransaction - 1 => "Paid by card",
            _ => $"{1 + (Draw(plan.ChannelId, "count", second) % 3)} {Goods[Draw(plan.ChannelId, "goods", second) % (ulong)Goods.Length]}",
        };
        return Make(plan, machineId, RecordKind.Text, $"{plan.ChannelId}~{time.UtcTicks}~{machineId[..8]}", time, null, 1, new
        {
            device = plan.ChannelId,
            encoding = "utf-8",
            line,
            seq = sequence,
            transactionId = $"T{second / LinesPerTransaction}",
        });
    }

    /// <summary>
    /// The next state of an alarm that is here already: whatever was done to it (an operator's acknowledgement, another text) stays, and the
    /// revision is the one after it. Null: it is that far on already.
    /// </summary>
    public static RecordRow? FollowUp(RecordRow here, RecordRow next)
    {
        var (before, after) = (Body(here), Body(next));
        var (from, to) = (Rank(before), Rank(after));
        if (to <= from)
        {
            return null;
        }

        before["state"] = after["state"];
        foreach (var member in new[] { "endUtc", "ackBy", "ackUtc" })
        {
            if (!before.ContainsKey(member) && after.TryGetValue(member, out var value))
            {
                before[member] = value;
            }
        }

        var body = CanonicalJson.Text(JsonSerializer.SerializeToElement(before));
        return RecordRow.Make(here.Id, here.Kind, here.Identity, here.ChannelId, here.Time, next.To ?? here.To, here.Revision + 1, next.Dispute, next.Origin, body);
    }

    private static RecordRow Metadata(PlannedChannel plan, string machineId, DateTimeOffset time)
    {
        var draw = Draw(plan.ChannelId, "objects", time.UtcTicks);
        var objects = Enumerable.Range(0, (int)(draw % 4)).Select(n => new { id = n + 1, type = (draw >> n) % 2 == 0 ? "Human" : "Vehicle", x = (draw >> (8 * n)) % 100 / 100m, y = (draw >> (8 * n + 4)) % 100 / 100m });
        return Make(plan, machineId, RecordKind.Metadata, $"{plan.ChannelId}~meta~{time.UtcTicks}", time, null, 1, new { objects, utcTime = RecorderJson.FormatInstant(time) });
    }

    private static RecordRow Plate(PlannedChannel plan, string machineId, DateTimeOffset time, long second)
    {
        var draw = Draw(plan.ChannelId, "plate", second);
        return Make(plan, machineId, RecordKind.Anpr, $"{plan.ChannelId}~anpr~{time.UtcTicks}", time, null, 1, new
        {
            country = "DE",
            direction = draw % 2 == 0 ? "approaching" : "receding",
            plate = $"{(char)('A' + (draw % 26))}-{(char)('A' + (draw / 26 % 26))}{(char)('A' + (draw / 676 % 26))} {100 + (draw / 17576 % 9900)}",
            plateLikelihood = (80 + (draw % 20)) / 100m,
        });
    }

    /// <summary>Alarms that begin, are acknowledged or end in this second. They last longer than a switch takes, so some are open at any.</summary>
    private static IEnumerable<RecordRow> Alarms(PlannedChannel plan, string machineId, long second, RecordPace pace)
    {
        for (var slot = second - (second % pace.AlarmSlotSeconds); slot >= second - pace.LongestAlarmSeconds; slot -= pace.AlarmSlotSeconds)
        {
            var draw = Draw(plan.ChannelId, "alarm", slot);
            if (draw % pace.OneSlotIn != 0)
            {
                continue;
            }

            var start = new DateTimeOffset(slot * Step.Ticks, TimeSpan.Zero);
            var lasts = ShortestAlarmSeconds + (long)(draw / 4 % (ulong)(pace.LongestAlarmSeconds - ShortestAlarmSeconds + 1));
            var acknowledged = draw / 1024 % 2 == 0 ? lasts / 2 : (long?)null;
            var age = second - slot;
            if (age != 0 && age != lasts && age != acknowledged)
            {
                continue;
            }

            var end = age == lasts ? start.AddSeconds(lasts) : (DateTimeOffset?)null;
            var isAcknowledged = acknowledged <= age;
            var body = new Dictionary<string, string>
            {
                ["alarmId"] = "alarm-motion",
                ["severity"] = "low",
                ["startUtc"] = RecorderJson.FormatInstant(start),
                ["state"] = end is not null ? "closed" : isAcknowledged ? "acknowledged" : "new",
                ["text"] = $"Motion on {plan.ChannelId}",
            };
            if (isAcknowledged)
            {
                body["ackBy"] = "guard";
                body["ackUtc"] = RecorderJson.FormatInstant(start.AddSeconds(acknowledged!.Value));
            }

            if (end is { } closed)
            {
                body["endUtc"] = RecorderJson.FormatInstant(closed);
            }

            var revision = 1 + (isAcknowledged ? 1 : 0) + (end is not null ? 1 : 0);
            yield return Make(plan, machineId, RecordKind.Alarms, $"{plan.ChannelId}~motion~{start.UtcTicks}", start, end, revision, body);
        }
    }

    private static RecordRow Make(PlannedChannel plan, string machineId, RecordKind kind, string id, DateTimeOffset time, DateTimeOffset? to, long revision, object body) =>
        RecordRow.Make(
            id, kind, plan.Identity, plan.ChannelId, time, to, revision, plan.Provisional ? DisputeState.Provisional : DisputeState.None, new MaterialOrigin(machineId, plan.Epoch),
            CanonicalJson.Text(JsonSerializer.SerializeToElement(body)));

    private static Dictionary<string, JsonElement> Body(RecordRow row) => JsonSerializer.Deserialize<Dictionary<string, JsonElement>>(row.Body)!;

    private static int Rank(Dictionary<string, JsonElement> body) =>
        body.TryGetValue("state", out var state) && state.ValueKind == JsonValueKind.String ? Array.IndexOf(RecordMerge.AlarmStates, state.GetString()) : -1;

    private static ulong Draw(string channelId, string what, long number)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        HMACSHA256.HashData(Key, Encoding.UTF8.GetBytes($"{channelId}|{what}|{number}"), hash);
        return BinaryPrimitives.ReadUInt64LittleEndian(hash);
    }
}

/// <summary>How much the built-in analytics and alarm inputs have to tell.</summary>
/// <param name="MetadataEverySeconds">Between two frames of analytics.</param>
/// <param name="PlateSlotSeconds">A plate may be read on a camera once in so long.</param>
/// <param name="AlarmSlotSeconds">An alarm may begin on a camera once in so long.</param>
/// <param name="LongestAlarmSeconds">An alarm lasts 5 s to this.</param>
/// <param name="OneSlotIn">Of so many slots, one has its plate or alarm.</param>
internal sealed record RecordPace(int MetadataEverySeconds, int PlateSlotSeconds, int AlarmSlotSeconds, int LongestAlarmSeconds, ulong OneSlotIn)
{
    /// <summary>As on a site where little happens.</summary>
    public static RecordPace Quiet { get; } = new(5, 5, 30, 90, 4);

    /// <summary>Something of every kind within a few seconds.</summary>
    public static RecordPace Busy { get; } = new(1, 2, 4, 6, 2);
}
