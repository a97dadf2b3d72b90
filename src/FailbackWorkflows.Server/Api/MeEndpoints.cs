using System.Security.Claims;
using FailbackWorkflows.Server.Identity;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Http.HttpResults;

namespace FailbackWorkflows.Server.Api;

/// <summary>Who is signed in.</summary>
/// <param name="Kind"><c>user</c> or <c>apiKey</c>.</param>
/// <param name="AntiforgeryToken">To be sent back in the header <c>X-Antiforgery-Token</c> with every change; null for API keys and tokens, which need none.</param>
public sealed record MeResponse(string Id, string Name, string Kind, IReadOnlyList<string> Roles, IReadOnlyList<string> Permissions, string? AntiforgeryToken);

internal static class MeEndpoints
{
    public static void MapMe(this IEndpointRouteBuilder api) => api.MapGet("/me", Get)
        .RequireAuthorization(Permissions.OwnAccount)
        .WithTags("Account")
        .WithSummary("Who is signed in, with which roles, and the anti-forgery token for a browser");

    private static Ok<MeResponse> Get(HttpContext context, IAntiforgery antiforgery)
    {
        var actor = CurrentActor.Of(context);
        var isKey = CurrentActor.IsApiKey(context.User);
        return TypedResults.Ok(new MeResponse(
            actor.Id,
            actor.Name,
            isKey ? "apiKey" : "user",
            [.. context.User.FindAll(ClaimTypes.Role).Select(claim => claim.Value)],
            [.. Permissions.ByName.Keys.Where(context.User.May)],
            CurrentActor.IsByHeader(context.User) ? null : antiforgery.GetAndStoreTokens(context).RequestToken));
    }
}
