namespace FailbackWorkflows.Engine.Expressions.Script.Runtime;

/// <summary>The way out: turns a value of the script into the plain value the engine stores.</summary>
internal static class PlainValue
{
    private const double MaxExactInteger = 9007199254740992;

    public static object? From(Evaluation e, object? value)
    {
        long chars = 0;
        return From(e, value, ref chars);
    }

    private static object? From(Evaluation e, object? value, ref long chars)
    {
        switch (value)
        {
            case null or bool or long:
                return value;
            case double d:
                return FromNumber(d, value);
            case string text:
                Count(e, text, ref chars);
                return text;
            case Undefined:
                return null;
            case ScriptDate date:
                return double.IsNaN(date.Milliseconds) ? null : date.ToText();
            case Callable:
                throw e.Error("The result is a function; call it.");
            case IReadOnlyDictionary<string, object?> map:
                return FromMap(e, map, ref chars);
            case IReadOnlyList<object?> list:
                return FromList(e, list, ref chars);
            default:
                throw e.Error($"The result holds a {value.GetType().Name}, which is not a plain value.");
        }
    }

    /// <summary>A saved and reloaded state must equal the one in memory, and JSON has one form for whole numbers and no NaN.</summary>
    private static object? FromNumber(double number, object boxed) =>
        !double.IsFinite(number) ? null
        : number == Math.Floor(number) && Math.Abs(number) <= MaxExactInteger ? (long)number
        : boxed;

    private static object FromMap(Evaluation e, IReadOnlyDictionary<string, object?> map, ref long chars)
    {
        e.EnterLevel();
        e.Charge(map.Count);
        OrderedDictionary<string, object?>? copy = null;
        foreach (var (name, item) in map)
        {
            Count(e, name, ref chars);
            var plain = From(e, item, ref chars);
            if (!ReferenceEquals(plain, item))
            {
                copy ??= new OrderedDictionary<string, object?>(map);
                copy[name] = plain;
            }
        }

        e.LeaveLevel();
        return copy ?? map;
    }

    private static object FromList(Evaluation e, IReadOnlyList<object?> list, ref long chars)
    {
        e.EnterLevel();
        e.Charge(list.Count);
        object?[]? copy = null;
        for (var i = 0; i < list.Count; i++)
        {
            var plain = From(e, list[i], ref chars);
            if (!ReferenceEquals(plain, list[i]))
            {
                copy ??= list.ToArray();
                copy[i] = plain;
            }
        }

        e.LeaveLevel();
        return copy ?? list;
    }

    private static void Count(Evaluation e, string text, ref long chars)
    {
        chars += text.Length;
        if (chars > e.MaxTextChars)
        {
            throw e.Error($"The result holds more than {e.MaxTextChars} characters of text.");
        }
    }
}
