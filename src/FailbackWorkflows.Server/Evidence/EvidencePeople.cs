using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Persistence.Seals;

namespace FailbackWorkflows.Server.Evidence;

/// <summary>What somebody did.</summary>
/// <param name="Where">The run, or <c>audit log</c>.</param>
public sealed record PersonsDoing(DateTimeOffset At, Actor Actor, string What, string? Reason, string Where);

/// <summary>Who did what and why, from the journals and from the audit log.</summary>
internal static class EvidencePeople
{
    /// <summary>Oldest first. Of the audit log what is about the entry or one of the runs, or was done by somebody who is in one of them.</summary>
    public static IReadOnlyList<PersonsDoing> Of(string entryId, IReadOnlyList<RunEvidence> runs, AuditEvidence? audit)
    {
        var doings = runs.SelectMany(run => run.Events.Select(item => Of(run.RunId, item)).OfType<PersonsDoing>()).ToList();
        var people = doings.Select(d => (d.Actor.Kind, d.Actor.Id)).ToHashSet();
        var subjects = runs.Select(run => run.RunId).Append(entryId).ToHashSet(StringComparer.Ordinal);
        var records = (audit?.Entries ?? []).Where(e => people.Contains((e.Record.Actor.Kind, e.Record.Actor.Id)) || (e.Record.Subject is { } subject && subjects.Contains(subject)));
        doings.AddRange(records.Select(e => new PersonsDoing(e.Record.At, e.Record.Actor, $"{e.Record.Action} {e.Record.Subject}: {e.Record.Result}", e.Record.Reason, "audit log")));
        return [.. doings.OrderBy(d => d.At)];
    }

    private static PersonsDoing? Of(string runId, JournalEvent item) => item switch
    {
        InstanceStarted started => new(started.At, started.Actor, $"started {started.DefinitionId}", started.Reason, runId),
        StimulusReceived stimulus => new(stimulus.At, stimulus.Actor, $"answered {stimulus.NodeId}", null, runId),
        CancelRequested cancel => new(cancel.At, cancel.Actor, "asked to cancel", cancel.Reason, runId),
        RedriveRequested redrive => new(redrive.At, redrive.Actor, "retried", redrive.Reason, runId),
        _ => null,
    };
}
