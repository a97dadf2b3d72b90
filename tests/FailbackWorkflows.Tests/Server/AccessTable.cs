using System.Text;
using FailbackWorkflows.Server.Identity;

namespace FailbackWorkflows.Tests.Server;

/// <summary>Every endpoint and which roles may use it, as a page of the documentation.</summary>
internal static class AccessTable
{
    private const string Introduction =
        """
        # Who may do what

        Made from the endpoints of the running server; a test compares it with them, so a new endpoint shows up here or the build fails. *Anyone* means
        without signing in, *signed in* any account or key whatever its role. What a role may not do is on the
        pages all the same, greyed out or as a line, with the roles that may; the requests behind the buttons are checked again.

        """;

    public static string Write(IEnumerable<(string Method, string Route, string? Policy)> endpoints)
    {
        var text = new StringBuilder(Introduction.ReplaceLineEndings("\n"));
        text.Append('\n').Append("| Request | Permission |");
        foreach (var role in Roles.All)
        {
            text.Append(' ').Append(role).Append(" |");
        }

        text.Append("\n|---|---|").Append(string.Concat(Enumerable.Repeat("---|", Roles.All.Count))).Append('\n');
        foreach (var (method, route, policy) in endpoints.Select(e => (e.Method, Route: "/" + e.Route.Trim('/'), e.Policy)).Distinct().OrderBy(e => e.Route, StringComparer.Ordinal).ThenBy(e => e.Method, StringComparer.Ordinal))
        {
            text.Append("| `").Append(method).Append(' ').Append(route.Replace("|", "\\|", StringComparison.Ordinal)).Append("` | ").Append(policy ?? "anyone").Append(" |");
            foreach (var role in Roles.All)
            {
                text.Append(policy is null or Permissions.OwnAccount || Permissions.ByName[policy].Contains(role) ? " yes |" : "  |");
            }

            text.Append('\n');
        }

        return text.ToString();
    }
}
