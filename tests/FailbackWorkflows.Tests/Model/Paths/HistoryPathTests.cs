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
/// (a run is taken up, answers are lost, servers die, are cut off and come back).
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

    [Theory]
    [InlineData("failback.v1.done", 11)]
    [InlineData("failback.v1.undone", 13)]
    [InlineData("failback.v1.refused", 1)]
    [InlineData("failback.v2.done", 9)]
    [InlineData("failback.v2.failed", 8)]
    [InlineData("adoption.v1.done", 4)]
    public async Task History_OfARealRun_IsWhatTheModelCanDo(string name, int atLeast)
    {
        var steps = await ReadAsync(name);

        steps.Count.ShouldBeGreaterThanOrEqualTo(atLeast);
        FirstRefused(steps, IsAdoption(name)).ShouldBeNull();
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

            FirstRefused(without, IsAdoption(name)).ShouldNotBeNull($"without {steps[index]}");
            FirstRefused(exchanged, IsAdoption(name)).ShouldNotBeNull($"{steps[index + 1]} before {steps[index]}");
        }
    }

    private static bool IsAdoption(string name) => name.StartsWith("adoption", StringComparison.Ordinal);

    /// <summary>The steps of the protocol in a kept journal. What the table does not know is no step of the protocol.</summary>
    private static async Task<IReadOnlyList<string>> ReadAsync(string name)
    {
        var file = RepositoryFiles.PathOf("tests", "FailbackWorkflows.Tests", "Workflows", "Histories", $"{name}.json");
        var kept = JsonSerializer.Deserialize<Kept>(await File.ReadAllTextAsync(file), PlainValue.Json)!;
        return [.. kept.Journal.OfType<ActivityCompleted>()
            .Select(e => $"{(IsAdoption(name) ? "adoption " : "")}{e.NodeId[(e.NodeId.IndexOf(':', StringComparison.Ordinal) + 1)..]} {string.Join(',', e.Outcomes)}")
            .Where(Meanings.ContainsKey)];
    }

    /// <summary>The first step that the model cannot do after those before it; null: it can do all.</summary>
    private static string? FirstRefused(IReadOnlyList<string> steps, bool isAdoption)
    {
        List<World> states = [Begin(isAdoption)];
        foreach (var step in steps)
        {
            states = After(states, Meanings[step]);
            if (states.Count == 0)
            {
                return step;
            }
        }

        return null;
    }

    private static List<World> After(List<World> states, (Step Step, How[] Hows) meaning)
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
                if (move.What == What.Activity && move.Step == meaning.Step && meaning.Hows.Contains(move.How))
                {
                    after.TryAdd(TextOf(next), next);
                }
                else if (IsUntold(move))
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
            }
        }
    }

    /// <summary>What may happen between two steps without a word of it in the journal.</summary>
    private static bool IsUntold(Move move) => move switch
    {
        { What: What.Acquire or What.Crash or What.Restart or What.Cut or What.Heal or What.BootConfirm or What.StartFailback or What.StartAdopt } => true,
        // An activity that is repeated was not completed before; a look is part of the activity that looks.
        { What: What.Activity, How: AnswerLost } => true,
        { What: What.Activity, Step: Step.FailbackCheck or Step.FailbackLook or Step.UndoRead or Step.UndoLook, How: Done } => true,
        _ => false,
    };

    private static string TextOf(World world) => Convert.ToHexString(WorldBytes.Of(ref world));

    /// <summary>After a failover of A to B. For an adoption A records by itself, under the epoch it had.</summary>
    private static World Begin(bool isAdoption)
    {
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
        Canonical.Normalise(ref world, Bounds);
        return world;
    }

    private static Two<byte> Takers()
    {
        var takers = default(Two<byte>);
        takers[0] = 2;
        return takers;
    }

    /// <summary>What is read of a kept history.</summary>
    private sealed record Kept(IReadOnlyList<JournalEvent> Journal);
}
