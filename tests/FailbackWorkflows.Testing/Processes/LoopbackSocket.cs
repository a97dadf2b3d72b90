using System.Net;
using System.Net.Sockets;

namespace FailbackWorkflows.Testing.Processes;

/// <summary>Thousands of addresses on one socket: each recorder of a simulation has an address of its own in 127.0.0.0/8, and a port is taken once.</summary>
public static class LoopbackSocket
{
    private const int SocketLevel = 1;
    private const int BindToDevice = 25;
    private const int PerBlock = 250;

    /// <summary>Address of a recorder of a simulation, by its number from 0.</summary>
    public static IPAddress AddressOf(int recorder) => new([127, 1, (byte)(recorder / PerBlock), (byte)(1 + (recorder % PerBlock))]);

    /// <summary>Which recorder an address is.</summary>
    public static int RecorderAt(IPAddress address)
    {
        var bytes = address.MapToIPv4().GetAddressBytes();
        return (bytes[2] * PerBlock) + bytes[3] - 1;
    }

    /// <summary>A bound socket for all these addresses, which nobody but this machine reaches: it hears the loopback device only. Linux.</summary>
    /// <param name="port">0: a free one.</param>
    public static Socket Bind(int port)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.SetRawSocketOption(SocketLevel, BindToDevice, "lo\0"u8);
        socket.Bind(new IPEndPoint(IPAddress.Any, port));
        return socket;
    }
}
