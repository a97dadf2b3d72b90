using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace FailbackWorkflows.Server.Workflows;

/// <summary>Which hosts and addresses the list of <see cref="OutboundHttpOptions.AllowedHosts"/> lets requests go to.</summary>
internal sealed class AllowedHosts
{
    /// <summary>Not the internet: private, loopback, link-local, shared, documentation, multicast and reserved networks, and those that carry an IPv4 address in an IPv6 one.</summary>
    private static readonly IPNetwork[] NotPublic =
    [
        .. new[]
        {
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15",
            "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "::/96", "::1/128", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16",
            "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
        }.Select(IPNetwork.Parse),
    ];

    private readonly HashSet<string> hosts = new(StringComparer.OrdinalIgnoreCase);
    private readonly List<IPNetwork> networks = [];

    public AllowedHosts(IEnumerable<string> entries)
    {
        foreach (var entry in entries)
        {
            if (IPNetwork.TryParse(entry, out var network))
            {
                networks.Add(network);
            }
            else
            {
                hosts.Add(entry);
                if (IPAddress.TryParse(WithoutPort(entry), out var address))
                {
                    networks.Add(new IPNetwork(address, address.AddressFamily == AddressFamily.InterNetwork ? 32 : 128));
                }
            }
        }
    }

    /// <summary>What is wrong with an entry, as a sentence; null: nothing.</summary>
    public static string? Problem(string entry) =>
        IPNetwork.TryParse(entry, out _) || Uri.CheckHostName(WithoutPort(entry).Trim('[', ']')) != UriHostNameType.Unknown
            ? null
            : $"Failback:Http:AllowedHosts has '{entry}', which is no host name, address or network. Examples: alarms.example.com, erp.local:8443, 10.1.0.0/16.";

    /// <summary>The host and port of a URL are on the list. The addresses the name leads to are another question.</summary>
    public bool Allows(Uri url)
    {
        var host = url.IdnHost;
        return (url.IsDefaultPort && hosts.Contains(host))
            || hosts.Contains(string.Create(CultureInfo.InvariantCulture, $"{(url.HostNameType == UriHostNameType.IPv6 ? $"[{host}]" : host)}:{url.Port}"))
            || (url.IsDefaultPort && IPAddress.TryParse(host, out var address) && IsListed(address));
    }

    /// <summary>A connection to the address may be made: it is a public one, or the list names it.</summary>
    public bool Allows(IPAddress address)
    {
        var plain = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        return IsListed(plain) || !NotPublic.Any(n => n.Contains(plain));
    }

    private bool IsListed(IPAddress address) => networks.Exists(n => n.Contains(address));

    private static string WithoutPort(string entry)
    {
        if (entry.StartsWith('['))
        {
            return entry[1..(entry.IndexOf(']', StringComparison.Ordinal) is > 0 and var end ? end : entry.Length)];
        }

        return entry.Count(c => c == ':') == 1 && ushort.TryParse(entry[(entry.IndexOf(':', StringComparison.Ordinal) + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out _)
            ? entry[..entry.IndexOf(':', StringComparison.Ordinal)]
            : entry;
    }
}
