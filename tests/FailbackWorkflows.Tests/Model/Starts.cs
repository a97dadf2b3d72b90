namespace FailbackWorkflows.Tests.Model;

/// <summary>What operators, schedules and polls do: they start runs, and they answer recorders on whose duty no run has the claim.</summary>
public static class Starts
{
    public static void Add(in World world, Moves moves)
    {
        if (world.NodeUp[0] == 0 && world.NodeUp[1] == 0)
        {
            return;
        }

        for (var identity = 0; identity < moves.Bounds.Identities; identity++)
        {
            if (world.Runs[identity].IsRunning)
            {
                continue;
            }

            AddRuns(world, moves, identity);
            AddCopies(world, moves, identity);
            for (var server = 0; server < moves.Bounds.Servers; server++)
            {
                if (world.IsReachable(server))
                {
                    AddPolls(world, moves, identity, server);
                }
            }
        }

        if (world.Restored == 1)
        {
            for (var identity = 0; identity < moves.Bounds.Identities; identity++)
            {
                var run = world.Runs[identity];
                for (var server = 0; server < moves.Bounds.Servers && (!run.IsRunning || run.Faulted == 1); server++)
                {
                    if (world.IsReachable(server))
                    {
                        AddReconcile(world, moves, identity, server);
                    }
                }
            }
        }
    }

    private static void AddRuns(in World world, Moves moves, int identity)
    {
        var bounds = moves.Bounds;
        var duty = world.Duties[identity];
        var move = new Move(Kind.Step, default, default, default, (byte)identity, 0, 0);

        // Manual or after failed polls: only when the management server cannot see the holder record.
        var isHolderSeen = duty.Holder != World.Unknown && world.IsReachable(duty.Holder) && world.HolderRecords(identity);
        for (var server = 0; server < bounds.Servers; server++)
        {
            if (!isHolderSeen && server != duty.Holder && (bounds.Takers[identity] & (1 << server)) != 0 && world.IsReachable(server)
                && duty.Entries[bounds.OpenEntries - 1].Exists == 0 && IsFree(world, bounds, identity, server, identity))
            {
                Start(world, moves, move with { What = What.StartFailover, Server = (byte)server }, Step.FailoverLog, server, 0);
            }
        }

        var isNewest = true;
        for (var index = 1; index >= 0; index--)
        {
            var entry = duty.Entries[index];
            if (entry is not { Exists: 1, Known: 1, Failover: FailoverPart.Done, Failback: FailbackPart.NotStarted or FailbackPart.Failed })
            {
                continue;
            }

            // The newest entry whose failover server has the duty: after a restore that need not be the newest of all.
            if (duty.Holder == entry.Server && IsFree(world, bounds, identity, entry.Server, identity))
            {
                Start(world, moves, move with { What = What.StartFailback, Server = entry.Server }, Step.FailbackCheck, entry.Server, index);
            }

            // Offered when check 2 or 3 refuses: the failover server is not acting, or the failed server records by itself.
            if (isNewest && world.IsReachable(identity) && world.Records(identity, identity)
                && (duty.Holder != identity || !bounds.Has(Mistake.AdoptionGivesUp)) && IsFree(world, bounds, identity, identity, identity))
            {
                Start(world, moves, move with { What = What.StartAdopt, Server = entry.Server }, Step.AdoptDraw, entry.Server, index);
            }

            isNewest = false;
        }

        if (duty.Holder == World.Unknown && world.IsReachable(identity))
        {
            Start(world, moves, move with { What = What.StartAdopt, Server = (byte)identity }, Step.AdoptDraw, identity, World.NoEntry);
        }

        for (var server = 0; server < bounds.Servers; server++)
        {
            if (world.IsReachable(server) && duty.Holder != World.Unknown && IsOwed(duty, server) && IsFree(world, bounds, server, server, identity))
            {
                Start(world, moves, move with { What = What.StartOwed, Server = (byte)server }, Step.OwedRead, server, World.NoEntry);
            }
        }
    }

    private static void Start(in World world, Moves moves, Move move, Step step, int server, int entry)
    {
        var next = world;
        next.Runs[move.Identity] = new Run { Step = step, Server = (byte)server, Entry = (byte)entry };
        moves.Add(move, next);
    }

    /// <summary>No run on another identity has the claim on one of the two recorders. A faulted run keeps only its identity's.</summary>
    private static bool IsFree(in World world, Bounds bounds, int server, int other, int identity)
    {
        for (var another = 0; another < bounds.Identities; another++)
        {
            var run = world.Runs[another];
            if (another == identity || !run.IsRunning || run.Faulted == 1)
            {
                continue;
            }

            var isOwed = run.Step is Step.OwedRead or Step.OwedTell or Step.OwedEndHold;
            if (run.Server == server || run.Server == other || (!isOwed && (another == server || another == other)))
            {
                return false;
            }
        }

        return true;
    }

    private static bool IsOwed(in Duty duty, int server)
    {
        if ((duty.OwedStop & (1 << server)) != 0)
        {
            return true;
        }

        for (var index = 0; index < 2; index++)
        {
            if (duty.Entries[index] is { Exists: 1, Known: 1, CloseOwed: 1 } entry && entry.Server == server)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The material copy, as far as holds are concerned: it ends them.</summary>
    private static void AddCopies(in World world, Moves moves, int identity)
    {
        var duty = world.Duties[identity];
        for (var index = 0; index < 2; index++)
        {
            var entry = duty.Entries[index];
            var isOver = entry is { Exists: 1, Known: 1, CloseOwed: 0, Hold: not Hold.Open } && (entry.Failback == FailbackPart.Done || entry.Failover == FailoverPart.Failed);
            if (!isOver || !world.IsReachable(entry.Server) || (duty.OwedStop & (1 << entry.Server)) != 0)
            {
                continue;
            }

            // The target pulls only while it has the current epoch; where nothing was recorded there is nothing to copy.
            if (entry.Hold == Hold.None || (duty.Holder == identity && world.IsReachable(identity) && world.HolderRecords(identity)))
            {
                var next = world;
                Grants.Remove(ref next, identity, index);
                moves.Add(new Move(Kind.Step, What.Copy, default, default, (byte)identity, entry.Server, 0), next);
            }
        }
    }

    private static void AddPolls(in World world, Moves moves, int identity, int server)
    {
        var duty = world.Duties[identity];
        var row = world.Servers[server].Rows[identity];
        if (duty.Holder == World.Unknown)
        {
            return;
        }

        if (duty.Holder == server)
        {
            if (world.HasAuthority(server, identity))
            {
                if (row.Awaiting != 0)
                {
                    Poll(world, moves, What.PollConfirms, Call.AssignRecorder, identity, server);
                }
                else if (row.Recording == 0)
                {
                    Poll(world, moves, What.PollStarts, Call.StartRecording, identity, server);
                }
            }
            else if (row.Epoch < duty.Epoch || (row.Epoch == duty.Epoch && row.Alloc == 0))
            {
                Poll(world, moves, What.PollGives, Call.AssignRecorder, identity, server);
            }
        }
        // It may record by itself before the answer arrives, so this is a stop like any other: not unless the holder is seen to record.
        else if (row.Awaiting != 0 && row.Epoch < duty.Epoch
            && (row.Recording == 0 || moves.Bounds.Has(Mistake.StopsUnseen) || (world.IsReachable(duty.Holder) && world.HolderRecords(identity))))
        {
            Poll(world, moves, What.PollStandsDown, Call.AssignStandby, identity, server);
        }
    }

    private static void Poll(in World world, Moves moves, What what, Call call, int identity, int server)
    {
        var bounds = moves.Bounds;
        var duty = world.Duties[identity];
        var message = new Message
        {
            Call = call,
            Server = (byte)server,
            Identity = (byte)identity,
            Epoch = duty.Epoch,
            Alloc = duty.Alloc,
            Fence = duty.Fence,
            Entry = call == Call.AssignRecorder ? HoldOf(duty, server) : (byte)World.NoEntry,
            Alive = world.SuccessorRecords(identity, server) ? (byte)1 : (byte)0,
        };
        var move = new Move(Kind.Step, what, default, default, (byte)identity, (byte)server, 0, call);
        var next = world;
        byte key = 0;
        RecorderRules.Apply(ref next, bounds, message, ref key);
        moves.Add(move, next);
        if (moves.MayFail(world))
        {
            next = world;
            if (moves.TrySend(ref next, message))
            {
                moves.AddFault(move with { What = What.PollDelayed }, next);
            }
        }
    }

    /// <summary>A server that is given the duty of another is given the hold of its open entry in the same command.</summary>
    private static byte HoldOf(in Duty duty, int server)
    {
        for (var index = 1; index >= 0; index--)
        {
            if (duty.Entries[index] is { Exists: 1, Known: 1, Failover: FailoverPart.Done, Failback: not FailbackPart.Done } entry && entry.Server == server)
            {
                return (byte)index;
            }
        }

        return World.NoEntry;
    }

    /// <summary>A restored database learns from recorders what it has forgotten: epochs, holders, stale recorders, holds.</summary>
    private static void AddReconcile(in World world, Moves moves, int identity, int server)
    {
        var bounds = moves.Bounds;
        var next = world;
        ref var duty = ref next.Duties[identity];
        var row = world.Servers[server].Rows[identity];
        var isHolding = row.Role == Role.Recorder && row.Alloc != 0;
        var news = false;
        if (row.Epoch > duty.Epoch)
        {
            duty.Epoch = row.Epoch;
            duty.Alloc = isHolding || !bounds.Has(Mistake.RestoredKeepsHolder) ? row.Alloc : (byte)1;
            duty.Holder = isHolding ? (byte)server : bounds.Has(Mistake.RestoredKeepsHolder) ? duty.Holder : (byte)World.Unknown;
            duty.OwedStop &= (byte)~(isHolding ? 1 << server : 0);
            news = true;
        }
        else if (row.Epoch == duty.Epoch && isHolding && duty.Holder == World.Unknown)
        {
            (duty.Holder, duty.Alloc) = ((byte)server, row.Alloc);
            duty.OwedStop &= (byte)~(1 << server);
            news = true;
        }
        else if (row.Role == Role.Recorder && row.Epoch < duty.Epoch && server != duty.Holder && (duty.OwedStop & (1 << server)) == 0)
        {
            duty.OwedStop |= (byte)(1 << server);
            news = true;
        }

        for (var index = 0; index < 2 && duty.Holder != World.Unknown && !bounds.Has(Mistake.HoldsNotReconciled); index++)
        {
            ref var entry = ref duty.Entries[index];
            if (news && entry is { Exists: 1, Known: 1, Hold: Hold.Open } && entry.Server == server && duty.Holder == server)
            {
                // It has the duty after all: its period goes on, and what was owed of the hold's end is void.
                (entry.Failover, entry.Failback, entry.CloseOwed) = (FailoverPart.Done, FailbackPart.NotStarted, 0);
            }

            if (entry is { Exists: 1, Known: 0, Hold: not Hold.None } && entry.Server == server)
            {
                entry.Known = 1;
                entry.Failover = FailoverPart.Done;
                entry.Failback = duty.Holder == identity ? FailbackPart.Done : FailbackPart.NotStarted;
                entry.CloseOwed = entry.Hold == Hold.Open && duty.Holder != server ? (byte)1 : (byte)0;
                news = true;
            }
        }

        if (news)
        {
            moves.Add(new Move(Kind.Step, What.Reconcile, default, default, (byte)identity, (byte)server, 0), next);
        }
    }
}
