using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Persistence.Identity;
using FailbackWorkflows.Persistence.Seals;
using FailbackWorkflows.Persistence.Tests.Workflows;
using FailbackWorkflows.Testing;
using FailbackWorkflows.Testing.Persistence;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace FailbackWorkflows.Persistence.Tests.Seals;

/// <summary>A database with runs and an audit log that are written as the engine and the server write them, and its seals.</summary>
internal sealed class SealedSite : IAsyncDisposable
{
    private static readonly CancellationToken None = CancellationToken.None;
    private static readonly SemaphoreSlim MakingTemplate = new(1, 1);
    private static string? _template;

    private readonly Random _random;
    private readonly Dictionary<string, (Lease Lease, StoredInstance Row)> _running = new(StringComparer.Ordinal);
    private int _made;

    private SealedSite(TestDatabase database, FakeTimeProvider time, Random random) => (Database, Time, _random) = (database, time, random);

    public TestDatabase Database { get; }

    public FakeTimeProvider Time { get; }

    public IHistorySeals Seals => Database.Get<IHistorySeals>();

    public SealFolder Folder => Database.Get<SealFolder>();

    public IReadOnlyCollection<string> Running => _running.Keys;

    public static StoredDefinition Definition(int version)
    {
        var json = $$"""{"definitionId":"failback","version":{{version}}}""";
        return new($"failback:{version}", "failback", version, "Failback", json, JournalChain.Hash(json), Steps.Start, "test");
    }

    /// <summary>On SQLite, from a copy of a file that was migrated once.</summary>
    public static async Task<SealedSite> OnSqliteAsync(Random random)
    {
        var folder = Directory.CreateTempSubdirectory("failback-test-");
        var file = Path.Combine(folder.FullName, "failback.db");
        File.Copy(await TemplateAsync(), file);
        return await OnAsync(services => services.AddPersistence(file), folder, () => ValueTask.CompletedTask, random);
    }

    public static async Task<SealedSite> OnPostgresAsync(Random random)
    {
        var folder = Directory.CreateTempSubdirectory("failback-test-");
        var connectionString = await PostgresDatabases.TakeAsync();
        return await OnAsync(
            services => services.AddPostgresPersistence(connectionString, folder.FullName), folder, () => new ValueTask(PostgresDatabases.GiveBackAsync(connectionString)), random);
    }

    public Task<VerificationReport> VerifyAsync(string? runId = null) => Database.Get<IHistoryVerifications>().VerifyAsync(runId, None);

    public async Task<VerificationReport> VerifyTrustingAsync(params string[] keys)
    {
        await using var db = Database.Get<IDatabase>().CreateReadContext();
        await db.Database.OpenConnectionAsync();
        return await new HistoryVerification(db.Database.GetDbConnection(), Folder.Checkpoints, Time) { TrustedKeys = keys.ToHashSet() }.VerifyAsync(null, None);
    }

    /// <summary>Seals these heads and nothing else, with the server's key, as a server that was led by the nose would have.</summary>
    public async Task SealAsBeforeAsync(IReadOnlyList<SealedHead> heads)
    {
        var last = Folder.Checkpoints.Last()!;
        var key = Folder.Key(_ => true);
        var checkpoint = new Checkpoint(last.Checkpoint.Number + 1, Time.GetUtcNow(), heads.Count, last.Checkpoint.Chains, key.Id, null, last.Hash, MerkleTree.Root([.. heads.Select(h => h.Line)]));
        var written = new SealedCheckpoint(checkpoint.Line, key.Sign(checkpoint.Line), heads);
        await Database.Get<IDatabase>().WriteAsync(session => SealStatements.InsertAsync(session, written, None), None);
        Folder.Checkpoints.Append(written);
    }

    /// <summary>Changes a run's events and makes its chain whole again.</summary>
    public async Task RechainAsync(string run, string from, string to)
    {
        await Database.ExecuteAsync($"UPDATE journal SET payload = replace(payload, '{from}', '{to}') WHERE instance_id = '{run}'");
        await Database.Get<IDatabase>().WriteAsync(
            async session =>
            {
                var row = await session.Context.WorkflowInstances.AsNoTracking().SingleAsync(r => r.Id == run);
                var rows = await session.Context.Journal.AsNoTracking().Where(r => r.InstanceId == run).OrderBy(r => r.Sequence).ToListAsync();
                var head = JournalChain.Genesis(run, row.DefinitionVersionId, ChainedRow.DefinitionSha256Of(rows[0].Kind, rows[0].Payload));
                foreach (var item in rows)
                {
                    head = new ChainLine().Hash(run, item.Sequence, item.At, item.Kind, item.NodeId, item.ExecutionId, item.Payload, head);
                    await session.ExecuteAsync("UPDATE journal SET hash = @h WHERE instance_id = @i AND sequence = @s", None, ("h", head), ("i", run), ("s", item.Sequence));
                }

                await session.ExecuteAsync("UPDATE workflow_instances SET chain_head = @h WHERE id = @i", None, ("h", head), ("i", run));
            },
            None);
    }

    /// <summary>As a backup would have the audit log: its numbers go on from there, too.</summary>
    public async Task TruncateAuditLogAsync(long last)
    {
        await Database.ExecuteAsync($"DELETE FROM audit_log WHERE sequence > {last}");
        await Database.ExecuteAsync(
            Database.Get<IDatabase>().GetType().Name.Contains("Sqlite", StringComparison.Ordinal)
                ? $"UPDATE sqlite_sequence SET seq = {last} WHERE name = 'audit_log'"
                : $"ALTER TABLE audit_log ALTER COLUMN sequence RESTART WITH {last + 1}");
    }

    public async Task<string> StartAsync()
    {
        Time.Advance(TimeSpan.FromMilliseconds(_random.Next(1, 2000)));
        var now = Time.GetUtcNow();
        var definition = await Database.Get<IWorkflowStore>().PublishDefinitionAsync(Definition(_random.Next(1, 4)), None);
        var id = Guid.CreateVersion7(now).ToString("N")[..12] + (++_made).ToString("x20", System.Globalization.CultureInfo.InvariantCulture);
        var start = Steps.Starting(id, at: now, correlationId: "entry-1");
        var commit = new StepCommit
        {
            Lease = start.Lease,
            IsStart = true,
            Instance = start.Instance with { DefinitionVersionId = definition.Id, DefinitionVersion = definition.Version, LastSequence = 2 },
            Events =
            [
                new InstanceStarted
                {
                    Sequence = 1, At = now, IsFact = true, WrittenBy = "node-1", DefinitionId = "failback", DefinitionVersionId = definition.Id, DefinitionSha256 = definition.Sha256,
                    Input = new Dictionary<string, object?> { ["EntryId"] = "entry-1", ["Ünïcode \"quoted\""] = "𝄞\n\t" }, Actor = Steps.Operator, Reason = "Repaired.",
                },
                Started(2, now),
            ],
            Bookmarks = [],
            At = now,
            LeaseUntil = now + Steps.LeaseTime,
        };
        await CommitAsync(commit);
        return id;
    }

    /// <summary>A step of a run, which ends it when asked to.</summary>
    public async Task StepAsync(string id, bool ends = false)
    {
        Time.Advance(TimeSpan.FromMilliseconds(_random.Next(1, 500)));
        var now = Time.GetUtcNow();
        var (lease, row) = _running[id];
        var last = row.LastSequence;
        JournalEvent completed = new ActivityCompleted
        {
            Sequence = last + 1, At = now, IsFact = true, WrittenBy = "node-1", ExecutionId = $"{last}", NodeId = "root/step", Outcomes = ["Done"],
            Outputs = new Dictionary<string, object?> { ["result"] = _random.Next(), ["list"] = new List<object?> { 1L, 2.5, "x", null, true } },
        };
        JournalEvent next = ends ? new InstanceFinished { Sequence = last + 2, At = now, SubStatus = WorkflowSubStatus.Finished } : Started(last + 2, now);
        var step = Steps.Next(lease, row, ends ? WorkflowSubStatus.Finished : WorkflowSubStatus.Executing, events: 2, at: now);
        await CommitAsync(new StepCommit
        {
            Lease = lease,
            Instance = step.Instance,
            Events = [completed, next],
            Bookmarks = ends ? [] : null,
            Releases = ends,
            At = now,
            LeaseUntil = now + Steps.LeaseTime,
        });
        if (ends)
        {
            _running.Remove(id);
        }
    }

    public Task AuditAsync() => Database.Get<IAuditLog>().AppendAsync(
        new AuditRecord(Time.GetUtcNow(), Steps.Operator, "POST /api/v1/somewhere", _random.Next(2) == 0 ? null : $"subject-{_random.Next(100)}", "Bécause", "done"), None);

    /// <summary>Something that happens at a site, seals included.</summary>
    public async Task LiveAsync(int happenings)
    {
        for (var i = 0; i < happenings; i++)
        {
            var run = _running.Count == 0 ? null : _running.Keys.ElementAt(_random.Next(_running.Count));
            switch (_random.Next(10))
            {
                case 0 or 1:
                    await StartAsync();
                    break;
                case 2:
                    await AuditAsync();
                    break;
                case 3:
                    Time.Advance(TimeSpan.FromSeconds(30));
                    await Seals.SealAsync(None);
                    break;
                case var kind when run is not null:
                    await StepAsync(run, ends: kind == 4);
                    break;
                default:
                    await AuditAsync();
                    break;
            }
        }
    }

    public async ValueTask DisposeAsync() => await Database.DisposeAsync();

    private async Task CommitAsync(StepCommit commit)
    {
        await Database.Get<IWorkflowStore>().CommitAsync(commit, None);
        _running[commit.Instance.Id] = (commit.Lease, commit.Instance with { ChainHead = commit.ChainHead });
    }

    private static ActivityStarted Started(long sequence, DateTimeOffset at) => new()
    {
        Sequence = sequence, At = at, ExecutionId = $"{sequence}", NodeId = "root/step", ActivityType = "Failback.Step", ParentExecutionId = "1",
        Inputs = new Dictionary<string, object?> { ["server"] = "rec-1", ["channels"] = new List<object?> { "video-1", "video-2" } },
    };

    private static async Task<SealedSite> OnAsync(Action<IServiceCollection> register, DirectoryInfo folder, Func<ValueTask> remove, Random random)
    {
        var time = new FakeTimeProvider(Steps.Start);
        var database = await TestDatabase.CreateAsync(
            services =>
            {
                services.AddSingleton<TimeProvider>(time);
                register(services);
            },
            async () =>
            {
                folder.Delete(recursive: true);
                await remove();
            });
        return new(database, time, random);
    }

    private static async Task<string> TemplateAsync()
    {
        await MakingTemplate.WaitAsync();
        try
        {
            if (_template is null)
            {
                var folder = Directory.CreateTempSubdirectory("failback-test-template-");
                AppDomain.CurrentDomain.ProcessExit += (_, _) => folder.Delete(recursive: true);
                var made = Path.Combine(folder.FullName, "made.db");
                await using (var services = new ServiceCollection().AddPersistence(made).BuildServiceProvider())
                {
                    await services.GetRequiredService<IDatabase>().MigrateAsync(None);
                }

                // Whole, without what lies beside it.
                var template = Path.Combine(folder.FullName, "template.db");
                await using var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = made, Pooling = false }.ToString());
                await connection.OpenAsync();
                await using var command = connection.CreateCommand();
                command.CommandText = "VACUUM INTO @file";
                command.Parameters.AddWithValue("file", template);
                await command.ExecuteNonQueryAsync();
                _template = template;
            }

            return _template;
        }
        finally
        {
            MakingTemplate.Release();
        }
    }
}
