using FailbackWorkflows.Persistence.Identity;
using FailbackWorkflows.Server.Identity;
using Microsoft.AspNetCore.Http.HttpResults;

namespace FailbackWorkflows.Server.Api.Keys;

/// <summary>An API key without its secret.</summary>
public sealed record ApiKeyResponse(string Id, string Name, string Role, DateTimeOffset CreatedAt, string CreatedBy, DateTimeOffset? ExpiresAt, DateTimeOffset? RevokedAt);

/// <summary>API keys, newest first, revoked ones included.</summary>
/// <param name="NextBefore">Give it as <c>before</c> to read on; null at the end.</param>
public sealed record ApiKeyList(IReadOnlyList<ApiKeyResponse> Items, string? NextBefore);

/// <summary>A key to make.</summary>
/// <param name="Role">What it may do: one of the roles.</param>
/// <param name="ExpiresAt">Null: until it is revoked.</param>
public sealed record CreateApiKeyRequest(string? Name, string? Role, DateTimeOffset? ExpiresAt = null);

/// <summary>A new key. <paramref name="Key"/> is shown this once.</summary>
public sealed record CreatedApiKey(string Key, ApiKeyResponse Details);

internal static class ApiKeyEndpoints
{
    private const int MostPerPage = 200;

    public static void MapApiKeys(this IEndpointRouteBuilder api)
    {
        var keys = api.MapGroup("/api-keys").WithTags("API keys").RequireAuthorization(Permissions.Administer);
        keys.MapGet("", ListAsync).WithSummary("API keys, newest first, without their secrets: all of them, or with take one page; those with q in their name or maker");
        keys.MapPost("", CreateAsync).WithSummary("Makes an API key and shows it once");
        keys.MapDelete("/{keyId}", RevokeAsync).WithSummary("Revokes an API key at once");
    }

    /// <summary>Without <paramref name="take"/> everything at once, as it was before there were pages.</summary>
    private static async Task<Results<Ok<ApiKeyList>, Problem>> ListAsync(
        ApiKeyAdministration administration, CancellationToken cancellationToken, string? q = null, string? before = null, int? take = null)
    {
        var errors = new FieldErrors();
        errors.Optional("q", q, 100);
        errors.Optional("before", before, 64);
        if (take is { } wanted)
        {
            errors.Between("take", wanted, 1, MostPerPage);
        }

        if (errors.Any)
        {
            return errors.ToProblem();
        }

        var query = new ApiKeyQuery(string.IsNullOrWhiteSpace(q) ? null : q.Trim(), string.IsNullOrEmpty(before) ? null : before, take);
        var page = await administration.ListAsync(query, cancellationToken);
        return TypedResults.Ok(new ApiKeyList([.. page.Select(ToResponse)], page.Count == take ? page[^1].Id : null));
    }

    private static async Task<Results<Created<CreatedApiKey>, Problem>> CreateAsync(
        CreateApiKeyRequest request,
        HttpContext context,
        ApiKeyAdministration administration,
        TimeProvider time,
        CancellationToken cancellationToken)
    {
        var errors = new FieldErrors();
        ApiKeyAdministration.Check(request.Name, request.Role, request.ExpiresAt, time.GetUtcNow(), errors);
        if (errors.Any)
        {
            return errors.ToProblem();
        }

        var (key, secret) = await administration.CreateAsync(request.Name!, request.Role!, request.ExpiresAt, CurrentActor.Of(context), cancellationToken);
        context.Audit(key.Id).Result = $"done: {key.Name}, {key.Role}";
        return TypedResults.Created($"/api/v1/api-keys/{key.Id}", new CreatedApiKey(secret, ToResponse(key)));
    }

    private static async Task<Results<NoContent, Problem>> RevokeAsync(
        string keyId, HttpContext context, ApiKeyAdministration administration, CancellationToken cancellationToken)
    {
        context.Audit(keyId);
        return await administration.RevokeAsync(keyId, cancellationToken)
            ? TypedResults.NoContent()
            : new Problem(Problems.UnknownApiKey, "GET /api/v1/api-keys lists the keys there are.");
    }

    private static ApiKeyResponse ToResponse(ApiKey key) => new(key.Id, key.Name, key.Role, key.CreatedAt, key.CreatedBy, key.ExpiresAt, key.RevokedAt);
}
