namespace FailbackWorkflows.Engine.Expressions.Script;

/// <summary>The budget of one evaluation. It bounds time and memory together, and is the same on every machine.</summary>
/// <param name="MaxSteps">
/// Steps: one per syntax node evaluated, per element read or built, and per 16 characters read or built. Default: 100,000.
/// </param>
/// <param name="MaxDepth">Nested function calls, and levels of a nested value. Default: 64.</param>
/// <param name="MaxResultChars">Characters in any one string, and in all strings of the result together. Default: 1,000,000.</param>
public sealed record ScriptLimits(int MaxSteps = 100_000, int MaxDepth = 64, int MaxResultChars = 1_000_000)
{
    internal static ScriptLimits Default { get; } = new();
}
