using System.Runtime.CompilerServices;
using FailbackWorkflows.Engine.Expressions.Script.Runtime;

namespace FailbackWorkflows.Engine.Expressions.Script.Syntax;

/// <summary>
/// Reads statements; expressions and names are in the other parts. One pass, front to back: a name must be declared before
/// it is used, so that what is not declared is known here and not at run time.
/// </summary>
internal sealed partial class Parser
{
    private const int MaxNesting = 64;

    /// <summary>Chains such as a + b + c nest in the tree without nesting in the text.</summary>
    private const int MaxHeight = 256;

    private readonly List<Token> _tokens;
    private int _at;
    private int _nesting;
    private BlockScope _block = new(new FunctionScope(), null);

    public Parser(string source) => _tokens = Lexer.Tokenize(source);

    public List<ScriptReference> References { get; } = [];

    private Token Current => _tokens[_at];

    private Token Following => _tokens[Math.Min(_at + 1, _tokens.Count - 1)];

    public BlockStatement ParseProgram(out int slots)
    {
        var position = Current.Position;
        var statements = new List<Statement>();
        while (Current.Kind != TokenKind.End)
        {
            statements.Add(ParseStatement());
        }

        slots = _block.Function.Slots;
        return new BlockStatement(position, statements.ToArray());
    }

    private static bool Is(Token token, string punctuator) => token.Kind == TokenKind.Punctuator && token.Text == punctuator;

    private static bool IsWord(Token token, string word) => token.Kind == TokenKind.Identifier && token.Text == word;

    private bool At(string punctuator) => Is(Current, punctuator);

    private Token Take()
    {
        var token = Current;
        _at += token.Kind == TokenKind.End ? 0 : 1;
        return token;
    }

    private bool TryTake(string punctuator)
    {
        if (!At(punctuator))
        {
            return false;
        }

        _at++;
        return true;
    }

    private void Expect(string punctuator)
    {
        if (!TryTake(punctuator))
        {
            throw Unexpected($"expected '{punctuator}'");
        }
    }

    private ScriptException Unexpected(string? hint = null)
    {
        var token = Current;
        var what = token.Kind switch
        {
            TokenKind.End => "end of the expression",
            TokenKind.Text => "string",
            TokenKind.TemplateStart or TokenKind.TemplateMiddle or TokenKind.TemplateEnd => "template text",
            _ => $"'{Properties.Shorten(token.Text)}'",
        };
        return token.Position.Error(hint is null ? $"Unexpected {what}." : $"Unexpected {what}, {hint}.");
    }

    private void Nest()
    {
        if (++_nesting > MaxNesting || !RuntimeHelpers.TryEnsureSufficientExecutionStack())
        {
            throw Current.Position.Error($"The expression is nested more than {MaxNesting} deep.");
        }
    }

    private void Unnest() => _nesting--;

    private T Bounded<T>(T syntax)
        where T : Syntax =>
        syntax.Height <= MaxHeight
            ? syntax
            : throw syntax.Position.Error($"This part chains more than {MaxHeight} operations; split it with const.");

    private Statement ParseStatement()
    {
        Nest();
        var statement = Bounded(ParseAnyStatement());
        Unnest();
        return statement;
    }

    private Statement ParseAnyStatement()
    {
        var token = Current;
        if (At("{"))
        {
            return ParseBlock();
        }

        if (TryTake(";"))
        {
            return new BlockStatement(token.Position, []);
        }

        if (token.Kind == TokenKind.Identifier)
        {
            switch (token.Text)
            {
                case "const" or "let":
                    return ParseDeclaration();
                case "if":
                    return ParseIf();
                case "return":
                    _at++;
                    var bare = Current.Kind == TokenKind.End || Current.AfterNewline || At(";") || At("}");
                    var result = new ReturnStatement(token.Position, bare ? null : ParseExpression());
                    EndStatement();
                    return result;
            }
        }

        if (token.Kind is TokenKind.Identifier or TokenKind.Text && Is(Following, ":"))
        {
            _at++;
            throw Unexpected("write an object as ({ name: value }), in parentheses");
        }

        var statement = new ExpressionStatement(ParseExpression());
        EndStatement();
        return statement;
    }

    private void EndStatement()
    {
        if (TryTake(";") || At("}") || Current.Kind == TokenKind.End || Current.AfterNewline)
        {
            return;
        }

        if (At(","))
        {
            throw Unexpected("as the comma operator is not supported");
        }

        throw Unexpected();
    }

    private BlockStatement ParseBlock()
    {
        var position = Current.Position;
        Expect("{");
        _block = new BlockScope(_block.Function, _block);
        var statements = new List<Statement>();
        while (!TryTake("}"))
        {
            if (Current.Kind == TokenKind.End)
            {
                throw Unexpected("expected '}'");
            }

            statements.Add(ParseStatement());
        }

        _block = _block.Parent!;
        return Bounded(new BlockStatement(position, statements.ToArray()));
    }

    private Statement ParseIf()
    {
        var position = Take().Position;
        Expect("(");
        var condition = ParseExpression();
        Expect(")");
        var then = ParseBranch();
        Statement? otherwise = null;
        if (IsWord(Current, "else"))
        {
            _at++;
            otherwise = ParseBranch();
        }

        return new IfStatement(position, condition, then, otherwise);
    }

    private Statement ParseBranch() => IsWord(Current, "const") || IsWord(Current, "let")
        ? throw Unexpected("a declaration needs a block here")
        : ParseStatement();

    private BlockStatement ParseDeclaration()
    {
        var keyword = Take();
        var isConstant = keyword.Text == "const";
        var declarations = new List<Statement>();
        do
        {
            var position = Current.Position;
            var pattern = ParsePattern(isConstant);
            if (TryTake("="))
            {
                declarations.Add(new DeclarationStatement(position, pattern, ParseExpression()));
            }
            else if (isConstant || pattern.TakesApart)
            {
                throw Unexpected("a const needs a value");
            }
            else
            {
                declarations.Add(new DeclarationStatement(position, pattern, null));
            }
        }
        while (TryTake(","));

        EndStatement();
        return new BlockStatement(keyword.Position, declarations.ToArray());
    }

    private Pattern ParsePattern(bool isConstant)
    {
        var position = Current.Position;
        if (!At("[") && !At("{"))
        {
            var name = ParseNewName();
            return new Pattern(position, _block.Declare(name, isConstant, position), null, false);
        }

        var fromArray = Take().Text == "[";
        var close = fromArray ? "]" : "}";
        var parts = new List<PatternPart>();
        for (var index = 0; !TryTake(close); index++)
        {
            if (At("..."))
            {
                throw Unexpected("as a rest pattern is not supported; use slice");
            }

            if (fromArray && TryTake(","))
            {
                continue;
            }

            var partAt = Current.Position;
            var name = ParseNewName(allowReserved: !fromArray);
            var key = fromArray ? NumberText.Format(index) : name;
            if (!fromArray && TryTake(":"))
            {
                partAt = Current.Position;
                name = ParseNewName();
            }
            else if (Vocabulary.IsReserved(name))
            {
                throw partAt.Error($"'{name}' cannot be a name; write {name}: another.");
            }

            parts.Add(new PatternPart(key, _block.Declare(name, isConstant, partAt)));
            if (At("="))
            {
                throw Unexpected("as defaults are not supported here; use ??");
            }

            if (!At(close))
            {
                Expect(",");
            }
        }

        return new Pattern(position, -1, parts.ToArray(), fromArray);
    }

    private string ParseNewName(bool allowReserved = false)
    {
        if (Current.Kind != TokenKind.Identifier)
        {
            throw At("[") || At("{") ? Unexpected("take values apart one level at a time") : Unexpected("expected a name");
        }

        if (!allowReserved && Vocabulary.IsReserved(Current.Text))
        {
            throw Current.Position.Error($"'{Current.Text}' cannot be a name.");
        }

        return Take().Text;
    }
}
