using FailbackWorkflows.Engine.Expressions.Script.Runtime;

namespace FailbackWorkflows.Engine.Expressions.Script.Builtins;

/// <summary>A built-in method of values of one kind.</summary>
internal delegate object? Method<in T>(Evaluation e, T self, object?[] arguments);

internal static class Arguments
{
    public static object? At(this object?[] arguments, int index) => index < arguments.Length ? arguments[index] : Undefined.Value;

    public static Callable Function(this object?[] arguments, Evaluation e, int index, string method) =>
        arguments.At(index) as Callable ?? throw e.Error($"{method} needs a function, not {ScriptValues.Describe(arguments.At(index))}.");

    public static bool Missing(this object?[] arguments, int index) => ReferenceEquals(arguments.At(index), Undefined.Value);

    /// <summary>An index of slice and its kin: negative counts from the end, and the result is within the length.</summary>
    public static int Relative(this object?[] arguments, Evaluation e, int index, int length, int whenMissing)
    {
        if (arguments.Missing(index))
        {
            return whenMissing;
        }

        var value = ScriptValues.ToInteger(e, arguments[index]);
        return (int)(value < 0 ? Math.Max(0, length + value) : Math.Min(value, length));
    }

    public static int Clamped(this object?[] arguments, Evaluation e, int index, int length, int whenMissing) =>
        arguments.Missing(index) ? whenMissing : (int)Math.Clamp(ScriptValues.ToInteger(e, arguments[index]), 0, length);
}
