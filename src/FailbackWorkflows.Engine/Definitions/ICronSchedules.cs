namespace FailbackWorkflows.Engine.Definitions;

/// <summary>Reads cron expressions, which the engine leaves to its host. All times are UTC.</summary>
public interface ICronSchedules
{
    /// <summary>What is wrong with an expression, as a sentence; null: nothing.</summary>
    string? Problem(string expression);

    /// <summary>The first occurrence after a time, or null when there is none any more. Throws <see cref="FormatException"/> for an expression with a problem.</summary>
    DateTimeOffset? Next(string expression, DateTimeOffset after);
}

/// <summary>For a host that has no schedule.</summary>
internal sealed class NoCronSchedules : ICronSchedules
{
    private const string Sentence = "This server cannot read cron expressions. Use a Timer instead.";

    public static NoCronSchedules Instance { get; } = new();

    public string? Problem(string expression) => Sentence;

    public DateTimeOffset? Next(string expression, DateTimeOffset after) => throw new FormatException(Sentence);
}
