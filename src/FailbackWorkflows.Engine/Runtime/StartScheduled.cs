using System.Globalization;
using FailbackWorkflows.Engine.BuiltIn;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Storage;
using Microsoft.Extensions.Logging;
using Timer = FailbackWorkflows.Engine.BuiltIn.Timer;

namespace FailbackWorkflows.Engine.Runtime;

/// <summary>
/// Starts what Timer, Cron and StartAt activities are to start. It remembers nothing: each call works out from the published definitions which
/// occurrence of each schedule was the last to be due, and starts it under a key made of it, so that it happens once however often, and on
/// however many nodes, this is called. Of several occurrences that nobody was there for, only the last is made up for.
/// </summary>
public sealed class StartScheduled(IWorkflowStore store, IWorkflowRuntime runtime, ICronSchedules cron, TimeProvider time, ILogger<StartScheduled> logger)
{
    /// <summary>An occurrence older than this is not made up for: whoever was away that long does not want it any more.</summary>
    public static readonly TimeSpan LongestDelay = TimeSpan.FromHours(24);

    private static readonly string[] Names = [$"{Timer.Name};", $"{Cron.Name};", $"{StartAt.Name};"];

    /// <summary>Starts what is due. Answers with how many runs it started.</summary>
    public async Task<int> ExecuteAsync(CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var count = 0;
        foreach (var trigger in await store.ListTriggersAsync(Names, cancellationToken))
        {
            if (LastDue(trigger, now) is { } due && due > now - LongestDelay && await StartAsync(trigger, due, cancellationToken))
            {
                count++;
            }
        }

        return count;
    }

    /// <summary>The last occurrence after the publishing and not after now; null: there is none.</summary>
    private DateTimeOffset? LastDue(ScheduledTrigger trigger, DateTimeOffset now)
    {
        var (name, text) = Split(trigger.Key);
        switch (name)
        {
            case Timer.Name when TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out var interval) && interval > TimeSpan.Zero:
                var times = (now - trigger.PublishedAt).Ticks / interval.Ticks;
                return times < 1 ? null : trigger.PublishedAt + (interval * times);
            case StartAt.Name when DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at):
                return at > trigger.PublishedAt && at <= now ? at : null;
            case Cron.Name when cron.Problem(text) is null:
                return LastOfCron(text, trigger.PublishedAt, now);
            default:
                return null;
        }
    }

    /// <summary>A cron expression only says what comes next, so it is followed from a little while ago, then from longer ago.</summary>
    private DateTimeOffset? LastOfCron(string expression, DateTimeOffset publishedAt, DateTimeOffset now)
    {
        foreach (var back in new[] { TimeSpan.FromMinutes(2), TimeSpan.FromHours(1), LongestDelay })
        {
            var from = now - back > publishedAt ? now - back : publishedAt;
            DateTimeOffset? last = null;
            for (var next = cron.Next(expression, from); next <= now; next = cron.Next(expression, next.Value))
            {
                last = next;
            }

            if (last is not null || from == publishedAt)
            {
                return last;
            }
        }

        return null;
    }

    private async Task<bool> StartAsync(ScheduledTrigger trigger, DateTimeOffset due, CancellationToken cancellationToken)
    {
        var (name, _) = Split(trigger.Key);
        var startKey = string.Create(CultureInfo.InvariantCulture, $"{name}/{due.UtcDateTime:yyyy-MM-ddTHH:mm:ss.fffffffZ}/{trigger.DefinitionId}/{trigger.NodeId}");
        if (await store.FindInstanceByStartKeyAsync(startKey, cancellationToken) is not null)
        {
            return false;
        }

        try
        {
            var started = await runtime.StartAsync(
                new StartWorkflow(trigger.DefinitionId, new Actor(ActorKind.Schedule, name, $"Schedule ({name})"))
                {
                    Input = new Dictionary<string, object?> { ["dueAt"] = due },
                    Reason = string.Create(CultureInfo.InvariantCulture, $"{name}, due {due.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC"),
                    StartKey = startKey,
                    Trigger = new(trigger.DefinitionId, trigger.NodeId, trigger.Key),
                },
                cancellationToken);
            return !started.AlreadyStarted;
        }
        catch (WorkflowRefusedException refusal)
        {
            // A singleton that still runs, say: this occurrence is tried again as long as it is the last one.
            logger.LogInformation("{Definition} was due at {DueAt} and did not start: {Reason}", trigger.DefinitionId, due, refusal.Message);
            return false;
        }
    }

    private static (string Name, string Value) Split(string key)
    {
        var semicolon = key.IndexOf(';', StringComparison.Ordinal);
        return (key[..semicolon], key[(key.IndexOf('=', semicolon) + 1)..]);
    }
}
