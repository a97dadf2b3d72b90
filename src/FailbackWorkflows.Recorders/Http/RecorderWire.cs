using System.Globalization;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Settings;

namespace FailbackWorkflows.Recorders.Http;

/// <summary>Names of the headers that carry a command's authority and key.</summary>
public static class RecorderHeaders
{
    /// <summary>Names the command; the recorder does it once per key.</summary>
    public const string IdempotencyKey = "Idempotency-Key";

    /// <summary>On an answer: <c>true</c> when it is the remembered answer of an earlier call.</summary>
    public const string IdempotencyReplayed = "Idempotency-Replayed";

    public const string DutyEpoch = "X-Duty-Epoch";

    public const string DutyFence = "X-Duty-Fence";

    /// <summary>On calls for a copy task: the task's own fence, in place of the duty fence.</summary>
    public const string CopyFence = "X-Copy-Fence";

    /// <summary>On every answer: the recorder's clock when the answer began, an instant in UTC.</summary>
    public const string RecorderTime = "X-Recorder-Time";
}

/// <summary>The entity tag of settings: revision and digest, so that a revision number that comes again after a restored backup is not taken for the one before.</summary>
public static class SettingsTag
{
    /// <summary>E.g. <c>"7-3f2a…"</c>, quotes included.</summary>
    public static string Of(long revision, string sha256) => string.Create(CultureInfo.InvariantCulture, $"\"{revision}-{sha256}\"");
}

/// <summary>Body of <c>POST /v1/duties/{identity}:fence</c>.</summary>
public sealed record FenceBody(long Fence);

/// <summary>Body of <c>POST /v1/recording:start</c> and <c>:stop</c>; the authority travels in headers.</summary>
public sealed record RecordingBody(string Identity, IReadOnlyDictionary<string, DateTimeOffset>? AuthorityEnds = null);

/// <summary>Body of <c>POST /v1/recording:release</c>.</summary>
public sealed record ReleaseBody(string Identity, IReadOnlyList<string> ChannelIds);

/// <summary>Body of <c>POST …/config:validate</c> and <c>PUT …/config</c>.</summary>
public sealed record SettingsBody(SettingsContent Content);

/// <summary>Body of <c>POST …/config/staged</c>.</summary>
public sealed record StageSettingsBody(SettingsContent Content, string Sha256);

/// <summary>Body of <c>POST …/config:rollback</c>.</summary>
public sealed record RollBackBody(long ToRevision);

/// <summary>Body of <c>PUT /v1/retention-holds/{entryId}</c>.</summary>
public sealed record RetentionHoldBody(string Identity, DateTimeOffset FromUtc, DateTimeOffset? ToUtc, string Reason);

/// <summary>Answer of <c>GET /v1/retention-holds</c>.</summary>
public sealed record HoldList(IReadOnlyList<RetentionHoldState> Items);
