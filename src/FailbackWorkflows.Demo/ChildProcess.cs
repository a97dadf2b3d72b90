using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;

namespace FailbackWorkflows.Demo;

/// <summary>What to start: a built program, its arguments, and the secrets that must not be seen in a process list.</summary>
/// <param name="ReadyPrefix">Beginning of the line on standard output that says the program serves.</param>
internal sealed record ChildProgram(string Name, string Assembly, IReadOnlyList<string> Arguments, IReadOnlyDictionary<string, string> Environment, string ReadyPrefix, string LogFile);

/// <summary>A program of ours as a child process. It ends with the demo, even when the demo is killed (<see cref="StartupHook"/>).</summary>
internal sealed class ChildProcess : IDisposable
{
    private const int KeptLines = 15;

    private readonly ChildProgram _program;
    private readonly Process _process;
    private readonly StreamWriter _log;
    private readonly Queue<string> _lastLines = new();
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task _output;

    private ChildProcess(ChildProgram program, Process process)
    {
        _program = program;
        _process = process;
        _log = new StreamWriter(new FileStream(program.LogFile, FileMode.Append, FileAccess.Write, FileShare.ReadWrite)) { AutoFlush = true };
        _output = Task.WhenAll(ReadAsync(process.StandardOutput), ReadAsync(process.StandardError));
    }

    public int Id => _process.Id;

    public bool HasExited => _process.HasExited;

    /// <summary>Starts the program and returns once it serves.</summary>
    /// <exception cref="ChildEndedException">It ended instead.</exception>
    /// <exception cref="TimeoutException">It did neither.</exception>
    public static async Task<ChildProcess> StartAsync(ChildProgram program, TimeSpan patience, TimeProvider time, CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo(DotnetHost())
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardOutputEncoding = Encoding.UTF8,
            StandardErrorEncoding = Encoding.UTF8,
            UseShellExecute = false,
        };
        start.ArgumentList.Add(program.Assembly);
        foreach (var argument in program.Arguments)
        {
            start.ArgumentList.Add(argument);
        }

        foreach (var (name, value) in program.Environment)
        {
            start.Environment[name] = value;
        }

        start.Environment[StartupHook.Marker] = "1";
        start.Environment["DOTNET_STARTUP_HOOKS"] = typeof(StartupHook).Assembly.Location;
        var child = new ChildProcess(program, Process.Start(start) ?? throw new InvalidOperationException($"{program.Name} could not be started."));
        try
        {
            await child.WaitUntilReadyAsync(patience, time, cancellationToken);
            return child;
        }
        catch
        {
            await child.KillAsync();
            child.Dispose();
            throw;
        }
    }

    /// <summary>SIGKILL: no chance to clean up, as when a machine fails.</summary>
    public async Task KillAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
        }

        await _process.WaitForExitAsync();
        await _output;
    }

    /// <summary>The last lines it wrote, for when something went wrong.</summary>
    public IReadOnlyList<string> LastLines()
    {
        lock (_lastLines)
        {
            return [.. _lastLines];
        }
    }

    public void Dispose()
    {
        _process.Dispose();
        _log.Dispose();
    }

    private async Task WaitUntilReadyAsync(TimeSpan patience, TimeProvider time, CancellationToken cancellationToken)
    {
        var ended = _process.WaitForExitAsync(cancellationToken);
        var first = await Task.WhenAny(_ready.Task, ended).WaitAsync(patience, time, cancellationToken);
        if (first == ended)
        {
            await ended;
            await _output;
            throw new ChildEndedException(_program.Name, _process.ExitCode, LastLines());
        }
    }

    private async Task ReadAsync(StreamReader reader)
    {
        while (await reader.ReadLineAsync() is { } line)
        {
            lock (_lastLines)
            {
                _log.WriteLine(line);

                // What went well is in the log file; of use when something went wrong is the rest.
                if (!line.Contains(" INF ", StringComparison.Ordinal))
                {
                    _lastLines.Enqueue(line);
                    if (_lastLines.Count > KeptLines)
                    {
                        _lastLines.Dequeue();
                    }
                }
            }

            if (line.StartsWith(_program.ReadyPrefix, StringComparison.Ordinal))
            {
                _ready.TrySetResult();
            }
        }
    }

    /// <summary>The host that runs this program, which need not be on the path.</summary>
    private static string DotnetHost()
    {
        if (Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") is { Length: > 0 } given)
        {
            return given;
        }

        var name = OperatingSystem.IsWindows() ? "dotnet.exe" : "dotnet";
        var beside = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", "..", name));
        return File.Exists(beside) ? beside : name;
    }
}

/// <summary>A child process ended when it should have served.</summary>
internal sealed class ChildEndedException(string name, int exitCode, IReadOnlyList<string> lastLines)
    : Exception($"{name} ended with exit code {exitCode}. {lastLines.LastOrDefault()}")
{
    /// <summary>Both programs use the same codes for these.</summary>
    public const int PortTaken = 3;
    public const int DataInUse = 4;

    public int ExitCode { get; } = exitCode;

    /// <summary>Somebody killed it (128 + signal number), which says nothing about the program.</summary>
    public bool WasKilled => ExitCode > 128;
}
