using System.Runtime.InteropServices;

namespace FailbackWorkflows.Testing.Processes;

/// <summary>
/// Where the programs lie that are started: those just built, in the tests' own configuration and framework, or, for the management server and the recorder, in the folder
/// that <c>FAILBACK_TEST_PROGRAMS</c> names, where the test command publishes them compiled ahead of time.
/// </summary>
public static class ProgramFiles
{
    /// <summary>Where the test command has published the programs; null: it has not.</summary>
    public static string? Published { get; } = Environment.GetEnvironmentVariable("FAILBACK_TEST_PROGRAMS") is { Length: > 0 } folder ? folder : null;

    public static string Server { get; } = FindPublished("FailbackWorkflows.Server");

    public static string Recorder { get; } = FindPublished("FailbackWorkflows.ReferenceRecorder");

    public static string Demo { get; } = Find("FailbackWorkflows.Demo");

    /// <summary>Root of the checkout.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>The host that runs this process.</summary>
    public static string Dotnet { get; } = FindDotnet();

    private static string FindPublished(string project) =>
        Published is { } published ? Path.Combine(published, project, $"{project}.dll") : Find(project);

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
