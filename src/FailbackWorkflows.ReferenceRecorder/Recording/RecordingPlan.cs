using FailbackWorkflows.ReferenceRecorder.Duties;
using FailbackWorkflows.ReferenceRecorder.Settings;
using FailbackWorkflows.ReferenceRecorder.Storage;

namespace FailbackWorkflows.ReferenceRecorder.Recording;

/// <summary>What should be recorded now, derived from duties and active settings.</summary>
/// <param name="NextConfirmBefore">When the first unconfirmed duty begins to record provisionally; null when none waits.</param>
internal sealed record RecordingPlan(IReadOnlyList<PlannedChannel> Channels, DateTimeOffset? NextConfirmBefore)
{
    public static RecordingPlan Load(Sql sql, TimeSpan bootConfirm, Action<string, string> masksMissing)
    {
        var channels = new List<PlannedChannel>();
        DateTimeOffset? next = null;
        foreach (var duty in DutyStore.List(sql).Where(d => d.Recording))
        {
            if (!duty.IsRecording)
            {
                var before = duty.AwaitingSince + bootConfirm;
                next = next is null || before < next ? before : next;
                continue;
            }

            var content = SettingsStore.Active(sql, duty.Identity).Content;
            if (ChannelSettings.FirstUnmasked(content) is { } unmasked)
            {
                masksMissing(duty.Identity, unmasked);
                continue;
            }

            channels.AddRange(ChannelSettings.Read(content)
                .Where(c => c is { Enabled: true, IsDark: false })
                .Select(c => new PlannedChannel(duty.Identity, c.Id, c.Kind, duty.Epoch, duty.Provisional, c.IsSingleSession ? c.SourceId ?? c.Id : null)));
        }

        return new RecordingPlan(channels, next);
    }
}
