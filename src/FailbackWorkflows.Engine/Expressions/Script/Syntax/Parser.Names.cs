using FailbackWorkflows.Engine.Expressions.Script.Builtins;
using FailbackWorkflows.Engine.Expressions.Script.Runtime;

namespace FailbackWorkflows.Engine.Expressions.Script.Syntax;

internal sealed partial class Parser
{
    private Node ParseName()
    {
        var token = Take();
        var name = token.Text;
        switch (name)
        {
            case "true":
                return new ConstantNode(token.Position, ScriptValues.True);
            case "false":
                return new ConstantNode(token.Position, ScriptValues.False);
            case "null":
                return new ConstantNode(token.Position, null);
            case "new":
                return ParseNew(token.Position);
        }

        if (Vocabulary.RefusedKeywords.TryGetValue(name, out var replacement))
        {
            throw token.Position.Error(replacement);
        }

        if (Vocabulary.Keywords.Contains(name))
        {
            _at--;
            throw Unexpected();
        }

        return _block.TryResolve(name, out var hops, out var local)
            ? new LocalNode(token.Position, name, hops, local)
            : ParseGlobal(token.Position, name);
    }

    private NewDateNode ParseNew(SourcePosition position)
    {
        if (!IsWord(Current, "Date"))
        {
            throw position.Error("'new' is supported for new Date(value) only; use literals.");
        }

        _at++;
        if (!At("("))
        {
            throw position.Error(Vocabulary.NoClock);
        }

        var arguments = ParseArguments();
        return arguments.Items.Length switch
        {
            0 => throw position.Error(Vocabulary.NoClock),
            1 when !arguments.AnySpread => new NewDateNode(position, arguments.Items[0]),
            _ => throw position.Error("new Date takes one value, as its parts would be local time; write an ISO 8601 text."),
        };
    }

    private Node ParseGlobal(SourcePosition position, string name)
    {
        if (Vocabulary.RefusedGlobals.TryGetValue(name, out var replacement))
        {
            throw position.Error(replacement);
        }

        if (name is "variables" or "input")
        {
            return ParseWorkflowMember(position, name == "input" ? ScriptReferenceKind.Input : ScriptReferenceKind.Variable, name);
        }

        if (Globals.IsNamespace(name) && At("."))
        {
            return ParseStatic(name);
        }

        if (Globals.TryFind(name, out var value))
        {
            return new ConstantNode(position, value);
        }

        if (name == "Date" && At("("))
        {
            throw position.Error(Vocabulary.NoClock);
        }

        if (Globals.IsNamespace(name))
        {
            throw position.Error($"'{name}' can only be used as {name}.member.");
        }

        return ParseWorkflowFunction(position, name);
    }

    private ConstantNode ParseStatic(string name)
    {
        _at++;
        if (Current.Kind != TokenKind.Identifier)
        {
            throw Unexpected("expected a property name");
        }

        var member = Take();
        var full = $"{name}.{member.Text}";
        if (Vocabulary.RefusedStatics.TryGetValue(full, out var replacement))
        {
            throw member.Position.Error(replacement);
        }

        return Globals.TryFind(full, out var value)
            ? new ConstantNode(member.Position, value)
            : throw member.Position.Error($"{Properties.Shorten(full)} is not supported.");
    }

    private WorkflowValueNode ParseWorkflowMember(SourcePosition position, ScriptReferenceKind kind, string name)
    {
        TryTake("?.");
        if (TryTake("["))
        {
            var key = ParseExpression();
            Expect("]");
            return WorkflowValue(position, kind, key);
        }

        if (!Is(_tokens[_at - 1], "?."))
        {
            if (!TryTake("."))
            {
                throw position.Error($"'{name}' can only be used as {name}.Name.");
            }
        }

        return Current.Kind == TokenKind.Identifier
            ? WorkflowValue(position, kind, new ConstantNode(position, Take().Text))
            : throw Unexpected("expected a property name");
    }

    /// <summary>A read by name; a name that stands in the text is listed in the references.</summary>
    private WorkflowValueNode WorkflowValue(SourcePosition position, ScriptReferenceKind kind, Node name)
    {
        if (name is not ConstantNode { Value: string known })
        {
            return new WorkflowValueNode(position, kind, null, null, name);
        }

        References.Add(new ScriptReference(kind, known, null, null, position.Line, position.Column));
        return new WorkflowValueNode(position, kind, known, null, null);
    }

    private Node ParseWorkflowFunction(SourcePosition position, string name)
    {
        if (!At("("))
        {
            throw position.Error(
                $"'{Properties.Shorten(name)}' is not defined; a workflow variable is read as variables.{Properties.Shorten(name)}.");
        }

        switch (name)
        {
            case "getVariable":
                return WorkflowValue(position, ScriptReferenceKind.Variable, ParseOne(position, name));
            case "getInput":
                return WorkflowValue(position, ScriptReferenceKind.Input, ParseOne(position, name));
            case "getOutputFrom":
                return ParseOutput(position);
            case "getLastResult":
                return Fact(position, name, static scope => scope.LastResult);
            case "getWorkflowInstanceId":
                return Fact(position, name, static scope => scope.WorkflowInstanceId);
            case "getCorrelationId":
                return Fact(position, name, static scope => scope.CorrelationId);
            case "getWorkflowDefinitionId":
                return Fact(position, name, static scope => scope.WorkflowDefinitionId);
            case "getWorkflowDefinitionVersion":
                return Fact(position, name, static scope => (long)scope.WorkflowDefinitionVersion);
        }

        if (IsAccessor(name, "set"))
        {
            throw position.Error(Vocabulary.NoAssignment);
        }

        if (!IsAccessor(name, "get"))
        {
            throw position.Error($"There is no function '{Properties.Shorten(name)}'.");
        }

        ParseNone(position, name);
        var variable = name[3..];
        var alternative = char.ToLowerInvariant(variable[0]) + variable[1..];
        References.Add(new ScriptReference(
            ScriptReferenceKind.Variable, variable, alternative, null, position.Line, position.Column));
        return new WorkflowValueNode(position, ScriptReferenceKind.Variable, variable, alternative, null);
    }

    private static bool IsAccessor(string name, string prefix) =>
        name.Length > 3 && name.StartsWith(prefix, StringComparison.Ordinal) && char.IsUpper(name[3]);

    private OutputNode ParseOutput(SourcePosition position)
    {
        var arguments = ParseArguments();
        if (arguments.AnySpread || arguments.Items.Length is not (1 or 2))
        {
            throw position.Error("getOutputFrom takes the activity and, if it has several outputs, the output.");
        }

        var activity = arguments.Items[0];
        var output = arguments.Items.Length > 1 ? arguments.Items[1] : null;
        var outputName = (output as ConstantNode)?.Value as string;
        if (activity is ConstantNode { Value: string name } && (output is null || outputName is not null))
        {
            References.Add(new ScriptReference(
                ScriptReferenceKind.Output, name, null, outputName, position.Line, position.Column));
        }

        return new OutputNode(position, activity, output);
    }

    private FactNode Fact(SourcePosition position, string name, Func<IScriptScope, object?> read)
    {
        ParseNone(position, name);
        return new FactNode(position, read);
    }

    private Node ParseOne(SourcePosition position, string name)
    {
        var arguments = ParseArguments();
        return arguments.Items.Length == 1 && !arguments.AnySpread
            ? arguments.Items[0]
            : throw position.Error($"{name} takes one name.");
    }

    private void ParseNone(SourcePosition position, string name)
    {
        if (ParseArguments().Items.Length > 0)
        {
            throw position.Error($"{Properties.Shorten(name)} takes no arguments.");
        }
    }
}
