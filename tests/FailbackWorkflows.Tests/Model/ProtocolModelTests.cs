using System.Diagnostics;
using Shouldly;
using Xunit;
using Xunit.Abstractions;

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
        (Failback(faults: 3), 60_000),
        (TwoNodes(faults: 3), 80_000),
        (FailoverOfFailover(faults: 2), 100_000),
        (ManyToOne(faults: 2), 25_000),
        (Mutual(faults: 2), 100_000),
        (RestoredDatabase(faults: 2), 25_000),
    ];

    private static readonly (Bounds Bounds, int AtLeast)[] Full =
    [
        (Failback(faults: 4), 1_400_000),
        (TwoNodes(faults: 4), 600_000),
        (FailoverOfFailover(faults: 3), 2_000_000),
        (ManyToOne(faults: 3), 1_700_000),
        (Mutual(faults: 3), 3_900_000),
        (RestoredDatabase(faults: 3, servers: 3), 4_500_000),
    ];

    public static TheoryData<string> Explorations => [.. Chosen.Select(c => c.Bounds.Name)];

    private static (Bounds Bounds, int AtLeast)[] Chosen => IsFull ? Full : Reduced;

    [Theory]
    [MemberData(nameof(Explorations))]
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

    /// <summary>The widest exploration alone must be worth its name.</summary>
    [Fact]
    public void Full_BoundsTogether_AreAtLeastAMillionStates() => Full.Sum(f => f.AtLeast).ShouldBeGreaterThanOrEqualTo(1_000_000);

    [Theory]
    [InlineData(Mistake.NoFenceBeforeReading, Violation.LiveStoppedForDead)]
    [InlineData(Mistake.UndoKeepsEpoch, Violation.TwoHolders)]
    [InlineData(Mistake.StopBeforeFrames, Violation.LiveStoppedForDead)]
    [InlineData(Mistake.HoldClosedAtGrant, Violation.NotHeld)]
    [InlineData(Mistake.ClaimReleasedBeforeUndo, Violation.TwoHolders)]
    [InlineData(Mistake.ObligationStopsHolder, Violation.LiveStoppedForDead)]
    [InlineData(Mistake.KeyOutsideEffect, Violation.RecorderForgotten)]
    [InlineData(Mistake.RestoredDrawsOldEpoch, Violation.TwoHolders)]
    [InlineData(Mistake.OldFenceAccepted, Violation.LiveStoppedForDead)]
    [InlineData(Mistake.FormerHolderForgotten, Violation.RecorderForgotten)]
    [InlineData(Mistake.HoldAfterDuty, Violation.NotHeld)]
    public void Mistake_PutInOnPurpose_IsFound(Mistake mistake, Violation expected) => Find(mistake, expected);

    /// <summary>The allocation id is the last defence, needed only when a number was drawn twice: the checkpoint must have failed as well.</summary>
    [Fact]
    public void Mistake_OtherAllocationAccepted_IsFoundWhereANumberWasDrawnTwice() =>
        Find(Mistake.OtherAllocationAccepted | Mistake.CheckpointLags, Violation.EpochMeansTwoThings);

    /// <summary>Rules of the design before ADR 6, each with what it leads to.</summary>
    [Theory]
    [InlineData(Mistake.StopsUnseen, Violation.LiveStoppedForDead)]
    [InlineData(Mistake.CheckpointLags, Violation.TwoHolders)]
    [InlineData(Mistake.FenceKeptAfterNoAnswer, Violation.LeftFrozen)]
    [InlineData(Mistake.WaitKeepsClaims, Violation.NoWayOutWithoutRepair)]
    [InlineData(Mistake.HoldsNotReconciled, Violation.NoWayOut)]
    [InlineData(Mistake.RestoredKeepsHolder, Violation.TwoHolders)]
    [InlineData(Mistake.GrantNotFirst, Violation.LiveStoppedForDead)]
    [InlineData(Mistake.AdoptionGivesUp, Violation.NoWayOut)]
    public void Rule_ThatTheModelShowedWrong_IsFoundWrong(Mistake rule, Violation expected) => Find(rule, expected);

    private void Find(Mistake mistake, Violation expected)
    {
        var exploration = new Explorer(BoundsFor(mistake) with { Mistakes = mistake }).Run(v => v == expected);

        output.WriteLine(exploration.ToString());
        exploration.Violation.ShouldBe(expected);
        exploration.Trace.ShouldNotBeEmpty();
    }

    /// <summary>The smallest bounds in which the mistake shows.</summary>
    private static Bounds BoundsFor(Mistake mistake) => mistake switch
    {
        Mistake.RestoredDrawsOldEpoch or Mistake.CheckpointLags => RestoredDatabase(faults: 3, servers: 3),
        _ when mistake.HasFlag(Mistake.OtherAllocationAccepted) => RestoredDatabase(faults: 3),
        Mistake.HoldsNotReconciled => RestoredDatabase(faults: 2),
        Mistake.RestoredKeepsHolder => RestoredDatabase(faults: 3),
        Mistake.WaitKeepsClaims => FailoverOfFailover(faults: 2) with { InFlight = 0, CrashesOnly = true, StartsFailedOver = true },
        _ => Failback(faults: 2),
    };

    private static Bounds Failback(int faults) =>
        new("failback, one node", Servers: 2, Identities: 1, Nodes: 1, Takers(B), faults, InFlight: 1, OpenEntries: 2);

    private static Bounds TwoNodes(int faults) =>
        new("two nodes", Servers: 2, Identities: 1, Nodes: 2, Takers(B), faults, InFlight: 1, OpenEntries: 1);

    private static Bounds FailoverOfFailover(int faults) =>
        new("failover of a failover", Servers: 3, Identities: 1, Nodes: 1, Takers(B | C), faults, InFlight: 1, OpenEntries: 2);

    private static Bounds ManyToOne(int faults) =>
        new("N:1", Servers: 3, Identities: 2, Nodes: 1, Takers(C, C), faults, InFlight: 1, OpenEntries: 1);

    private static Bounds Mutual(int faults) =>
        new("mutual roles", Servers: 2, Identities: 2, Nodes: 1, Takers(B, A), faults, InFlight: 1, OpenEntries: 1);

    private static Bounds RestoredDatabase(int faults, int servers = 2) =>
        new("restored database", servers, Identities: 1, Nodes: 1, Takers(servers == 3 ? B | C : B), faults, InFlight: 1, OpenEntries: 2, CanRestore: true);

    private const int A = 1;
    private const int B = 2;
    private const int C = 4;

    private static Two<byte> Takers(int ofA, int ofB = 0)
    {
        var takers = default(Two<byte>);
        (takers[0], takers[1]) = ((byte)ofA, (byte)ofB);
        return takers;
    }
}
