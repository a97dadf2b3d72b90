using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.Failover;
using FailbackWorkflows.Failback.Maintenance;
using FailbackWorkflows.Failback.Obligations;
using FailbackWorkflows.Failback.Policies;
using FailbackWorkflows.Failback.Readiness;
using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Persistence;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Settings;
using FailbackWorkflows.Testing.Failback;
using FailbackWorkflows.Tests.Workflows;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Failback.Readiness;

/// <summary>A dry run decides as the run that follows it, and changes nothing.</summary>
public sealed class DryRunTests
{
    private const string Spare = FailbackWorld.Spare;
    private const string Standby = FailbackWorld.Failover;

    /// <summary>Every situation of the five checks, and what comes before and after them.</summary>
    public static TheoryData<string> FailbackSituations { get; } = new(
    [
        .. FailbackRefusedTests.Situations.Select(s => (string)s[0]),
        "nothing in the way",
        "failover server waits for its role",
        "failover server is away, and the policy allows it",
        "licence in its grace period",
        "settings are not accepted",
        "settings are damaged at the failover server",
        "another run has the duty",
        "another run has the failover server",
        "failover server is owed something",
        "failed server is owed something",
        "maintenance mode of the system",
        "maintenance mode of the server",
    ]);

    [Theory]
    [MemberData(nameof(FailbackSituations))]
    public async Task Failback_EachSituation_IsDecidedAsByTheRunAndNothingIsChanged(string situation)
    {
        await using var world = await FailbackWorld.CreateAsync();
        await ArrangeFailbackAsync(world, situation);
        var rows = await world.RowsAsync();

        var dry = await world.LookAtEntryAsync(await world.EntryAsync());

        world.Recorders.Calls.Select(c => c.Name).Except(DryRuns.Looks).ShouldBeEmpty();
        world.Recorders.Calls.ShouldAllBe(c => c.Key == null);
        (await world.RowsAsync()).ShouldBe(rows);
        world.Store.Commits.ShouldBeEmpty();
        dry.Kind.ShouldBe(ReadinessKind.Failback);

        await ShouldDecideAsync(world, dry, await world.StartFailbackAsync(), "done");
    }

    public static TheoryData<string> FailoverSituations { get; } = new(
    [
        "nothing in the way",
        "settings were last confirmed long ago",
        "no settings are cached",
        "settings are not accepted",
        "failover server is away",
        "failover server refuses the credential",
        "failover server cannot write",
        "failover server is another machine",
        "licence missing",
        "licence expired",
        "licence tampered",
        "another run has the duty",
        "failover server is owed something",
        "nobody has the duty",
    ]);

    [Theory]
    [MemberData(nameof(FailoverSituations))]
    public async Task Failover_EachSituation_IsDecidedAsByTheRunOfAServerThatHasFailed(string situation)
    {
        await using var world = await CreateWithGroupAsync();
        await ArrangeFailoverAsync(world, situation);
        var rows = await world.RowsAsync();

        var dry = await world.CheckAsync(Spare);

        world.Recorders.Calls.Select(c => c.Name).Except(DryRuns.Looks).ShouldBeEmpty();
        world.Recorders.Calls.ShouldNotContain(c => c.ServerId == Spare, "it is taken as failed");
        (await world.RowsAsync()).ShouldBe(rows);
        (dry.Kind, dry.EntryId).ShouldBe((ReadinessKind.Failover, null));

        world.Recorders[Spare].Die();
        await ShouldDecideAsync(world, dry, await world.Node.Get<StartFailover>().ExecuteAsync(new(Spare, null, "request-1", DryRuns.Olga, "It is broken."), default), "done");
        dry.FailoverServerId.ShouldBe(situation is "failover server is away" or "failover server refuses the credential" or "failover server cannot write" or "failover server is another machine" or "failover server is owed something" ? null : Standby);
        if (situation is "settings were last confirmed long ago")
        {
            dry.Checks.Single(c => c.Outcome == ReadinessCheckOutcome.Warning).Sentence!.ShouldContain("stale since");
        }
    }

    [Fact]
    public async Task Failback_Ready_NamesEveryCheckAndEndsBeforeAnythingIsChanged()
    {
        await using var world = await FailbackWorld.CreateAsync();

        var dry = await world.CheckAsync();

        (dry.Outcome, dry.Number, dry.Sentence, dry.EntryId, dry.FailoverServerId, dry.CheckedBy).ShouldBe((ReadinessOutcome.Ready, null, null, FailbackWorld.Entry, FailbackWorld.Failover, "Olga Operator"));
        dry.Checks.Select(c => c.Number).ShouldBe([null, 1, 2, 3, 4, 5, 7, 8]);
        dry.Checks.ShouldAllBe(c => c.Outcome == ReadinessCheckOutcome.Passed);
        (await world.Get<IReadinessResults>().FindAsync(FailbackWorld.Failed, ReadinessKind.Failback, default))!.Outcome.ShouldBe(ReadinessOutcome.Ready);
    }

    // One look shows everything that is in the way; what decides is the first, as in the run.
    [Fact]
    public async Task Failback_SeveralThingsAreInTheWay_AreAllNamedAndTheFirstDecides()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await FailbackRefusedTests.ArrangeAsync(world, "failed server cannot write");
        await FailbackRefusedTests.ArrangeAsync(world, "licence expired");

        var dry = await world.CheckAsync();

        dry.Number.ShouldBe(3);
        dry.Checks.Where(c => c.Outcome == ReadinessCheckOutcome.Refused).Select(c => c.Number).ShouldBe([3, 4]);
        dry.Checks.Where(c => c.Outcome == ReadinessCheckOutcome.NotChecked).Select(c => c.Number).ShouldBe([7, 8]);
        world.Recorders.Calls.ShouldNotContain(c => c.Name == "ValidateSettings", "settings are not sent to a server that a check has refused");
    }

    [Fact]
    public async Task Failover_TurnedOff_IsNotLookedAt()
    {
        await using var world = await CreateWithGroupAsync();
        await world.ApplyAsync(new SaveVmsServer((await world.ServerAsync(Spare)) with { IsFailoverEnabled = false }));

        var dry = await world.CheckAsync(Spare);

        (dry.Outcome, dry.Checks.Count).ShouldBe((ReadinessOutcome.NotEnabled, 0));
        dry.Sentence!.ShouldContain("not enabled");
        world.Recorders.Calls.ShouldBeEmpty();
    }

    [Theory]
    [InlineData("no group", "in no failover group")]
    [InlineData("turned off", "is not enabled for failover")]
    [InlineData("broken", "is marked broken itself")]
    [InlineData("disconnected", "is not connected")]
    public async Task Failover_NobodyCouldTakeOver_IsNotReady(string situation, string sentence)
    {
        await using var world = await CreateWithGroupAsync();
        var standby = await world.ServerAsync(Standby);
        await world.ApplyAsync(situation switch
        {
            "no group" => new SaveVmsServer((await world.ServerAsync(Spare)) with { FailoverGroup = null }),
            "turned off" => new SaveVmsServer(standby with { IsFailoverEnabled = false }),
            "broken" => new SaveVmsServer(standby with { State = VmsServerState.Broken }),
            _ => new SaveVmsServer(standby with { Connection = ConnectionState.Disconnected }),
        });

        var dry = await world.CheckAsync(Spare);

        (dry.Outcome, dry.Number, dry.FailoverServerId).ShouldBe((ReadinessOutcome.NotReady, null, null));
        dry.Sentence!.ShouldContain(sentence);
        world.Recorders.Calls.ShouldBeEmpty();
    }

    /// <summary>What is executed in a dry run is written down here, and each can be made of what the stage offers.</summary>
    [Fact]
    public void Activities_MarkedAsFit_AreTheseAndNeedNothingThatCouldChangeAnything()
    {
        var catalog = new ActivityCatalog();
        FailbackActivities.AddTo(catalog);
        var executed = catalog.Descriptors.Values.Where(d => d.Rehearsal == RehearsalMode.Executes && d.Type.StartsWith("Failback.", StringComparison.Ordinal)).ToList();

        executed.Select(d => d.Type).ShouldBe(
            [
                "Failback.CheckFailoverLogEntry",
                "Failback.CheckFailoverServerActing",
                "Failback.CheckFailedServerBroken",
                "Failback.CheckLicense",
                "Failback.CheckNoFailbackRunning",
                "Failback.GetRecorderSettings",
                "Failback.CheckFailover",
                "Failback.ValidateSettings",
            ],
            ignoreOrder: true);
        catalog.Descriptors.Values.Where(d => d.Rehearsal == RehearsalMode.PassesOver && d.Type.StartsWith("Failback.", StringComparison.Ordinal)).Select(d => d.Type)
            .ShouldBe(["Failback.LogFailbackStarted", "Failback.LogFailoverStarted"], ignoreOrder: true);
        var stage = new DryRunStage(null!, null!, null!, null!, null!, null!, null!, null!, null!, null!, null);
        foreach (var activity in executed)
        {
            var needs = activity.ActivityType!.GetConstructors().Single().GetParameters();
            needs.ShouldAllBe(n => stage.Offers.Contains(n.ParameterType), $"{activity.Type} needs more than the stage of a dry run offers.");
        }

        stage.Offers.ShouldNotContain(typeof(IDomainWriter));
        stage.Offers.ShouldNotContain(typeof(IWorkflowRuntime));
    }

    [Fact]
    public void Recorders_OfADryRun_TakeNoCommand()
    {
        IRecorderClient looking = new LookingRecorders(new FakeRecorders(TimeProvider.System), null);
        var commands = typeof(IRecorderClient).GetMethods().Where(m => m.GetParameters().Any(p => p.Name == "idempotencyKey") && m.Name != "AssignDutyAsync").ToList();

        commands.Count.ShouldBe(8);
        foreach (var command in commands)
        {
            var thrown = Should.Throw<System.Reflection.TargetInvocationException>(() => command.Invoke(looking, [.. command.GetParameters().Select(_ => (object?)null).SkipLast(1), CancellationToken.None]), command.Name);
            thrown.InnerException.ShouldBeOfType<InvalidOperationException>(command.Name);
        }
    }

    /// <summary>The run that follows ends as the dry run said, by the same check and with the same sentence.</summary>
    private static async Task ShouldDecideAsync(FailbackWorld world, ReadinessResult dry, StartRunResult started, string done)
    {
        if (started.Outcome != StartRunOutcome.Started)
        {
            (dry.Outcome, dry.Number, dry.Sentence).ShouldBe((ReadinessOutcome.NotReady, null, started.Message));
            return;
        }

        var run = await world.EndAsync(started.RunId!);
        if (run.Result == done)
        {
            dry.Sentence.ShouldBeNull();
            (dry.Outcome is ReadinessOutcome.Ready or ReadinessOutcome.ReadyWithWarnings).ShouldBeTrue();
            return;
        }

        var failed = run.Report.Steps.First(s => s.State is RunStepState.Refused or RunStepState.Failed or RunStepState.Faulted);
        (dry.Outcome, dry.Number, dry.Sentence, dry.Offer).ShouldBe((ReadinessOutcome.NotReady, failed.Number, failed.Message, run.Report.Offer));
        dry.Checks.Last(c => c.Outcome == ReadinessCheckOutcome.Refused && c.Number == dry.Number).Sentence.ShouldBe(failed.Message);
        if (run.Result == "refused")
        {
            (dry.Number, dry.Sentence).ShouldBe((run.RefusedCheck, run.Message));
        }
        else
        {
            // A run that was undone says that first, and then why.
            run.Message!.ShouldEndWith(failed.Message!);
        }
    }

    /// <summary>The spare recorder is in order; the failover server is in its group, and its settings are cached.</summary>
    private static async Task<FailbackWorld> CreateWithGroupAsync()
    {
        var world = await FailbackWorld.CreateAsync();
        await world.ApplyAsync(
            new SaveVmsServer((await world.ServerAsync(Spare)) with { FailoverGroup = "north" }),
            new SaveVmsServer((await world.ServerAsync(Standby)) with { FailoverGroup = "north", MostDutiesOfOthers = 2 }),
            new SaveSettings(new CachedSettings(Spare, Spare, 1, 1, SettingsDigest.Compute(FakeSettings.Content(1)), world.Time.GetUtcNow(), FakeSettings.Content(1))));
        return world;
    }

    private static async Task ArrangeFailbackAsync(FailbackWorld world, string situation)
    {
        var now = world.Time.GetUtcNow();
        switch (situation)
        {
            case "nothing in the way":
                break;
            case "failover server waits for its role":
                world.FailoverRecorder.Boot();
                break;
            case "failover server is away, and the policy allows it":
                world.FailoverRecorder.IsCutOff = true;
                await world.SetPolicyAsync(new FailbackPolicy { FailbackWithoutFailoverServer = true });
                break;
            case "licence in its grace period":
                await world.InstallAsync(TestLicense.Valid(now) with { ValidUntil = now.AddMinutes(-1), GraceDays = 14 });
                break;
            case "settings are not accepted":
                world.FailedRecorder.RejectsSettingsBecause = "There is no storage path /video-2.";
                break;
            case "settings are damaged at the failover server":
                world.FailoverRecorder.StatesDigest = new string('0', 64);
                break;
            case "another run has the duty":
                await world.ApplyAsync(new TakeClaims("other-run", "failover", [DutyClaim.Identity(FailbackWorld.Failed)], now));
                break;
            case "another run has the failover server":
                await world.ApplyAsync(new TakeClaims("other-run", "settings-rollback", [DutyClaim.Recorder(FailbackWorld.Failover)], now));
                break;
            case "failover server is owed something":
                await OweAsync(world, FailbackWorld.Failover, FailbackWorld.Failed);
                break;
            case "failed server is owed something":
                await OweAsync(world, FailbackWorld.Failed, FailbackWorld.Failed);
                break;
            case "maintenance mode of the system":
                await TurnOnAsync(world, MaintenanceMode.System);
                break;
            case "maintenance mode of the server":
                await TurnOnAsync(world, MaintenanceMode.ScopeOf(FailbackWorld.Failed));
                break;
            default:
                await FailbackRefusedTests.ArrangeAsync(world, situation);
                break;
        }
    }

    private static async Task ArrangeFailoverAsync(FailbackWorld world, string situation)
    {
        var now = world.Time.GetUtcNow();
        switch (situation)
        {
            case "nothing in the way":
                break;
            case "settings were last confirmed long ago":
                world.Time.Advance(TimeSpan.FromHours(1));
                break;
            case "no settings are cached":
                await ExecuteAsync(world, $"DELETE FROM settings_bundles WHERE identity = '{Spare}'");
                break;
            case "settings are not accepted":
                world.FailoverRecorder.RejectsSettingsBecause = "There is no storage path /video-2.";
                break;
            case "failover server is away":
                world.FailoverRecorder.IsCutOff = true;
                break;
            case "failover server refuses the credential":
                world.FailoverRecorder.Credential = "changed";
                break;
            case "failover server cannot write":
                world.FailoverRecorder.CannotWriteBecause = "disk 1 is read-only.";
                break;
            case "failover server is another machine":
                world.FailoverRecorder.MachineId = "another-machine";
                break;
            case "another run has the duty":
                await world.ApplyAsync(new TakeClaims("other-run", "settings-rollback", [DutyClaim.Identity(Spare)], now));
                break;
            case "failover server is owed something":
                await OweAsync(world, Standby, Spare);
                break;
            case "nobody has the duty":
                await ExecuteAsync(world, $"DELETE FROM duties WHERE identity = '{Spare}'");
                break;
            default:
                await FailbackRefusedTests.ArrangeAsync(world, situation);
                break;
        }
    }

    private static Task OweAsync(FailbackWorld world, string serverId, string identity) => world.ApplyAsync(new Owe(
    [
        new Obligation
        {
            Id = "owed-1",
            ServerId = serverId,
            Identity = identity,
            EntryId = FailbackWorld.Entry,
            Kind = ObligationKind.LastTimes,
            Epoch = 2,
            Reason = "It did not answer.",
            CreatedAt = world.Time.GetUtcNow(),
            NextAttemptAt = world.Time.GetUtcNow(),
        },
    ]));

    private static Task TurnOnAsync(FailbackWorld world, string scope) =>
        world.ApplyAsync(new SaveMaintenanceMode(new MaintenanceMode { Scope = scope, IsOn = true, Reason = "cabling", StartedBy = "Anna", StartedAt = world.Time.GetUtcNow() }));

    private static async Task ExecuteAsync(FailbackWorld world, string sql)
    {
        await using var session = await world.Get<IDatabase>().BeginWriteAsync(default);
        await session.ExecuteAsync(sql, default);
        await session.CommitAsync(default);
    }
}
