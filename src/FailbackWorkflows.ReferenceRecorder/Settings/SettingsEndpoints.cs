using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Http;
using FailbackWorkflows.Recorders.Settings;
using FailbackWorkflows.ReferenceRecorder.Commands;
using FailbackWorkflows.ReferenceRecorder.Duties;
using FailbackWorkflows.ReferenceRecorder.Storage;

namespace FailbackWorkflows.ReferenceRecorder.Settings;

/// <summary>Settings per recorded identity: read, validate, stage, activate, roll back, freeze, change locally.</summary>
public static class SettingsEndpoints
{
    public static void MapSettings(this IEndpointRouteBuilder routes)
    {
        const string config = "/v1/duties/{identity}/config";

        routes.MapGet(config, (HttpContext context, RecorderStore store) =>
        {
            var identity = RequestReader.Identity(context);
            var bundle = store.Read(sql => DutyStore.Find(sql, identity) is null ? null : SettingsStore.Active(sql, identity)) ?? throw Refusal.UnknownIdentity(identity);
            var tag = SettingsTag.Of(bundle.Revision, bundle.Sha256);
            context.Response.Headers.ETag = tag;
            if (RequestReader.KnowsTag(context, tag))
            {
                context.Response.StatusCode = StatusCodes.Status304NotModified;
                return Task.CompletedTask;
            }

            return Answer.Ok(bundle).WriteAsync(context);
        }).Produces<SettingsBundle>().Produces(StatusCodes.Status304NotModified).WithSummary("The active settings of an identity; 304 when they are those of If-None-Match.");

        routes.MapPost(config + ":validate", async (HttpContext context, RecorderOptions options) =>
        {
            RequestReader.Identity(context);
            var (body, _) = await RequestReader.ReadAsync<SettingsBody>(context);
            await Answer.Ok(SettingsValidator.Validate(body.Content, options.MaxChannels)).WriteAsync(context);
        }).Accepts<SettingsBody>("application/json").Produces<SettingsValidation>().WithSummary("Dry run: what stands in the way of these settings here.");

        routes.MapPut(config, async (HttpContext context, CommandGate gate, RecorderStore store, RecorderOptions options) =>
        {
            var identity = RequestReader.Identity(context);
            var (body, _) = await RequestReader.ReadAsync<SettingsBody>(context);
            await gate.RunUnkeyedAsync(context, sql =>
            {
                var duty = DutyStore.Find(sql, identity) ?? throw Refusal.UnknownIdentity(identity);
                RefuseInvalid(body.Content, options);
                RefuseFrozen(sql, identity);
                RefuseUnmaskedWhileRecording(duty, body.Content);
                var active = SettingsStore.Active(sql, identity);
                return Answer.Ok(active.Revision > 0 && active.Sha256 == SettingsDigest.Compute(body.Content)
                    ? new SettingsRevision(identity, active.Revision, active.Sha256, active.Frozen)
                    : SettingsStore.Activate(sql, identity, body.Content, "local", store.Time.GetUtcNow()));
            });
        }).Accepts<SettingsBody>("application/json").Produces<SettingsRevision>().WithSummary("A change made at the recorder itself, by its administrator.");

        routes.MapPost(config + "/staged", async (HttpContext context, CommandGate gate, RecorderStore store) =>
        {
            var identity = RequestReader.Identity(context);
            var (body, hash) = await RequestReader.ReadAsync<StageSettingsBody>(context);
            await gate.RunAsync(context, identity, hash, (sql, _) =>
            {
                RefuseWrongDigest(body);
                return Answer.Created(SettingsStore.Stage(sql, identity, body.Content, body.Sha256, store.Time.GetUtcNow()));
            });
        }).Accepts<StageSettingsBody>("application/json").Produces<StagedSettings>(StatusCodes.Status201Created).WithSummary("Uploads settings without activating them.");

        routes.MapPost(config + "/staged/{stagedId}:activate", async (HttpContext context, CommandGate gate, RecorderStore store, RecorderOptions options) =>
        {
            var identity = RequestReader.Identity(context);
            var stagedId = RequestReader.CheckName(context.Request.RouteValues["stagedId"] as string, "staged id");
            var expected = RequestReader.ExpectedRevision(context);
            await gate.RunAsync(context, identity, RequestReader.HashWithoutBody(context), (sql, duty) =>
            {
                var content = SettingsStore.TakeStaged(sql, identity, stagedId);
                RefuseFrozen(sql, identity);
                var active = SettingsStore.Active(sql, identity);
                if (active.Revision != expected)
                {
                    throw new Refusal(
                        StatusCodes.Status409Conflict,
                        RecorderProblems.RevisionChanged,
                        $"The active revision of '{identity}' is {active.Revision}, not {expected}: somebody changed the settings. Read them again and decide anew.");
                }

                RefuseInvalid(content, options);
                RefuseUnmaskedWhileRecording(duty, content);
                return Answer.Ok(SettingsStore.Activate(sql, identity, content, "activated", store.Time.GetUtcNow()));
            });
        }).Produces<SettingsRevision>().WithSummary("Makes staged settings the active ones, all or nothing. Needs If-Match.");

        routes.MapPost(config + ":rollback", async (HttpContext context, CommandGate gate, RecorderStore store) =>
        {
            var identity = RequestReader.Identity(context);
            var (body, hash) = await RequestReader.ReadAsync<RollBackBody>(context);
            await gate.RunAsync(context, identity, hash, (sql, duty) =>
            {
                RefuseFrozen(sql, identity);
                var content = body.ToRevision == 0
                    ? SettingsStore.Empty
                    : SettingsStore.Revision(sql, identity, body.ToRevision)?.Content
                        ?? throw Refusal.Unknown($"'{identity}' has no revision {body.ToRevision} on this recorder.");
                RefuseUnmaskedWhileRecording(duty, content);
                return Answer.Ok(SettingsStore.Activate(sql, identity, content, "rolledBack", store.Time.GetUtcNow()));
            });
        }).Accepts<RollBackBody>("application/json").Produces<SettingsRevision>().WithSummary("Makes the content of an earlier revision active, as a new revision.");

        routes.MapPost(config + ":freeze", (HttpContext context, CommandGate gate) => FreezeAsync(context, gate, frozen: true))
            .Produces<SettingsRevision>().WithSummary("Settings of the identity cannot be changed here until unfrozen.");

        routes.MapPost(config + ":unfreeze", (HttpContext context, CommandGate gate) => FreezeAsync(context, gate, frozen: false))
            .Produces<SettingsRevision>().WithSummary("Settings of the identity may be changed again.");
    }

    private static Task FreezeAsync(HttpContext context, CommandGate gate, bool frozen)
    {
        var identity = RequestReader.Identity(context);
        return gate.RunAsync(context, identity, RequestReader.HashWithoutBody(context), (sql, _) => Answer.Ok(SettingsStore.Freeze(sql, identity, frozen)));
    }

    private static void RefuseFrozen(Sql sql, string identity)
    {
        if (SettingsStore.Active(sql, identity).Frozen)
        {
            throw new Refusal(
                StatusCodes.Status409Conflict,
                RecorderProblems.SettingsFrozen,
                $"The settings of '{identity}' are frozen on this recorder, as during a failback. Try again when the failback is over.");
        }
    }

    private static void RefuseUnmaskedWhileRecording(DutyRow duty, SettingsContent content)
    {
        if (duty.Recording)
        {
            ChannelSettings.RefuseUnmasked(duty.Identity, content);
        }
    }

    private static void RefuseInvalid(SettingsContent content, RecorderOptions options)
    {
        if (SettingsValidator.Validate(content, options.MaxChannels).Findings.FirstOrDefault(f => f.Severity == FindingSeverity.Error) is { } finding)
        {
            throw new Refusal(
                StatusCodes.Status422UnprocessableEntity,
                RecorderProblems.SettingsInvalid,
                $"The settings do not fit this recorder: {finding.Path}: {finding.Reason} Validate them to see everything that stands in the way.");
        }
    }

    private static void RefuseWrongDigest(StageSettingsBody body)
    {
        var computed = SettingsDigest.Compute(body.Content);
        var badFile = body.Content.Files.FirstOrDefault(f => !f.HasItsDigest());
        if (badFile is not null || !string.Equals(computed, body.Sha256, StringComparison.Ordinal))
        {
            throw new Refusal(
                StatusCodes.Status422UnprocessableEntity,
                RecorderProblems.DigestMismatch,
                badFile is null
                    ? $"The settings have the digest {computed}, not the one stated. They were changed or damaged on the way; send them again."
                    : $"The file '{badFile.Path}' does not have the digest stated. It was changed or damaged on the way; send the settings again.");
        }
    }
}
