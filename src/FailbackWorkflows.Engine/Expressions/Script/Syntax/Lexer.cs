using System.Globalization;
using System.Text;
using FailbackWorkflows.Engine.Expressions.Script.Runtime;

namespace FailbackWorkflows.Engine.Expressions.Script.Syntax;

internal readonly record struct SourcePosition(int Line, int Column)
{
    public ScriptException Error(string message) => new(message, Line, Column);
}

internal enum TokenKind
{
    End,
    Number,
    Text,
    Identifier,
    Punctuator,

    /// <summary>The literal part before the first <c>${</c> of a template.</summary>
    TemplateStart,
    TemplateMiddle,
    TemplateEnd,
}

internal readonly record struct Token(TokenKind Kind, string Text, object? Number, SourcePosition Position, bool AfterNewline);

/// <summary>Cuts the source into tokens, iteratively, so that no input can exhaust the stack here.</summary>
internal sealed class Lexer
{
    /// <summary>An expression longer than this belongs into an activity; the limit also bounds the time to parse one.</summary>
    private const int MaxSourceChars = 65_536;

    // Longest first, so that the first match is the right one.
    private static readonly string[] Punctuators =
    [
        ">>>=", "...", "===", "!==", "**=", "<<=", ">>=", ">>>", "&&=", "||=", "??=",
        "=>", "==", "!=", "<=", ">=", "&&", "||", "??", "?.", "++", "--", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=",
        "<<", ">>", "**",
        "{", "}", "(", ")", "[", "]", ";", ",", "<", ">", "+", "-", "*", "/", "%", "&", "|", "^", "!", "~", "?", ":", "=", ".",
    ];

    private readonly string _source;
    private readonly List<Token> _tokens = [];

    // Open braces since the innermost "${", one entry per template being read.
    private readonly Stack<int> _templates = new();
    private int _at;
    private int _line = 1;
    private int _lineStart;
    private bool _newline;

    private Lexer(string source) => _source = source;

    private SourcePosition Here => new(_line, _at - _lineStart + 1);

    private char Current => Peek(0);

    public static List<Token> Tokenize(string source)
    {
        if (source.Length > MaxSourceChars)
        {
            throw new SourcePosition(1, 1).Error($"The expression is longer than {MaxSourceChars} characters.");
        }

        var lexer = new Lexer(source);
        while (lexer.Next())
        {
        }

        return lexer._tokens;
    }

    private char Peek(int ahead) => _at + ahead < _source.Length ? _source[_at + ahead] : '\0';

    private bool Next()
    {
        SkipBlanks();
        var start = Here;
        if (_at >= _source.Length)
        {
            if (_templates.Count > 0)
            {
                throw start.Error("The template literal is not closed.");
            }

            Add(TokenKind.End, "", start);
            return false;
        }

        var c = Current;
        if (IsIdentifierStart(c))
        {
            var from = _at;
            while (IsIdentifierStart(Current) || char.IsDigit(Current))
            {
                _at++;
            }

            Add(TokenKind.Identifier, _source[from.._at], start);
        }
        else if (char.IsAsciiDigit(c) || (c == '.' && char.IsAsciiDigit(Peek(1))))
        {
            ReadNumber(start);
        }
        else if (c is '\'' or '"')
        {
            ReadText(start, c);
        }
        else if (c == '`')
        {
            _at++;
            ReadTemplate(start, opening: true);
        }
        else if (c == '}' && _templates.TryPeek(out var open) && open == 0)
        {
            _at++;
            _templates.Pop();
            ReadTemplate(start, opening: false);
        }
        else
        {
            ReadPunctuator(start, c);
        }

        return true;
    }

    private void Add(TokenKind kind, string text, SourcePosition start, object? number = null)
    {
        _tokens.Add(new Token(kind, text, number, start, _newline));
        _newline = false;
    }

    private void SkipBlanks()
    {
        while (_at < _source.Length)
        {
            var c = Current;
            if (c == '/' && Peek(1) == '/')
            {
                while (_at < _source.Length && !IsLineEnd(Current))
                {
                    _at++;
                }
            }
            else if (c == '/' && Peek(1) == '*')
            {
                var start = Here;
                _at += 2;
                while (!(Current == '*' && Peek(1) == '/'))
                {
                    if (_at >= _source.Length)
                    {
                        throw start.Error("The comment is not closed.");
                    }

                    Advance();
                }

                _at += 2;
            }
            else if (NumberText.IsBlank(c))
            {
                Advance();
            }
            else
            {
                return;
            }
        }
    }

    /// <summary>Steps over one character that may end a line; "\r\n" is one line end.</summary>
    private void Advance()
    {
        var c = _source[_at++];
        if (IsLineEnd(c))
        {
            if (c == '\r' && Current == '\n')
            {
                _at++;
            }

            _line++;
            _lineStart = _at;
            _newline = true;
        }
    }

    private void ReadNumber(SourcePosition start)
    {
        var from = _at;
        var radix = Current == '0' ? char.ToLowerInvariant(Peek(1)) switch { 'x' => 16, 'o' => 8, 'b' => 2, _ => 10 } : 10;
        object? value;
        if (radix != 10)
        {
            _at += 2;
            while (char.IsAsciiLetterOrDigit(Current))
            {
                _at++;
            }

            value = NumberText.Parse(_source[from.._at]);
        }
        else
        {
            SkipDigits();
            if (Current == '.')
            {
                _at++;
                SkipDigits();
            }

            if (Current is 'e' or 'E')
            {
                _at++;
                if (Current is '+' or '-')
                {
                    _at++;
                }

                SkipDigits();
            }

            var text = _source[from.._at];
            if (text.Length > 1 && text[0] == '0' && char.IsAsciiDigit(text[1]))
            {
                throw start.Error("A number cannot start with 0; write 0o17 for an octal number.");
            }

            value = NumberText.Parse(text);
        }

        if (value is double.NaN || IsIdentifierStart(Current) || char.IsAsciiDigit(Current))
        {
            throw start.Error("This is not a number.");
        }

        Add(TokenKind.Number, _source[from.._at], start, value);
    }

    private void SkipDigits()
    {
        while (char.IsAsciiDigit(Current))
        {
            _at++;
        }
    }

    private void ReadText(SourcePosition start, char quote)
    {
        _at++;
        var text = new StringBuilder();
        while (Current != quote || _at >= _source.Length)
        {
            if (_at >= _source.Length || Current is '\n' or '\r')
            {
                throw start.Error("The string is not closed.");
            }

            ReadCharacter(text);
        }

        _at++;
        Add(TokenKind.Text, text.ToString(), start);
    }

    private void ReadTemplate(SourcePosition start, bool opening)
    {
        var text = new StringBuilder();
        while (true)
        {
            if (_at >= _source.Length)
            {
                throw start.Error("The template literal is not closed.");
            }

            if (Current == '`')
            {
                _at++;
                Add(opening ? TokenKind.Text : TokenKind.TemplateEnd, text.ToString(), start);
                return;
            }

            if (Current == '$' && Peek(1) == '{')
            {
                _at += 2;
                _templates.Push(0);
                Add(opening ? TokenKind.TemplateStart : TokenKind.TemplateMiddle, text.ToString(), start);
                return;
            }

            ReadCharacter(text);
        }
    }

    private void ReadCharacter(StringBuilder text)
    {
        if (Current != '\\')
        {
            var from = _at;
            Advance();
            // JavaScript reads every line end inside a template as \n.
            text.Append(_source[from] == '\r' ? '\n' : _source[from]);
            return;
        }

        var start = Here;
        _at++;
        if (_at >= _source.Length)
        {
            return;
        }

        var c = Current;
        if (IsLineEnd(c))
        {
            Advance();
            return;
        }

        _at++;
        switch (c)
        {
            case 'n': text.Append('\n'); break;
            case 'r': text.Append('\r'); break;
            case 't': text.Append('\t'); break;
            case 'b': text.Append('\b'); break;
            case 'f': text.Append('\f'); break;
            case 'v': text.Append('\v'); break;
            case '0' when !char.IsAsciiDigit(Current): text.Append('\0'); break;
            case 'x': text.Append((char)ReadHex(start, 2)); break;
            case 'u' when Current == '{':
                var close = _source.IndexOf('}', _at);
                var digits = close - _at - 1;
                if (close < 0 || digits is < 1 or > 6)
                {
                    throw start.Error("This is not an escape sequence.");
                }

                _at++;
                var point = ReadHex(start, digits);
                _at++;
                if (point > 0x10FFFF)
                {
                    throw start.Error("This is not a Unicode code point.");
                }

                // ConvertFromUtf32 refuses lone surrogates, which JavaScript strings may hold.
                text.Append(point is >= 0xD800 and <= 0xDFFF ? ((char)point).ToString() : char.ConvertFromUtf32(point));
                break;
            case 'u': text.Append((char)ReadHex(start, 4)); break;
            case >= '0' and <= '9': throw start.Error("Octal escapes are not supported; write \\x or \\u.");
            default: text.Append(c); break;
        }
    }

    private int ReadHex(SourcePosition start, int digits)
    {
        if (_at + digits > _source.Length
            || !int.TryParse(_source.AsSpan(_at, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value))
        {
            throw start.Error("This is not an escape sequence.");
        }

        _at += digits;
        return value;
    }

    private void ReadPunctuator(SourcePosition start, char c)
    {
        if (c == '/' && !EndsOperand())
        {
            throw start.Error(
                "Regular expressions are not supported; use includes, startsWith, endsWith, indexOf, split or replaceAll.");
        }

        foreach (var punctuator in Punctuators)
        {
            if (string.CompareOrdinal(_source, _at, punctuator, 0, punctuator.Length) != 0
                || (punctuator == "?." && char.IsAsciiDigit(Peek(2))))
            {
                continue;
            }

            if (_templates.Count > 0 && punctuator is "{" or "}")
            {
                CountBrace(punctuator == "{" ? 1 : -1);
            }

            _at += punctuator.Length;
            Add(TokenKind.Punctuator, punctuator, start);
            return;
        }

        throw start.Error(char.IsControl(c) || char.IsSurrogate(c) ? "Unexpected character." : $"Unexpected character '{c}'.");
    }

    private void CountBrace(int change)
    {
        if (_templates.TryPop(out var open))
        {
            _templates.Push(open + change);
        }
    }

    /// <summary>After an operand a slash divides; anywhere else it would start a regular expression.</summary>
    private bool EndsOperand()
    {
        if (_tokens.Count == 0)
        {
            return false;
        }

        var last = _tokens[^1];
        return last.Kind switch
        {
            TokenKind.Number or TokenKind.Text or TokenKind.TemplateEnd => true,
            TokenKind.Identifier => last.Text is not ("return" or "typeof" or "in"),
            TokenKind.Punctuator => last.Text is ")" or "]" or "}",
            _ => false,
        };
    }

    private static bool IsIdentifierStart(char c) => char.IsAsciiLetter(c) || c is '_' or '$' || (c > 127 && char.IsLetter(c));

    private static bool IsLineEnd(char c) => c is '\n' or '\r' or '\u2028' or '\u2029';
}
