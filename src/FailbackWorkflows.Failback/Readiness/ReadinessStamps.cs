using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.Failover;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Licensing;
using FailbackWorkflows.Failback.Maintenance;
using FailbackWorkflows.Failback.Policies;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Failback.VmsServers;

namespace FailbackWorkflows.Failback.Readiness;

/// <summary>Why a result of a dry run counts no longer.</summary>
public enum ReadinessChange
{
    /// <summary>The workflow was published anew.</summary>
    Definition,

    /// <summary>Another licence, or what is found of it has changed (it has expired, there are more recorders).</summary>
    License,

    /// <summary>The newest cached settings of the duty are others.</summary>
    Settings,

    /// <summary>A server was added, replaced or set otherwise, or the failover log entry or the duty has changed.</summary>
    Topology,

    /// <summary>The site's failback policy or a maintenance mode has changed.</summary>
    Rules,
}

/// <summary>What a dry run was based on, as digests: equal stamps mean that nothing it depends on was changed by anybody in between.</summary>
public sealed record ReadinessStamp(string Definition, string License, string Settings, string Topology, string Rules)
{
    /// <summary>What is otherwise now; empty: the result still counts.</summary>
    public IReadOnlyList<ReadinessChange> ListChanges(ReadinessStamp now)
    {
        var changes = new List<ReadinessChange>();
        Compare(ReadinessChange.Definition, Definition, now.Definition);
        Compare(ReadinessChange.License, License, now.License);
        Compare(ReadinessChange.Settings, Settings, now.Settings);
        Compare(ReadinessChange.Topology, Topology, now.Topology);
        Compare(ReadinessChange.Rules, Rules, now.Rules);
        return changes;

        void Compare(ReadinessChange change, string before, string after)
        {
            if (before != after)
            {
                changes.Add(change);
            }
        }
    }
}

/// <summary>A server as it is now: what there would be to look at, and the stamp of that.</summary>
/// <param name="Entry">Its open failover log entry; null: there is none.</param>
public sealed record ReadinessSubject(VmsServer Server, FailoverLogEntry? Entry, ReadinessStamp Stamp)
{
    public ReadinessKind Kind => Entry is null ? ReadinessKind.Failover : ReadinessKind.Failback;

    /// <summary>What has changed since a result; empty: it still counts.</summary>
    public IReadOnlyList<ReadinessChange> ChangesSince(ReadinessResult result) => result.Stamp.ListChanges(Stamp);
}

/// <summary>Makes stamps of what the tables say now. Reads only.</summary>
public sealed class ReadinessStamps(
    IVmsServers servers,
    IFailoverLog log,
    IDuties duties,
    ISettingsCache cache,
    WorkflowDefinitions definitions,
    LicenseCheck license,
    ILicenses licenses,
    ISystemSettings settings,
    IMaintenanceModes maintenance,
    TimeProvider time)
{
    /// <summary>From this many servers on it is cheaper to read everything than each.</summary>
    private const int Many = 100;

    /// <summary>One server as it is now.</summary>
    public async Task<ReadinessSubject> ReadAsync(VmsServer server, CancellationToken cancellationToken) => (await ReadAsync([server], cancellationToken))[0];

    /// <summary>Several servers as they are now, in their order. What they share is read once.</summary>
    public async Task<IReadOnlyList<ReadinessSubject>> ReadAsync(IReadOnlyList<VmsServer> all, CancellationToken cancellationToken)
    {
        var common = await ReadCommonAsync(all.Count >= Many, cancellationToken);
        var subjects = new List<ReadinessSubject>(all.Count);
        foreach (var server in all)
        {
            subjects.Add(await ReadAsync(server, common, cancellationToken));
        }

        return subjects;
    }

    private async Task<Common> ReadCommonAsync(bool isOfMany, CancellationToken cancellationToken)
    {
        var signed = await licenses.FindCurrentAsync(cancellationToken);
        var verdict = await license.CheckAsync(LicenseCheck.Failover, cancellationToken);
        var now = time.GetUtcNow();
        return new(
            (await definitions.FindPublishedAsync(StartFailback.DefinitionId, cancellationToken))?.Id ?? "",
            (await definitions.FindPublishedAsync(StartFailover.DefinitionId, cancellationToken))?.Id ?? "",
            Digest(signed?.Document, signed?.Signature, verdict.Finding.ToString()),
            await settings.FindAsync(FailbackPolicies.Key, cancellationToken),
            [.. (await maintenance.ListOnAsync(cancellationToken)).Where(mode => mode.IsActive(now))])
        {
            Duties = isOfMany ? (await duties.ListAsync(cancellationToken)).ToDictionary(d => d.Identity) : null,
            Latest = isOfMany ? (await cache.ListLatestAsync(cancellationToken)).ToLookup(r => r.Identity) : null,
            Open = isOfMany ? (await log.ListOpenAsync(cancellationToken)).ToLookup(e => e.FailedServerId) : null,
        };
    }

    private async Task<ReadinessSubject> ReadAsync(VmsServer server, Common common, CancellationToken cancellationToken)
    {
        var entry = (common.Open is null ? await log.ListOpenAsync(server.Id, cancellationToken) : common.Open[server.Id]).FirstOrDefault(e => e.Failover != FailoverState.Failed);
        var duty = common.Duties is null ? await duties.FindAsync(server.Id, cancellationToken) : common.Duties.GetValueOrDefault(server.Id);
        var newest = SettingsAges.NewestOf(common.Latest is null ? await cache.ListLatestAsync(server.Id, cancellationToken) : common.Latest[server.Id]);
        var others = entry is null
            ? await common.DigestOfGroupAsync(server.FailoverGroup, servers, cancellationToken)
            : Describe(await servers.FindAsync(entry.FailoverServerId, cancellationToken));
        var modes = common.Maintenance.Where(mode => mode.ServerId is null || mode.ServerId == server.Id).Select(mode => string.Create(CultureInfo.InvariantCulture, $"{mode.Scope}:{mode.Episode}"));
        return new(
            server,
            entry,
            new(
                entry is null ? common.Failover : common.Failback,
                common.License,
                newest?.Sha256 ?? "",
                Digest(Describe(server), others, $"{entry?.Id}:{entry?.FailoverServerId}:{entry?.Failover}:{entry?.Failback}", $"{duty?.HolderServerId}:{duty?.Epoch}"),
                Digest([common.Policy, .. modes])));
    }

    /// <summary>What people set of a server, and what it is; not how its connection stands at the moment.</summary>
    private static string Describe(VmsServer? server) => server is null
        ? ""
        : string.Create(CultureInfo.InvariantCulture, $"{server.Id}|{server.Name}|{server.BaseUrl}|{server.MachineId}|{server.SoftwareVersion}|{server.State}|{server.FailoverGroup}|{server.IsFailoverEnabled}|{server.MostDutiesOfOthers}|{server.RoomPerDutyBytes}");

    private static string Digest(params IEnumerable<string?> parts) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', parts))))[..32];

    /// <summary>What all servers of one reading share.</summary>
    private sealed record Common(string Failback, string Failover, string License, string? Policy, IReadOnlyList<MaintenanceMode> Maintenance)
    {
        private readonly Dictionary<string, string> _groups = new(StringComparer.Ordinal);

        public IReadOnlyDictionary<string, Duty>? Duties { get; init; }

        public ILookup<string, CachedRevision>? Latest { get; init; }

        public ILookup<string, FailoverLogEntry>? Open { get; init; }

        public async Task<string> DigestOfGroupAsync(string? group, IVmsServers servers, CancellationToken cancellationToken)
        {
            if (group is null)
            {
                return "";
            }

            if (!_groups.TryGetValue(group, out var digest))
            {
                _groups[group] = digest = Digest((await servers.ListGroupAsync(group, cancellationToken)).OrderBy(s => s.Id, StringComparer.Ordinal).Select(Describe));
            }

            return digest;
        }
    }
}
