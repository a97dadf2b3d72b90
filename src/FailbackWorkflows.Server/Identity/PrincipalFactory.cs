using System.Security.Claims;
using FailbackWorkflows.Persistence.Identity;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.Options;

namespace FailbackWorkflows.Server.Identity;

/// <summary>
/// What a session says of a person: who it is, as shown, and the roles. Made anew for each request, so one statement: the claims that people and roles may have beside that in Identity's
/// tables are nothing anybody here gives or asks for.
/// </summary>
internal sealed class PrincipalFactory(UserManager<FailbackUser> users, IOptions<IdentityOptions> options) : UserClaimsPrincipalFactory<FailbackUser>(users, options)
{
    protected override async Task<ClaimsIdentity> GenerateClaimsAsync(FailbackUser user)
    {
        var names = Options.ClaimsIdentity;
        var identity = new ClaimsIdentity(IdentityConstants.ApplicationScheme, names.UserNameClaimType, names.RoleClaimType);
        identity.AddClaim(new Claim(names.UserIdClaimType, user.Id));
        identity.AddClaim(new Claim(names.UserNameClaimType, user.UserName ?? user.Id));
        identity.AddClaim(new Claim(names.SecurityStampClaimType, await UserManager.GetSecurityStampAsync(user)));
        identity.AddClaims((await UserManager.GetRolesAsync(user)).Select(role => new Claim(names.RoleClaimType, role)));

        // So that pages and journals show a person rather than an account.
        if (user.DisplayName is { Length: > 0 } name)
        {
            identity.AddClaim(new Claim(ClaimTypes.GivenName, name));
        }

        return identity;
    }
}
