using System.Diagnostics.Metrics;

namespace FailbackWorkflows.Failback.Connectivity;

/// <summary>What is measured of the polls. Without a label: there may be thousands of recorders.</summary>
public sealed class PollMetrics : IDisposable
{
    /// <summary>Name of the meter.</summary>
    public const string MeterName = "FailbackWorkflows.Failback";

    private static readonly InstrumentAdvice<double> Buckets = new() { HistogramBucketBoundaries = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60] };

    private readonly Meter _meter;
    private readonly Histogram<double> _lag;

    /// <param name="watch">Whose state is told.</param>
    /// <param name="meters">The host's; without one the meter is the process's.</param>
    public PollMetrics(IWatch watch, IMeterFactory? meters = null)
    {
        _meter = meters?.Create(MeterName) ?? new Meter(MeterName);
        _lag = _meter.CreateHistogram("failback.poll.lag", "s", "How much later than due a poll of a recorder began.", null, Buckets);
        _meter.CreateObservableGauge("failback.watch.state", () => watch.MayDecide ? 2 : watch.IsOurs ? 1 : 0, null, "0: another node is on watch. 1: this one is, and asks all recorders before it decides. 2: it decides.");
    }

    public void Dispose() => _meter.Dispose();

    internal void Began(TimeSpan lag) => _lag.Record(lag.TotalSeconds);
}
