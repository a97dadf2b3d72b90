using FailbackWorkflows.Engine.Journal;

namespace FailbackWorkflows.Failback.Runs;

/// <summary>What a run was given to work on, whatever its workflow calls it.</summary>
public static class RunInputs
{
    /// <summary>Under these names workflows are given a server, the one whose duty it is first.</summary>
    private static readonly string[] Servers = ["FailedServerId", "Identity", "ServerId", "Server"];

    /// <summary>The failover log entry; null: none was given.</summary>
    public static string? EntryOf(InstanceStarted started) => started.CorrelationId ?? started.Input.GetValueOrDefault("EntryId") as string;

    /// <summary>The VMS server; null: none was given.</summary>
    public static string? ServerOf(InstanceStarted started) => Servers.Select(name => started.Input.GetValueOrDefault(name) as string).FirstOrDefault(id => !string.IsNullOrEmpty(id));
}
