using System.Buffers.Text;
using System.Text.Json;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Changes;
using FailbackWorkflows.Failback.Licensing;

namespace FailbackWorkflows.Server.Api.Licenses;

/// <summary>Installs a licence for the API and the System page alike, after a look at its form.</summary>
public sealed class LicenseInstallation(IDomainWriter writer, TimeProvider time)
{
    /// <summary>The installed licence, or null with a sentence. The one before stays installed then.</summary>
    public async Task<(SignedLicense? Installed, string? Message)> ExecuteAsync(string document, string signature, Actor actor, CancellationToken cancellationToken)
    {
        if (!Base64.IsValid(signature.Trim()))
        {
            return (null, "The signature is not base64. Paste it exactly as it was delivered.");
        }

        try
        {
            using var parsed = JsonDocument.Parse(document);
            if (parsed.RootElement.ValueKind != JsonValueKind.Object)
            {
                return (null, "The licence document must be a JSON object. Paste it exactly as it was delivered.");
            }
        }
        catch (JsonException)
        {
            return (null, "The licence document is not JSON. Paste it exactly as it was delivered.");
        }

        var license = new SignedLicense(document, signature.Trim(), time.GetUtcNow(), actor.Name);
        await writer.ApplyAsync(
            [new InstallLicense(license), new Notify(new ChangeNotification("license", null, "A licence was installed.", license.InstalledAt))],
            cancellationToken);
        return (license, null);
    }
}
