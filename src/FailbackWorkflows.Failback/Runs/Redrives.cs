using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Failback.Duties;

namespace FailbackWorkflows.Failback.Runs;

/// <summary>
/// Whether a run that an incident stopped can go on from there. One that acts on a duty can only under its claim: a run that was stopped before
/// it had changed anything gave it back (others may have acted since), and one that was abandoned lost it. Both are started anew instead.
/// </summary>
public sealed class Redrives(IDuties duties)
{
    /// <summary>Null when it can; else a sentence for people.</summary>
    public async Task<string?> FindWhyNotAsync(WorkflowDefinition definition, string instanceId, CancellationToken cancellationToken) =>
        DutyHooks.KindOf(definition) is not { } kind || (await duties.ListClaimsAsync(instanceId, cancellationToken)).Any(claim => claim.Key.StartsWith("identity:", StringComparison.Ordinal))
            ? null
            : $"This {kind} holds no claim on the duty any more: an error stopped it before it had changed anything, or it was abandoned. Start it again instead: that takes the claim and looks at everything anew.";
}
