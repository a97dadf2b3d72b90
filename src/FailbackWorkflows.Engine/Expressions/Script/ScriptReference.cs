namespace FailbackWorkflows.Engine.Expressions.Script;

/// <summary>What a <see cref="ScriptReference"/> names.</summary>
public enum ScriptReferenceKind
{
    Variable,
    Input,
    Output,
}

/// <summary>
/// A name that an expression reads from its workflow, for validation when the definition is published.
/// Names that are computed at run time, as in <c>getVariable(a + b)</c>, are not listed.
/// </summary>
/// <param name="Name">The variable, the input, or the activity's name or id.</param>
/// <param name="AlternativeName">
/// For <c>getFoo()</c>, whose variable may be called <c>Foo</c> or <c>foo</c>: the second spelling. Otherwise null.
/// </param>
/// <param name="OutputName">The output, when <paramref name="Kind"/> is Output and one is named.</param>
public sealed record ScriptReference(
    ScriptReferenceKind Kind, string Name, string? AlternativeName, string? OutputName, int Line, int Column);
