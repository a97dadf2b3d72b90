using System.Diagnostics;
using FailbackWorkflows.Failback.Licensing;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Persistence.Identity;
using FailbackWorkflows.Server.Api;
using FailbackWorkflows.Server.Api.Licenses;
using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Server.Resources;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace FailbackWorkflows.Server.Pages.System;

/// <summary>A part of the server's health, as shown.</summary>
public sealed record HealthRow(string Name, Badge Badge);

/// <summary>An API key, as shown.</summary>
public sealed record KeyRow(string Id, string Name, string Role, DateTimeOffset CreatedAt, string CreatedBy, DateTimeOffset? ExpiresAt, Badge Badge, bool CanBeRevoked);

/// <summary>The server itself: version, health, licence, API keys.</summary>
[Authorize(Permissions.Read)]
public sealed class IndexModel(
    LicenseCheck licenseCheck,
    LicenseInstallation installation,
    IVmsServers servers,
    ApiKeyAdministration administration,
    HealthCheckService health,
    IAuthorizationService authorization,
    TimeProvider time) : PageModel
{
    private const int MostKeyDays = 3650;
    private const int KeysPerPage = 20;

    public string Version { get; } = typeof(Program).Assembly.GetName().Version?.ToString(3) ?? "unknown";

    public DateTimeOffset RunningSince { get; } = Process.GetCurrentProcess().StartTime.ToUniversalTime();

    public IReadOnlyList<HealthRow> Health { get; private set; } = [];

    public LicenseView License { get; private set; } = null!;

    public string? LicenseMessage { get; private set; }

    public IReadOnlyList<KeyRow> Keys { get; private set; } = [];

    /// <summary>Id of the last key of the page before; null: the newest are shown.</summary>
    [BindProperty(Name = "before", SupportsGet = true)]
    public string? KeysBefore { get; set; }

    public string? NextKeysBefore { get; private set; }

    public IReadOnlyList<string> KeyMessages { get; private set; } = [];

    /// <summary>The secret of a key made by this very request.</summary>
    public string? NewKey { get; private set; }

    public Task OnGetAsync(CancellationToken cancellationToken) => LoadAsync(cancellationToken);

    /// <param name="file">A licence file; or else <paramref name="document"/> and <paramref name="signature"/> as they stand in one.</param>
    public async Task<IActionResult> OnPostLicenseAsync(IFormFile? file, string? document, string? signature, CancellationToken cancellationToken)
    {
        if (!await MayAsync())
        {
            return Forbid();
        }

        var audit = HttpContext.Audit("license");
        var errors = new FieldErrors();
        if (file is { Length: > 0 })
        {
            (document, signature) = await ReadAsync(file, cancellationToken) is { } read ? (read.Document, read.Signature) : (null, null);
            if (document is null)
            {
                errors.Add(Texts.Of("Licence file"), Texts.Of("It is not a licence file. Choose the JSON file that was delivered, or paste document and signature."));
            }
        }

        if (!errors.Any)
        {
            errors.Required(Texts.Of("Document"), document, 64 * 1024);
            errors.Required(Texts.Of("Signature"), signature, 1024);
        }

        if (!errors.Any)
        {
            (var installed, LicenseMessage) = await installation.ExecuteAsync(document!, signature!, CurrentActor.Of(HttpContext), cancellationToken);
            if (installed is not null)
            {
                TempData["Notice"] = Texts.Of("The licence was installed.");
                return Redirect("/system");
            }
        }

        audit.Result = "refused";
        LicenseMessage ??= string.Join(" ", errors.Sentences);
        await LoadAsync(cancellationToken);
        return Page();
    }

    /// <param name="days">How long the key is valid; 0: until it is revoked.</param>
    public async Task<IActionResult> OnPostCreateKeyAsync(string? name, string? role, int days, CancellationToken cancellationToken)
    {
        if (!await MayAsync())
        {
            return Forbid();
        }

        var now = time.GetUtcNow();
        var errors = new FieldErrors();
        DateTimeOffset? expiresAt = errors.Between("days", days, 0, MostKeyDays) && days > 0 ? now.AddDays(days) : null;
        ApiKeyAdministration.Check(name, role, expiresAt, now, errors);
        if (errors.Any)
        {
            HttpContext.Audit("api key").Result = "refused";
            KeyMessages = errors.Sentences;
        }
        else
        {
            // Shown in the answer to this post and nowhere else: a redirect would have to keep the secret somewhere.
            (var key, NewKey) = await administration.CreateAsync(name!, role!, expiresAt, CurrentActor.Of(HttpContext), cancellationToken);
            HttpContext.Audit(key.Id).Result = $"done: {key.Name}, {key.Role}";
        }

        await LoadAsync(cancellationToken);
        return Page();
    }

    public async Task<IActionResult> OnPostRevokeKeyAsync(string? keyId, CancellationToken cancellationToken)
    {
        if (!await MayAsync())
        {
            return Forbid();
        }

        HttpContext.Audit(keyId);
        if (keyId is null || !await administration.RevokeAsync(keyId, cancellationToken))
        {
            return NotFound();
        }

        TempData["Notice"] = Texts.Of("The API key was revoked.");
        return Redirect("/system");
    }

    private static async Task<LicenseFile?> ReadAsync(IFormFile file, CancellationToken cancellationToken)
    {
        if (file.Length > 128 * 1024)
        {
            return null;
        }

        using var reader = new StreamReader(file.OpenReadStream());
        return LicenseFile.TryParse(await reader.ReadToEndAsync(cancellationToken));
    }

    private async Task LoadAsync(CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        License = LicenseView.Of(await licenseCheck.CheckAsync(LicenseCheck.Failover, cancellationToken)) with { Registered = await servers.CountAsync(cancellationToken) };
        var report = await health.CheckHealthAsync(cancellationToken);
        Health = [.. report.Entries.Select(entry => new HealthRow(
            entry.Value.Description ?? entry.Key,
            entry.Value.Status == HealthStatus.Healthy ? new Badge(Texts.Of("OK"), "ok") : new Badge(entry.Value.Status == HealthStatus.Degraded ? Texts.Of("Degraded") : Texts.Of("Unhealthy"), "bad")))];
        if (User.May(Permissions.Administer))
        {
            KeysBefore = KeysBefore is { Length: > 0 and <= 64 } ? KeysBefore : null;
            var page = await administration.ListAsync(new ApiKeyQuery(Before: KeysBefore, Take: KeysPerPage), cancellationToken);
            NextKeysBefore = page.Count == KeysPerPage ? page[^1].Id : null;
            Keys = [.. page.Select(key => new KeyRow(
                key.Id,
                key.Name,
                key.Role,
                key.CreatedAt,
                key.CreatedBy,
                key.ExpiresAt,
                key.RevokedAt is not null ? new Badge(Texts.Of("Revoked"), "quiet") : key.ExpiresAt <= now ? new Badge(Texts.Of("Expired"), "warn") : new Badge(Texts.Of("Valid"), "ok"),
                key.RevokedAt is null))];
        }
    }

    private async Task<bool> MayAsync() => (await authorization.AuthorizeAsync(User, Permissions.Administer)).Succeeded;
}
