namespace FailbackWorkflows.Failback;

/// <summary>
/// Executing the activity commands no recorder, changes no entry of the failover log and starts no run: a draft with nothing else in it may be run by a click. Every
/// activity of the product without it counts as one that changes something, so a new one cannot be forgotten.
/// </summary>
[AttributeUsage(AttributeTargets.Class)]
public sealed class SafeToTryAttribute : Attribute;
