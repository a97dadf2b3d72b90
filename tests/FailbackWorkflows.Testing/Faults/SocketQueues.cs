using System.Globalization;

namespace FailbackWorkflows.Testing.Faults;

/// <summary>What the kernel holds of TCP connections on this machine: sent by one program and not taken by the other yet. Linux only.</summary>
internal static class SocketQueues
{
    /// <summary>
    /// Bytes from the server at a port to its clients, by the client's port: in the server's queue for sending and the client's for receiving.
    /// </summary>
    public static IReadOnlyDictionary<int, long> BytesUnder(int serverPort)
    {
        var bytes = new Dictionary<int, long>();

        // A client that speaks both families has its connection in the second table, with a mapped address.
        foreach (var line in new[] { "/proc/net/tcp", "/proc/net/tcp6" }.Where(File.Exists).SelectMany(p => File.ReadLines(p).Skip(1)))
        {
            if (line.Split(' ', StringSplitOptions.RemoveEmptyEntries) is not [_, var local, var remote, _, var queues, ..])
            {
                continue;
            }

            var (from, to) = (Port(local), Port(remote));
            if (from == serverPort && to != 0)
            {
                bytes[to] = bytes.GetValueOrDefault(to) + Number(queues.Split(':')[0]);
            }
            else if (to == serverPort)
            {
                bytes[from] = bytes.GetValueOrDefault(from) + Number(queues.Split(':')[1]);
            }
        }

        return bytes;
    }

    private static int Port(string address) => (int)Number(address[(address.LastIndexOf(':') + 1)..]);

    private static long Number(string hex) => long.Parse(hex, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
}
