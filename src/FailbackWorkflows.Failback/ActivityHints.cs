namespace FailbackWorkflows.Failback;

/// <summary>What the values of an input mean, for an editor that lets a person choose one instead of typing it. Used as <c>UIHint</c> of an <c>[Input]</c>.</summary>
public static class ActivityHints
{
    /// <summary>The id of a VMS server.</summary>
    public const string VmsServer = "vms-server";

    /// <summary>The id of an entry of the failover log.</summary>
    public const string FailoverLogEntry = "failover-log-entry";
}
