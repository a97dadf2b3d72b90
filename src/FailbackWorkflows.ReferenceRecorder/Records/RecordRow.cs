using System.Globalization;
using System.Text.Json;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Material;

namespace FailbackWorkflows.ReferenceRecorder.Records;

/// <summary>
/// A record as it is stored. <paramref name="Body"/> is canonical JSON, <paramref name="TaskId"/> the copy task that brought it (null: made here),
/// <paramref name="ArchiveId"/> the failover log entry of the side archive it stands in (null: in the recorder's own records).
/// </summary>
public sealed record RecordRow(
    string Id,
    RecordKind Kind,
    string Identity,
    string? ChannelId,
    DateTimeOffset Time,
    DateTimeOffset? To,
    long Revision,
    string Sha256,
    DisputeState Dispute,
    MaterialOrigin Origin,
    string Body,
    string? TaskId,
    long ChangeSequence = 0,
    string? ArchiveId = null)
{
    /// <summary>A record made here: its digest is computed.</summary>
    public static RecordRow Make(string id, RecordKind kind, string identity, string? channelId, DateTimeOffset time, DateTimeOffset? to, long revision, DisputeState dispute, MaterialOrigin origin, string canonicalBody) =>
        new(id, kind, identity, channelId, time, to, revision, RecordDigest.Compute(id, kind, channelId, time, to, revision, canonicalBody), dispute, origin, canonicalBody, TaskId: null);

    /// <summary>A record from elsewhere. Without a body when it has none that can be kept; <see cref="RecordRules.Reject"/> says so.</summary>
    public static RecordRow Of(MaterialRecord record, string? taskId) => new(
        record.Id, record.Kind, record.Identity, record.ChannelId, record.TimeUtc, record.ToUtc, record.Revision, record.Sha256, record.Disputed, record.Origin, CanonicalJson.FindText(record.Body) ?? "", taskId);

    public MaterialRecord ToRecord()
    {
        using var body = JsonDocument.Parse(Body);
        return new MaterialRecord(Id, Kind, Identity, ChannelId, Time, To, Revision, Sha256, Dispute, Origin, body.RootElement.Clone());
    }

    /// <summary>The record as <see cref="MaterialRecord"/> looks on the wire, without parsing its body.</summary>
    public void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("id", Id);
        writer.WriteString("kind", RecordDigest.Name(Kind));
        writer.WriteString("identity", Identity);
        writer.WriteString("channelId", ChannelId);
        writer.WriteString("timeUtc", RecorderJson.FormatInstant(Time));
        writer.WriteString("toUtc", To is { } to ? RecorderJson.FormatInstant(to) : null);
        writer.WriteNumber("revision", Revision);
        writer.WriteString("sha256", Sha256);
        writer.WriteString("disputed", DisputeNames.Of(Dispute));
        writer.WriteStartObject("origin");
        writer.WriteString("recorderId", Origin.RecorderId);
        writer.WriteNumber("epoch", Origin.Epoch);
        writer.WriteEndObject();
        writer.WritePropertyName("body");
        writer.WriteRawValue(Body, skipInputValidation: true);
        writer.WriteEndObject();
    }
}

/// <summary>Dispute states as they stand in the database, the same as on the wire.</summary>
public static class DisputeNames
{
    public static string Of(DisputeState state) => JsonNamingPolicy.CamelCase.ConvertName(state.ToString());

    public static DisputeState Parse(string name) => Enum.Parse<DisputeState>(name, ignoreCase: true);
}

/// <summary>What a record must be to be stored, whoever sends it.</summary>
public static class RecordRules
{
    /// <summary>Largest body in canonical form, in UTF-8 bytes.</summary>
    public const int MaxBodyBytes = 256 * 1024;

    /// <summary>
    /// Kinds that are streams along a timeline: where timelines grow at their end only, so do these, and copies of them go into a side archive. The
    /// others are lists of things with a state, which take an entry of any time.
    /// </summary>
    public static bool IsStream(RecordKind kind) => kind is RecordKind.Text or RecordKind.Metadata or RecordKind.Anpr;

    /// <summary>Why the record cannot be stored, as a sentence; null when it can.</summary>
    public static string? Reject(RecordRow record)
    {
        if (!Names.IsItem(record.Id))
        {
            return $"The id is missing or not one. {Names.ItemRule}";
        }

        if (!Names.IsValid(record.Identity) || (record.ChannelId is not null && !Names.IsValid(record.ChannelId)))
        {
            return $"The identity or the channel id is not a name. {Names.Rule}";
        }

        if (record.ChannelId is null && record.Kind is RecordKind.Text or RecordKind.Metadata or RecordKind.Anpr)
        {
            return $"A record of kind {RecordDigest.Name(record.Kind)} belongs to a channel; channelId is missing.";
        }

        if (record.Revision < 1)
        {
            return "The revision must be 1 or more.";
        }

        if (record.To < record.Time || (record.Kind == RecordKind.Locks && !(record.To > record.Time)))
        {
            return record.Kind == RecordKind.Locks ? "A lock needs a toUtc after its timeUtc." : "toUtc lies before timeUtc.";
        }

        if (!record.Body.StartsWith('{'))
        {
            return "The body must be a JSON object whose texts are valid Unicode and that has no member twice.";
        }

        if (System.Text.Encoding.UTF8.GetByteCount(record.Body) > MaxBodyBytes)
        {
            return string.Create(CultureInfo.InvariantCulture, $"The body is larger than {MaxBodyBytes} bytes.");
        }

        if (!Names.IsValid(record.Origin.RecorderId) || record.Origin.Epoch < 0)
        {
            return $"The origin is not a recorder and an epoch. {Names.Rule}";
        }

        var computed = RecordDigest.Compute(record.Id, record.Kind, record.ChannelId, record.Time, record.To, record.Revision, record.Body);
        return computed == record.Sha256 ? null : "The record does not have the digest it states. It was damaged on the way, or its digest was not made over the canonical form.";
    }
}
