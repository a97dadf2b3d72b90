using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Failback;

/// <summary>The table of states and transitions of design.md §5: what is not in it throws.</summary>
public sealed class FailoverLogEntryTests
{
    private static readonly DateTimeOffset At = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    public static TheoryData<FailoverState, FailbackState> States
    {
        get
        {
            var data = new TheoryData<FailoverState, FailbackState>();
            foreach (var failover in Enum.GetValues<FailoverState>())
            {
                foreach (var failback in Enum.GetValues<FailbackState>())
                {
                    data.Add(failover, failback);
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(States))]
    public void Transition_FromEachState_IsAllowedOrThrowsAsInTheTable(FailoverState failover, FailbackState failback)
    {
        var entry = Entry(failover, failback);
        var canFailBack = failover == FailoverState.Done && (failback is FailbackState.NotStarted or FailbackState.Failed);

        entry.CanFailBack.ShouldBe(canFailBack);
        Check(failover == FailoverState.Running, () => entry.FailoverPerformed(At), e => (e.Failover, e.FailoverEndedAt), (FailoverState.Done, (DateTimeOffset?)At));
        Check(failover == FailoverState.Running, () => entry.FailoverFailed(At, "why"), e => (e.Failover, e.Message), (FailoverState.Failed, "why"));
        Check(failover == FailoverState.Failed, entry.NothingRecordedByFailedFailover, e => (e.Failover, e.MaterialCopy), (FailoverState.Failed, MaterialCopyState.NothingToCopy));
        Check(
            failover == FailoverState.Failed,
            () => entry.MaterialRecordedByFailedFailover(new Dictionary<string, DateTimeOffset> { ["video-1"] = At }),
            e => (e.Failover, e.MaterialCopy, e.IsUnsettled, e.IsCopyDue),
            (FailoverState.Failed, MaterialCopyState.NotStarted, false, true));
        Check(canFailBack, () => entry.FailbackStarted("run", At), e => (e.Failback, e.FailbackRunId, e.FailbackStartedAt), (FailbackState.Running, "run", (DateTimeOffset?)At));
        Check(canFailBack, () => entry.ClosedBy(Entry(FailoverState.Done, FailbackState.Running) with { Id = "newer" }, At), e => (e.Failback, e.ClosedByEntryId), (FailbackState.Done, "newer"));
        Check(failback == FailbackState.Running, () => entry.FailbackPerformed(At), e => (e.Failback, e.FailbackEndedAt), (FailbackState.Done, (DateTimeOffset?)At));
        Check(failback == FailbackState.Running, () => entry.FailbackFailed(At, "why"), e => (e.Failback, e.Message), (FailbackState.Failed, "why"));
    }

    [Theory]
    [InlineData(FailoverState.Running, FailbackState.NotStarted, MaterialCopyState.NotStarted, false, true)]
    [InlineData(FailoverState.Failed, FailbackState.NotStarted, MaterialCopyState.NotStarted, false, true)]
    [InlineData(FailoverState.Failed, FailbackState.NotStarted, MaterialCopyState.Queued, false, true)]
    [InlineData(FailoverState.Failed, FailbackState.NotStarted, MaterialCopyState.NothingToCopy, false, false)]
    [InlineData(FailoverState.Failed, FailbackState.NotStarted, MaterialCopyState.Copied, false, false)]
    [InlineData(FailoverState.Done, FailbackState.NotStarted, MaterialCopyState.NotStarted, false, true)]
    [InlineData(FailoverState.Done, FailbackState.Failed, MaterialCopyState.NotStarted, false, true)]
    [InlineData(FailoverState.Done, FailbackState.Done, MaterialCopyState.Queued, false, true)]
    [InlineData(FailoverState.Done, FailbackState.Done, MaterialCopyState.CopiedWithLosses, false, true)]
    [InlineData(FailoverState.Done, FailbackState.Done, MaterialCopyState.Failed, false, true)]
    [InlineData(FailoverState.Done, FailbackState.Done, MaterialCopyState.Cancelled, false, true)]
    [InlineData(FailoverState.Done, FailbackState.Done, MaterialCopyState.Copied, false, false)]
    [InlineData(FailoverState.Done, FailbackState.Done, MaterialCopyState.LossesAccepted, false, false)]
    [InlineData(FailoverState.Done, FailbackState.Done, MaterialCopyState.NothingToCopy, false, false)]
    [InlineData(FailoverState.Done, FailbackState.Done, MaterialCopyState.Queued, true, false)]
    public void IsActive_InEachState_IsFalseOnlyWhenFinalized(FailoverState failover, FailbackState failback, MaterialCopyState copy, bool isClosedByNewer, bool isActive) =>
        (Entry(failover, failback) with { MaterialCopy = copy, ClosedByEntryId = isClosedByNewer ? "newer" : null }).IsActive.ShouldBe(isActive);

    [Fact]
    public void MaterialCopy_QueuedTwice_Throws()
    {
        var queued = Entry(FailoverState.Done, FailbackState.Done).MaterialCopyQueued();

        queued.MaterialCopy.ShouldBe(MaterialCopyState.Queued);
        Should.Throw<InvalidOperationException>(queued.MaterialCopyQueued);
    }

    [Fact]
    public void FailbackStarted_AfterAFailedOne_ForgetsItsEndAndMessage()
    {
        var again = Entry(FailoverState.Done, FailbackState.Running).FailbackFailed(At, "why").FailbackStarted("run-2", At.AddMinutes(1));

        (again.FailbackEndedAt, again.Message, again.FailbackRunId).ShouldBe((null, null, "run-2"));
    }

    private static void Check<T>(bool isAllowed, Func<FailoverLogEntry> transition, Func<FailoverLogEntry, T> read, T expected)
    {
        if (isAllowed)
        {
            read(transition()).ShouldBe(expected);
        }
        else
        {
            Should.Throw<InvalidOperationException>(transition).Message.ShouldContain(FailbackWorld.Entry);
        }
    }

    private static FailoverLogEntry Entry(FailoverState failover, FailbackState failback) =>
        FailbackWorld.NewEntry(FailbackWorld.Entry, At) with { Failover = failover, Failback = failback };
}
