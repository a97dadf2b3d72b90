using System.Data;
using System.Globalization;
using System.Text.Json;
using FailbackWorkflows.Engine.Journal;
using Microsoft.EntityFrameworkCore;

namespace FailbackWorkflows.Persistence.Seals;

/// <summary>
/// Gives runs from before there were chains theirs, once, when a database is upgraded. It proves nothing about the time before: from then on they cannot be
/// changed unseen.
/// </summary>
public interface IJournalChaining
{
    /// <summary>Called at start, before any run goes on. Answers with how many events it has chained; 0 at every start but the first of this version. Safe to break off and repeat.</summary>
    Task<long> ChainAsync(CancellationToken cancellationToken);
}

/// <inheritdoc cref="IJournalChaining"/>
internal sealed class JournalChaining(IDatabase database) : IJournalChaining
{
    private const string Done = "journal-chained";
    private const int RunsTogether = 100;

    private static readonly Statement SetHash = new(
        "UPDATE journal SET hash = @hash WHERE instance_id = @id AND sequence = @sequence", ("hash", DbType.String), ("id", DbType.String), ("sequence", DbType.Int64));

    private static readonly Statement SetHead = new("UPDATE workflow_instances SET chain_head = @head WHERE id = @id", ("head", DbType.String), ("id", DbType.String));

    private static readonly Statement NoteDone = new("INSERT INTO system_settings (key, json) VALUES (@key, @json) ON CONFLICT (key) DO NOTHING", ("key", DbType.String), ("json", DbType.String));

    public async Task<long> ChainAsync(CancellationToken cancellationToken)
    {
        await using (var db = database.CreateReadContext())
        {
            if (await db.SystemSettings.AnyAsync(s => s.Key == Done, cancellationToken))
            {
                return 0;
            }
        }

        var events = 0L;
        while (await database.WriteAsync(session => ChainSomeAsync(session, cancellationToken), cancellationToken) is > 0 and var chained)
        {
            events += chained;
        }

        await database.WriteAsync(
            session => session.ExecuteAsync([NoteDone.With(Done, events.ToString(CultureInfo.InvariantCulture))], cancellationToken),
            cancellationToken);
        return events;
    }

    private static async Task<long> ChainSomeAsync(WriteSession session, CancellationToken cancellationToken)
    {
        var db = session.Context;
        var runs = await db.WorkflowInstances.AsNoTracking()
            .Where(r => r.ChainHead == null && r.LastSequence > 0).Take(RunsTogether)
            .Select(r => new { r.Id, r.DefinitionVersionId }).ToListAsync(cancellationToken);
        var events = 0L;
        var line = new ChainLine();
        foreach (var run in runs)
        {
            var rows = await db.Journal.AsNoTracking().Where(r => r.InstanceId == run.Id).OrderBy(r => r.Sequence).ToListAsync(cancellationToken);
            var head = JournalChain.Genesis(run.Id, run.DefinitionVersionId, rows.Count == 0 ? "" : ChainedRow.DefinitionSha256Of(rows[0].Kind, rows[0].Payload));
            var calls = new List<StatementCall>(rows.Count + 1);
            foreach (var row in rows)
            {
                head = line.Hash(run.Id, row.Sequence, row.At, row.Kind, row.NodeId, row.ExecutionId, row.Payload, head);
                calls.Add(SetHash.With(head, run.Id, row.Sequence));
            }

            calls.Add(SetHead.With(head, run.Id));
            foreach (var some in calls.Chunk(SealStatements.Together))
            {
                await session.ExecuteAsync(some, cancellationToken);
            }

            events += Math.Max(1, rows.Count);
        }

        return events;
    }
}

/// <summary>What the first event of a chain says of the definition.</summary>
internal static class ChainedRow
{
    /// <summary>Of any other event, and of what cannot be read: the empty text.</summary>
    public static string DefinitionSha256Of(string kind, string payload)
    {
        if (kind != "instanceStarted")
        {
            return "";
        }

        try
        {
            using var document = JsonDocument.Parse(payload);
            return document.RootElement.ValueKind == JsonValueKind.Object && document.RootElement.TryGetProperty("definitionSha256", out var sha) ? sha.GetString() ?? "" : "";
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            return "";
        }
    }
}
