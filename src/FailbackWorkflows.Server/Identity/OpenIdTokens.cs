using System.Globalization;
using System.Security.Claims;
using System.Text.Json;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.Tokens;
using Microsoft.Net.Http.Headers;

namespace FailbackWorkflows.Server.Identity;

/// <summary>
/// Signs in by <c>Authorization: Bearer eyJ…</c>, a token of the site's identity provider. Signature, issuer, audience and time are checked as
/// RFC 8725 asks; only signatures by a private key count, so nobody can sign with what the provider publishes.
/// </summary>
internal static class OpenIdTokens
{
    public const string Scheme = "OpenId";
    private const string Away = "identity provider away";
    private static readonly TimeSpan Tolerance = TimeSpan.FromSeconds(30);
    private static readonly string[] Algorithms =
    [
        SecurityAlgorithms.RsaSha256, SecurityAlgorithms.RsaSha384, SecurityAlgorithms.RsaSha512,
        SecurityAlgorithms.RsaSsaPssSha256, SecurityAlgorithms.RsaSsaPssSha384, SecurityAlgorithms.RsaSsaPssSha512,
        SecurityAlgorithms.EcdsaSha256, SecurityAlgorithms.EcdsaSha384, SecurityAlgorithms.EcdsaSha512,
    ];

    /// <summary>A JWT begins with the base64 of <c>{"</c>; no API key does.</summary>
    public static bool IsPresent(HttpRequest request) => request.Headers[HeaderNames.Authorization].ToString().StartsWith("Bearer eyJ", StringComparison.OrdinalIgnoreCase);

    public static bool WasProviderAway(HttpContext context) => context.Items.ContainsKey(Away);

    /// <summary>When the token that signed in ends.</summary>
    public static DateTimeOffset EndOf(ClaimsPrincipal principal) =>
        long.TryParse(principal.FindFirstValue("exp"), NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) ? DateTimeOffset.FromUnixTimeSeconds(seconds) : DateTimeOffset.MinValue;

    public static void Add(AuthenticationBuilder schemes, OpenIdProviderOptions provider)
    {
        schemes.AddJwtBearer(Scheme, _ => { });
        schemes.Services.AddOptions<JwtBearerOptions>(Scheme).Configure<TimeProvider>((jwt, time) => Configure(jwt, provider, time));
    }

    private static void Configure(JwtBearerOptions jwt, OpenIdProviderOptions provider, TimeProvider time)
    {
        jwt.Authority = provider.Authority!.ToString();
        jwt.RequireHttpsMetadata = provider.Authority.Scheme == Uri.UriSchemeHttps;
        jwt.MapInboundClaims = false;
        jwt.TokenValidationParameters = new TokenValidationParameters
        {
            AuthenticationType = Scheme,
            ValidAudience = provider.Audience,
            ValidAlgorithms = Algorithms,
            RequireSignedTokens = true,
            RequireExpirationTime = true,
            LifetimeValidator = (from, until, _, _) => IsNow(from, until, time.GetUtcNow()),
        };
        jwt.Events = new JwtBearerEvents
        {
            OnTokenValidated = context => AcceptAsync(context, provider),
            OnAuthenticationFailed = NoteFailureAsync,
            OnChallenge = async context =>
            {
                context.HandleResponse();
                await Api.Problems.ForStatus(401).ExecuteAsync(context.HttpContext);
            },
            OnForbidden = context => Api.Problems.ForStatus(403).ExecuteAsync(context.HttpContext),
        };
    }

    private static bool IsNow(DateTime? from, DateTime? until, DateTimeOffset now) =>
        (from is not { } start || start <= (now + Tolerance).UtcDateTime) && until is { } end && end > (now - Tolerance).UtcDateTime;

    /// <summary>Somebody of the token's subject, with our names for the roles; nothing else of the token counts.</summary>
    private static Task AcceptAsync(TokenValidatedContext context, OpenIdProviderOptions provider)
    {
        var token = context.Principal!;
        if (token.FindFirstValue("sub") is not { Length: > 0 and <= 256 } subject || token.FindFirstValue("exp") is not { } end)
        {
            context.Fail("The token has no subject or no end.");
            return Task.CompletedTask;
        }

        var name = token.FindFirstValue(provider.NameClaim) is { Length: > 0 and <= 256 } given ? given : subject;
        context.Principal = new ClaimsPrincipal(new ClaimsIdentity(
            [
                new Claim(ClaimTypes.NameIdentifier, subject),
                new Claim(ClaimTypes.Name, name),
                new Claim("exp", end),
                .. provider.RolesOf(RolesIn(token, provider.RoleClaim)).Select(role => new Claim(ClaimTypes.Role, role)),
            ],
            Scheme));
        return Task.CompletedTask;
    }

    /// <summary>The claim's values; below a dot, those of a member of an object (a claim of JSON).</summary>
    private static HashSet<string> RolesIn(ClaimsPrincipal token, string claim)
    {
        if (token.FindAll(claim).Select(found => found.Value).ToHashSet(StringComparer.Ordinal) is { Count: > 0 } plain)
        {
            return plain;
        }

        var parts = claim.Split('.', 2);
        return parts.Length == 2 && token.FindFirstValue(parts[0]) is { } text ? RolesBelow(text, parts[1]) : [];
    }

    private static HashSet<string> RolesBelow(string json, string path)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            var place = document.RootElement;
            foreach (var part in path.Split('.'))
            {
                if (place.ValueKind != JsonValueKind.Object || !place.TryGetProperty(part, out place))
                {
                    return [];
                }
            }

            return place.ValueKind switch
            {
                JsonValueKind.String => [place.GetString()!],
                JsonValueKind.Array => [.. place.EnumerateArray().Where(item => item.ValueKind == JsonValueKind.String).Select(item => item.GetString()!)],
                _ => [],
            };
        }
        catch (JsonException)
        {
            // The provider put plain text where the settings expect an object: nobody gets a role by that.
            return [];
        }
    }

    /// <summary>A token that is wrong signs in nobody; keys that cannot be read are no fault of who sent it, and are told apart.</summary>
    private static async Task NoteFailureAsync(AuthenticationFailedContext context)
    {
        try
        {
            // Kept once it was read: only a provider that never answered is asked here.
            await context.Options.ConfigurationManager!.GetConfigurationAsync(context.HttpContext.RequestAborted);
        }
        catch (InvalidOperationException exception)
        {
            context.HttpContext.Items[Away] = true;
            context.HttpContext.RequestServices.GetRequiredService<ILogger<OpenIdProviderOptions>>().LogError(
                exception, "The keys of the identity provider {Authority} cannot be read", context.Options.Authority);
        }

        context.Fail(context.Exception);
    }
}
