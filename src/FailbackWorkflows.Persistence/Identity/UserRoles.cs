using Microsoft.AspNetCore.Identity;
using Microsoft.EntityFrameworkCore;

namespace FailbackWorkflows.Persistence.Identity;

/// <summary>What became of a change of somebody's roles.</summary>
/// <param name="Before">The roles the person had.</param>
/// <param name="IsRefused">Nobody would have the role that somebody must have; nothing was changed.</param>
public sealed record RolesChange(IReadOnlyList<string> Before, bool IsRefused);

/// <summary>Sets roles. What must stay true of everybody together is looked at in the transaction of the change, where nobody else writes.</summary>
public interface IUserRoles
{
    /// <summary>Gives a person exactly these roles. Doing it twice changes nothing the second time.</summary>
    /// <param name="neededRole">Somebody who can sign in must have it: a change that takes it from the last one is refused. Who is locked out until somebody lets the person in does not count.</param>
    Task<RolesChange> SetAsync(string userId, IReadOnlyList<string> roles, string neededRole, CancellationToken cancellationToken);
}

/// <summary>A part of the people, by name.</summary>
/// <param name="Text">A part of the user name or the name shown, in any case; null: everybody.</param>
/// <param name="After">User name of the last person of the page before; null: from the first.</param>
/// <param name="Take">1–200; null: all.</param>
public sealed record UserQuery(string? Text = null, string? After = null, int? Take = null);

/// <summary>Reads people together with their roles: two statements, however many they are.</summary>
public interface IUserList
{
    Task<IReadOnlyList<(FailbackUser User, IReadOnlyList<string> Roles)>> ListAsync(UserQuery query, CancellationToken cancellationToken);
}

internal sealed class UserList(IDatabase database) : IUserList
{
    private const int MostPerPage = 200;

    public async Task<IReadOnlyList<(FailbackUser User, IReadOnlyList<string> Roles)>> ListAsync(UserQuery query, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        IQueryable<FailbackUser> people = db.Users;
        if (query.Text is { } text)
        {
            var (large, small) = (text.ToUpperInvariant(), text.ToLowerInvariant());
            people = people.Where(u => u.NormalizedUserName!.Contains(large) || (u.DisplayName != null && (u.DisplayName.Contains(text) || u.DisplayName.ToLower().Contains(small))));
        }

        if (query.After is { } after)
        {
            var mark = after.ToUpperInvariant();
            people = people.Where(u => string.Compare(u.NormalizedUserName, mark) > 0);
        }

        people = people.OrderBy(u => u.NormalizedUserName);
        if (query.Take is { } take)
        {
            people = people.Take(Math.Clamp(take, 1, MostPerPage));
        }

        var users = await people.ToListAsync(cancellationToken);
        var ids = people.Select(u => u.Id);
        var held = await db.UserRoles
            .Where(row => ids.Contains(row.UserId))
            .Join(db.Roles, row => row.RoleId, role => role.Id, (row, role) => new { row.UserId, role.Name })
            .ToListAsync(cancellationToken);
        var roles = held.ToLookup(row => row.UserId, row => row.Name!);
        return [.. users.Select(user => (user, (IReadOnlyList<string>)[.. roles[user.Id].Order(StringComparer.Ordinal)]))];
    }
}

internal sealed class UserRoles(IDatabase database) : IUserRoles
{
    /// <summary>A lock that ends later than this does not end by itself.</summary>
    private static readonly DateTimeOffset ForEver = new(9999, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public async Task<RolesChange> SetAsync(string userId, IReadOnlyList<string> roles, string neededRole, CancellationToken cancellationToken)
    {
        await using var session = await database.BeginWriteAsync(cancellationToken);
        var db = session.Context;
        var ids = await db.Roles.ToDictionaryAsync(role => role.Name!, role => role.Id, StringComparer.Ordinal, cancellationToken);
        var held = await db.UserRoles.Where(row => row.UserId == userId).ToListAsync(cancellationToken);
        var before = ids.Where(role => held.Exists(row => row.RoleId == role.Value)).Select(role => role.Key).Order(StringComparer.Ordinal).ToList();
        var neededId = ids[neededRole];
        if (before.Contains(neededRole)
            && !roles.Contains(neededRole)
            && !await db.UserRoles.AnyAsync(
                row => row.RoleId == neededId && row.UserId != userId && db.Users.Any(user => user.Id == row.UserId && (user.LockoutEnd == null || user.LockoutEnd < ForEver)),
                cancellationToken))
        {
            return new(before, true);
        }

        db.UserRoles.RemoveRange(held.Where(row => !roles.Any(role => ids[role] == row.RoleId)));
        db.UserRoles.AddRange(roles.Distinct().Except(before).Select(role => new IdentityUserRole<string> { UserId = userId, RoleId = ids[role] }));
        await db.SaveChangesAsync(cancellationToken);
        await session.CommitAsync(cancellationToken);
        return new(before, false);
    }
}
