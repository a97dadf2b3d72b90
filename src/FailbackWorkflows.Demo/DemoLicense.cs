using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace FailbackWorkflows.Demo;

/// <summary>
/// The demo is its own licence issuer: a key pair made once per data folder. The server is started with the public key, and gets a licence
/// signed with the private one. A real site has the public key of its vendor.
/// </summary>
internal sealed class DemoLicense : IDisposable
{
    public const string Site = "demo";

    private readonly ECDsa _issuer = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public DemoLicense(DemoFolder folder)
    {
        _issuer.ImportFromPem(folder.KeepSecret("license-issuer.pem", () => _issuer.ExportPkcs8PrivateKeyPem()));
    }

    public string PublicKey => _issuer.ExportSubjectPublicKeyInfoPem();

    /// <summary>A licence of 30 days for ten recorders.</summary>
    public (string Document, string Signature) Issue(DateTimeOffset now)
    {
        var document = JsonSerializer.Serialize(new
        {
            site = Site,
            licensee = "Demo",
            features = new[] { "failover" },
            recorders = 10,
            validFrom = now.AddDays(-1),
            validUntil = now.AddDays(30),
            graceDays = 14,
        });
        return (document, Convert.ToBase64String(_issuer.SignData(Encoding.UTF8.GetBytes(document), HashAlgorithmName.SHA256)));
    }

    public void Dispose() => _issuer.Dispose();
}
