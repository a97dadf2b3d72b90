using System.Text.Json;
using FailbackWorkflows.Engine.Interpretation;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Engine.Values;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Persistence;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Workflows;

/// <summary>
/// Journals of real runs of published workflows, kept as they were written: today's engine must still make the same decisions of their
/// facts. Written anew by <c>FAILBACK_RECORD_HISTORIES=1 dotnet test --filter History</c>, only before a workflow's first release.
/// </summary>
public sealed class HistoryTests
{
    private static readonly JsonSerializerOptions Indented = new(PlainValue.Json) { WriteIndented = true };

    [Theory]
    [InlineData("failback.v1.done")]
    [InlineData("failback.v1.refused")]
    [InlineData("failback.v1.undone")]
    [InlineData("failback.v2.done")]
    [InlineData("failback.v2.failed")]
    [InlineData("adoption.v1.done")]
    [InlineData("abandonment.v1.done")]
    [InlineData("obligations.v1.done")]
    [InlineData("material-copy.v1.copied")]
    [InlineData("material-copy.v1.copiedWithLosses")]
    [InlineData("material-copy.v1.cancelled")]
    [InlineData("material-copy.v2.disputed.copied")]
    [InlineData("failover.v1.done")]
    [InlineData("failover.v2.done")]
    [InlineData("automatic-failback.v1.done")]
    [InlineData("automatic-failover.v1.done")]
    [InlineData("settings-rollback.v1.done")]
    [InlineData("settings-rollback.v1.undone")]
    public async Task History_OfAPublishedWorkflow_StillLeadsToTheSameDecisions(string name)
    {
        await using var world = await FailbackWorld.CreateAsync();
        var file = RepositoryFiles.PathOf("tests", "FailbackWorkflows.Tests", "Workflows", "Histories", $"{name}.json");
        if (Environment.GetEnvironmentVariable("FAILBACK_RECORD_HISTORIES") == "1")
        {
            await (name.Split('.') switch
            {
                // A version that is not started any more keeps the history it has.
                ["failback" or "material-copy", "v1", ..] => Task.CompletedTask,
                ["failover", "v1", ..] => RecordFirstFailoverAsync(world, name, file),
                ["automatic-failback", ..] => RecordAutomaticFailbackAsync(file),
                ["material-copy", ..] => RecordCopyAsync(name, file),
                ["automatic-failover", ..] => RecordAutomaticFailoverAsync(world, name, file),
                ["settings-rollback", ..] => RecordSettingsRollbackAsync(world, name, file),
                _ => RecordAsync(world, name, file),
            });
        }

        var history = JsonSerializer.Deserialize<History>(await File.ReadAllTextAsync(file), PlainValue.Json)!;
        var definition = world.Node.Get<FailbackWorkflows.Engine.Definitions.DefinitionReader>().Read(
            await File.ReadAllTextAsync(Path.Combine(RepositoryFiles.Workflows, history.Definition)));
        var fold = JournalFold.Fold(definition, history.InstanceId, history.Journal);

        fold.Difference.ShouldBeNull();
        PlainValue.AreEqual(PlainValue.Parse(fold.StateJson), PlainValue.FromJson(history.State)).ShouldBeTrue(fold.StateJson);
        history.Journal.OfType<InstanceStarted>().Single().DefinitionSha256.ShouldBe(definition.Sha256);
        name.ShouldEndWith(history.Journal[^1].ShouldBeOfType<InstanceFinished>().Output!["Result"] as string ?? "");
    }

    /// <summary>A version without a history would be one that a change of the engine may break unseen.</summary>
    [Fact]
    public void EveryPublishedVersion_HasAHistory()
    {
        var published = Directory.EnumerateFiles(RepositoryFiles.Workflows, "*.json", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(RepositoryFiles.Workflows, f).Replace('\\', '/'));
        var recorded = Directory.EnumerateFiles(RepositoryFiles.PathOf("tests", "FailbackWorkflows.Tests", "Workflows", "Histories"), "*.json")
            .Select(f => JsonSerializer.Deserialize<History>(File.ReadAllText(f), PlainValue.Json)!.Definition);

        published.Except(recorded).ShouldBeEmpty();
    }

    /// <summary>As a site had it that was set up before there was a second version.</summary>
    private static async Task RecordFirstFailoverAsync(FailbackWorld world, string name, string file)
    {
        await using (var session = await world.Get<IDatabase>().BeginWriteAsync(CancellationToken.None))
        {
            await session.ExecuteAsync("DELETE FROM workflow_definitions WHERE definition_id = 'failover'", CancellationToken.None);
            await session.CommitAsync(CancellationToken.None);
        }

        await world.Node.Get<WorkflowDefinitions>().PublishAsync(
            await File.ReadAllTextAsync(Path.Combine(RepositoryFiles.Workflows, "failover", "failover.v1.json")), "file", CancellationToken.None);
        await RecordAsync(world, name, file);
    }

    private static async Task RecordAutomaticFailbackAsync(string file)
    {
        await using var world = await AutomaticFailbackTests.ArrangeAsync();
        await AutomaticFailbackTests.ReconnectAsync(world);
        await WriteAsync(world, "automatic-failback/automatic-failback.v1.json", await AutomaticFailbackTests.LastRunAsync(world), file);
    }

    /// <summary>With servers that are away, so that something is owed.</summary>
    private static async Task RecordAsync(FailbackWorld world, string name, string file)
    {
        var (definition, ending) = (name.Split('.')[0], name.Split('.')[^1]);
        await world.SetPolicyAsync(new() { ConfirmTimeout = TimeSpan.FromSeconds(1), HandOverTimeout = TimeSpan.FromSeconds(1) });
        EndedRun run;
        switch (definition)
        {
            case "failback" when ending == "failed":
                world.Recorders.After(FailbackWorld.Failed, "StartRecording", () =>
                {
                    world.FailedRecorder.Die();
                    world.FailoverRecorder.IsCutOff = true;
                });
                run = await world.FailBackAsync();
                break;
            case "failover":
                // Of a failover: the failover server has failed too.
                await world.AddServerAsync("rec-4", null);
                world.FailoverRecorder.Die();
                run = await world.EndAsync((await world.StartFailoverAsync("request-1", FailbackWorld.Failed, "rec-4")).RunId!);
                break;
            case "adoption":
                world.FailedDuty.Become(FailbackWorkflows.Recorders.Duties.DutyRole.Recorder, 1, "seed", isRecording: true);
                run = await world.AdoptAsync();
                break;
            case "abandonment":
                world.Recorders.Fail(FailbackWorld.Failover, "StopRecording", FailbackWorkflows.Recorders.RecorderErrorKind.Conflict);
                var stopped = await world.FailBackAsync();
                run = await world.EndAsync((await world.StartAbandonmentAsync(stopped.Id, FailbackWorld.Failed)).RunId!);
                break;
            default:
                world.Recorders.Before(FailbackWorld.Failover, "StopRecording", () => world.FailoverRecorder.IsCutOff = true);
                run = await world.FailBackAsync();
                if (definition == "obligations")
                {
                    world.FailoverRecorder.IsCutOff = false;
                    run = (await world.PollAsync()).Single();
                }

                break;
        }

        await WriteAsync(world, $"{definition}/{definition}.{name.Split('.')[1]}.json", run, file);
    }

    /// <summary>The failover server is at work for another run at first.</summary>
    private static async Task RecordAutomaticFailoverAsync(FailbackWorld world, string name, string file)
    {
        var lost = await AutomaticFailoverPlay.ArrangeAsync(world);
        await world.ChangeServerAsync(AutomaticFailoverPlay.Indebted, server => server with { FailoverGroup = null });
        world.Store.Waiting = _ => world.ApplyAsync(new FailbackWorkflows.Failback.Duties.ReleaseClaims("another-run"));
        world.Store.Committed = commit => commit is { IsStart: true, Instance.DefinitionId: "automatic-failover" }
            ? world.ApplyAsync(new FailbackWorkflows.Failback.Duties.TakeClaims("another-run", "failback", [FailbackWorkflows.Failback.Duties.DutyClaim.Recorder(AutomaticFailoverPlay.Standby)], world.Time.GetUtcNow()))
            : Task.CompletedTask;
        lost.Die();
        await AutomaticFailoverPlay.MissAsync(world, 3);
        await WriteAsync(world, "automatic-failover/automatic-failover.v1.json", await AutomaticFailoverPlay.LastRunAsync(world), file);
    }

    private static async Task RecordSettingsRollbackAsync(FailbackWorld world, string name, string file)
    {
        var recorder = world.Recorders[FailbackWorld.Spare];
        await world.ApplyAsync(new SaveSettings(new CachedSettings(FailbackWorld.Spare, FailbackWorld.Spare, 1, 1, Outcomes.OldDigest, world.Time.GetUtcNow(), FakeSettings.Content(1))));
        recorder.Duty(FailbackWorld.Spare).Activate(FakeSettings.Content(2));
        if (name.EndsWith("undone", StringComparison.Ordinal))
        {
            world.Recorders.After(FailbackWorld.Spare, "ActivateSettings", () => recorder.DarkChannels.Add("video-2"));
        }

        var started = await world.Node.Get<StartSettingsRollback>().ExecuteAsync(new(FailbackWorld.Spare, 1, "request-1", FailbackWorld.Operator, "Wrong mask."), default);
        await WriteAsync(world, "settings-rollback/settings-rollback.v1.json", await world.EndAsync(started.RunId!), file);
    }

    /// <summary>With an operator's pause and a lost connection on the way, so that the history has something to tell.</summary>
    private static async Task RecordCopyAsync(string name, string file)
    {
        var play = await MaterialCopyPlay.CreateAsync();
        await using var world = play.World;
        if (name.EndsWith("WithLosses", StringComparison.Ordinal))
        {
            play.Target.EndsAs = FailbackWorkflows.Recorders.MaterialCopy.CopyTaskState.CopiedWithLosses;
        }

        play.Target.Disputed = name.Contains("disputed", StringComparison.Ordinal) ? new(3, 3_000) : new(0, 0);
        play.Then(play.WorkAsync)
            .Then(() => play.Control.PauseAsync(FailbackWorld.Entry, FailbackWorld.Operator, default))
            .Then(play.WorkAsync)
            .Then(() => play.Control.ResumeAsync(FailbackWorld.Entry, FailbackWorld.Operator, default))
            .Then(() => world.FailedRecorder.IsCutOff = true).Then(play.WorkAsync).Then(() => world.FailedRecorder.IsCutOff = false);
        if (name.EndsWith("cancelled", StringComparison.Ordinal))
        {
            play.Then(() => play.Control.CancelAsync(FailbackWorld.Entry, FailbackWorld.Operator, "Later.", default));
        }

        var run = await play.CopyAsync();
        if (name.Contains("disputed", StringComparison.Ordinal))
        {
            var disputed = await world.Node.Get<FailbackWorkflows.Failback.MaterialCopy.CopyDisputedMaterial>().ExecuteAsync(new(FailbackWorld.Entry, "request-1", FailbackWorld.Operator, "The police asked for it."), default);
            run = await world.EndAsync(disputed.RunId!);
        }

        await WriteAsync(world, $"material-copy/{string.Join('.', name.Split('.')[..2])}.json", run, file);
    }

    private static async Task WriteAsync(FailbackWorld world, string definition, EndedRun run, string file)
    {
        var stored = await world.Store.FindInstanceAsync(run.Id, CancellationToken.None);
        using var state = JsonDocument.Parse(stored!.Snapshot);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        await File.WriteAllTextAsync(
            file, JsonSerializer.Serialize(new History(definition, run.Id, run.Journal, state.RootElement), Indented) + "\n");
    }

    /// <param name="Definition">File of the definition below <c>workflows/</c>.</param>
    /// <param name="State">What was stored at the end.</param>
    private sealed record History(string Definition, string InstanceId, IReadOnlyList<JournalEvent> Journal, JsonElement State);
}
