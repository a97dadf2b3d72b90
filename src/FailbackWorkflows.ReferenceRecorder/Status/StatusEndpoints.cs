using FailbackWorkflows.Recorders;
using FailbackWorkflows.ReferenceRecorder.Access;
using FailbackWorkflows.ReferenceRecorder.Commands;
using FailbackWorkflows.ReferenceRecorder.Duties;
using FailbackWorkflows.ReferenceRecorder.Segments;
using FailbackWorkflows.ReferenceRecorder.Settings;
using FailbackWorkflows.ReferenceRecorder.Storage;

namespace FailbackWorkflows.ReferenceRecorder.Status;

/// <summary>What the recorder is and how it is.</summary>
public static class StatusEndpoints
{
    /// <summary>Version of the contract served here.</summary>
    public const string ApiVersion = "1";

    private const int ParallelReads = 8;

    /// <summary>Smallest difference of times; what lies closer together belongs together.</summary>
    public static readonly TimeSpan Resolution = TimeSpan.FromMilliseconds(1);

    public static void MapStatus(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/health/live", () => Results.Text("alive")).WithSummary("Answers while the process serves. The only route without a credential.");

        routes.MapGet("/v1/recorder", (HttpContext context, RecorderStore store, DataFolder folder, RecorderOptions options) =>
            Answer.Ok(new RecorderStatus(
                store.MachineId,
                store.BootId,
                options.SoftwareVersion,
                ApiVersion,
                store.Time.GetUtcNow(),
                Resolution,
                [.. store.Read(DutyStore.List).Where(d => ReadGrant.Of(context) is not { } grant || grant.Identity == d.Identity).Select(d => d.ToState())],
                [folder.Measure()],
                new RecorderCapabilities(RetentionHold: true, options.MaxChannels, ParallelReads, BackfillAnywhere: !options.IsAppendOnly, SideArchive: options.IsAppendOnly))).WriteAsync(context))
            .AllowReadToken().Produces<RecorderStatus>().WithSummary("Identity, version, duties, storage, capabilities.");

        routes.MapPost("/v1/recorder:probe", (HttpContext context, RecorderStore store, DataFolder folder) =>
        {
            var identity = context.Request.Query["identity"].ToString() is { Length: > 0 } named ? RequestReader.CheckName(named, "query value 'identity'") : null;
            var (weight, channels) = store.Read(sql => (SegmentStore.Weigh(sql, store.Time.GetUtcNow()), identity is null ? null : ChannelsOf(sql, identity)));
            return Answer.Ok(folder.Probe(weight, channels)).WriteAsync(context);
        })
            .Produces<ProbeResult>().WithSummary("Writes, flushes, reads back and deletes a small file on every storage, and where the enabled channels of the identity in the query are written.");
    }

    private static IReadOnlyList<PlacedChannel> ChannelsOf(Sql sql, string identity) =>
        [.. ChannelSettings.Read(SettingsStore.Active(sql, identity).Content).Where(c => c.Enabled).Select(c => new PlacedChannel(identity, c.Id, c.Name, c.Required, c.StoragePath))];
}
