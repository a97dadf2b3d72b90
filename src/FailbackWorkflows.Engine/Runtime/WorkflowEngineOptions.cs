namespace FailbackWorkflows.Engine.Runtime;

/// <summary>How a node runs instances.</summary>
public sealed class WorkflowEngineOptions
{
    /// <summary>Name of this node, unique among nodes on one database and the same after a restart. Default: <c>node-1</c>.</summary>
    public string Node { get; set; } = "node-1";

    /// <summary>How long an instance stays with a node that no longer answers; 1 s to 10 min. Default: 10 s.</summary>
    public TimeSpan LeaseDuration { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How often the node looks for runnable instances without being told; 10 ms to 1 min. Default: 500 ms.</summary>
    public TimeSpan PollInterval { get; set; } = TimeSpan.FromMilliseconds(500);

    /// <summary>Instances worked on at the same time; 1 to 1,000. Default: 32.</summary>
    public int MaxConcurrentInstances { get; set; } = 32;

    /// <summary>Throws with a sentence naming the option that is out of range.</summary>
    public void Validate()
    {
        Require(!string.IsNullOrWhiteSpace(Node), "Node needs a name.");
        Require(LeaseDuration >= TimeSpan.FromSeconds(1) && LeaseDuration <= TimeSpan.FromMinutes(10), "LeaseDuration must be 1 s to 10 min.");
        Require(PollInterval >= TimeSpan.FromMilliseconds(10) && PollInterval <= TimeSpan.FromMinutes(1), "PollInterval must be 10 ms to 1 min.");
        Require(MaxConcurrentInstances is >= 1 and <= 1000, "MaxConcurrentInstances must be 1 to 1,000.");

        static void Require(bool condition, string message)
        {
            if (!condition)
            {
                throw new ArgumentOutOfRangeException(nameof(WorkflowEngineOptions), message);
            }
        }
    }
}
