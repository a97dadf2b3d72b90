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

/// <summary>People (cookie), machines (API key), what each may do, and how secrets and cookies are protected.</summary>
internal static class IdentitySetup
{
    public const string SignInLimit = "sign-in";
    private const string EitherScheme = "CookieOrApiKey";

    public static void Add(IServiceCollection services)
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

        services.AddAuthentication(options =>
            {
                options.DefaultScheme = EitherScheme;
                options.DefaultAuthenticateScheme = EitherScheme;
                options.DefaultChallengeScheme = EitherScheme;
                options.DefaultForbidScheme = EitherScheme;
            })
            .AddPolicyScheme(EitherScheme, null, options => options.ForwardDefaultSelector = context =>
                ApiKeyHandler.IsPresent(context.Request) ? ApiKeyHandler.Scheme : IdentityConstants.ApplicationScheme)
            .AddScheme<AuthenticationSchemeOptions, ApiKeyHandler>(ApiKeyHandler.Scheme, null);
        services.AddOptions<Microsoft.AspNetCore.Authentication.Cookies.CookieAuthenticationOptions>(IdentityConstants.ApplicationScheme)
            .Configure<IOptions<ServerOptions>>((cookie, server) =>
            {
                cookie.Cookie.Name = "failback.session";
                cookie.Cookie.HttpOnly = true;
                cookie.Cookie.SameSite = SameSiteMode.Lax;
                cookie.Cookie.SecurePolicy = CookieSecurePolicy.SameAsRequest;
                cookie.ExpireTimeSpan = server.Value.SessionLifetime;
                cookie.SlidingExpiration = true;
                cookie.LoginPath = "/sign-in";
                cookie.LogoutPath = "/sign-out";
                cookie.AccessDeniedPath = "/denied";
                cookie.ReturnUrlParameter = "returnUrl";
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
}
