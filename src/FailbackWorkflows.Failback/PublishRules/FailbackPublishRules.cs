using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Library;
using FailbackWorkflows.Failback.MaterialCopy;

namespace FailbackWorkflows.Failback.PublishRules;

/// <summary>
/// What this product demands of a workflow before it may command recorders. The engine can run a definition that breaks these rules; the recorders' fences would
/// stop some of what it does, and a person would have to clear up the rest.
/// </summary>
public sealed class FailbackPublishRules(PublishRuleOptions options) : IPublishRules
{
    private const string RolesRestored = "Restored";

    /// <summary>The checks of a failback, by type, with the outcome that lets the run go on, in their order.</summary>
    private static readonly (string Type, string[] Passes, string Name)[] Checks =
    [
        ("Failback.CheckFailoverLogEntry", ["Valid"], "Check failover log entry"),
        ("Failback.CheckFailoverServerActing", ["Acting", "Unreachable"], "Check failover server is acting"),
        ("Failback.CheckFailedServerBroken", ["Broken"], "Check failed server is broken"),
        ("Failback.CheckLicense", ["Licensed"], "Check licence"),
        ("Failback.CheckNoFailbackRunning", ["Clear"], "Check no failback is running"),
    ];

    /// <inheritdoc/>
    public IReadOnlyList<PublishFinding> Check(PublishCandidate candidate)
    {
        var findings = new List<PublishFinding>();
        CheckClaim(candidate.Definition, findings);
        var missing = DutyHooks.KindOf(candidate.Definition) == StartFailback.DefinitionId ? FindMissingChecks(candidate.Definition) : [];
        CheckRemoved(candidate, missing, findings);
        CheckForward(candidate.Definition, findings);
        return findings;
    }

    private void CheckClaim(WorkflowDefinition definition, List<PublishFinding> findings)
    {
        var commanding = definition.Nodes.Values.FirstOrDefault(n => RecorderCommands.Commands(n.Descriptor));
        if (commanding is not null && DutyHooks.KindOf(definition) is null && !MaterialCopyHooks.IsMaterialCopy(definition))
        {
            Add(findings, options.Claim, "claim",
                $"“{Shown(commanding).DisplayText}” commands recorders, but nothing in this workflow takes the claim on the duty, so two runs could command the same recorders against each other. "
                + "Start from a copy of the shipped workflow, or let this one run it with “Run failback” or “Run failover”.");
        }
    }

    /// <summary>A check that some way to a command goes past. Taken out of the published version it is a decision somebody has to answer for.</summary>
    private void CheckRemoved(PublishCandidate candidate, IReadOnlyList<(string Name, string Before)> missing, List<PublishFinding> findings)
    {
        var hadThemAll = candidate.Published is { } published && DutyHooks.KindOf(published) == StartFailback.DefinitionId && FindMissingChecks(published).Count == 0;
        foreach (var (name, before) in missing)
        {
            var sentence = $"“{before}” is reached without “{name}”. A failback makes its five checks, in any order, before it changes anything on a recorder.";
            if (!hadThemAll)
            {
                Add(findings, options.ChecksFirst, "checks-first", sentence);
            }
            else if (candidate is { IsAdministrator: true, Reason.Length: > 0 })
            {
                Add(findings, options.RemovedCheck == RuleWeight.Error ? RuleWeight.Warning : options.RemovedCheck, "removed-check", $"{sentence} It was taken out for this reason: {candidate.Reason}");
            }
            else
            {
                Add(findings, options.RemovedCheck, "removed-check", $"{sentence} The published version makes it. An administrator can take it out, giving a reason.");
            }
        }
    }

    private void CheckForward(WorkflowDefinition definition, List<PublishFinding> findings)
    {
        var reported = new HashSet<string>(StringComparer.Ordinal);
        foreach (var restore in definition.Root.Children.Where(n => n.Descriptor.Type == "Failback.RestoreRoles"))
        {
            foreach (var node in ReachableFrom(restore.Outbound.Where(c => c.Port == RolesRestored).Select(c => c.Target)))
            {
                if ((RecorderCommands.Reaches(node) || RecorderCommands.Undoes(node)) && reported.Add(node.NodeId))
                {
                    Add(findings, options.OnlyForward, "only-forward",
                        $"“{node.DisplayText}” comes after “{restore.DisplayText}” has restored the roles. From there the failed server records under its own authority: only steps that log, notify or copy may follow.");
                }
            }
        }
    }

    /// <summary>Each check that some way from the start to the first command goes without, and what is reached without it.</summary>
    private static List<(string Name, string Before)> FindMissingChecks(WorkflowDefinition definition)
    {
        const int All = 0b11111;
        var missing = new List<(string, string)>();
        var found = 0;
        var seen = new HashSet<(ActivityNode, int)>();
        var open = new Stack<(ActivityNode Node, int Passed)>();
        if (definition.Root.Start is { } start)
        {
            open.Push((start, 0));
        }

        while (open.TryPop(out var at))
        {
            if (!seen.Add(at))
            {
                continue;
            }

            if (at.Passed != All && RecorderCommands.Reaches(at.Node))
            {
                for (var i = 0; i < Checks.Length; i++)
                {
                    if ((at.Passed & (1 << i)) == 0 && (found & (1 << i)) == 0)
                    {
                        found |= 1 << i;
                        missing.Add((Checks[i].Name, at.Node.DisplayText));
                    }
                }

                continue;
            }

            var check = Array.FindIndex(Checks, c => c.Type == at.Node.Descriptor.Type);
            foreach (var connection in at.Node.Outbound)
            {
                open.Push((connection.Target, check >= 0 && Checks[check].Passes.Contains(connection.Port) ? at.Passed | (1 << check) : at.Passed));
            }
        }

        return missing;
    }

    private static HashSet<ActivityNode> ReachableFrom(IEnumerable<ActivityNode> starts)
    {
        var reached = new HashSet<ActivityNode>();
        var open = new Stack<ActivityNode>(starts);
        while (open.TryPop(out var node))
        {
            if (reached.Add(node))
            {
                foreach (var connection in node.Outbound)
                {
                    open.Push(connection.Target);
                }
            }
        }

        return reached;
    }

    /// <summary>The activity as the designer draws it: a part of a composite is not drawn.</summary>
    private static ActivityNode Shown(ActivityNode node)
    {
        var shown = node;
        for (var at = node; at is not null; at = at.Parent)
        {
            shown = at.Descriptor.CompositeJson is not null ? at : shown;
        }

        return shown;
    }

    private static void Add(List<PublishFinding> findings, RuleWeight weight, string code, string sentence)
    {
        if (weight != RuleWeight.Off)
        {
            findings.Add(new(weight == RuleWeight.Error ? FindingSeverity.Error : FindingSeverity.Warning, code, sentence));
        }
    }
}
