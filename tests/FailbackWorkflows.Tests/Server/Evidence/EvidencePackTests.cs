using System.Diagnostics;
using System.Formats.Tar;
using System.Globalization;
using System.Text.Json;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.MaterialCopy;
using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Persistence;
using FailbackWorkflows.Persistence.Identity;
using FailbackWorkflows.Persistence.Seals;
using FailbackWorkflows.Persistence.Workflows;
using FailbackWorkflows.Server.Evidence;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;
using Xunit.Abstractions;

namespace FailbackWorkflows.Tests.Server.Evidence;

/// <summary>An evidence pack proves itself by a shell, openssl and sha256sum, and by nothing of ours.</summary>
public sealed class EvidencePackTests(ITestOutputHelper output) : IAsyncLifetime
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("failback-evidence-");
    private FailbackWorld _world = null!;

    private static string Script => RepositoryFiles.PathOf("src", "FailbackWorkflows.Server", "Evidence", "verify.sh");

    public async Task InitializeAsync() => _world = await FailbackWorld.CreateAsync();

    public async Task DisposeAsync()
    {
        await _world.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public void Script_IsShortEnoughToBeRead() => File.ReadAllLines(Script).Length.ShouldBeLessThanOrEqualTo(150);

    [Fact]
    public async Task Pack_OfAFailover_IsVerifiedByItsOwnScript()
    {
        var pack = await MakeAsync();
        var (exit, said) = await RunAsync(Path.Combine(pack, "verify.sh"), pack);

        exit.ShouldBe(0, said);
        said.ShouldContain("introduced by itself");
        said.ShouldContain($"journal/{(await _world.EntryAsync()).FailbackRunId}.ndjson: ");
        said.ShouldContain("audit-log.ndjson: ");
        said.ShouldContain("is as it was sealed");
        var report = await File.ReadAllTextAsync(Path.Combine(pack, "report.html"));
        report.ShouldContain("Restore roles");
        report.ShouldContain(FailbackWorld.Operator.Name);
    }

    [Fact]
    public async Task Pack_AfterTheKeyWasRotated_ShowsWhoVouchesForTheNewOne()
    {
        await MakeAsync();
        await _world.Get<IHistorySeals>().RotateKeyAsync(CancellationToken.None);
        var (exit, said) = await RunAsync(Script, await MakeAsync("after"));
        exit.ShouldBe(0, said);
        said.ShouldContain("vouched for by");
    }

    /// <summary>1,000 of them by <c>FAILBACK_FLIPS=1000</c>.</summary>
    [Fact]
    public async Task Pack_WithAnyByteFlipped_Fails()
    {
        var seed = Number("FAILBACK_SOAK_SEED", Random.Shared.Next());
        var flips = Number("FAILBACK_FLIPS", 25);
        output.WriteLine($"seed {seed}, {flips} flips");
        var random = new Random(seed);
        var pack = await MakeAsync();
        var files = Directory.EnumerateFiles(pack, "*", SearchOption.AllDirectories).Where(file => new FileInfo(file).Length > 0).Order(StringComparer.Ordinal).ToList();
        for (var i = 0; i < flips; i++)
        {
            // Every file as often as any other: the small ones matter as much.
            var file = files[random.Next(files.Count)];
            var whole = await File.ReadAllBytesAsync(file);
            var flipped = (byte[])whole.Clone();
            var at = random.Next(flipped.Length);
            flipped[at] ^= (byte)(1 << random.Next(8));
            await File.WriteAllBytesAsync(file, flipped);
            var (exit, said) = await RunAsync(Script, pack);
            exit.ShouldBe(1, $"seed {seed}: byte {at} of {Path.GetRelativePath(pack, file)} was flipped, and the script said {said}");
            await File.WriteAllBytesAsync(file, whole);
        }

        (await RunAsync(Script, pack)).Exit.ShouldBe(0);
    }

    [Theory]
    [InlineData("a line of the journal is gone")]
    [InlineData("the end of the journal is gone")]
    [InlineData("two lines have changed places")]
    [InlineData("the audit log lacks a line")]
    [InlineData("another definition")]
    [InlineData("another run's journal")]
    public async Task Pack_ChangedAndSignedAnewWithTheServersKey_StillFails(string change)
    {
        var pack = await MakeAsync();
        var run = (await _world.EntryAsync()).FailbackRunId;
        var journal = Path.Combine(pack, "journal", $"{run}.ndjson");
        switch (change)
        {
            case "a line of the journal is gone":
                await File.WriteAllLinesAsync(journal, (await File.ReadAllLinesAsync(journal)).Where((_, i) => i != 4));
                break;
            case "the end of the journal is gone":
                await File.WriteAllLinesAsync(journal, (await File.ReadAllLinesAsync(journal))[..^1]);
                break;
            case "two lines have changed places":
                var lines = await File.ReadAllLinesAsync(journal);
                (lines[3], lines[4]) = (lines[4], lines[3]);
                await File.WriteAllLinesAsync(journal, lines);
                break;
            case "the audit log lacks a line":
                var audit = Path.Combine(pack, "audit-log.ndjson");
                await File.WriteAllLinesAsync(audit, (await File.ReadAllLinesAsync(audit)).Skip(1));
                break;
            case "another definition":
                await File.AppendAllTextAsync(Directory.EnumerateFiles(Path.Combine(pack, "definitions")).First(), " ");
                break;
            default:
                File.Move(journal, Path.Combine(pack, "journal", "another.ndjson"));
                File.Copy(Path.Combine(pack, "journal", $"{run}.genesis"), Path.Combine(pack, "journal", "another.genesis"));
                break;
        }

        await SignAnewAsync(pack);
        var (exit, said) = await RunAsync(Script, pack);
        exit.ShouldBe(1, said);
        said.ShouldContain("WRONG");
    }

    [Theory]
    [InlineData("keys/manifest.sig")]
    [InlineData("journal/manifest.sha256")]
    [InlineData("a link")]
    [InlineData("a link in a file's place")]
    public async Task Pack_WithSomethingBesides_Fails(string added)
    {
        var pack = await MakeAsync();
        switch (added)
        {
            case "a link":
                File.CreateSymbolicLink(Path.Combine(pack, "link"), "report.html");
                break;
            case "a link in a file's place":
                File.Move(Path.Combine(pack, "report.html"), Path.Combine(_folder.FullName, "elsewhere.html"));
                File.CreateSymbolicLink(Path.Combine(pack, "report.html"), Path.Combine(_folder.FullName, "elsewhere.html"));
                break;
            default:
                await File.WriteAllTextAsync(Path.Combine(pack, added), "added");
                break;
        }

        var (exit, said) = await RunAsync(Script, pack);
        exit.ShouldBe(1, said);
    }

    [Fact]
    public async Task Pack_WithLinesBehindTheSealedOne_CountsThemAsUnsealedWhateverTheirNumber()
    {
        var pack = await MakeAsync();
        var journal = Path.Combine(pack, "journal", $"{(await _world.EntryAsync()).FailbackRunId}.ndjson");
        var last = (await File.ReadAllLinesAsync(journal))[^1];
        await File.AppendAllTextAsync(journal, $$"""{"at":"2026-03-01T12:00:00.0000000Z","event":{},"previous":"{{JournalChain.Hash(last)}}","sequence":1,"v":1}""" + "\n");
        await SignAnewAsync(pack);
        (await RunAsync(Script, pack)).Said.ShouldContain("1 events after it are not sealed");
    }

    [Fact]
    public async Task Pack_OfARunThatWasMadeAnewAndGivenToBeSealedAgain_Fails()
    {
        (await RunAsync(Script, await MakeAsync())).Exit.ShouldBe(0);
        var run = (await _world.EntryAsync()).FailbackRunId!;
        await using (var session = await _world.Get<IDatabase>().BeginWriteAsync(CancellationToken.None))
        {
            await session.ExecuteAsync("UPDATE journal SET payload = replace(payload, 'Olga', 'Otto') WHERE instance_id = @i", CancellationToken.None, ("i", run));
            var rows = await RowsAsync(session, run);
            using var started = JsonDocument.Parse(rows[0].Payload);
            var head = JournalChain.Genesis(run, started.RootElement.GetProperty("definitionVersionId").GetString()!, started.RootElement.GetProperty("definitionSha256").GetString()!);
            foreach (var row in rows)
            {
                head = new ChainLine().Hash(run, row.Sequence, row.At, row.Kind, row.NodeId, row.ExecutionId, row.Payload, head);
                await session.ExecuteAsync("UPDATE journal SET hash = @h WHERE instance_id = @i AND sequence = @s", CancellationToken.None, ("h", head), ("i", run), ("s", row.Sequence));
            }

            await session.ExecuteAsync("UPDATE workflow_instances SET chain_head = @h WHERE id = @i", CancellationToken.None, ("h", head), ("i", run));
            await session.ExecuteAsync("UPDATE audit_chain_seals SET sequence = 0, is_open = true", CancellationToken.None);
            await session.ExecuteAsync("DELETE FROM audit_sealed_heads WHERE chain = @i", CancellationToken.None, ("i", run));
            await session.CommitAsync(CancellationToken.None);
        }

        // Nothing in the database says any more that it was sealed before, so it is sealed again. The file knows.
        var (exit, said) = await RunAsync(Script, await MakeAsync("after"));
        exit.ShouldBe(1, said);
        said.ShouldContain("WRONG: the exporting server found: ");
        (await File.ReadAllTextAsync(Path.Combine(Directory.EnumerateDirectories(Path.Combine(_folder.FullName, "after")).Single(), "findings.txt"))).ShouldContain($"Run {run} is not what checkpoint");
    }

    [Fact]
    public async Task People_OfAPack_AreThoseOfItsRuns()
    {
        await _world.FailBackAsync();
        var stranger = new Actor(ActorKind.User, "user-9", "Sam Stranger");
        foreach (var subject in new[] { FailbackWorld.Entry, "entry-of-somebody-else" })
        {
            await _world.Get<IAuditLog>().AppendAsync(new AuditRecord(_world.Clock.GetUtcNow(), stranger, "POST /api/v1/somewhere", subject, null, "done"), CancellationToken.None);
        }

        var pack = await MakeAsync();
        var people = await File.ReadAllTextAsync(Path.Combine(pack, "people.json"));
        people.ShouldContain($"POST /api/v1/somewhere {FailbackWorld.Entry}");
        people.ShouldContain(stranger.Name);
        people.ShouldNotContain("entry-of-somebody-else");
        (await File.ReadAllTextAsync(Path.Combine(pack, "audit-log.ndjson"))).ShouldContain("entry-of-somebody-else");
    }

    private static async Task<List<(long Sequence, DateTimeOffset At, string Kind, string? NodeId, string? ExecutionId, string Payload)>> RowsAsync(WriteSession session, string run)
    {
        await using var command = session.Command("SELECT sequence, at, kind, node_id, execution_id, payload FROM journal WHERE instance_id = @i ORDER BY sequence", ("i", run));
        await using var reader = await command.ExecuteReaderAsync();
        var rows = new List<(long, DateTimeOffset, string, string?, string?, string)>();
        while (await reader.ReadAsync())
        {
            rows.Add((reader.GetInt64(0), new(reader.GetInt64(1), TimeSpan.Zero), reader.GetString(2), reader.IsDBNull(3) ? null : reader.GetString(3), reader.IsDBNull(4) ? null : reader.GetString(4), reader.GetString(5)));
        }

        return rows;
    }

    private async Task SignAnewAsync(string folder)
    {
        var pack = new EvidencePack("x", DateTimeOffset.UnixEpoch);
        foreach (var file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories))
        {
            var name = Path.GetRelativePath(folder, file).Replace('\\', '/');
            if (name is not (EvidencePack.Manifest or EvidencePack.ManifestSignature))
            {
                pack.Add(name, await File.ReadAllBytesAsync(file));
            }
        }

        var manifest = pack.MakeManifest();
        var (_, signature) = await _world.Get<ISealedHistory>().SignAsync(manifest, CancellationToken.None);
        await File.WriteAllTextAsync(Path.Combine(folder, EvidencePack.Manifest), manifest);
        await File.WriteAllBytesAsync(Path.Combine(folder, EvidencePack.ManifestSignature), Convert.FromBase64String(signature));
    }

    /// <summary>Of a failback with its settings and its people, as extracted on another machine.</summary>
    private async Task<string> MakeAsync(string name = "pack")
    {
        if (await _world.Get<IFailoverLog>().FindAsync(FailbackWorld.Entry, CancellationToken.None) is { Failback: FailbackState.NotStarted })
        {
            await _world.FailBackAsync();
            foreach (var reason in new[] { "first", "second", "third" })
            {
                await _world.Get<IAuditLog>().AppendAsync(
                    new AuditRecord(_world.Clock.GetUtcNow(), FailbackWorld.Operator, "POST /api/v1/somewhere", FailbackWorld.Entry, $"{reason} \"quoted\",\"sequence\":1", "done"), CancellationToken.None);
            }
        }

        var node = _world.Node;
        var packs = new EvidencePacks(
            _world.Get<IFailoverLog>(),
            _world.Get<IWorkflowInstances>(),
            node.Get<IRunReports>(),
            _world.Get<IHistorySeals>(),
            _world.Get<ISealedHistory>(),
            _world.Get<IHistoryVerifications>(),
            node.Get<EntrySettings>(),
            _world.Get<IMaterialCopies>(),
            _world.Clock);
        var archive = (await packs.MakeAsync(FailbackWorld.Entry, Actor.System, CancellationToken.None)).ShouldNotBeNull();
        var target = _folder.CreateSubdirectory(name).FullName;
        await TarFile.ExtractToDirectoryAsync(new MemoryStream(archive.Tar), target, overwriteFiles: false);
        return Directory.EnumerateDirectories(target).Single();
    }

    private static async Task<(int Exit, string Said)> RunAsync(string script, string pack)
    {
        using var shell = Process.Start(new ProcessStartInfo("sh", [script, pack]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var said = await shell.StandardOutput.ReadToEndAsync() + await shell.StandardError.ReadToEndAsync();
        await shell.WaitForExitAsync();
        return (shell.ExitCode, said);
    }

    private static int Number(string variable, int usual) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : usual;
}
