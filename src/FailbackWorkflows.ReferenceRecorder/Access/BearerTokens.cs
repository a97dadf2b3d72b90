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
        Recognised? last = null;
        app.Use((context, next) =>
        {
            var shown = SHA256.HashData(Encoding.UTF8.GetBytes(context.Request.Headers.Authorization.ToString()));
            if (context.Request.Path == OpenPath || CryptographicOperations.FixedTimeEquals(shown, expected))
            {
                return next(context);
            }

            // A copy shows the same token thousands of times a second. It is looked up again after every commit, which may have ended it.
            var commits = store.Commits;
            var known = last;
            var grant = known?.Commits == commits && CryptographicOperations.FixedTimeEquals(shown, known.Shown)
                ? known.Grant
                : ReadTokenStore.Recognise(store, context.Request.Headers.Authorization.ToString());
            if (grant is not null)
            {
                last = ReferenceEquals(known?.Grant, grant) ? known : new Recognised(shown, commits, grant);
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

    /// <param name="Shown">Digest of the header.</param>
    /// <param name="Commits">Of the store, before the token was looked up.</param>
    private sealed record Recognised(byte[] Shown, long Commits, ReadGrant Grant);
}
