using FailbackWorkflows.Engine.Definitions;
using Quartz;

namespace FailbackWorkflows.Server.Workflows;

/// <summary>
/// Cron expressions as Quartz reads them, in UTC. Expressions of other programs are taken as far as they mean the same: five fields get a second,
/// and one of the two day fields may be <c>*</c> instead of Quartz's <c>?</c>. Numbers for days of the week are refused: Quartz counts from
/// Sunday as 1, most others as 0.
/// </summary>
internal sealed class QuartzCronSchedules : ICronSchedules
{
    private const int DayOfMonth = 3;
    private const int DayOfWeek = 5;

    public string? Problem(string expression)
    {
        try
        {
            Parse(expression);
            return null;
        }
        catch (FormatException exception)
        {
            return $"'{expression}' is no cron expression: {exception.Message}";
        }
    }

    public DateTimeOffset? Next(string expression, DateTimeOffset after) => Parse(expression).GetNextValidTimeAfter(after);

    private static CronExpression Parse(string expression)
    {
        var fields = expression.Split(' ', StringSplitOptions.RemoveEmptyEntries).ToList();
        if (fields.Count == 5)
        {
            fields.Insert(0, "0");
        }

        if (fields.Count is < 6 or > 7)
        {
            throw new FormatException("It needs seconds, minutes, hours, day of month, month and day of week, such as 0 0 3 * * ?.");
        }

        if (fields[DayOfWeek].Split('#', 'L')[0].Any(char.IsAsciiDigit))
        {
            throw new FormatException("Name the days of the week (MON-FRI): numbers mean different days in different programs.");
        }

        if (fields[DayOfMonth] is not ("*" or "?") && fields[DayOfWeek] is not ("*" or "?"))
        {
            throw new FormatException("Say a day of the month or days of the week, not both: programs differ in whether both must be true.");
        }

        if (fields[DayOfMonth] == "*" && fields[DayOfWeek] is not "?")
        {
            fields[DayOfMonth] = "?";
        }
        else if (fields[DayOfWeek] == "*")
        {
            fields[DayOfWeek] = "?";
        }

        return new CronExpression(string.Join(' ', fields), TimeZoneInfo.Utc);
    }
}
