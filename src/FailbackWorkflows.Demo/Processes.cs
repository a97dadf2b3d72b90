using System.Collections.Concurrent;
using System.Reflection;

namespace FailbackWorkflows.Demo;

/// <summary>
/// The management server and the three recorders. Knows which of them should run: one that died on its own is started again in its place,
/// as a site's service manager would.
/// </summary>
internal sealed class Processes : IAsyncDisposable
{
    public const string ManagementServer = "management server";
    public const string Failed = "recorder-1";
    public const string Failover = "recorder-2";
    public const string Bystander = "recorder-3";

    /// <summary>A program that was killed a moment ago may still hold its port or its folder.</summary>
    private static readonly TimeSpan LeftoverPatience = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan ReadyPatience = TimeSpan.FromSeconds(60);
    private const int MostKillsInAStart = 5;
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(200);

    private readonly DemoFolder _folder;
    private readonly DemoState _state;
    private readonly DemoLicense _license;
    private readonly Terminal _terminal;
    private readonly TimeProvider _time;
    // The management server and the recorders are started side by side.
    private readonly ConcurrentDictionary<string, ChildProcess> _running = new();
    private readonly ConcurrentDictionary<string, bool> _wanted = new();
    private readonly ConcurrentQueue<string> _restarted = new();

    public Processes(DemoFolder folder, DemoState state, DemoLicense license, Terminal terminal, TimeProvider time)
    {
        (_folder, _state, _license, _terminal, _time) = (folder, state, license, terminal, time);
        Management = new ManagementApi(AddressOf(ManagementServer), state.ApiKey);
        Recorders = RecorderNames.ToDictionary(name => name, name => new RecorderApi(AddressOf(name), TokenOf(name)));
    }

    public static IReadOnlyList<string> RecorderNames { get; } = [Failed, Failover, Bystander];

    public ManagementApi Management { get; }

    public IReadOnlyDictionary<string, RecorderApi> Recorders { get; }

    /// <summary>Programs that died on their own and were started again, in that order.</summary>
    public IReadOnlyList<string> Restarted => [.. _restarted];

    public Uri AddressOf(string name) => new($"http://127.0.0.1:{PortOf(name)}/");

    public string TokenOf(string name) => _state.Tokens[IndexOf(name) - 1];

    public int? ProcessIdOf(string name) => _running.TryGetValue(name, out var child) ? child.Id : null;

    public async Task StartAsync(string name, CancellationToken cancellationToken)
    {
        _wanted[name] = true;
        if (_running.TryGetValue(name, out var before) && !before.HasExited)
        {
            return;
        }

        var since = _time.GetTimestamp();
        var kills = 0;
        while (true)
        {
            try
            {
                _running[name] = await ChildProcess.StartAsync(ProgramOf(name), ReadyPatience, _time, cancellationToken);
                return;
            }
            catch (ChildEndedException ended) when (ended.ExitCode is ChildEndedException.PortTaken or ChildEndedException.DataInUse)
            {
                if (_time.GetElapsedTime(since) > LeftoverPatience)
                {
                    throw new DemoRefusedException(
                        ended.ExitCode,
                        ended.ExitCode == ExitCodes.PortTaken
                            ? $"The {name} cannot listen on port {PortOf(name)}: another program has it. End that program, or give another port with --port N{(_folder.IsTemporary ? "" : " and another folder with --data DIR")}."
                            : $"The {name} cannot use its folder: {ended.Message}",
                        ended);
                }

                await Task.Delay(LookAgain, _time, cancellationToken);
            }
            catch (ChildEndedException ended) when (ended.WasKilled && ++kills < MostKillsInAStart)
            {
                Note(name);
            }
        }
    }

    /// <summary>SIGKILL, and it stays dead until it is started.</summary>
    public async Task KillAsync(string name)
    {
        _wanted.TryRemove(name, out _);
        if (_running.TryRemove(name, out var child))
        {
            await child.KillAsync();
            child.Dispose();
        }
    }

    /// <summary>Starts again whatever should run and does not.</summary>
    public async Task KeepRunningAsync(CancellationToken cancellationToken)
    {
        foreach (var name in _wanted.Keys)
        {
            if (_running.TryGetValue(name, out var child) && child.HasExited)
            {
                _running.TryRemove(name, out _);
                child.Dispose();
                Note(name);
                await StartAsync(name, cancellationToken);
            }
        }
    }

    /// <summary>The last lines of every program, for when something went wrong.</summary>
    public IEnumerable<string> LastLines() => _running.SelectMany(pair => pair.Value.LastLines().Select(line => $"{pair.Key}: {line}"));

    public async ValueTask DisposeAsync()
    {
        // Everything acknowledged is on disk, so there is nothing a kill could lose; and it is quick.
        foreach (var name in _running.Keys)
        {
            await KillAsync(name);
        }

        Management.Dispose();
        foreach (var recorder in Recorders.Values)
        {
            recorder.Dispose();
        }
    }

    private void Note(string name)
    {
        _restarted.Enqueue(name);
        _terminal.Warn($"The {name} died; it is started again.");
    }

    private static int IndexOf(string name) => name == ManagementServer ? 0 : 1 + RecorderNames.ToList().IndexOf(name);

    private int PortOf(string name) => _state.FirstPort + IndexOf(name);

    private ChildProgram ProgramOf(string name)
    {
        var data = Path.Combine(_folder.Root, name.Replace(' ', '-'));
        var url = $"http://127.0.0.1:{PortOf(name)}";
        var log = Path.Combine(_folder.Logs, $"{name.Replace(' ', '-')}.log");
        return name == ManagementServer
            ? new ChildProgram(
                name,
                AssemblyOf("ServerProgram"),
                ["--urls", url, "--data", data],
                new Dictionary<string, string>
                {
                    ["FAILBACK_ADMIN_PASSWORD"] = _state.Password,
                    ["FAILBACK_BOOTSTRAP_API_KEY"] = _state.ApiKey,
                    ["Failback__License__PublicKey"] = _license.PublicKey,
                    ["Failback__License__Site"] = DemoLicense.Site,
                    ["Failback__PollInterval"] = "00:00:01",
                },
                "management server ready",
                log)
            : new ChildProgram(
                name,
                AssemblyOf("RecorderProgram"),
                ["--urls", url, "--data", data, "--seedIdentity", name, "--seedChannels", "2", "--frameInterval", "00:00:00.100", "--segmentLength", "00:00:01", "--busy", "true"],
                new Dictionary<string, string> { ["FAILBACK_RECORDER_TOKEN"] = TokenOf(name) },
                "recorder ready",
                log);
    }

    private static string AssemblyOf(string key)
    {
        var relative = typeof(Processes).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().First(m => m.Key == key).Value!;
        var path = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, relative));
        return File.Exists(path)
            ? path
            : throw new DemoRefusedException(ExitCodes.Failed, $"{path} is missing. Build the solution first: dotnet build FailbackWorkflows.sln");
    }
}
