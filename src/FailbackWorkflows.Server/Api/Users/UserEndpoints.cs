using FailbackWorkflows.Persistence.Identity;
using FailbackWorkflows.Server.Identity;
using Microsoft.AspNetCore.Http.HttpResults;

namespace FailbackWorkflows.Server.Api.Users;

/// <summary>A person who may sign in.</summary>
/// <param name="Lock"><c>none</c>, <c>tooManyAttempts</c> (ends by itself) or <c>byAdministrator</c>.</param>
public sealed record UserResponse(string UserName, string? DisplayName, IReadOnlyList<string> Roles, UserLock Lock);

/// <summary>People who may sign in, by name.</summary>
/// <param name="NextAfter">Give it as <c>after</c> to read on; null at the end.</param>
public sealed record UserList(IReadOnlyList<UserResponse> Items, string? NextAfter);

/// <summary>A person to add.</summary>
/// <param name="Password">12 characters or more; the person changes it after signing in.</param>
/// <param name="Roles">What the person may do; may be empty.</param>
public sealed record CreateUserRequest(string? UserName, string? Password, IReadOnlyList<string>? Roles, string? DisplayName = null);

/// <summary>The roles a person has from now on.</summary>
public sealed record SetRolesRequest(IReadOnlyList<string>? Roles, string? Reason = null);

/// <summary>A new first password of somebody who forgot it.</summary>
/// <param name="Password">12 characters or more.</param>
public sealed record SetPasswordRequest(string? Password, string? Reason = null);

/// <summary>Whether a person is locked out.</summary>
public sealed record SetLockRequest(bool? Locked, string? Reason = null);

internal static class UserEndpoints
{
    private const int MostPerPage = 200;

    public static void MapUsers(this IEndpointRouteBuilder api)
    {
        var users = api.MapGroup("/users").WithTags("Users").RequireAuthorization(Permissions.Administer);
        users.MapGet("", ListAsync).WithSummary("The people who may sign in by name, with their roles: all of them, or with take one page; those with q in their user name or name shown");
        users.MapPost("", CreateAsync).WithSummary("Adds a person with a first password");
        users.MapPut("/{userName}/roles", SetRolesAsync).WithSummary("Sets the roles of a person; in force from the person's next request on");
        users.MapPut("/{userName}/password", SetPasswordAsync).WithSummary("Gives a person a new first password; ends all open sessions of the person");
        users.MapPut("/{userName}/lock", SetLockAsync).WithSummary("Locks a person out, open sessions included, or lets the person in again");
    }

    /// <summary>Without <paramref name="take"/> everybody at once, as it was before there were pages.</summary>
    private static async Task<Results<Ok<UserList>, Problem>> ListAsync(
        UserAdministration administration, CancellationToken cancellationToken, string? q = null, string? after = null, int? take = null)
    {
        var errors = new FieldErrors();
        errors.Optional("q", q, 100);
        errors.Optional("after", after, 100);
        if (take is { } wanted)
        {
            errors.Between("take", wanted, 1, MostPerPage);
        }

        if (errors.Any)
        {
            return errors.ToProblem();
        }

        var page = await administration.ListAsync(new UserQuery(string.IsNullOrWhiteSpace(q) ? null : q.Trim(), string.IsNullOrEmpty(after) ? null : after, take), cancellationToken);
        return TypedResults.Ok(new UserList([.. page.Select(ToResponse)], page.Count == take ? page[^1].UserName : null));
    }

    private static async Task<Results<Created<UserResponse>, Problem>> CreateAsync(CreateUserRequest request, HttpContext context, UserAdministration administration)
    {
        var errors = new FieldErrors();
        errors.Required("userName", request.UserName, 100);
        errors.Required("password", request.Password, 256);
        errors.Optional("displayName", request.DisplayName, 100);
        CheckRoles(request.Roles, errors);
        if (errors.Any)
        {
            return errors.ToProblem();
        }

        var audit = context.Audit(request.UserName);
        if (await administration.ExistsAsync(request.UserName!))
        {
            return new Problem(Problems.UserExists, $"There is a user '{request.UserName}' already. Choose another name.");
        }

        var (user, mistakes) = await administration.CreateAsync(request.UserName!, request.Password!, request.DisplayName, request.Roles!);
        foreach (var (field, sentence) in mistakes)
        {
            errors.Add(field, sentence);
        }

        if (user is null)
        {
            return errors.ToProblem();
        }

        audit.Result = $"done: {string.Join(", ", request.Roles!)}";
        return TypedResults.Created("/api/v1/users", ToResponse(user));
    }

    private static async Task<Results<Ok<UserResponse>, Problem>> SetRolesAsync(
        string userName, SetRolesRequest request, HttpContext context, UserAdministration administration, CancellationToken cancellationToken)
    {
        var errors = new FieldErrors();
        errors.Optional("reason", request.Reason, 1000);
        CheckRoles(request.Roles, errors);
        if (errors.Any)
        {
            return errors.ToProblem();
        }

        var audit = context.Audit(userName, request.Reason);
        var result = await administration.SetRolesAsync(userName, request.Roles!, cancellationToken);
        if (result.User is not { } user)
        {
            return result.IsUnknown
                ? NobodyOfThatName()
                : new Problem(Problems.Refused, "This is the last administrator. Give somebody else the role administrator first.");
        }

        audit.Result = $"done: {Text(result.Before)} → {Text(user.Roles)}";
        return TypedResults.Ok(ToResponse(user));
    }

    private static async Task<Results<NoContent, Problem>> SetPasswordAsync(string userName, SetPasswordRequest request, HttpContext context, UserAdministration administration)
    {
        var errors = new FieldErrors();
        errors.Required("password", request.Password, 256);
        errors.Optional("reason", request.Reason, 1000);
        if (errors.Any)
        {
            return errors.ToProblem();
        }

        context.Audit(userName, request.Reason);
        if (await administration.SetPasswordAsync(userName, request.Password!) is not { } mistakes)
        {
            return NobodyOfThatName();
        }

        foreach (var mistake in mistakes)
        {
            errors.Add("password", mistake);
        }

        return errors.Any ? errors.ToProblem() : TypedResults.NoContent();
    }

    private static async Task<Results<NoContent, Problem>> SetLockAsync(string userName, SetLockRequest request, HttpContext context, UserAdministration administration)
    {
        var errors = new FieldErrors();
        errors.Optional("reason", request.Reason, 1000);
        if (request.Locked is null)
        {
            errors.Add("locked", "It must be true or false.");
        }

        if (errors.Any)
        {
            return errors.ToProblem();
        }

        context.Audit(userName, request.Reason).Which = request.Locked!.Value ? "locked=true" : "locked=false";
        return await administration.SetLockedAsync(userName, request.Locked!.Value) switch
        {
            SetLockResult.Done => TypedResults.NoContent(),
            SetLockResult.IsAdministrator => new Problem(Problems.Refused, "An administrator cannot be locked out. Withdraw the role administrator first."),
            _ => NobodyOfThatName(),
        };
    }

    private static Problem NobodyOfThatName() => new(Problems.UnknownUser, "GET /api/v1/users lists the people there are.");

    private static void CheckRoles(IReadOnlyList<string>? roles, FieldErrors errors)
    {
        if (roles is null || roles.Any(role => !Roles.All.Contains(role)))
        {
            errors.Add("roles", $"It must be a list of {string.Join(", ", Roles.All)}.");
        }
    }

    private static string Text(IReadOnlyList<string> roles) => roles.Count == 0 ? "no role" : string.Join(", ", roles);

    private static UserResponse ToResponse(UserWithRoles user) => new(user.UserName, user.DisplayName, user.Roles, user.Lock);
}
