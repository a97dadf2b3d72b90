using FailbackWorkflows.Recorders;
using FailbackWorkflows.ReferenceRecorder.Commands;

namespace FailbackWorkflows.ReferenceRecorder.Access;

/// <summary>What the caller's read token lets it read: one identity and period. A caller with the recorder's own token has no grant and no such bounds.</summary>
public sealed record ReadGrant(string TokenId, string Identity, DateTimeOffset From, DateTimeOffset To)
{
    /// <summary>Null: the caller may read everything.</summary>
    public static ReadGrant? Of(HttpContext context) => context.Features.Get<ReadGrant>();

    /// <exception cref="Refusal">The caller may not read this identity.</exception>
    public static void Check(HttpContext context, string? identity)
    {
        if (Of(context) is { } grant && grant.Identity != identity)
        {
            throw Refused(grant);
        }
    }

    /// <summary>The range to read. A bound that is left out is the grant's own; one beyond the grant is refused, because a shorter list would look complete.</summary>
    /// <exception cref="Refusal">The caller may not read all of the range.</exception>
    public static (DateTimeOffset? From, DateTimeOffset? To) Bound(HttpContext context, DateTimeOffset? from, DateTimeOffset? to)
    {
        if (Of(context) is not { } grant)
        {
            return (from, to);
        }

        return from < grant.From || to > grant.To ? throw Refused(grant) : (from ?? grant.From, to ?? grant.To);
    }

    /// <exception cref="Refusal">The caller may not read a piece with these times.</exception>
    public static void CheckOverlap(HttpContext context, DateTimeOffset from, DateTimeOffset to)
    {
        if (Of(context) is { } grant && (to <= grant.From || from >= grant.To))
        {
            throw Refused(grant);
        }
    }

    internal static Refusal Refused(ReadGrant grant) => Refusal.Forbidden(
        $"The credential reads material of '{grant.Identity}' from {RecorderJson.FormatInstant(grant.From)} to {RecorderJson.FormatInstant(grant.To)} and nothing else. Use one that was issued for this.");
}

/// <summary>Marks a route that a read token opens.</summary>
internal sealed class AllowsReadToken;

/// <summary>Keeps read tokens to the routes that were opened to them, whatever routes are added later.</summary>
public static class ReadGrants
{
    /// <summary>A read token may GET and HEAD this; the route itself checks identity and period.</summary>
    public static TBuilder AllowReadToken<TBuilder>(this TBuilder route)
        where TBuilder : IEndpointConventionBuilder => route.WithMetadata(new AllowsReadToken());

    /// <summary>To be placed after routing.</summary>
    public static void UseReadGrants(this IApplicationBuilder app) => app.Use((context, next) =>
    {
        var isReading = HttpMethods.IsGet(context.Request.Method) || HttpMethods.IsHead(context.Request.Method);
        return ReadGrant.Of(context) is { } grant && !(isReading && context.GetEndpoint()?.Metadata.GetMetadata<AllowsReadToken>() is not null)
            ? throw ReadGrant.Refused(grant)
            : next(context);
    });
}
