namespace FailbackWorkflows.Server.Studio.Instances;

/// <summary>Kinds of events as the journal's index names them.</summary>
internal static class EventKinds
{
    public const string InstanceStarted = "instanceStarted";
    public const string ActivityStarted = "activityStarted";
    public const string ActivityCompleted = "activityCompleted";
    public const string ActivityFaulted = "activityFaulted";
    public const string ActivitySuspended = "activitySuspended";
    public const string ActivityCancelled = "activityCancelled";
    public const string BookmarkDue = "bookmarkDue";
    public const string StimulusReceived = "stimulusReceived";
    public const string CancelRequested = "cancelRequested";
    public const string CancelRefused = "cancelRefused";
    public const string RedriveRequested = "redriveRequested";
    public const string InstanceFaulted = "instanceFaulted";
    public const string InstanceFinished = "instanceFinished";

    /// <summary>The word the designer shows and filters by.</summary>
    public static string NameOf(string kind) => kind switch
    {
        ActivityStarted or InstanceStarted => "Started",
        ActivityCompleted => "Completed",
        ActivityFaulted or InstanceFaulted => "Faulted",
        ActivitySuspended => "Suspended",
        ActivityCancelled => "Canceled",
        BookmarkDue or StimulusReceived => "Resumed",
        CancelRequested => "Cancel requested",
        CancelRefused => "Cancel refused",
        RedriveRequested => "Retried by hand",
        InstanceFinished => "Ended",
        _ => kind,
    };
}
