using System.Text;

namespace FailbackWorkflows.Engine.Expressions.Script.Runtime;

/// <summary>
/// JSON.parse and JSON.stringify. Of our own, because System.Text.Json escapes other characters than JavaScript does,
/// refuses lone surrogates, and cannot be charged while it works.
/// </summary>
internal static class Json
{
    public static object? Parse(Evaluation e, string text)
    {
        e.ChargeChars(text.Length);
        var reader = new Reader(e, text);
        return reader.ReadDocument();
    }

    /// <summary>The JSON text, or null where JavaScript answers undefined.</summary>
    public static string? Stringify(Evaluation e, object? value, string indent)
    {
        if (value is Undefined or Callable)
        {
            return null;
        }

        var writer = new Writer(e, indent);
        writer.Write(value, "\n");
        return writer.ToString();
    }

    private sealed class Reader(Evaluation e, string text)
    {
        private int _at;

        private char Current => _at < text.Length ? text[_at] : '\0';

        public object? ReadDocument()
        {
            var value = ReadValue();
            SkipBlanks();
            return _at == text.Length ? value : throw Error();
        }

        private ScriptException Error() => e.Error($"This is not JSON, at character {_at + 1} of the text.");

        private void SkipBlanks()
        {
            while (Current is ' ' or '\t' or '\n' or '\r')
            {
                _at++;
            }
        }

        private object? ReadValue()
        {
            e.Charge(1);
            SkipBlanks();
            switch (Current)
            {
                case '{':
                    return ReadObject();
                case '[':
                    return ReadArray();
                case '"':
                    return ReadText();
                case 't':
                    return ReadWord("true", ScriptValues.True);
                case 'f':
                    return ReadWord("false", ScriptValues.False);
                case 'n':
                    return ReadWord("null", null);
                default:
                    return ReadNumber();
            }
        }

        private object? ReadWord(string word, object? value)
        {
            if (string.CompareOrdinal(text, _at, word, 0, word.Length) != 0)
            {
                throw Error();
            }

            _at += word.Length;
            return value;
        }

        private object ReadNumber()
        {
            var from = _at;
            var digits = from + (Current == '-' ? 1 : 0);
            var leadingZero = digits + 1 < text.Length && text[digits] == '0' && char.IsAsciiDigit(text[digits + 1]);
            if (digits >= text.Length || !char.IsAsciiDigit(text[digits]) || leadingZero)
            {
                throw Error();
            }

            var number = NumberText.ParseLeading(text.AsSpan(from), out var length);
            _at += length;
            var span = text.AsSpan(from, length);
            if (span.EndsWith(".") || span.Contains(".e", StringComparison.OrdinalIgnoreCase))
            {
                throw Error();
            }

            // Identifiers longer than 2^53 stay exact while they are only passed through.
            return Math.Abs(number) >= 9007199254740992 && long.TryParse(span, out var whole) ? whole : ScriptValues.Number(number);
        }

        private string ReadText()
        {
            _at++;
            var end = text.AsSpan(_at).IndexOfAny('"', '\\');
            if (end >= 0 && text[_at + end] == '"' && !HasControl(text.AsSpan(_at, end)))
            {
                var plain = text.Substring(_at, end);
                _at += end + 1;
                return plain;
            }

            var result = new StringBuilder();
            while (Current != '"')
            {
                if (Current < ' ')
                {
                    throw Error();
                }

                if (Current == '\\')
                {
                    _at++;
                    result.Append(ReadEscape());
                }
                else
                {
                    result.Append(text[_at++]);
                }
            }

            _at++;
            return result.ToString();
        }

        private char ReadEscape()
        {
            var c = Current;
            _at++;
            switch (c)
            {
                case '"' or '\\' or '/':
                    return c;
                case 'b':
                    return '\b';
                case 'f':
                    return '\f';
                case 'n':
                    return '\n';
                case 'r':
                    return '\r';
                case 't':
                    return '\t';
                case 'u' when _at + 4 <= text.Length:
                    var code = NumberText.ParseDigits(text.AsSpan(_at, 4), 16, out var used);
                    if (used == 4)
                    {
                        _at += 4;
                        return (char)code;
                    }

                    break;
            }

            _at--;
            throw Error();
        }

        private static bool HasControl(ReadOnlySpan<char> span) => span.IndexOfAnyInRange('\0', '\u001F') >= 0;

        private object?[] ReadArray()
        {
            e.EnterLevel();
            _at++;
            var items = new List<object?>();
            SkipBlanks();
            if (Current == ']')
            {
                _at++;
            }
            else
            {
                do
                {
                    items.Add(ReadValue());
                }
                while (ReadSeparator(']'));
            }

            e.LeaveLevel();
            return items.ToArray();
        }

        private OrderedDictionary<string, object?> ReadObject()
        {
            e.EnterLevel();
            _at++;
            var map = new OrderedDictionary<string, object?>();
            SkipBlanks();
            if (Current == '}')
            {
                _at++;
            }
            else
            {
                do
                {
                    SkipBlanks();
                    if (Current != '"')
                    {
                        throw Error();
                    }

                    var name = ReadText();
                    SkipBlanks();
                    if (Current != ':')
                    {
                        throw Error();
                    }

                    _at++;
                    map[name] = ReadValue();
                }
                while (ReadSeparator('}'));
            }

            e.LeaveLevel();
            return map;
        }

        private bool ReadSeparator(char end)
        {
            SkipBlanks();
            if (Current != ',' && Current != end)
            {
                throw Error();
            }

            return text[_at++] == ',';
        }
    }

    private sealed class Writer(Evaluation e, string indent)
    {
        private readonly StringBuilder _text = new();

        public override string ToString() => _text.ToString();

        public void Write(object? value, string newline)
        {
            e.Charge(1);
            switch (value)
            {
                case string text:
                    WriteText(text);
                    break;
                case double d:
                    Append(double.IsFinite(d) ? NumberText.Format(d) : "null");
                    break;
                case ScriptDate date:
                    WriteDate(date);
                    break;
                case IReadOnlyDictionary<string, object?> map:
                    WriteObject(map, newline);
                    break;
                case IReadOnlyList<object?> list:
                    WriteArray(list, newline);
                    break;
                case Undefined or Callable:
                    Append("null");
                    break;
                default:
                    Append(ScriptValues.ToText(e, value));
                    break;
            }
        }

        private void Append(string text)
        {
            Reserve(text.Length);
            _text.Append(text);
        }

        /// <summary>The whole text has the limit of one string, so that writing stops where its value would be refused.</summary>
        private void Reserve(int chars) => e.GrowText(_text.Length + chars, chars);

        private void WriteDate(ScriptDate date)
        {
            if (date.IsValid)
            {
                WriteText(date.ToText());
            }
            else
            {
                Append("null");
            }
        }

        private void WriteArray(IReadOnlyList<object?> list, string newline)
        {
            e.EnterLevel();
            var inner = newline + indent;
            _text.Append('[');
            for (var i = 0; i < list.Count; i++)
            {
                WriteSeparator(i == 0, inner);
                Write(list[i], inner);
            }

            WriteEnd(list.Count == 0, newline, ']');
            e.LeaveLevel();
        }

        private void WriteObject(IReadOnlyDictionary<string, object?> map, string newline)
        {
            e.EnterLevel();
            var inner = newline + indent;
            var first = true;
            _text.Append('{');
            foreach (var (name, item) in Properties.Of(map))
            {
                if (item is Undefined or Callable)
                {
                    e.Charge(1);
                    continue;
                }

                WriteSeparator(first, inner);
                first = false;
                WriteText(name);
                Append(indent.Length > 0 ? ": " : ":");
                Write(item, inner);
            }

            WriteEnd(first, newline, '}');
            e.LeaveLevel();
        }

        private void WriteSeparator(bool first, string newline)
        {
            if (!first)
            {
                _text.Append(',');
            }

            if (indent.Length > 0)
            {
                Append(newline);
            }
        }

        private void WriteEnd(bool empty, string newline, char end)
        {
            if (!empty && indent.Length > 0)
            {
                Append(newline);
            }

            _text.Append(end);
        }

        private void WriteText(string text)
        {
            _text.Append('"');
            Reserve(text.Length);
            for (var i = 0; i < text.Length; i++)
            {
                var c = text[i];
                switch (c)
                {
                    case '"': _text.Append("\\\""); break;
                    case '\\': _text.Append("\\\\"); break;
                    case '\b': _text.Append("\\b"); break;
                    case '\f': _text.Append("\\f"); break;
                    case '\n': _text.Append("\\n"); break;
                    case '\r': _text.Append("\\r"); break;
                    case '\t': _text.Append("\\t"); break;
                    case < ' ': _text.Append($"\\u{(int)c:x4}"); break;
                    case var _ when char.IsSurrogate(c) && !IsPaired(text, i): _text.Append($"\\u{(int)c:x4}"); break;
                    default: _text.Append(c); break;
                }
            }

            _text.Append('"');
        }

        private static bool IsPaired(string text, int at) => char.IsHighSurrogate(text[at])
            ? at + 1 < text.Length && char.IsLowSurrogate(text[at + 1])
            : at > 0 && char.IsHighSurrogate(text[at - 1]);
    }
}
