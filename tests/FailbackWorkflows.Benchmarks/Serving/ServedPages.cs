using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Runtime;
using System.Threading.Channels;
using FailbackWorkflows.Benchmarks.Durable;
using FailbackWorkflows.Benchmarks.Polling;
using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Persistence;
using FailbackWorkflows.Testing.Persistence;
using Microsoft.Extensions.DependencyInjection;

namespace FailbackWorkflows.Benchmarks.Serving;

/// <summary>
/// Every page of the operator UI as a signed-in person gets it over HTTP, from a server whose log has grown for years. What counts is the time of the server, from the request
/// to the end of its answer, as its own metric says it; beside it stands what the browser waited, which shares the machine.
/// </summary>
internal static class ServedPages
{
    private const double MostMilliseconds = 50;

    /// <summary>A page is warm when so many rounds in a row had nothing compiled; a server that has run for a while has everything compiled.</summary>
    private const int Calm = 20;
    private const int MostWarmUps = 300;

    private static readonly byte[] Buffer = new byte[64 * 1024];

    /// <summary>Share of a core that the server may spend while nothing is asked of it.</summary>
    private const double MostBusy = 0.2;

    /// <summary>Some recorders are asked for something else now and then.</summary>
    private const int FewConnections = 100;
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(5);

    public static async Task<int> RunAsync(Options options)
    {
        var entries = options.Number("entries", 1_000_000);
        var rounds = options.Number("rounds", 200);
        var connectionString = await PostgresDatabases.TakeAsync();
        await using (var database = await TestDatabase.CreateAsync(services => services.AddPostgresPersistence(connectionString, Path.GetTempPath()), () => ValueTask.CompletedTask))
        {
            await LargeSite.LoadLogAsync(database, entries);
        }

        var (simulator, port) = await PollSimulator.StartAsync(LargeSite.Recorders + LargeSite.FailoverServers, PollSimulator.LargeSiteNames);
        using var recorders = simulator;

        // What is done about the recorders by schedule is measured elsewhere.
        await using (var site = await ServedSite.StartAsync(
            connectionString, "--Failback:PollInterval", "01:00:00", "--Failback:SettingsInterval", "1.00:00:00", "--Failback:ReadinessInterval", "00:00:00"))
        {
            await LargeSite.LoadServersAsync(site.Services.GetRequiredService<IDatabase>(), site.Services.GetRequiredService<ISecretProtector>().Protect("credential"), entries, port);
            await SettleAsync(site.Services.GetRequiredService<PollRecorders>(), simulator);
            await LargeSite.SettleAsync(site.Services.GetRequiredService<IDatabase>(), "servers", "duties", "recorder_words", "connectivity_transitions", "change_notifications");
            using var browser = await site.SignInAsync();
            using var served = new ServedRequests();
            Console.WriteLine(FormattableString.Invariant(
                $"pages: {entries:N0} log entries and {LargeSite.Recorders:N0} recorders in PostgreSQL, each page {rounds} times over HTTP, one after the other; target p99 {MostMilliseconds:N0} ms of the server"));
            var deep = LargeSite.EntryId(entries / 2);
            var wanted = options.Text("page", "");
            foreach (var path in ((string[])
            [
                "failover-log", "failover-log?view=finalized", $"failover-log?view=finalized&before={deep}", "failover-log?view=finalized&q=vms-7919",
                "failover-log?view=finalized&since=2025-01-02&until=2025-01-03", $"failover-log/{deep}", "servers", "servers?after=vms-5000", "servers?q=vms-79", "servers?show=broken",
                "servers/vms-7919", "servers/vms-7919/settings", "servers/vms-7919/failover", "system", "system/users", "system/users?q=person19", "workflows", "history",
            ]).Where(path => path.Contains(wanted, StringComparison.Ordinal)))
            {
                await MeasureAsync(browser, served, path, rounds);
            }
        }

        simulator.Kill();
        await PostgresDatabases.DropAsync(connectionString);
        return 0;
    }

    /// <summary>
    /// The servers are new to the polls, and what they say is written down where it is news; and ten thousand connections that are not used any more are closed: waits until that is over.
    /// </summary>
    private static async Task SettleAsync(PollRecorders polls, Process simulator)
    {
        TimeSpan spent;
        do
        {
            var before = Environment.CpuUsage.TotalTime;
            await Task.Delay(Quiet);
            spent = Environment.CpuUsage.TotalTime - before;
        }
        while (polls.Punctual() is not { Recorders: LargeSite.Recorders + LargeSite.FailoverServers, InFlight: 0, Unasked: 0 } || spent > Quiet * MostBusy || (await PollSimulator.AskAsync(simulator, "count")).Connections > FewConnections);
    }

    private static async Task MeasureAsync(HttpClient browser, ServedRequests served, string path, int rounds)
    {
        var first = await LookAsync(browser, served, path, 0);
        for (int calm = 0, looks = 1; calm < Calm && looks < MostWarmUps; looks++)
        {
            calm = (await LookAsync(browser, served, path, 0)).MethodsCompiled == 0 ? calm + 1 : 0;
        }

        var measured = new List<Round>();
        for (var round = 0; round < rounds; round++)
        {
            measured.Add(await LookAsync(browser, served, path, round));
        }

        var times = measured.ConvertAll(one => one.Milliseconds);
        var isMet = times.At(0.99) <= MostMilliseconds;
        Console.WriteLine(FormattableString.Invariant(
            $"  {"/" + path,-66} median {times.Median(),6:N1} ms   p99 {times.At(0.99),6:N1} ms: {Figures.Verdict(isMet)}   (waited {measured.ConvertAll(one => one.Waited).Median(),6:N1} and {measured.ConvertAll(one => one.Waited).At(0.99),6:N1} ms, {measured[0].Bytes / 1024.0,6:N1} KiB, the first time {first.Milliseconds,6:N1} ms)"));
        if (!isMet)
        {
            // Whether it was the page, or the process that is still being compiled, or a collection.
            foreach (var slow in measured.OrderByDescending(one => one.Milliseconds).Take(3))
            {
                Console.WriteLine(FormattableString.Invariant($"      round {slow.Number}: {slow.Milliseconds:N1} ms, {slow.MethodsCompiled} methods compiled, {slow.PauseMilliseconds:N1} ms of collections{(slow.Generation is { } generation ? $" (generation {generation})" : "")}"));
            }
        }
    }

    private static async Task<Round> LookAsync(HttpClient browser, ServedRequests served, string path, int number)
    {
        var (methods, pause, collections) = (JitInfo.GetCompiledMethodCount(), GC.GetTotalPauseDuration(), Collections());
        var begun = Stopwatch.GetTimestamp();

        // The browser shares the process: it keeps nothing of the page, or it would be its garbage that the server's collections are about.
        using var answer = await browser.GetAsync(path, HttpCompletionOption.ResponseHeadersRead);
        await using var page = await answer.EnsureSuccessStatusCode().Content.ReadAsStreamAsync();
        var bytes = 0;
        while (await page.ReadAsync(Buffer) is var read and > 0)
        {
            bytes += read;
        }

        var waited = Stopwatch.GetElapsedTime(begun).TotalMilliseconds;
        var generation = Collections().Zip(collections, (now, before) => now > before).ToList().LastIndexOf(true);
        return new(
            number, await served.NextAsync(), waited, bytes, JitInfo.GetCompiledMethodCount() - methods, (GC.GetTotalPauseDuration() - pause).TotalMilliseconds, generation < 0 ? null : generation);
    }

    /// <summary>How often each generation was collected.</summary>
    private static int[] Collections() => [.. Enumerable.Range(0, GC.MaxGeneration + 1).Select(GC.CollectionCount)];

    /// <summary>What ASP.NET Core's own metric says of the requests that were answered, one after the other.</summary>
    private sealed class ServedRequests : IDisposable
    {
        private readonly Channel<double> _answered = Channel.CreateUnbounded<double>();
        private readonly MeterListener _listener = new();

        public ServedRequests()
        {
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument is { Name: "http.server.request.duration", Meter.Name: "Microsoft.AspNetCore.Hosting" })
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            };
            _listener.SetMeasurementEventCallback<double>((_, seconds, _, _) => _answered.Writer.TryWrite(seconds * 1_000));
            _listener.Start();
        }

        /// <summary>Milliseconds of the next request. It is said a moment after the answer has arrived.</summary>
        public async Task<double> NextAsync() => await _answered.Reader.ReadAsync();

        public void Dispose() => _listener.Dispose();
    }

    private sealed record Round(int Number, double Milliseconds, double Waited, int Bytes, long MethodsCompiled, double PauseMilliseconds, int? Generation);
}
