namespace FailbackWorkflows.Testing.Processes;

/// <summary>Where a browser test finds the browser and what it puts into pages, and where it leaves pictures for the documentation.</summary>
public static class BrowserFiles
{
    /// <summary>The system's Chromium; the test command installs it.</summary>
    public static string Chromium { get; } = Environment.GetEnvironmentVariable("FAILBACK_CHROMIUM") ?? "/usr/bin/chromium";

    /// <summary>Pictures for <c>docs/images</c> are made when <c>FAILBACK_SCREENSHOTS=1</c>.</summary>
    public static bool WantsPictures { get; } = Environment.GetEnvironmentVariable("FAILBACK_SCREENSHOTS") == "1";

    public static string PictureOf(string name) => Path.Combine(Directory.CreateDirectory(Path.Combine(ProgramFiles.Root, "docs", "images")).FullName, $"{name}.png");

    /// <summary>The script of axe-core, which the test command restores.</summary>
    public static Task<string> ReadAxeAsync()
    {
        var path = Path.Combine(ProgramFiles.Root, "tests", "FailbackWorkflows.Scenarios", "node_modules", "axe-core", "axe.min.js");
        return File.Exists(path)
            ? File.ReadAllTextAsync(path)
            : throw new FileNotFoundException("axe-core is not restored. The test command of the README does it, or: npm ci --prefix tests/FailbackWorkflows.Scenarios", path);
    }
}
