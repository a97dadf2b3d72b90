using System.Security.Cryptography;
using FailbackWorkflows.Recorders;

namespace FailbackWorkflows.Failback.VmsServers;

/// <summary>
/// Reads the credential that is stored with a server. One that cannot be decrypted (the keys were lost, or the row comes from another
/// installation) is a matter of that server alone: it is told as a refused credential is, so whoever asks many servers goes on with the next.
/// </summary>
internal static class StoredCredentials
{
    /// <summary><see cref="RecorderException.ProblemType"/> of a credential that cannot be read.</summary>
    public const string Unreadable = "credential-unreadable";

    /// <summary>Throws a <see cref="RecorderException"/> with a sentence for people when it cannot be read.</summary>
    public static string CredentialOf(this ISecretProtector secrets, VmsServer server)
    {
        try
        {
            return secrets.Unprotect(server.ProtectedCredential);
        }
        catch (CryptographicException exception)
        {
            throw new RecorderException(
                RecorderErrorKind.Unauthorized,
                $"The stored credential of {server.Name} cannot be read: it was encrypted with a key that this management server does not have. An administrator has to enter it anew on the page of the server.",
                Unreadable,
                exception);
        }
    }
}
