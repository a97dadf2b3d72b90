using System.ComponentModel;
using System.Runtime.InteropServices;

namespace FailbackWorkflows.ReferenceRecorder.Storage;

/// <summary>Making files last: bytes, then name, then the folder that has the name.</summary>
public static class DurableFiles
{
    private const int OpenReadOnly = 0;

    /// <summary>Gives a flushed file its final name. Never replaces a file.</summary>
    public static void Publish(string temporaryPath, string finalPath) => File.Move(temporaryPath, finalPath, overwrite: false);

    /// <summary>Makes a folder with all that lead to it, and makes their names last.</summary>
    public static void EnsureFolder(string path)
    {
        foreach (var parent in MakeFolder(path))
        {
            FlushFolder(parent);
        }
    }

    /// <summary>Makes a folder with all that lead to it; answers with the folders that have a new name in them and are still to be flushed. None when it was there.</summary>
    public static IReadOnlyList<string> MakeFolder(string path)
    {
        var parents = new List<string>();
        for (var folder = path; !Directory.Exists(folder); folder = parents[^1])
        {
            parents.Add(Path.GetDirectoryName(folder)!);
        }

        Directory.CreateDirectory(path);
        return parents;
    }

    /// <summary>Flushes the names in a folder. Windows keeps them with the file, so there is nothing to do there.</summary>
    public static void FlushFolder(string path)
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        var handle = Open(path, OpenReadOnly);
        if (handle < 0)
        {
            throw new IOException($"The folder {path} cannot be opened: {new Win32Exception(Marshal.GetLastPInvokeError()).Message}");
        }

        try
        {
            if (Sync(handle) != 0)
            {
                throw new IOException($"The folder {path} cannot be flushed: {new Win32Exception(Marshal.GetLastPInvokeError()).Message}");
            }
        }
        finally
        {
            _ = Close(handle);
        }
    }

    // The framework has no call that flushes a folder.
    [DllImport("libc", EntryPoint = "open", SetLastError = true, CharSet = CharSet.Ansi, BestFitMapping = false, ThrowOnUnmappableChar = true)]
    private static extern int Open([MarshalAs(UnmanagedType.LPUTF8Str)] string path, int flags);

    [DllImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static extern int Sync(int handle);

    [DllImport("libc", EntryPoint = "close", SetLastError = true)]
    private static extern int Close(int handle);
}
