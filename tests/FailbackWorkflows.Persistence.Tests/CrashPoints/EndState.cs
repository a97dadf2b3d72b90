using System.Text;
using System.Text.RegularExpressions;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Failback.AutomaticFailback;
using FailbackWorkflows.Failback.AutomaticFailover;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.MaterialCopy;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Testing.Failback;
using Microsoft.EntityFrameworkCore;

namespace FailbackWorkflows.Persistence.Tests.CrashPoints;

/// <summary>
/// What a site has come to, in the database and at every recorder, as text without times and ids: two that went through the same are equal, whoever died
/// on the way.
/// </summary>
/// <param name="Text">A line for everything that is so.</param>
/// <param name="Ends">How the runs ended, as <see cref="CrashPlay.Ends"/> says it.</param>
/// <param name="Epochs">By identity. A number that was noted but not committed is not used again, so who died may need one more.</param>
/// <param name="Definitions">Digests of the definitions that were run.</param>
internal sealed partial record EndState(string Text, string Ends, IReadOnlyDictionary<string, long> Epochs, IReadOnlyList<string> Definitions)
{
    /// <summary>Reads it when everything has ended; the world proves that each run's journal folds to what is stored of it.</summary>
    public static async Task<EndState> ReadAsync(FailbackWorld world)
    {
        var lines = new List<string>();
        var names = new Dictionary<string, string>(StringComparer.Ordinal);
        var (ends, definitions) = (new List<string>(), new List<string>());
        foreach (var summary in await CrashPlay.RunsAsync(world))
        {
            var run = await world.ReadAsync(summary.Id);
            var started = run.Journal.OfType<InstanceStarted>().Single();
            names[summary.Id] = $"{summary.DefinitionId}#{names.Values.Count(n => n.StartsWith($"{summary.DefinitionId}#", StringComparison.Ordinal)) + 1}";
            ends.Add($"{summary.DefinitionId} {(run.SubStatus == WorkflowSubStatus.Faulted ? "faulted" : run.Result)}");
            definitions.Add(started.DefinitionSha256);
            lines.Add($"run {summary.Id}: {run.SubStatus}, {run.Result}, check {run.RefusedCheck}, '{run.Message}', by {started.Actor.Name}");
        }

        var duties = (await world.Get<IDuties>().ListAsync(default)).OrderBy(d => d.Identity, StringComparer.Ordinal).ToList();
        await AddStoredAsync(world, duties, lines);
        foreach (var recorder in world.Recorders.All)
        {
            AddRecorder(recorder, duties, lines);
        }

        lines.AddRange(world.Recorders.Effects.GroupBy(e => $"{e.ServerId} {e.Name}", StringComparer.Ordinal).OrderBy(g => g.Key, StringComparer.Ordinal).Select(g => $"took effect: {g.Key}, {g.Count()} times"));
        lines.AddRange(world.Recorders.Effects.GroupBy(e => e.Key, StringComparer.Ordinal).Where(g => g.Count() > 1).Select(g => $"TOOK EFFECT MORE THAN ONCE: {g.Key}"));

        var text = new StringBuilder(string.Join(Environment.NewLine, lines));
        foreach (var (id, name) in names)
        {
            text.Replace(id, name);
        }

        return new(EpochNumber().Replace(text.ToString(), "epoch n"), string.Join(", ", ends), duties.ToDictionary(d => d.Identity, d => d.Epoch), definitions);
    }

    /// <summary>What differs, line by line; empty when nothing does.</summary>
    public IReadOnlyList<string> DifferencesTo(EndState expected)
    {
        var (mine, theirs) = (Text.Split(Environment.NewLine), expected.Text.Split(Environment.NewLine));
        return
        [
            .. theirs.Except(mine).Select(line => $"missing: {line}"),
            .. mine.Except(theirs).Select(line => $"instead: {line}"),
            .. Epochs.Where(e => e.Value < expected.Epochs.GetValueOrDefault(e.Key) || e.Value > expected.Epochs.GetValueOrDefault(e.Key) + 1)
                .Select(e => $"epoch {e.Value} of {e.Key}, expected {expected.Epochs.GetValueOrDefault(e.Key)}"),
        ];
    }

    private static async Task AddStoredAsync(FailbackWorld world, IReadOnlyList<Duty> duties, List<string> lines)
    {
        foreach (var server in (await world.Get<IVmsServers>().ListAsync(default)).OrderBy(s => s.Id, StringComparer.Ordinal))
        {
            lines.Add($"server {server.Id}: {server.State}");
        }

        foreach (var entry in (await world.Get<IFailoverLog>().ListAsync(new(FailoverLogView.All) { Take = 200 }, default)).Reverse())
        {
            lines.Add($"entry {entry.Id}: {entry.FailedServerId} to {entry.FailoverServerId}, failover {entry.Failover}, failback {entry.Failback}, copy {entry.MaterialCopy}, active {entry.IsActive}, may fail back {entry.CanFailBack}, "
                + $"runs {entry.FailoverRunId} {entry.FailbackRunId}, closed by {entry.ClosedByEntryId}, last times of {entry.LastTimes?.Count}, by {entry.StartedBy}, '{entry.Message}'");
            var task = await world.Get<IMaterialCopies>().FindByEntryAsync(entry.Id, default);
            lines.Add($"copy of {entry.Id}: {(task is null ? "none" : $"run {task.RunId}, last {task.LastRunId}, owed {task.IsRevocationOwed} {task.IsCancellationOwed}, verified {task.CoverageSha256 is not null}")}");
            if (await world.Get<IAutomaticFailbacks>().FindAsync(entry.Id, default) is { } automatic)
            {
                lines.Add($"automatic failback of {entry.Id}: {automatic.Attempts} attempts, run {automatic.RunId}, last {automatic.LastRunId}, '{automatic.LastMessage}'");
            }
        }

        foreach (var duty in duties)
        {
            var settings = await world.Get<ISettingsCache>().FindNewestAsync(duty.Identity, default);
            lines.Add($"duty of {duty.Identity}: with {duty.HolderServerId}, settings {settings?.Revision} {settings?.Sha256[..8]}");
            if (await world.Get<IAutomaticFailovers>().FindAsync(duty.Identity, default) is { } automatic)
            {
                lines.Add($"automatic failover of {duty.Identity}: {automatic.Attempts} attempts, run {automatic.RunId}, last {automatic.LastRunId}, '{automatic.LastMessage}'");
            }
        }

        await using var db = world.Get<IDatabase>().CreateReadContext();
        lines.AddRange((await db.DutyClaims.OrderBy(c => c.Key).ToListAsync()).Select(c => $"claim {c.Key}: {c.InstanceId}"));
        lines.AddRange((await db.RetentionHolds.OrderBy(h => h.EntryId).ThenBy(h => h.ServerId).ToListAsync()).Select(h => $"hold {h.EntryId} at {h.ServerId}: {(h.ToUtc is null ? "open" : "closed")}"));
        lines.AddRange((await db.Obligations.OrderBy(o => o.ServerId).ThenBy(o => o.KindOrder).ThenBy(o => o.EntryId).ToListAsync()).Select(o =>
            $"obligation {o.ServerId} {o.Kind} {o.Identity} {o.EntryId} {o.Role}: {(o.SettledAt is null ? "open" : "settled")}, '{o.Settlement}'"));
        lines.Add($"bookmarks: {await db.Bookmarks.CountAsync()}, messages: {await db.Inbox.CountAsync()}");
        lines.Add($"system changes told of: {(await world.NewsAsync()).Count(n => n.Kind == "systemChange")}");
    }

    private static void AddRecorder(FakeRecorder recorder, IReadOnlyList<Duty> duties, List<string> lines)
    {
        foreach (var duty in recorder.Duties)
        {
            var state = duty.ToState();
            var granted = duties.FirstOrDefault(d => d.Identity == duty.Identity);
            var epoch = granted is null ? "unknown" : state.Epoch == granted.Epoch ? "current" : state.Epoch < granted.Epoch ? "behind" : "AHEAD";
            var allocation = granted is null || state.AssignedRole != DutyRole.Recorder || epoch != "current" ? "" : state.AllocationId == granted.AllocationId ? ", as granted" : ", NOT AS GRANTED";
            lines.Add($"{recorder.ServerId} for {duty.Identity}: {state.Role}, epoch {epoch}{allocation}, fence {(state.Fence <= (granted?.Fence ?? long.MaxValue) ? "known" : "UNKNOWN")}, records {state.Recording}, frozen {duty.Frozen}, "
                + $"settings {duty.Revision} {duty.Sha256[..8]}, hold {duty.HoldEntryId}, authority ends of {duty.AuthorityEnds?.Count}");
        }

        lines.AddRange(recorder.Holds.OrderBy(h => h.Key, StringComparer.Ordinal).Select(h => $"{recorder.ServerId} holds {h.Key}: {(h.Value.ToUtc is null ? "open" : "closed")}"));
        lines.AddRange(recorder.Released.OrderBy(r => r.Key, StringComparer.Ordinal).Select(r => $"{recorder.ServerId} released {r.Key}: {r.Value}"));
        lines.AddRange(recorder.Copies.Tasks.Select(t => $"{recorder.ServerId} copies {t.TaskId}: {t.State} {t.PauseReason}, {t.BytesVerified} of {t.BytesTotal} bytes"));
        lines.AddRange(recorder.Copies.Tokens.Keys.Order(StringComparer.Ordinal).Select(t => $"{recorder.ServerId} lets read by {t}"));
    }

    [GeneratedRegex(@"epoch \d+")]
    private static partial Regex EpochNumber();
}
