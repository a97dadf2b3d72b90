using System.Security.Cryptography;
using System.Text;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.ReferenceRecorder.Commands;

namespace FailbackWorkflows.ReferenceRecorder.Access;

/// <summary>Nobody gets past here without the token, known route or not; only <c>/health/live</c> is open.</summary>
public static class BearerTokens
{
    public const string OpenPath = "/health/live";

    public static void UseBearerToken(this IApplicationBuilder app, string token)
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

            context.Response.Headers.WWWAuthenticate = "Bearer";
            return Answer.Problem(
                StatusCodes.Status401Unauthorized,
                RecorderProblems.Unauthorized,
                "The credential is missing or not the one this recorder was started with. Check the recorder's credential in the management server.").WriteAsync(context);
        });
    }
}
