using System.Security.Claims;
using System.Text.Encodings.Web;
using FailbackWorkflows.Persistence.Identity;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.Options;
using Microsoft.Net.Http.Headers;

namespace FailbackWorkflows.Server.Identity;

/// <summary>Signs in machines by <c>Authorization: Bearer fbk_…</c> or <c>X-Api-Key</c>. A key that is sent but not valid signs in nobody, whatever cookie comes with it.</summary>
internal sealed class ApiKeyHandler(
    IOptionsMonitor<AuthenticationSchemeOptions> options,
    ILoggerFactory logger,
    UrlEncoder encoder,
    IApiKeys keys,
    TimeProvider time)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    public new const string Scheme = "ApiKey";

    /// <summary>Longer values are no keys of ours and are not worth hashing.</summary>
    private const int MostCharacters = 256;

    public static bool IsPresent(HttpRequest request) => Read(request) is not null;

    protected override async Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        if (Read(Request) is not { } presented)
        {
            return AuthenticateResult.NoResult();
        }

        if (presented.Length is 0 or > MostCharacters
            || await keys.FindByHashAsync(ApiKeySecrets.Hash(presented), Context.RequestAborted) is not { } key
            || !ApiKeySecrets.IsSame(presented, key.Sha256)
            || key.RevokedAt is not null
            || key.ExpiresAt <= time.GetUtcNow())
        {
            return AuthenticateResult.Fail("The API key is unknown, expired or revoked.");
        }

        var identity = new ClaimsIdentity(
            [
                new Claim(ClaimTypes.NameIdentifier, key.Id),
                new Claim(ClaimTypes.Name, key.Name),
                new Claim(ClaimTypes.Role, key.Role),
            ],
            Scheme);
        return AuthenticateResult.Success(new AuthenticationTicket(new ClaimsPrincipal(identity), Scheme));
    }

    protected override Task HandleChallengeAsync(AuthenticationProperties properties) => Api.Problems.ForStatus(401).ExecuteAsync(Context);

    protected override Task HandleForbiddenAsync(AuthenticationProperties properties) => Api.Problems.ForStatus(403).ExecuteAsync(Context);

    private static string? Read(HttpRequest request)
    {
        if (request.Headers.TryGetValue("X-Api-Key", out var key))
        {
            return key.ToString().Trim();
        }

        const string prefix = "Bearer ";
        var authorization = request.Headers[HeaderNames.Authorization].ToString();
        return authorization.StartsWith(prefix, StringComparison.OrdinalIgnoreCase) ? authorization[prefix.Length..].Trim() : null;
    }
}
