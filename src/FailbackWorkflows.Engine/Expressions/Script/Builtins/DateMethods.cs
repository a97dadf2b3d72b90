using System.Collections.Frozen;
using FailbackWorkflows.Engine.Expressions.Script.Runtime;

namespace FailbackWorkflows.Engine.Expressions.Script.Builtins;

/// <summary>The methods of dates, in UTC only.</summary>
internal static class DateMethods
{
    private static readonly FrozenDictionary<string, Method<ScriptDate>> Methods = new Dictionary<string, Method<ScriptDate>>
    {
        ["getTime"] = static (_, d, _) => ScriptValues.Number(d.Milliseconds),
        ["valueOf"] = static (_, d, _) => ScriptValues.Number(d.Milliseconds),
        ["toString"] = static (_, d, _) => d.ToText(),
        ["toISOString"] = static (e, d, _) => d.IsValid ? d.ToText() : throw e.Error("This date is invalid."),
        ["toJSON"] = static (_, d, _) => d.IsValid ? d.ToText() : null,
        ["getUTCFullYear"] = Part(static d => d.Calendar.Year),
        ["getUTCMonth"] = Part(static d => d.Calendar.Month - 1),
        ["getUTCDate"] = Part(static d => d.Calendar.Day),
        ["getUTCDay"] = Part(static d => (((d.Day + 4) % 7) + 7) % 7),
        ["getUTCHours"] = Part(static d => d.MillisecondOfDay / 3_600_000),
        ["getUTCMinutes"] = Part(static d => d.MillisecondOfDay / 60_000 % 60),
        ["getUTCSeconds"] = Part(static d => d.MillisecondOfDay / 1000 % 60),
        ["getUTCMilliseconds"] = Part(static d => d.MillisecondOfDay % 1000),
    }.ToFrozenDictionary();

    public static Method<ScriptDate>? Find(string name) => Methods.GetValueOrDefault(name);

    public static double Parse(Evaluation e, string text)
    {
        e.ChargeChars(text.Length);
        return ScriptDate.Parse(text);
    }

    private static Method<ScriptDate> Part(Func<ScriptDate, long> read) =>
        (_, date, _) => ScriptValues.Number(date.IsValid ? read(date) : double.NaN);
}
