using System.Diagnostics;
using System.Runtime;
using System.Text;

namespace FailbackWorkflows.Benchmarks.Serving;

/// <summary>
/// Many clients of the change feed, half of them with a browser's session and half with a key: from the moment somebody asks for a change until each of
/// them has read it. The clients work on the same cores as the server.
/// </summary>
internal static class ChangeClients
{
    private const double MostMilliseconds = 250;

    /// <summary>The server is warm when so many changes in a row had nothing compiled.</summary>
    private const int Calm = 5;
    private const int MostWarmUps = 200;

    public static async Task<int> RunAsync(Options options)
    {
        var clients = options.Number("clients", 500);
        var rounds = options.Number("rounds", 200);
        await using var site = await ServedSite.StartAsync();
        using var browser = await site.SignInAsync();
        using var program = site.Administrator();
        program.Timeout = Timeout.InfiniteTimeSpan;
        using var asks = site.Administrator();
        var listeners = Enumerable.Range(0, clients).Select(i => new Listener(i % 2 == 0 ? browser : program)).ToList();
        using var stop = new CancellationTokenSource();
        var listening = listeners.ConvertAll(listener => listener.ListenAsync(stop.Token));
        await Task.WhenAll(listeners.Select(listener => listener.Ready));

        var first = await ChangeAsync(asks, listeners, "first");
        for (int calm = 0, changes = 1; calm < Calm && changes < MostWarmUps; changes++)
        {
            calm = (await ChangeAsync(asks, listeners, $"warm-up {changes}")).MethodsCompiled == 0 ? calm + 1 : 0;
        }

        var measured = new List<Round>();
        for (var round = 0; round < rounds; round++)
        {
            measured.Add(await ChangeAsync(asks, listeners, $"round {round}"));
        }

        await stop.CancelAsync();
        await Task.WhenAll(listening);
        var seen = measured.SelectMany(one => one.Seen).ToList();
        var isMet = seen.At(0.99) <= MostMilliseconds;
        Console.WriteLine(FormattableString.Invariant(
            $"sse: {clients} clients, {rounds} changes; asked for -> answered: median {measured.ConvertAll(one => one.Answered).Median():N1} ms; asked for -> seen: median {seen.Median():N1} ms, p99 {seen.At(0.99):N1} ms, last {seen.Max():N1} ms, of the first change {first.Seen.Max():N1} ms; target p99 {MostMilliseconds:N0} ms: {Figures.Verdict(isMet)}"));
        foreach (var slow in measured.OrderByDescending(one => one.Seen.Max()).Take(isMet ? 0 : 3))
        {
            Console.WriteLine(FormattableString.Invariant(
                $"  {slow.Mark}: answered after {slow.Answered:N1} ms, last seen after {slow.Seen.Max():N1} ms, {slow.MethodsCompiled} methods compiled, {slow.PauseMilliseconds:N1} ms of collections"));
        }

        return 0;
    }

    private static async Task<Round> ChangeAsync(HttpClient asks, List<Listener> listeners, string mark)
    {
        var (methods, pause) = (JitInfo.GetCompiledMethodCount(), GC.GetTotalPauseDuration());
        var begun = Stopwatch.GetTimestamp();
        var all = listeners.ConvertAll(listener => listener.Expect(mark));
        using var body = new StringContent($$"""{"reason":"{{mark}}"}""", Encoding.UTF8, "application/json");
        using var answer = await asks.PutAsync("api/v1/maintenance", body);
        answer.EnsureSuccessStatusCode();
        var answered = Stopwatch.GetElapsedTime(begun).TotalMilliseconds;
        var seen = (await Task.WhenAll(all)).Select(at => Stopwatch.GetElapsedTime(begun, at).TotalMilliseconds).ToList();
        return new(mark, answered, seen, JitInfo.GetCompiledMethodCount() - methods, (GC.GetTotalPauseDuration() - pause).TotalMilliseconds);
    }

    private sealed record Round(string Mark, double Answered, IReadOnlyList<double> Seen, long MethodsCompiled, double PauseMilliseconds);

    private sealed class Listener(HttpClient client)
    {
        private readonly TaskCompletionSource ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private volatile Expectation? expected;

        public Task Ready => ready.Task;

        /// <summary>Completes with the moment at which a change with this text was read.</summary>
        public Task<long> Expect(string text)
        {
            var next = new Expectation(text);
            expected = next;
            return next.Seen.Task;
        }

        public async Task ListenAsync(CancellationToken cancellationToken)
        {
            try
            {
                using var request = new HttpRequestMessage(HttpMethod.Get, "api/v1/changes");
                request.Headers.Accept.ParseAdd("text/event-stream");
                using var answer = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
                using var lines = new StreamReader(await answer.EnsureSuccessStatusCode().Content.ReadAsStreamAsync(cancellationToken));
                while (await lines.ReadLineAsync(cancellationToken) is { } line)
                {
                    if (line.StartsWith("event: ready", StringComparison.Ordinal))
                    {
                        ready.TrySetResult();
                    }
                    else if (expected is { } wanted && line.Contains(wanted.Text, StringComparison.Ordinal))
                    {
                        wanted.Seen.TrySetResult(Stopwatch.GetTimestamp());
                    }
                }
            }
            catch (OperationCanceledException)
            {
                // Enough.
            }
        }

        private sealed record Expectation(string Text)
        {
            public TaskCompletionSource<long> Seen { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }
}
