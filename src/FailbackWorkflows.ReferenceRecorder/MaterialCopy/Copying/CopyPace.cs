using FailbackWorkflows.ReferenceRecorder.Recording;

namespace FailbackWorkflows.ReferenceRecorder.MaterialCopy.Copying;

/// <summary>How fast copying may go, and how fast it goes: the task's bandwidth limit, recording's priority, and the rate of the last 10 s.</summary>
internal sealed class CopyPace(RecordingEngine engine, CopyTuning tuning, TimeProvider time)
{
    private const int Seconds = 10;
    private static readonly TimeSpan YieldFor = TimeSpan.FromMilliseconds(20);

    private readonly long[] _bytes = new long[Seconds + 1];
    private readonly long _startedAt = time.GetTimestamp();
    private readonly Lock _lock = new();
    private long _second;
    private long _total;

    public BandwidthLimit Limit { get; } = new(time);

    public long BytesReceived
    {
        get
        {
            lock (_lock)
            {
                return _total;
            }
        }
    }

    /// <summary>Average of the last 10 s, or of the time since the start when that is shorter.</summary>
    public long BytesPerSecond
    {
        get
        {
            lock (_lock)
            {
                Turn();
                var elapsed = Math.Clamp(time.GetElapsedTime(_startedAt).TotalSeconds, 1, Seconds);
                return (long)(_bytes.Sum() / elapsed);
            }
        }
    }

    /// <summary>Counts what came and waits as long as the limit or a recording that is behind wants.</summary>
    public ValueTask ReceivedAsync(int bytes, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            Turn();
            _bytes[_second % _bytes.Length] += bytes;
            _total += bytes;
        }

        return engine.Lag > tuning.RecordingLag ? YieldThenPayAsync(bytes, cancellationToken) : Limit.TakeAsync(bytes, cancellationToken);
    }

    /// <summary>Recording has priority: waits, though never for ever, while it is behind.</summary>
    public async ValueTask YieldToRecordingAsync(CancellationToken cancellationToken)
    {
        for (var waits = 0; waits < 50 && engine.Lag > tuning.RecordingLag; waits++)
        {
            await Task.Delay(YieldFor, time, cancellationToken).ConfigureAwait(false);
        }
    }

    private async ValueTask YieldThenPayAsync(int bytes, CancellationToken cancellationToken)
    {
        await YieldToRecordingAsync(cancellationToken).ConfigureAwait(false);
        await Limit.TakeAsync(bytes, cancellationToken).ConfigureAwait(false);
    }

    private void Turn()
    {
        var second = (long)time.GetElapsedTime(_startedAt).TotalSeconds;
        for (; _second < second; _second++)
        {
            _bytes[(_second + 1) % _bytes.Length] = 0;
            if (second - _second > _bytes.Length)
            {
                _second = second - _bytes.Length;
            }
        }
    }
}
