using System.Diagnostics;
using System.Globalization;
using System.Net;
using FailbackWorkflows.Testing.Deployment;
using FailbackWorkflows.Testing.Persistence;
using FailbackWorkflows.Testing.Processes;
using Npgsql;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>
/// What the images hold, started as docker-compose.yml starts it, without a container: published by the Dockerfile's own command (compiled ahead of time as well where the test command has done
/// it), with the arguments and variables of the compose file. Only folders, ports and the place of the database are others.
/// </summary>
public sealed class The_published_programs_start_as_composed(The_published_programs_start_as_composed.Artifacts artifacts)
    : IClassFixture<The_published_programs_start_as_composed.Artifacts>, IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(15);

    private static readonly Dictionary<string, string> Variables = new()
    {
        ["FAILBACK_ADMIN_PASSWORD"] = ManagementServerProcess.Password,
        ["FAILBACK_POSTGRES_PASSWORD"] = "not asked for by the server of the tests",
        ["FAILBACK_RECORDER_TOKEN"] = "token-of-the-recorders",
        ["FAILBACK_LICENSE_PUBLIC_KEY"] = "",
    };

    private readonly string _folder = Directory.CreateTempSubdirectory("failback-published-").FullName;
    private readonly ComposeFile _compose = ComposeFile.Read();

    public Task InitializeAsync()
    {
        using var issuer = System.Security.Cryptography.ECDsa.Create(System.Security.Cryptography.ECCurve.NamedCurves.nistP256);
        Variables["FAILBACK_LICENSE_PUBLIC_KEY"] = issuer.ExportSubjectPublicKeyInfoPem();
        return Task.CompletedTask;
    }

    public Task DisposeAsync()
    {
        Directory.Delete(_folder, recursive: true);
        return Task.CompletedTask;
    }

    [Fact]
    public async Task The_management_server_is_ready_on_PostgreSQL_and_stops_when_it_is_asked_to()
    {
        var database = await PostgresDatabases.TakeUnmigratedAsync();
        var service = _compose.Services["management-1"];
        var program = await PublishAsync("src/FailbackWorkflows.Server/Dockerfile");
        var port = FreePort.Next();
        var environment = Environment(service, port);
        var (composed, ours) = (new NpgsqlConnectionStringBuilder(environment["Failback__Postgres"]), new NpgsqlConnectionStringBuilder(database));
        environment["Failback__Postgres"] = new NpgsqlConnectionStringBuilder(composed.ToString()) { Host = ours.Host, Port = ours.Port, Database = ours.Database, Username = ours.Username }.ToString();

        await using (var server = RunningProgram.Start(program, Arguments(service, port), environment, "management server ready"))
        {
            await server.WaitUntilReadyAsync();
            await Eventually.HoldsAsync("the health check of the compose file is passed", () => IsHealthyAsync(service, port));
            using var http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}/") };
            (await http.GetAsync("sign-in")).StatusCode.ShouldBe(HttpStatusCode.OK, server.Output);
            (await http.GetAsync("studio/_framework/blazor.webassembly.js")).StatusCode.ShouldBe(HttpStatusCode.OK, "the designer is published with the server");
            File.Exists(Path.Combine(_folder, "epochs", "postgres.epochs")).ShouldBeTrue("the epochs are on their volume");
            await Eventually.HoldsAsync("what happened at the start is sealed", () => Task.FromResult(Directory.Exists(Path.Combine(_folder, "data", "seals"))));
            Directory.EnumerateFileSystemEntries(Path.Combine(_folder, "data")).Select(Path.GetFileName).ShouldBe(["logs", "seals"], ignoreOrder: true, "nothing else is kept there");
            server.Output.ShouldNotContain(ManagementServerProcess.Password);

            await SignalAsync("TERM", server.Id);
            (await server.WaitForExitAsync(TimeSpan.FromSeconds(30))).ShouldBe(0, server.Output);
        }

        (await IsHealthyAsync(service, port)).ShouldBeFalse();
        await PostgresDatabases.DropAsync(database);
    }

    [Fact]
    public async Task A_recorder_records_and_stops_when_it_is_asked_to()
    {
        var service = _compose.Services["recorder-2"];
        var program = await PublishAsync("src/FailbackWorkflows.ReferenceRecorder/Dockerfile");
        var port = FreePort.Next();

        await using var recorder = RunningProgram.Start(program, Arguments(service, port), Environment(service, port), "recorder ready");
        await recorder.WaitUntilReadyAsync();
        await Eventually.HoldsAsync("the health check of the compose file is passed", () => IsHealthyAsync(service, port));
        using var http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}/") };
        http.DefaultRequestHeaders.Authorization = new("Bearer", Variables["FAILBACK_RECORDER_TOKEN"]);
        (await http.GetStringAsync("v1/recorder")).ShouldContain("\"identity\":\"recorder-2\",\"role\":\"recorder\"");
        (await http.GetStringAsync("v1/channels")).ShouldContain("\"trackId\":\"recorder-2~camera-1\"");

        await SignalAsync("TERM", recorder.Id);
        (await recorder.WaitForExitAsync(TimeSpan.FromSeconds(30))).ShouldBe(0, recorder.Output);
    }

    /// <summary>
    /// By the Dockerfile's command, into a folder of ours and with nothing taken from or left in the checkout's own build folders, unless the test command has carried it out already;
    /// the program's assembly.
    /// </summary>
    private async Task<string> PublishAsync(string dockerfile)
    {
        var file = Dockerfile.Read(dockerfile);
        if (ProgramFiles.Published is { } published)
        {
            var program = Path.Combine(published, Path.GetFileName(Path.GetDirectoryName(dockerfile)!), file.Entrypoint[1]);
            File.Exists(program).ShouldBeTrue($"{program} is what the image would start");
            return program;
        }

        var app = Path.Combine(_folder, "app");
        var start = new ProcessStartInfo(ProgramFiles.Dotnet) { WorkingDirectory = ProgramFiles.Root, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in file.Publish.ShouldNotBeNull().Split(' ')[1..])
        {
            start.ArgumentList.Add(argument == "/app" ? app : argument);
        }

        foreach (var argument in new[] { "--artifacts-path", artifacts.Folder, "-p:UseSharedCompilation=false", "-nologo", "-v", "quiet" })
        {
            start.ArgumentList.Add(argument);
        }

        // The code was analysed when it was built for the tests.
        start.Environment["RunAnalyzers"] = "false";
        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        using var publish = Process.Start(start)!;
        var output = await Task.WhenAll(publish.StandardOutput.ReadToEndAsync(), publish.StandardError.ReadToEndAsync()).WaitAsync(Patience);
        await publish.WaitForExitAsync();
        publish.ExitCode.ShouldBe(0, string.Concat(output));
        return Path.Combine(app, file.Entrypoint[1]);
    }

    private IEnumerable<string> Arguments(ComposeService service, int port) => service.List("command").Select(a => Here(service, a, port));

    private Dictionary<string, string> Environment(ComposeService service, int port) =>
        service.Environment.ToDictionary(e => e.Key, e => Here(service, ComposeFile.Resolve(e.Value, Variables), port));

    private string Here(ComposeService service, string value, int port) => value switch
    {
        "/data" or "/epochs" => Path.Combine(_folder, value[1..]),
        _ when value.StartsWith("http://127.0.0.1:", StringComparison.Ordinal) && service.List("command").Contains(value) => $"http://127.0.0.1:{port}",
        _ => value,
    };

    /// <summary>The health check as it is written, with the script from where the image takes it.</summary>
    private static async Task<bool> IsHealthyAsync(ComposeService service, int port)
    {
        var test = ((IReadOnlyList<object?>)((IReadOnlyDictionary<string, object?>)service.Members["healthcheck"]!)["test"]!).Cast<string>().ToList();
        test[..3].ShouldBe(["CMD", "bash", "/usr/local/bin/healthy"]);
        var start = new ProcessStartInfo("bash", [Path.Combine(ProgramFiles.Root, "eng", "container", "healthy.sh"), port.ToString(CultureInfo.InvariantCulture), test[^1]]) { RedirectStandardError = true };
        using var check = Process.Start(start)!;
        await check.StandardError.ReadToEndAsync();
        await check.WaitForExitAsync();
        return check.ExitCode == 0;
    }

    private static async Task SignalAsync(string signal, int processId)
    {
        using var kill = Process.Start("kill", [$"-{signal}", processId.ToString(CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync();
    }

    /// <summary>What both programs are built from is built once.</summary>
    public sealed class Artifacts : IDisposable
    {
        public string Folder { get; } = Directory.CreateTempSubdirectory("failback-artifacts-").FullName;

        public void Dispose() => Directory.Delete(Folder, recursive: true);
    }
}
