using FailbackWorkflows.Engine.Expressions.Script.Builtins;

namespace FailbackWorkflows.Engine.Expressions.Script.Runtime;

internal sealed class Undefined
{
    public static readonly object Value = new Undefined();

    private Undefined()
    {
    }
}

/// <summary>
/// The conversions and comparisons of JavaScript. Numbers are boxed doubles, or boxed longs as the host gave them: a long
/// takes part in arithmetic as a double, and stays exact while it is only passed through or written as text.
/// </summary>
internal static class ScriptValues
{
    public static readonly object True = true;
    public static readonly object False = false;

    private const int SmallestCached = -128;

    // Indexes and counts are small; caching their boxes keeps loops over arrays from allocating.
    private static readonly object[] SmallNumbers =
        Enumerable.Range(SmallestCached, 1024 - SmallestCached).Select(n => (object)(double)n).ToArray();

    public static object Bool(bool value) => value ? True : False;

    public static object Number(double value)
    {
        var small = (int)value;
        return small == value && small is >= SmallestCached and < 1024 && (small != 0 || !double.IsNegative(value))
            ? SmallNumbers[small - SmallestCached]
            : value;
    }

    public static bool IsNullish(object? value) => value is null || ReferenceEquals(value, Undefined.Value);

    public static bool TryNumber(object? value, out double number)
    {
        switch (value)
        {
            case double d:
                number = d;
                return true;
            case long l:
                number = l;
                return true;
            default:
                number = 0;
                return false;
        }
    }

    /// <summary>Accepts a value of the host. Other numbers than long and double are tolerated, as hosts forget to convert.</summary>
    public static object? Import(Evaluation e, object? value, string what) => value switch
    {
        null or bool or long or double or string => value,
        IReadOnlyDictionary<string, object?> or IReadOnlyList<object?> => value,
        int i => (long)i,
        decimal m => (double)m,
        float f => (double)f,
        _ => throw e.Error($"{what} is a {value.GetType().Name}, which expressions cannot read."),
    };

    public static bool Truthy(object? value) => value switch
    {
        null => false,
        bool b => b,
        double d => d != 0 && !double.IsNaN(d),
        long l => l != 0,
        string s => s.Length > 0,
        _ => !ReferenceEquals(value, Undefined.Value),
    };

    public static string TypeOf(object? value) => value switch
    {
        Undefined => "undefined",
        bool => "boolean",
        double or long => "number",
        string => "string",
        Callable => "function",
        _ => "object",
    };

    /// <summary>The kind of a value for messages, where typeof would say "object" for most.</summary>
    public static string Describe(object? value) => value switch
    {
        null => "null",
        IReadOnlyDictionary<string, object?> => "an object",
        IReadOnlyList<object?> => "an array",
        ScriptDate => "a date",
        Undefined => "undefined",
        _ => "a " + TypeOf(value),
    };

    public static double ToNumber(Evaluation e, object? value)
    {
        switch (value)
        {
            case double d:
                return d;
            case long l:
                return l;
            case null:
                return 0;
            case bool b:
                return b ? 1 : 0;
            case string s:
                e.ChargeChars(s.Length);
                return NumberText.Parse(s);
            case Undefined:
                return double.NaN;
            case ScriptDate date:
                return date.Milliseconds;
            default:
                return NumberText.Parse(ToText(e, value));
        }
    }

    /// <summary>A number cut to an integer; NaN is 0 and the infinities stay.</summary>
    public static double ToInteger(Evaluation e, object? value)
    {
        var number = ToNumber(e, value);
        return double.IsNaN(number) ? 0 : Math.Truncate(number);
    }

    public static int ToInt32(Evaluation e, object? value)
    {
        var number = ToNumber(e, value);
        return double.IsFinite(number) ? unchecked((int)(long)(Math.Truncate(number) % 4294967296.0)) : 0;
    }

    public static string ToText(Evaluation e, object? value)
    {
        switch (value)
        {
            case string s:
                return s;
            case double d:
                return NumberText.Format(d);
            case long l:
                return NumberText.Format(l);
            case null:
                return "null";
            case bool b:
                return b ? "true" : "false";
            case Undefined:
                return "undefined";
            case ScriptDate date:
                return date.ToText();
            case IReadOnlyDictionary<string, object?>:
                return "[object Object]";
            case IReadOnlyList<object?> list:
                return ArrayMethods.Join(e, list, ",");
            case Callable:
                throw e.Error("A function is used where a value is needed; call it.");
            default:
                throw e.Error($"A {value.GetType().Name} is not a plain value.");
        }
    }

    /// <summary>Objects become text, as none of them has a number but dates, which callers look for first.</summary>
    public static object? ToPrimitive(Evaluation e, object? value) =>
        value is null or bool or double or long or string or Undefined ? value : ToText(e, value);

    public static object Add(Evaluation e, object? left, object? right)
    {
        if (TryNumber(left, out var a) && TryNumber(right, out var b))
        {
            return Number(a + b);
        }

        left = ToPrimitive(e, left);
        right = ToPrimitive(e, right);
        if (left is not string && right is not string)
        {
            return Number(ToNumber(e, left) + ToNumber(e, right));
        }

        var head = ToText(e, left);
        var tail = ToText(e, right);
        e.ReserveText((long)head.Length + tail.Length);
        return head + tail;
    }

    public static bool StrictEquals(Evaluation e, object? left, object? right)
    {
        if (TryNumber(left, out var a))
        {
            return TryNumber(right, out var b) && a == b;
        }

        return left switch
        {
            string s => right is string t && TextEquals(e, s, t),
            bool p => right is bool q && p == q,
            _ => ReferenceEquals(left, right),
        };
    }

    /// <summary>As ===, but NaN equals itself: the comparison of includes.</summary>
    public static bool SameValue(Evaluation e, object? left, object? right) =>
        StrictEquals(e, left, right) || (left is double.NaN && right is double.NaN);

    public static bool LooseEquals(Evaluation e, object? left, object? right)
    {
        if (IsNullish(left) || IsNullish(right))
        {
            return IsNullish(left) && IsNullish(right);
        }

        var leftIsPrimitive = left is bool or double or long or string;
        var rightIsPrimitive = right is bool or double or long or string;
        if (!leftIsPrimitive && !rightIsPrimitive)
        {
            return ReferenceEquals(left, right);
        }

        left = ToPrimitive(e, left);
        right = ToPrimitive(e, right);
        return left is string s && right is string t
            ? TextEquals(e, s, t)
            : ToNumber(e, left) == ToNumber(e, right);
    }

    /// <summary>Orders two values for &lt; and its kin; null when one of them is NaN.</summary>
    public static int? Compare(Evaluation e, object? left, object? right)
    {
        if (left is not ScriptDate)
        {
            left = ToPrimitive(e, left);
        }

        if (right is not ScriptDate)
        {
            right = ToPrimitive(e, right);
        }

        if (left is string s && right is string t)
        {
            e.ChargeChars(Math.Min(s.Length, t.Length));
            return string.CompareOrdinal(s, t);
        }

        var a = ToNumber(e, left);
        var b = ToNumber(e, right);
        return double.IsNaN(a) || double.IsNaN(b) ? null : a.CompareTo(b);
    }

    public static double Power(double value, double exponent) =>
        // .NET follows IEEE 754 and answers 1 here; JavaScript does not.
        double.IsNaN(exponent) || (Math.Abs(value) == 1 && double.IsInfinity(exponent)) ? double.NaN : Math.Pow(value, exponent);

    private static bool TextEquals(Evaluation e, string left, string right)
    {
        if (left.Length != right.Length)
        {
            return false;
        }

        e.ChargeChars(left.Length);
        return string.Equals(left, right, StringComparison.Ordinal);
    }
}
