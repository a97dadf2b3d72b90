namespace FailbackWorkflows.Failback;

/// <summary>A row was changed by somebody else since it was read. Reading and deciding again is the remedy.</summary>
public sealed class ConcurrentChangeException(string what) : Exception($"{what} was changed by somebody else at the same moment.");
