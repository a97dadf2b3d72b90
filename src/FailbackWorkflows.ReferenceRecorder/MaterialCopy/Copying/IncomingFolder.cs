using System.Security.Cryptography;
using System.Text;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.ReferenceRecorder.Storage;

namespace FailbackWorkflows.ReferenceRecorder.MaterialCopy.Copying;

/// <summary>
/// Where segments lie while they are received. A file is named by what it will be, so that after a crash the same segment finds its own
/// beginning again; nobody else looks here, and what is never claimed goes when the queue is empty.
/// </summary>
internal sealed class IncomingFolder(DataFolder folder)
{
    private const string Suffix = ".part";

    public static string PathIn(DataFolder folder) => Path.Combine(folder.Root, "incoming");

    public string Root { get; } = PathIn(folder);

    /// <summary>Ids may be long or odd, and come from another machine: only their digest gets into a name. One whose digest is yet to be made is named so.</summary>
    public static string NameOf(Segment segment) =>
        $"copied-{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(segment.Id)).AsSpan(0, 16))}-{(segment.Sha256 is { } sha256 ? sha256.AsSpan(0, 16) : "undigested")}";

    public string PathOf(Segment segment) => Path.Combine(Root, NameOf(segment) + Suffix);

    public void Ensure() => Directory.CreateDirectory(Root);

    /// <summary>Takes back what a crash left under its final name without a row: it is whole or a beginning, and is hashed again before it counts.</summary>
    public static bool TakeBack(DataFolder folder, string strayPath)
    {
        var name = Path.GetFileName(strayPath);
        if (!name.StartsWith("copied-", StringComparison.Ordinal) || !name.EndsWith(".seg", StringComparison.Ordinal))
        {
            return false;
        }

        Directory.CreateDirectory(PathIn(folder));
        File.Move(strayPath, Path.Combine(PathIn(folder), Path.ChangeExtension(name, Suffix)), overwrite: true);
        return true;
    }

    /// <summary>Removes every beginning; only when no task may still want one.</summary>
    public void Clear()
    {
        if (Directory.Exists(Root))
        {
            foreach (var path in Directory.EnumerateFiles(Root))
            {
                File.Delete(path);
            }
        }
    }
}
