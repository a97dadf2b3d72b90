using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Persistence.Changes;
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

    public long Revision { get; set; }

    public static void Configure(EntityTypeBuilder<VmsServerRow> row)
    {
        row.ToTable("servers");
        row.HasKey(r => r.Id);
        row.Property(r => r.Revision).IsConcurrencyToken();
        row.Property(r => r.State).HasConversion<string>();
        row.Property(r => r.Connection).HasConversion<string>();
        row.HasIndex(r => r.MachineId).IsUnique();
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

internal sealed class VmsServers(IDatabase database, CommittedChanges committed) : IVmsServers
{
    private static readonly CompiledRead<string, VmsServerRow?> ById = new((db, id, _) => db.Servers.FirstOrDefault(r => r.Id == id));
    private static readonly CompiledList<int, VmsServerRow> All = new((db, _) => db.Servers.OrderBy(r => r.Name).ThenBy(r => r.Id));

    private static readonly CompiledList<string, VmsServerRow> OfGroup = new((db, group) => db.Servers.Where(r => r.FailoverGroup == group).OrderBy(r => r.Name).ThenBy(r => r.Id));
    private static readonly CompiledRead<int, int> Count = new((db, _, _) => db.Servers.Count());

    public long Version => committed.CountOf<SaveVmsServer>();

    public async Task<VmsServer?> FindAsync(string id, CancellationToken cancellationToken) => (await ById.ExecuteAsync(database, id, cancellationToken))?.ToServer();

    public Task<IReadOnlyList<VmsServer>> ListAsync(CancellationToken cancellationToken) => All.ExecuteAsync(database, 0, r => r.ToServer(), cancellationToken);

    public Task<IReadOnlyList<VmsServer>> ListGroupAsync(string failoverGroup, CancellationToken cancellationToken) => OfGroup.ExecuteAsync(database, failoverGroup, r => r.ToServer(), cancellationToken);

    public Task<int> CountAsync(CancellationToken cancellationToken) => Count.ExecuteAsync(database, 0, cancellationToken);
}
