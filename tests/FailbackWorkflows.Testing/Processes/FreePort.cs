using System.Net;
using System.Net.Sockets;

namespace FailbackWorkflows.Testing.Processes;

/// <summary>Ports for programs under test. Below the system's range for outgoing connections, so that a program that is killed finds its port free again.</summary>
public static class FreePort
{
    private const int Lowest = 12_000;
    private const int Highest = 19_999;

    private static readonly Lock Gate = new();
    private static readonly HashSet<int> Given = [];

    public static int Next()
    {
        lock (Gate)
        {
            while (true)
            {
                var port = Random.Shared.Next(Lowest, Highest);
                if (!Given.Contains(port) && IsFree(port))
                {
                    Given.Add(port);
                    return port;
                }
            }
        }
    }

    private static bool IsFree(int port)
    {
        using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            probe.Bind(new IPEndPoint(IPAddress.Loopback, port));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
