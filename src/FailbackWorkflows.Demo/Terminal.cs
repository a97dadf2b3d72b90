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

    public void Title(string text) => Console.WriteLine($"{Environment.NewLine}{Paint(Bold, text)}");

    public void Line(string text) => Console.WriteLine($"  {text}");

    public void Quiet(string text) => Console.WriteLine($"  {Paint(Dim, text)}");

    public void Warn(string text) => Console.WriteLine($"  {Paint(Yellow, "!")} {text}");

    public void Check(bool holds, string name, string detail) =>
        Console.WriteLine($"  {Mark(holds)} {name.PadRight(46)} {Paint(Dim, detail)}");

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

    /// <summary>One line per look: it also reads well where lines cannot be overwritten.</summary>
    public void Progress(CopyTask task)
    {
        const int width = 24;
        var share = task.BytesTotal is > 0 and var total ? Math.Clamp((double)task.BytesDone / total, 0, 1) : 0;
        var done = (int)(share * width);
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"  [{new string('#', done)}{new string('.', width - done)}] {task.Phase ?? (task.EndedAt is null ? "waiting" : "ended"),-9} {task.BytesDone / 1e6,7:0.00} MB of {(task.BytesTotal is { } all ? $"{all / 1e6:0.00} MB" : "?")}, {task.SegmentsDone} segments, {task.RecordsDone} records, {task.BytesPerSecond / 1e6:0.0} MB/s"));
    }

    public void Result(bool well, string text) => Console.WriteLine($"{Environment.NewLine}  {Paint(well ? Green : Red, text)}");

    public static void Error(string text) => Console.Error.WriteLine(text);

    public static string Length(TimeSpan? length) => length is { } l
        ? l.TotalSeconds >= 10
            ? string.Create(CultureInfo.InvariantCulture, $"{l.TotalSeconds:0.0} s")
            : string.Create(CultureInfo.InvariantCulture, $"{l.TotalMilliseconds:0} ms")
        : "";

    private string Mark(bool holds) => holds ? Paint(Green, "✓") : Paint(Red, "✗");

    private string Paint(string colour, string text) => _isColourful ? $"\u001b[{colour}m{text}\u001b[0m" : text;
}
