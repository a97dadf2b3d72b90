using System.Buffers;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace FailbackWorkflows.Recorders.MaterialCopy;

/// <summary>The digest of a coverage report, the same for who wrote it and who keeps it.</summary>
public static class CoverageDigest
{
    /// <summary>Lower-case hex SHA-256 over the canonical JSON (<see cref="CanonicalJson"/>) of the report as it travels (<see cref="RecorderJson"/>), without the member <c>sha256</c>.</summary>
    public static string Compute(CoverageReport report)
    {
        var members = JsonSerializer.SerializeToNode(report, RecorderJson.Options)!.AsObject();
        members.Remove("sha256");
        var buffer = new ArrayBufferWriter<byte>(4096);
        using (var writer = new Utf8JsonWriter(buffer))
        {
            CanonicalJson.Write(writer, JsonSerializer.SerializeToElement(members));
        }

        return Convert.ToHexStringLower(SHA256.HashData(buffer.WrittenSpan));
    }
}
