using System.Globalization;

namespace FailbackWorkflows.Demo;

/// <summary>Writes the story. Colour only on a terminal, and not when NO_COLOR is set.</summary>
internal sealed class Terminal
{
    private const string Green = "32";
    private const string Red = "31";
    private const string Yellow = "33";
    private const string Bold = "1";
    private const string Dim = "2";

    private readonly bool _isColourful = !Console.IsOutputRedirected && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"));

    private IReadOnlyList<string> _bars = [];

    public void Title(string text) => Console.WriteLine($"{Environment.NewLine}{Paint(Bold, text)}");

    public void Line(string text) => Console.WriteLine($"  {text}");

    public void Quiet(string text) => Console.WriteLine($"  {Paint(Dim, text)}");

    public void Warn(string text)
    {
        EndProgress();
        Console.WriteLine($"  {Paint(Yellow, "!")} {text}");
    }

    public void Check(bool holds, string name, string detail) =>
        Console.WriteLine($"  {Mark(holds)} {name.PadRight(52)} {Paint(Dim, detail)}");

    public void Step(RunStep step)
    {
        var (mark, colour) = step.State switch
        {
            "done" => ("✓", Green),
            "refused" or "failed" or "faulted" => ("✗", Red),
            _ => ("·", Yellow),
        };
        var length = step.EndedAt - step.StartedAt;
        var extra = (step.State == "done" ? "" : $"  {step.State}") + (step.Message is null ? "" : $"  {step.Message}");
        Console.WriteLine($"  {Paint(colour, mark)} {step.Number,2}  {step.Name.PadRight(42)} {Paint(Dim, $"{step.StartedAt:HH:mm:ss.fff}")} {Length(length),9}{extra}");
    }

    /// <summary>
    /// The bars of a copy: of its bytes and of each kind. On a terminal they move in place; elsewhere, where lines cannot be overwritten,
    /// each step of the first one is a line.
    /// </summary>
    public void Progress(CopyTask task)
    {
        List<string> bars = [Bar(task.Phase ?? task.ReportedState ?? "waiting", task.BytesDone, task.BytesTotal, Amount(task))];
        if (Console.IsOutputRedirected)
        {
            if (_bars.Count == 0 || _bars[0] != bars[0])
            {
                Console.WriteLine(bars[0]);
            }
        }
        else
        {
            bars.AddRange(MaterialKinds.All.Select(kind => KindBar(kind, [.. task.Channels.Where(c => c.Kind == kind)])));
            Console.Write($"{(_bars.Count > 0 ? $"\u001b[{_bars.Count}A" : "")}{string.Concat(bars.Select(b => $"\u001b[2K{Fit(b)}{Environment.NewLine}"))}");
        }

        _bars = bars;
    }

    /// <summary>What is written from now on stands below the bars.</summary>
    public void EndProgress() => _bars = [];

    /// <summary>A line that the terminal breaks in two could not be found again.</summary>
    private static string Fit(string line) => Console.WindowWidth is > 0 and var width && line.Length >= width ? line[..(width - 1)] : line;

    private static string KindBar(string kind, IReadOnlyList<CopyChannel> channels) =>
        Bar(kind, channels.Sum(c => c.Done), channels.Count == 0 ? null : channels.Sum(c => c.Total), string.Create(CultureInfo.InvariantCulture, $"{channels.Sum(c => c.Done)} of {channels.Sum(c => c.Total)}"));

    private static string Bar(string name, long done, long? total, string amount)
    {
        const int width = 24;
        var full = (int)(total is > 0 and var all ? Math.Clamp((double)done / all, 0, 1) * width : 0);
        return $"  {name,-13} [{new string('#', full)}{new string('.', width - full)}] {amount}";
    }

    private static string Amount(CopyTask task)
    {
        var total = task.BytesTotal is { } all ? string.Create(CultureInfo.InvariantCulture, $"{all / 1e6:0.00} MB") : "?";
        var rate = task.BytesPerSecond > 0 && task.EndedAt is null ? string.Create(CultureInfo.InvariantCulture, $", {task.BytesPerSecond / 1e6:0.00} MB/s") : "";
        var left = task.SecondsLeft is { } seconds && task.EndedAt is null ? $", {seconds} s left" : "";
        return string.Create(CultureInfo.InvariantCulture, $"{task.BytesDone / 1e6:0.00} of {total}, {Count(task.SegmentsDone, "segment")}, {Count(task.RecordsDone, "record")}{rate}{left}");
    }

    public void Result(bool well, string text) => Console.WriteLine($"{Environment.NewLine}  {Paint(well ? Green : Red, text)}");

    public static void Error(string text) => Console.Error.WriteLine(text);

    /// <summary>A number of things, in the plural unless it is one.</summary>
    public static string Count(long number, string thing) => string.Create(CultureInfo.InvariantCulture, $"{number} {thing}{(number == 1 ? "" : "s")}");

    public static string Length(TimeSpan? length) => length is { } l
        ? l.TotalSeconds >= 10
            ? string.Create(CultureInfo.InvariantCulture, $"{l.TotalSeconds:0.0} s")
            : string.Create(CultureInfo.InvariantCulture, $"{l.TotalMilliseconds:0} ms")
        : "";

    private string Mark(bool holds) => holds ? Paint(Green, "✓") : Paint(Red, "✗");

    private string Paint(string colour, string text) => _isColourful ? $"\u001b[{colour}m{text}\u001b[0m" : text;
}
