using System.Globalization;
using System.Text.Json.Nodes;
using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.VmsServers;

namespace FailbackWorkflows.Server.Studio.Descriptors;

/// <summary>What there is to choose from at the moment, for inputs that mean a server or an entry of the failover log.</summary>
internal sealed class InputOptions(ActivityCatalog catalog, IVmsServers servers, IFailoverLog log)
{
    /// <summary>Hint of an input that holds the id of a VMS server.</summary>
    public const string VmsServer = Failback.ActivityHints.VmsServer;

    /// <summary>Hint of an input that holds the id of an entry of the failover log.</summary>
    public const string FailoverLogEntry = Failback.ActivityHints.FailoverLogEntry;

    private const int MostEntries = 100;

    public async Task<JsonObject> GetAsync(string typeName, string inputName, CancellationToken cancellationToken)
    {
        var input = catalog.Descriptors.GetValueOrDefault(typeName)?.Inputs.FirstOrDefault(i => i.Name.Equals(inputName, StringComparison.OrdinalIgnoreCase));
        return input?.UIHint switch
        {
            VmsServer => Refreshed(Dropdown((await servers.ListAsync(cancellationToken)).Select(s => ($"{s.Name} ({s.Id})", s.Id)))),
            FailoverLogEntry => Refreshed(Dropdown((await ListEntriesAsync(cancellationToken)).Select(e => (Words(e), e.Id)))),
            _ => [],
        };
    }

    public static JsonObject Dropdown(IEnumerable<(string Text, string Value)> items) => new()
    {
        ["dropdown"] = new JsonObject
        {
            ["selectList"] = new JsonObject
            {
                ["items"] = new JsonArray([.. items.Select(i => (JsonNode)new JsonObject { ["text"] = i.Text, ["value"] = i.Value })]),
                ["isFlagsEnum"] = false,
                ["sortItems"] = false,
            },
            ["providerName"] = null,
        },
    };

    public static JsonObject Refreshed(JsonObject specifications)
    {
        specifications["Refresh"] = true;
        return specifications;
    }

    private static string Words(FailoverLogEntry entry) =>
        string.Create(CultureInfo.InvariantCulture, $"{entry.FailoverStartedAt.UtcDateTime:yyyy-MM-dd HH:mm} UTC {entry.FailedServerId} → {entry.FailoverServerId}");

    private Task<IReadOnlyList<FailoverLogEntry>> ListEntriesAsync(CancellationToken cancellationToken) => log.ListAsync(new FailoverLogQuery(FailoverLogView.All) { Take = MostEntries }, cancellationToken);
}
