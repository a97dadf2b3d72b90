using System.Text.Json;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.ReferenceRecorder.Commands;
using FailbackWorkflows.ReferenceRecorder.Retention;
using FailbackWorkflows.ReferenceRecorder.Storage;

namespace FailbackWorkflows.ReferenceRecorder.Access;

/// <summary>Credentials with which another recorder reads one identity and period.</summary>
public static class ReadTokenEndpoints
{
    public static void MapReadTokens(this IEndpointRouteBuilder routes)
    {
        routes.MapPut("/v1/read-tokens/{tokenId}", async (HttpContext context, CommandGate gate, RecorderStore store) =>
        {
            var tokenId = TokenId(context);
            var (body, hash) = await RequestReader.ReadAsync<ReadTokenRequest>(context);
            RequestReader.CheckName(body.Identity, "identity");
            RequestReader.CheckText(body.Reason, "reason", HoldStore.LongestReason);
            if (body.ToUtc <= body.FromUtc || body.Generation < 1)
            {
                throw Refusal.Malformed("The end must lie after the start, and the generation must be 1 or more.");
            }

            await gate.RunForTaskAsync(
                context,
                body.Identity,
                tokenId,
                hash,
                (sql, _) =>
                {
                    ReadTokenStore.Put(sql, tokenId, body);
                    return Answer.Ok(new ReadToken(tokenId, body.Identity, body.FromUtc, body.ToUtc, body.Generation, Token: ""));
                },
                answer => Complete(answer, store));
        }).Accepts<ReadTokenRequest>("application/json").Produces<ReadToken>().WithName("issueReadToken").WithSummary("Issues a credential that reads one identity and period; the same content gives the same one.");

        routes.MapDelete("/v1/read-tokens/{tokenId}", async (HttpContext context, CommandGate gate, RecorderStore store) =>
        {
            var tokenId = TokenId(context);
            var identity = RequestReader.CheckName(context.Request.Query["identity"].ToString(), "query value 'identity'");
            await gate.RunForTaskAsync(context, identity, tokenId, RequestReader.HashWithoutBody(context), (sql, _) =>
                Answer.Ok(new RevokedReadToken(tokenId, ReadTokenStore.Revoke(sql, tokenId, identity, store.Time.GetUtcNow()))));
        }).Produces<RevokedReadToken>().WithName("revokeReadToken").WithSummary("Ends a credential; harmless when there is none.");
    }

    /// <summary>What is remembered under the key has no token: it is derived again for every answer.</summary>
    private static Answer Complete(Answer answer, RecorderStore store)
    {
        if (answer.Status != StatusCodes.Status200OK)
        {
            return answer;
        }

        var token = JsonSerializer.Deserialize<ReadToken>(answer.Body, RecorderJson.Options)!;
        var secret = ReadTokenStore.Derive(store.MachineSecret, token.TokenId, token.Identity, token.FromUtc, token.ToUtc, token.Generation);
        return answer with { Body = JsonSerializer.Serialize(token with { Token = secret }, RecorderJson.Options) };
    }

    private static string TokenId(HttpContext context) =>
        context.Request.RouteValues["tokenId"] is string id && Names.IsItem(id) ? id : throw Refusal.Malformed($"The token id is not one. {Names.ItemRule}");
}

/// <summary>Answer of <c>DELETE /v1/read-tokens/{tokenId}</c>.</summary>
/// <param name="Revoked">False: there was none, or it had been ended before.</param>
public sealed record RevokedReadToken(string TokenId, bool Revoked);
