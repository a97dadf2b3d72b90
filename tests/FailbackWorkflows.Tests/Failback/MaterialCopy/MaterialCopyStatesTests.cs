using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.MaterialCopy;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;
using S = FailbackWorkflows.Failback.FailoverLog.MaterialCopyState;

namespace FailbackWorkflows.Tests.Failback.MaterialCopy;

/// <summary>The row "material copy" of the table in design.md §5: what is not in it throws.</summary>
public sealed class MaterialCopyStatesTests
{
    public static TheoryData<S> States => [.. Enum.GetValues<S>()];

    [Theory]
    [MemberData(nameof(States))]
    public void Transition_FromEachState_IsAllowedOrThrowsAsInTheTable(S from)
    {
        var entry = Entry(from);

        Check(from is S.NotStarted or S.Failed or S.Cancelled or S.CopiedWithLosses, entry.MaterialCopyQueued, S.Queued);
        Check(from is S.Queued or S.Paused, entry.MaterialCopyRunning, S.Running);
        Check(from is S.Running, entry.MaterialCopyPaused, S.Paused);
        Check(from is S.Running, entry.MaterialCopied, S.Copied);
        Check(from is S.Running, entry.NoMaterialToCopy, S.NothingToCopy);
        Check(from is S.Running, () => entry.MaterialCopiedWithLosses("why"), S.CopiedWithLosses, "why");
        Check(from is S.NotStarted or S.Queued or S.Running or S.Paused, () => entry.MaterialCopyFailed("why"), S.Failed, "why");
        Check(from is S.NotStarted or S.Queued or S.Running or S.Paused, () => entry.MaterialCopyCancelled("why"), S.Cancelled, "why");
        Check(from is not (S.Copied or S.NothingToCopy or S.LossesAccepted), () => entry.MaterialLossesAccepted("why"), S.LossesAccepted, "why");
        entry.OwesMaterial.ShouldBe(from is not (S.Copied or S.NothingToCopy or S.LossesAccepted));
    }

    [Theory]
    [InlineData(S.Queued, CopyTaskState.Queued, S.Queued)]
    [InlineData(S.Queued, CopyTaskState.WaitingForSource, S.Queued)]
    [InlineData(S.Queued, CopyTaskState.Running, S.Running)]
    [InlineData(S.Queued, CopyTaskState.Paused, S.Paused)]
    [InlineData(S.Running, CopyTaskState.WaitingForSource, S.Paused)]
    [InlineData(S.Running, CopyTaskState.Paused, S.Paused)]
    [InlineData(S.Running, CopyTaskState.Verifying, S.Running)]
    [InlineData(S.Paused, CopyTaskState.Queued, S.Paused)]
    [InlineData(S.Paused, CopyTaskState.Paused, S.Paused)]
    [InlineData(S.Paused, CopyTaskState.Verifying, S.Running)]
    [InlineData(S.LossesAccepted, CopyTaskState.Running, S.LossesAccepted)]
    public void Entry_WhileTheTargetReports_FollowsTheTable(S from, CopyTaskState reported, S expected) =>
        Entry(from).While(reported).MaterialCopy.ShouldBe(expected);

    [Fact]
    public void TaskId_OfAnEntryAndASource_IsAlwaysTheSameAndFitsTheContract()
    {
        var id = MaterialCopyTask.IdOf("entry-1", "rec-2");

        id.ShouldBe(MaterialCopyTask.IdOf("entry-1", "rec-2"));
        id.ShouldNotBe(MaterialCopyTask.IdOf("entry-1", "rec-3"));
        id.Length.ShouldBeLessThanOrEqualTo(64);
        id.ShouldAllBe(c => char.IsAsciiLetterOrDigit(c) || c == '-');
    }

    private static void Check(bool isAllowed, Func<FailoverLogEntry> transition, S expected, string? message = null)
    {
        if (isAllowed)
        {
            (transition().MaterialCopy, transition().Message).ShouldBe((expected, message));
        }
        else
        {
            Should.Throw<InvalidOperationException>(transition).Message.ShouldContain(FailbackWorld.Entry);
        }
    }

    private static FailoverLogEntry Entry(S state) =>
        FailbackWorld.NewEntry(FailbackWorld.Entry, new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero)) with { Failback = FailbackState.Done, MaterialCopy = state };
}
