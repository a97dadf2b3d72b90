using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.ReferenceRecorder.Access;
using FailbackWorkflows.ReferenceRecorder.Commands;
using FailbackWorkflows.ReferenceRecorder.Storage;

namespace FailbackWorkflows.ReferenceRecorder.Segments;

/// <summary>What is stored, told as tracks, spans, segments and manifests.</summary>
public static class TrackEndpoints
{
    private const int LongestPage = 10_000;

    public static void MapTracks(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/tracks", (HttpContext context, RecorderStore store) =>
        {
            var identity = context.Request.Query["identity"].ToString() is { Length: > 0 } named ? RequestReader.CheckName(named, "query value 'identity'") : ReadGrant.Of(context)?.Identity;
            ReadGrant.Check(context, identity);
            return Answer.Ok(new TrackList(store.Read(sql => TrackStore.List(sql, identity, ReadGrant.Of(context))))).WriteAsync(context);
        }).AllowReadToken().Produces<TrackList>().WithName("listTracks").WithSummary("Audio and video tracks, archived ones and those of side archives included as long as they hold material.");

        routes.MapGet("/v1/archives", (HttpContext context, RecorderStore store) =>
        {
            var identity = context.Request.Query["identity"].ToString() is { Length: > 0 } named ? RequestReader.CheckName(named, "query value 'identity'") : null;
            return Answer.Ok(new SideArchiveList(store.Read(sql => TrackStore.Archives(sql, identity)))).WriteAsync(context);
        }).Produces<SideArchiveList>().WithName("listArchives").WithSummary("Side archives: what was copied here and could not go into the timelines, by failover.");

        routes.MapGet("/v1/tracks/{trackId}", (HttpContext context, RecorderStore store) =>
        {
            var (trackId, identity) = TrackId(context);
            var track = store.Read(sql => TrackStore.List(sql, identity, ReadGrant.Of(context)).Find(t => t.Id == trackId));
            return Answer.Ok(track ?? throw Unknown(trackId)).WriteAsync(context);
        }).AllowReadToken().Produces<Track>().WithName("getTrack").WithSummary("One track.");

        routes.MapGet("/v1/tracks/{trackId}/spans", (HttpContext context, RecorderStore store) =>
        {
            var (trackId, _) = TrackId(context);
            var (from, to) = Range(context);
            var spans = store.Read(sql => TrackStore.IsKnown(sql, trackId) ? new SpanList(TrackStore.Spans(sql, trackId, from, to), store.Time.GetUtcNow()) : null);
            return Answer.Ok(spans ?? throw Unknown(trackId)).WriteAsync(context);
        }).AllowReadToken().Produces<SpanList>().WithName("listSpans").WithSummary("Contiguous stretches of a track.");

        routes.MapGet("/v1/tracks/{trackId}/segments", (HttpContext context, RecorderStore store) =>
        {
            var (trackId, _) = TrackId(context);
            var (from, to) = Range(context);
            var token = PageToken.Read(context, trackId, from, to);
            (from, to) = token is null ? (from, to) : ReadGrant.Bound(context, token.From, token.To);
            var limit = RequestReader.Limit(context, LongestPage, LongestPage);
            var page = store.Read(sql => TrackStore.IsKnown(sql, trackId) ? SegmentPages.Read(sql, trackId, from, to, token, limit, store.Time.GetUtcNow()) : null);
            return Answer.Ok(page ?? throw Unknown(trackId)).WriteAsync(context);
        }).AllowReadToken().Produces<SegmentPage>().WithName("listSegments").WithSummary("Segments that overlap [from, to), ordered by (from, id), and what was removed.");

        routes.MapGet("/v1/tracks/{trackId}/manifest", (HttpContext context, RecorderStore store) =>
        {
            var (trackId, _) = TrackId(context);
            var (from, to) = Range(context);
            var manifest = store.Read(sql => TrackStore.IsKnown(sql, trackId) ? TrackStore.Manifest(sql, trackId, from, to, store.Time.GetUtcNow()) : null);
            return Answer.Ok(manifest ?? throw Unknown(trackId)).WriteAsync(context);
        }).AllowReadToken().Produces<TrackManifest>().WithName("getTrackManifest").WithSummary("Count, bytes and one digest of the ordinary segments of a range.");
    }

    /// <summary>The route's track id, checked, and the identity in it.</summary>
    internal static (string TrackId, string Identity) TrackId(HttpContext context)
    {
        var trackId = context.Request.RouteValues["trackId"] as string ?? "";
        var parts = trackId.Split('~');
        if (parts.Length is not (2 or 3) || !Array.TrueForAll(parts, Names.IsValid))
        {
            throw Refusal.Malformed("A track id has the form identity~channel, or identity~channel~entry in a side archive; GET /v1/tracks lists them.");
        }

        ReadGrant.Check(context, parts[0]);
        return (trackId, parts[0]);
    }

    internal static Refusal Unknown(string trackId) => Refusal.Unknown($"There is no track '{trackId}' on this recorder. GET /v1/tracks lists them.");

    private static (DateTimeOffset? From, DateTimeOffset? To) Range(HttpContext context)
    {
        var (from, to) = RequestReader.RangeQuery(context);
        return ReadGrant.Bound(context, from, to);
    }
}
