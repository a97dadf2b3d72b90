using System.Net;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace FailbackWorkflows.Tests.Server.Fakes;

/// <summary>An identity provider on loopback: publishes its keys as OpenID Connect Discovery says, and gives tokens of any content.</summary>
internal sealed class OpenIdProviderStub : IAsyncDisposable
{
    private readonly WebApplication app;

    private OpenIdProviderStub(WebApplication app) => this.app = app;

    public RsaSecurityKey Key { get; private set; } = NewKey();

    public bool IsAway { get; set; }

    public string Issuer => app.Urls.Single();

    public static async Task<OpenIdProviderStub> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        builder.Logging.ClearProviders();
        var stub = new OpenIdProviderStub(builder.Build());
        stub.app.MapGet("/.well-known/openid-configuration", () => stub.IsAway
            ? Results.StatusCode(503)
            : Results.Json(new { issuer = stub.Issuer, jwks_uri = $"{stub.Issuer}/keys", id_token_signing_alg_values_supported = new[] { "RS256" } }));
        stub.app.MapGet("/keys", () => stub.IsAway ? Results.StatusCode(503) : Results.Json(new { keys = new[] { Published(stub.Key) } }));
        await stub.app.StartAsync();
        return stub;
    }

    public static RsaSecurityKey NewKey() => new(RSA.Create(2048)) { KeyId = Guid.NewGuid().ToString("N") };

    public void ChangeKey() => Key = NewKey();

    /// <summary>A token as this provider gives it, changed by the caller.</summary>
    public string Token(Action<SecurityTokenDescriptor>? change = null, params (string Name, object Value)[] claims)
    {
        var now = TimeProvider.System.GetUtcNow().UtcDateTime;
        var token = new SecurityTokenDescriptor
        {
            Issuer = Issuer,
            Audience = "failback",
            NotBefore = now.AddMinutes(-1),
            IssuedAt = now.AddMinutes(-1),
            Expires = now.AddMinutes(5),
            SigningCredentials = new SigningCredentials(Key, SecurityAlgorithms.RsaSha256),
            Claims = claims.ToDictionary(claim => claim.Name, claim => claim.Value),
        };
        change?.Invoke(token);
        return new JsonWebTokenHandler { SetDefaultTimesOnTokenCreation = false }.CreateToken(token);
    }

    public async ValueTask DisposeAsync()
    {
        await app.StopAsync();
        await app.DisposeAsync();
    }

    private static object Published(RsaSecurityKey key)
    {
        var parameters = key.Rsa.ExportParameters(false);
        return new { kty = "RSA", use = "sig", kid = key.KeyId, n = Base64UrlEncoder.Encode(parameters.Modulus), e = Base64UrlEncoder.Encode(parameters.Exponent) };
    }
}
