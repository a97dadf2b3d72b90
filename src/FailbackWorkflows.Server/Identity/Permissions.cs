using Microsoft.AspNetCore.Authorization;

namespace FailbackWorkflows.Server.Identity;

/// <summary>
/// What one may do, by name, and which roles may. Every endpoint and page names one of these; whatever names none is open to nobody who
/// is not signed in (fallback policy).
/// </summary>
public static class Permissions
{
    /// <summary>See servers, failover log, runs with their journals, changes.</summary>
    public const string Read = "read";

    /// <summary>Start failovers and failbacks, report failovers, cancel and retry runs.</summary>
    public const string Operate = "operate";

    /// <summary>Edit and publish workflows.</summary>
    public const string Integrate = "integrate";

    /// <summary>Read the audit log. The journal of a run needs <see cref="Read"/> only: it is what the run's page shows.</summary>
    public const string Audit = "audit";

    /// <summary>Servers, licence, API keys, policies.</summary>
    public const string Administer = "administer";

    /// <summary>Fail back although maintenance mode is on.</summary>
    public const string OverrideMaintenance = "override-maintenance";

    /// <summary>One's own account; no role needed.</summary>
    public const string OwnAccount = "own-account";

    /// <summary>The roles that have a permission.</summary>
    public static IReadOnlyDictionary<string, IReadOnlyList<string>> ByName { get; } = new Dictionary<string, IReadOnlyList<string>>
    {
        [Read] = Roles.All,
        [Operate] = [Roles.Operator, Roles.Administrator],
        [Integrate] = [Roles.Integrator, Roles.Administrator],
        [Audit] = [Roles.Auditor, Roles.Administrator],
        [Administer] = [Roles.Administrator],
        [OverrideMaintenance] = [Roles.Administrator],
    };

    internal static void Configure(AuthorizationOptions options)
    {
        foreach (var (name, roles) in ByName)
        {
            options.AddPolicy(name, policy => policy.RequireAuthenticatedUser().RequireRole(roles));
        }

        options.AddPolicy(OwnAccount, policy => policy.RequireAuthenticatedUser());
        options.FallbackPolicy = options.DefaultPolicy;
    }

    /// <summary>True when the user has one of the roles that have the permission.</summary>
    public static bool May(this System.Security.Claims.ClaimsPrincipal user, string permission) => ByName[permission].Any(user.IsInRole);

    /// <summary>The roles that have a permission, as text: "operator or administrator".</summary>
    public static string RolesText(string permission) => string.Join(" or ", ByName[permission]);
}
