using System.Text.Json;
using FailbackWorkflows.Failback.Licensing;

namespace FailbackWorkflows.Server.Pages.System;

/// <summary>The installed licence, as shown.</summary>
public sealed record LicenseView(Badge Badge, string Sentence, IReadOnlyList<(string Name, string Value)> Facts)
{
    public static LicenseView None { get; } = new(
        new Badge("No licence", "warn"), "Failbacks are refused by their licence check until a licence with the failover feature is installed.", []);

    public static LicenseView Of(SignedLicense? license, DateTimeOffset now)
    {
        if (license is null)
        {
            return None;
        }

        using var document = JsonDocument.Parse(license.Document);
        var root = document.RootElement;
        var facts = new List<(string, string)>();
        foreach (var (member, label) in new[] { ("licensee", "Licensee"), ("site", "Site"), ("recorders", "Recorders"), ("features", "Features"), ("validFrom", "Valid from"), ("validUntil", "Valid until") })
        {
            if (root.TryGetProperty(member, out var value))
            {
                facts.Add((label, value.ValueKind == JsonValueKind.Array ? string.Join(", ", value.EnumerateArray().Select(item => item.ToString())) : value.ToString()));
            }
        }

        facts.Add(("Installed by", license.InstalledBy));
        var hasEnded = root.TryGetProperty("validUntil", out var until) && until.ValueKind == JsonValueKind.String
            && until.TryGetDateTimeOffset(out var end) && end < now;
        return hasEnded
            ? new(new Badge("Expired", "bad"), "The licence's time is over. Install a new one.", facts)
            : new(new Badge("Installed", "ok"), "Its signature and content are checked by every failback.", facts);
    }
}
