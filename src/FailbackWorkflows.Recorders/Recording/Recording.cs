using FailbackWorkflows.Recorders.Duties;

namespace FailbackWorkflows.Recorders.Recording;

/// <summary>What a channel records.</summary>
public enum ChannelKind
{
    Video,
    Audio,
    Text,
}

/// <summary>Start or stop recording of a recorded identity.</summary>
/// <param name="AuthorityEnds">
/// With a stop: per channel id the successor's first confirmed frame. What this recorder wrote after it is disputed;
/// what it wrote before is ordinary overlap. Null when there is no successor.
/// </param>
public sealed record RecordingCommand(string Identity, DutyAuthority Authority, IReadOnlyDictionary<string, DateTimeOffset>? AuthorityEnds = null);

/// <summary>Let go of the sources of some channels of a recorded identity, and record the others on.</summary>
/// <param name="ChannelIds">At least one; a channel that is not configured is left out.</param>
public sealed record ReleaseChannelsCommand(string Identity, DutyAuthority Authority, IReadOnlyList<string> ChannelIds);

/// <summary>What keeps a channel that is armed from giving frames; anything else than these may be read as a sentence.</summary>
public static class ChannelProblems
{
    /// <summary>Its source has as many sessions as it allows (RTSP 453 or 403): another recorder has it. The recorder tries again by itself, with growing pauses.</summary>
    public const string SourceBusy = "sourceBusy";
}

/// <summary>Recording of one identity on one recorder, as of <paramref name="AsOf"/> by the recorder's clock.</summary>
public sealed record RecordingState(string Identity, DateTimeOffset AsOf, IReadOnlyList<ChannelRecording> Channels);

/// <summary>One channel. Times are those of frames written durably, not of frames expected.</summary>
/// <param name="Enabled">Configured to record.</param>
/// <param name="Required">A failback waits for its frames (enabled and not marked optional).</param>
/// <param name="Recording">Being recorded now.</param>
/// <param name="FirstFrameAt">First frame of the running or last recording under the current duty epoch.</param>
/// <param name="LastFrameAt">Last frame written durably, ever.</param>
/// <param name="Problem">Why an armed channel gives no frames now, if the recorder knows: one of <see cref="ChannelProblems"/>; null otherwise.</param>
public sealed record ChannelRecording(
    string ChannelId,
    string Name,
    ChannelKind Kind,
    bool Enabled,
    bool Required,
    bool Recording,
    DateTimeOffset? FirstFrameAt,
    DateTimeOffset? LastFrameAt,
    string? Problem = null);
