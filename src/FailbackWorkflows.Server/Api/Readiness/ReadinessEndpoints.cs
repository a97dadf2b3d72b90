using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Readiness;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Server.Identity;
using Microsoft.AspNetCore.Http.HttpResults;

namespace FailbackWorkflows.Server.Api.Readiness;

/// <summary>Whether the failback (or, without an open failover log entry, the failover) of a server would be possible: the result of its newest dry run.</summary>
/// <param name="Number">Number of the check that decided against it; null: none, or one before the first step.</param>
/// <param name="Sentence">Why not and what to do: what the run itself would say.</param>
/// <param name="Offer">What may be done instead, as a refused run offers it; null: nothing.</param>
/// <param name="EntryId">Of a failback: the failover log entry.</param>
/// <param name="FailoverServerId">Who has the duty, or would take it over.</param>
/// <param name="Age">Time since the dry run, as of this answer.</param>
/// <param name="ExpiredBecause">What was changed since; empty: the result counts.</param>
/// <param name="NextCheckAt">When the schedule looks again; null: it does not.</param>
/// <param name="TurnedNotReadyAt">Of a server that is not ready and was before, for the same failover: when that was found.</param>
public sealed record ReadinessResponse(
    string ServerId,
    ReadinessKind Kind,
    ReadinessOutcome Outcome,
    int? Number,
    string? Sentence,
    string? Offer,
    string? EntryId,
    string? FailoverServerId,
    IReadOnlyList<ReadinessCheck> Checks,
    DateTimeOffset CheckedAt,
    string CheckedBy,
    TimeSpan Age,
    bool IsExpired,
    IReadOnlyList<ReadinessChange> ExpiredBecause,
    DateTimeOffset? NextCheckAt,
    DateTimeOffset? TurnedNotReadyAt)
{
    internal static ReadinessResponse From(ReadinessResult result, IReadOnlyList<ReadinessChange> changes, DateTimeOffset now) => new(
        result.ServerId,
        result.Kind,
        result.Outcome,
        result.Number,
        result.Sentence,
        result.Offer,
        result.EntryId,
        result.FailoverServerId,
        result.Checks,
        result.CheckedAt,
        result.CheckedBy,
        now > result.CheckedAt ? now - result.CheckedAt : TimeSpan.Zero,
        changes.Count > 0,
        changes,
        result.DueAt,
        result.TurnedNotReadyAt);
}

/// <summary>A part of the newest results, by server id.</summary>
/// <param name="NextAfter">Give it as <c>after</c> to read on; null at the end.</param>
/// <param name="RequestedAt">When somebody asked for a look at all servers last; results from before are still to come.</param>
public sealed record ReadinessPage(IReadOnlyList<ReadinessResponse> Items, string? NextAfter, DateTimeOffset? RequestedAt);

/// <summary>Every server will be looked at.</summary>
/// <param name="RequestedAt">Results from before this are renewed.</param>
public sealed record ReadinessRequested(DateTimeOffset RequestedAt);

/// <summary>Results of dry runs together with what was changed since.</summary>
public sealed class ReadinessViews(IReadinessResults results, ReadinessStamps stamps, IVmsServers servers, TimeProvider time)
{
    /// <summary>The result that counts for a server; null: it was not looked at yet.</summary>
    public async Task<ReadinessResponse?> FindAsync(VmsServer server, CancellationToken cancellationToken)
    {
        var subject = await stamps.ReadAsync(server, cancellationToken);
        return await results.FindAsync(server.Id, subject.Kind, cancellationToken) is { } result ? ReadinessResponse.From(result, subject.ChangesSince(result), time.GetUtcNow()) : null;
    }

    /// <summary>One page of results, and after which server the next one begins; null: there is none. A server that is removed meanwhile is missing and ends nothing.</summary>
    public async Task<(IReadOnlyList<ReadinessResponse> Items, string? NextAfter)> ListAsync(ReadinessQuery query, CancellationToken cancellationToken)
    {
        var page = await results.ListAsync(query, cancellationToken);
        var items = await DescribeAsync(await servers.ListAsync([.. page.Select(result => result.ServerId)], cancellationToken), page, cancellationToken);
        return (items, page.Count == query.Take ? page[^1].ServerId : null);
    }

    /// <summary>The results of all these servers, without their checks, by server.</summary>
    public async Task<IReadOnlyDictionary<string, ReadinessResponse>> ListAsync(IReadOnlyList<VmsServer> of, CancellationToken cancellationToken) =>
        (await DescribeAsync(of, await results.ListSummariesAsync([.. of.Select(server => server.Id)], cancellationToken), cancellationToken)).ToDictionary(item => item.ServerId);

    /// <summary>Servers that were ready and are not any more, the latest first, with their names; and how many there are.</summary>
    public async Task<(IReadOnlyList<(string Name, ReadinessResponse Readiness)> Latest, int Count)> ListTurnedNotReadyAsync(int take, CancellationToken cancellationToken)
    {
        var (latest, count) = await results.ListTurnedNotReadyAsync(take, cancellationToken);
        var found = await servers.ListAsync([.. latest.Select(result => result.ServerId)], cancellationToken);
        var names = found.ToDictionary(server => server.Id, server => server.Name);
        return ([.. (await DescribeAsync(found, latest, cancellationToken)).Select(one => (names[one.ServerId], one))], count);
    }

    private async Task<IReadOnlyList<ReadinessResponse>> DescribeAsync(IReadOnlyList<VmsServer> of, IReadOnlyList<ReadinessResult> found, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var looked = found.Select(result => result.ServerId).ToHashSet(StringComparer.Ordinal);
        var subjects = (await stamps.ReadAsync([.. of.Where(server => looked.Contains(server.Id))], cancellationToken)).ToDictionary(subject => subject.Server.Id);
        return
        [
            .. from result in found
               where subjects.ContainsKey(result.ServerId)
               select ReadinessResponse.From(result, subjects[result.ServerId].ChangesSince(result), now),
        ];
    }
}

internal static class ReadinessEndpoints
{
    private const int MostPerPage = 200;

    public static void MapReadiness(this IEndpointRouteBuilder api)
    {
        var one = api.MapGroup("/servers/{serverId}/readiness").WithTags("Readiness");
        one.MapGet("", GetAsync)
            .RequireAuthorization(Permissions.Read)
            .WithSummary("Whether the server's failback or failover would be possible, as last looked at");
        one.MapPost("", CheckAsync)
            .RequireAuthorization(Permissions.Operate)
            .WithSummary("Runs every check of the server's failback or failover now, without changing anything");
        var all = api.MapGroup("/readiness").WithTags("Readiness");
        all.MapGet("", ListAsync)
            .RequireAuthorization(Permissions.Read)
            .WithSummary("The newest results of all servers, by server id");
        all.MapPost("", CheckAllAsync)
            .RequireAuthorization(Permissions.Operate)
            .WithSummary("Has every server looked at, a few at a time");
    }

    private static async Task<Results<Ok<ReadinessResponse>, Problem>> GetAsync(string serverId, IVmsServers servers, ReadinessViews views, CancellationToken cancellationToken)
    {
        if (await servers.FindAsync(serverId, cancellationToken) is not { } server)
        {
            return Unknown();
        }

        return await views.FindAsync(server, cancellationToken) is { } readiness
            ? TypedResults.Ok(readiness)
            : new Problem(Problems.NotCheckedYet, $"Nobody has looked yet whether '{serverId}' is ready. The schedule does; POST /api/v1/servers/{Uri.EscapeDataString(serverId)}/readiness does it now.");
    }

    private static async Task<Results<Ok<ReadinessResponse>, Problem>> CheckAsync(
        string serverId, HttpContext context, CheckReadiness check, IVmsServers servers, ReadinessViews views, CancellationToken cancellationToken)
    {
        context.Audit(serverId);
        return await check.ExecuteAsync(serverId, CurrentActor.Of(context), cancellationToken) is not null
            && await servers.FindAsync(serverId, cancellationToken) is { } server
            && await views.FindAsync(server, cancellationToken) is { } readiness
            ? TypedResults.Ok(readiness)
            : Unknown();
    }

    private static async Task<Results<Ok<ReadinessPage>, Problem>> ListAsync(
        ReadinessViews views, CheckReadinessOfAll all, CancellationToken cancellationToken, string? kind = null, string? outcome = null, string? after = null, int take = 50)
    {
        var errors = new FieldErrors();
        errors.Between("take", take, 1, MostPerPage);
        errors.Optional("after", after, 64);
        var ofKind = Read<ReadinessKind>("kind", kind, errors);
        var ofOutcome = Read<ReadinessOutcome>("outcome", outcome, errors);
        if (errors.Any)
        {
            return errors.ToProblem();
        }

        var (items, nextAfter) = await views.ListAsync(new ReadinessQuery(ofKind, ofOutcome, after, take), cancellationToken);
        return TypedResults.Ok(new ReadinessPage(items, nextAfter, (await all.FindRequestAsync(cancellationToken))?.At));
    }

    private static async Task<Accepted<ReadinessRequested>> CheckAllAsync(HttpContext context, CheckReadinessOfAll all, CancellationToken cancellationToken)
    {
        context.Audit("all servers");
        var request = await all.RequestAsync(CurrentActor.Of(context), cancellationToken);
        return TypedResults.Accepted("/api/v1/readiness", new ReadinessRequested(request.At));
    }

    /// <summary>A word of an enumeration as the API writes it; null: left out.</summary>
    private static T? Read<T>(string field, string? text, FieldErrors errors)
        where T : struct, Enum
    {
        if (text is null)
        {
            return null;
        }

        if (Enum.TryParse<T>(text, ignoreCase: true, out var value) && text.All(char.IsAsciiLetter))
        {
            return value;
        }

        errors.Add(field, $"It must be one of {string.Join(", ", Enum.GetNames<T>().Select(name => char.ToLowerInvariant(name[0]) + name[1..]))}.");
        return null;
    }

    private static Problem Unknown() => new(Problems.UnknownServer, "GET /api/v1/servers lists the servers there are.");
}
