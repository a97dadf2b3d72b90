using System.Collections.Frozen;
using FailbackWorkflows.Engine.Expressions.Script.Runtime;
using FailbackWorkflows.Engine.Expressions.Script.Syntax;

namespace FailbackWorkflows.Engine.Expressions.Script.Builtins;

/// <summary>The names that every expression knows, other than those that read the workflow.</summary>
internal static class Globals
{
    private static readonly FrozenSet<string> Namespaces =
        new[] { "Math", "JSON", "Object", "Array", "Number", "String", "Boolean", "Date" }.ToFrozenSet();

    private static readonly FrozenDictionary<string, object> Known = All();

    public static bool IsNamespace(string name) => Namespaces.Contains(name);

    public static bool TryFind(string name, out object? value) => Known.TryGetValue(name, out value);

    private static FrozenDictionary<string, object> All()
    {
        var known = new Dictionary<string, object>
        {
            ["undefined"] = Undefined.Value,
            ["NaN"] = double.NaN,
            ["Infinity"] = double.PositiveInfinity,
            ["Math.PI"] = Math.PI,
            ["Math.E"] = Math.E,
            ["Number.MAX_SAFE_INTEGER"] = 9007199254740991.0,
            ["Number.MIN_SAFE_INTEGER"] = -9007199254740991.0,
            ["Number.EPSILON"] = Math.Pow(2, -52),
        };
        AddConversions(known);
        AddMath(known);
        AddObjects(known);
        AddJson(known);
        return known.ToFrozenDictionary();
    }

    private static void Add(Dictionary<string, object> known, string name, BuiltinFunction function) =>
        known.Add(name, new Builtin(function));

    private static void AddConversions(Dictionary<string, object> known)
    {
        Add(known, "Number", static (e, a) => ScriptValues.Number(a.Length == 0 ? 0 : ScriptValues.ToNumber(e, a[0])));
        Add(known, "String", static (e, a) => a.Length == 0 ? "" : ScriptValues.ToText(e, a[0]));
        Add(known, "Boolean", static (_, a) => ScriptValues.Bool(ScriptValues.Truthy(a.At(0))));
        Add(known, "isNaN", static (e, a) => ScriptValues.Bool(double.IsNaN(ScriptValues.ToNumber(e, a.At(0)))));
        Add(known, "isFinite", static (e, a) => ScriptValues.Bool(double.IsFinite(ScriptValues.ToNumber(e, a.At(0)))));
        Add(known, "Number.isNaN", static (_, a) => ScriptValues.Bool(a.At(0) is double.NaN));
        Add(known, "Number.isFinite", static (_, a) => ScriptValues.Bool(ScriptValues.TryNumber(a.At(0), out var n) && double.IsFinite(n)));
        Add(known, "Number.isInteger", static (_, a) => ScriptValues.Bool(IsInteger(a.At(0), double.MaxValue)));
        Add(known, "Number.isSafeInteger", static (_, a) => ScriptValues.Bool(IsInteger(a.At(0), 9007199254740991)));
        Add(known, "parseInt", ParseInt);
        Add(known, "parseFloat", ParseFloat);
        known.Add("Number.parseInt", known["parseInt"]);
        known.Add("Number.parseFloat", known["parseFloat"]);
        Add(known, "Date.parse", static (e, a) => ScriptValues.Number(DateMethods.Parse(e, ScriptValues.ToText(e, a.At(0)))));
        Add(known, "isNullOrEmpty", static (e, a) => ScriptValues.Bool(ScriptValues.IsNullish(a.At(0)) || ScriptValues.ToText(e, a[0]).Length == 0));
        Add(known, "isNullOrWhiteSpace", static (e, a) => ScriptValues.Bool(ScriptValues.IsNullish(a.At(0)) || IsBlank(e, ScriptValues.ToText(e, a[0]))));
    }

    private static bool IsInteger(object? value, double largest) =>
        ScriptValues.TryNumber(value, out var number) && number == Math.Truncate(number) && Math.Abs(number) <= largest;

    private static bool IsBlank(Evaluation e, string text)
    {
        e.ChargeChars(text.Length);
        return NumberText.Trim(text).Length == 0;
    }

    private static object ParseInt(Evaluation e, object?[] arguments)
    {
        var source = ScriptValues.ToText(e, arguments.At(0));
        e.ChargeChars(source.Length);
        var text = NumberText.Trim(source, end: false);
        var negative = text.Length > 0 && text[0] == '-';
        if (text.Length > 0 && text[0] is '-' or '+')
        {
            text = text[1..];
        }

        var radix = ScriptValues.ToInt32(e, arguments.At(1));
        if (radix is 0 or 16 && text.StartsWith("0x", StringComparison.OrdinalIgnoreCase))
        {
            text = text[2..];
            radix = 16;
        }

        radix = radix == 0 ? 10 : radix;
        var number = radix is >= 2 and <= 36 ? NumberText.ParseDigits(text, radix, out _) : double.NaN;
        return ScriptValues.Number(negative ? -number : number);
    }

    private static object ParseFloat(Evaluation e, object?[] arguments)
    {
        var source = ScriptValues.ToText(e, arguments.At(0));
        e.ChargeChars(source.Length);
        return ScriptValues.Number(NumberText.ParseLeading(NumberText.Trim(source), out _));
    }

    private static void AddMath(Dictionary<string, object> known)
    {
        void AddOne(string name, Func<double, double> function) =>
            Add(known, name, (e, a) => ScriptValues.Number(function(ScriptValues.ToNumber(e, a.At(0)))));

        AddOne("Math.abs", Math.Abs);
        AddOne("Math.ceil", Math.Ceiling);
        AddOne("Math.floor", Math.Floor);
        AddOne("Math.trunc", Math.Truncate);
        AddOne("Math.sqrt", Math.Sqrt);
        AddOne("Math.sign", static x => double.IsNaN(x) || x == 0 ? x : Math.Sign(x));
        // Halves go up, also below zero: Math.round(-2.5) is -2.
        AddOne("Math.round", static x => Math.Floor(x) is var floor && x - floor >= 0.5 ? floor + 1 : floor);
        Add(known, "Math.pow", static (e, a) => ScriptValues.Number(ScriptValues.Power(ScriptValues.ToNumber(e, a.At(0)), ScriptValues.ToNumber(e, a.At(1)))));
        Add(known, "Math.min", static (e, a) => Fold(e, a, double.PositiveInfinity, Math.Min));
        Add(known, "Math.max", static (e, a) => Fold(e, a, double.NegativeInfinity, Math.Max));
    }

    private static object Fold(Evaluation e, object?[] arguments, double start, Func<double, double, double> pick) =>
        ScriptValues.Number(arguments.Aggregate(start, (result, item) => pick(result, ScriptValues.ToNumber(e, item))));

    private static void AddObjects(Dictionary<string, object> known)
    {
        Add(known, "Object.keys", static (e, a) => Entries(e, a, "Object.keys").Select(p => (object?)p.Key).ToArray());
        Add(known, "Object.values", static (e, a) => Entries(e, a, "Object.values").Select(p => p.Value).ToArray());
        Add(known, "Object.entries", static (e, a) =>
            Entries(e, a, "Object.entries").Select(p => (object?)new[] { p.Key, p.Value }).ToArray());
        Add(known, "Object.hasOwn", static (e, a) => ScriptValues.Bool(Properties.Has(e, a.At(0), a.At(1))));
        Add(known, "Object.fromEntries", FromEntries);
        Add(known, "Object.assign", static (e, a) =>
        {
            if (a.At(0) is not IReadOnlyDictionary<string, object?>)
            {
                throw e.Error($"Object.assign needs an object, not {ScriptValues.Describe(a.At(0))}.");
            }

            var map = new OrderedDictionary<string, object?>();
            foreach (var source in a)
            {
                ObjectNode.Spread(e, source, map);
            }

            return map;
        });
        Add(known, "Array.isArray", static (e, a) => ScriptValues.Bool(ArrayMethods.IsArray(a.At(0), out _)));
        Add(known, "Array.from", ArrayFrom);
    }

    private static IEnumerable<KeyValuePair<string, object?>> Entries(Evaluation e, object?[] arguments, string use)
    {
        switch (arguments.At(0))
        {
            case IReadOnlyDictionary<string, object?> map:
                e.Charge(map.Count);
                return Properties.Of(map);
            case string or IReadOnlyList<object?>:
                var items = ElementsNode.Iterate(e, arguments[0], use);
                return items.Select((item, index) => KeyValuePair.Create(NumberText.Format(index), item));
            default:
                throw e.Error($"{use} needs an object, not {ScriptValues.Describe(arguments.At(0))}.");
        }
    }

    private static object FromEntries(Evaluation e, object?[] arguments)
    {
        var map = new OrderedDictionary<string, object?>();
        foreach (var entry in ElementsNode.Iterate(e, arguments.At(0), "Object.fromEntries"))
        {
            if (entry is not (IReadOnlyList<object?> or IReadOnlyDictionary<string, object?>))
            {
                throw e.Error($"Object.fromEntries needs [name, value] pairs, not {ScriptValues.Describe(entry)}.");
            }

            map[ScriptValues.ToText(e, Properties.Get(e, entry, "0"))] = Properties.Get(e, entry, "1");
        }

        return map;
    }

    private static object ArrayFrom(Evaluation e, object?[] arguments)
    {
        IReadOnlyList<object?> items;
        if (arguments.At(0) is IReadOnlyDictionary<string, object?> map)
        {
            var length = ScriptValues.ToInteger(e, Properties.Get(e, map, "length"));
            // Paid before the array exists, so that a huge length costs nothing.
            e.Charge((long)Math.Clamp(length, 0, int.MaxValue));
            items = Enumerable.Range(0, (int)Math.Max(length, 0))
                .Select(i => Properties.Get(e, map, NumberText.Format(i))).ToArray();
        }
        else
        {
            items = ElementsNode.Iterate(e, arguments.At(0), "Array.from");
        }

        return arguments.Missing(1) ? items : ArrayMethods.Find("map")!(e, items, [arguments[1]])!;
    }

    private static void AddJson(Dictionary<string, object> known)
    {
        Add(known, "JSON.parse", static (e, a) => a.Length < 2
            ? Json.Parse(e, ScriptValues.ToText(e, a.At(0)))
            : throw e.Error("JSON.parse takes no reviver; use map on the result."));
        Add(known, "JSON.stringify", Stringify);
        known.Add("toJson", known["JSON.stringify"]);
        known.Add("parseJson", known["JSON.parse"]);
        known.Add("fromJson", known["JSON.parse"]);
    }

    private static object Stringify(Evaluation e, object?[] arguments)
    {
        if (!ScriptValues.IsNullish(arguments.At(1)))
        {
            throw e.Error("JSON.stringify takes no replacer; build the object you want before.");
        }

        var indent = arguments.At(2) switch
        {
            string text => text[..Math.Min(10, text.Length)],
            var space when ScriptValues.TryNumber(space, out var count) => new string(' ', (int)Math.Clamp(count, 0, 10)),
            _ => "",
        };
        return Json.Stringify(e, arguments.At(0), indent) ?? Undefined.Value;
    }
}
