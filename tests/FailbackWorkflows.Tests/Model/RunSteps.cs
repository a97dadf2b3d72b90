namespace FailbackWorkflows.Tests.Model;

/// <summary>What each activity does, step by step as design.md §5 has it, with what ADR 6 changed.</summary>
public static class RunSteps
{
    public static void Add(in World world, Moves moves, int index)
    {
        switch (world.Runs[index].Step)
        {
            case Step.FailoverLog:
            case Step.FailoverDraw:
            case Step.FailoverAssign:
            case Step.FailoverStart:
            case Step.FailoverConfirm:
            case Step.FailoverFail:
                AddFailover(world, moves, index);
                break;
            case Step.OwedRead:
            case Step.OwedTell:
            case Step.OwedEndHold:
                AddOwed(world, moves, index);
                break;
            case Step.AdoptDraw:
            // The draw was the decision: from here the adoption is done whoever answers. A poll tells the failed server, and nobody else is stopped
            // before it is seen to record.
            case Step.AdoptAssign:
            case Step.AdoptStart:
            case Step.AdoptEnd:
                AddAdopt(world, moves, index);
                break;
            case >= Step.UndoBegin and <= Step.UndoEnd:
                AddUndo(world, moves, index);
                break;
            default:
                AddFailback(world, moves, index);
                break;
        }
    }

    /// <summary>The entry whose hold end is owed by the server; the oldest first.</summary>
    public static byte OwedEntry(in Duty duty, int server)
    {
        for (byte entry = 0; entry < 2; entry++)
        {
            if (duty.Entries[entry] is { Exists: 1, Known: 1, CloseOwed: 1 } owed && owed.Server == server)
            {
                return entry;
            }
        }

        return World.NoEntry;
    }

    /// <summary>The run's entry, if it is not done: what was running has failed.</summary>
    public static void FailEntry(ref World next, int index)
    {
        if (next.Runs[index].Entry == World.NoEntry)
        {
            return;
        }

        ref var entry = ref next.Duties[Canonical.IdentityOf(index)].Entries[next.Runs[index].Entry];
        if (entry.Failover == FailoverPart.Running)
        {
            entry.Failover = FailoverPart.Failed;
            entry.CloseOwed = 1;
        }
        else if (entry.Failback == FailbackPart.Running)
        {
            entry.Failback = FailbackPart.Failed;
        }
    }

    /// <summary>The failover server has the duty by an administrator's word: its period goes on.</summary>
    public static void KeepEntry(ref World next, int index)
    {
        if (next.Runs[index].Entry != World.NoEntry)
        {
            ref var entry = ref next.Duties[Canonical.IdentityOf(index)].Entries[next.Runs[index].Entry];
            (entry.Failover, entry.Failback, entry.CloseOwed) = (FailoverPart.Done, FailbackPart.Failed, 0);
        }
    }

    private static void AddFailover(in World world, Moves moves, int index)
    {
        var run = world.Runs[index];
        var identity = Canonical.IdentityOf(index);
        switch (run.Step)
        {
            case Step.FailoverLog:
                var next = world;
                ref var duty = ref next.Duties[identity];
                var free = duty.Entries[0].Exists == 0 ? 0 : 1;
                duty.Entries[free] = new Entry { Exists = 1, Known = 1, Server = run.Server, Failover = FailoverPart.Running };
                next.Runs[index].Entry = (byte)free;
                Commit(world, next, moves, index, Step.FailoverDraw, run.Server);
                break;
            case Step.FailoverDraw:
                AddDraw(world, moves, index, run.Server, Step.FailoverAssign, static (ref World w, Bounds _, int i) => Runs.MoveTo(ref w, i, Step.FailoverFail));
                break;
            case Step.FailoverAssign:
                Runs.AddCall(world, moves, index, To(Step.FailoverStart), To(Step.FailoverFail), To(Step.FailoverFail));
                break;
            case Step.FailoverStart:
                Runs.AddCall(world, moves, index, To(Step.FailoverConfirm), To(Step.FailoverFail), To(Step.FailoverFail));
                break;
            case Step.FailoverConfirm:
                AddLook(world, moves, index, run.Server, static (ref World w, Bounds bounds, int i) =>
                {
                    ref var entry = ref w.Duties[Canonical.IdentityOf(i)].Entries[w.Runs[i].Entry];
                    entry.Failover = FailoverPart.Done;
                    if (bounds.Has(Mistake.HoldAfterDuty))
                    {
                        entry.Hold = Hold.Open;
                    }

                    Runs.End(ref w, i);
                });
                AddAlways(world, moves, index, run.Server, To(Step.FailoverFail));
                break;
            default:
                // Nothing to take back before the draw. After it the duty goes back to its own recorder, and the failover server, which may have
                // got all of it, must be told.
                var failed = world;
                if (world.Duties[identity].Holder == run.Server && !TryDraw(ref failed, moves, index, identity, out var refusedBy))
                {
                    moves.Add(Runs.Describe(world, index, How.Refused, refusedBy), failed);
                    break;
                }

                FailEntry(ref failed, index);
                Runs.End(ref failed, index);
                moves.Add(Runs.Describe(world, index, How.Done, run.Server), failed);
                break;
        }
    }

    private static void AddFailback(in World world, Moves moves, int index)
    {
        var run = world.Runs[index];
        var identity = Canonical.IdentityOf(index);
        if (run.Step is Step.FailbackFreeze or Step.FailbackDraw or Step.FailbackAssign or Step.FailbackStart or Step.FailbackConfirm && run.Past == 0)
        {
            var cancelled = world;
            Runs.MoveTo(ref cancelled, index, Step.UndoBegin);
            moves.Add(new Move(Kind.Step, What.Cancel, run.Step, default, (byte)identity, 0, 0), cancelled);
        }

        switch (run.Step)
        {
            case Step.FailbackCheck:
                AddChecks(world, moves, index);
                break;
            case Step.FailbackLog:
                var next = world;
                next.Duties[identity].Entries[run.Entry].Failback = FailbackPart.Running;
                Commit(world, next, moves, index, Step.FailbackFreeze, identity);
                break;
            case Step.FailbackFreeze when run.Away == 1:
                Commit(world, world, moves, index, Step.FailbackDraw, run.Server);
                break;
            case Step.FailbackFreeze:
                Runs.AddCall(world, moves, index, To(Step.FailbackDraw), To(Step.UndoBegin), To(Step.UndoBegin));
                break;
            case Step.FailbackDraw:
                AddDraw(world, moves, index, identity, Step.FailbackAssign, To(Step.UndoBegin));
                break;
            case Step.FailbackAssign:
                Runs.AddCall(world, moves, index, To(Step.FailbackStart), To(Step.UndoBegin), To(Step.UndoBegin));
                break;
            case Step.FailbackStart:
                Runs.AddCall(world, moves, index, To(Step.FailbackConfirm), To(Step.UndoBegin), To(Step.UndoBegin));
                break;
            case Step.FailbackConfirm:
                // A required channel may stay dark whatever else records.
                AddLook(world, moves, index, identity, To(Step.FailbackNoReturn));
                AddAlways(world, moves, index, identity, To(Step.UndoBegin));
                break;
            case Step.FailbackNoReturn:
                var past = world;
                past.Runs[index].Past = 1;
                Commit(world, past, moves, index, Step.FailbackLook, identity);
                break;
            case Step.FailbackLook:
                AddFailbackLook(world, moves, index);
                break;
            case Step.FailbackStop:
                // Not confirmed in time: stop, last times and hold end are owed, and the run goes on. Else it looks again before it asks again.
                Runs.AddCall(world, moves, index, To(Step.FailbackEndHold), Owe, Owe);
                var again = world;
                again.Runs[index].Step = Step.FailbackLook;
                again.Runs[index].SawAlive = 0;
                moves.Add(Runs.Describe(world, index, How.GivenUp, run.Server), again);
                break;
            case Step.FailbackEndHold:
                Runs.AddCall(world, moves, index, To(Step.FailbackStandBy), Owe, Owe);
                break;
            case Step.FailbackStandBy:
                Runs.AddCall(world, moves, index, ToldToStandBy(run.Server, Step.FailbackPerformed), To(Step.FailbackPerformed), To(Step.FailbackPerformed));
                break;
            default:
                var done = world;
                Grants.FailedBack(ref done, identity);
                Runs.End(ref done, index);
                moves.Add(Runs.Describe(world, index, How.Done, identity), done);
                break;
        }

        static void Owe(ref World w, Bounds bounds, int i)
        {
            w.Duties[Canonical.IdentityOf(i)].Entries[w.Runs[i].Entry].CloseOwed = 1;
            Runs.MoveTo(ref w, i, Step.FailbackPerformed);
        }
    }

    private static void AddChecks(in World world, Moves moves, int index)
    {
        var run = world.Runs[index];
        var identity = Canonical.IdentityOf(index);
        var next = world;
        var failed = Runs.TryRead(ref next, moves, index, identity);
        var failover = failed == true ? Runs.TryRead(ref next, moves, index, run.Server) : null;
        if (failed == false || failover == false)
        {
            moves.Add(Runs.Describe(world, index, How.Refused, identity), next);
            return;
        }

        var isRefused = failed is null || world.Records(identity, identity) || (failover == true && !world.HasAuthority(run.Server, identity));
        var refused = next;
        Runs.End(ref refused, index);
        moves.Add(Runs.Describe(world, index, How.Refused, identity), refused);
        if (!isRefused)
        {
            // An unreachable failover server: with an operator's confirmation.
            next.Runs[index].Away = failover is null ? (byte)1 : (byte)0;
            Commit(world, next, moves, index, Step.FailbackLog, identity);
        }
    }

    private static void AddFailbackLook(in World world, Moves moves, int index)
    {
        var identity = Canonical.IdentityOf(index);
        var next = world;
        if (moves.Bounds.Has(Mistake.StopBeforeFrames))
        {
            next.Runs[index].SawAlive = world.SuccessorRecords(identity, world.Runs[index].Server) ? (byte)1 : (byte)0;
            next.Runs[index].Step = Step.FailbackStop;
            moves.Add(Runs.Describe(world, index, How.Done, identity), next);
            return;
        }

        AddLook(world, moves, index, identity, SeenThen(Step.FailbackStop));
        if (!world.HolderRecords(identity) || !world.Reaches(world.Runs[index].Node, identity))
        {
            Runs.MoveTo(ref next, index, Step.UndoBegin);
            moves.Add(Runs.Describe(world, index, How.GivenUp, identity), next);
        }
    }

    private static void AddUndo(in World world, Moves moves, int index)
    {
        var bounds = moves.Bounds;
        var run = world.Runs[index];
        var identity = Canonical.IdentityOf(index);
        var next = world;
        var isSeen = world.HasAuthority(run.Server, identity) && world.Records(run.Server, identity) && world.Reaches(run.Node, run.Server);
        switch (run.Step)
        {
            case Step.UndoBegin:
                // An unanswered call may still arrive; under a new fence it cannot any more once its recorder was asked.
                if (!bounds.Has(Mistake.FenceKeptAfterNoAnswer))
                {
                    Runs.TakeUp(ref next, bounds, index, run.Node);
                }

                if (bounds.Has(Mistake.ClaimReleasedBeforeUndo) && index < 2)
                {
                    FailEntry(ref next, index);
                    Runs.MoveTo(ref next, index, Step.UndoRead);
                    next.Runs[2] = next.Runs[index];
                    next.Runs[index] = default;
                    moves.Add(Runs.Describe(world, index, How.Done, run.Server), next);
                    break;
                }

                Commit(world, next, moves, index, Step.UndoRead, run.Server);
                break;
            case Step.UndoRead:
                switch (Runs.TryRead(ref next, moves, index, run.Server))
                {
                    case null:
                        Commit(world, next, moves, index, Step.UndoLost, run.Server, How.GivenUp);
                        break;
                    case false:
                        moves.Add(Runs.Describe(world, index, How.Refused, run.Server), next);
                        break;
                    default:
                        var isUntouched = world.HasAuthority(run.Server, identity) && world.Records(run.Server, identity)
                            && world.Servers[run.Server].Rows[identity] is { Frozen: 0, Awaiting: 0 };
                        var step = world.Duties[identity].Holder != run.Server ? Step.UndoDraw : isUntouched ? Step.UndoLook : Step.UndoAssign;
                        if (step == Step.UndoDraw && bounds.Has(Mistake.UndoKeepsEpoch))
                        {
                            step = Step.UndoAssign;
                        }

                        Commit(world, next, moves, index, step, run.Server);
                        break;
                }

                break;
            case Step.UndoDraw:
                AddDraw(world, moves, index, run.Server, Step.UndoAssign, To(Step.UndoLost));
                break;
            case Step.UndoAssign:
                Runs.AddCall(world, moves, index, To(Step.UndoUnfreeze), To(Step.UndoLost));
                break;
            case Step.UndoUnfreeze:
                Runs.AddCall(world, moves, index, To(Step.UndoStart), To(Step.UndoLost));
                break;
            case Step.UndoStart:
                // It may have been restarted meanwhile and wait for its role: it is told again.
                Runs.AddCall(world, moves, index, To(Step.UndoConfirm), To(Step.UndoLost), To(Step.UndoAssign));
                break;
            case Step.UndoConfirm:
                AddLook(world, moves, index, run.Server, To(Step.UndoLook));
                if (!isSeen)
                {
                    Runs.MoveTo(ref next, index, Step.UndoLost);
                    moves.Add(Runs.Describe(world, index, How.GivenUp, run.Server), next);
                }

                break;
            case Step.UndoLook when (world.Duties[identity].OwedStop & (1 << identity)) == 0:
                Commit(world, world, moves, index, Step.UndoEnd, run.Server);
                break;
            case Step.UndoLook when bounds.Has(Mistake.StopsUnseen):
                next.Runs[index].SawAlive = world.SuccessorRecords(identity, identity) ? (byte)1 : (byte)0;
                next.Runs[index].Step = Step.UndoStandBy;
                moves.Add(Runs.Describe(world, index, How.Done, run.Server), next);
                break;
            case Step.UndoLook:
                AddLook(world, moves, index, run.Server, SeenThen(Step.UndoStandBy));
                if (!isSeen)
                {
                    Runs.MoveTo(ref next, index, Step.UndoLost);
                    moves.Add(Runs.Describe(world, index, How.GivenUp, run.Server), next);
                }

                break;
            case Step.UndoStandBy:
                Runs.AddCall(world, moves, index, ToldToStandBy((byte)identity, Step.UndoEnd), To(Step.UndoEnd), To(Step.UndoEnd));
                next.Runs[index].Step = Step.UndoLook;
                next.Runs[index].SawAlive = 0;
                moves.Add(Runs.Describe(world, index, How.GivenUp, identity), next);
                break;
            case Step.UndoLost:
                AddLost(world, moves, index);
                break;
            default:
                FailEntry(ref next, index);
                Runs.End(ref next, index);
                moves.Add(Runs.Describe(world, index, How.Done, run.Server), next);
                break;
        }
    }

    /// <summary>The failover server does not answer, or does not record. Whoever answers first has it; a failed server that records goes forward.</summary>
    private static void AddLost(in World world, Moves moves, int index)
    {
        var bounds = moves.Bounds;
        var run = world.Runs[index];
        var identity = Canonical.IdentityOf(index);
        if (world.Reaches(run.Node, run.Server))
        {
            Commit(world, world, moves, index, Step.UndoRead, run.Server);
        }

        var next = world;
        switch (Runs.TryRead(ref next, moves, index, identity))
        {
            case true when world.Records(identity, identity):
                Commit(world, next, moves, index, !world.HasAuthority(identity, identity) ? Step.FailbackDraw : run.Past == 1 ? Step.FailbackLook : Step.FailbackNoReturn, identity);
                return;
            case false:
                moves.Add(Runs.Describe(world, index, How.Refused, identity), next);
                return;
            default:
                break;
        }

        if (run.Past == 0 || !bounds.Has(Mistake.WaitKeepsClaims))
        {
            // The re-grant is owed: drawn here, told by a poll when the failover server is seen. A new epoch also ends a freeze nobody could lift.
            var ended = world;
            if (!TryDraw(ref ended, moves, index, run.Server, out var refusedBy))
            {
                moves.Add(Runs.Describe(world, index, How.Refused, refusedBy), ended);
                return;
            }

            FailEntry(ref ended, index);
            Runs.End(ref ended, index);
            moves.Add(Runs.Describe(world, index, How.GivenUp, identity), ended);
        }
    }

    private static void AddOwed(in World world, Moves moves, int index)
    {
        var bounds = moves.Bounds;
        var run = world.Runs[index];
        var identity = Canonical.IdentityOf(index);
        var duty = world.Duties[identity];
        switch (run.Step)
        {
            case Step.OwedRead:
                var next = world;
                var read = Runs.TryRead(ref next, moves, index, run.Server);
                if (read != true)
                {
                    if (read is null)
                    {
                        Runs.End(ref next, index);
                    }

                    moves.Add(Runs.Describe(world, index, read is null ? How.GivenUp : How.Refused, run.Server), next);
                    break;
                }

                if (duty.Holder == run.Server && !world.HasAuthority(run.Server, identity) && !bounds.Has(Mistake.GrantNotFirst))
                {
                    // It has not heard of its own grant: any other call under that epoch would stop it. A poll gives it the duty first.
                    Runs.End(ref next, index);
                    moves.Add(Runs.Describe(world, index, How.GivenUp, run.Server), next);
                    break;
                }

                if (duty.Holder == run.Server && !bounds.Has(Mistake.ObligationStopsHolder))
                {
                    // Overtaken: it has the duty by now.
                    next.Duties[identity].OwedStop &= (byte)~(1 << run.Server);
                    Commit(world, next, moves, index, Step.OwedEndHold, run.Server);
                    break;
                }

                var row = world.Servers[run.Server].Rows[identity];
                var isSeen = world.SuccessorRecords(identity, run.Server) && world.Reaches(run.Node, duty.Holder);
                if (row.Recording == 1 && !isSeen && !bounds.Has(Mistake.StopsUnseen) && duty.Holder != run.Server)
                {
                    // It records, and nobody was seen to record in its place: it is not stopped. The obligation stays.
                    Runs.End(ref next, index);
                    moves.Add(Runs.Describe(world, index, How.GivenUp, run.Server), next);
                    break;
                }

                next.Runs[index].SawAlive = isSeen ? (byte)1 : (byte)0;
                next.Runs[index].Step = Step.OwedTell;
                moves.Add(Runs.Describe(world, index, How.Done, run.Server), next);
                break;
            case Step.OwedTell:
                Runs.AddCall(world, moves, index, ToldToStandBy(run.Server, Step.OwedEndHold), Stop, Stop);
                break;
            default:
                if (OwedEntry(duty, run.Server) is not World.NoEntry and var entry)
                {
                    if (duty.Entries[entry].Hold == Hold.Open)
                    {
                        Runs.AddCall(world, moves, index, HoldEnded, Stop, Stop);
                    }
                    else
                    {
                        var none = world;
                        HoldEnded(ref none, bounds, index);
                        moves.Add(Runs.Describe(world, index, How.Done, run.Server), none);
                    }

                    break;
                }

                var done = world;
                Runs.End(ref done, index);
                moves.Add(Runs.Describe(world, index, How.Done, run.Server), done);
                break;
        }

        static void HoldEnded(ref World w, Bounds bounds, int i)
        {
            ref var d = ref w.Duties[Canonical.IdentityOf(i)];
            d.Entries[OwedEntry(d, w.Runs[i].Server)].CloseOwed = 0;
            Runs.MoveTo(ref w, i, Step.OwedEndHold);
        }

        static void Stop(ref World w, Bounds bounds, int i) => Runs.End(ref w, i);
    }

    private static void AddAdopt(in World world, Moves moves, int index)
    {
        var identity = Canonical.IdentityOf(index);
        var giveUp = moves.Bounds.Has(Mistake.AdoptionGivesUp) ? static (ref World w, Bounds _, int i) => Runs.End(ref w, i) : To(Step.AdoptEnd);
        switch (world.Runs[index].Step)
        {
            case Step.AdoptDraw:
                AddDraw(world, moves, index, identity, Step.AdoptAssign, static (ref World w, Bounds _, int i) => Runs.End(ref w, i));
                break;
            // The draw was the decision: from here the adoption is done whoever answers. A poll tells the failed server, and nobody else is stopped
            // before it is seen to record.
            case Step.AdoptAssign:
                Runs.AddCall(world, moves, index, To(Step.AdoptStart), giveUp, giveUp);
                break;
            case Step.AdoptStart:
                Runs.AddCall(world, moves, index, To(Step.AdoptEnd), giveUp, giveUp);
                break;
            default:
                var next = world;
                Grants.FailedBack(ref next, identity);
                Runs.End(ref next, index);
                moves.Add(Runs.Describe(world, index, How.Done, identity), next);
                break;
        }
    }

    /// <summary>Draws an epoch: asks everybody who answers, under the fence, and commits whom it is for before anybody hears of it.</summary>
    private static void AddDraw(in World world, Moves moves, int index, int holder, Step then, Runs.Then giveUp)
    {
        var identity = Canonical.IdentityOf(index);
        var run = world.Runs[index];
        var next = world;
        if (!world.Reaches(run.Node, holder))
        {
            giveUp(ref next, moves.Bounds, index);
            moves.Add(Runs.Describe(world, index, How.GivenUp, holder), next);
            return;
        }

        if (world.Duties[identity].Holder is not World.Unknown and var former && former != identity && then == Step.FailoverAssign)
        {
            // The former failover server's period is over.
            Grants.OweHoldEnds(ref next, identity, former);
        }

        if (TryDraw(ref next, moves, index, holder, out var refusedBy))
        {
            Commit(world, next, moves, index, then, holder);
        }
        else
        {
            moves.Add(Runs.Describe(world, index, How.Refused, refusedBy), next);
        }
    }

    /// <summary>Asks every recorder that answers, then draws. False: one of them knows a newer holder of the claim, and the run is dealt with.</summary>
    private static bool TryDraw(ref World next, Moves moves, int index, int holder, out int refusedBy)
    {
        var identity = Canonical.IdentityOf(index);
        var seen = 0;
        for (refusedBy = 0; refusedBy < moves.Bounds.Servers; refusedBy++)
        {
            switch (Runs.TryRead(ref next, moves, index, refusedBy))
            {
                case true:
                    seen = Math.Max(seen, next.Servers[refusedBy].Rows[identity].Epoch);
                    break;
                case false:
                    return false;
                default:
                    break;
            }
        }

        Grants.Draw(ref next, moves.Bounds, identity, holder, seen);
        return true;
    }

    /// <summary>A fresh frame under the current epoch, read under the fence. Without one nothing happens here.</summary>
    private static void AddLook(in World world, Moves moves, int index, int server, Runs.Then seen)
    {
        var identity = Canonical.IdentityOf(index);
        var next = world;
        switch (Runs.TryRead(ref next, moves, index, server))
        {
            case true when world.HasAuthority(server, identity) && world.Records(server, identity):
                seen(ref next, moves.Bounds, index);
                moves.Add(Runs.Describe(world, index, How.Done, server), next);
                break;
            case false:
                moves.Add(Runs.Describe(world, index, How.Refused, server), next);
                break;
            default:
                break;
        }
    }

    private static void AddAlways(in World world, Moves moves, int index, int server, Runs.Then then)
    {
        var next = world;
        then(ref next, moves.Bounds, index);
        moves.Add(Runs.Describe(world, index, How.GivenUp, server), next);
    }

    private static void Commit(in World world, in World changed, Moves moves, int index, Step then, int server, How how = How.Done)
    {
        var next = changed;
        Runs.MoveTo(ref next, index, then);
        moves.Add(Runs.Describe(world, index, how, server), next);
    }

    private static Runs.Then To(Step step) => (ref World w, Bounds _, int i) => Runs.MoveTo(ref w, i, step);

    /// <summary>The look and what follows it are one execution: it keeps its key, and a crash goes back to the look.</summary>
    private static Runs.Then SeenThen(Step step) => (ref World w, Bounds _, int i) =>
    {
        w.Runs[i].Step = step;
        w.Runs[i].SawAlive = 1;
    };

    private static Runs.Then ToldToStandBy(byte server, Step step) => (ref World w, Bounds _, int i) =>
    {
        w.Duties[Canonical.IdentityOf(i)].OwedStop &= (byte)~(1 << server);
        Runs.MoveTo(ref w, i, step);
    };
}
