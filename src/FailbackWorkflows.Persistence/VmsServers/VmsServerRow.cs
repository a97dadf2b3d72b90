using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Readiness;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Persistence.Changes;
using FailbackWorkflows.Persistence.Readiness;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace FailbackWorkflows.Persistence.VmsServers;

internal sealed class VmsServerRow : IVersionedRow
{
    public required string Id { get; set; }

    public required string Name { get; set; }

    public required string BaseUrl { get; set; }

    public required string ProtectedCredential { get; set; }

    public string? MachineId { get; set; }

    public string? SoftwareVersion { get; set; }

    public VmsServerState State { get; set; }

    public string? FailoverGroup { get; set; }

    public bool IsFailoverEnabled { get; set; }

    public bool IsAutomaticFailbackEnabled { get; set; }

    public bool IsAutomaticFailoverEnabled { get; set; }

    public int FailoverAfterPolls { get; set; }

    public int MostDutiesOfOthers { get; set; }

    public long RoomPerDutyBytes { get; set; }

    public TimeSpan? PollInterval { get; set; }

    public TimeSpan StabilityDelay { get; set; }

    public ConnectionState Connection { get; set; }

    public DateTimeOffset? ConnectedSince { get; set; }

    public long ConnectionEpisode { get; set; }

    public TimeSpan? ClockOffset { get; set; }

    public DateTimeOffset? LastSeenAt { get; set; }

    public string? BootId { get; set; }

    public DateTimeOffset CreatedAt { get; set; }

    /// <summary><see cref="VmsServerTraits.DigestOf"/>. Where a version that did not know it has written the row, it is put right at the next start (<see cref="ServerDigests"/>).</summary>
    public long TraitsDigest { get; set; }

    public long Revision { get; set; }

    public static void Configure(EntityTypeBuilder<VmsServerRow> row)
    {
        row.ToTable("servers");
        row.HasKey(r => r.Id);
        row.Property(r => r.Revision).IsConcurrencyToken();
        row.Property(r => r.State).HasConversion<string>();
        row.Property(r => r.Connection).HasConversion<string>();
        row.HasIndex(r => r.MachineId).IsUnique();
        row.HasIndex(r => new { r.Name, r.Id });
        row.HasIndex(r => new { r.FailoverGroup, r.TraitsDigest });

        // Looked for on every page of operators: in peace there are none, and in an outage a few hundred among ten thousand.
        row.HasIndex(r => new { r.Name, r.Id }, "IX_servers_broken").HasFilter($"state = '{nameof(VmsServerState.Broken)}'");
    }

    public static VmsServerRow From(VmsServer server) => new()
    {
        Id = server.Id,
        Name = server.Name,
        BaseUrl = server.BaseUrl.ToString(),
        ProtectedCredential = server.ProtectedCredential,
        MachineId = server.MachineId,
        SoftwareVersion = server.SoftwareVersion,
        State = server.State,
        FailoverGroup = server.FailoverGroup,
        IsFailoverEnabled = server.IsFailoverEnabled,
        IsAutomaticFailbackEnabled = server.IsAutomaticFailbackEnabled,
        IsAutomaticFailoverEnabled = server.IsAutomaticFailoverEnabled,
        FailoverAfterPolls = server.FailoverAfterPolls,
        MostDutiesOfOthers = server.MostDutiesOfOthers,
        RoomPerDutyBytes = server.RoomPerDutyBytes,
        PollInterval = server.PollInterval,
        StabilityDelay = server.StabilityDelay,
        Connection = server.Connection,
        ConnectedSince = server.ConnectedSince,
        ConnectionEpisode = server.ConnectionEpisode,
        ClockOffset = server.ClockOffset,
        LastSeenAt = server.LastSeenAt,
        BootId = server.BootId,
        CreatedAt = server.CreatedAt,
        TraitsDigest = VmsServerTraits.DigestOf(server),
    };

    public VmsServer ToServer() => new()
    {
        Id = Id,
        Name = Name,
        BaseUrl = new Uri(BaseUrl),
        ProtectedCredential = ProtectedCredential,
        MachineId = MachineId,
        SoftwareVersion = SoftwareVersion,
        State = State,
        FailoverGroup = FailoverGroup,
        IsFailoverEnabled = IsFailoverEnabled,
        IsAutomaticFailbackEnabled = IsAutomaticFailbackEnabled,
        IsAutomaticFailoverEnabled = IsAutomaticFailoverEnabled,
        FailoverAfterPolls = FailoverAfterPolls,
        MostDutiesOfOthers = MostDutiesOfOthers,
        RoomPerDutyBytes = RoomPerDutyBytes,
        PollInterval = PollInterval,
        StabilityDelay = StabilityDelay,
        Connection = Connection,
        ConnectedSince = ConnectedSince,
        ConnectionEpisode = ConnectionEpisode,
        ClockOffset = ClockOffset,
        LastSeenAt = LastSeenAt,
        BootId = BootId,
        CreatedAt = CreatedAt,
        Revision = Revision,
    };
}

internal sealed class SaveVmsServerHandler(IDatabase database) : ModelChangeHandler<SaveVmsServer>
{
    private static readonly CompiledRead<string, VmsServerRow?> ById = new((db, id, _) => db.Servers.FirstOrDefault(r => r.Id == id));

    protected override Task ApplyAsync(FailbackDbContext db, SaveVmsServer change, CancellationToken cancellationToken) =>
        db.SaveVersionedAsync(database, ById, VmsServerRow.From(change.Server), change.Server.Id, change.Server.Revision, $"VMS server {change.Server.Id}", cancellationToken);
}

internal sealed class DeleteVmsServerHandler : DomainChangeHandler<DeleteVmsServer>
{
    protected override async Task ApplyAsync(WriteSession session, DeleteVmsServer change, CancellationToken cancellationToken)
    {
        if (await session.Context.Servers.AsNoTracking().Where(r => r.Id == change.ServerId).Select(r => (long?)r.Revision).FirstOrDefaultAsync(cancellationToken) is not { } stored)
        {
            return;
        }

        if (stored != change.Revision || await session.Context.Servers.Where(r => r.Id == change.ServerId && r.Revision == change.Revision).ExecuteDeleteAsync(cancellationToken) == 0)
        {
            throw new ConcurrentChangeException($"VMS server {change.ServerId}");
        }

        // What others know of its duty stays: when it comes back, its epochs must be larger.
        await session.ExecuteAsync("DELETE FROM recorder_words WHERE server_id = @server", cancellationToken, ("server", change.ServerId));

        // A result is of the server that was looked at, not of one that comes with the same id later.
        await session.ExecuteAsync("DELETE FROM readiness WHERE server_id = @server", cancellationToken, ("server", change.ServerId));
    }
}

internal sealed class VmsServers(IDatabase database, CommittedChanges committed) : IVmsServers
{
    private static readonly CompiledRead<string, VmsServerRow?> ById = new((db, id, _) => db.Servers.FirstOrDefault(r => r.Id == id));
    private static readonly CompiledList<int, VmsServerRow> All = new((db, _) => db.Servers.OrderBy(r => r.Name).ThenBy(r => r.Id));

    private static readonly CompiledList<int, VmsServerRevision> Revisions = new((db, _) => db.Servers.Select(r => new VmsServerRevision(r.Id, r.Revision, r.CreatedAt)));

    private static readonly CompiledList<string, VmsServerRow> OfGroup = new((db, group) => db.Servers.Where(r => r.FailoverGroup == group).OrderBy(r => r.Name).ThenBy(r => r.Id));
    private static readonly CompiledRead<string, VmsServerRow?> ByMachine = new((db, machineId, _) => db.Servers.FirstOrDefault(r => r.MachineId == machineId));
    private static readonly CompiledRead<int, int> Count = new((db, _, _) => db.Servers.Count());

    /// <summary>So many that fit a search are counted by listing their ids.</summary>
    private const int MostFitting = 500;

    public long Version => committed.CountOf<SaveVmsServer>() + committed.CountOf<DeleteVmsServer>();

    public async Task<VmsServer?> FindAsync(string id, CancellationToken cancellationToken) => (await ById.ExecuteAsync(database, id, cancellationToken))?.ToServer();

    public async Task<VmsServer?> FindByMachineAsync(string machineId, CancellationToken cancellationToken) =>
        (await ByMachine.ExecuteAsync(database, machineId, cancellationToken))?.ToServer();

    public Task<IReadOnlyList<VmsServer>> ListAsync(CancellationToken cancellationToken) => All.ExecuteAsync(database, 0, r => r.ToServer(), cancellationToken);

    public Task<IReadOnlyList<VmsServerRevision>> ListRevisionsAsync(CancellationToken cancellationToken) => Revisions.ExecuteAsync(database, 0, r => r, cancellationToken);

    public Task<IReadOnlyList<VmsServer>> ListGroupAsync(string failoverGroup, CancellationToken cancellationToken) => OfGroup.ExecuteAsync(database, failoverGroup, r => r.ToServer(), cancellationToken);

    public async Task<IReadOnlyDictionary<string, (int Members, long Digests)>> DigestGroupsAsync(IReadOnlyCollection<string> failoverGroups, CancellationToken cancellationToken)
    {
        if (failoverGroups.Count == 0)
        {
            return new Dictionary<string, (int, long)>();
        }

        await using var db = database.CreateReadContext();
        return await db.Servers
            .Where(r => r.FailoverGroup != null && failoverGroups.Contains(r.FailoverGroup))
            .GroupBy(r => r.FailoverGroup!)
            .Select(members => new { Group = members.Key, Members = members.Count(), Digests = members.Sum(r => r.TraitsDigest) })
            .ToDictionaryAsync(members => members.Group, members => (members.Members, members.Digests), StringComparer.Ordinal, cancellationToken);
    }

    public async Task<IReadOnlyDictionary<string, string>> ListNamesAsync(IReadOnlyCollection<string> ids, CancellationToken cancellationToken)
    {
        var names = new Dictionary<string, string>(StringComparer.Ordinal);
        if (ids.Count == 0)
        {
            return names;
        }

        await using var db = database.CreateReadContext();
        await foreach (var server in db.Servers.Where(r => ids.Contains(r.Id)).Select(r => new { r.Id, r.Name }).AsAsyncEnumerable().WithCancellation(cancellationToken))
        {
            names[server.Id] = server.Name;
        }

        return names;
    }

    public Task<int> CountAsync(CancellationToken cancellationToken) => Count.ExecuteAsync(database, 0, cancellationToken);

    public async Task<IReadOnlyList<VmsServer>> ListAsync(IReadOnlyCollection<string> ids, CancellationToken cancellationToken)
    {
        if (ids.Count == 0)
        {
            return [];
        }

        await using var db = database.CreateReadContext();
        var rows = await db.Servers.Where(r => ids.Contains(r.Id)).OrderBy(r => r.Name).ThenBy(r => r.Id).ToListAsync(cancellationToken);
        return [.. rows.Select(r => r.ToServer())];
    }

    public async Task<IReadOnlyList<VmsServer>> ListAsync(VmsServerQuery query, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        var rows = Narrow(db, query);
        if (query.After is { } after)
        {
            var (id, name) = VmsServerQuery.ReadMark(after);
            name ??= await db.Servers.Where(r => r.Id == id).Select(r => r.Name).FirstOrDefaultAsync(cancellationToken);
            if (name is null)
            {
                return [];
            }

            // The first condition says nothing new. It is where the index begins, also for a database that does not conclude it from the second.
            rows = rows.Where(r => string.Compare(r.Name, name) >= 0);
            rows = rows.Where(r => string.Compare(r.Name, name) > 0 || (r.Name == name && string.Compare(r.Id, id) > 0));
        }

        rows = rows.OrderBy(r => r.Name).ThenBy(r => r.Id);
        if (query.Take is { } take)
        {
            rows = rows.Take(Math.Clamp(take, 1, VmsServerQuery.MostPerPage));
        }

        return [.. (await rows.ToListAsync(cancellationToken)).Select(r => r.ToServer())];
    }

    public async Task<(IReadOnlyList<VmsServer> Page, int Found)> SearchAsync(VmsServerQuery query, CancellationToken cancellationToken)
    {
        // Usually few fit, and every server is looked at to know that: one look gives the page and the count. Where many fit, the first of them are soon found.
        await using var db = database.CreateReadContext();
        var fitting = await Narrow(db, query).OrderBy(r => r.Name).ThenBy(r => r.Id).Select(r => new { r.Id, r.Name }).Take(MostFitting + 1).ToListAsync(cancellationToken);
        if (fitting.Count > MostFitting)
        {
            return (await ListAsync(query, cancellationToken), await Narrow(db, query).CountAsync(cancellationToken));
        }

        var first = 0;
        if (query.After is { } after)
        {
            var (id, name) = VmsServerQuery.ReadMark(after);
            first = fitting.FindIndex(r => r.Id == id && (name is null || r.Name == name)) + 1;
            if (first == 0)
            {
                // It fits no more, or has another name: what follows its place is for the database to say, whose order it is.
                return (await ListAsync(query, cancellationToken), fitting.Count);
            }
        }

        var take = query.Take is { } most ? Math.Clamp(most, 1, VmsServerQuery.MostPerPage) : fitting.Count;
        return (await ListAsync([.. fitting.Skip(first).Take(take).Select(r => r.Id)], cancellationToken), fitting.Count);
    }

    public async Task<IReadOnlyList<string>> FindIdsAsync(string text, int take, CancellationToken cancellationToken)
    {
        var part = text.ToLowerInvariant();
        await using var db = database.CreateReadContext();
        return await db.Servers
            .Where(r => r.Name.Contains(text) || r.Name.ToLower().Contains(part) || r.Id.Contains(part))
            .OrderBy(r => r.Name.ToLower().StartsWith(part) ? 0 : 1)
            .ThenBy(r => r.Name)
            .ThenBy(r => r.Id)
            .Select(r => r.Id)
            .Take(take)
            .ToListAsync(cancellationToken);
    }

    public async Task<IReadOnlyList<string>> ListGroupsAsync(CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        var groups = await db.Servers.Where(r => r.FailoverGroup != null).Select(r => r.FailoverGroup!).Distinct().ToListAsync(cancellationToken);
        return [.. groups.Order(StringComparer.Ordinal)];
    }

    /// <summary>Part of a text by a look at each row: ten thousand short ones cost milliseconds, and no index finds the middle of a word on both databases.</summary>
    private static IQueryable<VmsServerRow> Narrow(FailbackDbContext db, VmsServerQuery query)
    {
        IQueryable<VmsServerRow> rows = db.Servers;
        if (query.Text is { } text)
        {
            var isAscii = System.Text.Ascii.IsValid(text);
            var part = text.ToLowerInvariant();
            rows = rows.Where(r => r.Name.ToLower().Contains(part) || r.Id.Contains(part) || r.BaseUrl.ToLower().Contains(part) || (r.FailoverGroup != null && r.FailoverGroup.ToLower().Contains(part))
                // As it was typed too: the embedded database knows only the small letters of English.
                || (!isAscii && (r.Name.Contains(text) || (r.FailoverGroup != null && r.FailoverGroup.Contains(text)))));
        }

        return query.Filter switch
        {
            VmsServerFilter.Broken => rows.Where(r => r.State == VmsServerState.Broken),
            VmsServerFilter.NotConnected => rows.Where(r => r.Connection != ConnectionState.Connected),
            VmsServerFilter.ActingForOthers => rows.Where(r => db.Duties.Any(d => d.HolderServerId == r.Id && d.Identity != r.Id)),
            VmsServerFilter.NotReady => rows.Where(r => ReadinessResults.Counting(db).Any(result => result.ServerId == r.Id && result.Outcome == ReadinessOutcome.NotReady)),
            _ => rows,
        };
    }
}
