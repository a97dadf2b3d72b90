using FailbackWorkflows.Failback.Runs;

namespace FailbackWorkflows.Persistence;

/// <summary>The columns of everything that is tried by itself.</summary>
internal abstract class AutomaticRunRow : IVersionedRow
{
    public int Attempts { get; set; }

    public string? Episode { get; set; }

    public int Failures { get; set; }

    public DateTimeOffset? NextAt { get; set; }

    public string? RunId { get; set; }

    public string? LastRunId { get; set; }

    public DateTimeOffset? LastEndedAt { get; set; }

    public string? LastMessage { get; set; }

    public string? RefusalCode { get; set; }

    public string? Refusal { get; set; }

    public DateTimeOffset? RefusedAt { get; set; }

    public long Revision { get; set; }

    /// <summary>The state with what this row has.</summary>
    protected T Give<T>(T state)
        where T : AutomaticRunState => state with
        {
            Attempts = Attempts,
            Episode = Episode,
            Failures = Failures,
            NextAt = NextAt,
            RunId = RunId,
            LastRunId = LastRunId,
            LastEndedAt = LastEndedAt,
            LastMessage = LastMessage,
            RefusalCode = RefusalCode,
            Refusal = Refusal,
            RefusedAt = RefusedAt,
            Revision = Revision,
        };
}

internal static class AutomaticRunRowTaking
{
    /// <summary>The row with what a state has; its revision is the store's business.</summary>
    public static T Take<T>(this T row, AutomaticRunState state)
        where T : AutomaticRunRow
    {
        row.Attempts = state.Attempts;
        row.Episode = state.Episode;
        row.Failures = state.Failures;
        row.NextAt = state.NextAt;
        row.RunId = state.RunId;
        row.LastRunId = state.LastRunId;
        row.LastEndedAt = state.LastEndedAt;
        row.LastMessage = state.LastMessage;
        row.RefusalCode = state.RefusalCode;
        row.Refusal = state.Refusal;
        row.RefusedAt = state.RefusedAt;
        return row;
    }
}
