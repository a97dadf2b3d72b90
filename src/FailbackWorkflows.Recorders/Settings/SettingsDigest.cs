using System.Buffers;
using System.Security.Cryptography;
using System.Text.Json;

namespace FailbackWorkflows.Recorders.Settings;

/// <summary>
/// The digest of settings: SHA-256 over one canonical JSON text (sections in the order of <see cref="SettingsContent"/>, object members
/// sorted ordinally, no white space, files by path with their own digests). Two recorders with the same settings have the same digest
/// whatever order they keep members in.
/// </summary>
public static class SettingsDigest
{
    /// <summary>Lower-case hex SHA-256 of the canonical form of <paramref name="content"/>.</summary>
    public static string Compute(SettingsContent content)
    {
        var buffer = new ArrayBufferWriter<byte>(4096);
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            WriteSection(writer, "channels", content.Channels);
            WriteSection(writer, "masks", content.Masks);
            WriteSection(writer, "schedules", content.Schedules);
            WriteSection(writer, "alarms", content.Alarms);
            WriteSection(writer, "retention", content.Retention);
            writer.WriteStartArray("files");
            foreach (var file in content.Files.OrderBy(f => f.Path, StringComparer.Ordinal))
            {
                writer.WriteStartObject();
                writer.WriteString("path", file.Path);
                writer.WriteString("sha256", file.Sha256);
                writer.WriteEndObject();
            }

            writer.WriteEndArray();
            writer.WriteEndObject();
        }

        return Convert.ToHexStringLower(SHA256.HashData(buffer.WrittenSpan));
    }

    /// <summary>What of <paramref name="content"/> does not have the digest stated for it, as a sentence; null when all of it has.</summary>
    public static string? FindMismatch(SettingsContent content, string sha256)
    {
        if (content.Files.FirstOrDefault(file => !file.HasItsDigest()) is { } damaged)
        {
            return $"the file '{damaged.Path}' does not have the digest stated for it";
        }

        var computed = Compute(content);
        return string.Equals(computed, sha256, StringComparison.Ordinal) ? null : $"they have another digest ({Short(computed)}) than the one stated ({Short(sha256)})";

        static string Short(string digest) => digest.Length > 12 ? $"{digest[..12]}…" : digest;
    }

    private static void WriteSection(Utf8JsonWriter writer, string name, JsonElement section)
    {
        writer.WritePropertyName(name);
        CanonicalJson.Write(writer, section);
    }
}
