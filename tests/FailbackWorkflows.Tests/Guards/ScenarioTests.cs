using System.Globalization;
using System.Text.RegularExpressions;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Guards;

/// <summary>Each failure scenario of the copy (29–60) and of failovers that begin by themselves has a test that carries its number: <c>// Scenario NN.</c> before it, or in the summary of its class.</summary>
public sealed partial class ScenarioTests
{
    private const int First = 29;
    private const int Last = 60;

    /// <summary>Those of failovers that begin by themselves.</summary>
    private static readonly int[] OfFailovers = [8, 24];

    [Fact]
    public void EveryScenarioOfTheCopyAndOfFailovers_IsCarriedByATest()
    {
        // A number counts when a test follows it, and no other code in between.
        var carried = Directory.EnumerateFiles(RepositoryFiles.PathOf("tests"), "*.cs", SearchOption.AllDirectories)
            .Where(f => !f.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}") && Path.GetFileName(f) != "ScenarioTests.cs")
            .SelectMany(f => Carried(File.ReadAllText(f)))
            .ToHashSet();

        Enumerable.Range(First, Last - First + 1).Concat(OfFailovers).Where(n => !carried.Contains(n)).ShouldBeEmpty();
    }

    [Theory]
    [InlineData("// Scenario 30, and Scenario 56.\n    [Fact]\n    public async Task A()", "30,56")]
    [InlineData("// Scenario 45: why.\n    [Theory]\n    [InlineData(1)]\n    public void A(int n)", "45")]
    [InlineData("/// <summary>Scenario 37: this.\n/// </summary>\npublic sealed class S37_When_it\n{\n    [Fact]\n    public void A()", "37")]
    [InlineData("// Scenario 30.\n    private void A() { }\n\n    [Fact]\n    public void B()", "")]
    [InlineData("// Scenario 30.\n    public void A() { }", "")]
    public void Number_CountsOnlyWithATest(string source, string expected) => string.Join(',', Carried(source)).ShouldBe(expected);

    private static IEnumerable<int> Carried(string source) => Comment().Matches(source)
        .Where(c => Follows().IsMatch(source[(c.Index + c.Length)..]))
        .SelectMany(c => Number().Matches(c.Value))
        .Select(n => int.Parse(n.Groups[1].Value, CultureInfo.InvariantCulture));

    [GeneratedRegex(@"(?:^[ \t]*//[^\n]*\n)+", RegexOptions.Multiline)]
    private static partial Regex Comment();

    /// <summary>A test, or a class that begins with one (constants before its first test aside).</summary>
    [GeneratedRegex(@"\A\s*\[(Fact|Theory)|\A\s*public (sealed |abstract |partial )*class [^\n]*\n\{(?s:.*?)\[(Fact|Theory)")]
    private static partial Regex Follows();

    [GeneratedRegex(@"Scenario (\d+)")]
    private static partial Regex Number();
}
