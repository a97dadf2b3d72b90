namespace FailbackWorkflows.Engine;

/// <summary>Elsa's two-valued status.</summary>
public enum WorkflowStatus
{
    Running,
    Finished,
}

/// <summary>Elsa's sub-status. Faulted, Cancelled and Finished have the status <see cref="WorkflowStatus.Finished"/>; a faulted instance can be redriven.</summary>
public enum WorkflowSubStatus
{
    Pending,
    Executing,
    Suspended,
    Finished,
    Cancelled,
    Faulted,
    Interrupted,
}
