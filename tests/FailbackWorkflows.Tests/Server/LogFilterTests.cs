using System.Globalization;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Server.Pages.FailoverLog;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Server;

/// <summary>The period somebody looks for: days of UTC from a browser without our script, days of the viewer's zone from one with it.</summary>
public sealed class LogFilterTests
{
    [Theory]
    [InlineData("2026-03-01", "2026-03-02", "2026-03-01T00:00:00Z", "2026-03-03T00:00:00Z", "2026-03-01", "2026-03-02")]
    [InlineData("2026-02-28T15:00:00.000Z", "2026-03-02T15:00:00.000Z", "2026-02-28T15:00:00Z", "2026-03-02T15:00:00Z", "2026-02-28", "2026-03-02")]
    [InlineData("0001-01-01", "9999-12-30", "0001-01-01T00:00:00Z", "9999-12-31T00:00:00Z", "0001-01-01", "9999-12-30")]
    public void Period_OfDaysOrOfInstants_IsLookedForAndShownAgain(string since, string until, string begin, string end, string firstDay, string lastDay)
    {
        var filter = LogFilter.Read(null, since, until);

        var query = filter.Narrow(new FailoverLogQuery(FailoverLogView.All), []);
        (query.Since, query.Until).ShouldBe((DateTimeOffset.Parse(begin, CultureInfo.InvariantCulture), DateTimeOffset.Parse(end, CultureInfo.InvariantCulture)));
        (filter.FirstDay, filter.LastDay).ShouldBe((firstDay, lastDay));
        LogFilter.Read(null, filter.SinceText, filter.UntilText).ShouldBe(filter, "the next page is one of the same period");
    }

    [Theory]
    [InlineData("yesterday", "2026-3-1")]
    [InlineData("2026-02-30", "2026-03-01T12:00:00")]
    [InlineData("2026-03-01T12:00:00.000+09:00", "9999-12-31")]
    [InlineData("", "0001-01-01T00:00:00.000Z' OR 1=1")]
    [InlineData(null, null)]
    public void Period_ThatCannotBeRead_IsLeftOut(string? since, string? until) => LogFilter.Read(" ", since, until).IsEmpty.ShouldBeTrue();

    [Fact]
    public void Period_ThatEndsBeforeAnyDay_IsNoReasonToFail()
    {
        var filter = LogFilter.Read(null, null, "0001-01-01T00:00:00.000Z");

        filter.LastDay.ShouldBeNull();
        filter.ToQuery(isFinalized: true).ShouldBe("?view=finalized&until=0001-01-01T00%3A00%3A00.000Z");
    }
}
