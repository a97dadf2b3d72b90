using System.Diagnostics;
using Shouldly;
using Xunit;
using Xunit.Abstractions;
using static FailbackWorkflows.Tests.Model.Explorations;

namespace FailbackWorkflows.Tests.Model;

/// <summary>
/// Explores the protocol of docs/protocol.md. Every build explores reduced bounds; FAILBACK_MODEL=full explores the wide ones
/// (minutes and a gigabyte; eng/soak.sh does it),
/// FAILBACK_MODEL_REPORT names a file to which the results are added.
/// </summary>
public sealed class ProtocolModelTests(ITestOutputHelper output)
{
    private static readonly bool IsFull = Environment.GetEnvironmentVariable("FAILBACK_MODEL") == "full";

    /// <summary>What is explored, with the number of states each must at least have: a model that suddenly does less is not checking less by right.</summary>
    private static readonly (Bounds Bounds, int AtLeast)[] Reduced =
    [
        (OneFailback(faults: 3), 230_000),
        (TwoNodes(faults: 3), 80_000),
        (FailoverOfFailover(faults: 2), 115_000),
        (ManyToOne(faults: 2), 25_000),
        (Mutual(faults: 2), 115_000),
        (RestoredDatabase(faults: 2), 25_000),
    ];

    private static readonly (Bounds Bounds, int AtLeast)[] Full =
    [
        (OneFailback(faults: 4), 1_400_000),
        (TwoNodes(faults: 4), 600_000),
        (FailoverOfFailover(faults: 3), 2_200_000),
        (ManyToOne(faults: 3), 1_700_000),
        (Mutual(faults: 3), 3_900_000),
        (RestoredDatabase(faults: 3, servers: 3), 4_500_000),
    ];

    public static TheoryData<string> Names => [.. Chosen.Select(c => c.Bounds.Name)];

    private static (Bounds Bounds, int AtLeast)[] Chosen => IsFull ? Full : Reduced;

    [Theory]
    [MemberData(nameof(Names))]
    public void Protocol_WithinItsBounds_KeepsItsPromises(string name)
    {
        var (bounds, atLeast) = Chosen.Single(c => c.Bounds.Name == name);
        var started = Stopwatch.GetTimestamp();

        var exploration = new Explorer(bounds).Run();

        var result = $"{exploration}; {Stopwatch.GetElapsedTime(started).TotalSeconds:0.0} s";
        output.WriteLine(result);
        if (Environment.GetEnvironmentVariable("FAILBACK_MODEL_REPORT") is { Length: > 0 } report)
        {
            File.AppendAllText(report, result + Environment.NewLine);
        }

        exploration.Violation.ShouldBe(Violation.None, exploration.ToString());
        exploration.States.ShouldBeGreaterThanOrEqualTo(atLeast, "The model explores less than it did; see whether something cannot happen any more.");
    }

    /// <summary>What each must have is asserted where it is explored; together it is what the model was asked for.</summary>
    [Fact]
    public void Full_BoundsTogether_AreAtLeastAMillionStates() => Full.Sum(f => f.AtLeast).ShouldBeGreaterThanOrEqualTo(1_000_000);
}
