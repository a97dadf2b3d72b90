using System.Security.Cryptography;
using System.Text;

namespace FailbackWorkflows.Persistence.Seals;

/// <summary>
/// The private key that signs checkpoints: a file that only its owner reads, made when it is first needed. It is never in the database: whoever may change
/// everything there still cannot sign.
/// </summary>
public sealed class SealingKey : IDisposable
{
    private readonly ECDsa _key;

    private SealingKey(ECDsa key)
    {
        _key = key;
        PublicKey = Convert.ToBase64String(key.ExportSubjectPublicKeyInfo());
        Id = IdOf(PublicKey);
    }

    /// <summary>First 16 hex digits of the SHA-256 of the public key.</summary>
    public string Id { get; }

    /// <summary>SubjectPublicKeyInfo in Base64.</summary>
    public string PublicKey { get; }

    /// <summary>The key in a file. Throws <see cref="DatabaseNotOpenedException"/> when it cannot be read.</summary>
    public static SealingKey Open(string file)
    {
        var key = ECDsa.Create();
        try
        {
            key.ImportFromPem(File.ReadAllText(file));
            return key.KeySize == 256 ? new(key) : throw new CryptographicException("It is not an ECDSA P-256 key.");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException)
        {
            key.Dispose();
            throw new DatabaseNotOpenedException(
                $"The key that seals the history, '{file}', cannot be used: {exception.Message} Take it from a copy; if there is none, move it away: a new one is made, and 'verify' says from when on.", exception);
        }
    }

    /// <summary>Makes a key in a file that must not exist yet.</summary>
    public static SealingKey Make(string file)
    {
        var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var how = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
        {
            how.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        using (var stream = new FileStream(file, how))
        {
            stream.Write(Encoding.ASCII.GetBytes(key.ExportPkcs8PrivateKeyPem()));
            stream.Flush(flushToDisk: true);
        }

        return new(key);
    }

    /// <summary>Id of a public key, SubjectPublicKeyInfo in Base64. Throws <see cref="FormatException"/> when it is no Base64.</summary>
    public static string IdOf(string publicKey) => Convert.ToHexStringLower(SHA256.HashData(Convert.FromBase64String(publicKey)))[..16];

    /// <summary>A public key as a PEM file.</summary>
    public static string ToPem(string publicKey) => new string(PemEncoding.Write("PUBLIC KEY", Convert.FromBase64String(publicKey))) + "\n";

    /// <summary>DER in Base64.</summary>
    public string Sign(string line) => Convert.ToBase64String(_key.SignData(Encoding.UTF8.GetBytes(line), HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence));

    /// <summary>Whether a signature was made by the private key of <paramref name="publicKey"/>; false for anything that cannot be read, too.</summary>
    public static bool Verifies(string publicKey, string line, string signature)
    {
        try
        {
            using var key = ECDsa.Create();
            key.ImportSubjectPublicKeyInfo(Convert.FromBase64String(publicKey), out _);
            return key.VerifyData(Encoding.UTF8.GetBytes(line), Convert.FromBase64String(signature), HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence);
        }
        catch (Exception exception) when (exception is FormatException or CryptographicException)
        {
            return false;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _key.Dispose();
}
