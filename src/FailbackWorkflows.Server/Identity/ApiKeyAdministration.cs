using FailbackWorkflows.Engine;
using FailbackWorkflows.Persistence.Identity;
using FailbackWorkflows.Server.Api;

namespace FailbackWorkflows.Server.Identity;

/// <summary>Makes and revokes API keys, for the API and the System page alike.</summary>
public sealed class ApiKeyAdministration(IApiKeys keys, TimeProvider time)
{
    public Task<IReadOnlyList<ApiKey>> ListAsync(ApiKeyQuery query, CancellationToken cancellationToken) => keys.ListAsync(query, cancellationToken);

    /// <summary>The key as stored and the secret, which is nowhere else.</summary>
    public async Task<(ApiKey Key, string Secret)> CreateAsync(string name, string role, DateTimeOffset? expiresAt, Actor by, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var secret = ApiKeySecrets.Create();
        var key = new ApiKey($"key-{Guid.CreateVersion7(now):N}", name.Trim(), ApiKeySecrets.Hash(secret), role, now, by.Name, expiresAt, null);
        await keys.AddAsync(key, cancellationToken);
        return (key, secret);
    }

    /// <summary>False when there is no such key. Revoking twice is harmless.</summary>
    public Task<bool> RevokeAsync(string keyId, CancellationToken cancellationToken) => keys.RevokeAsync(keyId, time.GetUtcNow(), cancellationToken);

    internal static void Check(string? name, string? role, DateTimeOffset? expiresAt, DateTimeOffset now, FieldErrors errors)
    {
        errors.Required("name", name, 100);
        if (role is null || !Roles.All.Contains(role))
        {
            errors.Add("role", $"It must be one of {string.Join(", ", Roles.All)}.");
        }

        if (expiresAt <= now)
        {
            errors.Add("expiresAt", "It lies in the past.");
        }
    }
}
