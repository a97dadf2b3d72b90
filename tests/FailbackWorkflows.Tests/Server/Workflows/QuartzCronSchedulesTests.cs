using FailbackWorkflows.Server.Workflows;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Server.Workflows;

public sealed class QuartzCronSchedulesTests
{
    private static readonly DateTimeOffset Sunday = new(2026, 3, 1, 2, 30, 0, TimeSpan.Zero);
    private readonly QuartzCronSchedules _schedules = new();

    [Theory]
    [InlineData("0 0 3 * * ?", "2026-03-01T03:00:00Z")]
    [InlineData("0 0 3 * * *", "2026-03-01T03:00:00Z")]
    [InlineData("0 3 * * *", "2026-03-01T03:00:00Z")]
    [InlineData("0 0 3 ? * MON-FRI", "2026-03-02T03:00:00Z")]
    [InlineData("0 3 * * MON", "2026-03-02T03:00:00Z")]
    [InlineData("0 */15 * * * *", "2026-03-01T02:45:00Z")]
    [InlineData("0 0 0 1 * *", "2026-04-01T00:00:00Z")]
    public void Next_Expression_IsTheNextOccurrenceInUtc(string expression, string expected)
    {
        _schedules.Problem(expression).ShouldBeNull();
        _schedules.Next(expression, Sunday).ShouldBe(DateTimeOffset.Parse(expected, System.Globalization.CultureInfo.InvariantCulture));
    }

    [Theory]
    [InlineData("every day", "such as 0 0 3")]
    [InlineData("0 0 25 * * ?", "no cron expression")]
    [InlineData("0 0 3 ? * 1", "Name the days of the week")]
    [InlineData("0 0 3 1 * MON", "no cron expression")]
    [InlineData("", "such as 0 0 3")]
    public void Problem_ExpressionThatIsNone_IsASentence(string expression, string part) => _schedules.Problem(expression).ShouldNotBeNull().ShouldContain(part);
}
