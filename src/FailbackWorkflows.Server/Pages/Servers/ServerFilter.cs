using FailbackWorkflows.Failback.VmsServers;

namespace FailbackWorkflows.Server.Pages.Servers;

/// <summary>What somebody looks for in the list of servers: a part of the name, id, address or group, a state. What cannot be read is left out, and the form shows that it is.</summary>
public sealed record ServerFilter(string? Text, VmsServerFilter State)
{
    public static ServerFilter Read(string? text, string? state) => new(
        string.IsNullOrWhiteSpace(text) || text.Length > VmsServerQuery.MostTextCharacters ? null : text.Trim(),
        Enum.TryParse<VmsServerFilter>(state, ignoreCase: true, out var read) && state.All(char.IsAsciiLetter) ? read : VmsServerFilter.All);

    public bool IsEmpty => Text is null && State == VmsServerFilter.All;

    /// <summary>How an address names a state.</summary>
    public static string Word(VmsServerFilter state) => char.ToLowerInvariant(state.ToString()[0]) + state.ToString()[1..];

    /// <summary>The query string of a page with this filter, beginning with <c>?</c>; empty when there is nothing to say.</summary>
    public string ToQuery(string? after = null)
    {
        (string Name, string? Value)[] all = [("q", Text), ("show", State == VmsServerFilter.All ? null : Word(State)), ("after", after)];
        var said = all.Where(pair => pair.Value is not null).Select(pair => $"{pair.Name}={Uri.EscapeDataString(pair.Value!)}").ToList();
        return said.Count == 0 ? string.Empty : "?" + string.Join('&', said);
    }
}
