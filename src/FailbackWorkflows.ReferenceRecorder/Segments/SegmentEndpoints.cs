using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.Recording;
using FailbackWorkflows.ReferenceRecorder.Commands;
using FailbackWorkflows.ReferenceRecorder.Duties;
using FailbackWorkflows.ReferenceRecorder.Recording;
using FailbackWorkflows.ReferenceRecorder.Settings;
using FailbackWorkflows.ReferenceRecorder.Storage;

namespace FailbackWorkflows.ReferenceRecorder.Segments;

/// <summary>Channels, and the feeder's way in.</summary>
public static class SegmentEndpoints
{
    /// <summary>Largest segment a feeder may put.</summary>
    public const long MaxSegmentBytes = 64L * 1024 * 1024;

    public static void MapSegments(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/channels", (HttpContext context, RecorderStore store) =>
            Answer.Ok(store.Read(ListChannels)).WriteAsync(context))
            .Produces<ChannelList>().WithName("listChannels").WithSummary("Configured channels of every identity, with their track ids.");

        routes.MapPut("/v1/tracks/{trackId}/segments/{segmentId}", PutAsync)
            .Accepts<Stream>("application/octet-stream", "video/mp4", "audio/mp4").Produces<Segment>().Produces<Segment>(StatusCodes.Status201Created)
            .WithName("putSegment").WithSummary("Stores a segment; from and to in the query, Repr-Digest required.");
    }

    private static async Task PutAsync(HttpContext context, CommandGate gate, RecorderStore store, DataFolder folder, RecorderOptions options)
    {
        var (trackId, _) = TrackEndpoints.TrackId(context);
        if (trackId.Split('~').Length > 2)
        {
            throw Refusal.Malformed("Nothing is put into a side archive; only copies write there. Name the channel's own track.");
        }

        var segmentId = context.Request.RouteValues["segmentId"] as string;
        if (!Names.IsItem(segmentId))
        {
            throw Refusal.Malformed($"The segment id is not one. {Names.ItemRule}");
        }

        var from = RequestReader.InstantQuery(context, "from") ?? throw Refusal.Malformed("The query value 'from' is missing.");
        var to = RequestReader.InstantQuery(context, "to") ?? throw Refusal.Malformed("The query value 'to' is missing.");
        if (to <= from || to - from > SegmentStore.LongestSegment)
        {
            throw Refusal.Malformed("A segment's 'to' must lie after its 'from', and at most one day after it.");
        }

        var stated = ReprDigest(context.Request.Headers["Repr-Digest"].ToString());
        if (!folder.HasRoom())
        {
            throw Refusal.StorageFull("The storage has no more than its reserve free. Free some space, then send the segment again.");
        }

        // Bytes first, under a name nobody looks at; the row makes them exist.
        var temporary = Path.Combine(folder.SegmentsPath, $".incoming-{Guid.NewGuid():N}{SegmentFile.TemporarySuffix}");
        try
        {
            var (bytes, sha256) = await ReceiveAsync(context, temporary);
            if (!string.Equals(sha256, stated, StringComparison.Ordinal))
            {
                throw new Refusal(StatusCodes.Status422UnprocessableEntity, RecorderProblems.DigestMismatch, "The bytes do not have the digest stated in Repr-Digest. They were damaged on the way; send the segment again.");
            }

            var contentType = MediaTypeOf(context.Request.ContentType);
            SegmentInit? init;
            using (var received = File.OpenHandle(temporary))
            {
                init = InitSegments.Read(contentType, received);
            }

            await gate.RunUnkeyedAsync(context, sql => Store(sql, store, folder, options, trackId, segmentId, from, to, bytes, sha256, contentType, init, temporary));
        }
        catch (IOException error) when (error is not BadHttpRequestException && !folder.HasRoom())
        {
            throw Refusal.StorageFull($"The segment could not be stored: {error.Message}");
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    /// <summary>What the feeder says that it is, of what a player can play; anything else is kept as bytes that nobody shows.</summary>
    private static string MediaTypeOf(string? contentType) =>
        MediaTypeHeaderValue.TryParse(contentType, out var given) && given.MediaType is "video/mp4" or "audio/mp4" ? given.MediaType : SegmentFile.ContentType;

    private static Answer Store(
        Sql sql,
        RecorderStore store,
        DataFolder folder,
        RecorderOptions options,
        string trackId,
        string segmentId,
        DateTimeOffset from,
        DateTimeOffset to,
        long bytes,
        string sha256,
        string contentType,
        SegmentInit? init,
        string temporary)
    {
        var (duty, channel) = FindTrack(sql, trackId) ?? throw TrackEndpoints.Unknown(trackId);
        if (channel.Kind == ChannelKind.Text)
        {
            throw Refusal.Malformed($"Channel '{channel.Id}' is a text channel, which has records and no segments. Send its lines to /v1/records/text:import.");
        }

        if (SegmentStore.Find(sql, segmentId) is { } known)
        {
            return known.Sha256 == sha256 && known.TrackId == trackId && known.From == from && known.To == to
                ? Answer.Ok(known.ToSegment())
                : throw new Refusal(StatusCodes.Status409Conflict, RecorderProblems.SegmentConflict, $"Segment '{segmentId}' exists with other bytes or times. A segment never changes; use another id.");
        }

        if (SegmentStore.Overlapping(sql, trackId, from, to, 1) is [var other])
        {
            throw new Refusal(
                StatusCodes.Status409Conflict,
                RecorderProblems.SegmentOverlap,
                $"Track '{trackId}' has segment '{other.SegmentId}' of [{RecorderJson.FormatInstant(other.From)}, {RecorderJson.FormatInstant(other.To)}), which overlaps. Send only what the track lacks.");
        }

        if (options.IsAppendOnly && SegmentStore.LastEnd(sql, duty.Identity, channel.Id) is { } end && from < end)
        {
            throw new Refusal(
                StatusCodes.Status409Conflict,
                RecorderProblems.AppendOnly,
                $"Track '{trackId}' ends at {RecorderJson.FormatInstant(end)} and takes material behind that only. Send what is newer; material of a failover comes by a copy, into a side archive.");
        }

        var relative = SegmentStore.FileOf(duty.Identity, channel.Id, segmentId);
        var path = Path.Combine(folder.SegmentsPath, relative);
        DurableFiles.EnsureFolder(Path.GetDirectoryName(path)!);
        if (File.Exists(path))
        {
            // Left by a crash between name and row: without the row it never existed.
            File.Delete(path);
        }

        DurableFiles.Publish(temporary, path);
        DurableFiles.FlushFolder(Path.GetDirectoryName(path)!);
        SegmentStore.EnsureTrack(sql, duty.Identity, channel.Id, JsonNamingPolicy.CamelCase.ConvertName(channel.Kind.ToString()));
        var row = new SegmentRow(
            segmentId, duty.Identity, channel.Id, trackId, duty.Epoch, from, to, bytes, sha256, DisputeState.None, null, relative, store.MachineId, contentType, store.Time.GetUtcNow(), TaskId: null, Init: init);
        SegmentStore.Save(sql, row);
        if (duty.IsRecording)
        {
            ChannelTimes.Confirm(sql, duty.Identity, channel.Id, duty.Epoch, from, to);
        }

        return Answer.Created(row.ToSegment());
    }

    private static async Task<(long Bytes, string Sha256)> ReceiveAsync(HttpContext context, string path)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using var file = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 0, FileOptions.Asynchronous);
        var chunk = new byte[256 * 1024];
        long bytes = 0;
        int read;
        while ((read = await context.Request.Body.ReadAsync(chunk, context.RequestAborted)) > 0)
        {
            hash.AppendData(chunk.AsSpan(0, read));
            await file.WriteAsync(chunk.AsMemory(0, read), context.RequestAborted);
            bytes += read;
        }

        file.Flush(flushToDisk: true);
        return (bytes, Convert.ToHexStringLower(hash.GetHashAndReset()));
    }

    private static string ReprDigest(string header)
    {
        const string prefix = "sha-256=:";
        var digest = new byte[SHA256.HashSizeInBytes];
        return header.StartsWith(prefix, StringComparison.Ordinal)
            && header.EndsWith(':')
            && header.Length > prefix.Length
            && Convert.TryFromBase64String(header[prefix.Length..^1], digest, out var length)
            && length == digest.Length
                ? Convert.ToHexStringLower(digest)
                : throw Refusal.Malformed("The header Repr-Digest is missing or not of the form sha-256=:base64:.");
    }

    private static ChannelList ListChannels(Sql sql)
    {
        var items = new List<ChannelView>();
        foreach (var duty in DutyStore.List(sql))
        {
            var content = SettingsStore.Active(sql, duty.Identity).Content;
            items.AddRange(ChannelSettings.Read(content).Select(c => new ChannelView(
                c.Id, duty.Identity, SegmentStore.TrackId(duty.Identity, c.Id), c.Name, JsonNamingPolicy.CamelCase.ConvertName(c.Kind.ToString()), c.Enabled, c.Required)));
        }

        return new ChannelList(items);
    }

    private static (DutyRow Duty, ChannelSettings Channel)? FindTrack(Sql sql, string trackId)
    {
        var parts = trackId.Split('~');
        return DutyStore.Find(sql, parts[0]) is { } duty && ChannelSettings.Read(SettingsStore.Active(sql, duty.Identity).Content).FirstOrDefault(c => c.Id == parts[1]) is { } channel
            ? (duty, channel)
            : null;
    }
}

/// <summary>Answer of <c>GET /v1/channels</c>.</summary>
public sealed record ChannelList(IReadOnlyList<ChannelView> Items);

/// <summary>A configured channel and its track.</summary>
public sealed record ChannelView(string Id, string Identity, string TrackId, string Name, string Kind, bool Enabled, bool Required);
