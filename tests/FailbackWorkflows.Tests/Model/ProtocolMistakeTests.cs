using Shouldly;
using Xunit;
using Xunit.Abstractions;
using static FailbackWorkflows.Tests.Model.Explorations;

namespace FailbackWorkflows.Tests.Model;

/// <summary>What is wrong on purpose must be found, each by the property it breaks: else the model's silence would say nothing.</summary>
public sealed class ProtocolMistakeTests(ITestOutputHelper output)
{
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
        _ when mistake.HasFlag(Mistake.OtherAllocationAccepted) => RestoredDatabase(faults: 2) with { StartsFailedOver = true },
        Mistake.ClaimReleasedBeforeUndo => OneFailback(faults: 1) with { InFlight = 0, OpenEntries = 1, StartsFailedOver = true },
        Mistake.HoldsNotReconciled => RestoredDatabase(faults: 2),
        Mistake.RestoredKeepsHolder => RestoredDatabase(faults: 2) with { OpenEntries = 1, StartsFailedOver = true },
        Mistake.WaitKeepsClaims => FailoverOfFailover(faults: 2) with { InFlight = 0, CrashesOnly = true, StartsFailedOver = true },
        _ => OneFailback(faults: 2),
    };
}
