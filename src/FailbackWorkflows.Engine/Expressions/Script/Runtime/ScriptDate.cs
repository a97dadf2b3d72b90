using System.Globalization;

namespace FailbackWorkflows.Engine.Expressions.Script.Runtime;

/// <summary>A point in time made from a value: milliseconds since 1970 in UTC, NaN when it is not a date.</summary>
internal sealed class ScriptDate(double milliseconds)
{
    private const long MillisecondsPerDay = 86_400_000;
    private const double MaxMilliseconds = 8.64e15;

    public double Milliseconds { get; } =
        Math.Abs(milliseconds) <= MaxMilliseconds ? Math.Truncate(milliseconds) + 0.0 : double.NaN;

    public bool IsValid => !double.IsNaN(Milliseconds);

    public int MillisecondOfDay => (int)((long)Milliseconds - (Day * MillisecondsPerDay));

    /// <summary>Days since 1970-01-01, a Thursday.</summary>
    public long Day => (long)Math.Floor(Milliseconds / MillisecondsPerDay);

    public (long Year, int Month, int Day) Calendar
    {
        get
        {
            // The calendar of years that begin in March, so that the leap day is the last of its year.
            var days = Day + 719_468;
            var era = (days >= 0 ? days : days - 146_096) / 146_097;
            var dayOfEra = days - (era * 146_097);
            var yearOfEra = (dayOfEra - (dayOfEra / 1460) + (dayOfEra / 36_524) - (dayOfEra / 146_096)) / 365;
            var dayOfYear = dayOfEra - ((365 * yearOfEra) + (yearOfEra / 4) - (yearOfEra / 100));
            var shifted = ((5 * dayOfYear) + 2) / 153;
            var month = (int)(shifted < 10 ? shifted + 3 : shifted - 9);
            var day = (int)(dayOfYear - (((153 * shifted) + 2) / 5) + 1);
            return (yearOfEra + (era * 400) + (month <= 2 ? 1 : 0), month, day);
        }
    }

    public string ToText()
    {
        if (!IsValid)
        {
            return "Invalid Date";
        }

        var (year, month, day) = Calendar;
        var ms = MillisecondOfDay;
        var yearText = year is >= 0 and <= 9999 ? $"{year:0000}" : $"{(year < 0 ? '-' : '+')}{Math.Abs(year):000000}";
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{yearText}-{month:00}-{day:00}T{ms / 3_600_000:00}:{ms / 60_000 % 60:00}:{ms / 1000 % 60:00}.{ms % 1000:000}Z");
    }

    /// <summary>
    /// Reads ISO 8601: a date, or a date and time with or without offset. Without one it is UTC, as the server's time zone
    /// must not decide what an expression means. Other forms are NaN.
    /// </summary>
    public static double Parse(string source)
    {
        var text = NumberText.Trim(source);
        if (!TryDigits(ref text, 4, out var year))
        {
            return double.NaN;
        }

        int month = 1, day = 1, hour = 0, minute = 0, second = 0;
        double milliseconds = 0;
        long offset = 0;
        if (TrySkip(ref text, '-') && (!TryDigits(ref text, 2, out month) || (TrySkip(ref text, '-') && !TryDigits(ref text, 2, out day))))
        {
            return double.NaN;
        }

        if (TrySkip(ref text, 'T') || TrySkip(ref text, 't') || TrySkip(ref text, ' '))
        {
            if (!TryDigits(ref text, 2, out hour) || !TrySkip(ref text, ':') || !TryDigits(ref text, 2, out minute)
                || (TrySkip(ref text, ':') && !TryDigits(ref text, 2, out second))
                || (TrySkip(ref text, '.') && !TryFraction(ref text, out milliseconds))
                || !TryOffset(ref text, out offset))
            {
                return double.NaN;
            }
        }

        if (text.Length > 0 || month is < 1 or > 12 || day < 1 || day > DateTime.DaysInMonth(Math.Clamp(year, 1, 9999), month)
            || hour > 24 || minute > 59 || second > 59 || (hour == 24 && (minute > 0 || second > 0 || milliseconds > 0)))
        {
            return double.NaN;
        }

        return (DaysFrom(year, month, day) * MillisecondsPerDay)
            + (hour * 3_600_000L) + (minute * 60_000L) + (second * 1000L) + milliseconds - offset;
    }

    private static long DaysFrom(long year, int month, int day)
    {
        year -= month <= 2 ? 1 : 0;
        var era = (year >= 0 ? year : year - 399) / 400;
        var yearOfEra = year - (era * 400);
        var dayOfYear = (((153 * (month > 2 ? month - 3 : month + 9)) + 2) / 5) + day - 1;
        return (era * 146_097) + (yearOfEra * 365) + (yearOfEra / 4) - (yearOfEra / 100) + dayOfYear - 719_468;
    }

    private static bool TrySkip(ref ReadOnlySpan<char> text, char c)
    {
        if (text.Length == 0 || text[0] != c)
        {
            return false;
        }

        text = text[1..];
        return true;
    }

    private static bool TryDigits(ref ReadOnlySpan<char> text, int count, out int value)
    {
        value = 0;
        if (text.Length < count)
        {
            return false;
        }

        foreach (var c in text[..count])
        {
            if (!char.IsAsciiDigit(c))
            {
                return false;
            }

            value = (value * 10) + (c - '0');
        }

        text = text[count..];
        return true;
    }

    private static bool TryFraction(ref ReadOnlySpan<char> text, out double milliseconds)
    {
        // .NET writes seven digits; JavaScript keeps three of them.
        var unit = 100;
        milliseconds = 0;
        var any = false;
        while (TryDigits(ref text, 1, out var digit))
        {
            milliseconds += digit * unit;
            unit /= 10;
            any = true;
        }

        return any;
    }

    private static bool TryOffset(ref ReadOnlySpan<char> text, out long milliseconds)
    {
        milliseconds = 0;
        if (TrySkip(ref text, 'Z') || TrySkip(ref text, 'z') || text.Length == 0)
        {
            return true;
        }

        var sign = TrySkip(ref text, '-') ? -1 : TrySkip(ref text, '+') ? 1 : 0;
        if (sign == 0 || !TryDigits(ref text, 2, out var hours) || !TrySkip(ref text, ':') || !TryDigits(ref text, 2, out var minutes)
            || hours > 23 || minutes > 59)
        {
            return false;
        }

        milliseconds = sign * ((hours * 3_600_000L) + (minutes * 60_000L));
        return true;
    }
}
