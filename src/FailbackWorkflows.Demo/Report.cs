using System.Text.Json;
using System.Text.Json.Serialization;

namespace FailbackWorkflows.Demo;

/// <summary>What <c>--report</c> writes.</summary>
/// <param name="Ok">The failback ended OK and every postcondition holds.</param>
/// <param name="Error">Why the story broke off, when it did.</param>
/// <param name="Automatic">Nothing was started by hand.</param>
/// <param name="Stages">What lasted how long, from the kill to the verified copy.</param>
/// <param name="DurationMs">Of the whole demo, start of the programs included.</param>
/// <param name="Restarted">Programs that died on their own and were started again.</param>
internal sealed record Report(
    bool Ok,
    string? Error,
    DateTimeOffset StartedAt,
    DateTimeOffset EndedAt,
    double DurationMs,
    int Round,
    string? ManagementServer,
    bool Automatic,
    ReportedRun? Failover,
    ReportedRun? Failback,
    ReportedCopy? MaterialCopy,
    IReadOnlyList<Stage> Stages,
    IReadOnlyList<Postcondition> Postconditions,
    IReadOnlyList<string> Restarted)
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
    };

    public void Write(string file)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        var next = file + ".new";
        File.WriteAllText(next, JsonSerializer.Serialize(this, Json) + Environment.NewLine);
        File.Move(next, file, overwrite: true);
    }
}

/// <summary>One stage of a round.</summary>
internal sealed record Stage(string Name, DateTimeOffset? StartedAt, DateTimeOffset? EndedAt)
{
    public double? DurationMs => (EndedAt - StartedAt)?.TotalMilliseconds;
}

/// <summary>What came home.</summary>
/// <param name="SegmentsByKind">Segments that were expected, by kind; all of them are at the failed server when <paramref name="Verified"/>.</param>
/// <param name="RecordsByKind">Records that were expected, by kind; all of them are there too.</param>
internal sealed record ReportedCopy(
    string State, bool Verified, long Bytes, long Segments, IReadOnlyDictionary<string, long> SegmentsByKind, IReadOnlyDictionary<string, long> RecordsByKind, double? DurationMs, int Attempts)
{
    public static ReportedCopy From(MaterialCopy copy, Coverage coverage, int attempts) => new(
        copy.State,
        coverage.IsVerified,
        coverage.Tracks.Sum(t => t.Expected.Bytes),
        coverage.Tracks.Sum(t => t.Expected.Segments),
        coverage.Tracks.GroupBy(t => t.Kind).ToDictionary(g => g.Key, g => g.Sum(t => t.Expected.Segments)),
        coverage.Records.GroupBy(r => r.Kind).ToDictionary(g => g.Key, g => g.Sum(r => r.Expected)),
        (copy.Task?.EndedAt - copy.Task?.CreatedAt)?.TotalMilliseconds,
        attempts);
}

/// <summary>A run with its steps.</summary>
internal sealed record ReportedRun(string RunId, string? EntryId, string Result, string? Message, int Attempts, DateTimeOffset StartedAt, DateTimeOffset? EndedAt, double? DurationMs, IReadOnlyList<ReportedStep> Steps)
{
    public static ReportedRun From(RunReport run, string? entryId, int attempts) => new(
        run.RunId,
        entryId,
        run.Result,
        run.Message,
        attempts,
        run.StartedAt,
        run.FinishedAt,
        (run.FinishedAt - run.StartedAt)?.TotalMilliseconds,
        [.. run.Steps.Where(s => s.Number is not null).Select(s => new ReportedStep(s.Number!.Value, s.Name, s.State, s.Times, s.StartedAt, s.EndedAt, (s.EndedAt - s.StartedAt)?.TotalMilliseconds, s.Outcome))]);
}

internal sealed record ReportedStep(int Number, string Name, string State, int Times, DateTimeOffset? StartedAt, DateTimeOffset? EndedAt, double? DurationMs, string? Outcome);
