using System.Diagnostics;
using System.Globalization;

namespace FailbackWorkflows.Benchmarks.Copying;

/// <summary>What processes cost, from the kernel's own accounts (Linux).</summary>
internal static class ProcessCost
{
    /// <summary>Processor time, user and system, of a process that runs.</summary>
    public static TimeSpan ProcessorTime(int processId)
    {
        using var process = Process.GetProcessById(processId);
        return process.TotalProcessorTime;
    }

    /// <summary>Resident set of the process now, in bytes.</summary>
    public static long ResidentBytes(int processId)
    {
        var line = File.ReadLines($"/proc/{processId}/status").First(l => l.StartsWith("VmRSS:", StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)[1], CultureInfo.InvariantCulture) * 1024;
    }

    /// <summary>Runs a command to its end; its wall and processor time, children included.</summary>
    /// <exception cref="InvalidOperationException">It ended with an error.</exception>
    public static async Task<(TimeSpan Wall, TimeSpan Processor)> RunAsync(string command)
    {
        // The shell knows what its ended children cost; nobody else does.
        var start = new ProcessStartInfo("bash") { RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add("-c");
        start.ArgumentList.Add($"TIMEFORMAT='cost %R %U %S'; time {{ {command}; }}");
        using var process = Process.Start(start) ?? throw new InvalidOperationException("bash could not be started.");
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        if (process.ExitCode != 0)
        {
            throw new InvalidOperationException($"'{command}' ended with {process.ExitCode}: {errors}{await output}");
        }

        var cost = errors.Split('\n').Last(l => l.StartsWith("cost ", StringComparison.Ordinal)).Split(' ');
        return (Seconds(cost[1]), Seconds(cost[2]) + Seconds(cost[3]));
    }

    private static TimeSpan Seconds(string text) => TimeSpan.FromSeconds(double.Parse(text, CultureInfo.InvariantCulture));
}
