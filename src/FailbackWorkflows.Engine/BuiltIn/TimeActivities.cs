using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Journal;

namespace FailbackWorkflows.Engine.BuiltIn;

/// <summary>Waits for a time.</summary>
[Activity("Elsa.Delay", Category = "Scheduling", Description = "Waits for a time.")]
[Rehearsal(RehearsalMode.PassesOver)]
internal sealed class Delay : CodeActivity
{
    [Input(DisplayName = "Time span", Description = "How long to wait, e.g. 00:10:00.", DefaultValue = "00:00:01")]
    public required Input<TimeSpan> TimeSpan { get; init; }

    protected internal override ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken) =>
        ValueTask.FromResult(ActivityResult.Suspended(null, new BookmarkRequest("Delay", null, context.Time.GetUtcNow() + context.GetOrDefault(TimeSpan), RunsAgain: false)));
}

/// <summary>Every so often: as a trigger it starts the workflow, inside a run it waits for one interval.</summary>
[Activity("Elsa.Timer", Category = "Scheduling", Description = "Starts the workflow every so often. Inside a run it waits for one interval.")]
[Trigger(Name, "interval")]
[Rehearsal(RehearsalMode.PassesOver)]
internal sealed class Timer : CodeActivity
{
    public const string Name = "Timer";

    [Input(Description = "How often, e.g. 00:10:00.")]
    public required Input<TimeSpan> Interval { get; init; }

    protected internal override ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken) => ValueTask.FromResult(
        context.Trigger is not null
            ? ActivityResult.Completed()
            : ActivityResult.Suspended(null, new BookmarkRequest(Name, null, context.Time.GetUtcNow() + context.Get(Interval), RunsAgain: false)));
}

/// <summary>At the times of a cron expression: as a trigger it starts the workflow, inside a run it waits for the next of them.</summary>
[Activity("Elsa.Cron", Category = "Scheduling", Description = "Starts the workflow at the times of a cron expression (UTC). Inside a run it waits for the next of them.")]
[Trigger(Name, "cronExpression")]
[Rehearsal(RehearsalMode.PassesOver)]
internal sealed class Cron(ICronSchedules? schedules = null) : CodeActivity
{
    public const string Name = "Cron";

    [Input(DisplayName = "Cron expression", Description = "Seconds, minutes, hours, day of month, month, day of week, e.g. 0 0 3 * * ? for every day at 3:00 UTC.", UIHint = "singleline")]
    public required Input<string> CronExpression { get; init; }

    protected internal override ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        if (context.Trigger is not null)
        {
            return ValueTask.FromResult(ActivityResult.Completed());
        }

        var cron = schedules ?? NoCronSchedules.Instance;
        var expression = context.Get(CronExpression);
        if (cron.Problem(expression) is { } problem)
        {
            throw new ActivityFaultException("cron.invalid", problem, false);
        }

        var next = cron.Next(expression, context.Time.GetUtcNow())
            ?? throw new ActivityFaultException("cron.never", $"'{expression}' never comes again.", false);
        return ValueTask.FromResult(ActivityResult.Suspended(null, new BookmarkRequest(Name, null, next, RunsAgain: false)));
    }
}

/// <summary>At one time: as a trigger it starts the workflow then, inside a run it waits until then.</summary>
[Activity("Elsa.StartAt", DisplayName = "Start at", Category = "Scheduling", Description = "Starts the workflow at a time. Inside a run it waits until then, or goes on at once when that is past.")]
[Trigger(Name, "dateTime")]
[Rehearsal(RehearsalMode.PassesOver)]
internal sealed class StartAt : CodeActivity
{
    public const string Name = "StartAt";

    [Input(DisplayName = "Date and time", Description = "The time, UTC unless it says otherwise, e.g. 2027-03-01T03:00:00Z.", UIHint = "datetime-picker")]
    public required Input<DateTimeOffset> DateTime { get; init; }

    protected internal override ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var at = context.Get(DateTime);
        return ValueTask.FromResult(context.Trigger is not null || at <= context.Time.GetUtcNow()
            ? ActivityResult.Completed()
            : ActivityResult.Suspended(null, new BookmarkRequest(Name, null, at.ToUniversalTime(), RunsAgain: false)));
    }
}
