namespace FailbackWorkflows.Scenarios;

/// <summary>
/// Rows of theories that each start and kill real processes for a minute of work. CI runs the ones that differ most; <c>FAILBACK_CASES=all</c> runs every one, as <c>eng/soak.sh</c>
/// does. What is between them is killed in every test run too, at every durable write, by the crash point tests of both databases, which need no processes.
/// </summary>
internal static class Cases
{
    public static bool AreAll { get; } = Environment.GetEnvironmentVariable("FAILBACK_CASES") == "all";
}
