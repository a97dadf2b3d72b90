using System.Globalization;
using FailbackWorkflows.Recorders.Material;
using RestEase;

namespace FailbackWorkflows.Recorders.Http;

/// <summary><see cref="IMaterialReader"/> over HTTP. How calls travel is <see cref="RecorderTransport"/>'s.</summary>
public sealed class HttpMaterialReader(RecorderTransport transport) : IMaterialReader
{
    public Task<SegmentPage> ListSegmentsAsync(RecorderEndpoint recorder, string trackId, DateTimeOffset from, DateTimeOffset to, int limit, CancellationToken cancellationToken) =>
        transport.CallAsync<IMaterialHttpApi, SegmentPage>(
            recorder,
            "list segments",
            (api, auth, ct) => api.ListSegmentsAsync(
                auth, trackId, RecorderJson.FormatInstant(from), RecorderJson.FormatInstant(to), limit.ToString(CultureInfo.InvariantCulture), ct),
            cancellationToken);

    public Task<SegmentBytes> OpenSegmentAsync(RecorderEndpoint recorder, string segmentId, string? range, string? ifRange, CancellationToken cancellationToken) =>
        transport.OpenAsync<IMaterialHttpApi>(recorder, "read segment", (api, auth, ct) => api.GetSegmentAsync(auth, range, ifRange, segmentId, ct), cancellationToken);
}

/// <summary>
/// The recorder's routes of material as the management server uses them; raw answers, judged in <see cref="RecorderTransport"/>. RestEase
/// implements the interface at run time, which is why it is public.
/// </summary>
[AllowAnyStatusCode]
public interface IMaterialHttpApi
{
    [Get("v1/tracks/{trackId}/segments")]
    Task<HttpResponseMessage> ListSegmentsAsync(
        [Header("Authorization")] string authorization, [Path] string trackId, [Query] string from, [Query] string to, [Query] string limit, CancellationToken cancellationToken);

    [Get("v1/segments/{segmentId}")]
    Task<HttpResponseMessage> GetSegmentAsync(
        [Header("Authorization")] string authorization, [Header("Range")] string? range, [Header("If-Range")] string? ifRange, [Path] string segmentId, CancellationToken cancellationToken);
}
