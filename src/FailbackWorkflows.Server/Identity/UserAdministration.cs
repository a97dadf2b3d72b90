using FailbackWorkflows.Failback;
using FailbackWorkflows.Persistence.Identity;
using Microsoft.AspNetCore.Identity;

namespace FailbackWorkflows.Server.Identity;

/// <summary>A person with the roles as they are.</summary>
/// <param name="Lock">Whether, and why, the person cannot sign in now.</param>
public sealed record UserWithRoles(string UserName, string? DisplayName, IReadOnlyList<string> Roles, UserLock Lock);

/// <summary>Whether a person may sign in.</summary>
public enum UserLock
{
    None,

    /// <summary>Too many wrong passwords; it ends by itself after minutes.</summary>
    TooManyAttempts,

    /// <summary>An administrator locked the account; an administrator unlocks it.</summary>
    ByAdministrator,
}

/// <summary>What became of a change of roles.</summary>
/// <param name="User">Null when nothing was changed.</param>
/// <param name="Before">The roles the person had.</param>
/// <param name="IsUnknown">There is no such person; otherwise it was the last administrator.</param>
public sealed record SetRolesResult(UserWithRoles? User, IReadOnlyList<string> Before, bool IsUnknown);

/// <summary>What became of locking or unlocking an account.</summary>
public enum SetLockResult
{
    Done,
    Unknown,
    IsAdministrator,
}

/// <summary>Adds people and says what they may do.</summary>
public sealed class UserAdministration(UserManager<FailbackUser> users, IUserList people, IUserRoles userRoles, TimeProvider time)
{
    /// <summary>People by name.</summary>
    public async Task<IReadOnlyList<UserWithRoles>> ListAsync(UserQuery query, CancellationToken cancellationToken) =>
        [.. (await people.ListAsync(query, cancellationToken)).Select(one => new UserWithRoles(one.User.UserName!, one.User.DisplayName, one.Roles, LockOf(one.User)))];

    /// <summary>One person; null: there is nobody of that name.</summary>
    public async Task<UserWithRoles?> FindAsync(string userName) => await users.FindByNameAsync(userName) is { } user ? await DescribeAsync(user) : null;

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
    /// keeps the role: nobody could give it back. Of two that are withdrawn at the same moment one is.
    /// </summary>
    public async Task<SetRolesResult> SetRolesAsync(string userName, IReadOnlyList<string> roles, CancellationToken cancellationToken)
    {
        if (await users.FindByNameAsync(userName) is not { } user)
        {
            return new(null, [], true);
        }

        var change = await userRoles.SetAsync(user.Id, roles, Roles.Administrator, cancellationToken);
        return change.IsRefused ? new(null, change.Before, false) : new(await DescribeAsync(user), change.Before, false);
    }

    /// <summary>Gives a person a new first password and ends all open sessions of it. Null: there is no such person; otherwise what is wrong with the password.</summary>
    public async Task<IReadOnlyList<string>?> SetPasswordAsync(string userName, string password)
    {
        if (await users.FindByNameAsync(userName) is not { } user)
        {
            return null;
        }

        var set = await users.ResetPasswordAsync(user, await users.GeneratePasswordResetTokenAsync(user), password);
        return [.. set.Errors.Select(error => error.Description)];
    }

    /// <summary>
    /// Locks a person out, open sessions included, or lets the person in again (also after too many wrong passwords). An administrator cannot be locked:
    /// withdraw the role first, which is refused for the last one. Doing it twice changes nothing more.
    /// </summary>
    public async Task<SetLockResult> SetLockedAsync(string userName, bool locked)
    {
        if (await users.FindByNameAsync(userName) is not { } user)
        {
            return SetLockResult.Unknown;
        }

        if (locked && await users.IsInRoleAsync(user, Roles.Administrator))
        {
            return SetLockResult.IsAdministrator;
        }

        Demand(await users.SetLockoutEndDateAsync(user, locked ? DateTimeOffset.MaxValue : null));
        Demand(await (locked ? users.UpdateSecurityStampAsync(user) : users.ResetAccessFailedCountAsync(user)));
        return SetLockResult.Done;
    }

    private static void Demand(IdentityResult result)
    {
        if (!result.Succeeded)
        {
            // The only thing that stands in the way of such a change.
            throw new ConcurrentChangeException("The account");
        }
    }

    private async Task<UserWithRoles> DescribeAsync(FailbackUser user) =>
        new(user.UserName!, user.DisplayName, [.. (await users.GetRolesAsync(user)).Order(StringComparer.Ordinal)], LockOf(user));

    private UserLock LockOf(FailbackUser user) =>
        user.LockoutEnd is not { } until || until <= time.GetUtcNow() ? UserLock.None
        : until.Year == DateTimeOffset.MaxValue.Year ? UserLock.ByAdministrator
        : UserLock.TooManyAttempts;
}
