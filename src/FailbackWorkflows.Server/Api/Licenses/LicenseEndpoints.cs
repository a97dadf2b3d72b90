using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Licensing;
using FailbackWorkflows.Server.Identity;
using Microsoft.AspNetCore.Http.HttpResults;

namespace FailbackWorkflows.Server.Api.Licenses;

/// <summary>A licence as it was signed.</summary>
/// <param name="Document">The exact JSON text that was signed.</param>
/// <param name="Signature">Base64 of the ECDSA P-256 signature.</param>
public sealed record InstallLicenseRequest(string? Document, string? Signature);

/// <summary>The installed licence, and what a failback would say to it now.</summary>
/// <param name="Finding">Stable word: <c>valid</c>, <c>inGracePeriod</c>, or why not.</param>
/// <param name="Message">Why not and what to do next, or a warning; null when all is well.</param>
public sealed record LicenseResponse(string Document, string Signature, DateTimeOffset InstalledAt, string InstalledBy, bool IsLicensed, LicenseFinding Finding, string? Message)
{
    internal static LicenseResponse From(SignedLicense license, LicenseVerdict verdict) =>
        new(license.Document, license.Signature, license.InstalledAt, license.InstalledBy, verdict.IsLicensed, verdict.Finding, verdict.Message);
}

internal static class LicenseEndpoints
{
    public static void MapLicense(this IEndpointRouteBuilder api)
    {
        var license = api.MapGroup("/license").WithTags("Licence");
        license.MapGet("", GetAsync)
            .RequireAuthorization(Permissions.Read)
            .WithSummary("The installed licence");
        license.MapPut("", InstallAsync)
            .RequireAuthorization(Permissions.Administer)
            .WithSummary("Installs a signed licence");
    }

    private static async Task<Results<Ok<LicenseResponse>, Problem>> GetAsync(ILicenses licenses, LicenseCheck check, CancellationToken cancellationToken) =>
        await licenses.FindCurrentAsync(cancellationToken) is { } current
            ? TypedResults.Ok(LicenseResponse.From(current, await check.CheckAsync(LicenseCheck.Failover, cancellationToken)))
            : new Problem(Problems.NoLicense, "Install the licence of your site with PUT /api/v1/license or on the System page.");

    private static async Task<Results<Ok<LicenseResponse>, Problem>> InstallAsync(
        InstallLicenseRequest request,
        HttpContext context,
        LicenseInstallation installation,
        LicenseCheck check,
        CancellationToken cancellationToken)
    {
        var errors = new FieldErrors();
        errors.Required("document", request.Document, 64 * 1024);
        errors.Required("signature", request.Signature, 1024);
        if (errors.Any)
        {
            return errors.ToProblem();
        }

        context.Audit("license");
        var (installed, message) = await installation.ExecuteAsync(request.Document!, request.Signature!, CurrentActor.Of(context), cancellationToken);
        return installed is null
            ? new Problem(Problems.LicenseNotValid, message ?? "Nothing was changed.")
            : TypedResults.Ok(LicenseResponse.From(installed, await check.CheckAsync(LicenseCheck.Failover, cancellationToken)));
    }
}
