using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Obligations;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Testing.Failback;
using GrantedDuty = FailbackWorkflows.Failback.Duties.Duty;

namespace FailbackWorkflows.Tests.Model.Paths;

/// <summary>
/// Records what the real system does: its state after each commit, and before and after each call at a recorder. Between two observations
/// one thing has changed: one recorder's duty, what is broken at one server, or the database.
/// </summary>
public sealed class RunRecorder
{
    private static readonly string[] Names = [FailbackWorld.Failed, FailbackWorld.Failover, FailbackWorld.Spare];

    private readonly FailbackWorld _world;
    private readonly Lock _lock = new();
    private readonly List<Observation> _observations = [];
    private Stored _stored;

    private RunRecorder(FailbackWorld world, Stored stored) => (_world, _stored) = (world, stored);

    /// <summary>What was seen, oldest first; no two after each other are the same.</summary>
    public IReadOnlyList<Observation> Observations
    {
        get
        {
            lock (_lock)
            {
                return [.. _observations];
            }
        }
    }

    /// <summary>Begins with the state the world is in.</summary>
    public static async Task<RunRecorder> StartAsync(FailbackWorld world)
    {
        var recorder = new RunRecorder(world, await ReadAsync(world));
        recorder.Take("the beginning");
        world.Recorders.Arrived = call => recorder.Take($"{call.ServerId} {call.Name}");
        world.Store.Committed = commit => recorder.LookAsync(Describe(commit));
        return recorder;
    }

    /// <summary>Looks now: what polls and operators write is in no run's commit.</summary>
    public async Task LookAsync(string why)
    {
        var stored = await ReadAsync(_world);
        lock (_lock)
        {
            Take($"before {why}");
            _stored = stored;
            Take(why);
        }
    }

    private static string Describe(StepCommit commit) =>
        $"commit of {commit.Instance.DefinitionId} {commit.Instance.LastSequence}{(commit.Changes.Count == 0 ? "" : $" ({string.Join(", ", commit.Changes.Select(c => c.GetType().Name).Distinct())})")}";

    private static async Task<Stored> ReadAsync(FailbackWorld world)
    {
        var entries = await world.Get<IFailoverLog>().ListAsync(new(FailoverLogView.Active) { Take = 200, ServerIds = [FailbackWorld.Failed] }, default);
        var obligations = (await world.Get<IObligations>().ListOpenAsync(default)).Where(o => o.Identity == FailbackWorld.Failed).ToList();
        return new(
            await world.DutyAsync(),
            (await world.Get<IDuties>().FindClaimAsync(DutyClaim.Identity(FailbackWorld.Failed), default))?.Kind,
            [.. entries.Where(e => e.FailedServerId == FailbackWorld.Failed).OrderBy(e => e.FailoverStartedAt)],
            obligations);
    }

    private void Take(string why)
    {
        lock (_lock)
        {
            var servers = Names.Select(See).ToArray();
            if (_observations.Count == 0)
            {
                _observations.Add(Project(why, servers, null));
                return;
            }

            // What is seen at once may have happened at several servers; the model knows one after the other.
            var seen = _observations[^1].Servers.ToArray();
            for (var index = 0; index < servers.Length; index++)
            {
                if (servers[index] == seen[index])
                {
                    continue;
                }

                if (servers[index] is { IsUp: true, Awaiting: 1 } && seen[index] is { IsUp: true, Awaiting: 0 })
                {
                    // It was away for a moment.
                    seen[index] = servers[index] with { IsUp = false };
                    Add($"{why}, {Names[index]} restarts", seen);
                }

                seen[index] = servers[index];
                Add(why, seen);
            }

            Add(why, seen);
        }
    }

    private void Add(string why, SeenServer[] servers)
    {
        var former = _observations[^1];
        var next = Project(why, [.. servers], former);
        if (!next.IsSameAs(former))
        {
            _observations.Add(next with { IsBetweenCommits = former.Servers.SequenceEqual(next.Servers) && former.Claim is not null && former.Claim == next.Claim });
        }
    }

    private SeenServer See(string name)
    {
        var recorder = _world.Recorders[name];
        var duty = recorder.Duty(FailbackWorld.Failed);
        var isRecorder = duty.AssignedRole == DutyRole.Recorder;
        var awaiting = recorder.IsDead ? isRecorder : duty.Awaiting;
        return new(
            !recorder.IsDead,
            !recorder.IsDead && !recorder.IsReachable,
            isRecorder,
            duty.Epoch,
            duty.AllocationId,
            duty.Recording,
            !awaiting ? 0 : duty is { Provisional: true } && !recorder.IsDead ? 2 : 1,
            duty.Frozen);
    }

    /// <summary>What the database and the recorders are in the words of the model.</summary>
    private Observation Project(string why, SeenServer[] servers, Observation? former)
    {
        var duty = _stored.Duty;
        var owed = 0;
        for (var index = 0; index < servers.Length; index++)
        {
            var isStale = duty.HolderServerId != Names[index] && servers[index].IsRecorder && servers[index].Epoch < duty.Epoch;
            if (isStale || _stored.Owed.Any(o => o.ServerId == Names[index] && o.Kind is ObligationKind.Stop or ObligationKind.StandBy))
            {
                owed |= 1 << index;
            }
        }

        return new(why, Array.IndexOf(Names, duty.HolderServerId), duty.Epoch, duty.AllocationId, _stored.Claim, owed, servers, [.. _stored.Entries.Select(e => See(e, former))]);
    }

    private SeenEntry See(FailoverLogEntry entry, Observation? former)
    {
        var hold = _world.Recorders[entry.FailoverServerId].Holds.GetValueOrDefault(entry.Id);
        var failback = entry.Failback;
        if (failback == FailbackState.Running && _stored.Claim is "adoption")
        {
            // An adoption says "running" too; to the model it is not a failback that is running.
            failback = former?.Entries.FirstOrDefault(e => e.Id == entry.Id)?.Failback ?? FailbackState.NotStarted;
        }

        return new(
            entry.Id,
            Array.IndexOf(Names, entry.FailoverServerId),
            entry.Failover,
            failback,
            hold is null ? Hold.None : hold.ToUtc is null ? Hold.Open : Hold.Closed,
            entry.IsUnsettled || _stored.Owed.Any(o => o.EntryId == entry.Id && o.Kind == ObligationKind.HoldEnd));
    }

    private sealed record Stored(GrantedDuty Duty, string? Claim, IReadOnlyList<FailoverLogEntry> Entries, IReadOnlyList<Obligation> Owed);
}
