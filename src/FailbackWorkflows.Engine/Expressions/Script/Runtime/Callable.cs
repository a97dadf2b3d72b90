using FailbackWorkflows.Engine.Expressions.Script.Syntax;

namespace FailbackWorkflows.Engine.Expressions.Script.Runtime;

/// <summary>A function as a value.</summary>
internal abstract class Callable
{
    public abstract object? Invoke(Evaluation e, object?[] arguments);

    /// <summary>A call from a built-in such as map: item, index and array, or what else it passes.</summary>
    public virtual object? Invoke(Evaluation e, object? first, object? second, object? third) => Invoke(e, [first, second, third]);
}

internal delegate object? BuiltinFunction(Evaluation e, object?[] arguments);

internal sealed class Builtin(BuiltinFunction function) : Callable
{
    public override object? Invoke(Evaluation e, object?[] arguments) => function(e, arguments);
}

/// <summary>An arrow function together with the frame it was written in.</summary>
internal sealed class Closure(ArrowNode arrow, Frame parent) : Callable
{
    public override object? Invoke(Evaluation e, object?[] arguments)
    {
        var frame = new Frame(arrow.Slots, parent);
        for (var i = 0; i < arrow.ParameterCount; i++)
        {
            arrow.Bind(e, frame, i, i < arguments.Length ? arguments[i] : Undefined.Value);
        }

        return Run(e, frame);
    }

    // The way of map and its kin: no array per element for the arguments.
    public override object? Invoke(Evaluation e, object? first, object? second, object? third)
    {
        if (arrow.ParameterCount > 3)
        {
            return Invoke(e, [first, second, third]);
        }

        var frame = new Frame(arrow.Slots, parent);
        arrow.Bind(e, frame, 0, first);
        arrow.Bind(e, frame, 1, second);
        arrow.Bind(e, frame, 2, third);
        return Run(e, frame);
    }

    private object? Run(Evaluation e, Frame frame)
    {
        e.EnterCall();
        var result = arrow.RunBody(e, frame);
        e.LeaveCall();
        return result;
    }
}
