using System.Text.Json;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Values;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;
using static FailbackWorkflows.Tests.Model.How;

namespace FailbackWorkflows.Tests.Model.Paths;

/// <summary>
/// The journals of real runs that are kept (<c>Workflows/Histories</c>), as far as they tell of the protocol, are what a run of the model can
/// do, step by step in their order: each activity's outcome is a move of the model, and between two of them only what a journal does not tell
/// (a run is taken up, answers are lost, servers die, are cut off and come back). An abandonment is one move of the model, which has polls tell
/// its servers; its journal begins where a failback was stopped from 9d on. A delivery's journal does not tell which obligation was delivered: each may be
/// one that the model has, or one that it leaves out (last times, a clock).
/// </summary>
public sealed class HistoryPathTests
{
    private static readonly How[] NotAnswered = [GivenUp, Lost, AnswerLostGivenUp, Refused];

    private static readonly Bounds Bounds = new("a kept history", Servers: 2, Identities: 1, Nodes: 1, Takers(), Faults: 1, InFlight: 0, OpenEntries: 1);

    /// <summary>What an activity's outcome is in the model, by node and outcome.</summary>
    private static readonly Dictionary<string, (Step Step, How[] Hows)> Meanings = new(StringComparer.Ordinal)
    {
        ["CheckLicense Refused"] = (Step.FailbackCheck, [Refused]),
        ["LogFailbackStarted Done"] = (Step.FailbackLog, [Done]),
        ["RestoreRoles:flow:freeze Done"] = (Step.FailbackFreeze, [Done]),
        ["RestoreRoles:flow:allocate Allocated"] = (Step.FailbackDraw, [Done]),
        ["RestoreRoles:flow:grant Done"] = (Step.FailbackAssign, [Done]),
        ["RestoreRoles:flow:startRecording Done"] = (Step.FailbackStart, [Done]),
        ["RestoreRoles:flow:startRecording Unreachable"] = (Step.FailbackStart, NotAnswered),
        ["RestoreRoles:flow:confirm Confirmed"] = (Step.FailbackConfirm, [Done]),
        ["RestoreRoles:flow:confirm Dark"] = (Step.FailbackConfirm, [GivenUp]),
        ["RestoreRoles:flow:noReturn Done"] = (Step.FailbackNoReturn, [Done]),
        ["RestoreRoles:flow:stop Stopped"] = (Step.FailbackStop, [Done]),
        ["RestoreRoles:flow:stop Owed"] = (Step.FailbackStop, NotAnswered),
        ["RestoreRoles:flow:endHold Done"] = (Step.FailbackEndHold, [Done]),
        ["RestoreRoles:flow:standBy Done"] = (Step.FailbackStandBy, [Done]),
        ["LogFailbackPerformed Done"] = (Step.FailbackPerformed, [Done]),
        ["UndoFailback:flow:begin Done"] = (Step.UndoBegin, [Done]),
        ["UndoFailback:flow:look NobodyAnswers"] = (Step.UndoRead, [GivenUp]),
        ["UndoFailback:flow:drawUnseen Allocated"] = (Step.UndoLost, [GivenUp]),
        ["UndoFailback:flow:allocate Allocated"] = (Step.UndoDraw, [Done]),
        ["UndoFailback:flow:grant Done"] = (Step.UndoAssign, [Done]),
        ["UndoFailback:flow:unfreeze Done"] = (Step.UndoUnfreeze, [Done]),
        ["UndoFailback:flow:startRecording Done"] = (Step.UndoStart, [Done]),
        ["UndoFailback:flow:confirm Confirmed"] = (Step.UndoConfirm, [Done]),
        ["UndoFailback:flow:standBy Done"] = (Step.UndoStandBy, [Done]),
        ["LogFailbackFailed Done"] = (Step.UndoEnd, [Done]),
        ["adoption AllocateEpoch Allocated"] = (Step.AdoptDraw, [Done]),
        ["adoption AssignDuty Done"] = (Step.AdoptAssign, [Done]),
        ["adoption StartRecording Done"] = (Step.AdoptStart, [Done]),
        ["adoption LogFailbackPerformed Done"] = (Step.AdoptEnd, [Done]),
    };

    /// <summary>The same for what is no activity of the model's.</summary>
    private static readonly Dictionary<string, Meaning> MoreMeanings = new(StringComparer.Ordinal)
    {
        ["abandonment DrawForFailedServer Allocated"] = new((move, _) => move is { What: What.Abandon, Server: A }),
        ["abandonment GiveToFailedServer Done"] = new((move, _) => move is { What: What.PollGives, Server: A }),
        ["abandonment StartFailedServer Done"] = new((move, _) => move is { What: What.PollStarts, Server: A }),
        ["abandonment OweFailoverServerStop Done"] = new((_, _) => false, world => (world.Duties[0].OwedStop & (1 << B)) != 0 && world.Duties[0].Entries[0].CloseOwed == 1),
        ["abandonment LogFailbackPerformed Done"] = new((_, _) => false, world => world.Duties[0].Entries[0].Failback == FailbackPart.Done),
        ["obligations DeliverObligation Delivered"] = new(
            (move, after) => move is { What: What.Activity, Step: Step.OwedTell or Step.OwedEndHold, How: Done } && IsDelivering(after), IsDelivering),
        ["obligations DeliverObligation AllDelivered"] = new((move, after) => move is { What: What.Activity, Step: Step.OwedEndHold, How: Done } && !after.Runs[0].IsRunning),
    };

    /// <summary>A failback up to its point of no return.</summary>
    private static readonly string[] UntilNoReturn =
    [
        "LogFailbackStarted Done", "RestoreRoles:flow:freeze Done", "RestoreRoles:flow:allocate Allocated", "RestoreRoles:flow:grant Done",
        "RestoreRoles:flow:startRecording Done", "RestoreRoles:flow:confirm Confirmed", "RestoreRoles:flow:noReturn Done",
    ];

    private const byte A = 0;
    private const byte B = 1;

    [Theory]
    [InlineData("failback.v1.done", 11)]
    [InlineData("failback.v1.undone", 13)]
    [InlineData("failback.v1.refused", 1)]
    [InlineData("failback.v2.done", 9)]
    [InlineData("failback.v2.failed", 8)]
    [InlineData("adoption.v1.done", 4)]
    [InlineData("abandonment.v1.done", 5)]
    [InlineData("obligations.v1.done", 6)]
    public async Task History_OfARealRun_IsWhatTheModelCanDo(string name, int atLeast)
    {
        var steps = await ReadAsync(name);

        steps.Count.ShouldBeGreaterThanOrEqualTo(atLeast);
        FirstRefused(steps, name).ShouldBeNull();
    }

    [Fact]
    public async Task Abandonment_Falsified_IsRefused()
    {
        const string Name = "abandonment.v1.done";
        var steps = await ReadAsync(Name);
        var (draw, give, start, owe, log) = ("abandonment DrawForFailedServer Allocated", "abandonment GiveToFailedServer Done", "abandonment StartFailedServer Done", "abandonment OweFailoverServerStop Done", "abandonment LogFailbackPerformed Done");
        steps.ShouldBe([draw, give, start, owe, log]);

        FirstRefused([give, start, owe, log], Name).ShouldBe(give, "nobody has drawn an epoch");
        FirstRefused([give, draw, start, owe, log], Name).ShouldBe(give);
        FirstRefused([draw, start, owe, log], Name).ShouldBe(start, "it has not heard that it has the duty");
        FirstRefused([draw, start, give, owe, log], Name).ShouldBe(start);
        FirstRefused([owe, draw, give, start, log], Name).ShouldBe(owe, "nothing is owed before somebody else has the duty");
        FirstRefused([log, draw, give, start, owe], Name).ShouldBe(log);
        FirstRefused([draw, draw, give, start, owe, log], Name).ShouldBe(draw, "it is abandoned once");

        // A run that goes on cannot be abandoned.
        var goingOn = UntilNoReturn.Aggregate(new List<World> { Begin("failback") }, (states, step) => After(states, MeaningOf(step), Name));
        goingOn.ShouldNotBeEmpty();
        After(goingOn, MeaningOf(draw), Name).ShouldBeEmpty();
    }

    [Fact]
    public async Task Deliveries_Falsified_AreRefused()
    {
        const string Name = "obligations.v1.done";
        var steps = await ReadAsync(Name);
        var (one, all) = ("obligations DeliverObligation Delivered", "obligations DeliverObligation AllDelivered");
        steps.ShouldBe([one, one, one, one, one, all]);

        FirstRefused([all], Name).ShouldBe(all, "the stop and the end of the hold are owed");
        FirstRefused([one, all], Name).ShouldBe(all, "two things are owed");
        FirstRefused([one, one, all], Name).ShouldBeNull();
        FirstRefused([one, one, all, one], Name).ShouldBe(one, "nothing is owed any more");
        FirstRefused([one, one, all, all], Name).ShouldBe(all);

        // Nobody is stopped while the holder of the duty does not record.
        var alone = Begin(Name);
        alone.Servers[A].Rows[0] = new DutyRow { Role = Role.Standby, Epoch = alone.Servers[B].Rows[0].Epoch, Alloc = 1 };
        var told = After([alone], MeaningOf(one), Name);
        told.ShouldNotBeEmpty();
        told.Count(world => world.Servers[B].Rows[0].Recording == 0 || (world.Duties[0].OwedStop & (1 << B)) == 0).ShouldBe(0);
        After(After(After(told, MeaningOf(one), Name), MeaningOf(one), Name), MeaningOf(all), Name).ShouldBeEmpty();
    }

    /// <summary>A step left out, or done before the one that allows it, is refused.</summary>
    [Theory]
    [InlineData("failback.v1.done")]
    [InlineData("failback.v2.failed")]
    [InlineData("adoption.v1.done")]
    public async Task History_WithAStepLeftOutOrExchanged_IsRefused(string name)
    {
        var steps = await ReadAsync(name);
        for (var index = 0; index + 1 < steps.Count; index++)
        {
            var without = steps.ToList();
            without.RemoveAt(index);
            var exchanged = steps.ToList();
            (exchanged[index], exchanged[index + 1]) = (exchanged[index + 1], exchanged[index]);

            FirstRefused(without, name).ShouldNotBeNull($"without {steps[index]}");
            FirstRefused(exchanged, name).ShouldNotBeNull($"{steps[index + 1]} before {steps[index]}");
        }
    }

    /// <summary>Of histories whose nodes are called as a failback's are: what comes before them in the tables.</summary>
    private static string PrefixOf(string name) => name[..name.IndexOf('.', StringComparison.Ordinal)] is var workflow && workflow != "failback" ? $"{workflow} " : "";

    private static bool IsDelivering(World world) => world.Runs[0] is { IsRunning: true, Step: Step.OwedRead or Step.OwedTell or Step.OwedEndHold };

    private static Meaning MeaningOf(string step) => MoreMeanings.TryGetValue(step, out var more)
        ? more
        : new((move, _) => move.What == What.Activity && move.Step == Meanings[step].Step && Meanings[step].Hows.Contains(move.How));

    /// <summary>The steps of the protocol in a kept journal. What the table does not know is no step of the protocol.</summary>
    private static async Task<IReadOnlyList<string>> ReadAsync(string name)
    {
        var file = RepositoryFiles.PathOf("tests", "FailbackWorkflows.Tests", "Workflows", "Histories", $"{name}.json");
        var kept = JsonSerializer.Deserialize<Kept>(await File.ReadAllTextAsync(file), PlainValue.Json)!;
        return [.. kept.Journal.OfType<ActivityCompleted>()
            .Select(e => $"{PrefixOf(name)}{e.NodeId[(e.NodeId.IndexOf(':', StringComparison.Ordinal) + 1)..]} {string.Join(',', e.Outcomes)}")
            .Where(step => Meanings.ContainsKey(step) || MoreMeanings.ContainsKey(step))];
    }

    /// <summary>The first step that the model cannot do after those before it; null: it can do all.</summary>
    private static string? FirstRefused(IReadOnlyList<string> steps, string name)
    {
        List<World> states = [Begin(name)];
        if (name.StartsWith("abandonment", StringComparison.Ordinal))
        {
            states = [.. UntilNoReturn.Aggregate(states, (reached, step) => After(reached, MeaningOf(step), name)).Where(world => world.Runs[0].Acquired == 1).Select(Stopped)];
            states.ShouldNotBeEmpty();
        }

        foreach (var step in steps)
        {
            states = After(states, MeaningOf(step), name);
            if (states.Count == 0)
            {
                return step;
            }
        }

        return null;
    }

    private static List<World> After(List<World> states, Meaning meaning, string name)
    {
        var moves = new Moves(Bounds);
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var after = new Dictionary<string, World>(StringComparer.Ordinal);
        var queue = new Queue<World>();
        foreach (var state in states)
        {
            Meet(state);
        }

        while (queue.TryDequeue(out var world))
        {
            moves.Clear();
            Surroundings.Add(world, moves);
            Starts.Add(world, moves);
            Runs.Add(world, moves);
            for (var i = 0; i < moves.Count; i++)
            {
                var (move, next) = moves[i];
                next.Faults = 0;
                if (Properties.Check(next, Bounds) != Violation.None)
                {
                    continue;
                }

                Canonical.Normalise(ref next, Bounds);
                if (meaning.IsIt(move, next))
                {
                    after.TryAdd(TextOf(next), next);
                }
                else if (IsUntold(move) || (move is { What: What.StartOwed, Server: B } && IsDelivery(name)))
                {
                    Meet(next);
                }
            }
        }

        return [.. after.Values];

        void Meet(World world)
        {
            if (seen.Add(TextOf(world)))
            {
                queue.Enqueue(world);
                if (meaning.Holds?.Invoke(world) == true)
                {
                    after.TryAdd(TextOf(world), world);
                }
            }
        }
    }

    /// <summary>What may happen between two steps without a word of it in the journal.</summary>
    private static bool IsUntold(Move move) => move switch
    {
        { What: What.Acquire or What.Crash or What.Restart or What.Cut or What.Heal or What.BootConfirm or What.StartFailback or What.StartAdopt } => true,
        // An activity that is repeated was not completed before; a look is part of the activity that looks.
        { What: What.Activity, How: AnswerLost } => true,
        { What: What.Activity, Step: Step.FailbackCheck or Step.FailbackLook or Step.UndoRead or Step.UndoLook or Step.OwedRead, How: Done } => true,
        _ => false,
    };

    private static string TextOf(World world) => Convert.ToHexString(WorldBytes.Of(ref world));

    private static bool IsDelivery(string name) => name.StartsWith("obligations", StringComparison.Ordinal);

    /// <summary>An error of ours has stopped the run.</summary>
    private static World Stopped(World world)
    {
        Runs.Lose(ref world, 0);
        world.Runs[0].Faulted = 1;
        Canonical.Normalise(ref world, Bounds);
        return world;
    }

    /// <summary>After a failover of A to B. For an adoption A records by itself, under the epoch it had; for a delivery the failback is done, and B has not heard of it.</summary>
    private static World Begin(string name)
    {
        var isAdoption = name.StartsWith("adoption", StringComparison.Ordinal);
        var world = default(World);
        world.NodeUp[0] = 1;
        (world.Servers[0].Up, world.Servers[1].Up) = (1, 1);
        ref var duty = ref world.Duties[0];
        duty = new Duty { Holder = 1, Epoch = 2, Alloc = 1, Checkpoint = 2, OwedStop = isAdoption ? (byte)1 : (byte)0 };
        duty.Entries[0] = new Entry { Exists = 1, Known = 1, Server = 1, Failover = FailoverPart.Done, Hold = Hold.Open };
        world.Servers[0].Rows[0] = isAdoption
            ? new DutyRow { Role = Role.Recorder, Epoch = 1, Alloc = 1, Recording = 1 }
            : new DutyRow { Role = Role.Standby, Epoch = 2, Alloc = 1 };
        world.Servers[1].Rows[0] = new DutyRow { Role = Role.Recorder, Epoch = 2, Alloc = 1, Recording = 1 };
        if (IsDelivery(name))
        {
            (duty.Holder, duty.Epoch, duty.Checkpoint, duty.OwedStop) = (A, 3, 3, 1 << B);
            (duty.Entries[0].Failback, duty.Entries[0].CloseOwed) = (FailbackPart.Done, 1);
            world.Servers[A].Rows[0] = new DutyRow { Role = Role.Recorder, Epoch = 3, Alloc = 1, Recording = 1 };
        }

        Canonical.Normalise(ref world, Bounds);
        return world;
    }

    private static Two<byte> Takers()
    {
        var takers = default(Two<byte>);
        takers[0] = 2;
        return takers;
    }

    /// <summary>What a step of a journal is in the model.</summary>
    /// <param name="IsIt">A move and the state after it.</param>
    /// <param name="Holds">The step may also be no move at all, in a state of which this is true; null: it is a move.</param>
    private sealed record Meaning(Func<Move, World, bool> IsIt, Func<World, bool>? Holds = null);

    /// <summary>What is read of a kept history.</summary>
    private sealed record Kept(IReadOnlyList<JournalEvent> Journal);
}
