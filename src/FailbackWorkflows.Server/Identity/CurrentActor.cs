using System.Security.Claims;
using FailbackWorkflows.Engine;

namespace FailbackWorkflows.Server.Identity;

/// <summary>Who makes the current request, in the words of the journal and the audit log.</summary>
internal static class CurrentActor
{
    public static Actor Of(HttpContext context)
    {
        var user = context.User;
        var kind = IsApiKey(user) ? ActorKind.ApiKey : ActorKind.User;
        var id = user.FindFirstValue(ClaimTypes.NameIdentifier);
        var address = context.Connection.RemoteIpAddress?.ToString();
        return id is null
            ? new Actor(ActorKind.User, "anonymous", "anonymous", address)
            : new Actor(kind, id, DisplayName(user), address);
    }

    public static bool IsApiKey(ClaimsPrincipal user) => user.Identity?.AuthenticationType == ApiKeyHandler.Scheme;

    /// <summary>Signed in by a header of the request (API key, token of the identity provider), which no browser sends on its own.</summary>
    public static bool IsByHeader(ClaimsPrincipal user) => IsApiKey(user) || IsByToken(user);

    public static bool IsByToken(ClaimsPrincipal user) => user.Identity?.AuthenticationType == OpenIdTokens.Scheme;

    /// <summary>The name a page shows: the display name when there is one.</summary>
    public static string DisplayName(ClaimsPrincipal user) =>
        user.FindFirstValue(ClaimTypes.GivenName) is { Length: > 0 } display ? display : user.Identity?.Name ?? "unknown";
}
