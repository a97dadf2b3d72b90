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
        if (all.Count == 0)
        {
            return [];
        }

        var common = await ReadCommonAsync(all, cancellationToken);
        return [.. all.Select(server => Describe(server, common))];
    }

    /// <summary>What needs no answer of another is read at the same time: a page of servers waits for this.</summary>
    private async Task<Common> ReadCommonAsync(IReadOnlyList<VmsServer> all, CancellationToken cancellationToken)
    {
        var site = ReadSiteAsync(cancellationToken);
        var (open, granted, latest) = ReadOf([.. all.Select(server => server.Id)], cancellationToken);
        await Task.WhenAll(open, granted, latest);
        var byServer = (await open).ToLookup(entry => entry.FailedServerId);
        var groups = all.Where(server => EntryOf(server, byServer) is null).Select(server => server.FailoverGroup).OfType<string>().ToHashSet(StringComparer.Ordinal);
        var digests = servers.DigestGroupsAsync(groups, cancellationToken);
        var standingIn = servers.ListAsync((await open).Select(entry => entry.FailoverServerId).ToHashSet(StringComparer.Ordinal), cancellationToken);
        await Task.WhenAll(site, digests, standingIn);
        return new(
            await site,
            (await granted).ToDictionary(d => d.Identity),
            (await latest).ToLookup(r => r.Identity),
            byServer,
            (await standingIn).ToDictionary(server => server.Id),
            await digests);
    }

    private async Task<Site> ReadSiteAsync(CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var published = definitions.FindPublishedVersionsAsync([StartFailback.DefinitionId, StartFailover.DefinitionId], cancellationToken);
        var licensed = DigestLicenseAsync(cancellationToken);
        var policy = settings.FindAsync(FailbackPolicies.Key, cancellationToken);
        var modes = maintenance.ListOnAsync(cancellationToken);
        await Task.WhenAll(published, licensed, policy, modes);
        return new(
            (await published).GetValueOrDefault(StartFailback.DefinitionId, ""),
            (await published).GetValueOrDefault(StartFailover.DefinitionId, ""),
            await licensed,
            await policy,
            [.. (await modes).Where(mode => mode.IsActive(now))]);
    }

    private async Task<string> DigestLicenseAsync(CancellationToken cancellationToken)
    {
        var signed = await licenses.FindCurrentAsync(cancellationToken);
        var verdict = await license.CheckAsync(signed, LicenseCheck.Failover, cancellationToken);
        return Digest(signed?.Document, signed?.Signature, verdict.Finding.ToString());
    }

    private static FailoverLogEntry? EntryOf(VmsServer server, ILookup<string, FailoverLogEntry> open) => open[server.Id].FirstOrDefault(entry => entry.Failover != FailoverState.Failed);

    private (Task<IReadOnlyList<FailoverLogEntry>> Open, Task<IReadOnlyList<Duty>> Duties, Task<IReadOnlyList<CachedRevision>> Latest) ReadOf(string[] ids, CancellationToken cancellationToken) => ids.Length switch
    {
        1 => (log.ListOpenAsync(ids[0], cancellationToken), FindDutyAsync(ids[0], cancellationToken), cache.ListLatestAsync(ids[0], cancellationToken)),
        < Many => (log.ListOpenAsync(ids, cancellationToken), duties.ListAsync(ids, cancellationToken), cache.ListLatestAsync(ids, cancellationToken)),
        _ => (log.ListOpenAsync(cancellationToken), duties.ListAsync(cancellationToken), cache.ListLatestAsync(cancellationToken)),
    };

    private async Task<IReadOnlyList<Duty>> FindDutyAsync(string identity, CancellationToken cancellationToken) => await duties.FindAsync(identity, cancellationToken) is { } duty ? [duty] : [];

    private static ReadinessSubject Describe(VmsServer server, Common common)
    {
        var entry = EntryOf(server, common.Open);
        var duty = common.Duties.GetValueOrDefault(server.Id);
        var newest = SettingsAges.NewestOf(common.Latest[server.Id]);
        var others = entry is null
            ? server.FailoverGroup is { } group && common.Groups.TryGetValue(group, out var members) ? string.Create(CultureInfo.InvariantCulture, $"{members.Members}:{members.Digests}") : ""
            : common.StandingIn.GetValueOrDefault(entry.FailoverServerId) is { } standingIn ? VmsServerTraits.Describe(standingIn) : "";
        var modes = common.Site.Maintenance.Where(mode => mode.ServerId is null || mode.ServerId == server.Id).Select(mode => string.Create(CultureInfo.InvariantCulture, $"{mode.Scope}:{mode.Episode}"));
        return new(
            server,
            entry,
            new(
                entry is null ? common.Site.Failover : common.Site.Failback,
                common.Site.License,
                newest?.Sha256 ?? "",
                Digest(VmsServerTraits.Describe(server), others, $"{entry?.Id}:{entry?.FailoverServerId}:{entry?.Failover}:{entry?.Failback}", $"{duty?.HolderServerId}:{duty?.Epoch}"),
                Digest([common.Site.Policy, .. modes])));
    }

    private static string Digest(params IEnumerable<string?> parts) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', parts))))[..32];

    /// <summary>What all servers of the site share.</summary>
    private sealed record Site(string Failback, string Failover, string License, string? Policy, IReadOnlyList<MaintenanceMode> Maintenance);

    /// <summary>What is read of the servers of one reading together.</summary>
    /// <param name="Groups">What the members add up to, of the failover groups whose members count.</param>
    private sealed record Common(
        Site Site,
        IReadOnlyDictionary<string, Duty> Duties,
        ILookup<string, CachedRevision> Latest,
        ILookup<string, FailoverLogEntry> Open,
        IReadOnlyDictionary<string, VmsServer> StandingIn,
        IReadOnlyDictionary<string, (int Members, long Digests)> Groups);
}
