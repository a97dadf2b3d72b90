using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace FailbackWorkflows.Server.Identity;

/// <summary>
/// Makes and compares API keys. A key is 256 random bits, so a plain SHA-256 is enough to store it by: there is nothing to guess that a
/// slow hash would protect, and every request has to compute it.
/// </summary>
internal static class ApiKeySecrets
{
    public const string Prefix = "fbk_";

    public static string Create() => Prefix + Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));

    /// <summary>Lower-case hex SHA-256.</summary>
    public static string Hash(string key) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)));

    public static bool IsSame(string presented, string storedHash) =>
        CryptographicOperations.FixedTimeEquals(Encoding.ASCII.GetBytes(Hash(presented)), Encoding.ASCII.GetBytes(storedHash));
}
