using System.Security.Cryptography;
using FailbackWorkflows.Failback.Licensing;
using FailbackWorkflows.Failback.VmsServers;

namespace FailbackWorkflows.Testing.Failback;

/// <summary>Licences of a test issuer whose private key lives as long as the process.</summary>
public static class TestLicense
{
    private static readonly ECDsa Key = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    /// <summary>Accepts the test issuer's licences for the site <c>test</c>.</summary>
    public static LicenseOptions Options { get; } = new() { PublicKey = Key.ExportSubjectPublicKeyInfoPem(), Site = "test" };

    /// <summary>Covers failover and ten recorders, from a day before to 30 days after.</summary>
    public static LicenseDocument Valid(DateTimeOffset now) => new("test", "Test site", [LicenseCheck.Failover], 10, now.AddDays(-1), now.AddDays(30), 0);

    public static SignedLicense Sign(LicenseDocument license, DateTimeOffset installedAt)
    {
        lock (Key)
        {
            var (document, signature) = LicenseIssuer.Issue(license, Key);
            return new(document, signature, installedAt, "test");
        }
    }
}

/// <summary>Marks secrets instead of encrypting them.</summary>
public sealed class FakeSecretProtector : ISecretProtector
{
    public string Protect(string secret) => $"protected:{secret}";

    public string Unprotect(string protectedSecret) => protectedSecret.StartsWith("protected:", StringComparison.Ordinal)
        ? protectedSecret["protected:".Length..]
        : throw new CryptographicException("The payload was invalid.");
}
