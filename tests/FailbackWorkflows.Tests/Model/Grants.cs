namespace FailbackWorkflows.Tests.Model;

/// <summary>Who gets a duty: drawing an epoch and everything that is committed with it.</summary>
public static class Grants
{
    /// <summary>1 + the largest of database, asked recorders and checkpoint.</summary>
    /// <param name="seen">Largest epoch that the recorders told which were asked.</param>
    public static void Draw(ref World world, Bounds bounds, int identity, int holder, int seen)
    {
        ref var duty = ref world.Duties[identity];
        if (bounds.Has(Mistake.RestoredDrawsOldEpoch))
        {
            seen = 0;
        }

        var former = duty.Holder;
        duty.Epoch = (byte)(1 + Math.Max(Math.Max(duty.Epoch, seen), bounds.EpochsAreRanks ? duty.Checkpoint : 0));
        duty.Alloc = bounds.EpochsAreRanks ? (byte)1 : NextAllocation(world, identity, duty.Epoch);
        duty.Holder = (byte)holder;
        if (bounds.EpochsAreRanks)
        {
            // Written ahead of the commit: no recorder ever knows an epoch that the checkpoint does not.
            duty.Checkpoint = duty.Epoch;
        }

        if (!bounds.Has(Mistake.ObligationStopsHolder))
        {
            duty.OwedStop &= (byte)~(1 << holder);
        }

        if (former != holder && former != World.Unknown && !bounds.Has(Mistake.FormerHolderForgotten))
        {
            duty.OwedStop |= (byte)(1 << former);
        }

        if (bounds.Has(Mistake.HoldClosedAtGrant) && holder == identity)
        {
            CloseAll(ref duty);
        }
    }

    /// <summary>The periods of all entries at <paramref name="server"/> are over.</summary>
    public static void OweHoldEnds(ref World world, int identity, int server)
    {
        for (var index = 0; index < 2; index++)
        {
            ref var entry = ref world.Duties[identity].Entries[index];
            if (entry.Exists == 1 && entry.Known == 1 && entry.Server == server && entry.Hold != Hold.Closed)
            {
                entry.CloseOwed = 1;
            }
        }
    }

    /// <summary>Failback is done for this and every other entry of the failed server.</summary>
    public static void FailedBack(ref World world, int identity)
    {
        for (var index = 0; index < 2; index++)
        {
            ref var entry = ref world.Duties[identity].Entries[index];
            if (entry.Exists == 1 && entry.Known == 1 && entry.Failover == FailoverPart.Done)
            {
                entry.Failback = FailbackPart.Done;
                if (entry.Hold == Hold.Open)
                {
                    entry.CloseOwed = 1;
                }
            }
        }
    }

    /// <summary>The entry is finalized, its hold released: nobody speaks of it any more.</summary>
    public static void Remove(ref World world, int identity, int index)
    {
        ref var entries = ref world.Duties[identity].Entries;
        if (index == 0)
        {
            entries[0] = entries[1];
        }

        entries[1] = default;
        for (var run = 0; run < 3; run++)
        {
            ref var entry = ref world.Runs[run].Entry;
            if (Canonical.IdentityOf(run) == identity && entry != World.NoEntry && entry > index)
            {
                entry--;
            }
        }

        for (var slot = 0; slot < 2; slot++)
        {
            ref var message = ref world.Messages[slot];
            if (message.Call != Call.None && message.Identity == identity && message.Entry != World.NoEntry && message.Entry >= index)
            {
                message.Entry = message.Entry == index ? (byte)World.NoEntry : (byte)(message.Entry - 1);
            }
        }
    }

    /// <summary>Without ranks a number may be drawn twice; the allocation id tells the drawings apart.</summary>
    private static byte NextAllocation(in World world, int identity, byte epoch)
    {
        byte largest = 0;
        for (var server = 0; server < 3; server++)
        {
            var row = world.Servers[server].Rows[identity];
            largest = row.Epoch == epoch ? Math.Max(largest, row.Alloc) : largest;
        }

        for (var slot = 0; slot < 2; slot++)
        {
            var message = world.Messages[slot];
            largest = message.Call != Call.None && message.Identity == identity && message.Epoch == epoch ? Math.Max(largest, message.Alloc) : largest;
        }

        return (byte)(largest + 1);
    }

    private static void CloseAll(ref Duty duty)
    {
        for (var index = 0; index < 2; index++)
        {
            ref var entry = ref duty.Entries[index];
            if (entry.Hold == Hold.Open)
            {
                entry.Hold = Hold.Closed;
            }
        }
    }
}
