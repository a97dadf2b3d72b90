namespace FailbackWorkflows.Recorders;

/// <summary>The stable <c>type</c> values of a recorder's problem answers (RFC 9457). <c>docs/recorder-api.md</c> says what to do about each.</summary>
public static class RecorderProblems
{
    public const string Prefix = "urn:failback:recorder:";

    public const string Unauthorized = Prefix + "unauthorized";
    public const string MalformedRequest = Prefix + "malformed-request";
    public const string UnknownIdentity = Prefix + "unknown-identity";
    public const string UnknownResource = Prefix + "unknown-resource";
    public const string StaleAuthority = Prefix + "stale-authority";
    public const string DutyConflict = Prefix + "duty-conflict";
    public const string NotRecorder = Prefix + "not-recorder";
    public const string NotConfigured = Prefix + "not-configured";
    public const string MasksMissing = Prefix + "masks-missing";
    public const string StorageFull = Prefix + "storage-full";
    public const string KeyReused = Prefix + "key-reused";
    public const string DigestMismatch = Prefix + "digest-mismatch";
    public const string SettingsInvalid = Prefix + "settings-invalid";
    public const string SettingsFrozen = Prefix + "settings-frozen";
    public const string RevisionChanged = Prefix + "revision-changed";
    public const string MaterialOwed = Prefix + "material-owed";
    public const string DutyHeld = Prefix + "duty-held";
    public const string HoldConflict = Prefix + "hold-conflict";
    public const string SegmentConflict = Prefix + "segment-conflict";
    public const string SegmentOverlap = Prefix + "segment-overlap";
    public const string AppendOnly = Prefix + "append-only";
    public const string Forbidden = Prefix + "forbidden";
    public const string SegmentGrowing = Prefix + "segment-growing";
    public const string SegmentGone = Prefix + "segment-gone";
    public const string ReadTokenConflict = Prefix + "read-token-conflict";
    public const string RangeNotSatisfiable = Prefix + "range-not-satisfiable";
    public const string PageTokenExpired = Prefix + "page-token-expired";
    public const string RecordConflict = Prefix + "record-conflict";
    public const string CopyTaskConflict = Prefix + "copy-task-conflict";
    public const string CopyTaskState = Prefix + "copy-task-state";
    public const string TooLarge = Prefix + "too-large";
    public const string Busy = Prefix + "busy";
    public const string InternalError = Prefix + "internal-error";

    /// <summary>Said by the client, before anything is sent: the recorder's address would carry the credential in clear text over a network.</summary>
    public const string PlainHttp = Prefix + "plain-http";

    /// <summary>Said by the client: the answer was larger than it accepts.</summary>
    public const string AnswerTooLarge = Prefix + "answer-too-large";
}
