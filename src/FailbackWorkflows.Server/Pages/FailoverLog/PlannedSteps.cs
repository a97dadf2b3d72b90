using FailbackWorkflows.Failback.Runs;

namespace FailbackWorkflows.Server.Pages.FailoverLog;

/// <summary>The 11 steps of a failback as they are shown before one has run. Once there is a run, its report names them.</summary>
internal static class PlannedSteps
{
    public static IReadOnlyList<RunStep> Failback { get; } =
    [
        Step(1, "Check the failover log entry", "CheckFailoverLogEntry"),
        Step(2, "Check that the failover server acts as recorder", "CheckFailoverServerActing"),
        Step(3, "Check that the failed server is broken and reachable again", "CheckFailedServerBroken"),
        Step(4, "Check the licence", "CheckLicense"),
        Step(5, "Check that no other failback is running", "CheckNoFailbackRunning"),
        Step(6, "Log that the failback has started", "LogFailbackStarted"),
        Step(7, "Get the recorder settings", "GetRecorderSettings"),
        Step(8, "Set the recorder settings on the failed server", "SetRecorderSettings"),
        Step(9, "Restore the roles", "RestoreRoles"),
        Step(10, "Log that the failback was performed", "LogFailbackPerformed"),
        Step(11, "Notify the clients", "NotifyClients"),
    ];

    private static RunStep Step(int number, string name, string activity) =>
        new(number, name, activity, $"Failback.{activity}", RunStepState.NotExecuted, 0, null, null, null, null, []);
}
