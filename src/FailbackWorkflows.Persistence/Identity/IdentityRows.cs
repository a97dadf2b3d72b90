using FailbackWorkflows.Engine;
using Microsoft.AspNetCore.Identity;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace FailbackWorkflows.Persistence.Identity;

/// <summary>A person who signs in.</summary>
public class FailbackUser : IdentityUser
{
    /// <summary>What pages and the journal show.</summary>
    public string? DisplayName { get; set; }
}

/// <summary>A key by which a machine signs in; the key itself is stored nowhere.</summary>
/// <param name="Sha256">Lower-case hex of the key's SHA-256.</param>
public sealed record ApiKey(string Id, string Name, string Sha256, string Role, DateTimeOffset CreatedAt, string CreatedBy, DateTimeOffset? ExpiresAt, DateTimeOffset? RevokedAt);

/// <summary>A part of the API keys, newest first.</summary>
/// <param name="Text">A part of the name or of who made it, in any case; null: all.</param>
/// <param name="Before">Id of the last key of the page before; null: from the newest. After a key that does not exist nothing follows.</param>
/// <param name="Take">1–200; null: all.</param>
public sealed record ApiKeyQuery(string? Text = null, string? Before = null, int? Take = null);

/// <summary>Stores API keys.</summary>
public interface IApiKeys
{
    Task<ApiKey?> FindByHashAsync(string sha256, CancellationToken cancellationToken);

    Task<ApiKey?> FindAsync(string id, CancellationToken cancellationToken);

    /// <summary>Keys, newest first, revoked ones included.</summary>
    Task<IReadOnlyList<ApiKey>> ListAsync(ApiKeyQuery query, CancellationToken cancellationToken);

    Task AddAsync(ApiKey key, CancellationToken cancellationToken);

    /// <summary>False when there is no such key. Revoking twice is harmless.</summary>
    Task<bool> RevokeAsync(string id, DateTimeOffset at, CancellationToken cancellationToken);
}

/// <summary>One thing somebody did outside a workflow.</summary>
/// <param name="Action">What was asked for: a name, or method and route, and after a question mark which button of a page it was and which of several things.</param>
/// <param name="Result"><c>done</c>, or the problem it ended with.</param>
public sealed record AuditRecord(DateTimeOffset At, Actor Actor, string Action, string? Subject, string? Reason, string Result);

/// <summary>The audit log; only grows.</summary>
public interface IAuditLog
{
    Task AppendAsync(AuditRecord record, CancellationToken cancellationToken);

    /// <summary>What came after a place in the log, oldest first, at most <paramref name="take"/>.</summary>
    Task<IReadOnlyList<AuditEntry>> ReadAsync(long afterSequence, int take, CancellationToken cancellationToken);
}

/// <summary>A record with its place in the audit log.</summary>
public sealed record AuditEntry(long Sequence, AuditRecord Record);

internal sealed class ApiKeyRow
{
    public required string Id { get; set; }

    public required string Name { get; set; }

    public required string Sha256 { get; set; }

    public required string Role { get; set; }

    public DateTimeOffset CreatedAt { get; set; }

    public required string CreatedBy { get; set; }

    public DateTimeOffset? ExpiresAt { get; set; }

    public DateTimeOffset? RevokedAt { get; set; }

    public static void Configure(EntityTypeBuilder<ApiKeyRow> row)
    {
        row.ToTable("api_keys");
        row.HasKey(r => r.Id);
        row.HasIndex(r => r.Sha256).IsUnique();
    }

    public ApiKey ToKey() => new(Id, Name, Sha256, Role, CreatedAt, CreatedBy, ExpiresAt, RevokedAt);
}

internal sealed class AuditRow
{
    public long Sequence { get; set; }

    public DateTimeOffset At { get; set; }

    public required string ActorKind { get; set; }

    public required string ActorId { get; set; }

    public required string ActorName { get; set; }

    public string? Address { get; set; }

    public required string Action { get; set; }

    public string? Subject { get; set; }

    public string? Reason { get; set; }

    public required string Result { get; set; }

    /// <summary>Hash of this row and the one before, lower-case hex; null until it is sealed.</summary>
    public string? Hash { get; set; }

    public static void Configure(EntityTypeBuilder<AuditRow> row)
    {
        row.ToTable("audit_log");
        row.HasKey(r => r.Sequence);
    }

    public AuditEntry ToEntry() =>
        new(Sequence, new AuditRecord(At, new Actor(Enum.Parse<ActorKind>(ActorKind), ActorId, ActorName, Address), Action, Subject, Reason, Result));
}

internal sealed class DataProtectionKeyRow
{
    public required string FriendlyName { get; set; }

    public required string Xml { get; set; }

    public static void Configure(EntityTypeBuilder<DataProtectionKeyRow> row)
    {
        row.ToTable("data_protection_keys");
        row.HasKey(r => r.FriendlyName);
    }
}
