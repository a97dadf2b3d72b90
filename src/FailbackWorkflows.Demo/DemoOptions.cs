using System.Globalization;

namespace FailbackWorkflows.Demo;

/// <summary>What the demo was asked to do.</summary>
/// <param name="Once">Do not stay; the exit code tells whether everything holds.</param>
/// <param name="Automatic">Failover, failback and material copy happen by themselves; the demo only kills a recorder and starts it again.</param>
/// <param name="Port">Port of the management server; the recorders get the three after it. Null: free ports are chosen.</param>
/// <param name="DataFolder">Keeps the state there and goes on where it was. Null: a folder of its own, removed at the end.</param>
/// <param name="ReportFile">Gets the summary as JSON.</param>
internal sealed record DemoOptions(bool Once, bool Automatic, int? Port, string? DataFolder, string? ReportFile)
{
    public const string Usage = """
        dotnet run --project src/FailbackWorkflows.Demo -- [options]

          --once          do not stay: exit 0 when the failback ended OK and everything holds, else 1
          --automatic     start nothing by hand: failover, failback and material copy happen by themselves
          --port N        management server at port N, recorders at N+1 to N+3 (default: free ports)
          --data DIR      keep the state in DIR; started again with it, the demo goes on where it was
          --report FILE   write what happened as JSON
          --help          this text

        Exit codes: 0 well, 1 something does not hold, 2 options, 3 port taken, 4 data folder in use.
        """;

    /// <exception cref="DemoRefusedException">Something was not understood.</exception>
    public static DemoOptions Parse(IReadOnlyList<string> args)
    {
        var options = new DemoOptions(false, false, null, null, null);
        for (var i = 0; i < args.Count; i++)
        {
            options = args[i] switch
            {
                "--once" => options with { Once = true },
                "--automatic" => options with { Automatic = true },
                "--port" => options with { Port = PortOf(Value(args, ref i)) },
                "--data" => options with { DataFolder = Path.GetFullPath(Value(args, ref i)) },
                "--report" => options with { ReportFile = Path.GetFullPath(Value(args, ref i)) },
                _ => throw new DemoRefusedException(ExitCodes.BadOptions, $"'{args[i]}' is not an option of the demo.{Environment.NewLine}{Environment.NewLine}{Usage}"),
            };
        }

        return options;
    }

    private static string Value(IReadOnlyList<string> args, ref int index) =>
        ++index < args.Count && args[index].Length > 0 && !args[index].StartsWith("--", StringComparison.Ordinal)
            ? args[index]
            : throw new DemoRefusedException(ExitCodes.BadOptions, $"{args[index - 1]} needs a value.{Environment.NewLine}{Environment.NewLine}{Usage}");

    private static int PortOf(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port is >= 1 and <= 65_532
            ? port
            : throw new DemoRefusedException(ExitCodes.BadOptions, "--port must be a whole number from 1 to 65532; the recorders get the three ports after it.");
}

/// <summary>What the demo's process ends with.</summary>
internal static class ExitCodes
{
    public const int Well = 0;
    public const int Failed = 1;
    public const int BadOptions = 2;
    public const int PortTaken = 3;
    public const int DataFolderInUse = 4;
}

/// <summary>The demo cannot go on; the message is a sentence for whoever started it.</summary>
internal sealed class DemoRefusedException(int exitCode, string sentence, Exception? inner = null) : Exception(sentence, inner)
{
    public int ExitCode { get; } = exitCode;
}
