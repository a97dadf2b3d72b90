using FailbackWorkflows.Engine.Storage;

namespace FailbackWorkflows.Failback.Licensing;

/// <summary>A signed licence as installed: the exact text that was signed and its detached ECDSA P-256 signature.</summary>
/// <param name="Document">JSON text: <c>{site, licensee, features[], recorders, validFrom, validUntil, graceDays}</c>.</param>
/// <param name="Signature">Base64 of the IEEE P1363 signature over the UTF-8 bytes of <paramref name="Document"/> with SHA-256.</param>
public sealed record SignedLicense(string Document, string Signature, DateTimeOffset InstalledAt, string InstalledBy);

/// <summary>Reads the installed licence.</summary>
public interface ILicenses
{
    /// <summary>The newest installed licence, or null.</summary>
    Task<SignedLicense?> FindCurrentAsync(CancellationToken cancellationToken);
}

/// <summary>Installs a licence beside the earlier ones; the newest counts.</summary>
public sealed record InstallLicense(SignedLicense License) : IDomainChange;
