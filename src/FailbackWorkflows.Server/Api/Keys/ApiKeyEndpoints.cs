using FailbackWorkflows.Persistence.Identity;
using FailbackWorkflows.Server.Identity;
using Microsoft.AspNetCore.Http.HttpResults;

namespace FailbackWorkflows.Server.Api.Keys;

/// <summary>An API key without its secret.</summary>
public sealed record ApiKeyResponse(string Id, string Name, string Role, DateTimeOffset CreatedAt, string CreatedBy, DateTimeOffset? ExpiresAt, DateTimeOffset? RevokedAt);

/// <summary>All API keys, revoked ones included.</summary>
public sealed record ApiKeyList(IReadOnlyList<ApiKeyResponse> Items);

/// <summary>A key to make.</summary>
/// <param name="Role">What it may do: one of the roles.</param>
/// <param name="ExpiresAt">Null: until it is revoked.</param>
public sealed record CreateApiKeyRequest(string? Name, string? Role, DateTimeOffset? ExpiresAt = null);

/// <summary>A new key. <paramref name="Key"/> is shown this once.</summary>
public sealed record CreatedApiKey(string Key, ApiKeyResponse Details);

internal static class ApiKeyEndpoints
{
    public static void MapApiKeys(this IEndpointRouteBuilder api)
    {
        var keys = api.MapGroup("/api-keys").WithTags("API keys").RequireAuthorization(Permissions.Administer);
        keys.MapGet("", ListAsync).WithSummary("All API keys, without their secrets");
        keys.MapPost("", CreateAsync).WithSummary("Makes an API key and shows it once");
        keys.MapDelete("/{keyId}", RevokeAsync).WithSummary("Revokes an API key at once");
    }

    private static async Task<Ok<ApiKeyList>> ListAsync(ApiKeyAdministration administration, CancellationToken cancellationToken) =>
        TypedResults.Ok(new ApiKeyList([.. (await administration.ListAsync(cancellationToken)).Select(ToResponse)]));

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
        context.Audit(key.Id);
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
