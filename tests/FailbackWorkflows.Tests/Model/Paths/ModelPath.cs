using FailbackWorkflows.Failback.FailoverLog;

namespace FailbackWorkflows.Tests.Model.Paths;

/// <summary>What became of a recorded run that was held against the model.</summary>
/// <param name="Refusal">Why it is no path of the model; null: it is one.</param>
/// <param name="Steps">Observations that the model could follow.</param>
/// <param name="States">States of the model that were looked at.</param>
public sealed record PathVerdict(string? Refusal, int Steps, int States);

/// <summary>
/// Is what was recorded of the real system a path of the model? The model is carried along: after each observation it may be in every state
/// that can be reached by its own transitions from one of those before and that looks like what was seen. A state on the way must look like the
/// observation before or like the one after: what the system does not show, the model may do (deciding, looking, taking a run up), and nothing else.
/// Where the model commits at once what the code commits in several transactions, without telling a recorder anything in between, the ones in
/// between are passed over. A state that breaks one of the model's properties is no state of a path.
/// </summary>
/// <remarks>
/// Left out: fences (each call's is compared in <see cref="ModelPathTests"/>), what is owed while a run has the claim (the run itself is what does
/// it), a failback's state during an abandonment, epochs that a server without the duty has merely heard of. A run that keeps its claim for some
/// steps after the model has given it back is allowed; one that gives it back earlier is not.
/// </remarks>
public sealed class ModelPath
{
    private const int MostSteps = 14;
    private const int MostStates = 50_000;
    private const int MostPassedOver = 8;

    private static readonly Bounds Bounds = new("a recorded run", Servers: 3, Identities: 1, Nodes: 1, Takers(2 | 4), Faults: 1, InFlight: 0, OpenEntries: 2);

    private readonly Moves _moves = new(Bounds);
    private int _looked;

    /// <summary>Holds a recorded run against the model.</summary>
    public static PathVerdict Check(IReadOnlyList<Observation> observations) => new ModelPath().Follow(observations);

    private PathVerdict Follow(IReadOnlyList<Observation> observations)
    {
        var first = Begin(observations[0]);
        if (Properties.Check(first, Bounds) is not Violation.None and var violation)
        {
            return new($"The beginning breaks {violation}: {observations[0]}", 0, 0);
        }

        if (!Matches(first, observations[0]))
        {
            return new($"The model cannot begin with {observations[0]}", 0, 0);
        }

        List<World[]> states = [[first]];
        for (var index = 1; index < observations.Count; index++)
        {
            var reached = new Found();
            for (var former = index - 1; former >= 0 && index - former <= MostPassedOver; former--)
            {
                Reach(states[former], observations[former], observations[index], reached);
                if (!observations[former].IsBetweenCommits)
                {
                    break;
                }
            }

            if (reached.Count == 0 && !observations[index].IsBetweenCommits)
            {
                return new($"The model has no way from{Environment.NewLine}  {observations[index - 1]}{Environment.NewLine}to{Environment.NewLine}  {observations[index]}", index, _looked);
            }

            states.Add([.. reached.Worlds]);
        }

        return states[^1].Length > 0
            ? new(null, observations.Count, _looked)
            : new($"The model has no way to the end, {observations[^1]}", observations.Count - 1, _looked);
    }

    /// <summary>All states that look like <paramref name="to"/> and can be reached by way of states that look like either.</summary>
    private void Reach(World[] sources, Observation from, Observation to, Found reached)
    {
        var seen = new Found();
        var queue = new Queue<(World World, int Steps, bool IsThere)>();
        foreach (var source in sources)
        {
            if (seen.Add(source))
            {
                queue.Enqueue((source, 0, Matches(source, to)));
            }
        }

        while (queue.TryDequeue(out var at))
        {
            if (at.IsThere)
            {
                reached.Add(at.World);
            }

            if (at.Steps == MostSteps)
            {
                continue;
            }

            _moves.Clear();
            Surroundings.Add(at.World, _moves);
            Starts.Add(at.World, _moves);
            Runs.Add(at.World, _moves);
            AddIncident(at.World);
            for (var i = 0; i < _moves.Count; i++)
            {
                var (move, next) = _moves[i];

                // The node of the model is the management server: that it dies is what these runs do not show.
                if (move.What == What.NodeCrash)
                {
                    continue;
                }

                next.Faults = 0;
                if (Properties.Check(next, Bounds) != Violation.None)
                {
                    continue;
                }

                Canonical.Normalise(ref next, Bounds);
                var isThere = Matches(next, to);
                if ((isThere || (!at.IsThere && Matches(next, from))) && seen.Add(next))
                {
                    _looked++;
                    if (seen.Count > MostStates)
                    {
                        throw new InvalidOperationException($"More than {MostStates:N0} states between two observations: what is compared says too little. {from} → {to}");
                    }

                    queue.Enqueue((next, at.Steps + 1, isThere));
                }
            }
        }
    }

    /// <summary>An error of ours stops a run anywhere; in the model it is only met where it follows from the protocol.</summary>
    private void AddIncident(in World world)
    {
        if (world.Runs[0] is { IsRunning: true, Faulted: 0, Acquired: 1 })
        {
            var next = world;
            Runs.Lose(ref next, 0);
            next.Runs[0].Faulted = 1;
            _moves.Add(new Move(Kind.Step, What.Activity, world.Runs[0].Step, How.Refused, 0, 0, 0), next);
        }
    }

    private static World Begin(Observation seen)
    {
        var world = default(World);
        world.NodeUp[0] = 1;
        var epochs = seen.Servers.Select(s => s.Epoch).Append(seen.Epoch).Append(0).Distinct().Order().ToList();
        world.Duties[0] = new Duty
        {
            Holder = (byte)seen.Holder,
            Epoch = (byte)epochs.IndexOf(seen.Epoch),
            Alloc = 1,
            Checkpoint = (byte)(epochs.Count - 1),
            OwedStop = (byte)seen.Owed,
        };
        for (var index = 0; index < seen.Servers.Count; index++)
        {
            var server = seen.Servers[index];
            world.Servers[index].Up = server.IsUp ? (byte)1 : (byte)0;
            world.Cut[0] |= (byte)(server.IsCut ? 1 << index : 0);
            world.Servers[index].Rows[0] = new DutyRow
            {
                Role = server.IsRecorder ? Role.Recorder : Role.Standby,
                Epoch = (byte)epochs.IndexOf(server.Epoch),
                Alloc = server.Allocation is null ? (byte)0 : (byte)1,
                Recording = server.IsRecording ? (byte)1 : (byte)0,
                Awaiting = (byte)server.Awaiting,
                Frozen = server.IsFrozen ? (byte)1 : (byte)0,
            };
        }

        for (var index = 0; index < seen.Entries.Count; index++)
        {
            var entry = seen.Entries[index];
            world.Duties[0].Entries[index] = new Entry
            {
                Exists = 1,
                Known = 1,
                Server = (byte)entry.Server,
                Failover = PartOf(entry.Failover),
                Failback = PartOf(entry.Failback),
                Hold = entry.Hold,
                CloseOwed = entry.IsCloseOwed ? (byte)1 : (byte)0,
            };
        }

        Canonical.Normalise(ref world, Bounds);
        return world;
    }

    private static bool Matches(in World world, Observation seen) =>
        MatchesDuty(world, seen) && MatchesServers(world, seen) && MatchesEntries(world, seen);

    private static bool MatchesDuty(in World world, Observation seen)
    {
        var duty = world.Duties[0];
        var run = world.Runs[0];
        if (duty.Holder != seen.Holder)
        {
            return false;
        }

        if (seen.Claim is not null)
        {
            return true;
        }

        // A failover that failed is settled without a claim, by calls a run would make: what it is owed is derived from the log.
        return (!run.IsRunning || run.Step is Step.OwedRead or Step.OwedTell or Step.OwedEndHold) && (duty.OwedStop & ~seen.Owed) == 0;
    }

    private static bool MatchesServers(in World world, Observation seen)
    {
        var duty = world.Duties[0];
        for (var index = 0; index < seen.Servers.Count; index++)
        {
            var server = seen.Servers[index];
            var row = world.Servers[index].Rows[0];
            if (world.Servers[index].Up == 1 != server.IsUp
                || (server.IsUp && (world.Cut[0] & (1 << index)) != 0 != server.IsCut)
                || row.Role == Role.Recorder != server.IsRecorder
                || row.Recording == 1 != server.IsRecording
                || row.Awaiting != server.Awaiting
                || row.Frozen == 1 != server.IsFrozen
                || world.HasAuthority(index, 0) != seen.HasAuthority(index)
                || row.Epoch > duty.Epoch != server.Epoch > seen.Epoch)
            {
                return false;
            }

            for (var other = 0; server.IsRecorder && other < index; other++)
            {
                // Of two that call themselves recorder: who is newer, or are they the same?
                if (seen.Servers[other].IsRecorder
                    && Math.Sign(row.Epoch.CompareTo(world.Servers[other].Rows[0].Epoch)) != Math.Sign(server.Epoch.CompareTo(seen.Servers[other].Epoch)))
                {
                    return false;
                }
            }

            if (server.IsRecorder && row.Epoch == duty.Epoch != (server.Epoch == seen.Epoch))
            {
                return false;
            }
        }

        return true;
    }

    private static bool MatchesEntries(in World world, Observation seen)
    {
        var entries = world.Duties[0].Entries;
        var count = entries[0].Exists + entries[1].Exists;
        if (count != seen.Entries.Count)
        {
            return false;
        }

        for (var index = 0; index < count; index++)
        {
            var entry = entries[index];
            var expected = seen.Entries[index];
            if (entry.Server != expected.Server
                || entry.Failover != PartOf(expected.Failover)
                || entry.Hold != expected.Hold
                || (seen.Claim != "abandonment" && entry.Failback != PartOf(expected.Failback))
                || (seen.Claim is null && entry.CloseOwed == 1 && !expected.IsCloseOwed))
            {
                return false;
            }
        }

        return true;
    }

    private static FailoverPart PartOf(FailoverState state) => state switch
    {
        FailoverState.Running => FailoverPart.Running,
        FailoverState.Done => FailoverPart.Done,
        _ => FailoverPart.Failed,
    };

    private static FailbackPart PartOf(FailbackState state) => state switch
    {
        FailbackState.NotStarted => FailbackPart.NotStarted,
        FailbackState.Running => FailbackPart.Running,
        FailbackState.Failed => FailbackPart.Failed,
        _ => FailbackPart.Done,
    };

    private static Two<byte> Takers(int ofA)
    {
        var takers = default(Two<byte>);
        takers[0] = (byte)ofA;
        return takers;
    }

    /// <summary>A set of states, compared byte by byte.</summary>
    private sealed class Found : IEqualityComparer<World>
    {
        private readonly HashSet<World> _worlds;

        public Found() => _worlds = new(this);

        public int Count => _worlds.Count;

        public IReadOnlyCollection<World> Worlds => _worlds;

        public bool Add(World world) => _worlds.Add(world);

        public bool Equals(World x, World y) => WorldBytes.Of(ref x).SequenceEqual(WorldBytes.Of(ref y));

        public int GetHashCode(World world) => WorldBytes.Hash(WorldBytes.Of(ref world));
    }
}
