using System.Collections.Concurrent;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json.Nodes;
using FailbackWorkflows.Testing.Processes;

namespace FailbackWorkflows.Scenarios;

/// <summary>
/// Somebody who watches a run as the designer's viewer does: over the hub, in SignalR's own JSON protocol, so that what is tried is what is on the wire.
/// </summary>
internal sealed class RunWatcher : IAsyncDisposable
{
    private const char End = '\u001e';

    private readonly ClientWebSocket _socket = new();
    private readonly CancellationTokenSource _leaving = new();
    private readonly ConcurrentQueue<JsonObject> _heard = new();
    private Task _listening = Task.CompletedTask;

    private RunWatcher()
    {
    }

    /// <summary>What the hub has called so far, oldest first: the method and its argument.</summary>
    public IReadOnlyList<(string Method, JsonNode? Argument)> Heard => [.. _heard.Select(m => ((string)m["target"]!, m["arguments"]?[0]))];

    public static async Task<RunWatcher> ConnectAsync(ManagementServerProcess server)
    {
        var watcher = new RunWatcher();
        try
        {
            watcher._socket.Options.SetRequestHeader("X-Api-Key", ManagementServerProcess.ApiKey);
            var hub = new UriBuilder(new Uri(server.BaseUrl, "elsa/hubs/workflow-instance")) { Scheme = "ws" }.Uri;
            await watcher._socket.ConnectAsync(hub, watcher._leaving.Token);
            await watcher.SendAsync(new JsonObject { ["protocol"] = "json", ["version"] = 1 });
            watcher._listening = watcher.ListenAsync();
            return watcher;
        }
        catch
        {
            await watcher.DisposeAsync();
            throw;
        }
    }

    public Task ObserveAsync(string runId) => SendAsync(new JsonObject { ["type"] = 1, ["target"] = "ObserveInstanceAsync", ["arguments"] = new JsonArray(runId) });

    /// <summary>How many executions of an activity are completed as far as the badges tell that were heard last.</summary>
    public int CompletedOf(string activityId) => Heard
        .Where(h => h.Method == "ActivityExecutionLogUpdatedAsync")
        .SelectMany(h => h.Argument!["stats"]!.AsArray())
        .Where(s => (string?)s!["activityId"] == activityId)
        .Select(s => (int)s!["completedCount"]!)
        .LastOrDefault();

    public async ValueTask DisposeAsync()
    {
        await _leaving.CancelAsync();
        await _listening;
        _socket.Dispose();
        _leaving.Dispose();
    }

    private Task SendAsync(JsonObject message) => _socket.SendAsync(Encoding.UTF8.GetBytes(message.ToJsonString() + End), WebSocketMessageType.Text, true, _leaving.Token);

    private async Task ListenAsync()
    {
        var (buffer, received) = (new byte[16 * 1024], new List<byte>());
        try
        {
            while (await _socket.ReceiveAsync(buffer, _leaving.Token) is { MessageType: WebSocketMessageType.Text } part)
            {
                received.AddRange(buffer.AsSpan(0, part.Count));
                for (var end = received.IndexOf((byte)End); end >= 0; end = received.IndexOf((byte)End))
                {
                    // The answer to the handshake is empty, and pings have no target.
                    if (JsonNode.Parse(received.GetRange(0, end).ToArray()) is JsonObject message && message["target"] is not null)
                    {
                        _heard.Enqueue(message);
                    }

                    received.RemoveRange(0, end + 1);
                }
            }
        }
        catch (OperationCanceledException) when (_leaving.IsCancellationRequested)
        {
            // It has seen enough.
        }
        catch (WebSocketException)
        {
            // The server has gone; what was heard until then is what there is.
        }
    }
}
