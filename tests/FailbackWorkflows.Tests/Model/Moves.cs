namespace FailbackWorkflows.Tests.Model;

/// <summary>Collects what can happen in a state.</summary>
public sealed class Moves(Bounds bounds)
{
    private readonly List<(Move Move, World Next)> _list = [];

    public Bounds Bounds { get; } = bounds;

    public int Count => _list.Count;

    public (Move Move, World Next) this[int index] => _list[index];

    public void Clear() => _list.Clear();

    public void Add(Move move, in World next) => _list.Add((move, next));

    /// <summary>A fault within the bounds.</summary>
    public bool MayFail(in World world) => world.Faults < Bounds.Faults;

    public void AddFault(Move move, in World next)
    {
        if (Bounds.CrashesOnly && move.What != What.Crash)
        {
            return;
        }

        var counted = next;
        counted.Faults++;
        _list.Add((move with { Kind = Kind.Fault }, counted));
    }

    /// <summary>Puts a call on its way that nobody waits for. False: the bounds allow no more of them.</summary>
    public bool TrySend(ref World world, in Message message)
    {
        for (var slot = 0; slot < Bounds.InFlight; slot++)
        {
            if (world.Messages[slot].Call == Call.None)
            {
                world.Messages[slot] = message;
                return true;
            }
        }

        return false;
    }
}
