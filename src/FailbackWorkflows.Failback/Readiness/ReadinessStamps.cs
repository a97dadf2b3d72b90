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
    /// <summary>From this many servers on it is cheaper to read everything than what is theirs.</summary>
    private const int Many = 100;

    /// <summary>One server as it is now.</summary>
    public async Task<ReadinessSubject> ReadAsync(VmsServer server, CancellationToken cancellationToken) => (await ReadAsync([server], cancellationToken))[0];

    /// <summary>Several servers as they are now, in their order. What they share is read once.</summary>
    public async Task<IReadOnlyList<ReadinessSubject>> ReadAsync(IReadOnlyList<VmsServer> all, CancellationToken cancellationToken)
    {
        var common = await ReadCommonAsync(all, cancellationToken);
        var subjects = new List<ReadinessSubject>(all.Count);
        foreach (var server in all)
        {
            subjects.Add(await ReadAsync(server, common, cancellationToken));
        }

        return subjects;
    }

    private async Task<Common> ReadCommonAsync(IReadOnlyList<VmsServer> all, CancellationToken cancellationToken)
    {
        var signed = await licenses.FindCurrentAsync(cancellationToken);
        var verdict = await license.CheckAsync(LicenseCheck.Failover, cancellationToken);
        var now = time.GetUtcNow();
        var (open, granted, latest) = await ReadOfAsync([.. all.Select(server => server.Id)], cancellationToken);
        var standingIn = open.Select(entry => entry.FailoverServerId).ToHashSet(StringComparer.Ordinal);
        return new(
            (await definitions.FindPublishedAsync(StartFailback.DefinitionId, cancellationToken))?.Id ?? "",
            (await definitions.FindPublishedAsync(StartFailover.DefinitionId, cancellationToken))?.Id ?? "",
            Digest(signed?.Document, signed?.Signature, verdict.Finding.ToString()),
            await settings.FindAsync(FailbackPolicies.Key, cancellationToken),
            [.. (await maintenance.ListOnAsync(cancellationToken)).Where(mode => mode.IsActive(now))],
            granted.ToDictionary(d => d.Identity),
            latest.ToLookup(r => r.Identity),
            open.ToLookup(e => e.FailedServerId),
            (await servers.ListAsync(standingIn, cancellationToken)).ToDictionary(server => server.Id));
    }

    private async Task<(IReadOnlyList<FailoverLogEntry> Open, IReadOnlyList<Duty> Duties, IReadOnlyList<CachedRevision> Latest)> ReadOfAsync(
        string[] ids, CancellationToken cancellationToken) => ids.Length switch
    {
        1 => (
            await log.ListOpenAsync(ids[0], cancellationToken),
            await duties.FindAsync(ids[0], cancellationToken) is { } duty ? [duty] : [],
            await cache.ListLatestAsync(ids[0], cancellationToken)),
        < Many => (await log.ListOpenAsync(ids, cancellationToken), await duties.ListAsync(ids, cancellationToken), await cache.ListLatestAsync(ids, cancellationToken)),
        _ => (await log.ListOpenAsync(cancellationToken), await duties.ListAsync(cancellationToken), await cache.ListLatestAsync(cancellationToken)),
    };

    private async Task<ReadinessSubject> ReadAsync(VmsServer server, Common common, CancellationToken cancellationToken)
    {
        var entry = common.Open[server.Id].FirstOrDefault(e => e.Failover != FailoverState.Failed);
        var duty = common.Duties.GetValueOrDefault(server.Id);
        var newest = SettingsAges.NewestOf(common.Latest[server.Id]);
        var others = entry is null
            ? await common.DigestOfGroupAsync(server.FailoverGroup, servers, cancellationToken)
            : Describe(common.StandingIn.GetValueOrDefault(entry.FailoverServerId));
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
    private sealed record Common(
        string Failback,
        string Failover,
        string License,
        string? Policy,
        IReadOnlyList<MaintenanceMode> Maintenance,
        IReadOnlyDictionary<string, Duty> Duties,
        ILookup<string, CachedRevision> Latest,
        ILookup<string, FailoverLogEntry> Open,
        IReadOnlyDictionary<string, VmsServer> StandingIn)
    {
        private readonly Dictionary<string, string> _groups = new(StringComparer.Ordinal);

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
