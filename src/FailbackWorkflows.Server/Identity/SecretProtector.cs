using System.Collections.Concurrent;
using FailbackWorkflows.Failback.VmsServers;
using Microsoft.AspNetCore.DataProtection;

namespace FailbackWorkflows.Server.Identity;

/// <summary>Encrypts recorder credentials with the data-protection keys that all nodes share.</summary>
internal sealed class SecretProtector(IDataProtectionProvider provider) : ISecretProtector
{
    /// <summary>More than a site has recorders; tokens of copies pass through, too, and are not needed twice.</summary>
    private const int MostRemembered = 20_000;

    private readonly ConcurrentDictionary<string, string> _decrypted = new(StringComparer.Ordinal);
    private readonly IDataProtector protector = provider.CreateProtector("FailbackWorkflows.RecorderCredentials.v1");

    public string Protect(string secret) => protector.Protect(secret);

    /// <summary>Remembers what it has decrypted, which costs as much as the call to a recorder that it is needed for; whoever is polled has its credential in memory anyway.</summary>
    public string Unprotect(string protectedSecret)
    {
        if (_decrypted.TryGetValue(protectedSecret, out var known))
        {
            return known;
        }

        var secret = protector.Unprotect(protectedSecret);
        if (_decrypted.Count >= MostRemembered)
        {
            _decrypted.Clear();
        }

        return _decrypted[protectedSecret] = secret;
    }
}
