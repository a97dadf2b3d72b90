using System.Xml.Linq;
using Microsoft.AspNetCore.DataProtection.Repositories;
using Microsoft.AspNetCore.Identity;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace FailbackWorkflows.Persistence.Identity;

internal sealed class ApiKeys(IDatabase database) : IApiKeys
{
    public async Task<ApiKey?> FindByHashAsync(string sha256, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        return (await db.ApiKeys.FirstOrDefaultAsync(r => r.Sha256 == sha256, cancellationToken))?.ToKey();
    }

    public async Task<IReadOnlyList<ApiKey>> ListAsync(CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        return [.. (await db.ApiKeys.OrderByDescending(r => r.CreatedAt).ThenBy(r => r.Id).ToListAsync(cancellationToken)).Select(r => r.ToKey())];
    }

    public async Task AddAsync(ApiKey key, CancellationToken cancellationToken)
    {
        await using var session = await database.BeginWriteAsync(cancellationToken);
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
        await session.Context.SaveChangesAsync(cancellationToken);
        await session.CommitAsync(cancellationToken);
    }

    public async Task<bool> RevokeAsync(string id, DateTimeOffset at, CancellationToken cancellationToken)
    {
        await using var session = await database.BeginWriteAsync(cancellationToken);
        if (await session.Context.ApiKeys.FindAsync([id], cancellationToken) is not { } row)
        {
            return false;
        }

        row.RevokedAt ??= at;
        await session.Context.SaveChangesAsync(cancellationToken);
        await session.CommitAsync(cancellationToken);
        return true;
    }
}

internal sealed class AuditLog(IDatabase database) : IAuditLog
{
    public async Task AppendAsync(AuditRecord record, CancellationToken cancellationToken)
    {
        await using var session = await database.BeginWriteAsync(cancellationToken);
        session.Context.Add(new AuditRow
        {
            At = record.At,
            ActorKind = record.Actor.Kind.ToString(),
            ActorId = record.Actor.Id,
            ActorName = record.Actor.Name,
            Address = record.Actor.Address,
            Action = record.Action,
            Subject = record.Subject,
            Reason = record.Reason,
            Result = record.Result,
        });
        await session.Context.SaveChangesAsync(cancellationToken);
        await session.CommitAsync(cancellationToken);
    }

    public async Task<IReadOnlyList<AuditEntry>> ReadAsync(long afterSequence, int take, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        var rows = await db.AuditLog.Where(r => r.Sequence > afterSequence).OrderBy(r => r.Sequence).Take(take).ToListAsync(cancellationToken);
        return [.. rows.Select(r => r.ToEntry())];
    }
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

    private async Task StoreAsync(XElement element, string friendlyName)
    {
        await using var session = await database.BeginWriteAsync(CancellationToken.None);
        session.Context.Add(new DataProtectionKeyRow { FriendlyName = friendlyName, Xml = element.ToString(SaveOptions.DisableFormatting) });
        await session.Context.SaveChangesAsync();
        await session.CommitAsync(CancellationToken.None);
    }
}

/// <summary>Where ASP.NET Core Identity finds its users.</summary>
public static class IdentityStoresExtensions
{
    public static IdentityBuilder AddFailbackStores(this IdentityBuilder builder) => builder.AddEntityFrameworkStores<FailbackDbContext>();
}
