using System.Collections.Concurrent;
using System.Net.Sockets;

namespace FailbackWorkflows.Demo;

/// <summary>
/// A client application: listens to the change feed from a cursor on, and after a lost connection goes on after the last event it had.
/// </summary>
internal sealed class ChangeListener : IAsyncDisposable
{
    private static readonly TimeSpan Reconnect = TimeSpan.FromMilliseconds(300);

    private readonly CancellationTokenSource _ending = new();
    private readonly ConcurrentQueue<Change> _heard = new();
    private readonly Task _listening;

    public ChangeListener(ManagementApi management, long cursor, TimeProvider time)
    {
        _listening = ListenAsync(management, cursor, time, _ending.Token);
    }

    public IReadOnlyList<Change> Heard => [.. _heard];

    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync();
        await _listening;
        _ending.Dispose();
    }

    private async Task ListenAsync(ManagementApi management, long cursor, TimeProvider time, CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                await foreach (var change in management.ListenAsync(cursor, cancellationToken))
                {
                    cursor = change.Cursor;
                    _heard.Enqueue(change);
                }
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception error) when (error is HttpRequestException or IOException or SocketException or OperationCanceledException)
            {
                // The server is away; a client comes back and misses nothing.
                _ = await Task.WhenAny(Task.Delay(Reconnect, time, cancellationToken));
            }
        }
    }
}
