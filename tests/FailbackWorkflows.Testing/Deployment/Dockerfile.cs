using System.Text.RegularExpressions;
using FailbackWorkflows.Testing.Failback;

namespace FailbackWorkflows.Testing.Deployment;

/// <summary>A Dockerfile, as far as it can be read without building it.</summary>
public sealed partial class Dockerfile
{
    private Dockerfile(string path)
    {
        Path = path;
        // A line that ends with a backslash goes on in the next one.
        Instructions = [.. Continued().Replace(File.ReadAllText(RepositoryFiles.PathOf(path)), " ").Split('\n')
            .Where(line => line.Length > 0 && !line.StartsWith('#'))
            .Select(line => line.Split(' ', 2, StringSplitOptions.TrimEntries))
            .Select(parts => (parts[0], parts[1]))];
    }

    public string Path { get; }

    public IReadOnlyList<(string Name, string Arguments)> Instructions { get; }

    public IReadOnlyList<string> Images => [.. Of("FROM").Select(f => f.Split(' ')[0])];

    /// <summary>Who the last stage runs as; null: root.</summary>
    public string? User => Of("USER").LastOrDefault();

    public string? HealthCheck => Of("HEALTHCHECK").LastOrDefault();

    /// <summary>What is copied from the checkout, of all stages.</summary>
    public IReadOnlyList<string> Sources => [.. Of("COPY").Where(c => !c.StartsWith("--from=", StringComparison.Ordinal)).SelectMany(c => c.Split(' ')[..^1])];

    /// <summary>The command that makes the program; null when there is none.</summary>
    public string? Publish => Of("RUN").SingleOrDefault(r => r.StartsWith("dotnet publish ", StringComparison.Ordinal));

    /// <summary>The program and the arguments it has unless told otherwise.</summary>
    public IReadOnlyList<string> Entrypoint => [.. Quoted().Matches(Of("ENTRYPOINT").Last()).Select(m => m.Groups[1].Value)];

    public static Dockerfile Read(string path) => new(path);

    private IEnumerable<string> Of(string name) => Instructions.Where(i => i.Name == name).Select(i => i.Arguments);

    [GeneratedRegex(@"\\\n\s*")]
    private static partial Regex Continued();

    [GeneratedRegex("\"([^\"]*)\"")]
    private static partial Regex Quoted();
}
