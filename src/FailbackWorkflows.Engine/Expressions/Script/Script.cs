using FailbackWorkflows.Engine.Expressions.Script.Runtime;
using FailbackWorkflows.Engine.Expressions.Script.Syntax;

namespace FailbackWorkflows.Engine.Expressions.Script;

/// <summary>
/// A parsed expression of type <c>JavaScript</c>: a deterministic subset of the language without clock, randomness or side
/// effects (docs/expressions.md). Immutable and safe to share between threads, so it is worth caching.
/// </summary>
public sealed class Script
{
    private readonly BlockStatement _program;
    private readonly int _slots;

    private Script(BlockStatement program, int slots, IReadOnlyList<ScriptReference> references)
    {
        _program = program;
        _slots = slots;
        References = references;
    }

    /// <summary>The variables, inputs and outputs that the expression names, in the order of the text.</summary>
    public IReadOnlyList<ScriptReference> References { get; }

    /// <summary>Parses an expression.</summary>
    /// <exception cref="ScriptException">The text is not in the subset.</exception>
    public static Script Parse(string source)
    {
        ArgumentNullException.ThrowIfNull(source);
        var parser = new Parser(source);
        var program = parser.ParseProgram(out var slots);
        return new Script(program, slots, parser.References.ToArray());
    }

    /// <summary>Evaluates the expression to a plain value; integral numbers up to 2^53 are long, NaN and Infinity are null.</summary>
    /// <exception cref="ScriptException">The expression failed or used up its budget.</exception>
    public object? Evaluate(IScriptScope scope, ScriptLimits? limits = null)
    {
        ArgumentNullException.ThrowIfNull(scope);
        var evaluation = new Evaluation(scope, limits ?? ScriptLimits.Default);
        var frame = new Frame(_slots, null);
        _program.Execute(evaluation, frame);
        return PlainValue.From(evaluation, frame.Completion);
    }
}
