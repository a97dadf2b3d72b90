namespace FailbackWorkflows.Tests.Model;

/// <summary>
/// Makes states equal that nobody in the protocol can tell apart. Each rule says why it loses nothing; together they make the state space
/// finite although epochs and fences grow for ever.
/// </summary>
public static class Canonical
{
    public static void Normalise(ref World world, Bounds bounds)
    {
        DropDeadMessages(ref world, bounds);
        for (var identity = 0; identity < bounds.Identities; identity++)
        {
            ForgetUnopenedHolds(ref world, identity);
            ForgetFences(ref world, bounds, identity);
            RankFences(ref world, identity);
            if (bounds.EpochsAreRanks)
            {
                RankEpochs(ref world, identity);
            }
        }

        if (bounds.Nodes == 2)
        {
            OrderNodes(ref world);
        }
    }

    /// <summary>
    /// What a recorder knows only grows: a late call under a lower epoch or fence than its own will be refused whenever it arrives, and a call
    /// whose key is known changes nothing. The order of two late calls is nobody's, so they are sorted.
    /// </summary>
    private static void DropDeadMessages(ref World world, Bounds bounds)
    {
        for (var slot = 0; slot < 2; slot++)
        {
            var message = world.Messages[slot];
            if (message.Call == Call.None)
            {
                continue;
            }

            var row = world.Servers[message.Server].Rows[message.Identity];
            if (message.Epoch < row.Epoch
                || (message.Fence < row.Fence && !bounds.Has(Mistake.OldFenceAccepted))
                || (message.Current == 1 && world.Runs[message.Identity].KeyKnown == 1))
            {
                world.Messages[slot] = default;
            }
        }

        if (Order(world.Messages[1]) > Order(world.Messages[0]))
        {
            (world.Messages[0], world.Messages[1]) = (world.Messages[1], world.Messages[0]);
        }

        static ulong Order(in Message m) =>
            ((ulong)m.Call << 56) | ((ulong)m.Server << 48) | ((ulong)m.Identity << 40) | ((ulong)m.Epoch << 32)
            | ((ulong)m.Fence << 24) | ((ulong)m.Entry << 16) | ((ulong)m.Current << 8) | ((ulong)m.Alive << 4) | m.Alloc;
    }

    /// <summary>An entry the restored database does not know is only its hold; one that no late call can open any more is nothing.</summary>
    private static void ForgetUnopenedHolds(ref World world, int identity)
    {
        for (var index = 1; index >= 0 && world.Restored == 1; index--)
        {
            var isOpening = false;
            for (var slot = 0; slot < 2; slot++)
            {
                isOpening |= world.Messages[slot] is { Call: not Call.None } message && message.Identity == identity && message.Entry == index;
            }

            if (world.Duties[identity].Entries[index] is { Exists: 1, Known: 0, Hold: Hold.None } && !isOpening)
            {
                Grants.Remove(ref world, identity, index);
            }
        }
    }

    /// <summary>
    /// Every acquisition draws a fence larger than all before, so a recorder's fence can only ever refuse a late call that is under way to it.
    /// Without one it may as well have heard of none. (Not so when a run acts without a claim.)
    /// </summary>
    private static void ForgetFences(ref World world, Bounds bounds, int identity)
    {
        if (bounds.Has(Mistake.ClaimReleasedBeforeUndo))
        {
            return;
        }

        for (var server = 0; server < bounds.Servers; server++)
        {
            var isAwaited = false;
            for (var slot = 0; slot < 2; slot++)
            {
                var message = world.Messages[slot];
                isAwaited |= message.Call != Call.None && message.Server == server && message.Identity == identity;
            }

            if (!isAwaited)
            {
                world.Servers[server].Rows[identity].Fence = 0;
            }
        }
    }

    /// <summary>Fences matter only by their order: they are renumbered without gaps.</summary>
    private static void RankFences(ref World world, int identity)
    {
        Span<byte> map = stackalloc byte[256];
        map.Clear();
        map[world.Duties[identity].Fence] = 1;
        for (var server = 0; server < 3; server++)
        {
            map[world.Servers[server].Rows[identity].Fence] = 1;
        }

        for (var run = 0; run < 3; run++)
        {
            if (IdentityOf(run) == identity && world.Runs[run].Acquired == 1)
            {
                map[world.Runs[run].Fence] = 1;
            }
        }

        for (var slot = 0; slot < 2; slot++)
        {
            if (world.Messages[slot].Identity == identity)
            {
                map[world.Messages[slot].Fence] = 1;
            }
        }

        Rank(map);
        world.Duties[identity].Fence = map[world.Duties[identity].Fence];
        for (var server = 0; server < 3; server++)
        {
            ref var row = ref world.Servers[server].Rows[identity];
            row.Fence = map[row.Fence];
        }

        for (var run = 0; run < 3; run++)
        {
            if (IdentityOf(run) == identity)
            {
                ref var fence = ref world.Runs[run].Fence;
                fence = world.Runs[run].Acquired == 1 ? map[fence] : (byte)0;
            }
        }

        for (var slot = 0; slot < 2; slot++)
        {
            ref var message = ref world.Messages[slot];
            if (message.Identity == identity)
            {
                message.Fence = map[message.Fence];
            }
        }
    }

    /// <summary>So do epochs, as long as a draw is larger than everything that was ever drawn.</summary>
    private static void RankEpochs(ref World world, int identity)
    {
        Span<byte> map = stackalloc byte[256];
        map.Clear();
        ref var duty = ref world.Duties[identity];
        map[duty.Epoch] = 1;
        map[duty.Checkpoint] = 1;
        map[duty.Backup] = 1;
        for (var server = 0; server < 3; server++)
        {
            map[world.Servers[server].Rows[identity].Epoch] = 1;
        }

        for (var slot = 0; slot < 2; slot++)
        {
            if (world.Messages[slot].Identity == identity)
            {
                map[world.Messages[slot].Epoch] = 1;
            }
        }

        Rank(map);
        duty.Epoch = map[duty.Epoch];
        duty.Checkpoint = map[duty.Checkpoint];
        duty.Backup = map[duty.Backup];
        for (var server = 0; server < 3; server++)
        {
            ref var row = ref world.Servers[server].Rows[identity];
            row.Epoch = map[row.Epoch];
        }

        for (var slot = 0; slot < 2; slot++)
        {
            ref var message = ref world.Messages[slot];
            if (message.Identity == identity)
            {
                message.Epoch = map[message.Epoch];
            }
        }
    }

    /// <summary>Zero stays zero: "never heard of it".</summary>
    private static void Rank(Span<byte> map)
    {
        byte next = 1;
        map[0] = 0;
        for (var value = 1; value < map.Length; value++)
        {
            if (map[value] != 0)
            {
                map[value] = next++;
            }
        }
    }

    /// <summary>The nodes of the management server are alike.</summary>
    private static void OrderNodes(ref World world)
    {
        if (Order(world, 0) < Order(world, 1))
        {
            (world.NodeUp[0], world.NodeUp[1]) = (world.NodeUp[1], world.NodeUp[0]);
            (world.Cut[0], world.Cut[1]) = (world.Cut[1], world.Cut[0]);
            for (var run = 0; run < 3; run++)
            {
                if (world.Runs[run].Acquired == 1)
                {
                    world.Runs[run].Node ^= 1;
                }
            }
        }

        static int Order(in World world, int node)
        {
            var runs = 0;
            for (var run = 0; run < 3; run++)
            {
                runs = (runs << 1) | (world.Runs[run].Acquired == 1 && world.Runs[run].Node == node ? 1 : 0);
            }

            return (world.NodeUp[node] << 12) | (runs << 8) | world.Cut[node];
        }
    }

    public static int IdentityOf(int run) => run == 2 ? 0 : run;
}
