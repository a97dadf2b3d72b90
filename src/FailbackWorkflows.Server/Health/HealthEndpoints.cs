using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Persistence;
using FailbackWorkflows.Persistence.Seals;
using FailbackWorkflows.Server.Jobs;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Quartz;

namespace FailbackWorkflows.Server.Health;

/// <summary>Can the database be worked on, and does it say so within two seconds?</summary>
internal sealed class DatabaseCheck(IDatabase database) : IHealthCheck
{
    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(TimeSpan.FromSeconds(2));
        try
        {
            await database.CheckAsync(limit.Token);
            return HealthCheckResult.Healthy("The database answers.");
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            return HealthCheckResult.Unhealthy("The database does not answer, or does not let itself be written.", exception);
        }
    }
}

/// <summary>Does this node take up runs? Its loop is told apart from the database, which has a check of its own.</summary>
internal sealed class DispatcherCheck(WorkflowPulse pulse, WorkflowEngineOptions options) : IHealthCheck
{
    /// <summary>A look that hangs ends with the database's own timeout, 30 s.</summary>
    private static readonly TimeSpan LongestLook = TimeSpan.FromSeconds(40);

    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) => Task.FromResult(pulse.Silence switch
    {
        null => HealthCheckResult.Unhealthy("The dispatcher of workflows has not begun yet."),
        { } silence when silence > options.PollInterval + LongestLook => HealthCheckResult.Unhealthy(
            FormattableString.Invariant($"The dispatcher of workflows has not looked for work for {silence.TotalSeconds:0} s.")),
        { } silence => HealthCheckResult.Healthy(FormattableString.Invariant($"The dispatcher of workflows looked for work {silence.TotalMilliseconds:0} ms ago.")),
    });
}

/// <summary>
/// Are the recorders polled when they should be, by this server or by whoever is on watch? Late polls are no reason to take the server out of service, but to be looked at.
/// </summary>
internal sealed class PollingCheck(PollRecorders poll, PollOptions options, WorkflowEngineOptions engine, TimeProvider time) : IHealthCheck
{
    /// <summary>Looks come ten times a second; without one for so long nobody is polling.</summary>
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(10);

    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        // What another server tells comes with its beat and is read with a look, each four times in a lease.
        if (poll.OfCluster() is not { Polls: { SweptAt: { } sweptAt } now } report || time.GetUtcNow() - sweptAt > Silence + engine.LeaseDuration)
        {
            return Task.FromResult(HealthCheckResult.Degraded("Recorders are not polled: no management server is seen to be on watch."));
        }

        if (!report.IsRoundDone)
        {
            return Task.FromResult(HealthCheckResult.Degraded(FormattableString.Invariant(
                $"{report.Node} has taken the watch and asks every recorder before anything is decided: {now.Unasked} of {now.Recorders} are left.")));
        }

        var sentence = FormattableString.Invariant(
            $"{now.Recorders} recorders are polled by {report.Node}; the latest poll of the last two minutes began {now.LongestLag.TotalMilliseconds:0} ms late.");
        return Task.FromResult(now.LongestLag > options.Interval ? HealthCheckResult.Degraded(sentence) : HealthCheckResult.Healthy(sentence));
    }
}

/// <summary>Are the settings of recorders looked at when they should be?</summary>
internal sealed class SettingsCheck(RefreshSettings refresh, RefreshSettingsOptions options, IWatch watch) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        if (!watch.IsOurs)
        {
            return Task.FromResult(HealthCheckResult.Healthy("Another management server is on watch and looks at the settings."));
        }

        var now = refresh.Punctual();
        var sentence = FormattableString.Invariant(
            $"The settings of {now.Copies} duties are looked at; the latest look is {now.LongestLag.TotalSeconds:0} s late, {now.Skipped} were left out of the last round, which took {now.LastRound.TotalSeconds:0.0} s, and {now.InFlight} recorders have not answered yet.");
        return Task.FromResult(now.LongestLag > options.Interval ? HealthCheckResult.Degraded(sentence) : HealthCheckResult.Healthy(sentence));
    }
}

/// <summary>Is the history sealed, and what others have sealed kept here? No reason to take the server out of service, but to be looked at soon.</summary>
internal sealed class SealsCheck(IHistorySeals seals) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) => Task.FromResult(
        seals.Trouble is { } trouble ? HealthCheckResult.Degraded($"The history is not sealed: {trouble}") : HealthCheckResult.Healthy("The history is sealed."));
}

/// <summary>Part of a health answer.</summary>
public sealed record HealthPart(string Name, string Status, string? Description, double ElapsedMilliseconds);

/// <summary>Ready or not; the parts only for who is signed in.</summary>
public sealed record HealthAnswer(string Status, IReadOnlyList<HealthPart>? Parts);

/// <summary>For whoever watches the process: alive (it answers) and ready (it can work).</summary>
internal static class HealthEndpoints
{
    /// <summary>Nothing that the dispatcher waits for takes so long: it is stuck, and only a new process will do.</summary>
    private static readonly TimeSpan Stuck = TimeSpan.FromMinutes(5);

    public static void AddHealth(this IServiceCollection services) => services.AddHealthChecks()
        .AddCheck<DatabaseCheck>("database")
        .AddCheck<DispatcherCheck>("dispatcher")
        .AddCheck<PollingCheck>("polling")
        .AddCheck<SettingsCheck>("settings")
        .AddCheck<SealsCheck>("seals")
        .AddQuartz(JobSchedule.Node, jobs => Watch(jobs, "node jobs"))
        .AddQuartz(JobSchedule.Cluster, jobs => Watch(jobs, "cluster jobs"));

    private static void Watch(QuartzHealthCheckOptions jobs, string name)
    {
        jobs.Name = name;
        jobs.StandbyStatus = HealthStatus.Unhealthy;
        // Jobs that are due and not run by any node: the scheduler runs, and does nothing.
        jobs.StaleFiringTolerance = 3;
    }

    public static void MapHealth(this IEndpointRouteBuilder routes)
    {
        // Whoever asks is looked up in the database, whose absence is to be told of: that is not done before the answer is known.
        var health = routes.MapGroup("/health").AllowAnonymous().ExcludeFromDescription();
        health.MapMethods("/live", [HttpMethods.Get, HttpMethods.Head], Live).ShortCircuit();
        health.MapMethods("/ready", [HttpMethods.Get, HttpMethods.Head], ReadyAsync).ShortCircuit();
    }

    /// <summary>Whether a new process would do better. A database that is gone is no reason; a dispatcher that does not move any more is.</summary>
    internal static IResult Live(WorkflowPulse pulse) => pulse.Silence > Stuck
        ? Results.Json(new HealthAnswer("stuck", null), statusCode: StatusCodes.Status503ServiceUnavailable)
        : Results.Json(new HealthAnswer("ok", null));

    private static async Task<bool> IsSignedInAsync(HttpContext context)
    {
        try
        {
            return (await context.AuthenticateAsync()).Succeeded;
        }
        catch (Exception) when (!context.RequestAborted.IsCancellationRequested)
        {
            // It cannot be known who asks, so they hear what everybody may.
            return false;
        }
    }

    private static async Task<IResult> ReadyAsync(HttpContext context, HealthCheckService checks, CancellationToken cancellationToken)
    {
        var report = await checks.CheckHealthAsync(cancellationToken);
        var isReady = report.Status != HealthStatus.Unhealthy;
        var parts = await IsSignedInAsync(context)
            ? report.Entries
                .Select(entry => new HealthPart(entry.Key, entry.Value.Status.ToString(), entry.Value.Description, entry.Value.Duration.TotalMilliseconds))
                .ToList()
            : null;
        return Results.Json(
            new HealthAnswer(isReady ? "ok" : "not ready", parts),
            statusCode: isReady ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable);
    }
}
