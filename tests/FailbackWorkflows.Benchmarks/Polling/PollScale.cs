using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Server;
using FailbackWorkflows.Testing.Processes;
using Microsoft.Extensions.DependencyInjection;

namespace FailbackWorkflows.Benchmarks.Polling;

/// <summary>
/// One management server (the real one, whole, in this process) polls many recorders (<see cref="PollSimulator"/>, in a process of its own
/// whose processor time is not counted). What the polls' gaps were is what the recorders saw.
/// </summary>
internal static class PollScale
{
    private const int Batch = 500;
    private const double MostProcessorShare = 0.5;
    private static readonly TimeSpan LongestGap = TimeSpan.FromSeconds(10);

    public static async Task<int> RunAsync(Options options)
    {
        var recorders = options.Number("recorders", 10_000);
        var interval = TimeSpan.FromSeconds(options.Number("interval", 5));
        var seconds = options.Number("seconds", 600);
        var warmUp = options.Number("warm-up", 30);
        var folder = Directory.CreateTempSubdirectory("failback-poll-scale-").FullName;

        var (simulator, port) = await PollSimulator.StartAsync(recorders);
        using var ends = simulator;
        try
        {
            await using var server = FailbackWorkflows.Server.Program.Build(
            [
                "--urls", "http://127.0.0.1:0",
                "--data", folder,
                "--FAILBACK_ADMIN_PASSWORD", "a long benchmark password",
                "--Failback:PollInterval", interval.ToString(),
                "--Serilog:MinimumLevel:Default", "Warning",
            ]);
            await server.StartAsync();
            await RegisterAsync(server.Services, recorders, port);
            await Task.Delay(TimeSpan.FromSeconds(warmUp));
            await MeasureAsync(server.Services, simulator, recorders, interval, seconds);
            await server.StopAsync();
            return 0;
        }
        finally
        {
            simulator.Kill();
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task MeasureAsync(IServiceProvider services, Process simulator, int recorders, TimeSpan interval, int seconds)
    {
        var rows = await RowsAsync(services);
        await PollSimulator.AskAsync(simulator, "reset");
        var started = Stopwatch.GetTimestamp();
        var processor = Environment.CpuUsage.TotalTime;
        var memory = new List<double>();
        while (Stopwatch.GetElapsedTime(started).TotalSeconds < seconds)
        {
            await Task.Delay(TimeSpan.FromSeconds(Math.Min(30, seconds / 4.0)));
            memory.Add(Environment.WorkingSet / 1e6);
        }

        var wall = Stopwatch.GetElapsedTime(started);
        processor = Environment.CpuUsage.TotalTime - processor;
        var count = await PollSimulator.AskAsync(simulator, "count");
        var share = processor / wall / Environment.ProcessorCount;
        var punctual = services.GetRequiredService<PollRecorders>().Punctual();
        var written = (await RowsAsync(services)) - rows;
        Print($"{recorders} recorders, every {interval.TotalSeconds} s, {wall.TotalSeconds:N0} s on {Environment.ProcessorCount} cores: {count.Polls} polls ({count.Polls / wall.TotalSeconds:N0} per second), {count.Polled} recorders polled, {count.Connections} connections");
        Print($"processor   {share:P1} of {Environment.ProcessorCount} cores, {processor.TotalMilliseconds * 1000 / Math.Max(1, count.Polls):N0} us per poll   target {MostProcessorShare:P0}: {Verdict(share <= MostProcessorShare)}");
        Print($"interval    median {count.MedianGapSeconds:N2} s   longest {count.LongestGapSeconds:N2} s   target {LongestGap.TotalSeconds:N0} s: {Verdict(count.LongestGapSeconds <= LongestGap.TotalSeconds && count.Polled == recorders)}");
        Print($"memory      working set {memory[0]:N0} MB at first, {memory[^1]:N0} MB at the end, {memory.Max():N0} MB at most; managed heap {GC.GetTotalMemory(forceFullCollection: true) / 1e6:N0} MB");
        Print($"rows        {written} changes of servers were written while nothing changed");
        Print($"server says the latest poll of the last two minutes began {punctual.LongestLag.TotalMilliseconds:N0} ms late");
    }

    private static async Task RegisterAsync(IServiceProvider services, int recorders, int port)
    {
        var writer = services.GetRequiredService<IDomainWriter>();
        var credential = services.GetRequiredService<ISecretProtector>().Protect("a-credential-of-a-simulated-recorder");
        var now = TimeProvider.System.GetUtcNow();
        foreach (var batch in Enumerable.Range(0, recorders).Chunk(Batch))
        {
            await writer.ApplyAsync([.. batch.Select(IDomainChange (i) => new SaveVmsServer(ServerOf(i)))], CancellationToken.None);
        }

        VmsServer ServerOf(int i) => new()
        {
            Id = PollSimulator.ServerOf(i),
            Name = $"Recorder {i}",
            BaseUrl = new Uri($"http://{LoopbackSocket.AddressOf(i)}:{port}/"),
            ProtectedCredential = credential,
            MachineId = PollSimulator.MachineOf(i),
            SoftwareVersion = PollSimulator.SoftwareVersion,
            State = VmsServerState.Ok,
            CreatedAt = now,
        };
    }

    private static async Task<long> RowsAsync(IServiceProvider services) => (await services.GetRequiredService<IVmsServers>().ListAsync(CancellationToken.None)).Sum(server => server.Revision);

    private static string Verdict(bool isMet) => isMet ? "met" : "missed";

    private static void Print(FormattableString line) => Console.WriteLine(FormattableString.Invariant(line));
}
