using System.Text.RegularExpressions;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Guards;

/// <summary>What the script of the pages replaces when something happened is marked <c>data-live</c>, and nothing else is.</summary>
public sealed partial class LiveRegionTests
{
    // With a value it says something else, and what must stay would be replaced.
    [Fact]
    public void Mark_HasNoValue() => Directory.EnumerateFiles(RepositoryFiles.PathOf("src", "FailbackWorkflows.Server", "Pages"), "*.cshtml", SearchOption.AllDirectories)
        .Where(file => WithValue().IsMatch(File.ReadAllText(file)))
        .ShouldBeEmpty();

    [GeneratedRegex("\\bdata-live\\s*=")]
    private static partial Regex WithValue();
}
