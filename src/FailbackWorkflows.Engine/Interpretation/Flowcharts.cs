using FailbackWorkflows.Engine.Definitions;

namespace FailbackWorkflows.Engine.Interpretation;

/// <summary>
/// Elsa's token semantics. A completed activity puts a token on each outbound connection whose port is among its outcomes, and consumes
/// the tokens it ran for. A target runs when its merge mode says so.
/// </summary>
internal sealed class Flowcharts
{
    public void ChildCompleted(Interpreter interpreter, Step step, Execution flowchart, ActivityNode node, ActivityNode child, IReadOnlyList<string> outcomes)
    {
        var tokens = flowchart.Tokens!;
        tokens.RemoveAll(t => t.To == child.Id && t.IsTaken);
        foreach (var connection in child.Outbound)
        {
            if (outcomes.Contains(connection.Port))
            {
                tokens.Add(new Token { From = child.Id, To = connection.Target.Id, IsBackward = connection.IsBackward });
            }
        }

        // Only targets with a waiting token can become runnable; a completion can free any of them, not just the child's own.
        foreach (var target in node.Children)
        {
            while (tokens.Exists(t => t.To == target.Id && !t.IsTaken) && CanRun(step, flowchart, tokens, target))
            {
                Take(interpreter, step, flowchart, node, tokens, target);
                if (target.Merge != MergeMode.Cascade)
                {
                    break;
                }
            }
        }

        if (!step.State.Executions.Exists(e => e.ParentId == flowchart.Id))
        {
            if (tokens.Count == 0)
            {
                interpreter.FlowchartEnded(step, flowchart);
            }

            // Tokens that nobody can take: the interpreter sees that nothing is left to run and stops the instance in sight.
        }
    }

    private static bool CanRun(Step step, Execution flowchart, List<Token> tokens, ActivityNode target)
    {
        if (target.Merge is MergeMode.Cascade)
        {
            return true;
        }

        var isBusy = step.State.Executions.Exists(e => e.ParentId == flowchart.Id && e.NodeId == target.NodeId);
        if (isBusy)
        {
            // Its own loop or another branch reached it while it still runs; it runs again when it is free.
            return false;
        }

        return target.Merge switch
        {
            MergeMode.Merge => target.Inbound.Where(c => !c.IsBackward).All(c => HasToken(tokens, c))
                || tokens.Exists(t => t.To == target.Id && !t.IsTaken && t.IsBackward),
            MergeMode.Converge => target.Inbound.All(c => HasToken(tokens, c)),
            MergeMode.Race => true,
            _ => target.Inbound.Where(c => !c.IsBackward).All(c => HasToken(tokens, c) || !IsUpstreamBusy(step, flowchart, tokens, c.Source)),
        };
    }

    private static bool HasToken(List<Token> tokens, Connection connection) =>
        tokens.Exists(t => t.From == connection.Source.Id && t.To == connection.Target.Id && !t.IsTaken);

    /// <summary>The source runs, is queued, or has a token of its own to run for.</summary>
    private static bool IsUpstreamBusy(Step step, Execution flowchart, List<Token> tokens, ActivityNode source) =>
        tokens.Exists(t => t.To == source.Id) || step.State.Executions.Exists(e => e.ParentId == flowchart.Id && e.NodeId == source.NodeId);

    private static void Take(Interpreter interpreter, Step step, Execution flowchart, ActivityNode node, List<Token> tokens, ActivityNode target)
    {
        if (target.Merge == MergeMode.Cascade)
        {
            tokens.Find(t => t.To == target.Id && !t.IsTaken)!.IsTaken = true;
        }
        else
        {
            foreach (var token in tokens.Where(t => t.To == target.Id))
            {
                token.IsTaken = true;
            }
        }

        if (target.Merge == MergeMode.Race)
        {
            CancelRivals(interpreter, step, flowchart, node, tokens, target);
        }

        interpreter.ScheduleIn(step, flowchart, target);
    }

    /// <summary>The winner of a race ends everything upstream of it that still runs, and what its rivals had under way.</summary>
    private static void CancelRivals(Interpreter interpreter, Step step, Execution flowchart, ActivityNode node, List<Token> tokens, ActivityNode target)
    {
        var upstream = new HashSet<string>(StringComparer.Ordinal);
        var queue = new Queue<ActivityNode>([target]);
        while (queue.TryDequeue(out var next))
        {
            foreach (var connection in next.Inbound.Where(c => !c.IsBackward))
            {
                if (upstream.Add(connection.Source.Id))
                {
                    queue.Enqueue(connection.Source);
                }
            }
        }

        upstream.Remove(target.Id);
        foreach (var execution in step.State.Executions.Where(e => e.ParentId == flowchart.Id && upstream.Contains(interpreter.NodeOf(e).Id)).ToList())
        {
            interpreter.CancelChild(step, execution);
        }

        tokens.RemoveAll(t => upstream.Contains(t.To));
    }
}
