using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.Policies;
using FailbackWorkflows.Failback.SettingsCache;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace FailbackWorkflows.Server.Health;

/// <summary>Can the database be read within two seconds?</summary>
internal sealed class DatabaseCheck(ISystemSettings settings) : IHealthCheck
{
    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(TimeSpan.FromSeconds(2));
        try
        {
            await settings.FindAsync("health", limit.Token);
            return HealthCheckResult.Healthy("The database answers.");
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            return HealthCheckResult.Unhealthy("The database does not answer.", exception);
        }
    }
}

/// <summary>Are the recorders polled when they should be? Late polls are no reason to take the server out of service, but to be looked at.</summary>
internal sealed class PollingCheck(PollRecorders poll, PollOptions options, TimeProvider time) : IHealthCheck
{
    /// <summary>Looks come ten times a second; without one for so long nobody is polling.</summary>
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(10);

    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        var now = poll.Punctual();
        if (now.SweptAt is not { } sweptAt || time.GetUtcNow() - sweptAt > Silence)
        {
            return Task.FromResult(HealthCheckResult.Degraded("Recorders are not polled."));
        }

        var sentence = FormattableString.Invariant(
            $"{now.Recorders} recorders are polled; the latest poll of the last two minutes began {now.LongestLag.TotalMilliseconds:0} ms late.");
        return Task.FromResult(now.LongestLag > options.Interval ? HealthCheckResult.Degraded(sentence) : HealthCheckResult.Healthy(sentence));
    }
}

/// <summary>Are the settings of recorders looked at when they should be?</summary>
internal sealed class SettingsCheck(RefreshSettings refresh, RefreshSettingsOptions options) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        var now = refresh.Punctual();
        var sentence = FormattableString.Invariant(
            $"The settings of {now.Copies} duties are looked at; the latest look is {now.LongestLag.TotalSeconds:0} s late, {now.Skipped} were left out of the last round, which took {now.LastRound.TotalSeconds:0.0} s, and {now.InFlight} recorders have not answered yet.");
        return Task.FromResult(now.LongestLag > options.Interval ? HealthCheckResult.Degraded(sentence) : HealthCheckResult.Healthy(sentence));
    }
}

/// <summary>Part of a health answer.</summary>
public sealed record HealthPart(string Name, string Status, string? Description, double ElapsedMilliseconds);

/// <summary>Ready or not; the parts only for who is signed in.</summary>
public sealed record HealthAnswer(string Status, IReadOnlyList<HealthPart>? Parts);

/// <summary>For whoever watches the process: alive (it answers) and ready (it can work).</summary>
internal static class HealthEndpoints
{
    public static void AddHealth(this IServiceCollection services) => services.AddHealthChecks().AddCheck<DatabaseCheck>("database").AddCheck<PollingCheck>("polling").AddCheck<SettingsCheck>("settings");

    public static void MapHealth(this IEndpointRouteBuilder routes)
    {
        var health = routes.MapGroup("/health").AllowAnonymous().ExcludeFromDescription();
        health.MapMethods("/live", [HttpMethods.Get, HttpMethods.Head], () => Results.Json(new HealthAnswer("ok", null)));
        health.MapMethods("/ready", [HttpMethods.Get, HttpMethods.Head], ReadyAsync);
    }

    private static async Task<IResult> ReadyAsync(HttpContext context, HealthCheckService checks, CancellationToken cancellationToken)
    {
        var report = await checks.CheckHealthAsync(cancellationToken);
        var isReady = report.Status != HealthStatus.Unhealthy;
        var parts = context.User.Identity?.IsAuthenticated == true
            ? report.Entries
                .Select(entry => new HealthPart(entry.Key, entry.Value.Status.ToString(), entry.Value.Description, entry.Value.Duration.TotalMilliseconds))
                .ToList()
            : null;
        return Results.Json(
            new HealthAnswer(isReady ? "ok" : "not ready", parts),
            statusCode: isReady ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable);
    }
}
