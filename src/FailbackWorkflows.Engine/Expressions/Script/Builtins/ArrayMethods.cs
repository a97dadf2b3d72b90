using System.Collections.Frozen;
using System.Text;
using FailbackWorkflows.Engine.Expressions.Script.Runtime;

namespace FailbackWorkflows.Engine.Expressions.Script.Builtins;

using ArrayMethod = Method<IReadOnlyList<object?>>;

/// <summary>The methods of arrays. None changes its array: sort and reverse answer a new one.</summary>
internal static class ArrayMethods
{
    private static readonly FrozenDictionary<string, ArrayMethod> Methods = new Dictionary<string, ArrayMethod>
    {
        ["map"] = Map,
        ["filter"] = Filter,
        ["find"] = static (e, l, a) => Search(e, l, a, "find") is >= 0 and var i ? l[i] : Undefined.Value,
        ["findIndex"] = static (e, l, a) => ScriptValues.Number(Search(e, l, a, "findIndex")),
        ["findLast"] = static (e, l, a) => Search(e, l, a, "findLast", backwards: true) is >= 0 and var i ? l[i] : Undefined.Value,
        ["findLastIndex"] = static (e, l, a) => ScriptValues.Number(Search(e, l, a, "findLastIndex", backwards: true)),
        ["some"] = static (e, l, a) => ScriptValues.Bool(Search(e, l, a, "some") >= 0),
        ["every"] = static (e, l, a) => ScriptValues.Bool(Search(e, l, a, "every", wanted: false) < 0),
        ["reduce"] = Reduce,
        ["flatMap"] = static (e, l, a) => Flat(e, Map(e, l, a), 1),
        ["flat"] = static (e, l, a) => Flat(e, l, a.Missing(0) ? 1 : ScriptValues.ToInteger(e, a[0])),
        ["includes"] = static (e, l, a) => ScriptValues.Bool(IndexOf(e, l, a, ScriptValues.SameValue) >= 0),
        ["indexOf"] = static (e, l, a) => ScriptValues.Number(IndexOf(e, l, a, ScriptValues.StrictEquals)),
        ["lastIndexOf"] = LastIndexOf,
        ["join"] = static (e, l, a) => Join(e, l, a.Missing(0) ? "," : ScriptValues.ToText(e, a[0])),
        ["toString"] = static (e, l, _) => Join(e, l, ","),
        ["slice"] = Slice,
        ["concat"] = Concat,
        ["at"] = static (e, l, a) =>
        {
            var i = ScriptValues.ToInteger(e, a.At(0));
            i += i < 0 ? l.Count : 0;
            return i >= 0 && i < l.Count ? l[(int)i] : Undefined.Value;
        },
        ["sort"] = Sort,
        ["toSorted"] = Sort,
        ["reverse"] = Reverse,
        ["toReversed"] = Reverse,
    }.ToFrozenDictionary();

    public static ArrayMethod? Find(string name) => Methods.GetValueOrDefault(name);

    public static string Join(Evaluation e, IReadOnlyList<object?> list, string separator)
    {
        e.EnterLevel();
        e.Charge(list.Count);
        var result = new StringBuilder();
        for (var i = 0; i < list.Count; i++)
        {
            var text = ScriptValues.IsNullish(list[i]) ? "" : ScriptValues.ToText(e, list[i]);
            var before = i == 0 ? "" : separator;
            long added = before.Length + text.Length;
            e.GrowText(result.Length + added, added);
            result.Append(before).Append(text);
        }

        e.LeaveLevel();
        return result.ToString();
    }

    private static object?[] Map(Evaluation e, IReadOnlyList<object?> list, object?[] arguments)
    {
        var function = arguments.Function(e, 0, "map");
        e.Charge(list.Count);
        var result = new object?[list.Count];
        for (var i = 0; i < result.Length; i++)
        {
            result[i] = function.Invoke(e, list[i], ScriptValues.Number(i), list);
        }

        return result;
    }

    private static object?[] Filter(Evaluation e, IReadOnlyList<object?> list, object?[] arguments)
    {
        var function = arguments.Function(e, 0, "filter");
        e.Charge(list.Count);
        var result = new List<object?>();
        for (var i = 0; i < list.Count; i++)
        {
            var item = list[i];
            if (ScriptValues.Truthy(function.Invoke(e, item, ScriptValues.Number(i), list)))
            {
                result.Add(item);
            }
        }

        return result.ToArray();
    }

    private static int Search(
        Evaluation e, IReadOnlyList<object?> list, object?[] arguments, string method, bool wanted = true, bool backwards = false)
    {
        var function = arguments.Function(e, 0, method);
        for (var n = 0; n < list.Count; n++)
        {
            e.Charge(1);
            var i = backwards ? list.Count - 1 - n : n;
            if (ScriptValues.Truthy(function.Invoke(e, list[i], ScriptValues.Number(i), list)) == wanted)
            {
                return i;
            }
        }

        return -1;
    }

    private static object? Reduce(Evaluation e, IReadOnlyList<object?> list, object?[] arguments)
    {
        var function = arguments.Function(e, 0, "reduce");
        var hasStart = arguments.Length > 1;
        if (!hasStart && list.Count == 0)
        {
            throw e.Error("reduce of an empty array needs a start value.");
        }

        e.Charge(list.Count);
        var result = hasStart ? arguments[1] : list[0];
        for (var i = hasStart ? 0 : 1; i < list.Count; i++)
        {
            result = function.Invoke(e, [result, list[i], ScriptValues.Number(i), list]);
        }

        return result;
    }

    private static object?[] Flat(Evaluation e, IReadOnlyList<object?> list, double depth)
    {
        var result = new List<object?>();
        Flatten(e, list, depth, result);
        return result.ToArray();
    }

    private static void Flatten(Evaluation e, IReadOnlyList<object?> list, double depth, List<object?> result)
    {
        e.EnterLevel();
        e.Charge(list.Count);
        foreach (var item in list)
        {
            if (depth >= 1 && IsArray(item, out var inner))
            {
                Flatten(e, inner, depth - 1, result);
            }
            else
            {
                result.Add(item);
            }
        }

        e.LeaveLevel();
    }

    public static bool IsArray(object? value, out IReadOnlyList<object?> list)
    {
        list = value as IReadOnlyList<object?> ?? [];
        return value is IReadOnlyList<object?> and not IReadOnlyDictionary<string, object?>;
    }

    private static int IndexOf(
        Evaluation e, IReadOnlyList<object?> list, object?[] arguments, Func<Evaluation, object?, object?, bool> equals)
    {
        for (var i = arguments.Relative(e, 1, list.Count, 0); i < list.Count; i++)
        {
            e.Charge(1);
            if (equals(e, list[i], arguments.At(0)))
            {
                return i;
            }
        }

        return -1;
    }

    private static object LastIndexOf(Evaluation e, IReadOnlyList<object?> list, object?[] arguments)
    {
        var from = arguments.Missing(1) ? list.Count - 1 : ScriptValues.ToInteger(e, arguments[1]);
        for (var i = (int)Math.Min(from < 0 ? from + list.Count : from, list.Count - 1); i >= 0; i--)
        {
            e.Charge(1);
            if (ScriptValues.StrictEquals(e, list[i], arguments.At(0)))
            {
                return ScriptValues.Number(i);
            }
        }

        return ScriptValues.Number(-1);
    }

    private static object?[] Slice(Evaluation e, IReadOnlyList<object?> list, object?[] arguments)
    {
        var from = arguments.Relative(e, 0, list.Count, 0);
        var count = Math.Max(0, arguments.Relative(e, 1, list.Count, list.Count) - from);
        e.Charge(count);
        var result = new object?[count];
        for (var i = 0; i < count; i++)
        {
            result[i] = list[from + i];
        }

        return result;
    }

    private static object?[] Concat(Evaluation e, IReadOnlyList<object?> list, object?[] arguments)
    {
        e.Charge(list.Count);
        var result = new List<object?>(list);
        foreach (var argument in arguments)
        {
            if (IsArray(argument, out var items))
            {
                e.Charge(items.Count);
                result.AddRange(items);
            }
            else
            {
                result.Add(argument);
            }
        }

        return result.ToArray();
    }

    private static object?[] Reverse(Evaluation e, IReadOnlyList<object?> list, object?[] arguments)
    {
        e.Charge(list.Count);
        var result = list.ToArray();
        Array.Reverse(result);
        return result;
    }

    private static object?[] Sort(Evaluation e, IReadOnlyList<object?> list, object?[] arguments)
    {
        var comparer = arguments.Missing(0) ? null : arguments.Function(e, 0, "sort");
        e.Charge(list.Count);
        var items = list.Where(item => !ReferenceEquals(item, Undefined.Value)).ToArray();
        if (comparer is null)
        {
            var keyed = items.Select(item => (object?)new KeyValuePair<string, object?>(ScriptValues.ToText(e, item), item)).ToArray();
            MergeSort(keyed, (a, b) => CompareKeys(e, a, b));
            items = keyed.Select(pair => ((KeyValuePair<string, object?>)pair!).Value).ToArray();
        }
        else
        {
            MergeSort(items, (a, b) =>
            {
                e.Charge(1);
                return ScriptValues.ToNumber(e, comparer.Invoke(e, a, b, Undefined.Value)) > 0;
            });
        }

        // Whatever the comparator says, undefined comes last.
        return [.. items, .. Enumerable.Repeat(Undefined.Value, list.Count - items.Length)];
    }

    private static bool CompareKeys(Evaluation e, object? a, object? b)
    {
        var left = ((KeyValuePair<string, object?>)a!).Key;
        var right = ((KeyValuePair<string, object?>)b!).Key;
        e.Charge(1);
        e.ChargeChars(Math.Min(left.Length, right.Length));
        return string.CompareOrdinal(left, right) > 0;
    }

    /// <summary>Stable, and safe with a comparator that contradicts itself, neither of which Array.Sort promises.</summary>
    private static void MergeSort(object?[] items, Func<object?, object?, bool> isAfter)
    {
        var source = items;
        var target = new object?[items.Length];
        for (var width = 1; width < items.Length; width *= 2)
        {
            for (var start = 0; start < items.Length; start += 2 * width)
            {
                var middle = Math.Min(start + width, items.Length);
                var end = Math.Min(start + (2 * width), items.Length);
                int left = start, right = middle;
                for (var i = start; i < end; i++)
                {
                    var takeLeft = left < middle && (right >= end || !isAfter(source[left], source[right]));
                    target[i] = takeLeft ? source[left++] : source[right++];
                }
            }

            (source, target) = (target, source);
        }

        if (!ReferenceEquals(source, items))
        {
            source.CopyTo(items, 0);
        }
    }
}
