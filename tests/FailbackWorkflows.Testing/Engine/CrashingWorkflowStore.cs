using FailbackWorkflows.Engine.Storage;

namespace FailbackWorkflows.Testing.Engine;

/// <summary>When a <see cref="CrashingWorkflowStore"/> or a process dies.</summary>
public enum CrashMoment
{
    /// <summary>Nothing of the commit is written.</summary>
    BeforeCommit,

    /// <summary>The commit is written, but the node never learns of it.</summary>
    AfterCommit,

    /// <summary>The commit is written, and that it is so is the last the node learns.</summary>
    Acknowledged,
}

/// <summary>
/// One node's way to a store, cut off for good at a chosen commit as if the process had been killed there. Other nodes use the store behind it.
/// </summary>
/// <param name="commit">Which commit of this node, from 1.</param>
public sealed class CrashingWorkflowStore(IWorkflowStore store, CrashMoment moment, int commit) : DelegatingWorkflowStore(store)
{
    private readonly TaskCompletionSource _died = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _commits;
    private volatile bool _isDead;

    /// <summary>Completes when the node is dead.</summary>
    public Task Died => _died.Task;

    public override async Task CommitAsync(StepCommit step, CancellationToken cancellationToken)
    {
        ThrowIfDead();
        var isLast = Interlocked.Increment(ref _commits) == commit;
        if (isLast && moment == CrashMoment.BeforeCommit)
        {
            End();
            throw new NodeDiedException();
        }

        await base.CommitAsync(step, cancellationToken);
        if (isLast)
        {
            End();
            if (moment != CrashMoment.Acknowledged)
            {
                throw new NodeDiedException();
            }
        }
    }

    protected override IWorkflowStore Inner
    {
        get
        {
            ThrowIfDead();
            return base.Inner;
        }
    }

    private void ThrowIfDead()
    {
        if (_isDead)
        {
            throw new NodeDiedException();
        }
    }

    private void End()
    {
        _isDead = true;
        _died.TrySetResult();
    }
}

/// <summary>The process would not have lived to see this.</summary>
public sealed class NodeDiedException() : Exception("The node died.");
