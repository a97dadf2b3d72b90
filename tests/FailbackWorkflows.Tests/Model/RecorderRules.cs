namespace FailbackWorkflows.Tests.Model;

/// <summary>What a recorder answers.</summary>
public enum Answer : byte
{
    Ok,

    /// <summary>412: somebody newer is in charge. Nothing is remembered.</summary>
    Stale,

    /// <summary>409: it makes no sense here and now.</summary>
    Conflict,
}

/// <summary>A recorder's part of the protocol, as docs/recorder-api.md tells it: authority, learning, key, effect, all in one transaction.</summary>
public static class RecorderRules
{
    public static Answer Apply(ref World world, Bounds bounds, in Message message, ref byte keyKnown)
    {
        ref var row = ref world.Servers[message.Server].Rows[message.Identity];
        if (message.Epoch < row.Epoch || (message.Fence < row.Fence && !bounds.Has(Mistake.OldFenceAccepted)))
        {
            return Answer.Stale;
        }

        var recorded = world.Records(message.Server, message.Identity);
        if (message.Fence > row.Fence)
        {
            row.Fence = message.Fence;
        }

        var isAssignment = message.Call is Call.AssignRecorder or Call.AssignStandby;
        if (message.Epoch > row.Epoch && !isAssignment)
        {
            row = new DutyRow { Epoch = message.Epoch, Fence = row.Fence };
        }

        var answer = Answer.Ok;
        if (keyKnown == 0)
        {
            answer = Effect(ref world, bounds, message, ref row);
            keyKnown = answer == Answer.Ok ? (byte)1 : (byte)0;
        }

        if (recorded && !world.Records(message.Server, message.Identity) && message.Alive == 0 && world.Violation == Violation.None)
        {
            world.Violation = Violation.LiveStoppedForDead;
        }

        return answer;
    }

    /// <summary>Raises the fence before a read. False: a newer holder of the claim was here.</summary>
    public static bool RaiseFence(ref World world, Bounds bounds, int server, int identity, byte fence)
    {
        if (bounds.Has(Mistake.NoFenceBeforeReading))
        {
            return true;
        }

        ref var row = ref world.Servers[server].Rows[identity];
        if (fence < row.Fence && !bounds.Has(Mistake.OldFenceAccepted))
        {
            return false;
        }

        row.Fence = Math.Max(fence, row.Fence);
        return true;
    }

    /// <summary>Power comes back: a duty that was recorded waits to be told.</summary>
    public static void Crash(ref World world, int server)
    {
        world.Servers[server].Up = 0;
        for (var identity = 0; identity < 2; identity++)
        {
            ref var row = ref world.Servers[server].Rows[identity];
            row.Awaiting = row.Role == Role.Recorder ? (byte)1 : (byte)0;
        }
    }

    private static Answer Effect(ref World world, Bounds bounds, in Message message, ref DutyRow row)
    {
        ref var entry = ref world.Duties[message.Identity].Entries[message.Entry == 1 ? 1 : 0];
        var hasEntry = message.Entry != World.NoEntry && entry.Exists == 1 && entry.Server == message.Server;
        switch (message.Call)
        {
            case Call.AssignRecorder:
            case Call.AssignStandby:
                var role = message.Call == Call.AssignRecorder ? Role.Recorder : Role.Standby;
                if (message.Epoch == row.Epoch && row.Alloc != 0)
                {
                    if (row.Alloc == message.Alloc && row.Role == role)
                    {
                        row.Awaiting = 0;
                        return Answer.Ok;
                    }

                    if (!bounds.Has(Mistake.OtherAllocationAccepted) || row.Alloc == message.Alloc)
                    {
                        return Answer.Conflict;
                    }

                    world.Violation = Violation.EpochMeansTwoThings;
                }

                // The hold opens in the command that gives the duty.
                if (role == Role.Recorder && hasEntry && entry.Hold == Hold.None && !bounds.Has(Mistake.HoldAfterDuty))
                {
                    entry.Hold = Hold.Open;
                }

                var goesOn = role == Role.Recorder && row.Recording == 1 && row.Awaiting != 1;
                row = new DutyRow { Role = role, Epoch = message.Epoch, Alloc = message.Alloc, Fence = row.Fence, Recording = goesOn ? (byte)1 : (byte)0 };
                return Answer.Ok;
            case Call.StartRecording:
                if (row.Role != Role.Recorder || row.Awaiting == 1)
                {
                    return Answer.Conflict;
                }

                row.Recording = 1;
                return Answer.Ok;
            case Call.StopRecording:
                row.Recording = 0;
                return Answer.Ok;
            case Call.CloseHold:
                if (hasEntry && entry.Hold == Hold.Open)
                {
                    entry.Hold = Hold.Closed;
                }

                return Answer.Ok;
            case Call.Freeze:
                row.Frozen = 1;
                return Answer.Ok;
            case Call.Unfreeze:
                row.Frozen = 0;
                return Answer.Ok;
            default:
                return Answer.Ok;
        }
    }
}
