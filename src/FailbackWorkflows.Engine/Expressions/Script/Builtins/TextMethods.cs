using System.Collections.Frozen;
using System.Text;
using FailbackWorkflows.Engine.Expressions.Script.Runtime;

namespace FailbackWorkflows.Engine.Expressions.Script.Builtins;

/// <summary>The methods of strings. Everything is ordinal and in UTF-16 code units, as in JavaScript.</summary>
internal static class TextMethods
{
    private static readonly FrozenDictionary<string, Method<string>> Methods = new Dictionary<string, Method<string>>
    {
        ["toString"] = static (_, s, _) => s,
        ["valueOf"] = static (_, s, _) => s,
        ["charAt"] = static (e, s, a) => ScriptValues.ToInteger(e, a.At(0)) is var i && i >= 0 && i < s.Length ? s[(int)i].ToString() : "",
        ["charCodeAt"] = static (e, s, a) =>
            ScriptValues.Number(ScriptValues.ToInteger(e, a.At(0)) is var i && i >= 0 && i < s.Length ? s[(int)i] : double.NaN),
        ["at"] = static (e, s, a) =>
        {
            var i = ScriptValues.ToInteger(e, a.At(0));
            i += i < 0 ? s.Length : 0;
            return i >= 0 && i < s.Length ? s[(int)i].ToString() : Undefined.Value;
        },
        ["includes"] = static (e, s, a) => ScriptValues.Bool(IndexOf(e, s, Needle(e, a), a.Clamped(e, 1, s.Length, 0)) >= 0),
        ["indexOf"] = static (e, s, a) => ScriptValues.Number(IndexOf(e, s, Needle(e, a), a.Clamped(e, 1, s.Length, 0))),
        ["lastIndexOf"] = LastIndexOf,
        ["startsWith"] = static (e, s, a) =>
            ScriptValues.Bool(IsAt(e, s, Needle(e, a), a.Clamped(e, 1, s.Length, 0))),
        ["endsWith"] = static (e, s, a) =>
            ScriptValues.Bool(Needle(e, a) is var n && IsAt(e, s, n, a.Clamped(e, 1, s.Length, s.Length) - n.Length)),
        ["slice"] = static (e, s, a) => Part(e, s, a.Relative(e, 0, s.Length, 0), a.Relative(e, 1, s.Length, s.Length)),
        ["substring"] = static (e, s, a) =>
        {
            var from = a.Clamped(e, 0, s.Length, 0);
            var to = a.Clamped(e, 1, s.Length, s.Length);
            return Part(e, s, Math.Min(from, to), Math.Max(from, to));
        },
        ["toUpperCase"] = static (e, s, _) => Reserved(e, s).ToUpperInvariant(),
        ["toLowerCase"] = static (e, s, _) => Reserved(e, s).ToLowerInvariant(),
        ["trim"] = static (e, s, _) => NumberText.Trim(Reserved(e, s)).ToString(),
        ["trimStart"] = static (e, s, _) => NumberText.Trim(Reserved(e, s), end: false).ToString(),
        ["trimEnd"] = static (e, s, _) => NumberText.Trim(Reserved(e, s), start: false).ToString(),
        ["split"] = Split,
        ["replace"] = static (e, s, a) => Replace(e, s, a, all: false),
        ["replaceAll"] = static (e, s, a) => Replace(e, s, a, all: true),
        ["padStart"] = static (e, s, a) => Padding(e, s, a) + s,
        ["padEnd"] = static (e, s, a) => s + Padding(e, s, a),
        ["repeat"] = static (e, s, a) =>
            ScriptValues.ToInteger(e, a.At(0)) is >= 0 and < double.PositiveInfinity and var count
                ? Repeat(e, s, count * s.Length)
                : throw e.Error("repeat needs a count of 0 or more."),
        ["concat"] = static (e, s, a) => a.Aggregate((object)s, (text, item) => ScriptValues.Add(e, text, ScriptValues.ToText(e, item))),
        ["localeCompare"] = static (e, s, a) =>
        {
            var other = Needle(e, a);
            e.ChargeChars(Math.Min(s.Length, other.Length));
            return ScriptValues.Number(Math.Sign(string.CompareOrdinal(s, other)));
        },
    }.ToFrozenDictionary();

    public static Method<string>? Find(string name) => Methods.GetValueOrDefault(name);

    private static string Needle(Evaluation e, object?[] arguments) => ScriptValues.ToText(e, arguments.At(0));

    private static string Reserved(Evaluation e, string text)
    {
        e.ReserveText(text.Length);
        return text;
    }

    private static string Part(Evaluation e, string text, int from, int to)
    {
        e.ReserveText(Math.Max(0, to - from));
        return from < to ? text[from..to] : "";
    }

    private static int IndexOf(Evaluation e, string text, string needle, int from)
    {
        e.ChargeSearch(text, needle);
        return text.IndexOf(needle, from, StringComparison.Ordinal);
    }

    private static object? LastIndexOf(Evaluation e, string text, object?[] arguments)
    {
        var needle = Needle(e, arguments);
        e.ChargeSearch(text, needle);
        var from = ScriptValues.ToNumber(e, arguments.At(1));
        var last = double.IsNaN(from) ? text.Length : (int)Math.Clamp(Math.Truncate(from), 0, text.Length);
        var end = Math.Min((long)last + needle.Length, text.Length);
        return ScriptValues.Number(text.AsSpan(0, (int)end).LastIndexOf(needle, StringComparison.Ordinal));
    }

    private static bool IsAt(Evaluation e, string text, string needle, int at)
    {
        e.ChargeChars(needle.Length);
        return at >= 0 && at + needle.Length <= text.Length
            && string.CompareOrdinal(text, at, needle, 0, needle.Length) == 0;
    }

    private static object?[] Split(Evaluation e, string text, object?[] arguments)
    {
        if (arguments.Missing(0))
        {
            return [text];
        }

        var separator = Needle(e, arguments);
        var limit = arguments.Missing(1) ? uint.MaxValue : (uint)ScriptValues.ToInt32(e, arguments[1]);
        var parts = new List<object?>();
        e.ChargeSearch(text, separator);
        e.ReserveText(text.Length);
        var from = 0;
        while (parts.Count < limit && (separator.Length > 0 || from < text.Length))
        {
            e.Charge(1);
            var at = separator.Length == 0 ? from + 1 : text.IndexOf(separator, from, StringComparison.Ordinal);
            if (at < 0)
            {
                parts.Add(text[from..]);
                break;
            }

            parts.Add(text[from..at]);
            from = at + separator.Length;
        }

        return parts.ToArray();
    }

    private static string Replace(Evaluation e, string text, object?[] arguments, bool all)
    {
        var needle = Needle(e, arguments);
        var function = arguments.At(1) as Callable;
        var pattern = function is null ? ScriptValues.ToText(e, arguments.At(1)) : "";
        e.ChargeSearch(text, needle);
        e.ReserveText(text.Length);
        var result = new StringBuilder();
        var from = 0;
        var at = text.IndexOf(needle, StringComparison.Ordinal);
        while (at >= 0)
        {
            e.Charge(1);
            result.Append(text, from, at - from);
            var piece = function is null
                ? Expand(e, pattern, text, needle, at)
                : ScriptValues.ToText(e, function.Invoke(e, needle, ScriptValues.Number(at), text));
            e.GrowText((long)result.Length + piece.Length, piece.Length);
            result.Append(piece);

            from = at + needle.Length;
            var next = needle.Length == 0 ? at + 1 : from;
            at = all && next <= text.Length ? text.IndexOf(needle, next, StringComparison.Ordinal) : -1;
        }

        e.GrowText((long)result.Length + text.Length - from, 0);
        return result.Append(text, from, text.Length - from).ToString();
    }

    /// <summary>$$, $&amp;, $` and $' have a meaning in a replacement even when the needle is a string.</summary>
    private static string Expand(Evaluation e, string pattern, string text, string needle, int at)
    {
        if (!pattern.Contains('$'))
        {
            return pattern;
        }

        var result = new StringBuilder();
        for (var i = 0; i < pattern.Length; i++)
        {
            var piece = pattern[i] != '$' || i + 1 == pattern.Length ? null : pattern[i + 1] switch
            {
                '$' => "$",
                '&' => needle,
                '`' => Part(e, text, 0, at),
                '\'' => Part(e, text, at + needle.Length, text.Length),
                _ => null,
            };
            i += piece is null ? 0 : 1;
            piece ??= pattern[i].ToString();
            e.GrowText((long)result.Length + piece.Length, piece.Length);
            result.Append(piece);
        }

        return result.ToString();
    }

    private static string Padding(Evaluation e, string text, object?[] arguments)
    {
        var length = ScriptValues.ToInteger(e, arguments.At(0)) - text.Length;
        var filler = arguments.Missing(1) ? " " : ScriptValues.ToText(e, arguments[1]);
        if (length <= 0 || filler.Length == 0)
        {
            return "";
        }

        e.ReserveText(text.Length);
        return Repeat(e, filler, length);
    }

    /// <summary>The text over and over, up to a length.</summary>
    private static string Repeat(Evaluation e, string text, double length)
    {
        e.ReserveText(length > int.MaxValue ? int.MaxValue : (long)length);
        return string.Create((int)length, text, static (span, source) =>
        {
            for (var i = 0; i < span.Length; i++)
            {
                span[i] = source[i % source.Length];
            }
        });
    }
}
