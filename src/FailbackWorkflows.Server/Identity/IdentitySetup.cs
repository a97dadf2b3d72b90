using System.Globalization;
using System.Threading.RateLimiting;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Persistence.Identity;
using FailbackWorkflows.Server.Api;
using FailbackWorkflows.Server.Hosting;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.DataProtection.KeyManagement;
using Microsoft.AspNetCore.DataProtection.Repositories;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.Options;

namespace FailbackWorkflows.Server.Identity;

/// <summary>People (cookie, or a token of the site's identity provider), machines (API key), what each may do, and how secrets and cookies are protected.</summary>
internal static class IdentitySetup
{
    public const string SignInLimit = "sign-in";

    /// <summary>Name of the cookie of a session, and the beginning of the names of its parts when it is long.</summary>
    public const string SessionCookie = "failback.session";

    private const string EitherScheme = "CookieOrHeader";

    public static void Add(IServiceCollection services, OpenIdProviderOptions? provider)
    {
        services.AddIdentity<FailbackUser, IdentityRole>(options =>
            {
                options.Password.RequiredLength = 12;
                // Length is what counts; rules about kinds of characters only make people write passwords down.
                options.Password.RequireDigit = false;
                options.Password.RequireLowercase = false;
                options.Password.RequireUppercase = false;
                options.Password.RequireNonAlphanumeric = false;
                options.Password.RequiredUniqueChars = 5;
                options.Lockout.MaxFailedAccessAttempts = 5;
                options.Lockout.DefaultLockoutTimeSpan = TimeSpan.FromMinutes(5);
                options.Lockout.AllowedForNewUsers = true;
            })
            .AddFailbackStores()
            .AddDefaultTokenProviders()
            .AddClaimsPrincipalFactory<PrincipalFactory>();
        // A changed password, role or lockout reaches open sessions with their next request: a role that was withdrawn must not act for another minute.
        services.Configure<SecurityStampValidatorOptions>(options => options.ValidationInterval = TimeSpan.Zero);

        var schemes = services.AddAuthentication(options =>
            {
                options.DefaultScheme = EitherScheme;
                options.DefaultAuthenticateScheme = EitherScheme;
                options.DefaultChallengeScheme = EitherScheme;
                options.DefaultForbidScheme = EitherScheme;
            })
            .AddPolicyScheme(EitherScheme, null, options => options.ForwardDefaultSelector = context =>
                provider is not null && OpenIdTokens.IsPresent(context.Request) ? OpenIdTokens.Scheme
                : ApiKeyHandler.IsPresent(context.Request) ? ApiKeyHandler.Scheme
                : IdentityConstants.ApplicationScheme)
            .AddScheme<AuthenticationSchemeOptions, ApiKeyHandler>(ApiKeyHandler.Scheme, null);
        if (provider is not null)
        {
            OpenIdTokens.Add(schemes, provider);
        }

        services.AddOptions<Microsoft.AspNetCore.Authentication.Cookies.CookieAuthenticationOptions>(IdentityConstants.ApplicationScheme)
            .Configure<IOptions<ServerOptions>>((cookie, server) =>
            {
                cookie.Cookie.Name = SessionCookie;
                cookie.Cookie.HttpOnly = true;
                cookie.Cookie.SameSite = SameSiteMode.Lax;
                cookie.Cookie.SecurePolicy = CookieSecurePolicy.SameAsRequest;
                cookie.ExpireTimeSpan = server.Value.SessionLifetime;
                cookie.SlidingExpiration = true;
                cookie.LoginPath = "/sign-in";
                cookie.LogoutPath = "/sign-out";
                cookie.AccessDeniedPath = "/denied";
                cookie.ReturnUrlParameter = "returnUrl";
                cookie.Events.OnRedirectToLogin = context =>
                {
                    context.Response.Redirect($"{cookie.LoginPath}?{cookie.ReturnUrlParameter}={Uri.EscapeDataString(PageOf(context.Request))}");
                    return Task.CompletedTask;
                };
            });

        services.AddAuthorization(Permissions.Configure);
        services.AddSingleton<IAuthorizationMiddlewareResultHandler, ProblemAuthorizationResults>();
        services.AddAntiforgery(options =>
        {
            options.HeaderName = AntiforgeryFilter.HeaderName;
            // Ours is stricter.
            options.SuppressXFrameOptionsHeader = true;
            options.Cookie.Name = "failback.antiforgery";
            options.Cookie.HttpOnly = true;
            options.Cookie.SameSite = SameSiteMode.Strict;
            options.Cookie.SecurePolicy = CookieSecurePolicy.SameAsRequest;
        });

        services.AddDataProtection().SetApplicationName("FailbackWorkflows");
        services.AddOptions<KeyManagementOptions>().Configure<IServiceProvider>((options, provider) =>
            options.XmlRepository = provider.GetService<IXmlRepository>());
        services.AddSingleton<ISecretProtector, SecretProtector>();
        services.AddSingleton<StandingAuthorization>();

        services.AddRateLimiter(_ => { });
        services.AddOptions<Microsoft.AspNetCore.RateLimiting.RateLimiterOptions>().Configure<IOptions<ServerOptions>>((limiter, server) =>
        {
            limiter.RejectionStatusCode = StatusCodes.Status429TooManyRequests;
            limiter.OnRejected = (context, _) =>
            {
                context.HttpContext.Response.Headers.RetryAfter = 60.ToString(CultureInfo.InvariantCulture);
                return ValueTask.CompletedTask;
            };
            limiter.AddPolicy(SignInLimit, context => HttpMethods.IsPost(context.Request.Method)
                ? RateLimitPartition.GetFixedWindowLimiter(
                    context.Connection.RemoteIpAddress?.ToString() ?? "unknown",
                    _ => new FixedWindowRateLimiterOptions { PermitLimit = server.Value.SignInAttemptsPerMinute, Window = TimeSpan.FromMinutes(1) })
                : RateLimitPartition.GetNoLimiter("read"));
        });
    }

    /// <summary>Where to go after signing in: the page itself, never the form that was sent. What was to be done is asked for again.</summary>
    private static string PageOf(HttpRequest request)
    {
        var query = request.Query.Where(pair => !pair.Key.Equals("handler", StringComparison.OrdinalIgnoreCase));
        return request.PathBase + request.Path + QueryString.Create(query);
    }
}
