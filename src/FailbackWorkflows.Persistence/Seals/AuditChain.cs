using System.Globalization;
using System.Text.Json;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Persistence.Identity;

namespace FailbackWorkflows.Persistence.Seals;

/// <summary>
/// Chains the audit log. Not where it is written but where it is sealed, in the order of its sequence: any node writes at any time without waiting for a head
/// that another one has.
/// </summary>
public static class AuditChain
{
    /// <summary>What it is called among the chains of a checkpoint; no run can have this id.</summary>
    public const string Name = "audit-log";

    /// <summary>What the first record is hashed with.</summary>
    public static string Genesis { get; } = JournalChain.Hash("""{"chain":"audit-log","v":1}""");

    /// <summary>The line of a record that is hashed.</summary>
    public static string Line(AuditEntry entry, string previous)
    {
        var record = entry.Record;
        var actor = record.Actor;
        return string.Create(
            CultureInfo.InvariantCulture,
            $$"""{"action":{{Text(record.Action)}},"actor":{"address":{{Text(actor.Address)}},"id":{{Text(actor.Id)}},"kind":{{Text(NameOf(actor.Kind))}},"name":{{Text(actor.Name)}}},"at":"{{JournalChain.Instant(record.At)}}","previous":{{Text(previous)}},"reason":{{Text(record.Reason)}},"result":{{Text(record.Result)}},"sequence":{{entry.Sequence}},"subject":{{Text(record.Subject)}},"v":1}""");
    }

    private static string Text(string? text) => text is null ? "null" : JournalChain.Quote(text);

    private static string NameOf(ActorKind kind) => JsonNamingPolicy.CamelCase.ConvertName(kind.ToString());
}
