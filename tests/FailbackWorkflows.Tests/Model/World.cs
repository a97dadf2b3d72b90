using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace FailbackWorkflows.Tests.Model;

/// <summary>What a server is for a recorded identity.</summary>
public enum Role : byte
{
    /// <summary>Never heard of the duty, stands by, or is its failover server: it does not record it.</summary>
    Standby,
    Recorder,
}

/// <summary>What the recorder keeps of one retention hold.</summary>
public enum Hold : byte
{
    None,
    Open,
    Closed,
}

public enum FailoverPart : byte
{
    Running,
    Done,
    Failed,
}

public enum FailbackPart : byte
{
    NotStarted,
    Running,
    Failed,
    Done,
}

/// <summary>A call to a recorder that changes something.</summary>
public enum Call : byte
{
    None,
    AssignRecorder,
    AssignStandby,
    StartRecording,
    StopRecording,
    CloseHold,
    Freeze,
    Unfreeze,
}

/// <summary>Where a run stands: the activity that is to be executed next, as the last commit wrote it.</summary>
public enum Step : byte
{
    None,
    FailoverLog,
    FailoverDraw,
    FailoverAssign,
    FailoverStart,
    FailoverConfirm,
    FailoverFail,
    FailbackCheck,
    FailbackLog,
    FailbackFreeze,
    FailbackDraw,
    FailbackAssign,
    FailbackStart,
    FailbackConfirm,
    FailbackNoReturn,
    FailbackLook,
    FailbackStop,
    FailbackEndHold,
    FailbackStandBy,
    FailbackPerformed,
    UndoBegin,
    UndoRead,
    UndoDraw,
    UndoAssign,
    UndoUnfreeze,
    UndoStart,
    UndoConfirm,
    UndoLook,
    UndoStandBy,
    UndoLost,
    UndoEnd,
    OwedRead,
    OwedTell,
    OwedEndHold,
    AdoptDraw,
    AdoptAssign,
    AdoptStart,
    AdoptEnd,
}

/// <summary>One row of the failover log together with the retention hold it opened. All fields are one byte, so a state is compared as bytes.</summary>
public struct Entry
{
    /// <summary>0: there is no such entry. 1: there is. The failover server is <see cref="Server"/>.</summary>
    public byte Exists;

    /// <summary>0 after a database was restored that did not know the entry; the hold at the recorder is there all the same.</summary>
    public byte Known;
    public byte Server;
    public FailoverPart Failover;
    public FailbackPart Failback;

    /// <summary>Kept by the recorder, not by the database.</summary>
    public Hold Hold;

    /// <summary>Obligation: the hold's end has to be closed at <see cref="Server"/>.</summary>
    public byte CloseOwed;
}

/// <summary>A workflow instance with the claim on its identity.</summary>
public struct Run
{
    public Step Step;

    /// <summary>The other participant: failover server, or the server an obligation is delivered to.</summary>
    public byte Server;

    /// <summary>Index of the failover log entry.</summary>
    public byte Entry;

    /// <summary>A node has taken the run up and raised the duty fence; lost when that node dies.</summary>
    public byte Acquired;

    /// <summary>The node that has the lease.</summary>
    public byte Node;

    /// <summary>Fence of the newest acquisition.</summary>
    public byte Fence;

    /// <summary>The point of no return is committed.</summary>
    public byte Past;

    /// <summary>The failover server was unreachable from the start and an operator confirmed.</summary>
    public byte Away;

    /// <summary>An incident: waits for an operator.</summary>
    public byte Faulted;

    /// <summary>The recorder knows the key of the activity that is being executed.</summary>
    public byte KeyKnown;

    /// <summary>What really was at the moment of the look before a stop: the successor recorded. No part of the protocol; the properties judge by it.</summary>
    public byte SawAlive;

    public readonly bool IsRunning => Step != Step.None;
}

/// <summary>Two of something, by index.</summary>
[InlineArray(2)]
public struct Two<T>
    where T : unmanaged
{
    private T _first;
}

/// <summary>Three of something, by index.</summary>
[InlineArray(3)]
public struct Three<T>
    where T : unmanaged
{
    private T _first;
}

/// <summary>What the management server's database knows of one recorded identity. Identity <c>i</c> is the duty of server <c>i</c>.</summary>
public struct Duty
{
    public byte Holder;
    public byte Epoch;
    public byte Alloc;
    public byte Fence;

    /// <summary>Obligations: the servers (a bit each) that must learn the current epoch and stop.</summary>
    public byte OwedStop;

    /// <summary>Largest epoch written to the checkpoint outside of the database.</summary>
    public byte Checkpoint;

    /// <summary>Epoch in yesterday's backup; 0 when there is none or it was restored.</summary>
    public byte Backup;
    public Two<Entry> Entries;
}

/// <summary>What a recorder keeps durably of one recorded identity.</summary>
public struct DutyRow
{
    public Role Role;
    public byte Epoch;

    /// <summary>Which drawing of that number: 0 when only the number was learned.</summary>
    public byte Alloc;
    public byte Fence;

    /// <summary>Recording is intended; survives restarts.</summary>
    public byte Recording;

    /// <summary>1: restarted with the duty, waits to be told (awaitingRole). 2: unanswered for bootConfirm, records provisionally.</summary>
    public byte Awaiting;
    public byte Frozen;
}

public struct Server
{
    public byte Up;
    public Two<DutyRow> Rows;
}

/// <summary>A call that left and has not arrived: nobody waits for its answer any more.</summary>
public struct Message
{
    public Call Call;
    public byte Server;
    public byte Identity;
    public byte Epoch;
    public byte Alloc;
    public byte Fence;
    public byte Entry;

    /// <summary>It carries the key of the activity that its run is still executing.</summary>
    public byte Current;

    /// <summary>What really was when it was sent: another server recorded the duty under the current epoch.</summary>
    public byte Alive;
}

/// <summary>One state of everything. Only bytes, no references: equal states are equal bytes.</summary>
public struct World
{
    public const int Unknown = 7;
    public const int NoEntry = 3;

    public Two<Duty> Duties;

    /// <summary>The claimed run of each identity; the third is only used by the mistake that gives up a claim too early.</summary>
    public Three<Run> Runs;
    public Three<Server> Servers;
    public Two<byte> NodeUp;

    /// <summary>Per node, a bit per server it is cut off from.</summary>
    public Two<byte> Cut;
    public Two<Message> Messages;
    public byte Restored;

    /// <summary>Faults so far, as far as the bounds count them.</summary>
    public byte Faults;

    /// <summary>Set by a step that did what must never happen; see <see cref="Properties"/>.</summary>
    public Violation Violation;

    public static int Size { get; } = Unsafe.SizeOf<World>();

    public readonly bool Reaches(int node, int server) => NodeUp[node] == 1 && Servers[server].Up == 1 && (Cut[node] & (1 << server)) == 0;

    public readonly bool IsReachable(int server) => Reaches(0, server) || Reaches(1, server);

    /// <summary>Frames are really written, whoever believes what.</summary>
    public readonly bool Records(int server, int identity)
    {
        var row = Servers[server].Rows[identity];
        return Servers[server].Up == 1 && row.Recording == 1 && row.Awaiting != 1;
    }

    /// <summary>The server really records the identity with authority.</summary>
    public readonly bool HolderRecords(int identity)
    {
        var duty = Duties[identity];
        return duty.Holder != Unknown && Records(duty.Holder, identity) && HasAuthority(duty.Holder, identity);
    }

    public readonly bool HasAuthority(int server, int identity)
    {
        var duty = Duties[identity];
        var row = Servers[server].Rows[identity];
        return duty.Holder == server && row.Role == Role.Recorder && row.Epoch == duty.Epoch && row.Alloc == duty.Alloc;
    }

    /// <summary>Another server than <paramref name="except"/> has the current epoch and records.</summary>
    public readonly bool SuccessorRecords(int identity, int except) => Duties[identity].Holder != except && HolderRecords(identity);
}

/// <summary>The bytes of a state.</summary>
public static class WorldBytes
{
    public static ReadOnlySpan<byte> Of(ref World world) => MemoryMarshal.AsBytes(new ReadOnlySpan<World>(ref world));

    /// <summary>Only spreads states over the table; states are compared whole.</summary>
    public static int Hash(ReadOnlySpan<byte> bytes)
    {
        var hash = 0x9E3779B97F4A7C15UL;
        while (bytes.Length >= sizeof(ulong))
        {
            hash = Mix(hash ^ MemoryMarshal.Read<ulong>(bytes));
            bytes = bytes[sizeof(ulong)..];
        }

        foreach (var value in bytes)
        {
            hash = Mix(hash ^ value);
        }

        return (int)(hash >> 32);

        static ulong Mix(ulong value) => System.Numerics.BitOperations.RotateLeft(value * 0xD6E8FEB86659FD93UL, 31) * 0x9FB21C651E98DF25UL;
    }
}
