using System.Runtime.CompilerServices;
using FailbackWorkflows.Engine.Expressions.Script.Syntax;

namespace FailbackWorkflows.Engine.Expressions.Script.Runtime;

/// <summary>The locals of one function call, or of the program.</summary>
internal sealed class Frame
{
    /// <summary>What a slot holds until its declaration has run.</summary>
    public static readonly object Undeclared = new();

    public readonly object?[] Slots;
    public readonly Frame? Parent;

    public Frame(int slots, Frame? parent)
    {
        Parent = parent;
        Slots = slots == 0 ? [] : new object?[slots];
        Array.Fill(Slots, Undeclared);
    }

    /// <summary>The value of the last expression statement, or of the return.</summary>
    public object? Completion = Undefined.Value;
}

/// <summary>One run of a script: its scope, its remaining budget and the place it has come to.</summary>
internal sealed class Evaluation(IScriptScope scope, ScriptLimits limits)
{
    /// <summary>The characters that cost one step; copying and comparing text is that much cheaper than evaluating a node.</summary>
    private const int CharsPerStep = 16;

    private long _steps = limits.MaxSteps;
    private int _calls;
    private int _levels;
    private SourcePosition _position = new(1, 1);

    public IScriptScope Scope { get; } = scope;

    public int MaxTextChars => limits.MaxResultChars;

    public void Step(SourcePosition position)
    {
        _position = position;
        if (--_steps < 0)
        {
            throw OutOfSteps();
        }
    }

    /// <summary>Errors from here on belong to this place: a call, once its arguments are evaluated.</summary>
    public void MoveTo(SourcePosition position) => _position = position;

    public void Charge(long steps)
    {
        _steps -= steps;
        if (_steps < 0)
        {
            throw OutOfSteps();
        }
    }

    /// <summary>Pays for reading text.</summary>
    public void ChargeChars(long chars) => Charge(chars / CharsPerStep);

    /// <summary>Pays for text before it is built, so that its memory is never allocated when it is too long.</summary>
    public void ReserveText(long chars)
    {
        if (chars > limits.MaxResultChars)
        {
            throw TooLong();
        }

        Charge(chars / CharsPerStep);
    }

    /// <summary>Pays for text that was appended to a text under construction.</summary>
    public void GrowText(long length, long added)
    {
        if (length > limits.MaxResultChars)
        {
            throw TooLong();
        }

        ChargeChars(added);
    }

    /// <summary>
    /// Pays for a text search. A needle that almost matches everywhere makes the cost the product of both lengths.
    /// </summary>
    public void ChargeSearch(string text, string needle) =>
        Charge((text.Length / CharsPerStep) * (1L + (needle.Length / 64)));

    public void EnterCall()
    {
        // The stack check is for hosts with small stacks or a generous MaxDepth: an overflow would end the process.
        if (++_calls > limits.MaxDepth || !RuntimeHelpers.TryEnsureSufficientExecutionStack())
        {
            throw Error($"Function calls are nested more than {limits.MaxDepth} deep.");
        }
    }

    public void LeaveCall() => _calls--;

    /// <summary>Enters a level of a nested value, for walks that recurse.</summary>
    public void EnterLevel()
    {
        if (++_levels > limits.MaxDepth || !RuntimeHelpers.TryEnsureSufficientExecutionStack())
        {
            throw Error($"The value is nested more than {limits.MaxDepth} deep.");
        }
    }

    public void LeaveLevel() => _levels--;

    public ScriptException Error(string message) => _position.Error(message);

    private ScriptException TooLong() => Error($"The text is longer than {limits.MaxResultChars} characters.");

    private ScriptException OutOfSteps() =>
        Error($"The expression used up its budget of {limits.MaxSteps} steps; move the work into an activity.");
}
