using System.Text.Json;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.ReferenceRecorder.Storage;

namespace FailbackWorkflows.ReferenceRecorder.Records;

/// <summary>Stores many records within one transaction, with statements that are compiled once.</summary>
public sealed class RecordImport(Sql sql) : IDisposable
{
    private readonly Statement _find = sql.Reusable($"SELECT {RecordStore.Columns} FROM records WHERE identity = $identity AND kind = $kind AND id = $id");
    private readonly Statement _save = sql.Reusable(
        $"""
        INSERT INTO records ({RecordStore.Columns})
        VALUES ($id, $kind, $identity, $channel, $time, $to, $revision, $sha256, $dispute, $epoch, $origin, $body, $task, $change, $archive)
        ON CONFLICT (identity, kind, id) DO UPDATE SET channel_id = $channel, time_ticks = $time, to_ticks = $to, revision = $revision, sha256 = $sha256,
            dispute = $dispute, epoch = $epoch, origin_recorder = $origin, body = $body, task_id = $task, change_sequence = $change
        """);

    private long? _change;

    /// <summary>Checks and stores one record. Never throws for what is wrong with the record itself.</summary>
    public RecordImportResult Add(RecordRow record)
    {
        if (RecordRules.Reject(record) is { } reason)
        {
            return new RecordImportResult(Names.IsItem(record.Id) ? record.Id : null, ImportOutcome.Rejected, reason);
        }

        var here = Here(record);
        var (outcome, row) = here is null ? (ImportOutcome.Created, record) : RecordMerge.Decide(here, record);
        if (row is not null)
        {
            Save(row);
        }

        return new RecordImportResult(record.Id, outcome, outcome == ImportOutcome.Conflict ? $"Revision {here!.Revision} is here with another content and stays." : null);
    }

    /// <summary>Stores a state of an alarm as it is recorded here: it follows on whatever is known of the alarm. Other records are plainly added.</summary>
    internal void Record(RecordRow row)
    {
        if (row.Kind == RecordKind.Alarms && Here(row) is { } here)
        {
            if (Recording.RecordGenerator.FollowUp(here, row) is { } next)
            {
                Save(next);
            }

            return;
        }

        Add(row);
    }

    public void Dispose()
    {
        _find.Dispose();
        _save.Dispose();
    }

    private RecordRow? Here(RecordRow record) =>
        _find.Single(RecordStore.Map, ("$identity", record.Identity), ("$kind", RecordDigest.Name(record.Kind)), ("$id", record.Id));

    private void Save(RecordRow row)
    {
        _change ??= RecordStore.NextChange(sql);
        _save.Run(
            ("$id", row.Id), ("$kind", RecordDigest.Name(row.Kind)), ("$identity", row.Identity), ("$channel", row.ChannelId),
            ("$time", row.Time.UtcTicks), ("$to", row.To?.UtcTicks), ("$revision", row.Revision), ("$sha256", row.Sha256),
            ("$dispute", DisputeNames.Of(row.Dispute)), ("$epoch", row.Origin.Epoch), ("$origin", row.Origin.RecorderId),
            ("$body", row.Body), ("$task", row.TaskId), ("$change", _change), ("$archive", row.ArchiveId));
        if (row.Kind == RecordKind.Locks)
        {
            LockedRanges.Save(sql, row);
        }
    }
}

/// <summary>What evidence locks protect, spelled out so that retention need not read bodies.</summary>
internal static class LockedRanges
{
    public static void Save(Sql sql, RecordRow row)
    {
        Delete(sql, row.Identity, row.Id);
        using var document = JsonDocument.Parse(row.Body);
        var expires = document.RootElement.TryGetProperty("expiresUtc", out var text) && text.ValueKind == JsonValueKind.String && RecorderJson.TryParseInstant(text.GetString(), out var at)
            ? at.UtcTicks
            : long.MaxValue;
        foreach (var channel in Channels(document.RootElement, row))
        {
            sql.Run(
                "INSERT INTO locked_ranges (identity, lock_id, channel_id, from_ticks, to_ticks, expires_ticks) VALUES ($identity, $id, $channel, $from, $to, $expires)",
                ("$identity", row.Identity), ("$id", row.Id), ("$channel", channel), ("$from", row.Time.UtcTicks), ("$to", row.To!.Value.UtcTicks), ("$expires", expires));
        }
    }

    public static void Delete(Sql sql, string identity, string lockId) =>
        sql.Run("DELETE FROM locked_ranges WHERE identity = $identity AND lock_id = $id", ("$identity", identity), ("$id", lockId));

    /// <summary>The channels of its tracks, else its own channel, else all: what cannot be read protects too much rather than too little.</summary>
    private static List<string?> Channels(JsonElement body, RecordRow row)
    {
        if (!body.TryGetProperty("trackIds", out var tracks) || tracks.ValueKind != JsonValueKind.Array || tracks.GetArrayLength() == 0)
        {
            return [row.ChannelId];
        }

        var channels = tracks.EnumerateArray()
            .Select(t => t.ValueKind == JsonValueKind.String && t.GetString()!.Split('~') is [var identity, var channel] && identity == row.Identity && Names.IsValid(channel) ? channel : null)
            .Distinct()
            .ToList();
        return channels.Contains(null) ? [null] : channels;
    }
}
