using System.Net;
using System.Net.Sockets;

namespace FailbackWorkflows.Testing.Faults;

/// <summary>What goes wrong on a link, in the direction from the server to the client, after a number of bytes of a connection.</summary>
public enum LinkFault
{
    None,

    /// <summary>The connection is reset (RST): the client sees an error.</summary>
    Reset,

    /// <summary>The connection is closed in good order: the client sees an answer that ends too early.</summary>
    Truncate,

    /// <summary>One bit arrives changed; everything else passes.</summary>
    Corrupt,

    /// <summary>Nothing arrives any more, and the connection stays open.</summary>
    Stall,
}

/// <summary>
/// A TCP link between two programs on loopback, with the faults of real ones. It knows nothing of HTTP. What it does to a connection is
/// decided when that connection begins, so a test says beforehand which connections suffer.
/// </summary>
public sealed class FaultyLink : IAsyncDisposable
{
    private readonly TcpListener _listener;
    private readonly CancellationTokenSource _ending = new();
    private readonly Lock _gate = new();
    private readonly HashSet<Socket> _open = [];
    private readonly Task _accepting;
    private Func<int, (LinkFault Fault, long AfterBytes)> _plan = _ => (LinkFault.None, 0);
    private int _connections;
    private int _faults;
    private long _bytes;
    private volatile bool _isDown;

    private FaultyLink(EndPoint target)
    {
        Target = target;
        _listener = new TcpListener(IPAddress.Loopback, 0);
        _listener.Start();
        _accepting = AcceptAsync();
    }

    /// <summary>Where connections lead; may be changed for those to come.</summary>
    public EndPoint Target { get; set; }

    public Uri BaseUrl => new($"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}/");

    /// <summary>Connections so far.</summary>
    public int Connections => Volatile.Read(ref _connections);

    /// <summary>Faults that really happened.</summary>
    public int Faults => Volatile.Read(ref _faults);

    /// <summary>Bytes that went to the client.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    /// <summary>Bytes per second to the client over one connection; 0: no limit.</summary>
    public long BytesPerSecond { get; set; }

    public static FaultyLink To(Uri target) => new(new IPEndPoint(IPAddress.Loopback, target.Port));

    /// <summary>To a program that listens on a socket in a folder.</summary>
    public static FaultyLink ToSocket(string path) => new(new UnixDomainSocketEndPoint(path));

    /// <summary>Every connection from now on: what happens to it, by its number from 0, and after how many bytes to the client.</summary>
    public void Plan(Func<int, (LinkFault Fault, long AfterBytes)> plan)
    {
        lock (_gate)
        {
            _connections = 0;
            _plan = plan;
        }
    }

    /// <summary>The next connections suffer, later ones do not.</summary>
    public void FailNext(LinkFault fault, long afterBytes, int connections = 1) => Plan(n => n < connections ? (fault, afterBytes) : (LinkFault.None, 0));

    public void Mend() => Plan(_ => (LinkFault.None, 0));

    /// <summary>Cuts every connection and refuses new ones until <see cref="Up"/>.</summary>
    public void Down()
    {
        _isDown = true;
        CutAll();
    }

    public void Up() => _isDown = false;

    /// <summary>Resets every connection that is open.</summary>
    public void CutAll()
    {
        lock (_gate)
        {
            foreach (var socket in _open)
            {
                Reset(socket);
            }

            _open.Clear();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync();
        _listener.Stop();
        CutAll();
        await _accepting;
        _ending.Dispose();
    }

    private static void Reset(Socket socket)
    {
        try
        {
            socket.LingerState = new LingerOption(enable: true, seconds: 0);
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // Already gone, which is what was wanted.
        }

        socket.Dispose();
    }

    private async Task AcceptAsync()
    {
        var served = new List<Task>();
        try
        {
            while (true)
            {
                var client = await _listener.AcceptSocketAsync(_ending.Token);
                served.RemoveAll(t => t.IsCompleted);
                served.Add(ServeAsync(client));
            }
        }
        catch (Exception error) when (error is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            CutAll();
            await Task.WhenAll(served);
        }
    }

    private async Task ServeAsync(Socket client)
    {
        var server = Target is UnixDomainSocketEndPoint
            ? new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
            : new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        client.NoDelay = true;
        (LinkFault Fault, long AfterBytes) fate;
        lock (_gate)
        {
            fate = _plan(_connections++);
            _open.Add(client);
            _open.Add(server);
        }

        try
        {
            if (_isDown)
            {
                return;
            }

            await server.ConnectAsync(Target, _ending.Token);
            var up = PassAsync(client, server);
            if (await DownAsync(server, client, fate.Fault, fate.AfterBytes))
            {
                // In good order: what is on its way still arrives. A reset would throw it away.
                client.Shutdown(SocketShutdown.Send);
                server.Dispose();
                await up;
                client.Dispose();
                return;
            }

            Reset(client);
            Reset(server);
            await up;
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // One side is gone; the other learns it by the reset below.
        }
        finally
        {
            lock (_gate)
            {
                _open.Remove(client);
                _open.Remove(server);
            }

            Reset(client);
            Reset(server);
        }
    }

    private async Task PassAsync(Socket from, Socket to)
    {
        var buffer = new byte[64 * 1024];
        try
        {
            int read;
            while ((read = await from.ReceiveAsync(buffer, _ending.Token)) > 0)
            {
                await SendAsync(to, buffer.AsMemory(0, read));
            }

            to.Shutdown(SocketShutdown.Send);
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // The other direction tells whoever still listens.
        }
    }

    /// <summary>True when the connection ended in good order, false when it is to be reset.</summary>
    private async Task<bool> DownAsync(Socket server, Socket client, LinkFault fault, long afterBytes)
    {
        var buffer = new byte[64 * 1024];
        long passed = 0;
        int read;
        while ((read = await server.ReceiveAsync(buffer, _ending.Token)) > 0)
        {
            var chunk = buffer.AsMemory(0, read);
            if (fault != LinkFault.None && passed + read > afterBytes)
            {
                var before = (int)(afterBytes - passed);
                Interlocked.Increment(ref _faults);
                switch (fault)
                {
                    case LinkFault.Corrupt:
                        chunk.Span[before] ^= 0x10;
                        fault = LinkFault.None;
                        break;
                    case LinkFault.Truncate:
                        await SendAsync(client, chunk[..before]);
                        return true;
                    case LinkFault.Stall:
                        await SendAsync(client, chunk[..before]);
                        await Task.Delay(Timeout.InfiniteTimeSpan, _ending.Token);
                        return false;
                    default:
                        await SendAsync(client, chunk[..before]);
                        return false;
                }
            }

            await SendAsync(client, chunk);
            passed += read;
            Interlocked.Add(ref _bytes, read);
            if (BytesPerSecond is > 0 and var rate)
            {
                await Task.Delay(TimeSpan.FromSeconds((double)read / rate), TimeProvider.System, _ending.Token);
            }
        }

        return true;
    }

    private async Task SendAsync(Socket to, ReadOnlyMemory<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            bytes = bytes[await to.SendAsync(bytes, _ending.Token)..];
        }
    }
}
