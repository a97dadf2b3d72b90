using FailbackWorkflows.Persistence.Identity;
using Microsoft.AspNetCore.Identity;
using Microsoft.EntityFrameworkCore;

namespace FailbackWorkflows.Server.Identity;

/// <summary>A person with the roles as they are.</summary>
public sealed record UserWithRoles(string UserName, string? DisplayName, IReadOnlyList<string> Roles);

/// <summary>What became of a change of roles.</summary>
/// <param name="User">Null when nothing was changed.</param>
/// <param name="Before">The roles the person had.</param>
/// <param name="IsUnknown">There is no such person; otherwise it was the last administrator.</param>
public sealed record SetRolesResult(UserWithRoles? User, IReadOnlyList<string> Before, bool IsUnknown);

/// <summary>Adds people and says what they may do.</summary>
public sealed class UserAdministration(UserManager<FailbackUser> users)
{
    /// <summary>Everybody, by name.</summary>
    public async Task<IReadOnlyList<UserWithRoles>> ListAsync(CancellationToken cancellationToken)
    {
        var all = new List<UserWithRoles>();
        foreach (var user in await users.Users.OrderBy(user => user.NormalizedUserName).ToListAsync(cancellationToken))
        {
            all.Add(await DescribeAsync(user));
        }

        return all;
    }

    public async Task<bool> ExistsAsync(string userName) => await users.FindByNameAsync(userName) is not null;

    /// <summary>The person, or what stands in the way, by field.</summary>
    public async Task<(UserWithRoles? User, IReadOnlyList<(string Field, string Sentence)> Mistakes)> CreateAsync(
        string userName, string password, string? displayName, IReadOnlyList<string> roles)
    {
        var user = new FailbackUser { UserName = userName.Trim(), DisplayName = string.IsNullOrWhiteSpace(displayName) ? null : displayName.Trim() };
        var made = await users.CreateAsync(user, password);
        if (made.Succeeded)
        {
            made = await users.AddToRolesAsync(user, roles.Distinct());
        }

        return made.Succeeded
            ? (await DescribeAsync(user), [])
            : (null, [.. made.Errors.Select(error => (error.Code.StartsWith("Password", StringComparison.Ordinal) ? "password" : "userName", error.Description))]);
    }

    /// <summary>
    /// In force from the person's next request on; what runs already goes on, because a run has its own authority. The last administrator
    /// keeps the role: nobody could give it back.
    /// </summary>
    public async Task<SetRolesResult> SetRolesAsync(string userName, IReadOnlyList<string> roles)
    {
        if (await users.FindByNameAsync(userName) is not { } user)
        {
            return new(null, [], true);
        }

        var before = (await DescribeAsync(user)).Roles;
        if (before.Contains(Roles.Administrator)
            && !roles.Contains(Roles.Administrator)
            && (await users.GetUsersInRoleAsync(Roles.Administrator)).Count == 1)
        {
            return new(null, before, false);
        }

        // First what is new: between the two the person may do more for a moment, rather than nothing at all.
        Require(await users.AddToRolesAsync(user, roles.Distinct().Except(before)));
        Require(await users.RemoveFromRolesAsync(user, before.Except(roles)));
        return new(await DescribeAsync(user), before, false);
    }

    private async Task<UserWithRoles> DescribeAsync(FailbackUser user) =>
        new(user.UserName!, user.DisplayName, [.. (await users.GetRolesAsync(user)).Order(StringComparer.Ordinal)]);

    private static void Require(IdentityResult result)
    {
        if (!result.Succeeded)
        {
            throw new InvalidOperationException($"The roles could not be stored: {string.Join(" ", result.Errors.Select(error => error.Description))}");
        }
    }
}
