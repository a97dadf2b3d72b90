using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using FailbackWorkflows.Failback.VmsServers;

namespace FailbackWorkflows.Failback.Licensing;

/// <summary>Whose licences this site accepts.</summary>
public sealed class LicenseOptions
{
    /// <summary>Public key of the licence issuer: ECDSA P-256, PEM (SubjectPublicKeyInfo). Without it no licence is accepted.</summary>
    public string? PublicKey { get; set; }

    /// <summary>Name of this site as licences have it. Default: <c>default</c>.</summary>
    public string Site { get; set; } = "default";
}

/// <summary>What a licence says. Instants are UTC; the grace period follows <paramref name="ValidUntil"/>.</summary>
public sealed record LicenseDocument(string Site, string Licensee, IReadOnlyList<string> Features, int Recorders, DateTimeOffset ValidFrom, DateTimeOffset ValidUntil, int GraceDays);

/// <summary>What was found of a licence; stable words for programs.</summary>
public enum LicenseFinding
{
    Valid,

    /// <summary>It has expired and still counts for a while.</summary>
    InGracePeriod,

    /// <summary>None is installed.</summary>
    Missing,

    /// <summary>This server knows no issuer, so it accepts no licence.</summary>
    NoIssuer,

    /// <summary>Its signature does not fit: changed, or of another issuer.</summary>
    Tampered,

    Unreadable,
    WrongSite,
    NotYetValid,
    Expired,

    /// <summary>It does not cover the feature.</summary>
    FeatureMissing,

    TooManyRecorders,
}

/// <summary>The verdict on a licence.</summary>
/// <param name="Message">Why not and what to do next; or a warning that goes with a yes.</param>
/// <param name="License">What it says, when that can be believed.</param>
public sealed record LicenseVerdict(LicenseFinding Finding, string? Message, LicenseDocument? License)
{
    public bool IsLicensed => Finding is LicenseFinding.Valid or LicenseFinding.InGracePeriod;
}

/// <summary>
/// Checks the installed licence: signature, site, time, feature, number of recorders. Each refusal has its own sentence, with what to do next.
/// </summary>
public sealed class LicenseCheck(ILicenses licenses, IVmsServers servers, LicenseOptions options, TimeProvider time)
{
    /// <summary>Feature that failover and failback need.</summary>
    public const string Failover = "failover";

    private readonly LicenseVerification _verification = new(options, time);

    /// <summary>The verdict as of now.</summary>
    public async Task<LicenseVerdict> CheckAsync(string feature, CancellationToken cancellationToken) =>
        await CheckAsync(await licenses.FindCurrentAsync(cancellationToken), feature, cancellationToken);

    /// <summary>The verdict as of now.</summary>
    /// <param name="installed">The installed licence, as it was just read; null: there is none.</param>
    public async Task<LicenseVerdict> CheckAsync(SignedLicense? installed, string feature, CancellationToken cancellationToken)
    {
        if (installed is not { } signed)
        {
            return new(LicenseFinding.Missing, "No licence is installed. Ask an administrator to install one under System.", null);
        }

        var verdict = Verify(signed);
        if (!verdict.IsLicensed)
        {
            return verdict;
        }

        var license = verdict.License!;
        if (!license.Features.Contains(feature, StringComparer.OrdinalIgnoreCase))
        {
            return new(LicenseFinding.FeatureMissing, $"The licence does not cover {feature}. Ask for a licence that does and install it under System.", license);
        }

        var count = await servers.CountAsync(cancellationToken);
        return count > license.Recorders
            ? new(LicenseFinding.TooManyRecorders, $"The licence covers {license.Recorders} recorders, {count} are registered. Extend the licence or remove recorders.", license)
            : verdict;
    }

    /// <inheritdoc cref="LicenseVerification.Verify"/>
    public LicenseVerdict Verify(SignedLicense signed) => _verification.Verify(signed);
}

/// <summary>What can be said of a licence without knowing what is installed: signature, site and time.</summary>
public sealed class LicenseVerification(LicenseOptions options, TimeProvider time)
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web);

    private volatile Genuine? _genuine;

    /// <summary>Signature, site and time of a licence, installed or about to be.</summary>
    public LicenseVerdict Verify(SignedLicense signed)
    {
        if (options.PublicKey is null)
        {
            return new(LicenseFinding.NoIssuer, "This server has no public key of a licence issuer configured, so it can accept no licence. Set Failback:License:PublicKey, then restart it.", null);
        }

        LicenseDocument? license;
        try
        {
            license = ReadGenuine(signed, options.PublicKey);
            if (license is null)
            {
                return new(LicenseFinding.Tampered, "The licence was changed after it was issued, or was issued by somebody else: its signature does not fit. Install the original file.", null);
            }
        }
        catch (Exception exception) when (exception is FormatException or JsonException or CryptographicException or ArgumentException)
        {
            return new(LicenseFinding.Unreadable, "The licence cannot be read. Install the original file.", null);
        }

        if (license is not { Site: not null, Features: not null })
        {
            return new(LicenseFinding.Unreadable, "The licence cannot be read. Install the original file.", null);
        }

        var now = time.GetUtcNow();
        if (license.Site != options.Site)
        {
            return new(
                LicenseFinding.WrongSite,
                $"The licence was issued for the site '{license.Site}', this is '{options.Site}'. Install the licence of this site, or correct its name in Failback:License:Site.",
                license);
        }

        if (now < license.ValidFrom)
        {
            return new(LicenseFinding.NotYetValid, $"The licence is valid only from {license.ValidFrom:u}. Wait until then, or check this server's clock.", license);
        }

        var end = license.ValidUntil.AddDays(license.GraceDays);
        if (now >= end)
        {
            return new(LicenseFinding.Expired, $"The licence expired on {license.ValidUntil:u}. Install a new one under System.", license);
        }

        return now >= license.ValidUntil
            ? new(LicenseFinding.InGracePeriod, $"The licence expired on {license.ValidUntil:u} and runs in its grace period until {end:u}. Install a new one under System before that.", license)
            : new(LicenseFinding.Valid, null, license);
    }

    /// <summary>What a licence says, or null when its signature does not fit. The same text, signature and key have the same answer, so it is worked out once.</summary>
    private LicenseDocument? ReadGenuine(SignedLicense signed, string publicKey)
    {
        if (_genuine is { } known && known.PublicKey == publicKey && known.Document == signed.Document && known.Signature == signed.Signature)
        {
            return known.License;
        }

        using var key = ECDsa.Create();
        key.ImportFromPem(publicKey);
        if (!key.VerifyData(Encoding.UTF8.GetBytes(signed.Document), Convert.FromBase64String(signed.Signature), HashAlgorithmName.SHA256))
        {
            return null;
        }

        var license = JsonSerializer.Deserialize<LicenseDocument>(signed.Document, Json) ?? throw new JsonException("The document is empty.");
        _genuine = new(publicKey, signed.Document, signed.Signature, license);
        return license;
    }

    private sealed record Genuine(string PublicKey, string Document, string Signature, LicenseDocument License);
}

/// <summary>A licence as a file: the text that was signed, and its signature. The same JSON installs it over the API.</summary>
public sealed record LicenseFile(string Document, string Signature)
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    /// <summary>Reads a file's text; null when it is not one.</summary>
    public static LicenseFile? TryParse(string text)
    {
        try
        {
            return JsonSerializer.Deserialize<LicenseFile>(text, Json) is { Document: not null, Signature: not null } file ? file : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>The file's text.</summary>
    public string ToText() => JsonSerializer.Serialize(this, Json);
}

/// <summary>Issues licences; used by the issuing tool and by tests.</summary>
public static class LicenseIssuer
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web);

    /// <summary>Signs a licence with the issuer's private key.</summary>
    public static (string Document, string Signature) Issue(LicenseDocument license, ECDsa privateKey)
    {
        var document = JsonSerializer.Serialize(license, Json);
        return (document, Convert.ToBase64String(privateKey.SignData(Encoding.UTF8.GetBytes(document), HashAlgorithmName.SHA256)));
    }
}
