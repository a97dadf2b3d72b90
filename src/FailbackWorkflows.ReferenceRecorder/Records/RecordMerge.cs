using System.Text.Json;
using System.Text.Json.Nodes;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Material;

namespace FailbackWorkflows.ReferenceRecorder.Records;

/// <summary>
/// What two recorders make of the same record. What was recorded with authority wins over what was recorded without; among equals the later
/// revision does. Alarms alone are merged: an acknowledgement in one and not in the other goes into the winner, as a revision of its own. Among
/// equals the result depends on the two contents and not on which of them is here, so both sides come to the same record, and sending it to
/// and fro changes nothing.
/// </summary>
public static class RecordMerge
{
    /// <summary>States of an alarm, each further on than the one before.</summary>
    internal static readonly string[] AlarmStates = ["new", "acknowledged", "closed"];

    /// <summary>What is to be stored when <paramref name="incoming"/> meets <paramref name="here"/>; null row: what is here stays.</summary>
    public static (ImportOutcome Outcome, RecordRow? Row) Decide(RecordRow here, RecordRow incoming)
    {
        if (here.Sha256 == incoming.Sha256)
        {
            // The same record, first seen as disputed and now without dispute, is ordinary.
            var isSettled = here.Dispute != DisputeState.None && incoming.Dispute == DisputeState.None;
            return isSettled ? (ImportOutcome.Updated, here with { Dispute = DisputeState.None }) : (ImportOutcome.Identical, null);
        }

        if (here.Dispute == DisputeState.None && incoming.Dispute != DisputeState.None)
        {
            // What was recorded without authority never replaces what was recorded with it.
            return (ImportOutcome.Conflict, null);
        }

        if (here.Dispute != DisputeState.None && incoming.Dispute == DisputeState.None)
        {
            // And is replaced by it, whatever its revision; of an alarm the acknowledgement stays.
            return (ImportOutcome.Updated, (here.Kind == RecordKind.Alarms ? Acknowledge(incoming, here) : incoming) with { TaskId = incoming.TaskId });
        }

        if (here.Kind == RecordKind.Alarms && MergeAlarms(here, incoming) is { } merged)
        {
            return merged.Sha256 == here.Sha256 ? (ImportOutcome.Older, null) : (ImportOutcome.Updated, merged with { TaskId = incoming.TaskId });
        }

        return incoming.Revision.CompareTo(here.Revision) switch
        {
            > 0 => (ImportOutcome.Updated, incoming),
            < 0 => (ImportOutcome.Older, null),
            _ => (ImportOutcome.Conflict, null),
        };
    }

    /// <summary>Both in one when they differ in what must not be lost; null when the plain rule does.</summary>
    private static RecordRow? MergeAlarms(RecordRow one, RecordRow other)
    {
        var (a, b) = (AlarmState.Read(one.Body), AlarmState.Read(other.Body));
        var isSameRevision = one.Revision == other.Revision;
        if (isSameRevision && a.Rank == b.Rank && a.IsAcknowledged == b.IsAcknowledged)
        {
            return null;
        }

        // Later revision, then the state further on, then the digest: an order that both sides see alike.
        var order = one.Revision.CompareTo(other.Revision);
        order = order != 0 ? order : a.Rank.CompareTo(b.Rank);
        order = order != 0 ? order : string.CompareOrdinal(one.Sha256, other.Sha256);
        var (winner, loser, won, lost) = order > 0 ? (one, other, a, b) : (other, one, b, a);
        return won.IsAcknowledged || !lost.IsAcknowledged
            ? isSameRevision ? winner : null
            : Acknowledge(winner, loser);
    }

    /// <summary>The winner, with the loser's acknowledgement when only that one has any: then as a revision of its own.</summary>
    private static RecordRow Acknowledge(RecordRow winner, RecordRow loser)
    {
        var (won, lost) = (AlarmState.Read(winner.Body), AlarmState.Read(loser.Body));
        if (won.IsAcknowledged || !lost.IsAcknowledged)
        {
            return winner;
        }

        var body = JsonNode.Parse(winner.Body)!.AsObject();
        if (won.Rank == 0)
        {
            body["state"] = AlarmStates[1];
        }

        Take(body, loser.Body, "ackBy");
        Take(body, loser.Body, "ackUtc");
        using var document = JsonDocument.Parse(body.ToJsonString());
        return RecordRow.Make(
            winner.Id, winner.Kind, winner.Identity, winner.ChannelId, winner.Time, winner.To, winner.Revision + 1, winner.Dispute, winner.Origin, CanonicalJson.Text(document.RootElement));
    }

    private static void Take(JsonObject target, string source, string member)
    {
        if (JsonNode.Parse(source)!.AsObject().TryGetPropertyValue(member, out var value) && value is not null)
        {
            target[member] = value.DeepClone();
        }
    }

    /// <summary>How far on an alarm is, and whether somebody acknowledged it.</summary>
    private readonly record struct AlarmState(int Rank, bool IsAcknowledged)
    {
        public static AlarmState Read(string body)
        {
            using var document = JsonDocument.Parse(body);
            var root = document.RootElement;
            var rank = Math.Max(0, Array.IndexOf(AlarmStates, Text(root, "state")));
            return new AlarmState(rank, rank == 1 || Text(root, "ackUtc") is not null || Text(root, "ackBy") is not null);
        }

        private static string? Text(JsonElement root, string name) =>
            root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
    }
}
