namespace FailbackWorkflows.Tests.Model;

/// <summary>What an exploration came to.</summary>
/// <param name="States">Different states, up to what <see cref="Canonical"/> makes equal.</param>
/// <param name="Depth">Steps of the longest shortest path.</param>
/// <param name="Trace">The shortest way to the violation, a line per step; empty without one.</param>
public sealed record Exploration(string Name, int States, long Transitions, int Depth, long Bytes, Violation Violation, IReadOnlyList<string> Trace)
{
    public override string ToString() => Violation == Violation.None
        ? $"{Name}: {States:N0} states, {Transitions:N0} transitions, depth {Depth}, {Bytes >> 20} MiB; everything holds"
        : $"{Name}: {Violation} after {Trace.Count} steps ({States:N0} states seen)\n{string.Join('\n', Trace)}";
}

/// <summary>
/// Breadth first, so that a counterexample is a shortest one. States are kept whole and compared byte by byte: a fingerprint that hides a
/// state is not possible. Afterwards the graph is walked backwards from the good ends.
/// </summary>
public sealed class Explorer(Bounds bounds)
{
    private const int ChunkBits = 14;

    private readonly List<World[]> _chunks = [];
    private readonly List<int> _parents = [];
    private readonly List<Move> _moves = [];
    private int[] _table = new int[1 << 16];
    private int _count;

    // Steps and repairs, as pairs; the source of a repair is stored as its complement.
    private readonly List<(int From, int To)> _edges = [];

    /// <param name="judge">Which violations count; the others are walked past. All by default.</param>
    public Exploration Run(Func<Violation, bool>? judge = null)
    {
        var moves = new Moves(bounds);
        var initial = Initial();
        Canonical.Normalise(ref initial, bounds);
        Find(ref initial, -1, default);
        long transitions = 0;
        for (var index = 0; index < _count; index++)
        {
            var world = At(index);
            if (Properties.Check(world, bounds) is not Violation.None and var violation)
            {
                if (judge is null || judge(violation))
                {
                    return Ended(transitions, violation, index);
                }

                world.Violation = Violation.None;
            }

            moves.Clear();
            Surroundings.Add(world, moves);
            Starts.Add(world, moves);
            Runs.Add(world, moves);
            for (var i = 0; i < moves.Count; i++)
            {
                var (move, next) = moves[i];
                if (!bounds.EpochsAreRanks && LargestEpoch(next) > bounds.LargestEpoch)
                {
                    continue;
                }

                Canonical.Normalise(ref next, bounds);
                var target = Find(ref next, index, move);
                transitions++;
                if (target != index && move.Kind != Kind.Fault)
                {
                    _edges.Add((move.Kind == Kind.Repair ? ~index : index, target));
                }
            }

            if (_count > bounds.MaxStates)
            {
                throw new InvalidOperationException($"{bounds.Name} has more than {bounds.MaxStates:N0} states; the bounds are too wide to say anything.");
            }
        }

        var (violationAtEnd, stuck) = FindStuck(judge);
        return Ended(transitions, violationAtEnd, stuck);
    }

    /// <summary>Each server has its own duty under epoch 1 and records; nothing has happened yet, or one failover.</summary>
    private World Initial()
    {
        var world = default(World);
        for (var node = 0; node < bounds.Nodes; node++)
        {
            world.NodeUp[node] = 1;
        }

        for (var server = 0; server < bounds.Servers; server++)
        {
            world.Servers[server].Up = 1;
        }

        for (var identity = 0; identity < bounds.Identities; identity++)
        {
            world.Duties[identity] = new Duty { Holder = (byte)identity, Epoch = 1, Alloc = 1, Checkpoint = 1, Backup = bounds.CanRestore ? (byte)1 : (byte)0 };
            world.Servers[identity].Rows[identity] = new DutyRow { Role = Role.Recorder, Epoch = 1, Alloc = 1, Recording = 1 };
        }

        if (bounds.StartsFailedOver)
        {
            ref var duty = ref world.Duties[0];
            (duty.Holder, duty.Epoch, duty.Checkpoint, duty.OwedStop) = (1, 2, 2, 1);
            duty.Entries[0] = new Entry { Exists = 1, Known = 1, Server = 1, Failover = FailoverPart.Done, Hold = Hold.Open };
            world.Servers[0].Rows[0].Awaiting = 1;
            world.Servers[1].Rows[0] = new DutyRow { Role = Role.Recorder, Epoch = 2, Alloc = 1, Recording = 1 };
        }

        return world;
    }

    private int LargestEpoch(in World world)
    {
        var largest = 0;
        for (var identity = 0; identity < bounds.Identities; identity++)
        {
            largest = Math.Max(largest, world.Duties[identity].Epoch);
        }

        return largest;
    }

    private (Violation Violation, int State) FindStuck(Func<Violation, bool>? judge)
    {
        var reverse = new Reverse(_edges, _count);
        if (judge is null || judge(Violation.NoWayOut))
        {
            var good = reverse.Reach(i => Properties.IsGoodEnd(At(i), bounds), withRepairs: true);
            if (Array.IndexOf(good, false) is >= 0 and var stuck)
            {
                return (Violation.NoWayOut, stuck);
            }
        }

        for (var identity = 0; identity < bounds.Identities && (judge is null || judge(Violation.NoWayOutWithoutRepair)); identity++)
        {
            var who = identity;
            var served = reverse.Reach(i => Properties.IsServed(At(i), who), withRepairs: false);
            for (var state = 0; state < _count; state++)
            {
                if (!served[state] && Properties.CouldBeServed(At(state), bounds, identity))
                {
                    return (Violation.NoWayOutWithoutRepair, state);
                }
            }
        }

        return (Violation.None, -1);
    }

    private Exploration Ended(long transitions, Violation violation, int state)
    {
        var depth = 0;
        for (var at = _count - 1; at > 0; at = _parents[at])
        {
            depth++;
        }

        var trace = new List<string>();
        for (var at = state; at > 0; at = _parents[at])
        {
            trace.Add(_moves[at].ToString());
        }

        trace.Reverse();
        var bytes = ((long)_chunks.Count << ChunkBits) * World.Size + _table.LongLength * 4 + _count * 12L + _edges.Count * 8L;
        return new(bounds.Name, _count, transitions, depth, bytes, violation, trace);
    }

    private ref World At(int index) => ref _chunks[index >> ChunkBits][index & ((1 << ChunkBits) - 1)];

    private int Find(ref World world, int parent, Move move)
    {
        if (_count * 2 > _table.Length)
        {
            Grow();
        }

        var bytes = WorldBytes.Of(ref world);
        var mask = _table.Length - 1;
        for (var slot = WorldBytes.Hash(bytes) & mask; ; slot = (slot + 1) & mask)
        {
            var known = _table[slot] - 1;
            if (known < 0)
            {
                _table[slot] = _count + 1;
                break;
            }

            if (WorldBytes.Of(ref At(known)).SequenceEqual(bytes))
            {
                return known;
            }
        }

        if (_count >> ChunkBits == _chunks.Count)
        {
            _chunks.Add(new World[1 << ChunkBits]);
        }

        At(_count) = world;
        _parents.Add(parent);
        _moves.Add(move);
        return _count++;
    }

    private void Grow()
    {
        _table = new int[_table.Length * 4];
        var mask = _table.Length - 1;
        for (var index = 0; index < _count; index++)
        {
            var slot = WorldBytes.Hash(WorldBytes.Of(ref At(index))) & mask;
            while (_table[slot] != 0)
            {
                slot = (slot + 1) & mask;
            }

            _table[slot] = index + 1;
        }
    }

    /// <summary>The graph backwards, without its faults.</summary>
    private sealed class Reverse
    {
        private readonly List<(int From, int To)> _edges;
        private readonly int[] _first;
        private readonly int[] _sources;

        public Reverse(List<(int From, int To)> edges, int states)
        {
            _edges = edges;
            _first = new int[states + 1];
            foreach (var (_, to) in edges)
            {
                _first[to + 1]++;
            }

            for (var i = 0; i < states; i++)
            {
                _first[i + 1] += _first[i];
            }

            _sources = new int[edges.Count];
            var next = (int[])_first.Clone();
            foreach (var (from, to) in _edges)
            {
                _sources[next[to]++] = from;
            }
        }

        /// <summary>The states from which one of the wanted can be reached.</summary>
        public bool[] Reach(Func<int, bool> isWanted, bool withRepairs)
        {
            var reached = new bool[_first.Length - 1];
            var queue = new Queue<int>();
            for (var state = 0; state < reached.Length; state++)
            {
                if (isWanted(state))
                {
                    reached[state] = true;
                    queue.Enqueue(state);
                }
            }

            while (queue.TryDequeue(out var state))
            {
                for (var edge = _first[state]; edge < _first[state + 1]; edge++)
                {
                    var source = _sources[edge];
                    if (source < 0)
                    {
                        if (!withRepairs)
                        {
                            continue;
                        }

                        source = ~source;
                    }

                    if (!reached[source])
                    {
                        reached[source] = true;
                        queue.Enqueue(source);
                    }
                }
            }

            return reached;
        }
    }
}
