using System.Buffers;
using System.Net;
using System.Net.Sockets;

namespace FailbackWorkflows.Benchmarks.Copying;

/// <summary>Stands between a target and its source and counts what the source sends.</summary>
internal sealed class CountingRelay : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly Uri _to;
    private readonly Task _accepting;
    private long _sent;

    private CountingRelay(Uri to)
    {
        _to = to;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public Uri BaseUrl => new($"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}/");

    public long BytesSent => Interlocked.Read(ref _sent);

    public static CountingRelay Start(Uri to) => new(to);

    public async ValueTask DisposeAsync()
    {
        _listener.Dispose();
        await _accepting;
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                _ = RelayAsync(await _listener.AcceptSocketAsync());
            }
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // Disposed: what is connected goes on until one of its ends hangs up, and both have ended by then.
        }
    }

    private async Task RelayAsync(Socket target)
    {
        using var source = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        using (target)
        {
            target.NoDelay = true;
            try
            {
                await source.ConnectAsync(_to.Host, _to.Port);
                await Task.WhenAny(PassAsync(target, source, count: false), PassAsync(source, target, count: true));
            }
            catch (SocketException)
            {
                // Whoever is away is away for the other as well.
            }
        }
    }

    private async Task PassAsync(Socket from, Socket to, bool count)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(64 * 1024);
        try
        {
            for (int read; (read = await from.ReceiveAsync(buffer)) > 0;)
            {
                for (var sent = 0; sent < read; sent += await to.SendAsync(buffer.AsMemory(sent, read - sent)))
                {
                }

                Interlocked.Add(ref _sent, count ? read : 0);
            }
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // A killed end resets its connections.
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
