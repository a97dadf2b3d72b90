using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders.Settings;
using FailbackWorkflows.Server.Api.Runs;
using FailbackWorkflows.Server.Identity;
using Microsoft.AspNetCore.Http.HttpResults;

namespace FailbackWorkflows.Server.Api.SettingsCache;

/// <summary>How the cached settings of a server stand.</summary>
/// <param name="ConfirmedAt">When a recorder last said that these are the active ones.</param>
/// <param name="Age">Time since then, as of this answer.</param>
/// <param name="IsStale">Nobody has confirmed them for five minutes: what was changed since is not known here.</param>
/// <param name="Problem">Why the last look failed; null when it did not.</param>
public sealed record SettingsState(CachedRevision Newest, DateTimeOffset ConfirmedAt, TimeSpan Age, bool IsStale, string? Problem)
{
    internal static SettingsState? From(SettingsAge? age) => age is null ? null : new(age.Newest, age.ConfirmedAt, age.Age, age.IsStale, age.Problem);
}

/// <summary>A part of the history of a server's settings, newest first.</summary>
/// <param name="NextBefore">Give it as <c>before</c> to read on; null at the end.</param>
public sealed record SettingsHistoryPage(IReadOnlyList<CachedRevision> Items, long? NextBefore);

/// <summary>One bundle of the history with its content.</summary>
public sealed record SettingsBundleResponse(CachedRevision Revision, SettingsContent Content);

/// <summary>What differs between two bundles of the history.</summary>
public sealed record SettingsDiffResponse(CachedRevision From, CachedRevision To, IReadOnlyList<SettingsChange> Changes);

/// <summary>Brings earlier settings back.</summary>
/// <param name="Number">Number of the bundle in the history.</param>
/// <param name="RequestId">Made by the caller once; the same id again starts nothing new.</param>
/// <param name="Reason">Why; required, because what records cameras is changed.</param>
public sealed record SettingsRollbackRequest(long? Number, string? RequestId, string? Reason);

internal static class SettingsCacheEndpoints
{
    private const int MostRows = 200;

    public static void MapSettingsCache(this IEndpointRouteBuilder api)
    {
        var settings = api.MapGroup("/servers/{serverId}/settings").WithTags("Settings cache");
        settings.MapGet("", GetStateAsync)
            .RequireAuthorization(Permissions.Read)
            .WithSummary("The newest cached settings of a server's duty: revision, digest, age");
        settings.MapGet("/history", ListAsync)
            .RequireAuthorization(Permissions.Read)
            .WithSummary("The history of a server's settings, newest first");
        // Settings may hold credentials of cameras: whole, they are for those who may change them.
        settings.MapGet("/history/{number}", GetBundleAsync)
            .RequireAuthorization(Permissions.Administer)
            .WithSummary("One bundle of the history with its content");
        settings.MapGet("/diff", DiffAsync)
            .RequireAuthorization(Permissions.Read)
            .WithSummary("What differs between two bundles of the history, as sentences and by field");
        settings.MapPost("/rollback", RollBackAsync)
            .RequireAuthorization(Permissions.Administer)
            .WithSummary("Starts a run that brings an earlier bundle back, all or nothing");
        api.MapGet("/failover-log/{entryId}/settings", GetEntryAsync)
            .WithTags("Failover log")
            .RequireAuthorization(Permissions.Read)
            .WithSummary("What was changed of the settings during a failover, and what a failback overwrites at the failed server");
    }

    private static async Task<Results<Ok<SettingsState>, Problem>> GetStateAsync(string serverId, SettingsAges ages, CancellationToken cancellationToken) =>
        SettingsState.From(await ages.FindAsync(serverId, cancellationToken)) is { } state ? TypedResults.Ok(state) : NoSettings(serverId);

    private static async Task<Results<Ok<SettingsHistoryPage>, Problem>> ListAsync(
        string serverId, ISettingsCache cache, IVmsServers servers, CancellationToken cancellationToken, long? before = null, int take = 50)
    {
        var errors = new FieldErrors();
        errors.Between("take", take, 1, MostRows);
        if (before is < 1)
        {
            errors.Add("before", "It must be 1 or more.");
        }

        if (errors.Any)
        {
            return errors.ToProblem();
        }

        if (await servers.FindAsync(serverId, cancellationToken) is null)
        {
            return UnknownServer();
        }

        var items = await cache.ListAsync(serverId, before, take, cancellationToken);
        return TypedResults.Ok(new SettingsHistoryPage(items, items.Count == take ? items[^1].Number : null));
    }

    private static async Task<Results<Ok<SettingsBundleResponse>, Problem>> GetBundleAsync(
        string serverId, long number, HttpContext context, SettingsHistory history, ViewingTrail viewings, CancellationToken cancellationToken)
    {
        if (await history.FindAsync(serverId, number, cancellationToken) is not { } found)
        {
            return UnknownBundle(serverId);
        }

        await viewings.NoteAsync(context, "read settings", FormattableString.Invariant($"{serverId} {number}"), cancellationToken);
        return TypedResults.Ok(new SettingsBundleResponse(found.Revision, found.Content));
    }

    private static async Task<Results<Ok<SettingsDiffResponse>, Problem>> DiffAsync(
        string serverId, SettingsHistory history, CancellationToken cancellationToken, long? from = null, long? to = null)
    {
        if (await history.CompareAsync(serverId, from, to, cancellationToken) is not { } comparison)
        {
            return UnknownBundle(serverId);
        }

        return TypedResults.Ok(new SettingsDiffResponse(comparison.From, comparison.To, comparison.Changes));
    }

    private static async Task<Results<Accepted<StartedRun>, Problem>> RollBackAsync(
        string serverId, SettingsRollbackRequest request, HttpContext context, StartSettingsRollback start, CancellationToken cancellationToken)
    {
        var errors = new FieldErrors();
        StartedRun.Check(request.RequestId, request.Reason, errors);
        errors.Required("reason", request.Reason, 1000);
        if (request.Number is not >= 1)
        {
            errors.Add("number", "It must be the number of a bundle in the history, 1 or more.");
        }

        if (errors.Any)
        {
            return errors.ToProblem();
        }

        context.Audit(serverId, request.Reason);
        var result = await start.ExecuteAsync(
            new StartSettingsRollbackRequest(serverId, request.Number!.Value, request.RequestId!, CurrentActor.Of(context), request.Reason!.Trim()), cancellationToken);
        return StartedRun.Answer(result, Problems.UnknownServer);
    }

    private static async Task<Results<Ok<EntrySettingsReport>, Problem>> GetEntryAsync(string entryId, IFailoverLog log, EntrySettings settings, CancellationToken cancellationToken) =>
        await log.FindAsync(entryId, cancellationToken) is { } entry
            ? TypedResults.Ok(await settings.ReadAsync(entry, cancellationToken))
            : new Problem(Problems.UnknownEntry, "GET /api/v1/failover-log lists the entries there are.");

    private static Problem UnknownServer() => new(Problems.UnknownServer, "GET /api/v1/servers lists the servers there are.");

    private static Problem NoSettings(string serverId) => new(
        Problems.NoSettings, $"The settings cache holds nothing for '{serverId}'. It is filled when the server is connected and has, or had, its duty; GET /api/v1/servers lists the servers there are.");

    private static Problem UnknownBundle(string serverId) => new(
        Problems.NoSettings, $"The history of the settings of '{serverId}' has no such number. GET /api/v1/servers/{Uri.EscapeDataString(serverId)}/settings/history lists those there are.");
}
