using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Values;

namespace FailbackWorkflows.Engine.Interpretation;

/// <summary>
/// Branches and loops that hold activities in ports: what they start first and what follows when one of their activities has ended. Loop
/// variables belong to the round: each body has its own, so that rounds that run side by side do not see each other's.
/// </summary>
internal sealed class Containers
{
    public const string CurrentValue = "CurrentValue";
    public const string CurrentIndex = "CurrentIndex";
    public const string Body = "body";

    /// <summary>More rounds than this cannot run side by side: each is part of the instance's state, which is written at every step.</summary>
    public const int MostParallelRounds = 1_000;

    /// <summary>A container whose inputs are evaluated begins. False: it has nothing to run and is complete.</summary>
    public static bool Begin(Interpreter interpreter, Step step, Execution execution, ActivityNode node) => node.Descriptor.Shape switch
    {
        ActivityShape.Switch => BeginSwitch(interpreter, step, execution, node),
        ActivityShape.Fork or ActivityShape.Parallel => BeginAll(interpreter, step, execution, node),
        ActivityShape.ParallelForEach => BeginParallelForEach(interpreter, step, execution, node),
        _ => NextRound(interpreter, step, execution, node),
    };

    /// <summary>What follows when an activity of the container has completed. False: the container is complete.</summary>
    public static bool GoesOn(Interpreter interpreter, Step step, Execution container, ActivityNode node) => node.Descriptor.Shape switch
    {
        ActivityShape.For or ActivityShape.ForEach or ActivityShape.While => NextRound(interpreter, step, container, node),
        ActivityShape.Fork when IsWaitAny(container, node) => false,
        _ => Interpreter.HasChildren(step, container),
    };

    public static bool IsLoop(ActivityShape shape) => shape is ActivityShape.For or ActivityShape.ForEach or ActivityShape.ParallelForEach or ActivityShape.While;

    /// <summary>A Fork whose first branch to complete completes it.</summary>
    public static bool IsWaitAny(Execution execution, ActivityNode node) =>
        node.Descriptor.Shape == ActivityShape.Fork && Text(execution, "joinMode").Equals("WaitAny", StringComparison.OrdinalIgnoreCase);

    private static bool BeginSwitch(Interpreter interpreter, Step step, Execution execution, ActivityNode node)
    {
        var labels = execution.Inputs.GetValueOrDefault("cases") is IReadOnlyDictionary<string, object?> cases && cases["labels"] is IReadOnlyList<object?> matching ? matching : [];
        var ports = labels.Count == 0
            ? ["default"]
            : labels.Select(l => PortOfCase((string)l!)).Take(Text(execution, "mode").Equals("MatchAny", StringComparison.OrdinalIgnoreCase) ? labels.Count : 1);
        foreach (var port in ports)
        {
            if (node.Ports.TryGetValue(port, out var activity))
            {
                interpreter.ScheduleIn(step, execution, activity);
            }
        }

        return Interpreter.HasChildren(step, execution);
    }

    /// <summary>Name of the port that holds the activity of a case.</summary>
    public static string PortOfCase(string label) => $"cases[{label}]";

    private static bool BeginAll(Interpreter interpreter, Step step, Execution execution, ActivityNode node)
    {
        foreach (var child in node.Children)
        {
            interpreter.ScheduleIn(step, execution, child);
        }

        return node.Children.Count > 0;
    }

    private static bool BeginParallelForEach(Interpreter interpreter, Step step, Execution execution, ActivityNode node)
    {
        if (!node.Ports.TryGetValue(Body, out var body))
        {
            return false;
        }

        var items = Items(execution);
        if (items.Count > MostParallelRounds)
        {
            throw new RoundException("loop.tooMany", $"'{node.DisplayText}' has {items.Count} items. At most {MostParallelRounds} can run side by side: use a ForEach, or BulkDispatchWorkflows.");
        }

        for (var i = 0; i < items.Count; i++)
        {
            interpreter.ScheduleIn(step, execution, body, Round(items[i], i));
        }

        return items.Count > 0;
    }

    private static bool NextRound(Interpreter interpreter, Step step, Execution execution, ActivityNode node)
    {
        if (!node.Ports.TryGetValue(Body, out var body))
        {
            return false;
        }

        Dictionary<string, object?>? variables;
        switch (node.Descriptor.Shape)
        {
            case ActivityShape.While:
                if (!PlainValue.IsTrue(interpreter.Evaluate(step, execution, node, "condition")))
                {
                    return false;
                }

                variables = null;
                break;
            case ActivityShape.For:
                if (Number(execution, node) is not { } value)
                {
                    return false;
                }

                variables = new Dictionary<string, object?>(StringComparer.Ordinal) { [CurrentValue] = value };
                break;
            default:
                var items = Items(execution);
                if (execution.Next >= items.Count)
                {
                    return false;
                }

                variables = Round(items[execution.Next], execution.Next);
                break;
        }

        execution.Next++;
        if (variables is not null)
        {
            interpreter.Capture(step, execution, node, "currentValue", variables[CurrentValue]);
        }

        interpreter.ScheduleIn(step, execution, body, variables);
        return true;
    }

    private static Dictionary<string, object?> Round(object? item, int index) => new(StringComparer.Ordinal) { [CurrentValue] = item, [CurrentIndex] = (long)index };

    /// <summary>The number of the next round of a For, or null when it is over.</summary>
    private static long? Number(Execution execution, ActivityNode node)
    {
        try
        {
            var start = Whole(execution, "start", 0);
            var end = Whole(execution, "end", 0);
            var by = Whole(execution, "step", 1);
            if (by == 0)
            {
                throw new RoundException("loop.step", $"'{node.DisplayText}' would never end: its step is 0.");
            }

            var value = checked(start + (by * execution.Next));
            var isInclusive = !execution.Inputs.TryGetValue("outerBoundInclusive", out var inclusive) || PlainValue.IsTrue(inclusive);
            var isWithin = by > 0 ? value < end : value > end;
            return isWithin || (isInclusive && value == end) ? value : null;
        }
        catch (OverflowException)
        {
            return null;
        }
        catch (FormatException exception)
        {
            throw new RoundException("input.invalid", $"'{node.DisplayText}': {exception.Message}");
        }
    }

    private static long Whole(Execution execution, string input, long otherwise) =>
        execution.Inputs.TryGetValue(input, out var value) ? PlainValue.To<long>(value) : otherwise;

    private static IReadOnlyList<object?> Items(Execution execution) => execution.Inputs.GetValueOrDefault("items") switch
    {
        null => [],
        IReadOnlyList<object?> list => list,
        _ => throw new RoundException("items.invalid", "What is to be gone through is not a list."),
    };

    private static string Text(Execution execution, string input) => execution.Inputs.GetValueOrDefault(input) as string ?? string.Empty;
}

/// <summary>A container cannot go on: a fault of it.</summary>
internal sealed class RoundException(string kind, string message) : Exception(message)
{
    public ActivityFault Fault => new(kind, Message, false);
}
