using System.Collections.Concurrent;
using System.Diagnostics.Metrics;

namespace FailbackWorkflows.Testing.Telemetry;

/// <summary>A measured value with its labels.</summary>
public sealed record Measured(string Name, string? Unit, double Value, IReadOnlyDictionary<string, object?> Tags);

/// <summary>Listens to the meters of one host, by its factory; other hosts of the process are not heard.</summary>
public sealed class Measurements : IDisposable
{
    private readonly ConcurrentQueue<Measured> _seen = new();
    private readonly MeterListener _listener;

    public Measurements(IMeterFactory meters)
    {
        _listener = new MeterListener
        {
            InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Scope == meters)
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            },
        };
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Note(instrument, value, tags));
        _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Note(instrument, value, tags));
        _listener.Start();
    }

    /// <summary>What was measured with an instrument so far; gauges are read now.</summary>
    public IReadOnlyList<Measured> Of(string name)
    {
        _listener.RecordObservableInstruments();
        return [.. _seen.Where(m => m.Name == name)];
    }

    /// <summary>Everything measured so far.</summary>
    public IReadOnlyList<Measured> All => [.. _seen];

    public void Dispose() => _listener.Dispose();

    private void Note(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags) =>
        _seen.Enqueue(new(instrument.Name, instrument.Unit, value, new Dictionary<string, object?>(tags.ToArray())));
}
