using System.Globalization;
using FailbackWorkflows.Failback.Changes;
using FailbackWorkflows.Server.Hosting;
using FailbackWorkflows.Server.Identity;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.Options;

namespace FailbackWorkflows.Server.Api.Changes;

/// <summary>A change as clients see it. It says what changed; the new content is read from the thing itself.</summary>
/// <param name="Cursor">Its place in the feed; give it as <c>after</c> to read on.</param>
public sealed record ChangeItem(long Cursor, string Kind, string? Subject, string? Text, DateTimeOffset? At);

/// <summary>A part of the feed, oldest first.</summary>
public sealed record ChangePage(IReadOnlyList<ChangeItem> Items, long NextAfter);

internal static class ChangeEndpoints
{
    public static void MapChanges(this IEndpointRouteBuilder api) => api.MapGet("/changes", ReadAsync)
        .RequireAuthorization(Permissions.Read)
        .WithTags("Changes")
        .WithSummary("What changes, as server-sent events (resume with Last-Event-ID or ?after=), or as a page of JSON with Accept: application/json");

    private static async Task<Results<ServerSentEventsResult<ChangeItem>, Ok<ChangePage>, Problem>> ReadAsync(
        HttpContext context,
        IChangeFeed feed,
        SharedReads reads,
        IOptions<ServerOptions> options,
        IHostApplicationLifetime lifetime,
        StandingAuthorization standing,
        TimeProvider time,
        CancellationToken cancellationToken,
        long? after = null,
        int take = 200)
    {
        var errors = new FieldErrors();
        errors.Between("take", take, 1, 1000);
        if (after < 0)
        {
            errors.Add("after", "It must be 0 or more.");
        }

        // A browser that reconnects repeats the address with its old ?after= and says in the header how far it really came.
        var resumeAfter = after;
        if (context.Request.Headers["Last-Event-ID"].ToString() is { Length: > 0 } lastEventId)
        {
            if (long.TryParse(lastEventId, NumberStyles.None, CultureInfo.InvariantCulture, out var cursor))
            {
                resumeAfter = cursor;
            }
            else
            {
                errors.Add("Last-Event-ID", "It must be the id of an event of this feed.");
            }
        }

        if (errors.Any)
        {
            return errors.ToProblem();
        }

        if (WantsJson(context.Request))
        {
            var items = await feed.ReadAsync(resumeAfter ?? 0, take, cancellationToken);
            return TypedResults.Ok(new ChangePage([.. items.Select(ChangeStream.ToItem)], items.Count == 0 ? resumeAfter ?? 0 : items[^1].Cursor));
        }

        // Proxies must pass events on at once.
        context.Response.Headers["X-Accel-Buffering"] = "no";
        var stream = new ChangeStream(
            feed, reads, time, options.Value.FeedHeartbeat, token => standing.MayAsync(context.User, Permissions.Read, token), lifetime.ApplicationStopping);
        return TypedResults.ServerSentEvents(stream.ReadAsync(resumeAfter, cancellationToken));
    }

    private static bool WantsJson(HttpRequest request)
    {
        var accept = request.Headers.Accept.ToString();
        return accept.Contains("application/json", StringComparison.OrdinalIgnoreCase)
            && !accept.Contains("text/event-stream", StringComparison.OrdinalIgnoreCase);
    }
}
