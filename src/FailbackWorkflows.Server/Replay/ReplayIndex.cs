using System.Collections.Frozen;
using FailbackWorkflows.Persistence.Workflows;

namespace FailbackWorkflows.Server.Replay;

/// <summary>What an activity was at an event.</summary>
public enum ReplayedActivity : byte
{
    /// <summary>Not reached yet.</summary>
    NotExecuted,

    Running,

    /// <summary>Waits for a time or an event, a retry included.</summary>
    Waiting,

    Done,

    /// <summary>An attempt failed, or it gave up and the run went another way.</summary>
    Failed,

    /// <summary>It failed and stopped the run.</summary>
    Faulted,

    Cancelled,
}

/// <summary>
/// What every activity was at every event of a run: a byte per event, and all states every so many events, so that any event of a very long run is found at once.
/// Not for several threads.
/// </summary>
internal sealed class ReplayIndex(IReadOnlyDictionary<string, int> nodes)
{
    /// <summary>Events from one keyframe to the next.</summary>
    public const int Every = 512;

    private readonly List<byte> _kinds = [];
    private readonly List<int> _nodes = [];
    private readonly List<long> _ticks = [];
    private readonly List<byte[]> _keyframes = [new byte[nodes.Count]];
    private readonly byte[] _states = new byte[nodes.Count];
    private readonly List<long> _failures = [];

    /// <summary>The kinds that change what an activity is.</summary>
    private static readonly FrozenDictionary<string, byte> Kinds = new[]
    {
        "activityStarted", "activityCompleted", "activityFaulted", "activitySuspended", "bookmarkDue", "stimulusReceived", "activityCancelled", "instanceFaulted",
    }.Select((kind, index) => (kind, index)).ToFrozenDictionary(k => k.kind, k => (byte)(k.index + 1), StringComparer.Ordinal);

    /// <summary>Events so far; they are numbered from 1.</summary>
    public long Count => _kinds.Count;

    /// <summary>Numbers of the events at which something failed, in order.</summary>
    public IReadOnlyList<long> Failures => _failures;

    public void Add(OutlinedEvent item)
    {
        var kind = Kinds.GetValueOrDefault(item.Kind);
        var node = item.NodeId is { } id && nodes.TryGetValue(id, out var index) ? index : -1;
        _kinds.Add(kind);
        _nodes.Add(node);
        _ticks.Add(item.At.UtcTicks);
        Step(_states, kind, node);
        if (kind is 3 or 8)
        {
            _failures.Add(item.Sequence);
        }

        if (_kinds.Count % Every == 0)
        {
            _keyframes.Add([.. _states]);
        }
    }

    /// <summary>The states after an event, by the activities' indexes.</summary>
    public ReplayedActivity[] StatesAt(long sequence)
    {
        var keyframe = (int)(sequence / Every);
        var states = (byte[])_keyframes[keyframe].Clone();
        for (var i = keyframe * Every; i < sequence; i++)
        {
            Step(states, _kinds[i], _nodes[i]);
        }

        return Array.ConvertAll(states, s => (ReplayedActivity)s);
    }

    public DateTimeOffset AtOf(long sequence) => new(_ticks[(int)sequence - 1], TimeSpan.Zero);

    private static void Step(byte[] states, byte kind, int node)
    {
        if (node < 0)
        {
            return;
        }

        states[node] = (byte)(kind switch
        {
            1 or 5 or 6 => ReplayedActivity.Running,
            2 => ReplayedActivity.Done,
            3 => ReplayedActivity.Failed,
            4 => ReplayedActivity.Waiting,
            7 => ReplayedActivity.Cancelled,
            8 => ReplayedActivity.Faulted,
            _ => (ReplayedActivity)states[node],
        });
    }
}
