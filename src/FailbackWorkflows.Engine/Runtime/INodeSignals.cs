namespace FailbackWorkflows.Engine.Runtime;

/// <summary>What a signal says.</summary>
public enum NodeSignalKind
{
    /// <summary>The sender has more runnable instances than places; whoever has places may look.</summary>
    WorkWaits,

    /// <summary>A message was put into the inbox of the instance that <see cref="NodeSignal.Subject"/> names.</summary>
    Posted,

    /// <summary>Rows were changed; <see cref="NodeSignal.Subject"/> says which kind of change it was.</summary>
    Changed,

    /// <summary>Signals may have been lost: anything may have happened meanwhile.</summary>
    Missed,
}

/// <summary>A signal from one node to the others.</summary>
public readonly record struct NodeSignal(NodeSignalKind Kind, string? Subject = null);

/// <summary>
/// What nodes on one database tell each other, so that none has to wait for its next look. Signals are hints: they come after the commit they
/// tell of, equal ones may come as one, and any may be lost. Whoever receives one looks into the database.
/// </summary>
public interface INodeSignals
{
    /// <summary>Tells the other nodes, soon. Never throws and never waits.</summary>
    void Send(NodeSignal signal);

    /// <summary>Has <paramref name="receiver"/> called for each signal of another node. It must be quick; it is called by one thread at a time.</summary>
    void Subscribe(Action<NodeSignal> receiver);
}

/// <summary>For a database that lets one process in.</summary>
public sealed class NoOtherNodes : INodeSignals
{
    /// <inheritdoc/>
    public void Send(NodeSignal signal)
    {
        // Nobody is there to hear it.
    }

    /// <inheritdoc/>
    public void Subscribe(Action<NodeSignal> receiver)
    {
        // Nobody is there to say anything.
    }
}
