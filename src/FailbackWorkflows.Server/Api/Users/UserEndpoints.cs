using FailbackWorkflows.Server.Identity;
using Microsoft.AspNetCore.Http.HttpResults;

namespace FailbackWorkflows.Server.Api.Users;

/// <summary>A person who may sign in.</summary>
public sealed record UserResponse(string UserName, string? DisplayName, IReadOnlyList<string> Roles);

/// <summary>All people who may sign in.</summary>
public sealed record UserList(IReadOnlyList<UserResponse> Items);

/// <summary>A person to add.</summary>
/// <param name="Password">12 characters or more; the person changes it after signing in.</param>
/// <param name="Roles">What the person may do; may be empty.</param>
public sealed record CreateUserRequest(string? UserName, string? Password, IReadOnlyList<string>? Roles, string? DisplayName = null);

/// <summary>The roles a person has from now on.</summary>
public sealed record SetRolesRequest(IReadOnlyList<string>? Roles, string? Reason = null);

internal static class UserEndpoints
{
    public static void MapUsers(this IEndpointRouteBuilder api)
    {
        var users = api.MapGroup("/users").WithTags("Users").RequireAuthorization(Permissions.Administer);
        users.MapGet("", ListAsync).WithSummary("The people who may sign in, with their roles");
        users.MapPost("", CreateAsync).WithSummary("Adds a person with a first password");
        users.MapPut("/{userName}/roles", SetRolesAsync).WithSummary("Sets the roles of a person; in force from the person's next request on");
    }

    private static async Task<Ok<UserList>> ListAsync(UserAdministration administration, CancellationToken cancellationToken) =>
        TypedResults.Ok(new UserList([.. (await administration.ListAsync(cancellationToken)).Select(ToResponse)]));

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

        context.Audit(request.UserName);
        if (await administration.ExistsAsync(request.UserName!))
        {
            return new Problem(Problems.UserExists, $"There is a user '{request.UserName}' already. Choose another name.");
        }

        var (user, mistakes) = await administration.CreateAsync(request.UserName!, request.Password!, request.DisplayName, request.Roles!);
        foreach (var (field, sentence) in mistakes)
        {
            errors.Add(field, sentence);
        }

        return user is null ? errors.ToProblem() : TypedResults.Created("/api/v1/users", ToResponse(user));
    }

    private static async Task<Results<Ok<UserResponse>, Problem>> SetRolesAsync(string userName, SetRolesRequest request, HttpContext context, UserAdministration administration)
    {
        var errors = new FieldErrors();
        errors.Optional("reason", request.Reason, 1000);
        CheckRoles(request.Roles, errors);
        if (errors.Any)
        {
            return errors.ToProblem();
        }

        var audit = context.Audit(userName, request.Reason);
        var result = await administration.SetRolesAsync(userName, request.Roles!);
        if (result.User is not { } user)
        {
            return result.IsUnknown
                ? new Problem(Problems.UnknownUser, "GET /api/v1/users lists the people there are.")
                : new Problem(Problems.Refused, "This is the last administrator. Give somebody else the role administrator first.");
        }

        audit.Result = $"done: {Text(result.Before)} → {Text(user.Roles)}";
        return TypedResults.Ok(ToResponse(user));
    }

    private static void CheckRoles(IReadOnlyList<string>? roles, FieldErrors errors)
    {
        if (roles is null || roles.Any(role => !Roles.All.Contains(role)))
        {
            errors.Add("roles", $"It must be a list of {string.Join(", ", Roles.All)}.");
        }
    }

    private static string Text(IReadOnlyList<string> roles) => roles.Count == 0 ? "no role" : string.Join(", ", roles);

    private static UserResponse ToResponse(UserWithRoles user) => new(user.UserName, user.DisplayName, user.Roles);
}
