using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.Failover;
using FailbackWorkflows.Failback.MaterialCopy;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Persistence.Workflows;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.Recorders.Settings;
using FailbackWorkflows.Testing.Failback;

namespace FailbackWorkflows.Persistence.Tests.CrashPoints;

/// <summary>What people and jobs do to a site while the management server dies and is started again.</summary>
/// <param name="Ends">How the runs end, each as <c>definition result</c>, in the order of the definitions' names and the runs' starts.</param>
/// <param name="Arrange">What was before; nobody dies in it.</param>
/// <param name="Act">
/// What is done, by the node that was started last. It is done again from its beginning after the restart: the operator clicks again with the same request, the jobs come
/// round again; what happens to recorders happens once.
/// </param>
/// <param name="Attach">Prepares the store of each life before its node starts.</param>
internal sealed record CrashPlay(string Ends, Func<FailbackWorld, Task> Arrange, Func<FailbackWorld, Task> Act, Action<FailbackWorld>? Attach = null)
{
    private const string Failed = FailbackWorld.Failed;
    private const string Failover = FailbackWorld.Failover;
    private const string Spare = FailbackWorld.Spare;
    private const string Fourth = "rec-4";
    private const string Click = "request-1";

    /// <summary>Every definition in <c>workflows/</c>, in each version, by every way it goes that writes or commands something else.</summary>
    public static IReadOnlyDictionary<string, CrashPlay> All { get; } = new Dictionary<string, CrashPlay>(StringComparer.Ordinal)
    {
        ["failback, done"] = new("failback done", NothingAsync, FailBackAsync),
        ["failback, refused"] = new(
            "failback refused",
            world =>
            {
                world.FailedRecorder.CannotWriteBecause = "The disk is full.";
                return Task.CompletedTask;
            },
            FailBackAsync),
        ["failback, undone"] = new("failback undone", DarkenAsync, FailBackAsync),
        ["failback, both servers lost"] = new(
            "failback failed, obligations done, obligations done",
            async world =>
            {
                await HurryAsync(world);
                world.Recorders.After(Failed, "StartRecording", () =>
                {
                    world.FailedRecorder.Die();
                    world.FailoverRecorder.IsCutOff = true;
                });
            },
            async world =>
            {
                await FailBackAsync(world);
                world.FailoverRecorder.IsCutOff = false;
                await DeliverAsync(world);
                if (world.FailedRecorder.IsDead)
                {
                    world.FailedRecorder.Boot();
                }

                await DeliverAsync(world);
            }),
        ["failback, the stop is owed"] = new("failback done, obligations done", CutOffAtTheStopAsync, FailBackAndDeliverAsync),
        ["failback version 1, done"] = new("failback done", world => PublishAsync(world, "failback/failback.v1.json"), FailBackAsync),
        ["failback version 1, undone"] = new(
            "failback undone",
            async world =>
            {
                await PublishAsync(world, "failback/failback.v1.json");
                await DarkenAsync(world);
            },
            FailBackAsync),
        ["automatic failback"] = new(
            "automatic-failback done, failback done",
            async world =>
            {
                await world.ChangeServerAsync(Failed, server => server with { IsAutomaticFailbackEnabled = true, StabilityDelay = TimeSpan.Zero });
                world.FailedRecorder.IsCutOff = true;
                await world.PollAsync();
            },
            async world =>
            {
                world.FailedRecorder.IsCutOff = false;
                await world.PollAsync();
            }),
        ["adoption"] = new(
            "adoption done, obligations done",
            async world =>
            {
                await HurryAsync(world);
                world.FailedDuty.Become(DutyRole.Recorder, 1, "seed", isRecording: true);
            },
            async world =>
            {
                await EndAsync(world, await world.StartAdoptionAsync());
                await DeliverAsync(world);
            }),
        ["abandonment to the failed server"] = Abandonment("abandonment done, failback faulted, obligations done", Failed),
        ["abandonment to the failover server"] = Abandonment("abandonment undone, failback faulted, obligations done, obligations done", Failover),
        ["failover, done"] = new("failover done", LoseTheSpareAsync, FailOverAsync),
        ["failover, of a failover"] = new(
            "failover done",
            async world =>
            {
                await HurryAsync(world);
                await world.AddServerAsync(Fourth, null);
                world.FailoverRecorder.Die();
            },
            async world => await EndAsync(world, await world.StartFailoverAsync(Click, Failed, Fourth, node: world.NewestNode))),
        ["failover, failed"] = new(
            "failover failed, obligations done",
            async world =>
            {
                await LoseTheSpareAsync(world);
                world.FailoverRecorder.DarkChannels.UnionWith(FakeSettings.Channels);
            },
            async world =>
            {
                await FailOverAsync(world);
                await DeliverAsync(world);
                await world.NewestNode.Get<SettleFailedFailovers>().ExecuteAsync(default);
                await world.NewestNode.Get<DeliverOwed>().ExecuteAsync(default);
            }),
        ["failover, reported by another system"] = new(
            "failover done",
            async world =>
            {
                await LoseTheSpareAsync(world);
                world.FailoverRecorder.Duty(Spare).Become(DutyRole.Recorder, 1, "theirs", isRecording: true).Activate(FakeSettings.Content(5));
            },
            async world => await EndAsync(world, await world.StartFailoverAsync(Click, Spare, Failover, "their-7", isPerformed: true, world.NewestNode))),
        ["failover version 1, done"] = new(
            "failover done",
            async world =>
            {
                await LoseTheSpareAsync(world);
                await PublishAsync(world, "failover/failover.v1.json");
            },
            FailOverAsync),
        ["automatic failover"] = new(
            "automatic-failover done, failover done",
            async world =>
            {
                await world.ChangeServerAsync(Spare, server => server with { FailoverGroup = "hall", IsAutomaticFailoverEnabled = true });
                await world.AddServerAsync(Fourth, "hall");
                await world.PollAsync();
                await world.Node.Get<RefreshSettings>().ExecuteAsync(default);
                world.Recorders[Spare].Die();
            },
            async world =>
            {
                for (var poll = 0; poll < 3; poll++)
                {
                    await world.PollAsync();
                }
            }),
        ["material copy"] = new("failback done, material-copy copied", FailedBackAsync, CopyAsync, Play),
        ["material copy version 1"] = new(
            "failback done, material-copy copied",
            async world =>
            {
                await PublishAsync(world, "material-copy/material-copy.v1.json");
                await FailedBackAsync(world);
            },
            CopyAsync,
            Play),
        ["material copy, with losses"] = new(
            "failback done, material-copy copiedWithLosses",
            async world =>
            {
                await FailedBackAsync(world);
                world.FailedRecorder.Copies.EndsAs = CopyTaskState.CopiedWithLosses;
            },
            CopyAsync,
            Play),
        ["material copy, disputed"] = new(
            "failback done, material-copy copied, material-copy copied",
            async world =>
            {
                await FailedBackAsync(world);
                world.FailedRecorder.Copies.Disputed = new(3, 3_000);
                await CopyAsync(world);
            },
            async world =>
            {
                var asked = await world.NewestNode.Get<CopyDisputedMaterial>().ExecuteAsync(new(FailbackWorld.Entry, Click, FailbackWorld.Operator, "The police asked for it."), default);
                await EndAsync(world, asked);
            },
            Play),
        ["settings rollback, done"] = new("settings-rollback done", ChangeSettingsAsync, RollBackAsync),
        ["settings rollback, undone"] = new(
            "settings-rollback undone",
            async world =>
            {
                await ChangeSettingsAsync(world);
                world.Recorders.After(Spare, "ActivateSettings", () => world.Recorders[Spare].DarkChannels.Add("video-1"));
            },
            RollBackAsync),
    };

    /// <summary>Waits until everything that was started has ended; what is started meanwhile included.</summary>
    public static async Task EndAllAsync(FailbackWorld world)
    {
        for (var ended = new HashSet<string>(StringComparer.Ordinal); ;)
        {
            var open = (await RunsAsync(world)).Where(r => !ended.Contains(r.Id)).ToList();
            if (open.Count == 0)
            {
                return;
            }

            foreach (var run in open)
            {
                await world.EndAsync(run.Id);
                ended.Add(run.Id);
            }
        }
    }

    /// <summary>All runs there are, by definition and start.</summary>
    public static async Task<IReadOnlyList<WorkflowInstanceSummary>> RunsAsync(FailbackWorld world) =>
        [.. (await world.Get<IWorkflowInstances>().ListAsync(new(Take: 200), default)).OrderBy(r => r.DefinitionId, StringComparer.Ordinal).ThenBy(r => r.CreatedAt).ThenBy(r => r.Id, StringComparer.Ordinal)];

    private static CrashPlay Abandonment(string ends, string holder) => new(
        ends,
        async world =>
        {
            await HurryAsync(world);
            world.Recorders.Fail(Failover, "StopRecording", RecorderErrorKind.Conflict);
            await world.FailBackAsync();
        },
        async world =>
        {
            var stopped = (await RunsAsync(world)).Single(r => r.DefinitionId == StartFailback.DefinitionId);
            await EndAsync(world, await world.StartAbandonmentAsync(stopped.Id, holder));
            await DeliverAsync(world);
        });

    private static Task NothingAsync(FailbackWorld world) => Task.CompletedTask;

    /// <summary>What is not confirmed is not waited for as long as in life.</summary>
    private static Task HurryAsync(FailbackWorld world) => world.SetPolicyAsync(new() { ConfirmTimeout = TimeSpan.FromSeconds(1), HandOverTimeout = TimeSpan.FromSeconds(2) });

    private static async Task DarkenAsync(FailbackWorld world)
    {
        await HurryAsync(world);
        world.FailedRecorder.DarkChannels.Add("video-1");
    }

    private static async Task CutOffAtTheStopAsync(FailbackWorld world)
    {
        await HurryAsync(world);
        world.Recorders.Before(Failover, "StopRecording", () => world.FailoverRecorder.IsCutOff = true);
    }

    private static async Task LoseTheSpareAsync(FailbackWorld world)
    {
        await HurryAsync(world);
        await world.PollAsync();
        await world.Node.Get<RefreshSettings>().ExecuteAsync(default);
        world.Recorders[Spare].Die();
    }

    private static async Task FailedBackAsync(FailbackWorld world)
    {
        var run = await world.FailBackAsync("request-0");
        if (run.Result != "done")
        {
            throw new InvalidOperationException($"The failback before it ended as {run.Result}: {run.Message}");
        }

        Play(world);
    }

    private static async Task ChangeSettingsAsync(FailbackWorld world)
    {
        await HurryAsync(world);
        await world.ApplyAsync(new SaveSettings(new CachedSettings(Spare, Spare, 1, 1, SettingsDigest.Compute(FakeSettings.Content(1)), world.Time.GetUtcNow(), FakeSettings.Content(1))));
        world.Recorders[Spare].Duty(Spare).Activate(FakeSettings.Content(2));
    }

    private static async Task PublishAsync(FailbackWorld world, string file) =>
        await world.Node.Get<WorkflowDefinitions>().PublishAsync(await File.ReadAllTextAsync(Path.Combine(RepositoryFiles.Workflows, file)), "test", default);

    private static void Play(FailbackWorld world) => _ = new MaterialCopyPlay(world);

    private static async Task FailBackAsync(FailbackWorld world) => await EndAsync(world, await world.StartFailbackAsync(Click, node: world.NewestNode));

    private static async Task FailBackAndDeliverAsync(FailbackWorld world)
    {
        await FailBackAsync(world);
        world.FailoverRecorder.IsCutOff = false;
        await DeliverAsync(world);
    }

    private static async Task FailOverAsync(FailbackWorld world) => await EndAsync(world, await world.StartFailoverAsync(Click, Spare, Failover, node: world.NewestNode));

    /// <summary>Polls, and delivers what is owed: of one identity, one server is told at a time, and the run that does so may be one of an earlier life.</summary>
    private static async Task DeliverAsync(FailbackWorld world)
    {
        // A poll beside one that goes on may find that a recorder must be told what it is just being told, and tell it twice: true, but not always so.
        await EndAllAsync(world);
        await world.PollAsync();
        await EndAllAsync(world);
        await world.PollAsync();
    }

    private static async Task CopyAsync(FailbackWorld world) => await EndAsync(
        world, await world.NewestNode.Get<StartMaterialCopy>().ExecuteAsync(new(FailbackWorld.Entry, Click, FailbackWorld.Operator, "The failback is done."), default));

    private static async Task RollBackAsync(FailbackWorld world) => await EndAsync(
        world, await world.NewestNode.Get<StartSettingsRollback>().ExecuteAsync(new(Spare, 1, Click, FailbackWorld.Operator, "Wrong mask."), default));

    private static async Task EndAsync(FailbackWorld world, StartRunResult started)
    {
        if (started.Outcome is not (StartRunOutcome.Started or StartRunOutcome.AlreadyStarted))
        {
            throw new InvalidOperationException($"It did not start: {started}");
        }

        await world.EndAsync(started.RunId!);
    }
}
