using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.MaterialCopy;
using FailbackWorkflows.Recorders.MaterialCopy;

namespace FailbackWorkflows.Testing.Failback;

/// <summary>
/// A world after a failback, and what happens in it whenever the copy's run waits: the next act of a script, or, when that is over, the
/// recorders work for a step and are polled.
/// </summary>
public sealed class MaterialCopyPlay
{
    private const int MostWaits = 200;

    private readonly SemaphoreSlim _stage = new(1, 1);
    private readonly Queue<Func<Task>> _acts = new();
    private readonly List<MaterialCopyState> _seen = [];
    private readonly string _entryId;
    private int _waits;

    /// <summary>In a world whose failback of the entry is done.</summary>
    public MaterialCopyPlay(FailbackWorld world, string entryId = FailbackWorld.Entry)
    {
        _entryId = entryId;
        TaskId = MaterialCopyTask.IdOf(entryId, FailbackWorld.Failover);
        World = world;
        world.Store.Waiting = _ => ActInTurnAsync();
    }

    public FailbackWorld World { get; }

    /// <summary>The entry's copy state at each wait, repeats left out.</summary>
    public IReadOnlyList<MaterialCopyState> Seen => _seen;

    public string TaskId { get; }

    /// <summary>The task at the target.</summary>
    public CopyTask AtTarget => World.FailedRecorder.Copies.Tasks.Single(t => t.TaskId == TaskId);

    public FakeCopies Target => World.FailedRecorder.Copies;

    public FakeCopies Source => World.FailoverRecorder.Copies;

    /// <summary>Fails back for real, so that the copy begins where a failback leaves off.</summary>
    public static async Task<MaterialCopyPlay> CreateAsync(bool startsNode = true)
    {
        var world = await FailbackWorld.CreateAsync();
        var run = await world.FailBackAsync();
        if (run.Result != "done")
        {
            throw new InvalidOperationException($"The failback before the copy ended as {run.Result}: {run.Message}");
        }

        if (!startsNode)
        {
            await world.Node.StopAsync();
        }

        return new(world);
    }

    /// <summary>What happens at the next waits, one act each, before the default goes on.</summary>
    public MaterialCopyPlay Then(params Func<Task>[] acts)
    {
        foreach (var act in acts)
        {
            _acts.Enqueue(act);
        }

        return this;
    }

    public MaterialCopyPlay Then(Action act) => Then(() =>
    {
        act();
        return Task.CompletedTask;
    });

    /// <summary>The recorders work for a step and are polled; so it is when nothing else happens.</summary>
    public async Task WorkAsync()
    {
        World.Recorders.WorkCopies();
        await PollAsync();
    }

    public async Task PollAsync()
    {
        await World.NewestNode.Get<PollRecorders>().ExecuteAsync(CancellationToken.None);
        await World.NewestNode.Get<PollCopyTasks>().ExecuteAsync(CancellationToken.None);
        await World.NewestNode.Get<DeliverOwed>().ExecuteAsync(CancellationToken.None);
    }

    public Task<StartRunResult> StartAsync(string requestId = "request-1", string entryId = FailbackWorld.Entry, FailbackNode? node = null) =>
        (node ?? World.NewestNode).Get<StartMaterialCopy>().ExecuteAsync(new(entryId, requestId, FailbackWorld.Operator, "The failback is done."), CancellationToken.None);

    /// <summary>Starts a copy and waits until its run has ended.</summary>
    public async Task<EndedRun> CopyAsync(string requestId = "request-1", string entryId = FailbackWorld.Entry)
    {
        var started = await StartAsync(requestId, entryId);
        return started.Outcome == StartRunOutcome.Started
            ? await World.EndAsync(started.RunId!)
            : throw new InvalidOperationException($"The copy did not start: {started}");
    }

    public async Task<MaterialCopyTask> TaskAsync() => await World.Get<IMaterialCopies>().FindAsync(TaskId, CancellationToken.None) ?? throw new InvalidOperationException("There is no task.");

    public ControlMaterialCopy Control => World.NewestNode.Get<ControlMaterialCopy>();

    /// <summary>One act after the other: a run that waits again while an act is on finds the next one when that has ended.</summary>
    private async Task ActInTurnAsync()
    {
        await _stage.WaitAsync();
        try
        {
            await ActAsync();
        }
        finally
        {
            _stage.Release();
        }
    }

    private async Task ActAsync()
    {
        if (++_waits > MostWaits)
        {
            // The run gets nowhere; the test's own patience tells what it did last.
            return;
        }

        var state = (await World.EntryAsync(_entryId)).MaterialCopy;
        if (_seen.Count == 0 || _seen[^1] != state)
        {
            _seen.Add(state);
        }

        await (_acts.TryDequeue(out var act) ? act() : WorkAsync());
    }
}
