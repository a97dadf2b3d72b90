namespace FailbackWorkflows.ReferenceRecorder.MaterialCopy.Copying;

/// <summary>
/// Token bucket over the injected clock: half a second's worth may be ahead, what is over is waited for in slices, so that a changed rate
/// takes effect within one slice. (The framework's limiter knows neither the injected clock nor a rate that changes.)
/// </summary>
internal sealed class BandwidthLimit(TimeProvider time)
{
    private static readonly TimeSpan Slice = TimeSpan.FromMilliseconds(200);

    private readonly Lock _lock = new();
    private long? _bytesPerSecond;
    private double _available;
    private long _refilledAt = time.GetTimestamp();

    /// <summary>Null: no limit.</summary>
    public long? BytesPerSecond
    {
        get
        {
            lock (_lock)
            {
                return _bytesPerSecond;
            }
        }

        set
        {
            lock (_lock)
            {
                Refill();
                _bytesPerSecond = value;
                _available = value is { } rate ? Math.Min(_available, rate / 2.0) : 0;
            }
        }
    }

    /// <summary>Takes what was received off the bucket and returns when it is not in debt any more.</summary>
    public ValueTask TakeAsync(long bytes, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (_bytesPerSecond is null)
            {
                return ValueTask.CompletedTask;
            }

            Refill();
            _available -= bytes;
            if (_available >= 0)
            {
                return ValueTask.CompletedTask;
            }
        }

        return PayAsync(cancellationToken);
    }

    private async ValueTask PayAsync(CancellationToken cancellationToken)
    {
        while (Debt() is var wait && wait > TimeSpan.Zero)
        {
            await Task.Delay(wait < Slice ? wait : Slice, time, cancellationToken).ConfigureAwait(false);
        }
    }

    private TimeSpan Debt()
    {
        lock (_lock)
        {
            Refill();
            return _bytesPerSecond is { } rate && _available < 0 ? TimeSpan.FromSeconds(Math.Max(0.001, -_available / rate)) : TimeSpan.Zero;
        }
    }

    private void Refill()
    {
        var now = time.GetTimestamp();
        if (_bytesPerSecond is { } rate)
        {
            _available = Math.Min(rate / 2.0, _available + (time.GetElapsedTime(_refilledAt, now).TotalSeconds * rate));
        }

        _refilledAt = now;
    }
}
