namespace FailbackWorkflows.Server.Identity;

/// <summary>The roles of people and API keys.</summary>
public static class Roles
{
    /// <summary>Sees everything an operator sees, changes nothing.</summary>
    public const string Viewer = "viewer";

    /// <summary>Starts failovers and failbacks, cancels and retries runs.</summary>
    public const string Operator = "operator";

    /// <summary>Edits and publishes workflows.</summary>
    public const string Integrator = "integrator";

    /// <summary>Reads histories and verifies them; changes nothing.</summary>
    public const string Auditor = "auditor";

    /// <summary>Servers, people, licence, policies; may do all of the above.</summary>
    public const string Administrator = "administrator";

    public static IReadOnlyList<string> All { get; } = [Viewer, Operator, Integrator, Auditor, Administrator];
}
