using System.Security.Cryptography;
using System.Text;
using FailbackWorkflows.ReferenceRecorder.Storage;

namespace FailbackWorkflows.ReferenceRecorder.MaterialCopy.Queue;

/// <summary>
/// Keeps read credentials of sources encrypted: AES-GCM under a key that lies beside the database, readable by the recorder's account only.
/// A copy of the database alone gives nobody a credential.
/// </summary>
internal sealed class TokenVault(DataFolder folder)
{
    private const int KeyBytes = 32;
    private static readonly int NonceBytes = AesGcm.NonceByteSizes.MaxSize;
    private static readonly int TagBytes = AesGcm.TagByteSizes.MaxSize;

    private readonly Lock _lock = new();
    private byte[]? _key;

    /// <summary>Nonce, tag and cipher text. Bound to the task, so that a row's value means nothing in another row.</summary>
    public byte[] Seal(string taskId, string token)
    {
        var plain = Encoding.UTF8.GetBytes(token);
        var sealedToken = new byte[NonceBytes + TagBytes + plain.Length];
        var nonce = sealedToken.AsSpan(0, NonceBytes);
        RandomNumberGenerator.Fill(nonce);
        using var aes = new AesGcm(Key(), TagBytes);
        aes.Encrypt(nonce, plain, sealedToken.AsSpan(NonceBytes + TagBytes), sealedToken.AsSpan(NonceBytes, TagBytes), Encoding.UTF8.GetBytes(taskId));
        return sealedToken;
    }

    /// <summary>Null when the key file is not the one it was sealed with (the folder was restored from a part of a backup).</summary>
    public string? Open(string taskId, byte[] sealedToken)
    {
        if (sealedToken.Length < NonceBytes + TagBytes)
        {
            return null;
        }

        var plain = new byte[sealedToken.Length - NonceBytes - TagBytes];
        using var aes = new AesGcm(Key(), TagBytes);
        try
        {
            aes.Decrypt(sealedToken.AsSpan(0, NonceBytes), sealedToken.AsSpan(NonceBytes + TagBytes), sealedToken.AsSpan(NonceBytes, TagBytes), plain, Encoding.UTF8.GetBytes(taskId));
            return Encoding.UTF8.GetString(plain);
        }
        catch (AuthenticationTagMismatchException)
        {
            return null;
        }
    }

    // Not kept when it fails: a disk may be full for a moment.
    private byte[] Key()
    {
        lock (_lock)
        {
            return _key ??= ReadOrMakeKey(Path.Combine(folder.Root, "copy.key"));
        }
    }

    private static byte[] ReadOrMakeKey(string path)
    {
        if (File.Exists(path) && File.ReadAllBytes(path) is { Length: KeyBytes } known)
        {
            return known;
        }

        var key = RandomNumberGenerator.GetBytes(KeyBytes);
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write, Share = FileShare.None };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        using (var file = new FileStream(path, options))
        {
            file.Write(key);
            file.Flush(flushToDisk: true);
        }

        DurableFiles.FlushFolder(Path.GetDirectoryName(path)!);
        return key;
    }
}
