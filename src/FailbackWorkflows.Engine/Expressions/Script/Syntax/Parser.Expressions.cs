using FailbackWorkflows.Engine.Expressions.Script.Runtime;

namespace FailbackWorkflows.Engine.Expressions.Script.Syntax;

internal sealed partial class Parser
{
    private const int PowerPrecedence = 12;

    private static int Precedence(Token token)
    {
        if (token.Kind == TokenKind.Identifier)
        {
            return token.Text == "in" ? 8 : 0;
        }

        return token.Kind != TokenKind.Punctuator ? 0 : token.Text switch
        {
            "??" => 1,
            "||" => 2,
            "&&" => 3,
            "|" => 4,
            "^" => 5,
            "&" => 6,
            "==" or "!=" or "===" or "!==" => 7,
            "<" or ">" or "<=" or ">=" => 8,
            "<<" or ">>" or ">>>" => 9,
            "+" or "-" => 10,
            "*" or "/" or "%" => 11,
            "**" => PowerPrecedence,
            _ => 0,
        };
    }

    private static bool IsUnary(Token token) =>
        token.Kind == TokenKind.Punctuator ? token.Text is "!" or "-" or "+" or "~" : IsWord(token, "typeof");

    /// <summary>An expression without the comma operator, which the subset leaves out.</summary>
    private Node ParseExpression()
    {
        Nest();
        var node = Bounded(IsArrow() ? ParseArrow() : ParseAssignment());
        Unnest();
        return node;
    }

    private Node ParseAssignment()
    {
        var left = ParseConditional();
        if (Current.Kind != TokenKind.Punctuator || !Current.Text.EndsWith('=') || Precedence(Current) > 0)
        {
            return left;
        }

        var operation = Take();
        if (left is not LocalNode local)
        {
            throw operation.Position.Error(left switch
            {
                WorkflowValueNode => Vocabulary.NoAssignment,
                LinkNode => "Objects and arrays cannot be changed; build a new one with { ...object, name: value } or map.",
                _ => "Only a local declared with let can be assigned to.",
            });
        }

        if (local.IsConstant)
        {
            throw local.Position.Error($"'{local.Name}' is a const; declare it with let to change it.");
        }

        return new AssignmentNode(operation.Position, operation.Text[..^1], local, ParseExpression());
    }

    private Node ParseConditional()
    {
        var condition = ParseBinary(1);
        if (!At("?"))
        {
            return condition;
        }

        var position = Take().Position;
        var then = ParseExpression();
        Expect(":");
        return new ConditionalNode(position, condition, then, ParseExpression());
    }

    private Node ParseBinary(int minimum)
    {
        var first = Current;
        var left = ParseUnary();
        var leftIsUnary = IsUnary(first);
        string? logical = null;
        while (true)
        {
            var operation = Current;
            var precedence = Precedence(operation);
            if (precedence == 0 || precedence < minimum)
            {
                return left;
            }

            _at++;
            if (precedence == PowerPrecedence && leftIsUnary)
            {
                throw operation.Position.Error("Put the left side of ** in parentheses.");
            }

            if (precedence > 3)
            {
                // Only ** binds to the right and can nest as deep as the text is long.
                Nest();
                var operand = ParseBinary(precedence == PowerPrecedence ? precedence : precedence + 1);
                Unnest();
                left = new BinaryNode(operation.Position, operation.Text, left, operand);
                leftIsUnary = false;
            }
            else
            {
                // JavaScript leaves open whether ?? or || and && would bind tighter, and refuses the mix.
                if (logical is not null && (logical == "??") != (operation.Text == "??"))
                {
                    throw operation.Position.Error("Put parentheses around ?? or around || and && to combine them.");
                }

                logical = operation.Text;
                left = new LogicalNode(operation.Position, operation.Text, left, ParseBinary(logical == "??" ? 4 : precedence + 1));
            }

            Bounded(left);
        }
    }

    private Node ParseUnary()
    {
        var token = Current;
        if (IsUnary(token))
        {
            Nest();
            _at++;
            var operand = ParseUnary();
            Unnest();
            return new UnaryNode(token.Position, token.Text, operand);
        }

        if (At("++") || At("--"))
        {
            throw Unexpected("write x += 1 or x -= 1");
        }

        return ParsePostfix();
    }

    private Node ParsePostfix()
    {
        var node = ParsePrimary();
        var optionalSeen = false;
        while (true)
        {
            var token = Current;
            if (token.Kind == TokenKind.TemplateStart || (token.Kind == TokenKind.Text && !token.AfterNewline))
            {
                throw Unexpected(token.Kind == TokenKind.TemplateStart ? "as tagged templates are not supported" : null);
            }

            if (token.Kind != TokenKind.Punctuator)
            {
                break;
            }

            if (token.Text is "++" or "--" && !token.AfterNewline)
            {
                throw Unexpected("write x += 1 or x -= 1");
            }

            var optional = token.Text == "?.";
            if (!optional && token.Text is not ("." or "[" or "("))
            {
                break;
            }

            optionalSeen |= optional;
            if (optional || token.Text == ".")
            {
                _at++;
            }

            node = Bounded(At("(") && token.Text != "." ? new CallNode(node.Position, node, ParseArguments(), optional)
                : At("[") && token.Text != "." ? ParseIndex(node, optional)
                : ParseMember(node, optional, ref optionalSeen));
        }

        return optionalSeen ? new ChainNode(node) : node;
    }

    private IndexNode ParseIndex(Node target, bool optional)
    {
        var position = Take().Position;
        var key = ParseExpression();
        Expect("]");
        if (key is ConstantNode { Value: string name } && Vocabulary.IsForbiddenProperty(name))
        {
            throw key.Position.Error($"'{name}' is not available: expressions see data only.");
        }

        return new IndexNode(position, target, key, optional);
    }

    private Node ParseMember(Node target, bool optional, ref bool optionalSeen)
    {
        if (Current.Kind != TokenKind.Identifier)
        {
            throw Unexpected("expected a property name");
        }

        var name = Take();
        if (Vocabulary.IsForbiddenProperty(name.Text))
        {
            throw name.Position.Error($"'{name.Text}' is not available: expressions see data only.");
        }

        var optionalCall = At("?.") && Is(Following, "(");
        if (!optionalCall && !At("("))
        {
            return new PropertyNode(name.Position, target, name.Text, optional);
        }

        if (Vocabulary.RefusedMethods.TryGetValue(name.Text, out var replacement))
        {
            throw name.Position.Error(replacement);
        }

        optionalSeen |= optionalCall;
        _at += optionalCall ? 1 : 0;
        return new MethodCallNode(name.Position, target, name.Text, ParseArguments(), optional, optionalCall);
    }

    private ElementsNode ParseArguments()
    {
        var position = Current.Position;
        Expect("(");
        return ParseElements(position, ")");
    }

    private ElementsNode ParseElements(SourcePosition position, string close)
    {
        var items = new List<Node>();
        var spread = new List<bool>();
        while (!TryTake(close))
        {
            if (At(","))
            {
                throw Unexpected("write undefined for an empty place");
            }

            spread.Add(TryTake("..."));
            items.Add(ParseExpression());
            if (!At(close))
            {
                Expect(",");
            }
        }

        return Bounded(new ElementsNode(position, items.ToArray(), spread.ToArray(), spread.Contains(true)));
    }

    private Node ParsePrimary()
    {
        var token = Current;
        switch (token.Kind)
        {
            case TokenKind.Number:
                _at++;
                return new ConstantNode(token.Position, token.Number);
            case TokenKind.Text:
                _at++;
                return new ConstantNode(token.Position, token.Text);
            case TokenKind.TemplateStart:
                return ParseTemplate();
            case TokenKind.Identifier:
                return ParseName();
            case TokenKind.Punctuator when token.Text == "(":
                _at++;
                var inner = ParseExpression();
                if (At(","))
                {
                    throw Unexpected("as the comma operator is not supported");
                }

                Expect(")");
                return inner;
            case TokenKind.Punctuator when token.Text == "[":
                _at++;
                return ParseElements(token.Position, "]");
            case TokenKind.Punctuator when token.Text == "{":
                return ParseObject();
            default:
                throw Unexpected();
        }
    }

    private TemplateNode ParseTemplate()
    {
        var position = Current.Position;
        var texts = new List<string> { Take().Text };
        var values = new List<Node>();
        while (true)
        {
            values.Add(ParseExpression());
            if (Current.Kind is not (TokenKind.TemplateMiddle or TokenKind.TemplateEnd))
            {
                throw Unexpected("expected '}'");
            }

            var text = Take();
            texts.Add(text.Text);
            if (text.Kind == TokenKind.TemplateEnd)
            {
                return Bounded(new TemplateNode(position, texts.ToArray(), values.ToArray()));
            }
        }
    }

    private ObjectNode ParseObject()
    {
        var position = Take().Position;
        var parts = new List<PropertyPart>();
        while (!TryTake("}"))
        {
            parts.Add(ParseProperty());
            if (!At("}"))
            {
                Expect(",");
            }
        }

        return Bounded(new ObjectNode(position, parts.ToArray()));
    }

    private PropertyPart ParseProperty()
    {
        if (TryTake("..."))
        {
            return new PropertyPart(null, null, ParseExpression());
        }

        if (TryTake("["))
        {
            var key = ParseExpression();
            Expect("]");
            Expect(":");
            return new PropertyPart(null, key, ParseExpression());
        }

        var token = Current;
        if (token.Kind is not (TokenKind.Identifier or TokenKind.Text or TokenKind.Number))
        {
            throw Unexpected("expected a property");
        }

        var name = token.Kind == TokenKind.Number ? NumberText.Format((double)token.Number!) : token.Text;
        if (Vocabulary.IsForbiddenProperty(name))
        {
            throw token.Position.Error($"'{name}' cannot be a property name.");
        }

        if (token.Kind == TokenKind.Identifier && (Is(Following, ",") || Is(Following, "}")))
        {
            return new PropertyPart(name, null, ParseName());
        }

        _at++;
        if (At("("))
        {
            throw Unexpected($"write a function as {name}: (x) => ...");
        }

        Expect(":");
        return new PropertyPart(name, null, ParseExpression());
    }

    private bool IsArrow()
    {
        if (Current.Kind == TokenKind.Identifier)
        {
            return Is(Following, "=>");
        }

        if (!At("("))
        {
            return false;
        }

        var depth = 0;
        for (var at = _at; at < _tokens.Count; at++)
        {
            depth += Is(_tokens[at], "(") ? 1 : Is(_tokens[at], ")") ? -1 : 0;
            if (depth == 0)
            {
                return Is(_tokens[at + 1], "=>");
            }
        }

        return false;
    }

    private ArrowNode ParseArrow()
    {
        var position = Current.Position;
        var outer = _block;
        _block = new BlockScope(new FunctionScope(), outer);
        var parameters = ParseParameters();
        Expect("=>");
        Node? expression = null;
        BlockStatement? block = null;
        if (At("{"))
        {
            block = ParseBlock();
        }
        else
        {
            expression = ParseExpression();
        }

        var slots = _block.Function.Slots;
        _block = outer;
        return new ArrowNode(position, parameters, slots, expression, block);
    }

    private Pattern[] ParseParameters()
    {
        if (Current.Kind == TokenKind.Identifier)
        {
            return [ParsePattern(isConstant: false)];
        }

        Expect("(");
        var parameters = new List<Pattern>();
        while (!TryTake(")"))
        {
            if (At("..."))
            {
                throw Unexpected("as rest parameters are not supported; pass an array");
            }

            parameters.Add(ParsePattern(isConstant: false));
            if (At("="))
            {
                throw Unexpected("as default values are not supported; use ??");
            }

            if (!At(")"))
            {
                Expect(",");
            }
        }

        return parameters.ToArray();
    }
}
