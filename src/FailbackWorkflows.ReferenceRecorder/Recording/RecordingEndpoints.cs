using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Http;
using FailbackWorkflows.Recorders.Recording;
using FailbackWorkflows.ReferenceRecorder.Commands;
using FailbackWorkflows.ReferenceRecorder.Duties;
using FailbackWorkflows.ReferenceRecorder.Records;
using FailbackWorkflows.ReferenceRecorder.Segments;
using FailbackWorkflows.ReferenceRecorder.Settings;
using FailbackWorkflows.ReferenceRecorder.Storage;

namespace FailbackWorkflows.ReferenceRecorder.Recording;

/// <summary>Start, stop and state of recording, per recorded identity.</summary>
public static class RecordingEndpoints
{
    public static void MapRecording(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/duties/{identity}/recording", (HttpContext context, RecorderStore store, RecordingEngine engine) =>
        {
            var identity = RequestReader.Identity(context);
            var state = store.Read(sql => DutyStore.Find(sql, identity) is { } duty ? ChannelTimes.State(sql, duty, store.Time.GetUtcNow(), engine.IsSourceBusy) : null);
            return Answer.Ok(state ?? throw Refusal.UnknownIdentity(identity)).WriteAsync(context);
        }).Produces<RecordingState>().WithSummary("Per channel: recording or not, first and last frame on disk.");

        routes.MapPost("/v1/recording:start", async (HttpContext context, CommandGate gate, RecordingEngine engine, RecorderStore store, DataFolder folder) =>
        {
            var (body, hash) = await RequestReader.ReadAsync<RecordingBody>(context);
            RequestReader.CheckName(body.Identity, "identity");
            await gate.RunAsync(context, body.Identity, hash, (sql, duty) => Answer.Ok(Start(sql, engine, folder, duty, store.Time.GetUtcNow())));
        }).Accepts<RecordingBody>("application/json").Produces<RecordingState>().WithSummary("Starts recording of an identity's enabled channels.");

        routes.MapPost("/v1/recording:stop", async (HttpContext context, CommandGate gate, RecordingEngine engine, RecorderStore store) =>
        {
            var (body, hash) = await RequestReader.ReadAsync<RecordingBody>(context);
            RequestReader.CheckName(body.Identity, "identity");
            await gate.RunAsync(context, body.Identity, hash, (sql, duty) => Answer.Ok(Stop(sql, engine, duty, body.AuthorityEnds, store.Time.GetUtcNow())));
        }).Accepts<RecordingBody>("application/json").Produces<RecordingState>().WithSummary("Stops recording of an identity; answers with the last frames.");

        routes.MapPost("/v1/recording:release", async (HttpContext context, CommandGate gate, RecordingEngine engine, RecorderStore store) =>
        {
            var (body, hash) = await RequestReader.ReadAsync<ReleaseBody>(context);
            RequestReader.CheckName(body.Identity, "identity");
            if (body.ChannelIds is not { Count: > 0 and <= 10_000 })
            {
                throw Refusal.Malformed("channelIds must name at least one channel.");
            }

            await gate.RunAsync(context, body.Identity, hash, (sql, duty) =>
            {
                engine.Release(sql, duty.Identity, body.ChannelIds);
                return Answer.Ok(ChannelTimes.State(sql, duty, store.Time.GetUtcNow(), engine.IsSourceBusy));
            });
        }).Accepts<ReleaseBody>("application/json").Produces<RecordingState>().WithSummary("Lets go of the sources of some channels, which their successor needs; records the others on.");
    }

    private static RecordingState Start(Sql sql, RecordingEngine engine, DataFolder folder, DutyRow duty, DateTimeOffset now)
    {
        if (duty.EffectiveRole != DutyRole.Recorder)
        {
            throw new Refusal(
                StatusCodes.Status409Conflict,
                RecorderProblems.NotRecorder,
                $"This recorder's role for '{duty.Identity}' under epoch {duty.Epoch} is {duty.EffectiveRole}, so it does not start recording. Assign it the role recorder under this epoch first.");
        }

        var active = SettingsStore.Active(sql, duty.Identity);
        if (active.Revision == 0)
        {
            throw new Refusal(
                StatusCodes.Status409Conflict,
                RecorderProblems.NotConfigured,
                $"'{duty.Identity}' has no settings on this recorder. Stage and activate settings first.");
        }

        ChannelSettings.RefuseUnmasked(duty.Identity, active.Content);
        if (!folder.HasRoom())
        {
            throw Refusal.StorageFull("The storage has no more than its reserve free. Free some space, then start again.");
        }

        engine.TakeBack(duty.Identity);
        if (!duty.Recording)
        {
            engine.ForgetFirstFrames(sql, duty.Identity, duty.Epoch);
            duty = DutyStore.Save(sql, duty with { Recording = true });
        }

        return ChannelTimes.State(sql, duty, now, engine.IsSourceBusy);
    }

    private static RecordingState Stop(Sql sql, RecordingEngine engine, DutyRow duty, IReadOnlyDictionary<string, DateTimeOffset>? authorityEnds, DateTimeOffset now)
    {
        if (duty.IsRecording)
        {
            engine.Stop(sql, duty.Identity);
        }

        duty = DutyStore.Save(sql, duty with { Recording = false });
        foreach (var (channelId, end) in authorityEnds ?? new Dictionary<string, DateTimeOffset>())
        {
            SegmentStore.EndAuthority(sql, duty.Identity, channelId, end, duty.Epoch);
            RecordStore.EndAuthority(sql, duty.Identity, channelId, end, duty.Epoch);
        }

        return ChannelTimes.State(sql, duty, now, engine.IsSourceBusy);
    }
}
