namespace FailbackWorkflows.ReferenceRecorder.Segments;

/// <summary>Reads no faster than a rate, counted from the first byte. Seeking costs nothing.</summary>
internal sealed class PacedStream(Stream inner, long bytesPerSecond, TimeProvider time) : Stream
{
    private long _startedAt;
    private long _given;

    public override bool CanRead => true;

    public override bool CanSeek => inner.CanSeek;

    public override bool CanWrite => false;

    public override long Length => inner.Length;

    public override long Position { get => inner.Position; set => inner.Position = value; }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_given == 0)
        {
            _startedAt = time.GetTimestamp();
        }

        var ahead = TimeSpan.FromSeconds((double)_given / bytesPerSecond) - time.GetElapsedTime(_startedAt);
        if (ahead > TimeSpan.Zero)
        {
            await Task.Delay(ahead, time, cancellationToken).ConfigureAwait(false);
        }

        // A tenth of a second at a time, so that the rate holds over a second and not only over the whole.
        var most = (int)Math.Clamp(bytesPerSecond / 10, 1, buffer.Length);
        var read = await inner.ReadAsync(buffer[..most], cancellationToken).ConfigureAwait(false);
        _given += read;
        return read;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException("Only to be read asynchronously.");

    public override long Seek(long offset, SeekOrigin origin) => inner.Seek(offset, origin);

    public override void Flush() => inner.Flush();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
