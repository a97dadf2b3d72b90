using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.MaterialCopy;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Failback.MaterialCopy;

public sealed class MaterialCopyPeriodsTests
{
    private static readonly DateTimeOffset At = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    // Scenario 47: the end of the window is the failover server's confirmed last frame.
    [Theory]
    [InlineData(600, 590, 592)]
    [InlineData(591, 590, 591)]
    [InlineData(500, 590, 500)]
    [InlineData(600, null, 600)]
    [InlineData(null, 590, 592)]
    public void Channel_EndsAtItsLastTimeOrItsAuthorityEnd(int? last, int? authorityEnd, int expected)
    {
        var entry = Entry() with { LastTimes = Times(last), AuthorityEnds = Times(authorityEnd) };

        var periods = MaterialCopyPeriods.Of(entry);

        periods.Channels.Single().ShouldBe(new("video-1", At, At.AddSeconds(expected)));
        periods.Whole.ShouldBe(new(null, At, At.AddSeconds(expected)));
    }

    [Fact]
    public void Entry_ClosedByANewerOne_EndsWithItsFailback()
    {
        var periods = MaterialCopyPeriods.Of(Entry() with { ClosedByEntryId = "newer" });

        periods.Whole.ShouldBe(new(null, At, At.AddSeconds(700)));
        periods.Channels.ShouldBeEmpty();
    }

    [Fact]
    public void Channel_ThatStayedDark_IsAskedAboutAsLongAsTheOthers()
    {
        var entry = Entry() with
        {
            LastTimes = new Dictionary<string, DateTimeOffset> { ["video-1"] = At.AddSeconds(580), ["video-2"] = At.AddDays(-3) },
            AuthorityEnds = new Dictionary<string, DateTimeOffset> { ["video-1"] = At.AddSeconds(590), ["video-2"] = At.AddSeconds(590) },
        };

        MaterialCopyPeriods.Of(entry).Channels.ShouldBe([new("video-1", At, At.AddSeconds(580)), new("video-2", At, At.AddSeconds(580))]);
    }

    [Fact]
    public void Channel_ThatRecordedNothing_HasAnEmptyPeriod()
    {
        var periods = MaterialCopyPeriods.Of(Entry() with { LastTimes = Times(-60), AuthorityEnds = Times(-50) });

        periods.Channels.Single().ShouldBe(new("video-1", At, At));
        periods.Whole.ToUtc.ShouldBeGreaterThan(At);
    }

    [Fact]
    public void Failback_NotDone_HasNoPeriod() =>
        Should.Throw<InvalidOperationException>(() => MaterialCopyPeriods.Of(Entry() with { FailbackEndedAt = null })).Message.ShouldContain(FailbackWorld.Entry);

    private static Dictionary<string, DateTimeOffset>? Times(int? seconds) => seconds is { } s ? new() { ["video-1"] = At.AddSeconds(s) } : null;

    private static FailoverLogEntry Entry() => FailbackWorld.NewEntry(FailbackWorld.Entry, At) with { Failback = FailbackState.Done, FailbackEndedAt = At.AddSeconds(700) };
}
