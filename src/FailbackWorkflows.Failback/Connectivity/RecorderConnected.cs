namespace FailbackWorkflows.Failback.Connectivity;

/// <summary>What runs that wait for a recorder are woken by when it is connected again.</summary>
public static class RecorderConnected
{
    public static string KeyOf(string serverId) => $"RecorderConnected:{serverId}";
}
