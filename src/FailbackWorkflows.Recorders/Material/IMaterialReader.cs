namespace FailbackWorkflows.Recorders.Material;

/// <summary>What the management server reads of a recorder's material to show it. Reads only; throws what <see cref="IRecorderClient"/> throws.</summary>
public interface IMaterialReader
{
    /// <summary>The first segments that overlap <c>[from, to)</c>, ordered by (from, id).</summary>
    /// <param name="limit">1 to 10,000.</param>
    Task<SegmentPage> ListSegmentsAsync(RecorderEndpoint recorder, string trackId, DateTimeOffset from, DateTimeOffset to, int limit, CancellationToken cancellationToken);

    /// <summary>
    /// Opens the bytes of a segment, whole or a range; nothing but the answer's head has been read when this returns. A range that begins
    /// beyond the end is <see cref="RecorderErrorKind.Rejected"/> with <see cref="RecorderProblems.RangeNotSatisfiable"/>.
    /// </summary>
    /// <param name="range">As in the HTTP header, e.g. <c>bytes=0-1023</c>; null: whole.</param>
    /// <param name="ifRange">Entity tag under which the range holds; another content is answered whole. Null: no condition.</param>
    Task<SegmentBytes> OpenSegmentAsync(RecorderEndpoint recorder, string segmentId, string? range, string? ifRange, CancellationToken cancellationToken);
}

/// <summary>An open segment. Dispose it; that ends the transfer.</summary>
/// <param name="length">Bytes that will come.</param>
/// <param name="contentRange">The answered range as in the HTTP header, e.g. <c>bytes 0-1023/4096</c>; null when the bytes are the whole segment.</param>
/// <param name="entityTag">Strong entity tag of the whole segment, with its quotes; null when the recorder gave none.</param>
/// <param name="patience">Longest time without a byte.</param>
public sealed class SegmentBytes(Stream bytes, long length, string? contentRange, string? entityTag, TimeSpan patience, TimeProvider time, IDisposable answer) : IDisposable
{
    private const int ChunkBytes = 64 * 1024;

    public long Length => length;

    public string? ContentRange => contentRange;

    public string? EntityTag => entityTag;

    /// <summary>Passes the bytes on as they come, a chunk at a time. Call once.</summary>
    /// <exception cref="IOException">The recorder broke off, or gave no byte for too long.</exception>
    public async Task CopyToAsync(Stream target, CancellationToken cancellationToken)
    {
        using var stall = new CancellationTokenSource(Timeout.InfiniteTimeSpan, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, stall.Token);
        var chunk = new byte[ChunkBytes];
        for (var left = length; left > 0;)
        {
            int read;
            try
            {
                stall.CancelAfter(patience);
                read = await bytes.ReadAsync(chunk, either.Token).ConfigureAwait(false);
                stall.CancelAfter(Timeout.InfiniteTimeSpan);
            }
            catch (OperationCanceledException error) when (stall.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
            {
                throw new IOException($"The recorder gave no byte for {patience.TotalSeconds:0.###} s.", error);
            }

            if (read == 0 || read > left)
            {
                throw new IOException(read == 0 ? $"The recorder broke off with {left} bytes to come." : "The recorder gave more bytes than it said.");
            }

            await target.WriteAsync(chunk.AsMemory(0, read), cancellationToken).ConfigureAwait(false);
            left -= read;
        }
    }

    public void Dispose() => answer.Dispose();
}

/// <summary>Media types of material that this product knows by name.</summary>
public static class MediaTypes
{
    /// <summary>Generated test material that no player shows.</summary>
    public const string Synthetic = "application/vnd.failback.synthetic";

    /// <summary>True when a browser can be expected to play it: video or audio, and nothing else that a page could run.</summary>
    public static bool IsPlayable(string mediaType) =>
        mediaType.StartsWith("video/", StringComparison.OrdinalIgnoreCase) || mediaType.StartsWith("audio/", StringComparison.OrdinalIgnoreCase);
}
