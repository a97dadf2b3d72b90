using System.Collections.Concurrent;
using FailbackWorkflows.Persistence.Identity;
using Microsoft.AspNetCore.Identity;

namespace FailbackWorkflows.Tests.Server.Fakes;

/// <summary>Users with password, roles, lockout and security stamp, in memory.</summary>
internal sealed class InMemoryUsers : IUserPasswordStore<FailbackUser>, IUserRoleStore<FailbackUser>, IUserLockoutStore<FailbackUser>, IUserSecurityStampStore<FailbackUser>
{
    private readonly ConcurrentDictionary<string, FailbackUser> users = [];
    private readonly ConcurrentDictionary<(string User, string Role), bool> roles = [];

    public Task<IdentityResult> CreateAsync(FailbackUser user, CancellationToken cancellationToken)
    {
        users[user.Id] = user;
        return Task.FromResult(IdentityResult.Success);
    }

    public Task<IdentityResult> UpdateAsync(FailbackUser user, CancellationToken cancellationToken) => CreateAsync(user, cancellationToken);

    public Task<IdentityResult> DeleteAsync(FailbackUser user, CancellationToken cancellationToken)
    {
        users.TryRemove(user.Id, out _);
        return Task.FromResult(IdentityResult.Success);
    }

    public Task<FailbackUser?> FindByIdAsync(string userId, CancellationToken cancellationToken) => Task.FromResult(users.GetValueOrDefault(userId));

    public Task<FailbackUser?> FindByNameAsync(string normalizedUserName, CancellationToken cancellationToken) =>
        Task.FromResult(users.Values.FirstOrDefault(user => user.NormalizedUserName == normalizedUserName));

    public Task<string?> GetNormalizedUserNameAsync(FailbackUser user, CancellationToken cancellationToken) => Task.FromResult(user.NormalizedUserName);

    public Task<string> GetUserIdAsync(FailbackUser user, CancellationToken cancellationToken) => Task.FromResult(user.Id);

    public Task<string?> GetUserNameAsync(FailbackUser user, CancellationToken cancellationToken) => Task.FromResult(user.UserName);

    public Task SetNormalizedUserNameAsync(FailbackUser user, string? normalizedName, CancellationToken cancellationToken)
    {
        user.NormalizedUserName = normalizedName;
        return Task.CompletedTask;
    }

    public Task SetUserNameAsync(FailbackUser user, string? userName, CancellationToken cancellationToken)
    {
        user.UserName = userName;
        return Task.CompletedTask;
    }

    public Task<string?> GetPasswordHashAsync(FailbackUser user, CancellationToken cancellationToken) => Task.FromResult(user.PasswordHash);

    public Task<bool> HasPasswordAsync(FailbackUser user, CancellationToken cancellationToken) => Task.FromResult(user.PasswordHash is not null);

    public Task SetPasswordHashAsync(FailbackUser user, string? passwordHash, CancellationToken cancellationToken)
    {
        user.PasswordHash = passwordHash;
        return Task.CompletedTask;
    }

    public Task AddToRoleAsync(FailbackUser user, string roleName, CancellationToken cancellationToken)
    {
        roles[(user.Id, roleName)] = true;
        return Task.CompletedTask;
    }

    public Task RemoveFromRoleAsync(FailbackUser user, string roleName, CancellationToken cancellationToken)
    {
        roles.TryRemove((user.Id, roleName), out _);
        return Task.CompletedTask;
    }

    // Kept as Identity hands them over, normalised; the claims need the names as the policies have them.
    public Task<IList<string>> GetRolesAsync(FailbackUser user, CancellationToken cancellationToken) =>
        Task.FromResult<IList<string>>([.. roles.Keys.Where(role => role.User == user.Id).Select(role => role.Role.ToLowerInvariant())]);

    public Task<bool> IsInRoleAsync(FailbackUser user, string roleName, CancellationToken cancellationToken) => Task.FromResult(roles.ContainsKey((user.Id, roleName)));

    public Task<IList<FailbackUser>> GetUsersInRoleAsync(string roleName, CancellationToken cancellationToken) =>
        Task.FromResult<IList<FailbackUser>>([.. users.Values.Where(user => roles.ContainsKey((user.Id, roleName)))]);

    public Task<int> GetAccessFailedCountAsync(FailbackUser user, CancellationToken cancellationToken) => Task.FromResult(user.AccessFailedCount);

    public Task<bool> GetLockoutEnabledAsync(FailbackUser user, CancellationToken cancellationToken) => Task.FromResult(user.LockoutEnabled);

    public Task<DateTimeOffset?> GetLockoutEndDateAsync(FailbackUser user, CancellationToken cancellationToken) => Task.FromResult(user.LockoutEnd);

    public Task<int> IncrementAccessFailedCountAsync(FailbackUser user, CancellationToken cancellationToken) => Task.FromResult(++user.AccessFailedCount);

    public Task ResetAccessFailedCountAsync(FailbackUser user, CancellationToken cancellationToken)
    {
        user.AccessFailedCount = 0;
        return Task.CompletedTask;
    }

    public Task SetLockoutEnabledAsync(FailbackUser user, bool enabled, CancellationToken cancellationToken)
    {
        user.LockoutEnabled = enabled;
        return Task.CompletedTask;
    }

    public Task SetLockoutEndDateAsync(FailbackUser user, DateTimeOffset? lockoutEnd, CancellationToken cancellationToken)
    {
        user.LockoutEnd = lockoutEnd;
        return Task.CompletedTask;
    }

    public Task<string?> GetSecurityStampAsync(FailbackUser user, CancellationToken cancellationToken) => Task.FromResult(user.SecurityStamp);

    public Task SetSecurityStampAsync(FailbackUser user, string stamp, CancellationToken cancellationToken)
    {
        user.SecurityStamp = stamp;
        return Task.CompletedTask;
    }

    public void Dispose()
    {
    }
}

/// <summary>Roles in memory.</summary>
internal sealed class InMemoryRoles : IRoleStore<IdentityRole>
{
    private readonly ConcurrentDictionary<string, IdentityRole> roles = [];

    public Task<IdentityResult> CreateAsync(IdentityRole role, CancellationToken cancellationToken)
    {
        roles[role.Id] = role;
        return Task.FromResult(IdentityResult.Success);
    }

    public Task<IdentityResult> UpdateAsync(IdentityRole role, CancellationToken cancellationToken) => CreateAsync(role, cancellationToken);

    public Task<IdentityResult> DeleteAsync(IdentityRole role, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<IdentityRole?> FindByIdAsync(string roleId, CancellationToken cancellationToken) => Task.FromResult(roles.GetValueOrDefault(roleId));

    public Task<IdentityRole?> FindByNameAsync(string normalizedRoleName, CancellationToken cancellationToken) =>
        Task.FromResult(roles.Values.FirstOrDefault(role => role.NormalizedName == normalizedRoleName));

    public Task<string?> GetNormalizedRoleNameAsync(IdentityRole role, CancellationToken cancellationToken) => Task.FromResult(role.NormalizedName);

    public Task<string> GetRoleIdAsync(IdentityRole role, CancellationToken cancellationToken) => Task.FromResult(role.Id);

    public Task<string?> GetRoleNameAsync(IdentityRole role, CancellationToken cancellationToken) => Task.FromResult(role.Name);

    public Task SetNormalizedRoleNameAsync(IdentityRole role, string? normalizedName, CancellationToken cancellationToken)
    {
        role.NormalizedName = normalizedName;
        return Task.CompletedTask;
    }

    public Task SetRoleNameAsync(IdentityRole role, string? roleName, CancellationToken cancellationToken)
    {
        role.Name = roleName;
        return Task.CompletedTask;
    }

    public void Dispose()
    {
    }
}

/// <summary>API keys and the audit log, in memory.</summary>
internal sealed class InMemoryKeysAndAudit : IApiKeys, IAuditLog
{
    private readonly ConcurrentDictionary<string, ApiKey> keys = [];

    public ConcurrentQueue<AuditRecord> Records { get; } = [];

    public Task<ApiKey?> FindByHashAsync(string sha256, CancellationToken cancellationToken) => Task.FromResult(keys.Values.FirstOrDefault(key => key.Sha256 == sha256));

    public Task<IReadOnlyList<ApiKey>> ListAsync(CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyList<ApiKey>>([.. keys.Values.OrderBy(key => key.CreatedAt)]);

    public Task AddAsync(ApiKey key, CancellationToken cancellationToken)
    {
        keys[key.Id] = key;
        return Task.CompletedTask;
    }

    public Task<bool> RevokeAsync(string id, DateTimeOffset at, CancellationToken cancellationToken)
    {
        if (!keys.TryGetValue(id, out var key))
        {
            return Task.FromResult(false);
        }

        keys[id] = key with { RevokedAt = key.RevokedAt ?? at };
        return Task.FromResult(true);
    }

    public Task AppendAsync(AuditRecord record, CancellationToken cancellationToken)
    {
        Records.Enqueue(record);
        return Task.CompletedTask;
    }
}
