using FailbackWorkflows.Engine;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Changes;
using FailbackWorkflows.Failback.Licensing;

namespace FailbackWorkflows.Server.Api.Licenses;

/// <summary>Installs a licence for the API and the System page alike. One that would not be accepted by a failback is not installed.</summary>
public sealed class LicenseInstallation(LicenseCheck check, IDomainWriter writer, TimeProvider time)
{
    /// <summary>The installed licence, or null with a sentence. The one before stays installed then.</summary>
    public async Task<(SignedLicense? Installed, string? Message)> ExecuteAsync(string document, string signature, Actor actor, CancellationToken cancellationToken)
    {
        var license = new SignedLicense(document, signature.Trim(), time.GetUtcNow(), actor.Name);
        var verdict = check.Verify(license);
        if (!verdict.IsLicensed)
        {
            return (null, verdict.Message);
        }

        await writer.ApplyAsync(
            [new InstallLicense(license), new Notify(new ChangeNotification("license", null, "A licence was installed.", license.InstalledAt))],
            cancellationToken);
        return (license, null);
    }
}
