using FailbackWorkflows.Recorders.Recording;
using FailbackWorkflows.ReferenceRecorder.Duties;
using FailbackWorkflows.ReferenceRecorder.Settings;
using FailbackWorkflows.ReferenceRecorder.Storage;

namespace FailbackWorkflows.ReferenceRecorder.Recording;

/// <summary>First and last frame per channel, of frames that are on disk.</summary>
public static class ChannelTimes
{
    /// <summary>Frames up to <paramref name="last"/> are on disk. The first frame of a recording stays once it is known for its epoch.</summary>
    public static void Confirm(Sql sql, string identity, string channelId, long epoch, DateTimeOffset first, DateTimeOffset last) =>
        sql.Run(
            """
            INSERT INTO channel_times (identity, channel_id, first_epoch, first_frame, last_frame) VALUES ($identity, $channel, $epoch, $first, $last)
            ON CONFLICT (identity, channel_id) DO UPDATE SET
                first_frame = CASE WHEN first_epoch = $epoch AND first_frame IS NOT NULL THEN first_frame ELSE $first END,
                first_epoch = $epoch,
                last_frame = max(coalesce(last_frame, 0), $last)
            """,
            ("$identity", identity), ("$channel", channelId), ("$epoch", epoch), ("$first", first.UtcTicks), ("$last", last.UtcTicks));

    /// <summary>Per configured channel: what is recorded and what was written.</summary>
    /// <param name="isSourceBusy">By identity and channel id: its camera is taken.</param>
    public static RecordingState State(Sql sql, DutyRow duty, DateTimeOffset now, Func<string, string, bool> isSourceBusy)
    {
        var times = sql.Query(
            "SELECT channel_id, first_epoch, first_frame, last_frame FROM channel_times WHERE identity = $identity",
            r => (Channel: r.GetString(0), Epoch: r.GetInt64(1), First: r.InstantOrNull(2), Last: r.InstantOrNull(3)),
            ("$identity", duty.Identity)).ToDictionary(t => t.Channel);
        var channels = ChannelSettings.Read(SettingsStore.Active(sql, duty.Identity).Content).Select(c =>
        {
            times.TryGetValue(c.Id, out var time);
            return new ChannelRecording(
                c.Id,
                c.Name,
                c.Kind,
                c.Enabled,
                c.Enabled && c.Required,
                duty.IsRecording && c.Enabled,
                time.Epoch == duty.Epoch ? time.First : null,
                time.Last,
                duty.IsRecording && c.Enabled && isSourceBusy(duty.Identity, c.Id) ? ChannelProblems.SourceBusy : null);
        });
        return new RecordingState(duty.Identity, now, [.. channels]);
    }
}
