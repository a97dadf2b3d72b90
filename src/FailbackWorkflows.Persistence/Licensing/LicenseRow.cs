using FailbackWorkflows.Failback.Licensing;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace FailbackWorkflows.Persistence.Licensing;

internal sealed class LicenseRow
{
    public long Id { get; set; }

    public required string Document { get; set; }

    public required string Signature { get; set; }

    public DateTimeOffset InstalledAt { get; set; }

    public required string InstalledBy { get; set; }

    public static void Configure(EntityTypeBuilder<LicenseRow> row)
    {
        row.ToTable("licenses");
        row.HasKey(r => r.Id);
    }
}

internal sealed class InstallLicenseHandler : ModelChangeHandler<InstallLicense>
{
    protected override async Task ApplyAsync(FailbackDbContext db, InstallLicense change, CancellationToken cancellationToken)
    {
        db.Add(new LicenseRow
        {
            Document = change.License.Document,
            Signature = change.License.Signature,
            InstalledAt = change.License.InstalledAt,
            InstalledBy = change.License.InstalledBy,
        });
        await db.SaveChangesAsync(cancellationToken);
    }
}

internal sealed class Licenses(IDatabase database) : ILicenses
{
    public async Task<SignedLicense?> FindCurrentAsync(CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        var row = await db.Licenses.OrderByDescending(r => r.Id).FirstOrDefaultAsync(cancellationToken);
        return row is null ? null : new(row.Document, row.Signature, row.InstalledAt, row.InstalledBy);
    }
}
