using System.Text.Json;
using FailbackWorkflows.Engine.Values;

namespace FailbackWorkflows.Failback.Policies;

/// <summary>Reads the site's failback policy; the defaults when none was stored.</summary>
public sealed class FailbackPolicies(ISystemSettings settings)
{
    /// <summary>Key in the system settings.</summary>
    public const string Key = "failbackPolicy";

    public async Task<FailbackPolicy> GetAsync(CancellationToken cancellationToken) =>
        await settings.FindAsync(Key, cancellationToken) is { } json ? JsonSerializer.Deserialize<FailbackPolicy>(json, PlainValue.Json) ?? new() : new();

    /// <summary>JSON as stored.</summary>
    public static string ToJson(FailbackPolicy policy) => JsonSerializer.Serialize(policy, PlainValue.Json);
}
