using FailbackWorkflows.Failback.VmsServers;
using Microsoft.AspNetCore.DataProtection;

namespace FailbackWorkflows.Server.Identity;

/// <summary>Encrypts recorder credentials with the data-protection keys that all nodes share.</summary>
internal sealed class SecretProtector(IDataProtectionProvider provider) : ISecretProtector
{
    private readonly IDataProtector protector = provider.CreateProtector("FailbackWorkflows.RecorderCredentials.v1");

    public string Protect(string secret) => protector.Protect(secret);

    public string Unprotect(string protectedSecret) => protector.Unprotect(protectedSecret);
}
