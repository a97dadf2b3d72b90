using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Recorders;

namespace FailbackWorkflows.Failback.SettingsCache;

/// <summary>
/// Step 7: the newest settings of the duty. Asks the server that fulfils the duty and puts its answer into the cache; when it does not
/// answer, takes the newest of the cache and says how old it is. Changes nothing at recorders.
/// </summary>
[Activity("Failback.GetRecorderSettings", Category = "Failback", DisplayName = "Get recorder settings", Description = "Gets settings, configuration files, masks and schedules of the duty.")]
[FlowNode("Done", "Failed")]
[Retry(3, InitialDelayMilliseconds = 500, MaxDelayMilliseconds = 2000)]
public sealed class GetRecorderSettings(DutyCalls calls, IRecorderClient recorders, ISettingsCache cache) : DutyActivity
{
    [Input(DisplayName = "Recorded identity", Description = "Whose duty it is.")]
    public required Input<string> Identity { get; init; }

    [Input(DisplayName = "Read from", Description = "The server that fulfils the duty now.")]
    public required Input<string> Server { get; init; }

    [Input(Description = "How often the settings were read before in this run.", DefaultValue = 0)]
    public Input<int>? Round { get; init; }

    [Output(DisplayName = "Round", Description = "How often the settings have been read in this run.")]
    public Output<int>? NextRound { get; init; }

    [Output(Description = "Digest of the settings.")]
    public Output<string>? Sha256 { get; init; }

    [Output(Description = "Revision at the server they come from.")]
    public Output<long>? Revision { get; init; }

    [Output(DisplayName = "Taken at", Description = "When they were last seen to be active.")]
    public Output<DateTimeOffset>? TakenAt { get; init; }

    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var identity = context.Get(Identity);
        var duty = await calls.GetDutyAsync(identity, cancellationToken);
        var server = await calls.GetServerAsync(context.Get(Server), cancellationToken);
        var now = context.Time.GetUtcNow();
        CachedSettings settings;
        try
        {
            var endpoint = await calls.GetFencedAsync(context, identity, server.Id, cancellationToken);
            var bundle = await recorders.GetSettingsAsync(endpoint, identity, cancellationToken);
            settings = new(identity, server.Id, duty.Epoch, bundle.Revision, bundle.Sha256, now, bundle.Content);
        }
        catch (RecorderException exception) when (exception.Kind == RecorderErrorKind.Unreachable)
        {
            settings = await cache.FindNewestAsync(identity, cancellationToken)
                ?? throw new ActivityFaultException("settings.missing", $"{server.Id} does not answer and the settings cache holds nothing for {identity}.", exception.IsTransient, exception);
            return Result(context, settings);
        }

        return Result(context, settings).WithChanges(new SaveSettings(settings));
    }

    private ActivityResult Result(ActivityExecutionContext context, CachedSettings settings) => ActivityResult.Completed()
        .With(NextRound, context.GetOrDefault(Round) + 1)
        .With(Sha256, settings.Sha256)
        .With(Revision, settings.Revision)
        .With(TakenAt, settings.TakenAt);
}
