using FailbackWorkflows.Server.Hosting;

namespace FailbackWorkflows.Server.Identity;

/// <summary>
/// The site's identity provider, whose tokens (JWT, signed by a key it publishes) sign people and programs in at the API: section
/// <c>Failback:OpenIdProvider</c>. Without it there are only local users and API keys.
/// </summary>
public sealed class OpenIdProviderOptions
{
    public const string Section = "Failback:OpenIdProvider";

    /// <summary>Address of the provider (issuer); its document is read at <c>.well-known/openid-configuration</c> below it. https, or http on loopback.</summary>
    public Uri? Authority { get; set; }

    /// <summary>For whom tokens must be meant (<c>aud</c>): the name under which the provider knows this server. Required.</summary>
    public string? Audience { get; set; }

    /// <summary>Claim that holds the name a page shows. Default: <c>preferred_username</c>.</summary>
    public string NameClaim { get; set; } = "preferred_username";

    /// <summary>Claim that holds the roles or groups; a dot leads into an object, as in <c>realm_access.roles</c>. Default: <c>roles</c>.</summary>
    public string RoleClaim { get; set; } = "roles";

    /// <summary>For each of our roles, what the provider calls it; several names are possible. A role that is not named here is given to nobody. Default: our own names.</summary>
    public Dictionary<string, string[]> Roles { get; } = new(StringComparer.Ordinal);

    /// <summary>The section, checked; null where there is none. Throws <see cref="StartRefusedException"/> with all mistakes at once.</summary>
    internal static OpenIdProviderOptions? Read(IConfiguration configuration)
    {
        var section = configuration.GetSection(Section);
        if (!section.Exists())
        {
            return null;
        }

        OpenIdProviderOptions options;
        try
        {
            options = section.Get<OpenIdProviderOptions>()!;
        }
        catch (InvalidOperationException exception)
        {
            throw new StartRefusedException(ExitCodes.BadSettings, $"{Section} cannot be read: {exception.Message}", exception);
        }

        if (options.Roles.Count == 0)
        {
            foreach (var role in Identity.Roles.All)
            {
                options.Roles[role] = [role];
            }
        }

        var mistakes = options.Check().ToList();
        return mistakes.Count == 0 ? options : throw new StartRefusedException(ExitCodes.BadSettings, string.Join(Environment.NewLine, mistakes));
    }

    /// <summary>Our roles among what the provider says.</summary>
    public IEnumerable<string> RolesOf(IReadOnlyCollection<string> theirs) => Roles.Where(role => role.Value.Any(theirs.Contains)).Select(role => role.Key);

    private IEnumerable<string> Check()
    {
        if (Authority is not { IsAbsoluteUri: true } authority || !(authority.Scheme == Uri.UriSchemeHttps || (authority.Scheme == Uri.UriSchemeHttp && authority.IsLoopback)))
        {
            yield return $"{Section}:Authority must be the https address of the identity provider (http only on loopback).";
        }

        if (string.IsNullOrWhiteSpace(Audience))
        {
            yield return $"{Section}:Audience must say for whom tokens are meant; otherwise a token for any other program would sign in here.";
        }

        if (string.IsNullOrWhiteSpace(NameClaim) || string.IsNullOrWhiteSpace(RoleClaim))
        {
            yield return $"{Section}:NameClaim and RoleClaim must not be empty.";
        }

        foreach (var unknown in Roles.Keys.Where(role => !Identity.Roles.All.Contains(role)))
        {
            yield return $"{Section}:Roles names '{unknown}', but the roles are {string.Join(", ", Identity.Roles.All)}.";
        }
    }
}

/// <summary>What the System page tells of the identity provider; null options: there is none.</summary>
public sealed record IdentityProviderView(OpenIdProviderOptions? Options);
