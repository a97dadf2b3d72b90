// STAND-IN until the persistence branch is merged.
using Microsoft.AspNetCore.Identity;

namespace FailbackWorkflows.Persistence.Identity;

public class FailbackUser : IdentityUser
{
    public string? DisplayName { get; set; }
}

public sealed record ApiKey(string Id, string Name, string Sha256, string Role, DateTimeOffset CreatedAt, string CreatedBy, DateTimeOffset? ExpiresAt, DateTimeOffset? RevokedAt);

public interface IApiKeys
{
    Task<ApiKey?> FindByHashAsync(string sha256, CancellationToken cancellationToken);
    Task<IReadOnlyList<ApiKey>> ListAsync(CancellationToken cancellationToken);
    Task AddAsync(ApiKey key, CancellationToken cancellationToken);
    Task<bool> RevokeAsync(string id, DateTimeOffset at, CancellationToken cancellationToken);
}

public sealed record AuditRecord(DateTimeOffset At, FailbackWorkflows.Engine.Actor Actor, string Action, string? Subject, string? Reason, string Result);

public interface IAuditLog
{
    Task AppendAsync(AuditRecord record, CancellationToken cancellationToken);
}

public static class StandInStores
{
    public static IdentityBuilder AddFailbackStores(this IdentityBuilder builder) => builder;
}

public sealed class DatabaseInUseException(string message) : Exception(message);
