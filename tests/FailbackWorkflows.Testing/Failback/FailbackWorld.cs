using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Interpretation;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Engine.Values;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Abandonment;
using FailbackWorkflows.Failback.Adoption;
using FailbackWorkflows.Failback.Changes;
using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.Failover;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Licensing;
using FailbackWorkflows.Failback.Obligations;
using FailbackWorkflows.Failback.Policies;
using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Persistence;
using FailbackWorkflows.Persistence.Nodes;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.Recorders.Settings;
using FailbackWorkflows.Testing.Engine;
using FailbackWorkflows.Testing.Persistence;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace FailbackWorkflows.Testing.Failback;

/// <summary>
/// A management server without its web: the real engine, the real use cases and a real SQLite database in a folder of its own, with
/// recorders in memory (or any other <see cref="IRecorderClient"/>). It begins after a failover: <see cref="Failed"/> is broken but back on
/// the network, <see cref="Failover"/> records for it since 20 minutes with settings changed meanwhile, <see cref="Spare"/> stands by.
/// </summary>
public sealed class FailbackWorld : IAsyncDisposable
{
    public const string Failed = "rec-1";
    public const string Failover = "rec-2";
    public const string Spare = "rec-3";
    public const string Entry = "entry-1";

    /// <summary>Epoch under which the failover server records at the beginning.</summary>
    public const long FailoverEpoch = 2;

    private static readonly DateTimeOffset Start = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly Lazy<Task<(byte[] Database, byte[] Epochs)>> AfterFailover = new(() => MakeDatabaseAsync(isSeeded: true));
    private static readonly Lazy<Task<(byte[] Database, byte[] Epochs)>> Empty = new(() => MakeDatabaseAsync(isSeeded: false));
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly string _folder;
    private readonly string? _postgres;
    private ServiceProvider _data;
    private readonly List<FailbackNode> _nodes = [];
    private ProcessLife? _life;

    private FailbackWorld(string folder, TimeProvider time, IRecorderClient? client, string? postgres = null, ProcessLife? life = null)
    {
        _folder = folder;
        _postgres = postgres;
        _life = life;
        Clock = time;
        Recorders = new FakeRecorders(time);
        Client = client ?? life?.Wrap<IRecorderClient>(Recorders) ?? Recorders;
        CopyClient = client as IMaterialCopyClient ?? life?.Wrap<IMaterialCopyClient>(Recorders) ?? Recorders;
        _data = OpenDatabase();
        Store = new ObservedWorkflowStore(Get<IWorkflowStore>(), time as FakeTimeProvider);
    }

    public TimeProvider Clock { get; }

    /// <summary>The clock, unless the world runs in real time.</summary>
    public FakeTimeProvider Time => (FakeTimeProvider)Clock;

    public FakeRecorders Recorders { get; }

    public IRecorderClient Client { get; private set; }

    public IMaterialCopyClient CopyClient { get; private set; }

    public ObservedWorkflowStore Store { get; private set; }

    /// <summary>The first node.</summary>
    public FailbackNode Node => _nodes[0];

    /// <summary>The node that was started last.</summary>
    public FailbackNode NewestNode => _nodes[^1];

    public FakeRecorder FailedRecorder => Recorders[Failed];

    public FakeRecorder FailoverRecorder => Recorders[Failover];

    /// <summary>The duty of the failed server, at the failed server.</summary>
    public FakeDuty FailedDuty => FailedRecorder.Duty(Failed);

    /// <summary>The duty of the failed server, at the failover server.</summary>
    public FakeDuty FailoverDuty => FailoverRecorder.Duty(Failed);

    /// <summary>After a failover, with one running node unless <paramref name="startsNode"/> is false.</summary>
    /// <param name="life">Of the management server, until <see cref="RestartAsync"/>; null: it lives on.</param>
    public static async Task<FailbackWorld> CreateAsync(bool startsNode = true, TimeProvider? time = null, ProcessLife? life = null)
    {
        var world = new FailbackWorld(await CopyAsync(AfterFailover), time ?? new FakeTimeProvider(Start), null, life: life);
        world.SeedRecorders();
        return await world.StartFirstAsync(startsNode);
    }

    /// <summary>As <see cref="CreateAsync"/>, on a PostgreSQL database of its own instead of a SQLite file.</summary>
    public static async Task<FailbackWorld> CreateOnPostgresAsync(bool startsNode = true, TimeProvider? time = null, ProcessLife? life = null)
    {
        var world = new FailbackWorld(NewFolder(), time ?? new FakeTimeProvider(Start), null, await PostgresDatabases.TakeAsync(), life);
        await world.FillAsync(isSeeded: true);
        world.SeedRecorders();
        return await world.StartFirstAsync(startsNode);
    }

    /// <summary>No server is registered; the licence is installed and the workflows are published.</summary>
    public static async Task<FailbackWorld> CreateEmptyAsync(bool startsNode = true, IRecorderClient? client = null, FakeTimeProvider? time = null) =>
        await new FailbackWorld(await CopyAsync(Empty), time ?? new FakeTimeProvider(Start), client).StartFirstAsync(startsNode);

    /// <summary>The database of the management server; the checkpoint of epochs is beside it.</summary>
    public string DatabaseFile => Path.Combine(_folder, "failback.db");

    /// <summary>A store or use case over the database, without the engine.</summary>
    public T Get<T>()
        where T : notnull => _data.GetRequiredService<T>();

    /// <summary>Starts a node over the database. The same name again is the next life of that node.</summary>
    /// <param name="behind">What the node sees instead of the store, e.g. one that crashes.</param>
    public async Task<FailbackNode> StartNodeAsync(string name = "node-1", IWorkflowStore? behind = null)
    {
        var node = await FailbackNode.StartAsync(name, this, behind ?? Store);
        _nodes.Add(node);
        return node;
    }

    /// <summary>How long a node of <see cref="StartWatchingNodeAsync"/> keeps a watch that it is silent about.</summary>
    public static readonly TimeSpan WatchLease = TimeSpan.FromSeconds(10);

    /// <summary>What those nodes tell each other of what recorders said.</summary>
    public IRecorderWords Words => new RecorderWords(Get<IDatabase>());

    /// <summary>Starts one of several nodes of which one is on watch; it takes, keeps and loses the watch by <see cref="SweepAsync"/> only.</summary>
    public async Task<FailbackNode> StartWatchingNodeAsync(string name)
    {
        var watch = new DatabaseWatch(
            Get<IDatabase>(), new WorkflowEngineOptions { Node = name, LeaseDuration = WatchLease }, Clock, NullLogger<DatabaseWatch>.Instance);
        var node = await FailbackNode.StartAsync(name, this, Store, watch);
        _nodes.Add(node);
        return node;
    }

    /// <summary>What the job of the polls does at a node, once; returns when the polls that it began have ended, but those that hang.</summary>
    public static async Task SweepAsync(FailbackNode node, Func<int>? hanging = null)
    {
        await node.Get<IWatch>().KeepAsync(CancellationToken.None);
        await node.Get<PollRecorders>().SweepAsync(CancellationToken.None);
        while (node.Get<PollRecorders>().Punctual().InFlight > (hanging?.Invoke() ?? 0))
        {
            await Task.Yield();
        }
    }

    /// <summary>Turns the management server off, in good order, and answers with its database: a backup.</summary>
    public async Task<byte[]> TurnOffAsync()
    {
        foreach (var node in _nodes)
        {
            await node.DisposeAsync();
        }

        await _data.DisposeAsync();
        return await File.ReadAllBytesAsync(DatabaseFile);
    }

    /// <summary>Turns it on again, with a node over the database there is or over one that was restored. What is kept beside the database stays.</summary>
    /// <param name="losesEpochs">The checkpoint of epochs is gone, as when the disk that had both is.</param>
    /// <param name="movesClock">See <see cref="ObservedWorkflowStore.MovesClock"/>.</param>
    public async Task<FailbackNode> TurnOnAsync(byte[]? restored = null, bool losesEpochs = false, bool movesClock = true)
    {
        if (losesEpochs)
        {
            File.Delete(DatabaseFile + ".epochs");
        }

        if (restored is not null)
        {
            File.Delete(DatabaseFile + "-wal");
            File.Delete(DatabaseFile + "-shm");
            await File.WriteAllBytesAsync(DatabaseFile, restored);
        }

        _data = OpenDatabase();
        Store = new ObservedWorkflowStore(Get<IWorkflowStore>(), Clock as FakeTimeProvider) { MovesClock = movesClock };
        return await StartNodeAsync();
    }

    /// <summary>
    /// The management server was killed: whatever it had in memory is gone. It begins anew with what is durable, and the recorders are as they are. The clock is
    /// moved to when the first instance is due that waits for a time, because nobody may have lived to do so. No node is started yet.
    /// </summary>
    public async Task RestartAsync()
    {
        _life?.End();
        foreach (var node in _nodes)
        {
            await node.DisposeAsync();
        }

        await _data.DisposeAsync();
        _life = null;
        (Client, CopyClient) = (Recorders, Recorders);
        _data = OpenDatabase();
        Store = new ObservedWorkflowStore(Get<IWorkflowStore>(), Clock as FakeTimeProvider);
        await using var db = Get<IDatabase>().CreateReadContext();
        foreach (var ended in await db.WorkflowInstances.Where(i => i.Status == nameof(WorkflowStatus.Finished)).Select(i => new { i.Id, i.LastSequence }).ToListAsync())
        {
            Store.HasEnded(ended.Id, ended.LastSequence);
        }

        var due = await db.WakeUps.Where(w => w.Owner == null && w.Seq == w.Ran && w.DueAt != null).OrderBy(w => w.DueAt).Select(w => w.DueAt).FirstOrDefaultAsync();
        if (due > Time.GetUtcNow())
        {
            Time.Advance(due.Value - Time.GetUtcNow());
        }
    }

    public Task ApplyAsync(params IReadOnlyList<IDomainChange> changes) => Get<IDomainWriter>().ApplyAsync(changes, CancellationToken.None);

    public async Task<FailoverLogEntry> EntryAsync(string entryId = Entry) => await Get<IFailoverLog>().FindAsync(entryId, CancellationToken.None) ?? throw new InvalidOperationException($"There is no entry {entryId}.");

    public async Task<VmsServer> ServerAsync(string serverId = Failed) => await Get<IVmsServers>().FindAsync(serverId, CancellationToken.None) ?? throw new InvalidOperationException($"There is no server {serverId}.");

    public async Task<Duty> DutyAsync(string identity = Failed) => await Get<IDuties>().FindAsync(identity, CancellationToken.None) ?? throw new InvalidOperationException($"Nobody has the duty of {identity}.");

    /// <summary>Keys of all claims on the three servers.</summary>
    public async Task<IReadOnlyList<string>> ClaimsAsync()
    {
        var claims = new List<string>();
        foreach (var id in new[] { Failed, Failover, Spare })
        {
            foreach (var key in new[] { DutyClaim.Identity(id), DutyClaim.Recorder(id) })
            {
                if (await Get<IDuties>().FindClaimAsync(key, CancellationToken.None) is not null)
                {
                    claims.Add(key);
                }
            }
        }

        return claims;
    }

    /// <summary>Everything clients were told.</summary>
    public async Task<IReadOnlyList<ChangeNotification>> NewsAsync() => [.. (await Get<IChangeFeed>().ReadAsync(0, 10_000, CancellationToken.None)).Select(i => i.Change)];

    public async Task<IReadOnlyList<string>> AlarmsAsync() => [.. (await NewsAsync()).Where(n => n.Kind == "alarm").Select(n => n.Text ?? "")];

    public Task SetPolicyAsync(FailbackPolicy policy) => ApplyAsync(new SaveSystemSetting(FailbackPolicies.Key, FailbackPolicies.ToJson(policy)));

    public Task InstallAsync(LicenseDocument license) => ApplyAsync(new InstallLicense(TestLicense.Sign(license, Clock.GetUtcNow())));

    public Task ExpireLicenseAsync() => InstallAsync(TestLicense.Valid(Clock.GetUtcNow()) with { ValidUntil = Clock.GetUtcNow().AddMinutes(-1) });

    /// <summary>Starts a failback and waits until its run has ended.</summary>
    public async Task<EndedRun> FailBackAsync(string requestId = "request-1", string entryId = Entry, FailbackNode? node = null, bool withoutFailoverServer = false)
    {
        var started = await StartFailbackAsync(requestId, entryId, node, withoutFailoverServer);
        return started.RunId is { } runId && started.Outcome == StartRunOutcome.Started
            ? await EndAsync(runId)
            : throw new InvalidOperationException($"The failback did not start: {started}");
    }

    public Task<StartRunResult> StartFailbackAsync(string requestId = "request-1", string entryId = Entry, FailbackNode? node = null, bool withoutFailoverServer = false) =>
        (node ?? Node).Get<StartFailback>().ExecuteAsync(new(entryId, requestId, Operator, "Repaired.", WithoutFailoverServer: withoutFailoverServer), CancellationToken.None);

    public Task<StartRunResult> StartAdoptionAsync(string requestId = "adopt-1", string? reason = "Somebody repaired it by hand.", FailbackNode? node = null) =>
        (node ?? NewestNode).Get<StartAdoption>().ExecuteAsync(new(Entry, requestId, Operator, reason), CancellationToken.None);

    /// <summary>Adopts the failed server as it stands and waits until the run has ended.</summary>
    public async Task<EndedRun> AdoptAsync() => await EndAsync((await StartAdoptionAsync()).RunId!);

    public Task<StartRunResult> StartAbandonmentAsync(string runId, string holder, string requestId = "abandon-1", string? reason = "Nobody can repair it.") =>
        NewestNode.Get<AbandonFailback>().ExecuteAsync(new(runId, holder, requestId, Operator, reason), CancellationToken.None);

    /// <summary>Polls every recorder once and delivers what is owed to those that answer; the delivering runs have ended when it returns.</summary>
    public async Task<IReadOnlyList<EndedRun>> PollAsync(FailbackNode? node = null)
    {
        await (node ?? NewestNode).Get<PollRecorders>().ExecuteAsync(CancellationToken.None);
        var runs = new List<EndedRun>();

        // Of one identity, one server is told at a time.
        while (await (node ?? NewestNode).Get<DeliverObligations>().ExecuteAsync(CancellationToken.None) is { Count: > 0 } started)
        {
            foreach (var runId in started)
            {
                runs.Add(await EndAsync(runId));
            }
        }

        return runs;
    }

    /// <summary>What is owed now, as <c>server kind</c>, in the order of delivery.</summary>
    public async Task<IReadOnlyList<string>> OwedAsync() =>
        [.. (await Get<IObligations>().ListOpenAsync(CancellationToken.None)).OrderBy(o => o.ServerId, StringComparer.Ordinal).ThenBy(o => o.Kind).Select(o => $"{o.ServerId} {o.Kind}")];

    public Task<StartRunResult> StartFailoverAsync(
        string requestId = "request-1", string failed = Failed, string failover = Failover, string? externalId = null, bool isPerformed = false, FailbackNode? node = null) =>
        (node ?? Node).Get<StartFailover>().ExecuteAsync(new(failed, failover, requestId, Operator, "It is broken.", externalId, isPerformed), CancellationToken.None);

    public static Actor Operator { get; } = new(ActorKind.User, "user-1", "Olga Operator");

    /// <summary>Waits until a run has ended, and proves that its journal folds to what is stored. Throws <see cref="NodeDiedException"/> when the process dies before.</summary>
    public async Task<EndedRun> EndAsync(string runId, long afterSequence = 0)
    {
        try
        {
            var ended = Store.EndedAsync(runId, afterSequence);
            await (_life is { } life ? Task.WhenAny(ended, life.Over) : ended).WaitAsync(Patience);
            if (!ended.IsCompleted)
            {
                throw new NodeDiedException();
            }
        }
        catch (TimeoutException)
        {
            var journal = (await JournalAsync(runId)).TakeLast(5);
            throw new TimeoutException($"The run {runId} did not end. Its last events: {string.Join(Environment.NewLine, journal)}. The nodes said: {string.Join(Environment.NewLine, _nodes.SelectMany(n => n.Complaints).TakeLast(10))}");
        }

        return await ReadAsync(runId);
    }

    /// <summary>A run as it is stored now, its journal proven.</summary>
    public async Task<EndedRun> ReadAsync(string runId)
    {
        var stored = await Store.FindInstanceAsync(runId, CancellationToken.None) ?? throw new InvalidOperationException($"There is no run {runId}.");

        // A run that goes on may have written more since.
        IReadOnlyList<JournalEvent> journal = [.. (await JournalAsync(runId)).TakeWhile(e => e.Sequence <= stored.LastSequence)];
        var definition = await _nodes[^1].Get<WorkflowDefinitions>().GetVersionAsync(stored.DefinitionVersionId, CancellationToken.None);
        var fold = JournalFold.Fold(definition, runId, journal);
        if (fold.Difference is { } difference)
        {
            throw new InvalidOperationException($"The journal of {runId} does not follow from itself: {difference}");
        }

        if (!PlainValue.AreEqual(PlainValue.Parse(fold.StateJson), PlainValue.Parse(stored.Snapshot)))
        {
            throw new InvalidOperationException($"The journal of {runId} does not fold to what is stored.{Environment.NewLine}{fold.StateJson}{Environment.NewLine}{stored.Snapshot}");
        }

        var report = await _nodes[^1].Get<IRunReports>().FindAsync(runId, CancellationToken.None) ?? throw new InvalidOperationException($"There is no report of {runId}.");
        return new(runId, stored.SubStatus, report.Result, report.Message, report.RefusedCheck, stored.LastSequence, report, journal);
    }

    public async Task<IReadOnlyList<JournalEvent>> JournalAsync(string runId) => await Store.ReadJournalAsync(runId, 0, 100_000, CancellationToken.None);

    /// <summary>Another recorder that records its own duty, with the settings of the others.</summary>
    public async Task<FakeRecorder> AddServerAsync(string id, string? group)
    {
        var recorder = Recorders.Add(id);
        recorder.Duty(id).Become(DutyRole.Recorder, 1, "seed", isRecording: true).Activate(FakeSettings.Content(1));
        await ApplyAsync(new SaveVmsServer(NewServer(id) with { FailoverGroup = group, LastSeenAt = Clock.GetUtcNow() }), new GrantEpoch(id, id, 1, "seed"));
        return recorder;
    }

    /// <summary>Two more recorders, one of which has failed and been taken over by the other; the entry has the failed one's name with <c>entry-of-</c> before it.</summary>
    public async Task<string> AddFailedOverAsync(string failed, string failover)
    {
        await AddServerAsync(failed, null);
        await AddServerAsync(failover, null);
        var now = Clock.GetUtcNow();
        var entryId = $"entry-of-{failed}";
        Recorders[failed].Duty(failed).Become(DutyRole.Standby, FailoverEpoch, entryId, isRecording: false).Fence = 1;
        var acting = Recorders[failover].Duty(failed);
        acting.Become(DutyRole.Recorder, FailoverEpoch, entryId, isRecording: true).Fence = 1;
        acting.HoldEntryId = entryId;
        acting.Activate(FakeSettings.Content(1));
        acting.Activate(FakeSettings.Content(2));
        Recorders[failover].Holds[entryId] = new(entryId, failed, now.AddMinutes(-20), null, "Material recorded during the failover");
        await ApplyAsync(
            new SaveVmsServer((await ServerAsync(failed)) with { State = VmsServerState.Broken }),
            new GrantEpoch(failed, failover, FailoverEpoch, entryId),
            new RaiseFence(failed, 1),
            new SaveSettings(new CachedSettings(failed, failed, 1, 1, SettingsDigest.Compute(FakeSettings.Content(1)), now.AddHours(-1), FakeSettings.Content(1))),
            new SaveRetentionHold(new RetentionHold(entryId, failover, failed, now.AddMinutes(-20), null)),
            new SaveFailoverLogEntry(NewEntry(entryId, now.AddMinutes(-20)) with { FailedServerId = failed, FailoverServerId = failover }));
        return entryId;
    }

    public async Task ChangeServerAsync(string id, Func<VmsServer, VmsServer> change) => await ApplyAsync(new SaveVmsServer(change(await ServerAsync(id))));

    /// <summary>Undoes a failback that was done, without playing a failover, so that the next one can start: a new entry, the duty back at the failover server.</summary>
    public async Task FailOverAgainAsync(string entryId)
    {
        var epoch = (await DutyAsync()).Epoch + 1;
        var now = Clock.GetUtcNow();
        FailedDuty.Become(DutyRole.Standby, epoch, entryId, isRecording: false);
        FailoverDuty.Become(DutyRole.Recorder, epoch, entryId, isRecording: true);
        FailoverRecorder.Holds[entryId] = new(entryId, Failed, now, null, "Material recorded during the failover");
        await ApplyAsync(
            new GrantEpoch(Failed, Failover, epoch, entryId),
            new SaveVmsServer((await ServerAsync()) with { State = VmsServerState.Broken }),
            new SaveFailoverLogEntry(NewEntry(entryId, now)));
    }

    /// <summary>A failover that was done.</summary>
    public static FailoverLogEntry NewEntry(string entryId, DateTimeOffset startedAt) => new()
    {
        Id = entryId,
        FailedServerId = Failed,
        FailoverServerId = Failover,
        Failover = FailoverState.Done,
        FailoverStartedAt = startedAt,
        FailoverEndedAt = startedAt.AddSeconds(5),
        StartedBy = Operator.Name,
    };

    public async ValueTask DisposeAsync()
    {
        foreach (var node in _nodes)
        {
            await node.DisposeAsync();
        }

        await _data.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
        if (_postgres is not null)
        {
            await PostgresDatabases.GiveBackAsync(_postgres);
        }
    }

    private ServiceProvider OpenDatabase()
    {
        var services = _postgres is null ? new ServiceCollection().AddPersistence(DatabaseFile) : new ServiceCollection().AddPostgresPersistence(_postgres, _folder);
        if (_postgres is null)
        {
            // What is sealed and when it is sealed are of the same time.
            services.AddSingleton(Clock);
        }

        _life?.Wrap(services);
        return services.BuildServiceProvider();
    }

    private async Task<FailbackWorld> StartFirstAsync(bool startsNode)
    {
        if (startsNode)
        {
            await StartNodeAsync();
        }

        return this;
    }

    private void SeedRecorders()
    {
        foreach (var id in new[] { Failed, Failover, Spare })
        {
            Recorders.Add(id).Duty(id).Become(DutyRole.Recorder, 1, "seed", isRecording: id != Failed).Activate(FakeSettings.Content(1));
        }

        FailedDuty.Become(DutyRole.Standby, FailoverEpoch, "failover-run", isRecording: false).Fence = 1;
        FailoverDuty.Become(DutyRole.Recorder, FailoverEpoch, "failover-run", isRecording: true).Fence = 1;
        FailoverDuty.HoldEntryId = Entry;
        FailoverDuty.Activate(FakeSettings.Content(1));
        FailoverDuty.Activate(FakeSettings.Content(2));
        FailoverRecorder.Holds[Entry] = new(Entry, Failed, Start.AddMinutes(-20), null, "Material recorded during the failover");
    }

    private static async Task<string> CopyAsync(Lazy<Task<(byte[] Database, byte[] Epochs)>> made)
    {
        var (database, epochs) = await made.Value;
        var folder = NewFolder();
        await File.WriteAllBytesAsync(Path.Combine(folder, "failback.db"), database);
        await File.WriteAllBytesAsync(Path.Combine(folder, "failback.db.epochs"), epochs);
        return folder;
    }

    /// <summary>In memory where the system has such a place: what a test writes need not outlive the machine. <c>FAILBACK_TEST_FOLDER</c> names another.</summary>
    private static string NewFolder()
    {
        var parent = Environment.GetEnvironmentVariable("FAILBACK_TEST_FOLDER") ?? (Directory.Exists("/dev/shm") ? "/dev/shm" : Path.GetTempPath());
        return Directory.CreateDirectory(Path.Combine(parent, $"failback-world-{Guid.NewGuid():N}")).FullName;
    }

    /// <summary>Migrating and publishing takes a while; tests copy what it leads to.</summary>
    private static async Task<(byte[] Database, byte[] Epochs)> MakeDatabaseAsync(bool isSeeded)
    {
        var world = new FailbackWorld(NewFolder(), new FakeTimeProvider(Start), null);
        try
        {
            await world.FillAsync(isSeeded);
            await world._data.DisposeAsync();
            return (await File.ReadAllBytesAsync(Path.Combine(world._folder, "failback.db")), await File.ReadAllBytesAsync(Path.Combine(world._folder, "failback.db.epochs")));
        }
        finally
        {
            Directory.Delete(world._folder, recursive: true);
        }
    }

    private async Task FillAsync(bool isSeeded)
    {
        await Get<IDatabase>().MigrateAsync(CancellationToken.None);
        await using var node = await FailbackNode.StartAsync("node-1", this, Store);
        await node.Get<WorkflowDefinitions>().ImportFolderAsync(RepositoryFiles.Workflows, CancellationToken.None);
        await InstallAsync(TestLicense.Valid(Start));
        if (isSeeded)
        {
            await ApplyAsync([.. Seed()]);
        }
    }

    private static VmsServer NewServer(string id) => new()
    {
        Id = id,
        Name = $"Recorder {id[^1]}",
        BaseUrl = new Uri($"http://127.0.0.1:510{id[^1]}/"),
        ProtectedCredential = $"protected:token-of-{id}",
        MachineId = $"machine-of-{id}",
        SoftwareVersion = "1.4.0",
        State = VmsServerState.Ok,
        IsFailoverEnabled = true,
        Connection = ConnectionState.Connected,
        LastSeenAt = Start,
        BootId = $"boot-1-of-{id}",
        CreatedAt = Start.AddDays(-1),
    };

    private static IEnumerable<IDomainChange> Seed()
    {
        foreach (var id in new[] { Failed, Failover, Spare })
        {
            yield return new SaveVmsServer(NewServer(id) with { State = id == Failed ? VmsServerState.Broken : VmsServerState.Ok });
            yield return new GrantEpoch(id, id, 1, "seed");
        }

        yield return new GrantEpoch(Failed, Failover, FailoverEpoch, "failover-run");
        yield return new RaiseFence(Failed, 1);
        yield return new SaveSettings(new CachedSettings(Failed, Failed, 1, 1, SettingsDigest.Compute(FakeSettings.Content(1)), Start.AddHours(-1), FakeSettings.Content(1)));
        yield return new SaveRetentionHold(new RetentionHold(Entry, Failover, Failed, Start.AddMinutes(-20), null));
        yield return new SaveFailoverLogEntry(NewEntry(Entry, Start.AddMinutes(-20)));
    }
}

/// <summary>A run that has ended.</summary>
public sealed record EndedRun(
    string Id, WorkflowSubStatus SubStatus, string Result, string? Message, int? RefusedCheck, long LastSequence, RunReport Report, IReadOnlyList<JournalEvent> Journal);
