using System.Diagnostics.CodeAnalysis;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.AutomaticFailback;
using FailbackWorkflows.Failback.Failover;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Obligations;
using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Server.Api.Runs;
using FailbackWorkflows.Server.Identity;
using Microsoft.AspNetCore.Http.HttpResults;

namespace FailbackWorkflows.Server.Api.FailoverLog;

/// <summary>An entry as clients see it: as it is stored, and what somebody must do about it at once.</summary>
public sealed record FailoverLogItem : FailoverLogEntry
{
    [SetsRequiredMembers]
    internal FailoverLogItem(FailoverLogEntry entry, EntryAlert? alert, int openObligations)
        : base(entry)
    {
        Alert = alert;
        OpenObligations = openObligations;
    }

    /// <summary>As things stand now; null when there is nothing to be done.</summary>
    public EntryAlert? Alert { get; }

    /// <summary>How many things recorders must still be told about it (<c>GET /api/v1/obligations?entry=…</c>); more than none is the badge <em>debt unreachable</em>.</summary>
    public int OpenObligations { get; }
}

/// <summary>One page of the failover log, newest failover first.</summary>
/// <param name="NextBefore">Give it as <c>before</c> to read on; null at the end.</param>
public sealed record FailoverLogPage(IReadOnlyList<FailoverLogItem> Items, string? NextBefore);

/// <summary>A failover that another system has done.</summary>
/// <param name="ExternalId">Its id there; reporting it again answers with the same entry.</param>
public sealed record ReportFailoverRequest(
    string? ExternalId,
    string? FailedServerId,
    string? FailoverServerId,
    DateTimeOffset? StartedAt = null,
    string? Reason = null);

/// <summary>A failover that was reported: its entry, or the run that is about to write it.</summary>
/// <param name="Entry">Null until the run has written it.</param>
public sealed record ReportedFailover(string EntryId, string? RunId, FailoverLogEntry? Entry, IReadOnlyDictionary<string, string> Links);

/// <summary>Starts the failback of an entry.</summary>
/// <param name="RequestId">Made by the caller once; the same id again starts nothing new.</param>
/// <param name="OverrideMaintenance">Start although maintenance mode is on. Needs the role administrator and a reason.</param>
/// <param name="WithoutFailoverServer">Confirms that the failback shall go on although the failover server does not answer; then a reason is required.</param>
public sealed record FailbackRequest(string? RequestId, string? Reason = null, bool OverrideMaintenance = false, bool WithoutFailoverServer = false);

/// <summary>Whether an entry is failed back by itself, and how its attempts went.</summary>
/// <param name="Sentence">Why or why not, as things stand now.</param>
/// <param name="NextAt">When the next attempt may begin; null: now, or not by time.</param>
/// <param name="Attempts">Attempts that have ended.</param>
public sealed record AutomaticFailbackResponse(
    AutomaticVerdict Verdict,
    string Sentence,
    DateTimeOffset? NextAt,
    int Attempts,
    string? RunId,
    string? LastRunId,
    DateTimeOffset? LastEndedAt,
    string? LastMessage,
    DateTimeOffset? RefusedAt);

internal static class FailoverLogEndpoints
{
    private const int MostEntries = 200;

    public static void MapFailoverLog(this IEndpointRouteBuilder api)
    {
        var log = api.MapGroup("/failover-log").WithTags("Failover log");
        log.MapGet("", ListAsync)
            .RequireAuthorization(Permissions.Read)
            .WithSummary("The failover log, newest first: active, finalized or all, optionally of one server and of a period (since is part of it, until is not)");
        log.MapGet("/{entryId}", GetAsync)
            .RequireAuthorization(Permissions.Read)
            .WithSummary("One failover log entry");
        log.MapPost("", ReportAsync)
            .RequireAuthorization(Permissions.Operate)
            .WithSummary("Reports a failover that another system has done; once per external id");
        log.MapPost("/{entryId}/failback", StartFailbackAsync)
            .RequireAuthorization(Permissions.Operate)
            .WithSummary("Starts the failback of an entry");
        log.MapGet("/{entryId}/automatic-failback", GetAutomaticAsync)
            .RequireAuthorization(Permissions.Read)
            .WithSummary("Whether the entry is failed back by itself now, why or why not, and how its attempts went");
    }

    private static async Task<Results<Ok<FailoverLogPage>, Problem>> ListAsync(
        IFailoverLog log,
        EntryAlerts alerts,
        IObligations obligations,
        CancellationToken cancellationToken,
        string view = "all",
        string? server = null,
        string? before = null,
        DateTimeOffset? since = null,
        DateTimeOffset? until = null,
        int take = 50)
    {
        var errors = new FieldErrors();
        errors.Between("take", take, 1, MostEntries);
        errors.Optional("server", server, 64);
        errors.Optional("before", before, 128);
        var isView = Enum.TryParse<FailoverLogView>(view, ignoreCase: true, out var half) && view.All(char.IsAsciiLetter);
        if (!isView)
        {
            errors.Add("view", "It must be active, finalized or all.");
        }

        if (errors.Any)
        {
            return errors.ToProblem();
        }

        var items = await log.ListAsync(Query(), cancellationToken);
        var now = (await alerts.ListAsync(cancellationToken)).ToDictionary(alert => alert.EntryId);
        var owed = (await obligations.ListOpenAsync(cancellationToken)).ToLookup(o => o.EntryId);
        return TypedResults.Ok(new FailoverLogPage(
            [.. items.Select(entry => new FailoverLogItem(entry, now.GetValueOrDefault(entry.Id), owed[entry.Id].Count()))],
            items.Count == take ? items[^1].Id : null));

        FailoverLogQuery Query() => new(half)
        {
            Before = NullIfEmpty(before),
            Take = take,
            ServerIds = NullIfEmpty(server) is { } named ? [named] : null,
            Since = since?.ToUniversalTime(),
            Until = until?.ToUniversalTime(),
        };
    }

    private static async Task<Results<Ok<FailoverLogItem>, Problem>> GetAsync(
        string entryId, IFailoverLog log, EntryAlerts alerts, IObligations obligations, CancellationToken cancellationToken) =>
        await log.FindAsync(entryId, cancellationToken) is { } entry
            ? TypedResults.Ok(new FailoverLogItem(
                entry,
                await alerts.FindAsync(entry, cancellationToken),
                (await obligations.ListOfEntryAsync(entry.Id, cancellationToken)).Count(o => o.SettledAt is null)))
            : new Problem(Problems.UnknownEntry, "GET /api/v1/failover-log lists the entries there are.");

    private static async Task<Results<Accepted<ReportedFailover>, Ok<ReportedFailover>, Problem>> ReportAsync(
        ReportFailoverRequest request,
        HttpContext context,
        StartFailover start,
        IFailoverLog log,
        TimeProvider time,
        CancellationToken cancellationToken)
    {
        var errors = new FieldErrors();
        errors.Required("externalId", request.ExternalId, 128);
        errors.Required("failedServerId", request.FailedServerId, 64);
        errors.Required("failoverServerId", request.FailoverServerId, 64);
        errors.Optional("reason", request.Reason, 1000);
        if (request.StartedAt > time.GetUtcNow().AddMinutes(5))
        {
            errors.Add("startedAt", "It lies in the future. Check the clock of the reporting system.");
        }

        if (errors.Any)
        {
            return errors.ToProblem();
        }

        context.Audit(request.ExternalId, request.Reason);
        var result = await start.ExecuteAsync(
            new StartFailoverRequest(
                request.FailedServerId!,
                request.FailoverServerId!,
                request.ExternalId!,
                CurrentActor.Of(context),
                request.Reason,
                request.ExternalId,
                AlreadyPerformed: true,
                request.StartedAt),
            cancellationToken);
        if (result is not { Outcome: StartRunOutcome.Started or StartRunOutcome.AlreadyStarted, EntryId: { } entryId })
        {
            return StartedRun.Refusal(result, Problems.UnknownServer);
        }

        var links = result.RunId is { } runId ? RunLinks.Of(runId, entryId) : new Dictionary<string, string> { ["entry"] = RunLinks.Entry(entryId) };
        var reported = new ReportedFailover(entryId, result.RunId, await log.FindAsync(entryId, cancellationToken), links);
        return result.Outcome == StartRunOutcome.AlreadyStarted
            ? TypedResults.Ok(reported)
            : TypedResults.Accepted(RunLinks.Entry(entryId), reported);
    }

    private static async Task<Results<Accepted<StartedRun>, Problem>> StartFailbackAsync(
        string entryId,
        FailbackRequest request,
        HttpContext context,
        StartFailback start,
        CancellationToken cancellationToken)
    {
        var errors = new FieldErrors();
        StartedRun.Check(request.RequestId, request.Reason, errors);
        if (request.OverrideMaintenance)
        {
            errors.Required("reason", request.Reason, 1000);
        }

        if (errors.Any)
        {
            return errors.ToProblem();
        }

        context.Audit(entryId, request.OverrideMaintenance ? AuditExtensions.OverridingMaintenance(request.Reason) : request.Reason).Which = request.WithoutFailoverServer ? "withoutFailoverServer=true" : null;
        if (request.OverrideMaintenance && !context.User.May(Permissions.OverrideMaintenance))
        {
            return new Problem(Problems.NotAllowed, $"Overriding maintenance mode needs the role {Permissions.RolesText(Permissions.OverrideMaintenance)}.");
        }

        var result = await start.ExecuteAsync(
            new StartFailbackRequest(entryId, request.RequestId!, CurrentActor.Of(context), request.Reason, request.OverrideMaintenance, request.WithoutFailoverServer),
            cancellationToken);
        return StartedRun.Answer(result, Problems.UnknownEntry);
    }

    private static async Task<Results<Ok<AutomaticFailbackResponse>, Problem>> GetAutomaticAsync(
        string entryId, IFailoverLog log, AutomaticFailbackCheck check, CancellationToken cancellationToken)
    {
        if (await log.FindAsync(entryId, cancellationToken) is not { } entry)
        {
            return new Problem(Problems.UnknownEntry, "GET /api/v1/failover-log lists the entries there are.");
        }

        var decision = await check.DecideAsync(entry, null, cancellationToken);
        var state = decision.State;
        return TypedResults.Ok(new AutomaticFailbackResponse(
            decision.Verdict, decision.Sentence, decision.NextAt, state?.Attempts ?? 0, state?.RunId, state?.LastRunId, state?.LastEndedAt, state?.LastMessage, state?.RefusedAt));
    }

    private static string? NullIfEmpty(string? text) => string.IsNullOrEmpty(text) ? null : text;
}
