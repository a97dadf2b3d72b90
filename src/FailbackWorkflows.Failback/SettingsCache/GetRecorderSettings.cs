using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Recorders;

namespace FailbackWorkflows.Failback.SettingsCache;

/// <summary>
/// Step 7: the newest settings of the duty. Asks the server that fulfils the duty, checks the digest of its answer and puts it into the cache.
/// When it does not answer, what the cache holds may be out of date: it is used only when somebody agreed to that, or when the server that
/// does not answer is the failed one itself, whose failure is why it is asked for. Then the run says since when it is stale. Changes nothing at recorders.
/// </summary>
[Activity("Failback.GetRecorderSettings", Category = "Failback", DisplayName = "Get recorder settings", Description = "Gets settings, configuration files, masks and schedules of the duty.")]
[FlowNode("Done", "Failed")]
[Retry(3, InitialDelayMilliseconds = 500, MaxDelayMilliseconds = 2000)]
[Rehearsal(RehearsalMode.Executes)]
public sealed class GetRecorderSettings(DutyCalls calls, IRecorderClient recorders, ISettingsCache cache, SettingsAges ages) : DutyActivity
{
    [Input(DisplayName = "Recorded identity", Description = "Whose duty it is.", UIHint = ActivityHints.VmsServer)]
    public required Input<string> Identity { get; init; }

    [Input(DisplayName = "Read from", Description = "The server that fulfils the duty now.", UIHint = ActivityHints.VmsServer)]
    public required Input<string> Server { get; init; }

    [Input(Description = "How often the settings were read before in this run.", DefaultValue = 0)]
    public Input<int>? Round { get; init; }

    [Input(DisplayName = "Accept stale", Description = "Use the cache when the server does not answer. Default: only when the server is the one whose duty it is.")]
    public Input<bool?>? AcceptStale { get; init; }

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
        try
        {
            var endpoint = await calls.GetFencedAsync(context, identity, server.Id, cancellationToken);
            var bundle = await recorders.GetSettingsAsync(endpoint, identity, cancellationToken);
            var settings = CachedSettings.From(bundle, server.Id, duty.HolderServerId == server.Id ? duty.Epoch : 0, now);
            return Result(context, settings).WithChanges(new SaveSettings(settings));
        }
        catch (RecorderException exception) when (exception.Kind == RecorderErrorKind.Unreachable)
        {
            var settings = await cache.FindNewestAsync(identity, cancellationToken)
                ?? throw new ActivityFaultException("settings.missing", $"{server.Id} does not answer and the settings cache holds nothing for {identity}. Bring {server.Id} back on the network, then start again.", exception.IsTransient, exception);
            var age = (await ages.FindAsync(identity, cancellationToken))!;
            var since = $"stale since {age.ConfirmedAt.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC, when {age.Newest.SourceServerId} last confirmed them (revision {age.Newest.Revision})";
            if (context.GetOrDefault(AcceptStale) ?? (server.Id == identity))
            {
                var result = Result(context, settings with { TakenAt = age.ConfirmedAt });
                return age.IsStale
                    ? result.WithNote($"{server.Id} does not answer, so the settings of {identity} come from the cache: {since}. What was changed there after that is not in them; look at the cameras and masks.")
                    : result;
            }

            throw new ActivityFaultException(
                "settings.stale",
                $"{server.Id} does not answer, and the cached settings of {identity} are {since}. What was changed after that would be lost. Bring {server.Id} back on the network, then start again.",
                exception.IsTransient,
                exception);
        }
    }

    private ActivityResult Result(ActivityExecutionContext context, CachedSettings settings) => ActivityResult.Completed()
        .With(NextRound, context.GetOrDefault(Round) + 1)
        .With(Sha256, settings.Sha256)
        .With(Revision, settings.Revision)
        .With(TakenAt, settings.TakenAt);
}
