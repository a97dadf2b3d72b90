using System.Security.Cryptography;
using System.Text;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.ReferenceRecorder.Commands;
using FailbackWorkflows.ReferenceRecorder.Storage;

namespace FailbackWorkflows.ReferenceRecorder.Access;

/// <summary>
/// Nobody gets past here without the recorder's token or a read token, known route or not; only <c>/health/live</c> is open. What a read
/// token opens is judged in <see cref="ReadGrants"/>, when the route is known.
/// </summary>
public static class BearerTokens
{
    public const string OpenPath = "/health/live";

    public static void UseBearerToken(this IApplicationBuilder app, string token, RecorderStore store)
    {
        // Digests have one length, so comparing them takes the same time whatever was sent.
        var expected = SHA256.HashData(Encoding.UTF8.GetBytes("Bearer " + token));
        app.Use((context, next) =>
        {
            var shown = SHA256.HashData(Encoding.UTF8.GetBytes(context.Request.Headers.Authorization.ToString()));
            if (context.Request.Path == OpenPath || CryptographicOperations.FixedTimeEquals(shown, expected))
            {
                return next(context);
            }

            if (ReadTokenStore.Recognise(store, context.Request.Headers.Authorization.ToString()) is { } grant)
            {
                context.Features.Set(grant);
                return next(context);
            }

            context.Response.Headers.WWWAuthenticate = "Bearer";
            return Answer.Problem(
                StatusCodes.Status401Unauthorized,
                RecorderProblems.Unauthorized,
                "The credential is missing, not the one this recorder was started with, or a read token that is not valid any more. Check the recorder's credential in the management server, or have the read token issued again.").WriteAsync(context);
        });
    }
}
