namespace FailbackWorkflows.Engine.Expressions.Script.Syntax;

/// <summary>The slots of one function. Blocks need no frames of their own: without loops each runs once per call.</summary>
internal sealed class FunctionScope
{
    public int Slots { get; private set; }

    public int NewSlot() => Slots++;
}

internal readonly record struct Local(int Slot, bool IsConstant);

/// <summary>The names of one block.</summary>
internal sealed class BlockScope(FunctionScope function, BlockScope? parent)
{
    private readonly Dictionary<string, Local> _locals = [];

    // Names read through this block that meant something outside it. Declaring one of them afterwards would, in JavaScript,
    // have changed what they meant; the parser reads once from front to back and therefore refuses that.
    private readonly HashSet<string> _passed = [];

    public FunctionScope Function => function;

    public BlockScope? Parent => parent;

    public int Declare(string name, bool isConstant, SourcePosition position)
    {
        if (_passed.Contains(name))
        {
            throw position.Error($"'{name}' is used before its declaration.");
        }

        var slot = function.NewSlot();
        return _locals.TryAdd(name, new Local(slot, isConstant)) ? slot : throw position.Error($"'{name}' is already declared.");
    }

    public bool TryResolve(string name, out int hops, out Local local)
    {
        hops = 0;
        for (var block = this; block is not null; block = block.Parent)
        {
            if (block._locals.TryGetValue(name, out local))
            {
                return true;
            }

            block._passed.Add(name);
            hops += block.Parent is not null && block.Parent.Function != block.Function ? 1 : 0;
        }

        local = default;
        return false;
    }
}
