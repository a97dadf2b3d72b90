using System.Collections.Concurrent;
using System.Threading.Channels;
using FailbackWorkflows.Engine.Storage;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace FailbackWorkflows.Engine.Runtime;

/// <summary>
/// Finds what is due, posted or orphaned, leases it to this node and has it run. It owns no truth: whatever it forgets is still runnable in
/// the database and found at the next look.
/// </summary>
internal sealed class WorkflowDispatcher(
    IWorkflowStore store,
    WorkflowRunner runner,
    TimeProvider time,
    WorkflowEngineOptions options,
    INodeSignals signals,
    WorkflowMetrics metrics,
    WorkflowPulse pulse,
    ILogger<WorkflowDispatcher> logger,
    IHostApplicationLifetime? lifetime = null) : BackgroundService
{
    private readonly Channel<bool> _wake = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly ConcurrentDictionary<string, LiveRun> _running = new(StringComparer.Ordinal);

    // Neither is disposed: when a start fails, the host disposes this while the loop is still on its way out and uses them.
    private readonly SemaphoreSlim _slots = new(options.MaxConcurrentInstances);
    private readonly CancellationTokenSource _stopping = new();

    /// <summary>Runs an instance that this node has just leased by starting it.</summary>
    public void Run(Lease lease, LiveInstance live) => Begin(lease, live);

    /// <summary>Something may have become runnable.</summary>
    public void Wake() => _wake.Writer.TryWrite(true);

    /// <summary>A message was put into the inbox of an instance; when it runs here, it is told at its next step.</summary>
    public void Posted(string instanceId)
    {
        if (_running.TryGetValue(instanceId, out var run))
        {
            run.Live?.Signal();
        }
        else
        {
            signals.Send(new NodeSignal(NodeSignalKind.Posted, instanceId));
        }

        Wake();
    }

    /// <summary>Leases of an earlier life are given back before the host serves anybody: later it would take the lease of what was just started.</summary>
    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        await store.ReleaseLeasesOfAsync(options.Node, cancellationToken);
        signals.Subscribe(Hear);
        runner.Told = () =>
        {
            signals.Send(new NodeSignal(NodeSignalKind.WorkWaits));
            Wake();
        };
        await base.StartAsync(cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var heartbeat = HeartbeatAsync(stoppingToken);
        try
        {
            await WaitUntilServedAsync(stoppingToken);
            while (!stoppingToken.IsCancellationRequested)
            {
                pulse.Beat();
                await ClaimAsync(stoppingToken);
                await WaitAsync(stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            logger.LogInformation("Node {Node} stops and hands over {Count} running workflows", options.Node, _running.Count);
        }

        await _stopping.CancelAsync();
        await Task.WhenAll(_running.Values.Select(r => r.Task ?? Task.CompletedTask));
        await heartbeat;
    }

    /// <summary>
    /// A process that cannot serve (its address is taken, say) is about to end and must not go on with anybody's run. Without a host there is
    /// nothing to wait for.
    /// </summary>
    private async Task WaitUntilServedAsync(CancellationToken cancellationToken)
    {
        if (lifetime is null)
        {
            return;
        }

        var served = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var registration = lifetime.ApplicationStarted.Register(served.SetResult);
        await served.Task.WaitAsync(cancellationToken);
    }

    private void Hear(NodeSignal signal)
    {
        switch (signal.Kind)
        {
            case NodeSignalKind.Posted when signal.Subject is { } instanceId && _running.TryGetValue(instanceId, out var run):
                run.Live?.Signal();
                break;
            case NodeSignalKind.Missed:
                foreach (var each in _running.Values)
                {
                    each.Live?.Signal();
                }

                Wake();
                break;
            case NodeSignalKind.Posted or NodeSignalKind.WorkWaits:
                Wake();
                break;
            default:
                break;
        }
    }

    private async Task ClaimAsync(CancellationToken cancellationToken)
    {
        try
        {
            // Counted by what was begun, not by free slots: a run takes its slot only a moment after it was begun.
            while (options.MaxConcurrentInstances - _running.Count is > 0 and var max)
            {
                var leases = await store.ClaimRunnableAsync(options.Node, time.GetUtcNow(), options.LeaseDuration, max, cancellationToken);
                foreach (var lease in leases)
                {
                    Begin(lease, null);
                }

                if (leases.Count < max)
                {
                    return;
                }
            }

            // Every place is taken, and there may be more to do than this node can.
            signals.Send(new NodeSignal(NodeSignalKind.WorkWaits));
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            logger.LogError(exception, "Node {Node} could not look for runnable workflows; it looks again in {PollInterval}", options.Node, options.PollInterval);
        }
    }

    private async Task WaitAsync(CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(options.PollInterval, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            await _wake.Reader.ReadAsync(either.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // The slow look behind the wake-ups.
        }
    }

    private void Begin(Lease lease, LiveInstance? live)
    {
        var run = new LiveRun(lease) { Live = live };
        _running[lease.InstanceId] = run;
        run.Task = Task.Run(() => RunAsync(run), CancellationToken.None);
    }

    private async Task RunAsync(LiveRun run)
    {
        var lease = run.Lease;
        await _slots.WaitAsync();
        metrics.TookUp();
        using var lost = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token, run.Lost.Token);
        try
        {
            run.Live ??= await runner.LoadAsync(lease.InstanceId, lost.Token);
            if (run.Live is null)
            {
                throw new InvalidOperationException($"Workflow instance {lease.InstanceId} is not in the database.");
            }

            if (await runner.RunAsync(lease, run.Live, lost.Token) is { } dueAt)
            {
                WakeAt(dueAt);
            }
        }
        catch (LeaseLostException exception)
        {
            TellLost(exception);
        }
        catch (OperationCanceledException) when (lost.IsCancellationRequested)
        {
            if (run.Lost.IsCancellationRequested)
            {
                TellLost(new LeaseLostException(lease.InstanceId));
            }

            await GiveBackAsync(lease);
        }
        catch (Exception exception)
        {
            // The lease is kept: it runs out, and the instance is tried again then instead of at once and for ever.
            logger.LogError(exception, "Workflow {InstanceId} could not go on; it is tried again when its lease has run out", lease.InstanceId);
        }
        finally
        {
            _running.TryRemove(new(lease.InstanceId, run));
            _slots.Release();
            metrics.PutDown();
            run.Lost.Dispose();
            Wake();
        }
    }

    private void TellLost(LeaseLostException lost)
    {
        metrics.LostLease();
        logger.LogWarning("{Message}", lost.Message);
    }

    private async Task GiveBackAsync(Lease lease)
    {
        try
        {
            await store.ReleaseLeaseAsync(lease, CancellationToken.None);
        }
        catch (Exception exception)
        {
            logger.LogWarning(exception, "The lease on workflow {InstanceId} could not be given back; it runs out by itself", lease.InstanceId);
        }
    }

    private void WakeAt(DateTimeOffset dueAt)
    {
        var wait = dueAt - time.GetUtcNow();
        if (wait < options.PollInterval)
        {
            _ = WakeAfterAsync(wait <= TimeSpan.Zero ? TimeSpan.Zero : wait);
        }
    }

    private async Task WakeAfterAsync(TimeSpan wait)
    {
        await Task.Delay(wait, time, CancellationToken.None);
        Wake();
    }

    /// <summary>Keeps the leases of running instances, whose activities may take longer than a lease.</summary>
    private async Task HeartbeatAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(options.LeaseDuration / 3, time);
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken))
            {
                foreach (var run in _running.Values)
                {
                    await RenewAsync(run, cancellationToken);
                }
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            logger.LogDebug("Heartbeat of node {Node} ends", options.Node);
        }
    }

    private async Task RenewAsync(LiveRun run, CancellationToken cancellationToken)
    {
        try
        {
            if (!await store.RenewLeaseAsync(run.Lease, time.GetUtcNow() + options.LeaseDuration, cancellationToken) && _running.ContainsKey(run.Lease.InstanceId))
            {
                await run.Lost.CancelAsync();
            }

            // Messages posted by other nodes are noticed here.
            run.Live?.Signal();
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            logger.LogWarning(exception, "The lease on workflow {InstanceId} could not be renewed", run.Lease.InstanceId);
        }
    }

    private sealed class LiveRun(Lease lease)
    {
        public Lease Lease { get; } = lease;

        public CancellationTokenSource Lost { get; } = new();

        public volatile LiveInstance? Live;

        public Task? Task { get; set; }
    }
}
