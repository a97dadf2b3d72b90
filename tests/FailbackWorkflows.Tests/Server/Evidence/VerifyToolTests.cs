using FailbackWorkflows.Persistence.Seals;
using FailbackWorkflows.Server.Api.Seals;
using FailbackWorkflows.Server.Hosting;
using FailbackWorkflows.Testing.Failback;
using Microsoft.Data.Sqlite;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Server.Evidence;

/// <summary>The subcommand <c>verify</c>, beside a server that runs.</summary>
public sealed class VerifyToolTests
{
    private readonly StringWriter _output = new();
    private readonly StringWriter _error = new();

    [Fact]
    public async Task Verify_BesideARunningServer_SaysWhatIsSealedAndWhatIsNot()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await world.FailBackAsync();
        await world.Get<IHistorySeals>().SealAsync(CancellationToken.None);
        (await RunAsync("--data", DataOf(world))).ShouldBe(ExitCodes.Ended);
        _output.ToString().ShouldSatisfyAllConditions(s => s.ShouldContain("Nothing is wrong."), s => s.ShouldContain("checkpoints.ndjson"), s => s.ShouldNotContain("Not sealed"));

        await world.FailOverAgainAsync("entry-2");
        await world.FailBackAsync("request-2", "entry-2");
        (await RunAsync("--data", DataOf(world))).ShouldBe(ExitCodes.Ended);
        _output.ToString().ShouldContain("Not sealed yet: ");
    }

    [Fact]
    public async Task Verify_OfARunThatWasTamperedWith_NamesTheFirstWrongEventAndLeavesOthersInPeace()
    {
        await using var world = await FailbackWorld.CreateAsync();
        var run = await world.FailBackAsync();
        await world.FailOverAgainAsync("entry-2");
        var other = await world.FailBackAsync("request-2", "entry-2");
        await world.Get<IHistorySeals>().SealAsync(CancellationToken.None);
        await using (var connection = new SqliteConnection($"Data Source={world.DatabaseFile};Pooling=false"))
        {
            await connection.OpenAsync();
            await using var command = connection.CreateCommand();
            command.CommandText = $"UPDATE journal SET payload = replace(payload, 'Olga', 'Otto') WHERE instance_id = '{run.Id}' AND sequence = 1";
            (await command.ExecuteNonQueryAsync()).ShouldBe(1);
        }

        (await RunAsync("--data", DataOf(world))).ShouldBe(ExitCodes.Failed);
        _output.ToString().ShouldContain($"WRONG: Event 1 of run {run.Id} is not what was written");
        (await RunAsync("--data", DataOf(world), "--run", run.Id)).ShouldBe(ExitCodes.Failed);
        (await RunAsync("--data", DataOf(world), "--run", other.Id)).ShouldBe(ExitCodes.Ended);
        (await RunAsync("--data", DataOf(world), "--run", "no-such-run")).ShouldBe(ExitCodes.BadSettings);
        _error.ToString().ShouldContain("There is no run 'no-such-run'");
    }

    [Fact]
    public async Task Verify_WithoutAFileOfCheckpoints_SaysThatItProvesNothing()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await world.FailBackAsync();
        (await RunAsync("--data", DataOf(world))).ShouldBe(ExitCodes.BadSettings);
        _output.ToString().ShouldContain("that proves nothing without the file of checkpoints");
    }

    [Fact]
    public async Task Verify_WithTheKeysThatAreTrusted_FindsOneThatIsNoneOfThem()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await world.FailBackAsync();
        var key = (await world.Get<IHistorySeals>().SealAsync(CancellationToken.None))!.Checkpoint.Key;
        (await RunAsync("--data", DataOf(world), "--keys", $"0123456789abcdef,{key}")).ShouldBe(ExitCodes.Ended);
        (await RunAsync("--data", DataOf(world), "--keys", "0123456789abcdef")).ShouldBe(ExitCodes.Failed);
        _output.ToString().ShouldContain($"WRONG: The key {key}");
    }

    [Fact]
    public async Task Verify_WithWhatItCannotUse_SaysSoAndEndsWith2()
    {
        (await RunAsync("--data", Path.Combine(Path.GetTempPath(), Guid.NewGuid().ToString("N")))).ShouldBe(ExitCodes.BadSettings);
        (await RunAsync("--checkpoints", "/no/such/file")).ShouldBe(ExitCodes.BadSettings);
        (await RunAsync("--sideways", "1")).ShouldBe(ExitCodes.BadSettings);
        _error.ToString().ShouldContain("was not understood");
    }

    private static string DataOf(FailbackWorld world) => Path.GetDirectoryName(world.DatabaseFile)!;

    private Task<int> RunAsync(params string[] args)
    {
        _output.GetStringBuilder().Clear();
        return new VerifyTool(_output, _error, TimeProvider.System).RunAsync(args, CancellationToken.None);
    }
}
