using System.Diagnostics;
using System.Runtime;

namespace FailbackWorkflows.Benchmarks;

/// <summary>
/// What is served is measured with the garbage collector that the management server is delivered with. The other benchmarks have the one of a program with little to do at
/// once; a process has the one or the other from its start to its end.
/// </summary>
internal static class ServersCollector
{
    public const string Variable = "DOTNET_gcServer";

    /// <summary>Runs a benchmark in a process with that collector: this one, or another like it.</summary>
    /// <param name="args">What this process was started with.</param>
    public static async Task<int> RunAsync(string[] args, Func<Task<int>> benchmark)
    {
        if (GCSettings.IsServerGC)
        {
            return await benchmark();
        }

        if (Environment.GetEnvironmentVariable(Variable) is not null)
        {
            throw new InvalidOperationException($"{Variable} does not give this process the collector of a server.");
        }

        var start = Itself.Start(args);
        start.Environment[Variable] = "1";
        using var process = Process.Start(start)!;
        await process.WaitForExitAsync();
        return process.ExitCode;
    }
}
