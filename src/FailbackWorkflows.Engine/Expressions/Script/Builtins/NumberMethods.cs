using System.Collections.Frozen;
using FailbackWorkflows.Engine.Expressions.Script.Runtime;

namespace FailbackWorkflows.Engine.Expressions.Script.Builtins;

/// <summary>The methods of numbers.</summary>
internal static class NumberMethods
{
    private static readonly FrozenDictionary<string, Method<object>> Methods = new Dictionary<string, Method<object>>
    {
        ["toFixed"] = static (e, n, a) => ToFixed(e, ScriptValues.ToNumber(e, n), ScriptValues.ToInteger(e, a.At(0))),
        ["toString"] = static (e, n, a) => a.Missing(0) ? ScriptValues.ToText(e, n) : ToText(e, n, ScriptValues.ToInteger(e, a[0])),
        ["valueOf"] = static (_, n, _) => n,
    }.ToFrozenDictionary();

    public static Method<object>? Find(string name) => Methods.GetValueOrDefault(name);

    private static string ToFixed(Evaluation e, double number, double digits)
    {
        if (digits is < 0 or > 100)
        {
            throw e.Error("toFixed takes 0 to 100 digits.");
        }

        return !double.IsFinite(number) || Math.Abs(number) >= 1e21 ? NumberText.Format(number) : NumberText.FormatFixed(number, (int)digits);
    }

    private static string ToText(Evaluation e, object number, double radix) => radix switch
    {
        10 => ScriptValues.ToText(e, number),
        >= 2 and <= 36 => NumberText.Format(ScriptValues.ToNumber(e, number), (int)radix),
        _ => throw e.Error("toString takes a radix from 2 to 36."),
    };
}
