using System.Text.RegularExpressions;
using System.Xml.Linq;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Guards;

/// <summary>Rules of design.md §2 and style.md that no compiler checks.</summary>
public sealed partial class SourceTests
{
    /// <summary>Project → projects it may use, as design.md §2 has it.</summary>
    private static readonly Dictionary<string, string[]> Arrows = new()
    {
        ["Engine"] = [],
        ["Recorders"] = [],
        ["Failback"] = ["Engine", "Recorders"],
        ["Persistence"] = ["Engine", "Failback", "Recorders"],
        ["Server"] = ["Engine", "Failback", "Persistence", "Recorders"],
        ["ReferenceRecorder"] = ["Recorders"],
        ["Demo"] = [],
    };

    [Fact]
    public void Project_References_FollowTheDesign()
    {
        var projects = Directory.EnumerateFiles(RepositoryFiles.PathOf("src"), "*.csproj", SearchOption.AllDirectories).ToDictionary(
            f => Path.GetFileNameWithoutExtension(f)["FailbackWorkflows.".Length..],
            f => XDocument.Load(f).Descendants("ProjectReference")
                .Where(r => (string?)r.Attribute("ReferenceOutputAssembly") != "false")
                .Select(r => Path.GetFileNameWithoutExtension(((string)r.Attribute("Include")!).Replace('\\', '/'))["FailbackWorkflows.".Length..])
                .Order()
                .ToArray());

        projects.Keys.Order().ShouldBe(Arrows.Keys.Order());
        foreach (var (project, uses) in projects)
        {
            uses.Except(Arrows[project]).ShouldBeEmpty($"{project} uses what design.md §2 does not let it use.");
        }
    }

    [Fact]
    public void Engine_KnowsNothingOfTheDomain() =>
        Find("FailbackWorkflows.Engine", DomainWords()).ShouldBeEmpty();

    /// <summary>The analyzer bans the wall clock itself; these are the ways around it.</summary>
    [Theory]
    [InlineData("FailbackWorkflows.Engine")]
    [InlineData("FailbackWorkflows.Failback")]
    [InlineData("FailbackWorkflows.Persistence")]
    [InlineData("FailbackWorkflows.Recorders")]
    public void Source_TellsTheTimeOnlyByTheInjectedClock(string project) => Find(project, HiddenClocks()).ShouldBeEmpty();

    [Theory]
    [InlineData("FailbackWorkflows.Engine")]
    [InlineData("FailbackWorkflows.Failback")]
    public void Source_DrawsNothingAtRandomThatARepeatWouldDrawAgain(string project) => Find(project, Randomness()).ShouldBeEmpty();

    private static List<string> Find(string project, Regex pattern) =>
    [
        .. from file in Directory.EnumerateFiles(RepositoryFiles.PathOf("src", project), "*.cs", SearchOption.AllDirectories)
           where !file.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}") && !file.Contains("Migrations")
           from line in File.ReadLines(file).Select((text, index) => (Text: text, Number: index + 1))
           where !line.Text.TrimStart().StartsWith("//", StringComparison.Ordinal) && pattern.IsMatch(line.Text)
           select $"{Path.GetFileName(file)}:{line.Number}: {line.Text.Trim()}",
    ];

    [GeneratedRegex(@"\b(DateTime|DateTimeOffset)\.(Utc)?Now\b|Environment\.TickCount|new Stopwatch|Stopwatch\.(StartNew|GetTimestamp)|new (System\.Threading\.)?Timer\(|Task\.Delay\([^,]*\)|new PeriodicTimer\([^,]*\)|Guid\.CreateVersion7\(\)")]
    private static partial Regex HiddenClocks();

    [GeneratedRegex(@"Guid\.NewGuid|\bRandom\.|new Random\b|RandomNumberGenerator")]
    private static partial Regex Randomness();

    [GeneratedRegex(@"\b(recorder|failover|failback|vms)\b", RegexOptions.IgnoreCase)]
    private static partial Regex DomainWords();
}
