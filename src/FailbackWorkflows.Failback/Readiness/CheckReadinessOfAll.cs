using System.Collections.Concurrent;
using System.Text.Json;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Engine.Values;
using FailbackWorkflows.Failback.Policies;
using FailbackWorkflows.Failback.VmsServers;
using Microsoft.Extensions.Logging;

namespace FailbackWorkflows.Failback.Readiness;

/// <summary>That somebody wants every server looked at. Stored in <c>system_settings</c> under <c>readinessRequest</c>.</summary>
/// <param name="At">Results from before this are looked at again.</param>
public sealed record ReadinessRequest(DateTimeOffset At, string By);

/// <summary>
/// Looks at every server that is due: by schedule, or because somebody asked for all. Derives what is due from the tables each time, so a sweep
/// that broke off loses nothing. Few servers at a time, one write for a batch. A server that is not ready any more is told of with the result, once (<see cref="ReadinessNews"/>).
/// </summary>
public sealed class CheckReadinessOfAll(
    IReadinessResults results,
    IVmsServers servers,
    ISystemSettings settings,
    ReadinessStamps stamps,
    CheckReadiness check,
    ReadinessOptions options,
    IDomainWriter writer,
    TimeProvider time,
    ILogger<CheckReadinessOfAll> logger)
{
    /// <summary>Key in the system settings.</summary>
    public const string RequestKey = "readinessRequest";

    /// <summary>Servers per batch: what is written in one transaction.</summary>
    private const int BatchSize = 64;

    private static readonly Actor Schedule = new(ActorKind.Schedule, "readiness", "Schedule");

    /// <summary>Asks for a look at every server; the next sweep takes it up. Asking again asks again.</summary>
    public async Task<ReadinessRequest> RequestAsync(Actor actor, CancellationToken cancellationToken)
    {
        var request = new ReadinessRequest(time.GetUtcNow(), actor.Name);
        await writer.ApplyAsync([new SaveSystemSetting(RequestKey, JsonSerializer.Serialize(request, PlainValue.Json))], cancellationToken);
        return request;
    }

    /// <summary>What was asked for last; null: nothing.</summary>
    public async Task<ReadinessRequest?> FindRequestAsync(CancellationToken cancellationToken) =>
        await settings.FindAsync(RequestKey, cancellationToken) is { } json ? JsonSerializer.Deserialize<ReadinessRequest>(json, PlainValue.Json) : null;

    /// <summary>Looks at all that are due now, each at most once, and answers with how many.</summary>
    public async Task<int> SweepAsync(CancellationToken cancellationToken)
    {
        var request = await FindRequestAsync(cancellationToken);
        DateTimeOffset? scheduledAt = options.Interval is null ? null : time.GetUtcNow();
        if (scheduledAt is null && request is null)
        {
            return 0;
        }

        var looked = 0;
        string? after = null;
        while (await results.ListDueAsync(scheduledAt, request?.At, after, BatchSize, cancellationToken) is { Count: > 0 } due)
        {
            looked += await LookAsync(due, request, cancellationToken);
            after = due[^1];
        }

        return looked;
    }

    private async Task<int> LookAsync(IReadOnlyList<string> due, ReadinessRequest? request, CancellationToken cancellationToken)
    {
        var batch = new List<VmsServer>();
        foreach (var id in due)
        {
            if (await servers.FindAsync(id, cancellationToken) is { } server)
            {
                batch.Add(server);
            }
        }

        var done = new ConcurrentBag<IReadOnlyList<IDomainChange>>();
        await Parallel.ForEachAsync(
            await stamps.ReadAsync(batch, cancellationToken),
            new ParallelOptions { MaxDegreeOfParallelism = options.MaxConcurrency, CancellationToken = cancellationToken },
            async (subject, token) =>
            {
                try
                {
                    var former = await results.FindAsync(subject.Server.Id, subject.Kind, token);
                    var result = await check.LookAsync(subject, ActorOf(former, request), token);
                    if (result.IsOnlyBusy && former?.EntryId == result.EntryId)
                    {
                        // What was found before still is what is known; the next sweep looks again, when the run may have ended.
                        return;
                    }

                    done.Add(ReadinessNews.Keep(subject.Server, result, former));
                }
                catch (Exception exception) when (!token.IsCancellationRequested)
                {
                    // The others are not kept waiting; this one stays due.
                    logger.LogError(exception, "Whether {Server} is ready could not be found out; the next sweep tries again", subject.Server.Id);
                }
            });
        await writer.ApplyAsync([.. done.SelectMany(changes => changes)], cancellationToken);
        return done.Count;
    }

    /// <summary>Whoever asked for all, of whom this is the first look since; else the schedule.</summary>
    private static Actor ActorOf(ReadinessResult? former, ReadinessRequest? request) =>
        request is not null && !(former?.CheckedAt >= request.At) ? Schedule with { Name = request.By } : Schedule;
}
