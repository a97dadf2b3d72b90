namespace FailbackWorkflows.Tests.Model;

/// <summary>How a run gets on whatever it does: it is taken up by a node, calls recorders, is cut short, ends.</summary>
public static class Runs
{
    public delegate void Then(ref World next, Bounds bounds, int run);

    public static void Add(in World world, Moves moves)
    {
        for (var index = 0; index < 3; index++)
        {
            var run = world.Runs[index];
            if (!run.IsRunning)
            {
                continue;
            }

            if (run.Faulted == 1)
            {
                AddOperator(world, moves, index);
            }
            else if (run.Acquired == 0)
            {
                AddAcquire(world, moves, index);
            }
            else if (world.NodeUp[run.Node] == 1)
            {
                RunSteps.Add(world, moves, index);
            }
        }
    }

    /// <summary>The node's part of the run is lost; what was committed stays. A look that no commit followed is taken again.</summary>
    public static void Lose(ref World world, int index)
    {
        ref var run = ref world.Runs[index];
        (run.Acquired, run.Node, run.Fence, run.SawAlive) = (0, 0, 0, 0);
        run.Step = run.Step switch
        {
            Step.FailbackStop => Step.FailbackLook,
            Step.UndoStandBy => Step.UndoLook,
            Step.OwedTell => Step.OwedRead,
            var step => step,
        };
        if (index == 2)
        {
            // Without a claim nobody takes it up again.
            world.Runs[2] = default;
        }
    }

    /// <summary>A node takes the run up: the fence grows, 1 + the largest of database and reachable recorders.</summary>
    public static void TakeUp(ref World world, Bounds bounds, int index, int node)
    {
        var identity = Canonical.IdentityOf(index);
        var fence = world.Duties[identity].Fence;
        for (var server = 0; server < bounds.Servers; server++)
        {
            if (world.Reaches(node, server))
            {
                fence = Math.Max(fence, world.Servers[server].Rows[identity].Fence);
            }
        }

        ref var run = ref world.Runs[index];
        run.Fence = world.Duties[identity].Fence = (byte)(fence + 1);
        (run.Acquired, run.Node) = (1, (byte)node);
    }

    /// <summary>Commits the next activity: a new execution, with keys of its own.</summary>
    public static void MoveTo(ref World world, int index, Step step)
    {
        ref var run = ref world.Runs[index];
        run.Step = step;
        NewExecution(ref world, index);
    }

    /// <summary>The last commit: the claims are released in it.</summary>
    public static void End(ref World world, int index)
    {
        NewExecution(ref world, index);
        world.Runs[index] = default;
    }

    public static Move Describe(in World world, int index, How how, int server) =>
        new(how is How.Done or How.GivenUp or How.Refused ? Kind.Step : Kind.Fault, What.Activity, world.Runs[index].Step, how, (byte)Canonical.IdentityOf(index), (byte)server, world.Runs[index].Node);

    /// <summary>
    /// Executes an activity that makes one call, and commits. A crash between effect and commit, a lost answer and a repeat are the same
    /// thing here: the effect is there, the step is not committed, and the activity runs again with its key.
    /// </summary>
    public static void AddCall(in World world, Moves moves, int index, Then done, Then? giveUp, Then? conflict = null)
    {
        var bounds = moves.Bounds;
        var run = world.Runs[index];
        var message = CallOf(world, index);
        var server = message.Server;
        if (!world.Reaches(run.Node, server))
        {
            AddGivenUp(world, moves, index, How.GivenUp, server, giveUp);
            return;
        }

        var next = world;
        var answer = RecorderRules.Apply(ref next, bounds, message, ref next.Runs[index].KeyKnown);
        var effect = next;
        if (answer == Answer.Ok)
        {
            done(ref next, bounds, index);
            moves.Add(Describe(world, index, How.Done, server), next);
        }
        else if (answer == Answer.Stale || conflict is null)
        {
            Refused(ref next, index, server);
            moves.Add(Describe(world, index, How.Refused, server), next);
        }
        else
        {
            conflict(ref next, bounds, index);
            moves.Add(Describe(world, index, How.Refused, server), next);
        }

        if (!moves.MayFail(world) || answer != Answer.Ok)
        {
            return;
        }

        if (run.KeyKnown == 0)
        {
            moves.AddFault(Describe(world, index, How.AnswerLost, server), effect);
            AddGivenUp(effect, moves, index, How.AnswerLostGivenUp, server, giveUp);
            var delayed = world;
            if (moves.TrySend(ref delayed, message))
            {
                moves.AddFault(Describe(world, index, How.Delayed, server), delayed);
                AddGivenUp(delayed, moves, index, How.DelayedGivenUp, server, giveUp);
            }

            if (bounds.Has(Mistake.KeyOutsideEffect))
            {
                var keyed = world;
                keyed.Runs[index].KeyKnown = 1;
                RecorderRules.Crash(ref keyed, server);
                moves.AddFault(new Move(Kind.Fault, What.KeyWithoutEffect, default, default, message.Identity, server, 0), keyed);
            }
        }

        AddGivenUp(world, moves, index, How.Lost, server, giveUp);
    }

    /// <summary>
    /// A read: the fence is raised first. Null: no answer. False: refused, the run is dealt with in <paramref name="next"/>.
    /// </summary>
    public static bool? TryRead(ref World next, Moves moves, int index, int server)
    {
        var run = next.Runs[index];
        if (!next.Reaches(run.Node, server))
        {
            return null;
        }

        if (RecorderRules.RaiseFence(ref next, moves.Bounds, server, Canonical.IdentityOf(index), run.Fence))
        {
            return true;
        }

        Refused(ref next, index, server);
        return false;
    }

    /// <summary>The mutating call of the activity that is to be executed.</summary>
    public static Message CallOf(in World world, int index)
    {
        var run = world.Runs[index];
        var identity = Canonical.IdentityOf(index);
        var duty = world.Duties[identity];
        var (call, server) = run.Step switch
        {
            Step.FailoverAssign => (Call.AssignRecorder, run.Server),
            Step.FailoverStart => (Call.StartRecording, run.Server),
            Step.FailbackFreeze when run.Away == 0 => (Call.Freeze, run.Server),
            Step.FailbackAssign => (Call.AssignRecorder, (byte)identity),
            Step.FailbackStart => (Call.StartRecording, (byte)identity),
            Step.FailbackStop => (Call.StopRecording, run.Server),
            Step.FailbackEndHold => (Call.CloseHold, run.Server),
            Step.FailbackStandBy => (Call.AssignStandby, run.Server),
            Step.UndoAssign => (Call.AssignRecorder, run.Server),
            Step.UndoUnfreeze => (Call.Unfreeze, run.Server),
            Step.UndoStart => (Call.StartRecording, run.Server),
            Step.UndoStandBy => (Call.AssignStandby, (byte)identity),
            Step.OwedTell => (run.Server == duty.Holder ? Call.StopRecording : Call.AssignStandby, run.Server),
            Step.OwedEndHold => (Call.CloseHold, run.Server),
            Step.AdoptAssign => (Call.AssignRecorder, (byte)identity),
            Step.AdoptStart => (Call.StartRecording, (byte)identity),
            _ => (Call.None, (byte)0),
        };
        if (call == Call.None)
        {
            return default;
        }

        var hasLooked = run.Step is Step.FailbackStop or Step.UndoStandBy or Step.OwedTell;
        return new Message
        {
            Call = call,
            Server = server,
            Identity = (byte)identity,
            Epoch = duty.Epoch,
            Alloc = duty.Alloc,
            Fence = run.Fence,
            Entry = run.Step is Step.FailoverAssign or Step.FailbackEndHold or Step.UndoAssign ? run.Entry
                : run.Step == Step.OwedEndHold ? RunSteps.OwedEntry(duty, run.Server) : (byte)World.NoEntry,
            Current = index < 2 ? (byte)1 : (byte)0,
            Alive = (hasLooked ? run.SawAlive == 1 : world.SuccessorRecords(identity, server)) ? (byte)1 : (byte)0,
        };
    }

    private static void AddGivenUp(in World world, Moves moves, int index, How how, int server, Then? giveUp)
    {
        if (giveUp is null)
        {
            return;
        }

        var next = world;
        giveUp(ref next, moves.Bounds, index);
        var move = Describe(world, index, how, server);
        if (move.Kind == Kind.Fault)
        {
            moves.AddFault(move, next);
        }
        else
        {
            moves.Add(move, next);
        }
    }

    /// <summary>
    /// 412. Only a fence: the run is taken up again with a larger one. A larger epoch: somebody knows more than the database; before anything
    /// was changed the run ends, later it is an incident.
    /// </summary>
    private static void Refused(ref World next, int index, int server)
    {
        var identity = Canonical.IdentityOf(index);
        if (index == 2)
        {
            next.Runs[2] = default;
        }
        else if (next.Servers[server].Rows[identity].Epoch <= next.Duties[identity].Epoch && next.Servers[server].Rows[identity].Fence > next.Runs[index].Fence)
        {
            Lose(ref next, index);
        }
        else if (next.Runs[index].Step is Step.FailbackCheck or Step.OwedRead or Step.OwedTell or Step.OwedEndHold)
        {
            End(ref next, index);
        }
        else
        {
            Lose(ref next, index);
            next.Runs[index].Faulted = 1;
        }
    }

    private static void NewExecution(ref World world, int index)
    {
        world.Runs[index].KeyKnown = 0;
        for (var slot = 0; slot < 2; slot++)
        {
            ref var message = ref world.Messages[slot];
            if (index < 2 && message.Identity == index)
            {
                message.Current = 0;
            }
        }
    }

    private static void AddAcquire(in World world, Moves moves, int index)
    {
        for (var node = 0; node < moves.Bounds.Nodes; node++)
        {
            if (world.NodeUp[node] == 1)
            {
                var next = world;
                TakeUp(ref next, moves.Bounds, index, node);
                moves.Add(new Move(Kind.Step, What.Acquire, default, default, (byte)Canonical.IdentityOf(index), 0, (byte)node), next);
            }
        }
    }

    /// <summary>
    /// A redrive is a new execution; it makes no sense when somebody else turned out to have the duty. An abandonment names who has it: that
    /// server gets a new epoch, the others an obligation.
    /// </summary>
    private static void AddOperator(in World world, Moves moves, int index)
    {
        var move = new Move(Kind.Step, What.Redrive, default, default, (byte)index, 0, 0);
        var run = world.Runs[index];
        var holder = world.Duties[index].Holder;
        var isOurs = holder == index || holder == run.Server;
        if (isOurs)
        {
            var next = world;
            next.Runs[index].Faulted = 0;
            NewExecution(ref next, index);
            moves.Add(move, next);
        }

        Abandon(world, moves, index, index, static (ref World w, Bounds _, int i) =>
        {
            Grants.FailedBack(ref w, i);
            RunSteps.FailEntry(ref w, i);
        });
        Abandon(world, moves, index, run.Server, static (ref World w, Bounds _, int i) => RunSteps.KeepEntry(ref w, i));
        if (!isOurs && holder != World.Unknown)
        {
            Abandon(world, moves, index, holder, static (ref World w, Bounds _, int i) => RunSteps.FailEntry(ref w, i));
        }
    }

    private static void Abandon(in World world, Moves moves, int index, int server, Then entries)
    {
        var next = world;
        Grants.Draw(ref next, moves.Bounds, index, server, LargestEpoch(world, moves.Bounds, index));
        entries(ref next, moves.Bounds, index);
        End(ref next, index);
        moves.Add(new Move(Kind.Step, What.Abandon, default, default, (byte)index, (byte)server, 0), next);
    }

    private static int LargestEpoch(in World world, Bounds bounds, int identity)
    {
        var largest = 0;
        for (var server = 0; server < bounds.Servers; server++)
        {
            largest = world.IsReachable(server) ? Math.Max(largest, world.Servers[server].Rows[identity].Epoch) : largest;
        }

        return largest;
    }
}
