using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using FailbackWorkflows.Benchmarks.Durable;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Testing.Processes;

namespace FailbackWorkflows.Benchmarks.Polling;

/// <summary>What the recorders saw of their polls.</summary>
internal sealed record PollCount(long Polls, int Polled, double LongestGapSeconds, double MedianGapSeconds, int Connections);

/// <summary>
/// Many recorders that only say how they are and whether they can write, in a process of their own: each has an address of its own in 127.0.0.0/8 and answers on
/// kept connections, as recorders do. It obeys lines on its standard input: <c>reset</c>, <c>count</c>.
/// </summary>
internal sealed class PollSimulator(int recorders, int port, Func<int, string> serverOf)
{
    private const string TimePlace = "2000-01-01T00:00:00.0000000Z";

    private static readonly StorageState Disk = new("disk", 8_000_000_000_000, 2_000_000_000_000, 100_000_000_000);

    /// <summary>Whoever may take a duty over is asked whether it can write.</summary>
    private readonly byte[] _probe = Ok(JsonSerializer.Serialize(new ProbeResult(true, [Disk with { HeldBytes = 1_000_000_000_000, ClearableBytes = 4_000_000_000_000 }], null), RecorderJson.Options));

    private readonly long[] _lastPollAt = new long[recorders];
    private readonly ConcurrentBag<double> _gaps = [];
    private long _polls;
    private int _connections;

    /// <summary>The recorders of <see cref="LargeSite"/>.</summary>
    public const string LargeSiteNames = "large-site";

    public const string SoftwareVersion = "1.4.0";

    public static string BootOf(string serverId) => $"boot-of-{serverId}";

    public static string MachineOf(int recorder) => string.Create(CultureInfo.InvariantCulture, $"machine-{recorder:00000}");

    public static string ServerOf(int recorder) => string.Create(CultureInfo.InvariantCulture, $"rec-{recorder:00000}");

    /// <summary>Starts it in a process of its own, which ends with its input.</summary>
    /// <param name="names"><see cref="LargeSiteNames"/>, or null: those of <see cref="ServerOf"/>.</param>
    public static async Task<(Process Simulator, int Port)> StartAsync(int recorders, string? names = null)
    {
        string[] named = names is null ? [] : ["--names", names];
        var start = Itself.Start(["poll-simulator", "--recorders", recorders.ToString(CultureInfo.InvariantCulture), .. named]);
        (start.RedirectStandardInput, start.RedirectStandardOutput) = (true, true);
        start.Environment.Remove(ServersCollector.Variable);
        var simulator = Process.Start(start)!;
        return (simulator, int.Parse((await simulator.StandardOutput.ReadLineAsync())!.Split(' ')[^1], CultureInfo.InvariantCulture));
    }

    /// <summary>Has it obey a line, and answers with what it has counted.</summary>
    public static async Task<PollCount> AskAsync(Process simulator, string line)
    {
        await simulator.StandardInput.WriteLineAsync(line);
        await simulator.StandardInput.FlushAsync();
        return JsonSerializer.Deserialize<PollCount>((await simulator.StandardOutput.ReadLineAsync())!)!;
    }

    public static async Task<int> RunAsync(Options options)
    {
        var simulator = new PollSimulator(options.Number("recorders", 10_000), options.Number("port", 0), options.Text("names", "") == LargeSiteNames ? LargeSite.ServerId : ServerOf);
        await simulator.ServeAsync();
        return 0;
    }

    private async Task ServeAsync()
    {
        using var listener = LoopbackSocket.Bind(port);
        listener.Listen(4096);
        Console.WriteLine($"simulator ready {((IPEndPoint)listener.LocalEndPoint!).Port}");
        _ = Task.Run(async () =>
        {
            while (true)
            {
                _ = AnswerAsync(await listener.AcceptAsync());
            }
        });
        while (await Console.In.ReadLineAsync() is { } line)
        {
            if (line == "reset")
            {
                Array.Clear(_lastPollAt);
                _gaps.Clear();
                Interlocked.Exchange(ref _polls, 0);
            }

            Console.WriteLine(JsonSerializer.Serialize(Count()));
        }
    }

    private PollCount Count()
    {
        var now = TimeProvider.System.GetTimestamp();
        var gaps = _gaps.Order().ToList();

        // Who is waiting for a poll now waits at least so long.
        var open = _lastPollAt.Where(at => at != 0).Select(at => TimeProvider.System.GetElapsedTime(at, now).TotalSeconds).DefaultIfEmpty(0).Max();
        return new(
            Interlocked.Read(ref _polls), _lastPollAt.Count(at => at != 0), Math.Max(open, gaps.Count == 0 ? 0 : gaps[^1]), gaps.Count == 0 ? 0 : gaps[gaps.Count / 2], _connections);
    }

    private async Task AnswerAsync(Socket socket)
    {
        Interlocked.Increment(ref _connections);
        try
        {
            using (socket)
            {
                socket.NoDelay = true;
                var recorder = LoopbackSocket.RecorderAt(((IPEndPoint)socket.LocalEndPoint!).Address);
                var (status, timeAt) = Status(recorder);
                var request = new byte[4096];
                var length = 0;
                while (await socket.ReceiveAsync(request.AsMemory(length)) is var received and > 0)
                {
                    length += received;
                    if (request.AsSpan(0, length).IndexOf("\r\n\r\n"u8) < 0)
                    {
                        continue;
                    }

                    var isProbe = request.AsSpan(0, length).StartsWith("POST /v1/recorder:probe"u8);
                    length = 0;
                    if (isProbe)
                    {
                        await socket.SendAsync(_probe);
                        continue;
                    }

                    Note(recorder);
                    Encoding.ASCII.GetBytes(TimeProvider.System.GetUtcNow().UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'", CultureInfo.InvariantCulture), status.AsSpan(timeAt));
                    await socket.SendAsync(status);
                }
            }
        }
        catch (SocketException)
        {
            // The other side went away.
        }
        finally
        {
            Interlocked.Decrement(ref _connections);
        }
    }

    private void Note(int recorder)
    {
        var now = TimeProvider.System.GetTimestamp();
        var last = Interlocked.Exchange(ref _lastPollAt[recorder], now);
        Interlocked.Increment(ref _polls);
        if (last != 0)
        {
            _gaps.Add(TimeProvider.System.GetElapsedTime(last, now).TotalSeconds);
        }
    }

    private (byte[] Answer, int TimeAt) Status(int recorder)
    {
        var id = serverOf(recorder);
        var status = new RecorderStatus(
            MachineOf(recorder),
            BootOf(id),
            SoftwareVersion,
            "1",
            DateTimeOffset.Parse(TimePlace, CultureInfo.InvariantCulture),
            TimeSpan.FromMilliseconds(1),
            [new DutyState(id, DutyRole.Recorder, DutyRole.Recorder, 1, "seed", 0, true, false)],
            [Disk],
            new RecorderCapabilities(true, 64, 8));
        var json = JsonSerializer.Serialize(status, RecorderJson.Options);
        var stated = JsonDocument.Parse(json).RootElement.GetProperty("timeUtc").GetString()!;
        json = json.Replace(stated, TimePlace, StringComparison.Ordinal);
        var answer = Ok(json);
        return (answer, answer.AsSpan().IndexOf(Encoding.ASCII.GetBytes(TimePlace)));
    }

    private static byte[] Ok(string json) => Encoding.UTF8.GetBytes(
        string.Create(CultureInfo.InvariantCulture, $"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {Encoding.UTF8.GetByteCount(json)}\r\n\r\n{json}"));
}
