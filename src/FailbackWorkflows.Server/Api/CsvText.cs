using System.Globalization;
using System.Text;

namespace FailbackWorkflows.Server.Api;

/// <summary>Tables as RFC 4180 has them, safe to open in a spreadsheet.</summary>
internal static class CsvText
{
    public const string ContentType = "text/csv";

    /// <summary>Instants in UTC to 100 ns, numbers without separators, everything else in quotes.</summary>
    public static void Line(StringBuilder text, params object?[] cells) => text.AppendJoin(',', cells.Select(Cell)).Append("\r\n");

    private static string Cell(object? value) => value switch
    {
        null => "",
        DateTimeOffset at => at.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'", CultureInfo.InvariantCulture),
        bool flag => flag ? "true" : "false",
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        _ => Quote(value.ToString()!),
    };

    /// <summary>A spreadsheet takes a cell that begins like a formula for one; what a recorder or a person wrote must not become that.</summary>
    private static string Quote(string text) => $"\"{(text.Length > 0 && "=+-@\t\r".Contains(text[0], StringComparison.Ordinal) ? "'" : "")}{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
}
