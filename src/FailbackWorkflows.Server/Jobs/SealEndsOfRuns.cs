using FailbackWorkflows.Failback.Changes;
using FailbackWorkflows.Persistence;
using FailbackWorkflows.Persistence.Seals;

namespace FailbackWorkflows.Server.Jobs;

/// <summary>
/// Seals as soon as a run on a duty has begun or ended, instead of at the next interval: what an auditor asks for first is sealed at once. A hint only; what it misses
/// <see cref="SealJob"/> seals.
/// </summary>
internal sealed class SealEndsOfRuns(IChangeFeed feed, IHistorySeals seals, IDatabase database, TimeProvider time, ILogger<SealEndsOfRuns> logger) : BackgroundService
{
    /// <summary>A thousand failbacks at once are sealed together, not one by one.</summary>
    private static readonly TimeSpan Rest = TimeSpan.FromSeconds(2);

    private const int PageSize = 500;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        long? cursor = null;
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                var next = feed.WaitAsync(stoppingToken);
                cursor ??= await feed.GetLatestCursorAsync(stoppingToken);
                var news = await feed.ReadAsync(cursor.Value, PageSize, stoppingToken);
                if (news.Count == 0)
                {
                    await next;
                    continue;
                }

                cursor = news[^1].Cursor;
                if (news.Any(item => item.Change.Kind == "run"))
                {
                    await seals.SealAsync(stoppingToken);
                    await Task.Delay(Rest, time, stoppingToken);
                }
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (SealConflictException)
            {
                // The job says so, again and again.
                await Task.Delay(Rest, time, stoppingToken);
            }
            catch (Exception exception)
            {
                logger.Log(database.IsAway(exception) ? LogLevel.Information : LogLevel.Warning, exception, "The end of a run was not sealed at once; the next interval does it");
                await Task.Delay(Rest, time, stoppingToken);
            }
        }
    }
}
