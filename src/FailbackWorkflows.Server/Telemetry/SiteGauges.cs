using System.Diagnostics.Metrics;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.MaterialCopy;
using FailbackWorkflows.Failback.Obligations;
using FailbackWorkflows.Persistence.Workflows;
using FailbackWorkflows.Recorders.MaterialCopy;

namespace FailbackWorkflows.Server.Telemetry;

/// <summary>
/// What stands in the database, as gauges. Read every few seconds, because whoever collects must not wait for the database; when it cannot be read
/// there is no value rather than an old one. Every node tells the same figures, those of the site.
/// </summary>
internal sealed class SiteGauges : BackgroundService
{
    /// <summary>Name of the meter.</summary>
    public const string MeterName = "FailbackWorkflows.Server";

    private static readonly TimeSpan Every = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Stale = TimeSpan.FromMinutes(1);

    private readonly IWorkflowInstances _instances;
    private readonly IObligations _obligations;
    private readonly IFailoverLog _log;
    private readonly IMaterialCopies _copies;
    private readonly TimeProvider _time;
    private readonly ILogger<SiteGauges> _logger;
    private readonly Meter _meter;
    private volatile Figures? _figures;

    public SiteGauges(
        IWorkflowInstances instances, IObligations obligations, IFailoverLog log, IMaterialCopies copies, TimeProvider time, IMeterFactory meters, ILogger<SiteGauges> logger)
    {
        (_instances, _obligations, _log, _copies, _time, _logger) = (instances, obligations, log, copies, time, logger);
        _meter = meters.Create(MeterName);
        Gauge("workflow.queue.depth", "{run}", "Runs that wait for a node to take them up.", f => f.RunnableRuns);
        Gauge("failback.obligation.open", "{obligation}", "What servers must still be told or asked.", f => f.OpenObligations);
        Gauge("failback.material.debt", "{period}", "Failover periods whose material is still owed.", f => f.OwedPeriods);
        Gauge("failback.copy.remaining", "By", "What copies that have listed their source must still fetch.", f => f.RemainingBytes);
        Gauge("failback.copy.rate", "By/s", "What copies that run fetch, all targets together.", f => f.BytesPerSecond);
    }

    public override void Dispose()
    {
        _meter.Dispose();
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Every, _time);
        try
        {
            do
            {
                await ReadAsync(stoppingToken);
            }
            while (await timer.WaitForNextTickAsync(stoppingToken));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The server stops.
        }
    }

    internal async Task ReadAsync(CancellationToken cancellationToken)
    {
        try
        {
            var now = _time.GetUtcNow();
            var tasks = (await _copies.ListWatchedAsync(cancellationToken)).Where(t => t is { RunId: not null, IsOutOfTouch: false, Reported: not null } && !CopyTaskStates.HasEnded(t.Reported.State)).ToList();
            _figures = new Figures(
                now,
                await _instances.CountRunnableAsync(now, cancellationToken),
                (await _obligations.ListOpenAsync(cancellationToken)).Count,
                (await _log.CountOwedPeriodsAsync(cancellationToken)).Values.Sum(),
                tasks.Sum(t => Math.Max(0, (t.Reported!.BytesTotal ?? 0) - t.Reported.BytesDone)),
                // A recorder reports anew with every change; one that has kept silent for long copies nothing.
                tasks.Where(t => t.Reported!.State == CopyTaskState.Running && now - t.ReportedAt < Stale).Sum(t => t.Reported!.BytesPerSecond));
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            _figures = null;
            _logger.LogDebug(exception, "The figures of the site could not be read; they are left out until they can");
        }
    }

    private void Gauge(string name, string unit, string description, Func<Figures, long> value) => _meter.CreateObservableGauge(
        name,
        () => _figures is { } figures && _time.GetUtcNow() - figures.At < Stale ? [new Measurement<long>(value(figures))] : Array.Empty<Measurement<long>>(),
        unit,
        description);

    private sealed record Figures(DateTimeOffset At, long RunnableRuns, long OpenObligations, long OwedPeriods, long RemainingBytes, long BytesPerSecond);
}
