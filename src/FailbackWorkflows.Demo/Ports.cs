using System.Net;
using System.Net.Sockets;

namespace FailbackWorkflows.Demo;

/// <summary>Free ports on loopback.</summary>
internal static class Ports
{
    // Below every system's range for outgoing connections: a recorder that comes back finds its port still free.
    private const int Lowest = 20_000;
    private const int Highest = 32_000;
    private const int MostTries = 200;

    /// <summary>So many neighbouring ports that nobody listens on now.</summary>
    public static int FindFree(int count)
    {
        for (var tried = 0; tried < MostTries; tried++)
        {
            var first = Random.Shared.Next(Lowest, Highest - count);
            if (Enumerable.Range(first, count).All(IsFree))
            {
                return first;
            }
        }

        throw new DemoRefusedException(ExitCodes.PortTaken, $"No {count} free ports were found from {Lowest} to {Highest}. Give one with --port N.");
    }

    public static bool IsFree(int port)
    {
        using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            probe.Bind(new IPEndPoint(IPAddress.Loopback, port));
            probe.Listen(1);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
