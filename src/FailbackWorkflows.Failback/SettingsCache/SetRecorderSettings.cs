using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Failback.Policies;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Settings;

namespace FailbackWorkflows.Failback.SettingsCache;

/// <summary>
/// Step 8: applies settings to a server, all or nothing, while it does not record: validate, stage, activate. Breaks off before the
/// activation leave the server on its old revision, so it never records without its privacy masks.
/// </summary>
[Activity("Failback.SetRecorderSettings", Category = "Failback", DisplayName = "Set recorder settings", Description = "Validates, stages and activates the settings, all or nothing.")]
[FlowNode("Done", "Failed")]
public sealed class SetRecorderSettings : Composite
{
    [Input(DisplayName = "Recorded identity", Description = "Whose duty it is.", UIHint = ActivityHints.VmsServer)]
    public required Input<string> Identity { get; init; }

    [Input(Description = "The server that gets the settings.", UIHint = ActivityHints.VmsServer)]
    public required Input<string> Server { get; init; }

    [Input(Description = "Digest of the settings in the cache.")]
    public required Input<string> Sha256 { get; init; }

    [Output(Description = "Why it failed.")]
    public Output<string>? Failure { get; init; }

    /// <inheritdoc/>
    public override string DefinitionJson => """
        {
          "id": "flow", "type": "Elsa.Flowchart", "start": "validate",
          "variables": [
            { "name": "activeRevision", "typeName": "Int64" },
            { "name": "stagedId", "typeName": "String" },
            { "name": "failure", "typeName": "String" }
          ],
          "activities": [
            { "id": "validate", "type": "Failback.ValidateSettings",
              "identity": { "expression": { "type": "Input", "value": "identity" } },
              "server": { "expression": { "type": "Input", "value": "server" } },
              "sha256": { "expression": { "type": "Input", "value": "sha256" } },
              "activeRevision": { "memoryReference": { "id": "activeRevision" } },
              "failure": { "memoryReference": { "id": "failure" } } },
            { "id": "stage", "type": "Failback.StageSettings",
              "identity": { "expression": { "type": "Input", "value": "identity" } },
              "server": { "expression": { "type": "Input", "value": "server" } },
              "sha256": { "expression": { "type": "Input", "value": "sha256" } },
              "stagedId": { "memoryReference": { "id": "stagedId" } } },
            { "id": "activate", "type": "Failback.ActivateSettings",
              "identity": { "expression": { "type": "Input", "value": "identity" } },
              "server": { "expression": { "type": "Input", "value": "server" } },
              "sha256": { "expression": { "type": "Input", "value": "sha256" } },
              "stagedId": { "expression": { "type": "Variable", "value": { "name": "stagedId" } } },
              "expectedRevision": { "expression": { "type": "Variable", "value": { "name": "activeRevision" } } } },
            { "id": "done", "type": "Elsa.Complete", "outcomes": "Done" },
            { "id": "failed", "type": "Elsa.Complete", "outcomes": "Failed" }
          ],
          "connections": [
            { "source": { "activity": "validate", "port": "Acceptable" }, "target": { "activity": "stage" } },
            { "source": { "activity": "validate", "port": "NotAcceptable" }, "target": { "activity": "failed" } },
            { "source": { "activity": "stage" }, "target": { "activity": "activate" } },
            { "source": { "activity": "activate" }, "target": { "activity": "done" } }
          ]
        }
        """;
}

/// <summary>A part that deals with the settings of one duty at one server.</summary>
public abstract class SettingsActivity : DutyActivity
{
    [Input(DisplayName = "Recorded identity", UIHint = ActivityHints.VmsServer)]
    public required Input<string> Identity { get; init; }

    [Input(UIHint = ActivityHints.VmsServer)]
    public required Input<string> Server { get; init; }
}

/// <summary>
/// Dry run of settings against the server that shall get them. Only reads there. What is active there is put into the cache first: it is about
/// to be replaced, and nothing that somebody set there meanwhile may be lost in silence.
/// </summary>
[Activity("Failback.ValidateSettings", Category = "Failback parts", Description = "Would the server accept these settings?")]
[FlowNode("Acceptable", "NotAcceptable")]
[Retry(5, InitialDelayMilliseconds = 500, MaxDelayMilliseconds = 5000)]
[Rehearsal(RehearsalMode.Executes)]
public sealed class ValidateSettings(DutyCalls calls, IRecorderClient recorders, ISettingsCache cache) : SettingsActivity
{
    private const int MostFindings = 5;

    [Input]
    public required Input<string> Sha256 { get; init; }

    [Output(DisplayName = "Active revision")]
    public Output<long>? ActiveRevision { get; init; }

    [Output]
    public Output<string>? Failure { get; init; }

    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var identity = context.Get(Identity);
        var endpoint = await calls.GetFencedAsync(context, identity, context.Get(Server), cancellationToken);
        var settings = await cache.GetAsync(identity, context.Get(Sha256), cancellationToken);
        var active = await recorders.FindSettingsAsync(endpoint, identity, cancellationToken);
        var validation = await recorders.ValidateSettingsAsync(endpoint, identity, settings.Content, cancellationToken);
        var result = ActivityResult.Completed(validation.IsAcceptable ? "Acceptable" : "NotAcceptable").With(ActiveRevision, active?.Revision ?? 0);
        if (active is { Revision: > 0 } && SettingsDigest.FindMismatch(active.Content, active.Sha256) is { } mismatch)
        {
            // What is damaged there is no reason to leave it so.
            result.WithNote($"The settings that {endpoint.ServerId} had of {identity} could not be kept: {mismatch}.");
        }
        else if (active is { Revision: > 0 } && active.Sha256 != settings.Sha256)
        {
            var duty = await calls.GetDutyAsync(identity, cancellationToken);
            result.WithChanges(new SaveSettings(
                CachedSettings.From(active, endpoint.ServerId, duty.HolderServerId == endpoint.ServerId ? duty.Epoch : 0, context.Time.GetUtcNow())));
        }

        if (validation.IsAcceptable)
        {
            return result;
        }

        var errors = validation.Findings.Where(f => f.Severity == FindingSeverity.Error).Select(f => $"{SettingsWords.Place(f.Path, settings.Content)}: {f.Reason}").ToList();
        var more = errors.Count > MostFindings ? $" (and {errors.Count - MostFindings} more)" : "";
        return result.With(
            Failure,
            $"{endpoint.ServerId} does not accept the settings: {string.Join("; ", errors.Take(MostFindings))}{more}. Put that right there or where the settings were made, then start again.");
    }
}

/// <summary>Uploads the settings; nothing is active yet.</summary>
[Activity("Failback.StageSettings", Category = "Failback parts", Description = "Uploads the settings without activating them.")]
[Retry(5, InitialDelayMilliseconds = 500, MaxDelayMilliseconds = 5000)]
public sealed class StageSettings(DutyCalls calls, IRecorderClient recorders, ISettingsCache cache) : SettingsActivity
{
    [Input]
    public required Input<string> Sha256 { get; init; }

    [Output]
    public Output<string>? StagedId { get; init; }

    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var identity = context.Get(Identity);
        var settings = await cache.GetAsync(identity, context.Get(Sha256), cancellationToken);
        var staged = await recorders.StageSettingsAsync(
            await calls.GetEndpointAsync(context.Get(Server), cancellationToken),
            new StageSettingsCommand(identity, await calls.GetAuthorityAsync(context, identity, cancellationToken), settings.Content, settings.Sha256),
            context.CallKey("stage"),
            cancellationToken);
        return staged.Sha256 == settings.Sha256
            ? ActivityResult.Completed().With(StagedId, staged.StagedId)
            : throw new ActivityFaultException("settings.digest", "The settings arrived with another digest than they were sent with.", false);
    }
}

/// <summary>Makes the staged settings the active ones, all or nothing.</summary>
[Activity("Failback.ActivateSettings", Category = "Failback parts", Description = "Makes the uploaded settings the active ones.")]
[Retry(5, InitialDelayMilliseconds = 500, MaxDelayMilliseconds = 5000)]
public sealed class ActivateSettings(DutyCalls calls, IRecorderClient recorders, ISettingsCache cache) : SettingsActivity
{
    [Input]
    public required Input<string> Sha256 { get; init; }

    [Input(DisplayName = "Staged id")]
    public required Input<string> StagedId { get; init; }

    [Input(DisplayName = "Expected revision")]
    public required Input<long> ExpectedRevision { get; init; }

    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var identity = context.Get(Identity);
        var serverId = context.Get(Server);
        var authority = await calls.GetAuthorityAsync(context, identity, cancellationToken);
        var settings = await cache.GetAsync(identity, context.Get(Sha256), cancellationToken);
        var active = await recorders.ActivateSettingsAsync(
            await calls.GetEndpointAsync(serverId, cancellationToken),
            new ActivateSettingsCommand(identity, authority, context.Get(StagedId), context.Get(ExpectedRevision)),
            context.CallKey("activate"),
            cancellationToken);
        if (active.Sha256 != settings.Sha256)
        {
            throw new ActivityFaultException("settings.digest", $"{serverId} activated settings with another digest than those of the cache.", false);
        }

        return ActivityResult.Completed()
            .WithChanges(new SaveSettings(settings with
            {
                SourceServerId = serverId,
                Epoch = authority.Epoch,
                Revision = active.Revision,
                TakenAt = context.Time.GetUtcNow(),
                Provenance = new(context.Time.GetUtcNow(), context.Run.StartedBy.Name, context.Run.Reason, context.InstanceId),
            }));
    }
}

/// <summary>Freezes or unfreezes the duty's settings at a server.</summary>
[Activity("Failback.FreezeSettings", Category = "Failback parts", Description = "Freezes the settings of the duty, or lifts the freeze.")]
[FlowNode("Done", "Unreachable")]
[Retry(1_000_000, InitialDelayMilliseconds = 500, MaxDelayMilliseconds = 5000)]
public sealed class FreezeSettings(DutyCalls calls, IRecorderClient recorders, FailbackPolicies policies) : SettingsActivity
{
    private const int AttemptsBeforeGivingUp = 5;

    [Input(DefaultValue = true)]
    public Input<bool>? Frozen { get; init; }

    [Input(DisplayName = "Keep trying", Description = "Wait for the server as long as it takes instead of leaving by Unreachable.", DefaultValue = false)]
    public Input<bool>? KeepTrying { get; init; }

    [Input(DisplayName = "Within the hand-over", Description = "Leave by Unreachable when the site's hand-over timeout is over, whatever the attempts.")]
    public Input<bool?>? WithinHandOver { get; init; }

    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var identity = context.Get(Identity);
        var authority = await calls.GetAuthorityAsync(context, identity, cancellationToken);
        try
        {
            await recorders.FreezeSettingsAsync(
                await calls.GetEndpointAsync(context.Get(Server), cancellationToken),
                new FreezeSettingsCommand(identity, authority, context.GetOrDefault(Frozen)),
                context.CallKey("freeze"),
                cancellationToken);
        }
        catch (RecorderException exception) when (exception.IsTransient && context.GetOrDefault(WithinHandOver) == true)
        {
            return LookAgain(context, (await policies.GetAsync(cancellationToken)).HandOverTimeout) ?? ActivityResult.Completed("Unreachable");
        }
        catch (RecorderException exception) when (exception.IsTransient && !context.GetOrDefault(KeepTrying) && context.Attempt >= AttemptsBeforeGivingUp)
        {
            return ActivityResult.Completed("Unreachable");
        }

        return ActivityResult.Completed();
    }
}

/// <summary>
/// Goes back to the revision that was active before, if another one is active now. The server itself is asked: an activation whose answer
/// was lost may have taken effect. An unreachable server is left to its next failback, which applies settings anew.
/// </summary>
[Activity("Failback.RollBackSettings", Category = "Failback parts", Description = "Makes the former settings active again.")]
[FlowNode("Done", "NotNeeded", "Unreachable")]
[Retry(3, InitialDelayMilliseconds = 500, MaxDelayMilliseconds = 2000)]
public sealed class RollBackSettings(DutyCalls calls, IRecorderClient recorders) : SettingsActivity
{
    [Input(DisplayName = "Former revision")]
    public Input<long?>? FormerRevision { get; init; }

    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        if (context.GetOrDefault(FormerRevision) is not { } former)
        {
            return ActivityResult.Completed("NotNeeded");
        }

        var identity = context.Get(Identity);
        try
        {
            var endpoint = await calls.GetFencedAsync(context, identity, context.Get(Server), cancellationToken);
            if (await recorders.ReadActiveRevisionAsync(endpoint, identity, cancellationToken) == former)
            {
                return ActivityResult.Completed("NotNeeded");
            }

            await recorders.RollBackSettingsAsync(
                endpoint,
                new RollBackSettingsCommand(identity, await calls.GetAuthorityAsync(context, identity, cancellationToken), former),
                context.CallKey("rollBack"),
                cancellationToken);
            return ActivityResult.Completed();
        }
        catch (RecorderException exception) when (exception.IsTransient && context.Attempt >= 3)
        {
            return ActivityResult.Completed("Unreachable");
        }
    }
}

/// <summary>Reading for activities.</summary>
internal static class SettingsReading
{
    public static async Task<CachedSettings> GetAsync(this ISettingsCache cache, string identity, string sha256, CancellationToken cancellationToken) =>
        await cache.FindAsync(identity, sha256, cancellationToken)
        ?? throw new ActivityFaultException("settings.missing", $"The settings {sha256[..Math.Min(12, sha256.Length)]}… of {identity} are not in the cache.", false);

    /// <summary>Settings active at a recorder; null when it has nothing to do with this duty.</summary>
    public static async Task<SettingsBundle?> FindSettingsAsync(this IRecorderClient recorders, RecorderEndpoint endpoint, string identity, CancellationToken cancellationToken)
    {
        try
        {
            return await recorders.GetSettingsAsync(endpoint, identity, cancellationToken);
        }
        catch (RecorderException exception) when (exception.Kind == RecorderErrorKind.NotFound)
        {
            return null;
        }
    }

    /// <summary>Revision active at a recorder; 0 when it never had settings of this duty.</summary>
    public static async Task<long> ReadActiveRevisionAsync(this IRecorderClient recorders, RecorderEndpoint endpoint, string identity, CancellationToken cancellationToken) =>
        (await recorders.FindSettingsAsync(endpoint, identity, cancellationToken))?.Revision ?? 0;
}
