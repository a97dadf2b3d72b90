namespace FailbackWorkflows.Tests.Model;

/// <summary>What must never be.</summary>
public enum Violation : byte
{
    None,

    /// <summary>Two servers are recorder of one identity under the same epoch.</summary>
    TwoHolders,

    /// <summary>Nobody is going to tell a server that its duty has moved.</summary>
    RecorderForgotten,

    /// <summary>A hold has no end although its period is over, and nobody is going to close it.</summary>
    HoldForgotten,

    /// <summary>A recording that ran was stopped, and nobody had been seen recording in its place.</summary>
    LiveStoppedForDead,

    /// <summary>A failover server records for another and no open hold keeps it.</summary>
    NotHeld,

    /// <summary>Settings stay frozen though no run needs it.</summary>
    LeftFrozen,

    /// <summary>A recorder gave one epoch number two meanings.</summary>
    EpochMeansTwoThings,

    /// <summary>No good end can be reached any more, even if nothing else goes wrong and everything is repaired.</summary>
    NoWayOut,

    /// <summary>A server that could record is there, but without repairing the others nobody will ever record with authority.</summary>
    NoWayOutWithoutRepair,
}

/// <summary>The properties of states. Those of steps are judged where the step happens (<see cref="RecorderRules"/>).</summary>
public static class Properties
{
    public static Violation Check(in World world, Bounds bounds)
    {
        if (world.Violation != Violation.None)
        {
            return world.Violation;
        }

        for (var identity = 0; identity < bounds.Identities; identity++)
        {
            if (CheckIdentity(world, bounds, identity) is not Violation.None and var violation)
            {
                return violation;
            }
        }

        return Violation.None;
    }

    /// <summary>The good end: every claim, obligation and hold is gone, and exactly the current holder records, with authority.</summary>
    public static bool IsGoodEnd(in World world, Bounds bounds)
    {
        if (world.Messages[0].Call != Call.None || world.Messages[1].Call != Call.None || world.Runs[2].IsRunning)
        {
            return false;
        }

        for (var identity = 0; identity < bounds.Identities; identity++)
        {
            var duty = world.Duties[identity];
            if (world.Runs[identity].IsRunning || duty.OwedStop != 0 || duty.Entries[0].Exists == 1 || duty.Entries[1].Exists == 1 || !world.HolderRecords(identity))
            {
                return false;
            }

            for (var server = 0; server < bounds.Servers; server++)
            {
                var row = world.Servers[server].Rows[identity];
                if (row.Frozen == 1 || row.Awaiting != 0 || (server != duty.Holder && row.Role == Role.Recorder))
                {
                    return false;
                }
            }
        }

        return true;
    }

    /// <summary>An identity is served: whoever has it records with authority, and no run is stuck in between.</summary>
    public static bool IsServed(in World world, int identity) => !world.Runs[identity].IsRunning && world.HolderRecords(identity);

    /// <summary>Some server that may have the duty answers, and the bounds leave room for a failover.</summary>
    public static bool CouldBeServed(in World world, Bounds bounds, int identity)
    {
        var entries = world.Duties[identity].Entries;
        var isLogging = world.Runs[identity].Step == Step.FailoverLog ? 1 : 0;
        if (entries[0].Exists + entries[1].Exists + isLogging >= bounds.OpenEntries)
        {
            return false;
        }

        for (var server = 0; server < bounds.Servers; server++)
        {
            if ((server == identity || (bounds.Takers[identity] & (1 << server)) != 0) && world.IsReachable(server))
            {
                return true;
            }
        }

        return false;
    }

    private static Violation CheckIdentity(in World world, Bounds bounds, int identity)
    {
        var duty = world.Duties[identity];
        var isClaimed = world.Runs[identity].IsRunning || world.Runs[2].IsRunning;
        for (var server = 0; server < bounds.Servers; server++)
        {
            var row = world.Servers[server].Rows[identity];
            if (row.Role == Role.Recorder)
            {
                for (var other = server + 1; other < bounds.Servers; other++)
                {
                    var another = world.Servers[other].Rows[identity];
                    if (another.Role == Role.Recorder && another.Epoch == row.Epoch)
                    {
                        return Violation.TwoHolders;
                    }
                }
            }

            if (server != identity && world.Records(server, identity) && !IsHeld(duty, server))
            {
                return Violation.NotHeld;
            }

            // A restored database has forgotten by its nature; what it must find again is judged by the way out.
            if (!isClaimed && world.Restored == 0)
            {
                if (server != duty.Holder && (row.Role == Role.Recorder || row.Recording == 1) && (duty.OwedStop & (1 << server)) == 0)
                {
                    return Violation.RecorderForgotten;
                }

                if (row.Frozen == 1 && world.HasAuthority(server, identity))
                {
                    return Violation.LeftFrozen;
                }
            }
        }

        if (!isClaimed)
        {
            for (var index = 0; index < 2; index++)
            {
                var entry = duty.Entries[index];
                if (entry is { Exists: 1, Known: 1, Hold: Hold.Open, CloseOwed: 0 } && (entry.Failback == FailbackPart.Done || entry.Failover == FailoverPart.Failed))
                {
                    return Violation.HoldForgotten;
                }
            }
        }

        return Violation.None;
    }

    private static bool IsHeld(in Duty duty, int server)
    {
        for (var index = 0; index < 2; index++)
        {
            if (duty.Entries[index] is { Exists: 1, Hold: Hold.Open } entry && entry.Server == server)
            {
                return true;
            }
        }

        return false;
    }
}
