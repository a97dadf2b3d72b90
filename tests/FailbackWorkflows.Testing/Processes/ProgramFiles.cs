using System.Runtime.InteropServices;

namespace FailbackWorkflows.Testing.Processes;

/// <summary>Where the built programs lie: same configuration and framework as the tests themselves.</summary>
public static class ProgramFiles
{
    public static string Server { get; } = Find("FailbackWorkflows.Server");

    public static string Recorder { get; } = Find("FailbackWorkflows.ReferenceRecorder");

    public static string Demo { get; } = Find("FailbackWorkflows.Demo");

    /// <summary>Root of the checkout.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>The host that runs this process.</summary>
    public static string Dotnet { get; } = FindDotnet();

    private static string Find(string project)
    {
        var output = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar));
        return Path.Combine(FindRoot(), "src", project, "bin", output.Parent!.Name, output.Name, $"{project}.dll");
    }

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "FailbackWorkflows.sln")))
            {
                return folder.FullName;
            }
        }

        throw new InvalidOperationException("The tests must run from their build folder inside the checkout.");
    }

    private static string FindDotnet()
    {
        var beside = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", "..", "dotnet"));
        return File.Exists(beside) ? beside : "dotnet";
    }
}
