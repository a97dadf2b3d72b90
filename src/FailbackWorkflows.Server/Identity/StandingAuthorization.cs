using System.Security.Claims;
using FailbackWorkflows.Persistence.Identity;
using Microsoft.AspNetCore.Identity;

namespace FailbackWorkflows.Server.Identity;

/// <summary>
/// Whether whoever opened an answer that does not end may still have it. A request is authorized when it begins; what is revoked while it lasts has to be looked
/// for anew: the key, the roles, a changed password, the end of a token.
/// </summary>
internal sealed class StandingAuthorization(IServiceScopeFactory scopes, IApiKeys keys, TimeProvider time)
{
    public async Task<bool> MayAsync(ClaimsPrincipal principal, string permission, CancellationToken cancellationToken)
    {
        var roles = Permissions.ByName[permission];
        if (principal.Identity?.AuthenticationType == ApiKeyHandler.Scheme)
        {
            return principal.FindFirstValue(ClaimTypes.NameIdentifier) is { } id
                && await keys.FindAsync(id, cancellationToken) is { RevokedAt: null } key
                && !(key.ExpiresAt <= time.GetUtcNow())
                && roles.Contains(key.Role);
        }

        if (CurrentActor.IsByToken(principal))
        {
            // The provider says nothing more about a token it gave: it is as good as its own end.
            return OpenIdTokens.EndOf(principal) > time.GetUtcNow() && roles.Any(principal.IsInRole);
        }

        await using var scope = scopes.CreateAsyncScope();
        var signIn = scope.ServiceProvider.GetRequiredService<SignInManager<FailbackUser>>();
        return await signIn.ValidateSecurityStampAsync(principal) is { } user && (await signIn.UserManager.GetRolesAsync(user)).Any(roles.Contains);
    }
}
