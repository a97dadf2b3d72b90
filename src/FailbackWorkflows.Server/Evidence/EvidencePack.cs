using System.Formats.Tar;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace FailbackWorkflows.Server.Evidence;

/// <summary>The files of a pack, and the archive they go into.</summary>
internal sealed class EvidencePack(string folder, DateTimeOffset madeAt)
{
    public const string Manifest = "manifest.sha256";
    public const string ManifestSignature = "manifest.sig";

    private const UnixFileMode Readable = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    private readonly SortedDictionary<string, byte[]> _files = new(StringComparer.Ordinal);

    public IReadOnlyDictionary<string, byte[]> Files => _files;

    /// <summary>Adds a file whose text stays as it is, without a line end of ours.</summary>
    public void Add(string name, string text) => Add(name, Encoding.UTF8.GetBytes(text));

    public void Add(string name, byte[] content) => _files.Add(name, content);

    /// <summary>One line per file but itself, as <c>sha256sum</c> writes and checks them.</summary>
    public string MakeManifest()
    {
        var manifest = new StringBuilder();
        foreach (var (name, content) in _files)
        {
            manifest.Append(CultureInfo.InvariantCulture, $"{Convert.ToHexStringLower(SHA256.HashData(content))}  {name}\n");
        }

        return manifest.ToString();
    }

    /// <summary>All files in one archive that every <c>tar</c> reads.</summary>
    public async Task<byte[]> ToTarAsync(CancellationToken cancellationToken)
    {
        var archive = new MemoryStream();
        await using (var tar = new TarWriter(archive, TarEntryFormat.Ustar, leaveOpen: true))
        {
            foreach (var (name, content) in _files)
            {
                await tar.WriteEntryAsync(
                    new UstarTarEntry(TarEntryType.RegularFile, $"{folder}/{name}") { DataStream = new MemoryStream(content), ModificationTime = madeAt, Mode = name.EndsWith(".sh", StringComparison.Ordinal) ? Readable | UnixFileMode.UserExecute : Readable },
                    cancellationToken);
            }
        }

        return archive.ToArray();
    }
}
