namespace FailbackWorkflows.Tests.Model;

/// <summary>What nobody decides: machines die and come up, links break, calls arrive late, a lease runs out, a database is restored.</summary>
public static class Surroundings
{
    public static void Add(in World world, Moves moves)
    {
        var bounds = moves.Bounds;
        for (var server = 0; server < bounds.Servers; server++)
        {
            AddServer(world, moves, server);
        }

        for (var node = 0; node < bounds.Nodes; node++)
        {
            AddNode(world, moves, node);
        }

        for (var slot = 0; slot < 2; slot++)
        {
            AddMessage(world, moves, slot);
        }

        if (bounds.CanRestore && world.Restored == 0)
        {
            AddRestore(world, moves);
        }
    }

    private static void AddServer(in World world, Moves moves, int server)
    {
        if (world.Servers[server].Up == 0)
        {
            var up = world;
            up.Servers[server].Up = 1;
            moves.Add(new Move(Kind.Repair, What.Restart, default, default, 0, (byte)server, 0), up);
            return;
        }

        for (var identity = 0; identity < moves.Bounds.Identities; identity++)
        {
            if (world.Servers[server].Rows[identity] is { Awaiting: 1, Recording: 1 })
            {
                var recording = world;
                recording.Servers[server].Rows[identity].Awaiting = 2;
                moves.Add(new Move(Kind.Step, What.BootConfirm, default, default, (byte)identity, (byte)server, 0), recording);
            }
        }

        if (moves.MayFail(world))
        {
            var down = world;
            RecorderRules.Crash(ref down, server);
            moves.AddFault(new Move(Kind.Fault, What.Crash, default, default, 0, (byte)server, 0), down);
        }
    }

    private static void AddNode(in World world, Moves moves, int node)
    {
        var bounds = moves.Bounds;
        var move = new Move(Kind.Repair, default, default, default, 0, 0, (byte)node);
        for (var server = 0; server < bounds.Servers; server++)
        {
            var isCut = (world.Cut[node] & (1 << server)) != 0;
            if (isCut || moves.MayFail(world))
            {
                var next = world;
                next.Cut[node] ^= (byte)(1 << server);
                if (isCut)
                {
                    moves.Add(move with { What = What.Heal, Server = (byte)server }, next);
                }
                else
                {
                    moves.AddFault(move with { What = What.Cut, Server = (byte)server }, next);
                }
            }
        }

        if (world.NodeUp[node] == 0)
        {
            var up = world;
            up.NodeUp[node] = 1;
            moves.Add(move with { What = What.NodeRestart }, up);
            return;
        }

        if (!moves.MayFail(world))
        {
            return;
        }

        var down = world;
        down.NodeUp[node] = 0;
        for (var run = 0; run < 3; run++)
        {
            if (world.Runs[run].Acquired == 1 && world.Runs[run].Node == node)
            {
                Runs.Lose(ref down, run);
            }
        }

        moves.AddFault(move with { What = What.NodeCrash }, down);
        if (bounds.Nodes == 2 && world.NodeUp[1 - node] == 1)
        {
            AddTakeOvers(world, moves, node);
        }
    }

    /// <summary>
    /// The node pauses and its lease runs out. What it was about to send is sent when it wakes, under its old fence; what it was about to
    /// commit is refused by the lease, so nothing else of it is left.
    /// </summary>
    private static void AddTakeOvers(in World world, Moves moves, int node)
    {
        for (var run = 0; run < moves.Bounds.Identities; run++)
        {
            if (world.Runs[run].Acquired == 0 || world.Runs[run].Node != node)
            {
                continue;
            }

            var move = new Move(Kind.Fault, What.TakeOver, default, default, (byte)run, 0, (byte)node);
            var next = world;
            Runs.Lose(ref next, run);
            Runs.TakeUp(ref next, moves.Bounds, run, 1 - node);
            moves.AddFault(move, next);

            var message = Runs.CallOf(world, run);
            next = world;
            if (message.Call != Call.None && world.Runs[run].KeyKnown == 0 && moves.TrySend(ref next, message))
            {
                Runs.Lose(ref next, run);
                Runs.TakeUp(ref next, moves.Bounds, run, 1 - node);
                moves.AddFault(move with { How = How.Delayed }, next);
            }
        }
    }

    private static void AddMessage(in World world, Moves moves, int slot)
    {
        var message = world.Messages[slot];
        if (message.Call == Call.None)
        {
            return;
        }

        var move = new Move(Kind.Repair, What.Forget, default, default, message.Identity, message.Server, 0, message.Call);
        var next = world;
        next.Messages[slot] = default;
        moves.Add(move, next);
        if (world.Servers[message.Server].Up == 1)
        {
            byte unknown = 0;
            ref var key = ref unknown;
            if (message.Current == 1)
            {
                key = ref next.Runs[message.Identity].KeyKnown;
            }

            RecorderRules.Apply(ref next, moves.Bounds, message, ref key);
            moves.Add(move with { What = What.Deliver }, next);
        }
    }

    /// <summary>The backup is of before any failover: the duty with its own recorder, no entry, no run. Fences jump, because nobody knows how far they had come.</summary>
    private static void AddRestore(in World world, Moves moves)
    {
        if (!moves.MayFail(world))
        {
            return;
        }

        var next = world;
        next.Restored = 1;
        for (var identity = 0; identity < moves.Bounds.Identities; identity++)
        {
            ref var duty = ref next.Duties[identity];
            duty = new Duty
            {
                Holder = (byte)identity,
                Epoch = duty.Backup,
                Alloc = 1,
                Fence = (byte)(world.Duties[identity].Fence + 1),
                Checkpoint = duty.Checkpoint,
                Entries = duty.Entries,
            };
            for (var index = 1; index >= 0; index--)
            {
                ref var entry = ref duty.Entries[index];
                if (entry.Exists == 0)
                {
                    continue;
                }

                entry = new Entry { Exists = 1, Server = entry.Server, Hold = entry.Hold };
            }

            Runs.End(ref next, identity);
        }

        moves.AddFault(new Move(Kind.Fault, What.Restore, default, default, 0, 0, 0), next);
    }
}
