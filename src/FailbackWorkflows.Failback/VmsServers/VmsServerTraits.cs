using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace FailbackWorkflows.Failback.VmsServers;

/// <summary>What people set of a server, and what it is; not how its connection stands at the moment.</summary>
public static class VmsServerTraits
{
    /// <summary>Five bytes: millions of such digests can be added up.</summary>
    private const long Largest = (1L << 40) - 1;

    /// <summary>All of it in one text.</summary>
    public static string Describe(VmsServer server) => string.Create(
        CultureInfo.InvariantCulture,
        $"{server.Id}|{server.Name}|{server.BaseUrl}|{server.MachineId}|{server.SoftwareVersion}|{server.State}|{server.FailoverGroup}|{server.IsFailoverEnabled}|{server.MostDutiesOfOthers}|{server.RoomPerDutyBytes}");

    /// <summary>A number that is another one, but for one chance in 2⁴⁰, when anything of it is otherwise; 0 to 2⁴⁰ − 1. The sum of those of several servers says the same of all of them, in whatever order.</summary>
    public static long DigestOf(VmsServer server) => BinaryPrimitives.ReadInt64BigEndian(SHA256.HashData(Encoding.UTF8.GetBytes(Describe(server)))) & Largest;
}
