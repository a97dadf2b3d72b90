using System.Globalization;
using System.Numerics;
using System.Text;

namespace FailbackWorkflows.Engine.Expressions.Script.Runtime;

/// <summary>Numbers as JavaScript writes and reads them.</summary>
internal static class NumberText
{
    private const double MaxSafeInteger = 9007199254740992;

    /// <summary>White space and line ends of JavaScript, which differ from char.IsWhiteSpace in two characters.</summary>
    public static bool IsBlank(char c) => c == '\uFEFF' || (c != '\u0085' && char.IsWhiteSpace(c));

    public static ReadOnlySpan<char> Trim(ReadOnlySpan<char> text, bool start = true, bool end = true)
    {
        while (start && text.Length > 0 && IsBlank(text[0]))
        {
            text = text[1..];
        }

        while (end && text.Length > 0 && IsBlank(text[^1]))
        {
            text = text[..^1];
        }

        return text;
    }

    public static string Format(long value) => value.ToString(CultureInfo.InvariantCulture);

    /// <summary>The shortest digits that read back as the same number, in the layout of Number.prototype.toString.</summary>
    public static string Format(double value)
    {
        if (double.IsNaN(value))
        {
            return "NaN";
        }

        if (double.IsInfinity(value))
        {
            return value > 0 ? "Infinity" : "-Infinity";
        }

        if (value == Math.Floor(value) && Math.Abs(value) < MaxSafeInteger)
        {
            return Format((long)value);
        }

        // .NET finds the same shortest digits but lays them out otherwise; take digits and exponent apart.
        var text = Math.Abs(value).ToString("R", CultureInfo.InvariantCulture);
        var exponentAt = text.IndexOf('E');
        var exponent = exponentAt < 0 ? 0 : int.Parse(text.AsSpan(exponentAt + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        var mantissa = exponentAt < 0 ? text : text[..exponentAt];
        var pointAt = mantissa.IndexOf('.');
        var digits = mantissa.Replace(".", "", StringComparison.Ordinal);
        var point = (pointAt < 0 ? mantissa.Length : pointAt) + exponent;
        var leadingZeros = digits.Length - digits.TrimStart('0').Length;
        digits = digits[leadingZeros..].TrimEnd('0');
        point -= leadingZeros;

        var result = new StringBuilder(value < 0 ? "-" : "");
        if (point is > 0 and <= 21)
        {
            result.Append(digits.Length <= point ? digits.PadRight(point, '0') : $"{digits[..point]}.{digits[point..]}");
        }
        else if (point is > -6 and <= 0)
        {
            result.Append("0.").Append('0', -point).Append(digits);
        }
        else
        {
            result.Append(digits[0]);
            if (digits.Length > 1)
            {
                result.Append('.').Append(digits, 1, digits.Length - 1);
            }

            result.Append('e').Append(point > 0 ? '+' : '-').Append(Math.Abs(point - 1));
        }

        return result.ToString();
    }

    /// <summary>toFixed: the exact value of the number, halves away from zero. .NET rounds exact halves to even.</summary>
    public static string FormatFixed(double value, int decimals)
    {
        var bits = BitConverter.DoubleToInt64Bits(value);
        var biased = (int)((bits >> 52) & 0x7FF);
        var fraction = bits & 0xFFFFFFFFFFFFF;
        var mantissa = biased == 0 ? fraction : fraction | (1L << 52);
        var exponent = Math.Max(biased, 1) - 1075;

        var scaled = mantissa * BigInteger.Pow(10, decimals);
        var rounded = exponent >= 0 ? scaled << exponent : (scaled + (BigInteger.One << (-exponent - 1))) >> -exponent;
        var digits = rounded.ToString(CultureInfo.InvariantCulture).PadLeft(decimals + 1, '0');
        var sign = value < 0 ? "-" : "";
        return decimals == 0 ? sign + digits : $"{sign}{digits[..^decimals]}.{digits[^decimals..]}";
    }

    public static string Format(double value, int radix)
    {
        if (radix == 10 || !double.IsFinite(value))
        {
            return Format(value);
        }

        const string digits = "0123456789abcdefghijklmnopqrstuvwxyz";
        var whole = Math.Floor(Math.Abs(value));
        var fraction = Math.Abs(value) - whole;
        var result = new StringBuilder();
        // Above 2^53 the last digits would be noise; zeros, as other engines write them.
        for (; whole >= MaxSafeInteger; whole /= radix)
        {
            result.Insert(0, '0');
        }

        do
        {
            var digit = whole % radix;
            result.Insert(0, digits[(int)digit]);
            whole = (whole - digit) / radix;
        }
        while (whole >= 1);

        if (fraction > 0)
        {
            result.Append('.');
            // Stop when what is left is smaller than the number's own precision.
            var precision = Math.Max(0.5 * (Math.BitIncrement(Math.Abs(value)) - Math.Abs(value)), double.Epsilon);
            do
            {
                fraction *= radix;
                precision *= radix;
                var digit = (int)fraction;
                fraction -= digit;
                if (fraction + precision > 1 && digit + 1 < radix)
                {
                    digit++;
                    fraction = 0;
                }

                result.Append(digits[digit]);
            }
            while (fraction >= precision);
        }

        return value < 0 ? "-" + result : result.ToString();
    }

    /// <summary>Number(text): blank is 0, and anything that is not wholly a number is NaN.</summary>
    public static double Parse(string source)
    {
        var text = Trim(source);
        if (text.Length == 0)
        {
            return 0;
        }

        if (text.Length > 2 && text[0] == '0' && !char.IsAsciiDigit(text[1]))
        {
            var radix = char.ToLowerInvariant(text[1]) switch { 'x' => 16, 'o' => 8, 'b' => 2, _ => 0 };
            if (radix != 0)
            {
                var value = ParseDigits(text[2..], radix, out var used);
                return used == text.Length - 2 ? value : double.NaN;
            }
        }

        var number = ParseLeading(text, out var length);
        return length == text.Length ? number : double.NaN;
    }

    /// <summary>parseFloat: the longest start of the text that is a decimal number.</summary>
    public static double ParseLeading(ReadOnlySpan<char> text, out int length)
    {
        var at = text.Length > 0 && text[0] is '+' or '-' ? 1 : 0;
        if (text[at..].StartsWith("Infinity", StringComparison.Ordinal))
        {
            length = at + "Infinity".Length;
            return text[0] == '-' ? double.NegativeInfinity : double.PositiveInfinity;
        }

        var whole = Digits(text, at);
        at += whole;
        var fraction = 0;
        if (at < text.Length && text[at] == '.')
        {
            fraction = Digits(text, at + 1);
            at += whole + fraction > 0 ? fraction + 1 : 0;
        }

        if (whole + fraction == 0)
        {
            length = 0;
            return double.NaN;
        }

        if (at < text.Length && text[at] is 'e' or 'E')
        {
            var sign = at + 1 < text.Length && text[at + 1] is '+' or '-' ? 1 : 0;
            var exponent = Digits(text, at + 1 + sign);
            at += exponent > 0 ? 1 + sign + exponent : 0;
        }

        length = at;
        return double.Parse(text[..at], NumberStyles.Float, CultureInfo.InvariantCulture);
    }

    public static double ParseDigits(ReadOnlySpan<char> text, int radix, out int used)
    {
        double value = 0;
        for (used = 0; used < text.Length; used++)
        {
            var c = char.ToLowerInvariant(text[used]);
            var digit = char.IsAsciiDigit(c) ? c - '0' : char.IsAsciiLetterLower(c) ? c - 'a' + 10 : radix;
            if (digit >= radix)
            {
                break;
            }

            value = (value * radix) + digit;
        }

        return used == 0 ? double.NaN : value;
    }

    private static int Digits(ReadOnlySpan<char> text, int from)
    {
        var at = from;
        while (at < text.Length && char.IsAsciiDigit(text[at]))
        {
            at++;
        }

        return Math.Max(0, at - from);
    }
}
