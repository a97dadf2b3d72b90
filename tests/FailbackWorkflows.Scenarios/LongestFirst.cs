using Xunit;
using Xunit.Abstractions;

namespace FailbackWorkflows.Scenarios;

/// <summary>Begins with the scenarios that take minutes: one that begins last is waited for by processors that have nothing else to do.</summary>
public sealed class LongestFirst : ITestCollectionOrderer
{
    private static readonly string[] Longest =
    [
        Designers.Name,
        nameof(Everybody_finds_every_page),
        nameof(Two_servers_on_one_database),
        nameof(The_demo_tells_its_story),
        nameof(S26_When_the_manager_is_killed_before_it_notes_an_answer),
        nameof(S32_When_anybody_is_killed_during_a_copy),
        nameof(When_the_database_goes_away),
    ];

    /// <inheritdoc/>
    public IEnumerable<ITestCollection> OrderTestCollections(IEnumerable<ITestCollection> testCollections) => testCollections.OrderBy(collection =>
        Array.FindIndex(Longest, name => collection.DisplayName.EndsWith(name, StringComparison.Ordinal)) is var place and >= 0 ? place : Longest.Length);
}
