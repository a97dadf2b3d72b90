using System.Data;
using System.Xml.Linq;
using Microsoft.AspNetCore.DataProtection.Repositories;
using Microsoft.AspNetCore.Identity;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace FailbackWorkflows.Persistence.Identity;

internal sealed class ApiKeys(IDatabase database) : IApiKeys
{
    private const int MostPerPage = 200;

    public async Task<ApiKey?> FindByHashAsync(string sha256, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        return (await db.ApiKeys.FirstOrDefaultAsync(r => r.Sha256 == sha256, cancellationToken))?.ToKey();
    }

    public async Task<ApiKey?> FindAsync(string id, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        return (await db.ApiKeys.FirstOrDefaultAsync(r => r.Id == id, cancellationToken))?.ToKey();
    }

    public async Task<IReadOnlyList<ApiKey>> ListAsync(ApiKeyQuery query, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        IQueryable<ApiKeyRow> rows = db.ApiKeys;
        if (query.Text is { } text)
        {
            var part = text.ToLowerInvariant();
            rows = rows.Where(r => r.Name.Contains(text) || r.Name.ToLower().Contains(part) || r.CreatedBy.ToLower().Contains(part));
        }

        if (query.Before is { } before)
        {
            var mark = await db.ApiKeys.Where(r => r.Id == before).Select(r => new { r.CreatedAt, r.Id }).FirstOrDefaultAsync(cancellationToken);
            if (mark is null)
            {
                return [];
            }

            rows = rows.Where(r => r.CreatedAt < mark.CreatedAt || (r.CreatedAt == mark.CreatedAt && string.Compare(r.Id, mark.Id) > 0));
        }

        rows = rows.OrderByDescending(r => r.CreatedAt).ThenBy(r => r.Id);
        if (query.Take is { } take)
        {
            rows = rows.Take(Math.Clamp(take, 1, MostPerPage));
        }

        return [.. (await rows.ToListAsync(cancellationToken)).Select(r => r.ToKey())];
    }

    public Task AddAsync(ApiKey key, CancellationToken cancellationToken) => database.WriteAsync(
        session =>
        {
            session.Context.Add(new ApiKeyRow
            {
                Id = key.Id,
                Name = key.Name,
                Sha256 = key.Sha256,
                Role = key.Role,
                CreatedAt = key.CreatedAt,
                CreatedBy = key.CreatedBy,
                ExpiresAt = key.ExpiresAt,
                RevokedAt = key.RevokedAt,
            });
            return session.Context.SaveChangesAsync(cancellationToken);
        },
        cancellationToken);

    public Task<bool> RevokeAsync(string id, DateTimeOffset at, CancellationToken cancellationToken) => database.WriteAsync(
        async session =>
        {
            if (await session.Context.ApiKeys.FindAsync([id], cancellationToken) is not { } row)
            {
                return false;
            }

            row.RevokedAt ??= at;
            await session.Context.SaveChangesAsync(cancellationToken);
            return true;
        },
        cancellationToken);
}

internal sealed class AuditLog(IDatabase database) : IAuditLog
{
    private static readonly Statement Insert = new(
        """
        INSERT INTO audit_log (at, actor_kind, actor_id, actor_name, address, action, subject, reason, result)
        VALUES (@at, @kind, @id, @name, @address, @action, @subject, @reason, @result)
        """,
        ("at", DbType.Int64), ("kind", DbType.String), ("id", DbType.String), ("name", DbType.String), ("address", DbType.String), ("action", DbType.String), ("subject", DbType.String),
        ("reason", DbType.String), ("result", DbType.String));

    /// <summary>Whoever reads on from a place misses nothing: places can be seen in the order in which they are given out.</summary>
    public Task AppendAsync(AuditRecord record, CancellationToken cancellationToken) => database.WriteAsync(
        session =>
        {
            session.WriteLast(DatabaseLock.AuditLog, CallOf(database, record));
            return Task.CompletedTask;
        },
        cancellationToken);

    /// <summary>Adds a record in a transaction that does more, and goes on with what was added.</summary>
    public static async Task AddAsync(IDatabase database, WriteSession session, AuditRecord record, CancellationToken cancellationToken)
    {
        await session.LockAsync(DatabaseLock.AuditLog, cancellationToken);
        var call = CallOf(database, record);
        await session.ExecuteAsync(call.Statement.Sql, cancellationToken, call.Named());
    }

    public async Task<IReadOnlyList<AuditEntry>> ReadAsync(long afterSequence, int take, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        var rows = await db.AuditLog.Where(r => r.Sequence > afterSequence).OrderBy(r => r.Sequence).Take(take).ToListAsync(cancellationToken);
        return [.. rows.Select(r => r.ToEntry())];
    }

    private static StatementCall CallOf(IDatabase database, AuditRecord record) => Insert.With(
        database.ToParameter(record.At),
        record.Actor.Kind.ToString(),
        record.Actor.Id,
        record.Actor.Name,
        record.Actor.Address,
        record.Action,
        record.Subject,
        record.Reason,
        record.Result);
}

/// <summary>Keys of cookies and of secrets at rest live in the database, where every node finds them.</summary>
internal sealed class DataProtectionKeys(IDatabase database) : IXmlRepository
{
    public IReadOnlyCollection<XElement> GetAllElements()
    {
        using var db = database.CreateReadContext();
        return [.. db.DataProtectionKeys.OrderBy(r => r.FriendlyName).AsEnumerable().Select(r => XElement.Parse(r.Xml))];
    }

    // The framework's interface is synchronous. It is called once in months, when a key is made.
    public void StoreElement(XElement element, string friendlyName) => Task.Run(() => StoreAsync(element, friendlyName)).GetAwaiter().GetResult();

    private Task StoreAsync(XElement element, string friendlyName) => database.WriteAsync(
        session =>
        {
            session.Context.Add(new DataProtectionKeyRow { FriendlyName = friendlyName, Xml = element.ToString(SaveOptions.DisableFormatting) });
            return session.Context.SaveChangesAsync();
        },
        CancellationToken.None);
}

/// <summary>Where ASP.NET Core Identity finds its users.</summary>
public static class IdentityStoresExtensions
{
    public static IdentityBuilder AddFailbackStores(this IdentityBuilder builder) => builder.AddEntityFrameworkStores<FailbackDbContext>();
}
