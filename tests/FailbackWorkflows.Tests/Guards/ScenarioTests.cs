using System.Globalization;
using System.Text.RegularExpressions;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Guards;

/// <summary>
/// Each failure scenario (1–60) has tests that carry its number: <c>// Scenario NN.</c> before it, or in the summary of its class. <c>docs/scenarios.md</c> says in
/// which files, and is held to that.
/// </summary>
public sealed partial class ScenarioTests
{
    private const int First = 1;
    private const int Last = 60;

    [Fact]
    public void EveryScenario_IsCarriedByATest() =>
        Enumerable.Range(First, Last - First + 1).Except(Files().SelectMany(f => Carried(f.Text))).ShouldBeEmpty();

    [Fact]
    public void Map_NamesFilesOfEachScenario_AndTheyCarryIt()
    {
        var carriers = Files().SelectMany(f => Carried(f.Text).Distinct().Select(n => (Number: n, f.Name))).ToLookup(c => c.Number, c => c.Name);
        var map = Row().Matches(File.ReadAllText(RepositoryFiles.PathOf("docs", "scenarios.md")))
            .ToDictionary(r => int.Parse(r.Groups[1].Value, CultureInfo.InvariantCulture), r => Name().Matches(r.Groups[2].Value).Select(n => n.Groups[1].Value).ToList());

        map.Keys.ShouldBe(Enumerable.Range(First, Last - First + 1));
        foreach (var (number, named) in map)
        {
            named.Except(carriers[number]).ShouldBeEmpty($"scenario {number} in docs/scenarios.md names a file whose tests do not carry it");
            named.ShouldNotBeEmpty($"scenario {number} in docs/scenarios.md names no file");
        }
    }

    [Theory]
    [InlineData("// Scenario 30, and Scenario 56.\n    [Fact]\n    public async Task A()", "30,56")]
    [InlineData("// Scenarios 14, 15 and 17: why 3.\n    [Fact]\n    public async Task A()", "14,15,17")]
    [InlineData("// Scenario 45: why.\n    [Theory]\n    [InlineData(1)]\n    public void A(int n)", "45")]
    [InlineData("/// <summary>Scenario 37: this.\n/// </summary>\npublic sealed class S37_When_it\n{\n    [Fact]\n    public void A()", "37")]
    [InlineData("// Scenario 30.\n    private void A() { }\n\n    [Fact]\n    public void B()", "")]
    [InlineData("// Scenario 30.\n    public void A() { }", "")]
    public void Number_CountsOnlyWithATest(string source, string expected) => string.Join(',', Carried(source)).ShouldBe(expected);

    private static IEnumerable<(string Name, string Text)> Files() => Directory.EnumerateFiles(RepositoryFiles.PathOf("tests"), "*.cs", SearchOption.AllDirectories)
        .Where(f => !f.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}") && Path.GetFileName(f) != "ScenarioTests.cs")
        .Select(f => (Path.GetFileNameWithoutExtension(f), File.ReadAllText(f)));

    /// <summary>A number counts when a test follows it, and no other code in between.</summary>
    private static IEnumerable<int> Carried(string source) => Comment().Matches(source)
        .Where(c => Follows().IsMatch(source[(c.Index + c.Length)..]))
        .SelectMany(c => Numbers().Matches(c.Value))
        .SelectMany(n => Number().Matches(n.Groups[1].Value))
        .Select(n => int.Parse(n.Value, CultureInfo.InvariantCulture));

    [GeneratedRegex(@"(?:^[ \t]*//[^\n]*\n)+", RegexOptions.Multiline)]
    private static partial Regex Comment();

    /// <summary>A test, a row of one, or a class that begins with one (constants before its first test aside).</summary>
    [GeneratedRegex(@"\A\s*\[(Fact|Theory)|\A\s*public (sealed |abstract |partial )*class [^\n]*\n\{(?s:.*?)\[(Fact|Theory)|\A\s*\{ ""[^""]*"", \d+, """)]
    private static partial Regex Follows();

    [GeneratedRegex(@"Scenarios? (\d+(?:(?:, | and )\d+)*)")]
    private static partial Regex Numbers();

    [GeneratedRegex(@"\d+")]
    private static partial Regex Number();

    [GeneratedRegex(@"^\| (\d+) \|[^|]*\|([^|]*)\|", RegexOptions.Multiline)]
    private static partial Regex Row();

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Name();
}
