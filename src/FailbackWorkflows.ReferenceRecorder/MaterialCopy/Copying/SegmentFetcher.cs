using System.Buffers;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.ReferenceRecorder.MaterialCopy.Source;
using Microsoft.Win32.SafeHandles;

namespace FailbackWorkflows.ReferenceRecorder.MaterialCopy.Copying;

/// <summary>A segment whose bytes are here and have the right digest; not flushed and not indexed yet.</summary>
internal sealed record FetchedSegment(FetchJob Job, string Path, SafeFileHandle File);

/// <summary>The bytes are not those the source's list promises.</summary>
internal sealed class DigestMismatchException(string sentence) : Exception(sentence);

/// <summary>
/// Brings one segment: resumes what an earlier attempt left, writes whatever comes at once, and hashes one pooled buffer while the next
/// one comes in. What does not have its digest is thrown away. Where the source states none, the digest is that of two readings that agree.
/// </summary>
internal sealed class SegmentFetcher(SourceConnection source, IncomingFolder incoming, CopyPace pace, CopyTuning tuning, TimeProvider time)
{
    private const int BufferBytes = 256 * 1024;

    public Task<FetchedSegment> FetchAsync(FetchJob job, CancellationToken cancellationToken) =>
        job.Segment.Sha256 is null ? ReadTwiceAsync(job, cancellationToken) : ReadOnceAsync(job, cancellationToken);

    private async Task<FetchedSegment> ReadOnceAsync(FetchJob job, CancellationToken cancellationToken)
    {
        var segment = job.Segment;
        var path = incoming.PathOf(segment);
        var file = System.IO.File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read);
        try
        {
            // Once more from the start tells damage on the way from damage at the source.
            for (var tries = 0; await ReceiveAllAsync(segment, file, cancellationToken).ConfigureAwait(false) != segment.Sha256; tries++)
            {
                RandomAccess.SetLength(file, 0);
                if (tries == 1)
                {
                    throw new DigestMismatchException($"The bytes of segment '{segment.Id}' do not have the digest the source states.");
                }
            }

            return new FetchedSegment(job, path, file);
        }
        catch (Exception error)
        {
            file.Dispose();
            if (error is DigestMismatchException)
            {
                System.IO.File.Delete(path);
            }

            throw;
        }
    }

    /// <summary>
    /// The second reading is compared with the first by length and digest, from its beginning, also when the first one was gone on with after a
    /// break. What differs from one reading to the next is nothing to keep.
    /// </summary>
    private async Task<FetchedSegment> ReadTwiceAsync(FetchJob job, CancellationToken cancellationToken)
    {
        var path = incoming.PathOf(job.Segment);
        var file = System.IO.File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read);
        try
        {
            var sha256 = await ReceiveAllAsync(job.Segment, file, cancellationToken).ConfigureAwait(false);
            if (await ReadAgainAsync(job.Segment, cancellationToken).ConfigureAwait(false) != sha256)
            {
                throw new DigestMismatchException($"Two readings of segment '{job.Segment.Id}' differ, and the source states no digest that would tell which is right.");
            }

            // From here it is a segment like any other, and its file has the name that goes with its bytes.
            job = job with { Segment = job.Segment with { Sha256 = sha256 } };
            file.Dispose();
            var named = incoming.PathOf(job.Segment);
            System.IO.File.Move(path, named, overwrite: true);
            return new FetchedSegment(job, named, System.IO.File.OpenHandle(named, FileMode.Open, FileAccess.ReadWrite, FileShare.Read));
        }
        catch (Exception error)
        {
            file.Dispose();
            if (error is DigestMismatchException)
            {
                System.IO.File.Delete(path);
            }

            throw;
        }
    }

    /// <summary>Digest of all bytes, kept nowhere; null when they are not as many as listed. One that breaks off is begun anew.</summary>
    private async Task<string?> ReadAgainAsync(Segment segment, CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            for (var repeats = 1; ; repeats++)
            {
                try
                {
                    return await HashOnTheWayAsync(segment, buffer, cancellationToken).ConfigureAwait(false);
                }
                catch (SourceException error) when (error.Fault == SourceFault.Broken && repeats <= tuning.RepeatsPerSegment)
                {
                    await Task.Delay(tuning.FirstBackoff * 0.1 * repeats, time, cancellationToken).ConfigureAwait(false);
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private async Task<string?> HashOnTheWayAsync(Segment segment, byte[] buffer, CancellationToken cancellationToken)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using var idle = new IdleTimer(tuning.IdleTimeout, time, cancellationToken);
        using var answer = await source.OpenSegmentAsync(segment.Id, 0, null, idle, cancellationToken).ConfigureAwait(false);
        using var body = await answer.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        long length = 0;
        while (true)
        {
            var (count, broken) = await ReadAsync(body, buffer, idle, cancellationToken).ConfigureAwait(false);
            if (broken is not null)
            {
                throw broken;
            }

            if (count == 0)
            {
                break;
            }

            hash.AppendData(buffer.AsSpan(0, count));
            length += count;
            if (length > segment.Bytes)
            {
                return null;
            }

            await PayAsync(count, idle, cancellationToken).ConfigureAwait(false);
        }

        return length == segment.Bytes ? TextOf(hash) : null;
    }

    /// <summary>Answers with the digest of what is in the file when all bytes have come.</summary>
    private async Task<string> ReceiveAllAsync(Segment segment, SafeFileHandle file, CancellationToken cancellationToken)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var offset = Adopt(file, hash, segment.Bytes);

        // The contract makes the tag of the digest; a source that words it otherwise just sends everything again.
        var etag = segment.Sha256 is null ? null : new EntityTagHeaderValue($"\"{segment.Sha256}\"");
        var repeats = 0;
        while (offset < segment.Bytes)
        {
            var before = offset;
            try
            {
                using var idle = new IdleTimer(tuning.IdleTimeout, time, cancellationToken);
                using var answer = await source.OpenSegmentAsync(segment.Id, offset, etag, idle, cancellationToken).ConfigureAwait(false);
                if (!IsResumed(answer, offset) && offset > 0)
                {
                    _ = hash.GetHashAndReset();
                    RandomAccess.SetLength(file, 0);
                    before = offset = 0;
                }

                if (answer.Content.Headers.ContentLength is { } length && length != segment.Bytes - offset)
                {
                    throw new SourceException(SourceFault.Refused, $"Segment '{segment.Id}' is sent with {length} bytes from {offset} on, but was listed with {segment.Bytes}.");
                }

                etag = answer.Headers.ETag is { IsWeak: false } tag ? tag : etag;
                using var body = await answer.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
                Exception? broken;
                (offset, broken) = await ReceiveAsync(body, file, hash, offset, segment.Bytes, idle, cancellationToken).ConfigureAwait(false);
                if (broken is not null)
                {
                    throw broken;
                }

                if (await ReadAsync(body, new byte[1], idle, cancellationToken).ConfigureAwait(false) is { Count: > 0 })
                {
                    throw new SourceException(SourceFault.Refused, $"Segment '{segment.Id}' goes on after the {segment.Bytes} bytes it was listed with.");
                }
            }
            catch (SourceException error) when (error.Fault == SourceFault.Broken && (offset > before || repeats < tuning.RepeatsPerSegment))
            {
                repeats = offset > before ? 1 : repeats + 1;
                await Task.Delay(tuning.FirstBackoff * 0.1 * repeats, time, cancellationToken).ConfigureAwait(false);
            }
        }

        return TextOf(hash);
    }

    private static string TextOf(IncrementalHash hash)
    {
        Span<byte> computed = stackalloc byte[SHA256.HashSizeInBytes];
        hash.GetHashAndReset(computed);
        return Convert.ToHexStringLower(computed);
    }

    private static bool IsResumed(HttpResponseMessage answer, long offset) =>
        answer.StatusCode == HttpStatusCode.PartialContent && answer.Content.Headers.ContentRange?.From == offset;

    /// <summary>Hashes what an earlier attempt left and answers with its length.</summary>
    private static long Adopt(SafeFileHandle file, IncrementalHash hash, long most)
    {
        var length = RandomAccess.GetLength(file);
        if (length == 0)
        {
            return 0;
        }

        if (length > most)
        {
            RandomAccess.SetLength(file, 0);
            return 0;
        }

        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            for (long offset = 0; offset < length;)
            {
                var read = RandomAccess.Read(file, buffer, offset);
                hash.AppendData(buffer.AsSpan(0, read));
                offset += read;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        return length;
    }

    /// <summary>
    /// Two buffers take turns: one is filled from the socket, and written as it fills, while the other is hashed. What came before a break is
    /// kept, also when the break is our own; and it is kept before anything else is waited for, so that a kill finds in memory alone no more
    /// than one read (<c>docs/adr/0005</c>).
    /// </summary>
    private async Task<(long Offset, Exception? Broken)> ReceiveAsync(
        Stream body, SafeFileHandle file, IncrementalHash hash, long offset, long end, IdleTimer idle, CancellationToken cancellationToken)
    {
        var filling = ArrayPool<byte>.Shared.Rent((int)Math.Min(BufferBytes, end - offset));
        byte[]? hashing = null;
        var hashed = Task.CompletedTask;
        try
        {
            while (offset < end)
            {
                var part = filling.AsMemory(0, (int)Math.Min(Math.Min(filling.Length, BufferBytes), end - offset));
                var (filled, broken) = await FillAsync(body, part, file, offset, idle, cancellationToken).ConfigureAwait(false);
                await hashed.ConfigureAwait(false);
                if (broken is not null || offset + filled == end)
                {
                    hash.AppendData(filling.AsSpan(0, filled));
                    await PayAsync(filled, idle, cancellationToken).ConfigureAwait(false);
                    return (offset + filled, broken);
                }

                var (buffer, count) = (filling, filled);
                hashed = Task.Run(() => hash.AppendData(buffer.AsSpan(0, count)), CancellationToken.None);
                await PayAsync(filled, idle, cancellationToken).ConfigureAwait(false);
                filling = hashing ?? ArrayPool<byte>.Shared.Rent(BufferBytes);
                hashing = buffer;
                offset += filled;
            }

            return (offset, null);
        }
        finally
        {
            // A buffer goes back only when nobody reads it any more.
            await hashed.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            ArrayPool<byte>.Shared.Return(filling);
            if (hashing is not null)
            {
                ArrayPool<byte>.Shared.Return(hashing);
            }
        }
    }

    /// <summary>Waits as long as the bandwidth limit or recording wants.</summary>
    private async ValueTask PayAsync(int bytes, IdleTimer idle, CancellationToken cancellationToken)
    {
        // That wait is ours, not the source's silence.
        idle.Pause();
        await pace.ReceivedAsync(bytes, cancellationToken).ConfigureAwait(false);
        idle.Restart();
    }

    /// <summary>Each read is in the file before the next one is asked for, however small the segment is.</summary>
    private static async ValueTask<(int Filled, Exception? Broken)> FillAsync(
        Stream body, Memory<byte> buffer, SafeFileHandle file, long offset, IdleTimer idle, CancellationToken cancellationToken)
    {
        var filled = 0;
        while (filled < buffer.Length)
        {
            var (count, broken) = await ReadAsync(body, buffer[filled..], idle, cancellationToken).ConfigureAwait(false);
            if (broken is not null || count == 0)
            {
                return (filled, broken ?? new SourceException(SourceFault.Broken, "The source closed the connection in the middle of a segment."));
            }

            RandomAccess.Write(file, buffer.Span.Slice(filled, count), offset + filled);
            filled += count;
        }

        return (filled, null);
    }

    private static async ValueTask<(int Count, Exception? Broken)> ReadAsync(Stream body, Memory<byte> buffer, IdleTimer idle, CancellationToken cancellationToken)
    {
        try
        {
            var count = await body.ReadAsync(buffer, idle.Token).ConfigureAwait(false);
            idle.Restart();
            return (count, null);
        }
        catch (OperationCanceledException error)
        {
            return (0, cancellationToken.IsCancellationRequested ? error : new SourceException(SourceFault.Stalled, $"The source sent nothing for {idle.Length.TotalSeconds:0.###} s.", inner: error));
        }
        catch (Exception error) when (error is IOException or HttpRequestException)
        {
            return (0, new SourceException(SourceFault.Broken, "The connection to the source broke in the middle of a segment.", inner: error));
        }
    }
}
