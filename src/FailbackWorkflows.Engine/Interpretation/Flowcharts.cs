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
        for (var i = tokens.Count - 1; i >= 0; i--)
        {
            if (tokens[i].To == child.Id && tokens[i].IsTaken)
            {
                tokens.RemoveAt(i);
            }
        }

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
            while (IsWaiting(tokens, target) && CanRun(step, flowchart, tokens, target))
            {
                Take(interpreter, step, flowchart, node, tokens, target);
                if (target.Merge != MergeMode.Cascade)
                {
                    break;
                }
            }
        }

        if (!Interpreter.HasChildren(step, flowchart))
        {
            if (tokens.Count == 0)
            {
                interpreter.FlowchartEnded(step, flowchart);
            }
            else
            {
                // Tokens that nobody will ever take. Elsa would leave a suspended instance that nothing can wake; here it is said at once.
                interpreter.FlowchartStuck(step, flowchart, Waiting(node, tokens));
            }
        }
    }

    private static bool CanRun(Step step, Execution flowchart, List<Token> tokens, ActivityNode target)
    {
        if (target.Merge is MergeMode.Cascade)
        {
            return true;
        }

        if (IsRunning(step, flowchart, target))
        {
            // Its own loop or another branch reached it while it still runs; it runs again when it is free.
            return false;
        }

        return target.Merge switch
        {
            MergeMode.Merge => target.Inbound.All(c => c.IsBackward || HasToken(tokens, c)) || CameBack(tokens, target),
            MergeMode.Converge => target.Inbound.All(c => HasToken(tokens, c)),
            MergeMode.Race => true,
            MergeMode.AllActive => IsAllThatComes(step, flowchart, tokens, target),
            _ => IsStreamComplete(step, flowchart, tokens, target),
        };
    }

    private static bool IsStreamComplete(Step step, Execution flowchart, List<Token> tokens, ActivityNode target)
    {
        foreach (var connection in target.Inbound)
        {
            if (!connection.IsBackward && !HasToken(tokens, connection) && IsUpstreamBusy(step, flowchart, tokens, connection.Source))
            {
                return false;
            }
        }

        return true;
    }

    // Plain loops from here on: these run for every activity of every instance, and a lambda would allocate each time.
    private static bool IsWaiting(List<Token> tokens, ActivityNode target)
    {
        foreach (var token in tokens)
        {
            if (!token.IsTaken && token.To == target.Id)
            {
                return true;
            }
        }

        return false;
    }

    private static bool CameBack(List<Token> tokens, ActivityNode target) => tokens.Exists(t => t.To == target.Id && !t.IsTaken && t.IsBackward);

    private static bool HasToken(List<Token> tokens, Connection connection)
    {
        foreach (var token in tokens)
        {
            if (!token.IsTaken && token.To == connection.Target.Id && token.From == connection.Source.Id)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The source runs, is queued, or has a token of its own to run for.</summary>
    private static bool IsUpstreamBusy(Step step, Execution flowchart, List<Token> tokens, ActivityNode source)
    {
        foreach (var token in tokens)
        {
            if (token.To == source.Id)
            {
                return true;
            }
        }

        return IsRunning(step, flowchart, source);
    }

    private static bool IsRunning(Step step, Execution flowchart, ActivityNode child)
    {
        foreach (var execution in step.State.Executions)
        {
            if (execution.ParentId == flowchart.Id && execution.NodeId == child.NodeId)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The first activity in the definition's order that tokens wait for in vain.</summary>
    private static ActivityNode Waiting(ActivityNode flowchart, List<Token> tokens) => flowchart.Children.First(c => IsWaiting(tokens, c));

    /// <summary>Nothing before the target in the flowchart runs or has a token: what has arrived is all there will be.</summary>
    private static bool IsAllThatComes(Step step, Execution flowchart, List<Token> tokens, ActivityNode target)
    {
        foreach (var source in Upstream(target))
        {
            if (IsUpstreamBusy(step, flowchart, tokens, source))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Everything that leads to the target, backward connections aside.</summary>
    private static List<ActivityNode> Upstream(ActivityNode target)
    {
        var seen = new HashSet<ActivityNode> { target };
        var queue = new Queue<ActivityNode>([target]);
        while (queue.TryDequeue(out var next))
        {
            foreach (var connection in next.Inbound)
            {
                if (!connection.IsBackward && seen.Add(connection.Source))
                {
                    queue.Enqueue(connection.Source);
                }
            }
        }

        seen.Remove(target);
        return [.. seen];
    }

    private static void Take(Interpreter interpreter, Step step, Execution flowchart, ActivityNode node, List<Token> tokens, ActivityNode target)
    {
        if (target.Merge == MergeMode.Cascade)
        {
            tokens.Find(t => t.To == target.Id && !t.IsTaken)!.IsTaken = true;
        }
        else
        {
            foreach (var token in tokens)
            {
                token.IsTaken |= token.To == target.Id;
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
        var upstream = Upstream(target).Select(n => n.Id).ToHashSet(StringComparer.Ordinal);
        foreach (var execution in step.State.Executions.Where(e => e.ParentId == flowchart.Id && upstream.Contains(interpreter.NodeOf(e).Id)).ToList())
        {
            interpreter.CancelChild(step, execution);
        }

        tokens.RemoveAll(t => upstream.Contains(t.To));
    }
}
