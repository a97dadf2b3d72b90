namespace FailbackWorkflows.Testing.Failback;

/// <summary>Files of the repository that tests read as they are.</summary>
public static class RepositoryFiles
{
    private static readonly Lazy<string> FoundRoot = new(FindRoot);

    public static string Root => FoundRoot.Value;

    /// <summary>Folder of the published workflows.</summary>
    public static string Workflows => Path.Combine(Root, "workflows");

    public static string PathOf(params string[] parts) => Path.Combine([Root, .. parts]);

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "FailbackWorkflows.sln")))
            {
                return folder.FullName;
            }
        }

        throw new DirectoryNotFoundException($"There is no FailbackWorkflows.sln above {AppContext.BaseDirectory}.");
    }
}
