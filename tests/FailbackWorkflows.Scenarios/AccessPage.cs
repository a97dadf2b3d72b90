using System.Text.RegularExpressions;
using FailbackWorkflows.Testing.Processes;

namespace FailbackWorkflows.Scenarios;

/// <summary>Who may open which page, as <c>docs/access.md</c> tells it.</summary>
internal static partial class AccessPage
{
    private static readonly Lazy<(IReadOnlyList<string> Roles, IReadOnlyList<(Regex Route, string[] Cells)> Rows)> Table = new(Read);

    /// <summary>An address that no row names is open to whoever is signed in: it shows that there is nothing.</summary>
    public static bool MayOpen(string role, string path)
    {
        var column = Table.Value.Roles.ToList().IndexOf(role);
        var plain = path.Split('?')[0];
        return Table.Value.Rows.Where(row => row.Route.IsMatch(plain)).Select(row => row.Cells[column].Contains("yes", StringComparison.Ordinal)).DefaultIfEmpty(true).First();
    }

    private static (IReadOnlyList<string>, IReadOnlyList<(Regex, string[])>) Read()
    {
        var lines = File.ReadAllLines(Path.Combine(ProgramFiles.Root, "docs", "access.md")).Where(line => line.StartsWith('|')).Select(line => line.Trim('|').Split('|')).ToList();
        var roles = lines[0][2..].Select(role => role.Trim()).ToList();
        var rows = lines.Skip(2)
            .Select(cells => (Request: Request().Match(cells[0]), Cells: cells[2..]))
            .Where(row => row.Request.Success)
            // What has no gap comes first: /servers/add is a page of its own, not the server "add".
            .OrderBy(row => row.Request.Groups[1].Value.Contains('{', StringComparison.Ordinal))
            .Select(row => (new Regex($"^{Gap().Replace(row.Request.Groups[1].Value, "[^/]+")}$"), row.Cells))
            .ToList();
        return (roles, rows);
    }

    [GeneratedRegex("`GET (/[^`]*)`")]
    private static partial Regex Request();

    [GeneratedRegex("\\{[^}]+\\}")]
    private static partial Regex Gap();
}
