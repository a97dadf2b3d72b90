namespace FailbackWorkflows.Tests.Model;

/// <summary>The situations that are explored, by how much may go wrong in them.</summary>
public static class Explorations
{
    private const int A = 1;
    private const int B = 2;
    private const int C = 4;

    public static Bounds OneFailback(int faults) =>
        new("failback, one node", Servers: 2, Identities: 1, Nodes: 1, Takers(B), faults, InFlight: 1, OpenEntries: 2);

    public static Bounds TwoNodes(int faults) =>
        new("two nodes", Servers: 2, Identities: 1, Nodes: 2, Takers(B), faults, InFlight: 1, OpenEntries: 1);

    public static Bounds FailoverOfFailover(int faults) =>
        new("failover of a failover", Servers: 3, Identities: 1, Nodes: 1, Takers(B | C), faults, InFlight: 1, OpenEntries: 2);

    public static Bounds ManyToOne(int faults) =>
        new("N:1", Servers: 3, Identities: 2, Nodes: 1, Takers(C, C), faults, InFlight: 1, OpenEntries: 1);

    public static Bounds Mutual(int faults) =>
        new("mutual roles", Servers: 2, Identities: 2, Nodes: 1, Takers(B, A), faults, InFlight: 1, OpenEntries: 1);

    public static Bounds RestoredDatabase(int faults, int servers = 2) =>
        new("restored database", servers, Identities: 1, Nodes: 1, Takers(servers == 3 ? B | C : B), faults, InFlight: 1, OpenEntries: 2, CanRestore: true);

    private static Two<byte> Takers(int ofA, int ofB = 0)
    {
        var takers = default(Two<byte>);
        (takers[0], takers[1]) = ((byte)ofA, (byte)ofB);
        return takers;
    }
}
