using System.Globalization;
using FailbackWorkflows.Failback.Policies;
using Microsoft.Extensions.Logging;

namespace FailbackWorkflows.Failback.Connectivity;

/// <summary>How long the history of connections is kept.</summary>
public sealed class ConnectivityRetention
{
    /// <summary>1 day to 100 years. Default: 400 days, so that a year can be compared with the one before.</summary>
    public TimeSpan KeptFor { get; set; } = TimeSpan.FromDays(400);
}

/// <summary>
/// Removes what is too old from the history of connections, in batches, so that nobody who writes waits long. What every recorder's
/// connection is now, and what workflows have not been told of, always stays.
/// </summary>
public sealed class PruneConnectivity(IConnectivityHistory history, ISystemSettings settings, ConnectivityRetention retention, TimeProvider time, ILogger<PruneConnectivity> logger)
{
    /// <summary>Rows that one transaction removes at most.</summary>
    public const int BatchSize = 500;

    /// <summary>Removes all that is too old now; the number of rows. Doing it again removes nothing.</summary>
    public async Task<int> ExecuteAsync(CancellationToken cancellationToken)
    {
        if (await settings.FindAsync(PublishTransitions.Key, cancellationToken) is not { } text)
        {
            // Nobody has been told of anything yet.
            return 0;
        }

        var published = long.Parse(text, CultureInfo.InvariantCulture);
        var before = time.GetUtcNow() - retention.KeptFor;
        var removed = 0;
        int batch;
        do
        {
            batch = await history.RemoveBeforeAsync(before, published, BatchSize, cancellationToken);
            removed += batch;
        }
        while (batch == BatchSize);

        if (removed > 0)
        {
            logger.LogInformation("{Count} changes of connections from before {Before} were removed from the history", removed, before);
        }

        return removed;
    }
}
