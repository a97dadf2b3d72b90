using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace FailbackWorkflows.Recorders.Material;

/// <summary>Kinds of records. Audio and video are tracks of segments and not among them.</summary>
public enum RecordKind
{
    /// <summary>Evidence locks: ranges exempt from deletion.</summary>
    Locks,

    /// <summary>Marks an operator set.</summary>
    Bookmarks,

    /// <summary>Lines of a text channel (tills, cash machines, serial devices).</summary>
    Text,

    /// <summary>Frames of an analytics stream of a video or text channel.</summary>
    Metadata,

    /// <summary>Number plates read on a video channel.</summary>
    Anpr,

    /// <summary>Operator-facing occurrences with a state.</summary>
    Alarms,
}

/// <summary>An item of text, metadata, ANPR or alarm data, a bookmark or an evidence lock.</summary>
/// <param name="Id">Stable, unique per identity and kind; 1 to 200 letters, digits, <c>- _ . ~ :</c>.</param>
/// <param name="ChannelId">Null for an alarm of the recorder itself.</param>
/// <param name="TimeUtc">When it happened; never rewritten.</param>
/// <param name="ToUtc">End, for what lasts (bookmarks, locks, alarms that are over).</param>
/// <param name="Revision">Grows with every change of the record, from 1. The later revision wins; an acknowledgement is never undone.</param>
/// <param name="Sha256"><see cref="RecordDigest"/> of the record.</param>
/// <param name="Body">A JSON object whose members depend on the kind; kept as it is, in canonical form.</param>
public sealed record MaterialRecord(
    string Id,
    RecordKind Kind,
    string Identity,
    string? ChannelId,
    DateTimeOffset TimeUtc,
    DateTimeOffset? ToUtc,
    long Revision,
    string Sha256,
    DisputeState Disputed,
    MaterialOrigin Origin,
    JsonElement Body);

/// <summary>
/// Last line of a page of <c>GET /v1/records/{kind}</c> (newline-delimited JSON). A page without this line was cut short.
/// </summary>
/// <param name="End">Always true; on the wire <c>_end</c>.</param>
/// <param name="Count">Lines before this one.</param>
/// <param name="NextPageToken">Opaque, survives restarts; null on the last page.</param>
/// <param name="Complete">True exactly when <paramref name="NextPageToken"/> is null.</param>
/// <param name="ChangeSequence">Everything stored or changed up to here has a change sequence not larger than this; ask with <c>changedAfter</c> for what came later, however old its time is.</param>
public sealed record RecordPageEnd(
    [property: System.Text.Json.Serialization.JsonPropertyName("_end")] bool End,
    long Count,
    string? NextPageToken,
    bool Complete,
    long ChangeSequence);

/// <summary>
/// What a recorder holds of a kind and range. <paramref name="RootSha256"/> is over the lines <c>id revision sha256\n</c>, ordered by id
/// (ordinal), of the ordinary records that belong to <c>[From, To)</c>: by their time, locks and bookmarks by overlap.
/// </summary>
/// <param name="Disputed">Records of the range that are not ordinary and so not part of count and root.</param>
public sealed record RecordManifest(
    RecordKind Kind, string Identity, string? ChannelId, DateTimeOffset From, DateTimeOffset To, long Count, string RootSha256, DateTimeOffset AsOf, long Disputed = 0);

/// <summary>The digest of a record, the same on every recorder.</summary>
public static class RecordDigest
{
    /// <summary>
    /// Lower-case hex SHA-256 over <c>id \n kind \n channelId \n ticks \n endTicks \n revision \n body</c> in UTF-8: kind as on the wire, absent
    /// values empty, ticks as UTC .NET ticks, body in canonical JSON (<see cref="CanonicalJson"/>).
    /// </summary>
    public static string Compute(string id, RecordKind kind, string? channelId, DateTimeOffset timeUtc, DateTimeOffset? toUtc, long revision, string canonicalBody)
    {
        var text = string.Create(
            System.Globalization.CultureInfo.InvariantCulture,
            $"{id}\n{Name(kind)}\n{channelId}\n{timeUtc.UtcTicks}\n{toUtc?.UtcTicks}\n{revision}\n{canonicalBody}");
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes(text), hash);
        return Convert.ToHexStringLower(hash);
    }

    /// <summary>The kind as it stands in paths and digests, e.g. <c>anpr</c>.</summary>
    public static string Name(RecordKind kind) => JsonNamingPolicy.CamelCase.ConvertName(kind.ToString());
}
