using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace FailbackWorkflows.Testing.Processes;

/// <summary>One of our programs as a real process. Everything it writes is kept for the message of a failing test.</summary>
public sealed class RunningProgram : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    private readonly Process _process;
    private readonly StringBuilder _output = new();
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task _reading;
    private bool _isDisposed;

    private RunningProgram(Process process, string? readyPrefix)
    {
        _process = process;
        _reading = Task.WhenAll(ReadAsync(process.StandardOutput, readyPrefix), ReadAsync(process.StandardError, readyPrefix));
    }

    public int Id => _process.Id;

    public bool HasExited => _process.HasExited;

    /// <summary>Standard output and error so far.</summary>
    public string Output
    {
        get
        {
            lock (_output)
            {
                return _output.ToString();
            }
        }
    }

    public static RunningProgram Start(string assembly, IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment = null, string? readyPrefix = null)
    {
        var start = new ProcessStartInfo(ProgramFiles.Dotnet)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        start.ArgumentList.Add(assembly);
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        // What the machine of the tests happens to have set must not reach the program under test.
        foreach (var inherited in start.Environment.Keys.Where(k => k.StartsWith("FAILBACK", StringComparison.OrdinalIgnoreCase) || k.StartsWith("ASPNETCORE_", StringComparison.OrdinalIgnoreCase)).ToList())
        {
            start.Environment.Remove(inherited);
        }

        // Few of them live long enough to earn back what compiling again what runs often costs, which is half of all that a scenario computes:
        // it is not watched, and begins only once nothing new has been compiled for 16 s (the number is hexadecimal).
        start.Environment["DOTNET_TieredPGO"] = "0";
        start.Environment["DOTNET_TC_CallCountingDelayMs"] = "4000";
        start.Environment[StartupHook.Marker] = "1";
        start.Environment["DOTNET_STARTUP_HOOKS"] = typeof(StartupHook).Assembly.Location;
        foreach (var (name, value) in environment ?? new Dictionary<string, string>())
        {
            start.Environment[name] = value;
        }

        return new RunningProgram(Process.Start(start) ?? throw new InvalidOperationException($"{assembly} could not be started."), readyPrefix);
    }

    /// <summary>Returns once the ready line was written; fails with the program's output when it ends or keeps quiet.</summary>
    public async Task WaitUntilReadyAsync()
    {
        var ended = _process.WaitForExitAsync();
        try
        {
            if (await Task.WhenAny(_ready.Task, ended).WaitAsync(Patience) == ended)
            {
                await _reading;
                throw new InvalidOperationException($"The program ended with exit code {_process.ExitCode} instead of serving:{Environment.NewLine}{Output}");
            }
        }
        catch (TimeoutException late)
        {
            throw new TimeoutException($"The program was not ready after {Patience}:{Environment.NewLine}{Output}", late);
        }
    }

    /// <summary>The exit code, once it ends by itself.</summary>
    public async Task<int> WaitForExitAsync(TimeSpan patience)
    {
        try
        {
            await _process.WaitForExitAsync().WaitAsync(patience);
            await _reading;
            return _process.ExitCode;
        }
        catch (TimeoutException late)
        {
            throw new TimeoutException($"The program has not ended after {patience}:{Environment.NewLine}{Output}", late);
        }
    }

    /// <summary>
    /// SIGSTOP: returns when none of its threads runs any more. A SIGKILL that follows finds it exactly where it was stopped. Linux only.
    /// </summary>
    public async Task StopAsync()
    {
        await SignalAsync("-STOP");
        await Eventually.HoldsAsync("every thread has stopped", () => Task.FromResult(Directory.EnumerateDirectories($"/proc/{_process.Id}/task").All(HasStopped)));

        // "id (name) state …", and the name may hold anything.
        static bool HasStopped(string thread) => File.ReadAllText(Path.Combine(thread, "stat")) is var stat && stat[(stat.LastIndexOf(')') + 1)..].StartsWith(" T", StringComparison.Ordinal);
    }

    /// <summary>SIGCONT, after <see cref="StopAsync"/>.</summary>
    public Task ContinueAsync() => SignalAsync("-CONT");

    /// <summary>SIGTERM: it ends by itself, in good order.</summary>
    public async Task<int> EndAsync(TimeSpan patience)
    {
        await SignalAsync("-TERM");
        return await WaitForExitAsync(patience);
    }

    /// <summary>SIGKILL, by its process id.</summary>
    public async Task KillAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
        }

        await _process.WaitForExitAsync();
        await _reading;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_isDisposed)
        {
            await KillAsync();
            _isDisposed = true;
            _process.Dispose();
        }
    }

    private async Task SignalAsync(string signal)
    {
        using var kill = Process.Start("kill", [signal, _process.Id.ToString(CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync();
    }

    private async Task ReadAsync(StreamReader reader, string? readyPrefix)
    {
        while (await reader.ReadLineAsync() is { } line)
        {
            lock (_output)
            {
                _output.AppendLine(line);
            }

            if (readyPrefix is not null && line.StartsWith(readyPrefix, StringComparison.Ordinal))
            {
                _ready.TrySetResult();
            }
        }
    }
}
