using FailbackWorkflows.Engine.Expressions.Script.Syntax;

namespace FailbackWorkflows.Engine.Expressions.Script.Runtime;

/// <summary>Reading what a value holds. Only its own data: there are no prototypes to climb and no CLR members to reach.</summary>
internal static class Properties
{
    public static object? Get(Evaluation e, object? target, string name)
    {
        switch (target)
        {
            case string text:
                return name == "length" ? ScriptValues.Number(text.Length) : TryIndex(name, out var at) ? CharAt(text, at) : Undefined.Value;
            case IReadOnlyDictionary<string, object?> map:
                return !Vocabulary.IsForbiddenProperty(name) && map.TryGetValue(name, out var value) ? value : Undefined.Value;
            case IReadOnlyList<object?> list:
                return name == "length" ? ScriptValues.Number(list.Count) : TryIndex(name, out var index) ? ItemAt(list, index) : Undefined.Value;
            case null or Undefined:
                throw e.Error($"Cannot read '{Shorten(name)}' of {ScriptValues.Describe(target)}; write ?. if it may be missing.");
            default:
                return Undefined.Value;
        }
    }

    public static object? GetIndex(Evaluation e, object? target, object? key)
    {
        if (ScriptValues.TryNumber(key, out var number))
        {
            switch (target)
            {
                case string text:
                    return CharAt(text, number);
                case IReadOnlyList<object?> list when target is not IReadOnlyDictionary<string, object?>:
                    return ItemAt(list, number);
            }
        }

        return Get(e, target, ScriptValues.ToText(e, key));
    }

    public static bool Has(Evaluation e, object? target, object? key)
    {
        var name = ScriptValues.ToText(e, key);
        return target switch
        {
            IReadOnlyDictionary<string, object?> map => !Vocabulary.IsForbiddenProperty(name) && map.ContainsKey(name),
            IReadOnlyList<object?> list => name == "length" || (TryIndex(name, out var index) && index < list.Count),
            _ => throw e.Error($"'in' needs an object or an array on its right, not {ScriptValues.Describe(target)}."),
        };
    }

    /// <summary>The own properties in the order of JavaScript: whole numbers ascending, then the rest as they were added.</summary>
    public static IEnumerable<KeyValuePair<string, object?>> Of(IReadOnlyDictionary<string, object?> map)
    {
        foreach (var (name, _) in map)
        {
            if (TryIndex(name, out _))
            {
                return map.OrderBy(pair => TryIndex(pair.Key, out var index) ? index : double.PositiveInfinity);
            }
        }

        return map;
    }

    public static string Shorten(string text) => text.Length <= 60 ? text : text[..60] + "…";

    private static object? CharAt(string text, double index) =>
        index >= 0 && index < text.Length && index == Math.Floor(index) ? text[(int)index].ToString() : Undefined.Value;

    private static object? ItemAt(IReadOnlyList<object?> list, double index) =>
        index >= 0 && index < list.Count && index == Math.Floor(index) ? list[(int)index] : Undefined.Value;

    private static bool TryIndex(string name, out double index)
    {
        index = 0;
        if (name.Length is 0 or > 10 || (name[0] == '0' && name.Length > 1))
        {
            return false;
        }

        foreach (var c in name)
        {
            if (!char.IsAsciiDigit(c))
            {
                return false;
            }

            index = (index * 10) + (c - '0');
        }

        return index < uint.MaxValue;
    }
}
