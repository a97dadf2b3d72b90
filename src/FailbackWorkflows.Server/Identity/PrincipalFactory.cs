using System.Security.Claims;
using FailbackWorkflows.Persistence.Identity;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.Options;

namespace FailbackWorkflows.Server.Identity;

/// <summary>Puts the display name into the session, so that pages and journals show a person rather than an account.</summary>
internal sealed class PrincipalFactory(UserManager<FailbackUser> users, RoleManager<IdentityRole> roles, IOptions<IdentityOptions> options)
    : UserClaimsPrincipalFactory<FailbackUser, IdentityRole>(users, roles, options)
{
    protected override async Task<ClaimsIdentity> GenerateClaimsAsync(FailbackUser user)
    {
        var identity = await base.GenerateClaimsAsync(user);
        if (user.DisplayName is { Length: > 0 } name)
        {
            identity.AddClaim(new Claim(ClaimTypes.GivenName, name));
        }

        return identity;
    }
}
