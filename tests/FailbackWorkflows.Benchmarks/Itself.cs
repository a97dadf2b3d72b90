using System.Diagnostics;

namespace FailbackWorkflows.Benchmarks;

/// <summary>This program once more.</summary>
internal static class Itself
{
    public static ProcessStartInfo Start(IEnumerable<string> args)
    {
        // Started as "dotnet X.dll" the process is dotnet, and needs the name of the program again.
        var program = Environment.ProcessPath!;
        string[] itself = Path.GetFileNameWithoutExtension(program) == "dotnet" ? [typeof(Itself).Assembly.Location] : [];
        return new ProcessStartInfo(program, [.. itself, .. args]);
    }
}
