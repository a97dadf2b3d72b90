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
    private static readonly CompiledRead<int, LicenseRow?> Newest = new((db, _, _) => db.Licenses.OrderByDescending(r => r.Id).FirstOrDefault());

    public async Task<SignedLicense?> FindCurrentAsync(CancellationToken cancellationToken) =>
        await Newest.ExecuteAsync(database, 0, cancellationToken) is { } row ? new(row.Document, row.Signature, row.InstalledAt, row.InstalledBy) : null;
}
