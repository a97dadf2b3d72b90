using System.Data.Common;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Persistence.Seals;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;
using Shouldly;

namespace FailbackWorkflows.Persistence.Tests.Seals;

/// <summary>What a database superuser does to cover something up: one change of what was sealed, in a transaction that is rolled back once it was verified.</summary>
internal sealed class Mutation
{
    private static readonly (string Name, Func<Mutation, Task<string?>> Do)[] Kinds =
    [
        ("edit", m => m.EditAsync()), ("edit column", m => m.EditColumnAsync()), ("insert", m => m.InsertAsync()), ("append after the end", m => m.AppendAfterEndAsync()),
        ("delete", m => m.DeleteAsync()), ("reorder", m => m.ReorderAsync()), ("swap between runs", m => m.SwapEventsAsync()), ("swap runs", m => m.SwapRunsAsync()),
        ("cut the tail", m => m.CutTailAsync()), ("delete a run", m => m.DeleteRunAsync()), ("change a run's definition", m => m.RepinAsync()), ("change a definition", m => m.EditDefinitionAsync()),
        ("edit the audit log", m => m.EditAuditAsync()), ("delete from the audit log", m => m.DeleteAuditAsync()), ("reorder the audit log", m => m.ReorderAuditAsync()),
        ("cut the audit log", m => m.CutAuditAsync()), ("change a checkpoint", m => m.EditCheckpointAsync()), ("delete checkpoints", m => m.DeleteCheckpointsAsync()),
        ("chain a record of his own", m => m.ChainRecordAsync()), ("note a chain as sealed further", m => m.NoteAsync()),
    ];

    private readonly SealedSite _site;
    private readonly Random _random;
    private readonly DbConnection _connection;
    private DbTransaction? _transaction;

    private Mutation(SealedSite site, Random random, DbConnection connection) => (_site, _random, _connection) = (site, random, connection);

    /// <summary>Makes a change, covers it up in one of several ways, and looks whether it is found.</summary>
    public static async Task<(string Kind, string What, bool IsFound)> TryAsync(SealedSite site, Random random)
    {
        await using var session = await site.Database.Get<IDatabase>().BeginWriteAsync(CancellationToken.None);
        var connection = session.Context.Database.GetDbConnection();
        var mutation = new Mutation(site, random, connection) { _transaction = session.Context.Database.CurrentTransaction!.GetDbTransaction() };
        var before = await mutation.ContentAsync();
        while (true)
        {
            var (name, change) = Kinds[random.Next(Kinds.Length)];
            if (await change(mutation) is not { } what)
            {
                continue;
            }

            var cover = random.Next(3);
            if (cover > 0)
            {
                await mutation.RechainAsync();
            }

            if (cover > 1)
            {
                await mutation.ResealAsync();
            }

            if (await mutation.ContentAsync() == before)
            {
                // It put something in the place of the same.
                continue;
            }

            var report = await new HistoryVerification(connection, site.Folder.Checkpoints, site.Time) { Transaction = mutation._transaction }.VerifyWithinAsync(null, CancellationToken.None);
            return ($"{name}{(cover > 1 ? ", chained and sealed anew" : cover > 0 ? ", chained anew" : "")}", what, !report.IsClean);
        }
    }

    private async Task<string?> EditAsync()
    {
        var (run, sequence) = await AnyEventAsync();
        var payload = (string)(await ScalarAsync($"SELECT payload FROM journal WHERE instance_id = '{run}' AND sequence = {sequence}"))!;
        var at = _random.Next(payload.Length);
        var changed = payload[..at] + (char)(payload[at] == 'x' ? 'y' : 'x') + payload[(at + 1)..];
        await ExecuteAsync("UPDATE journal SET payload = @p WHERE instance_id = @i AND sequence = @s", ("p", changed), ("i", run), ("s", sequence));
        return $"character {at} of event {sequence} of {run}";
    }

    private async Task<string?> EditColumnAsync()
    {
        var (run, sequence) = await AnyEventAsync();
        var (column, value) = _random.Next(5) switch
        {
            0 => ("at", "at + 1"),
            1 => ("kind", "'activityFaulted'"),
            2 => ("node_id", "'root/other'"),
            3 => ("execution_id", "'99'"),
            _ => ("hash", "'" + new string('0', 64) + "'"),
        };
        await ExecuteAsync($"UPDATE journal SET {column} = {value} WHERE instance_id = '{run}' AND sequence = {sequence}");
        return $"{column} of event {sequence} of {run}";
    }

    private async Task<string?> InsertAsync()
    {
        var (run, sequence) = await AnyEventAsync();
        await ShiftAsync(run, sequence, 1);
        await ExecuteAsync(
            $"INSERT INTO journal (instance_id, sequence, at, kind, node_id, execution_id, payload, hash) SELECT instance_id, {sequence}, at + 1, kind, node_id, execution_id, payload, hash FROM journal WHERE instance_id = '{run}' AND sequence = {sequence + 1}");
        await ExecuteAsync($"UPDATE workflow_instances SET last_sequence = last_sequence + 1 WHERE id = '{run}'");
        return $"before event {sequence} of {run}";
    }

    private async Task<string?> AppendAfterEndAsync()
    {
        if (await AnyAsync("SELECT id FROM workflow_instances WHERE status = 'Finished'") is not { } run)
        {
            return null;
        }

        await ExecuteAsync(
            $"INSERT INTO journal (instance_id, sequence, at, kind, node_id, execution_id, payload, hash) SELECT instance_id, sequence + 1, at, 'activityStarted', 'root/step', '9', payload, hash FROM journal WHERE instance_id = '{run}' ORDER BY sequence DESC LIMIT 1");
        await ExecuteAsync($"UPDATE workflow_instances SET last_sequence = last_sequence + 1 WHERE id = '{run}'");
        await RechainAsync();
        return $"to {run}";
    }

    private async Task<string?> DeleteAsync()
    {
        var (run, sequence) = await AnyEventAsync();
        await ExecuteAsync($"DELETE FROM journal WHERE instance_id = '{run}' AND sequence = {sequence}");
        if (_random.Next(2) == 0)
        {
            await ShiftAsync(run, sequence, -1);
            await ExecuteAsync($"UPDATE workflow_instances SET last_sequence = last_sequence - 1 WHERE id = '{run}'");
        }

        return $"event {sequence} of {run}";
    }

    private async Task<string?> ReorderAsync()
    {
        var (run, sequence) = await AnyEventAsync();
        if (sequence < 2)
        {
            return null;
        }

        var other = _random.NextInt64(1, sequence);
        await SwapAsync(run, sequence, run, other);
        return $"events {other} and {sequence} of {run}";
    }

    private async Task<string?> SwapEventsAsync()
    {
        var (run, sequence) = await AnyEventAsync();
        if (await AnyAsync($"SELECT instance_id FROM journal WHERE instance_id <> '{run}' AND sequence = {sequence}") is not { } other)
        {
            return null;
        }

        await SwapAsync(run, sequence, other, sequence);
        return $"event {sequence} of {run} and {other}";
    }

    private async Task<string?> SwapRunsAsync()
    {
        var (run, _) = await AnyEventAsync();
        if (await AnyAsync($"SELECT id FROM workflow_instances WHERE id <> '{run}'") is not { } other)
        {
            return null;
        }

        foreach (var (from, to) in new[] { (run, "swap"), (other, run), ("swap", other) })
        {
            await ExecuteAsync($"UPDATE journal SET instance_id = '{to}' WHERE instance_id = '{from}'");
            await ExecuteAsync($"UPDATE wake_ups SET instance_id = '{to}' WHERE instance_id = '{from}'");
            await ExecuteAsync($"UPDATE workflow_instances SET id = '{to}' WHERE id = '{from}'");
        }

        return $"{run} and {other}";
    }

    private async Task<string?> CutTailAsync()
    {
        var (run, sequence) = await AnyEventAsync();
        if (sequence < 2)
        {
            return null;
        }

        await ExecuteAsync($"DELETE FROM journal WHERE instance_id = '{run}' AND sequence >= {sequence}");
        await ExecuteAsync($"UPDATE workflow_instances SET last_sequence = {sequence - 1} WHERE id = '{run}'");
        await ExecuteAsync($"UPDATE audit_chain_seals SET sequence = {sequence - 1} WHERE chain = '{run}'");
        await RechainAsync();
        return $"{run} from {sequence} on";
    }

    private async Task<string?> DeleteRunAsync()
    {
        var (run, _) = await AnyEventAsync();
        await ExecuteAsync($"DELETE FROM journal WHERE instance_id = '{run}'");
        await ExecuteAsync($"DELETE FROM wake_ups WHERE instance_id = '{run}'");
        await ExecuteAsync($"DELETE FROM workflow_instances WHERE id = '{run}'");
        await ExecuteAsync($"DELETE FROM audit_chain_seals WHERE chain = '{run}'");
        if (_random.Next(2) == 0)
        {
            await ExecuteAsync($"DELETE FROM audit_sealed_heads WHERE chain = '{run}'");
        }

        return run;
    }

    private async Task<string?> RepinAsync()
    {
        var (run, _) = await AnyEventAsync();
        await ExecuteAsync($"UPDATE workflow_instances SET definition_version_id = definition_version_id || '0' WHERE id = '{run}'");
        return run;
    }

    private async Task<string?> EditDefinitionAsync()
    {
        var id = (await AnyAsync("SELECT definition_version_id FROM workflow_instances"))!;
        await ExecuteAsync($"UPDATE workflow_definitions SET json = json || ' ' WHERE id = '{id}'");
        if (_random.Next(2) == 0)
        {
            var json = (string)(await ScalarAsync($"SELECT json FROM workflow_definitions WHERE id = '{id}'"))!;
            await ExecuteAsync("UPDATE workflow_definitions SET sha256 = @h WHERE id = @i", ("h", JournalChain.Hash(json)), ("i", id));
        }

        return id;
    }

    private async Task<string?> EditAuditAsync()
    {
        var sequence = await AnyRecordAsync();
        var change = _random.Next(6) switch
        {
            0 => "actor_name = 'Somebody Else'",
            1 => "at = at + 1",
            2 => "reason = NULL",
            3 => "result = 'refused'",
            4 => "subject = 'another'",
            _ => "address = '198.51.100.1'",
        };
        await ExecuteAsync($"UPDATE audit_log SET {change} WHERE sequence = {sequence}");
        return $"{change} of record {sequence}";
    }

    private async Task<string?> DeleteAuditAsync()
    {
        var sequence = await AnyRecordAsync();
        await ExecuteAsync($"DELETE FROM audit_log WHERE sequence = {sequence}");
        return $"record {sequence}";
    }

    private async Task<string?> ReorderAuditAsync()
    {
        var (one, other) = (await AnyRecordAsync(), await AnyRecordAsync());
        if (one == other)
        {
            return null;
        }

        foreach (var (from, to) in new[] { (one, -1L), (other, one), (-1L, other) })
        {
            await ExecuteAsync($"UPDATE audit_log SET sequence = {to} WHERE sequence = {from}");
        }

        return $"records {one} and {other}";
    }

    private async Task<string?> CutAuditAsync()
    {
        var sequence = await AnyRecordAsync();
        await ExecuteAsync($"DELETE FROM audit_log WHERE sequence >= {sequence}");
        return $"from {sequence} on";
    }

    private async Task<string?> EditCheckpointAsync()
    {
        var number = await AnyCheckpointAsync();
        await ExecuteAsync(_random.Next(3) switch
        {
            0 => $"UPDATE audit_checkpoints SET line = replace(line, '\"at\":\"2026', '\"at\":\"2025') WHERE number = {number}",
            1 => $"UPDATE audit_checkpoints SET signature = (SELECT signature FROM audit_checkpoints WHERE number <> {number} LIMIT 1) WHERE number = {number} AND EXISTS (SELECT 1 FROM audit_checkpoints WHERE number <> {number})",
            _ => $"UPDATE audit_sealed_heads SET sequence = sequence + 1 WHERE checkpoint = {number}",
        });
        return $"checkpoint {number}";
    }

    private async Task<string?> DeleteCheckpointsAsync()
    {
        var number = await AnyCheckpointAsync();
        await ExecuteAsync($"DELETE FROM audit_checkpoints WHERE number >= {number}");
        await ExecuteAsync($"DELETE FROM audit_sealed_heads WHERE checkpoint >= {number}");
        return $"from {number} on";
    }

    /// <summary>Behind it, on PostgreSQL, come the numbers of records that nobody would chain any more.</summary>
    private async Task<string?> ChainRecordAsync()
    {
        await ExecuteAsync(
            "INSERT INTO audit_log (sequence, at, actor_kind, actor_id, actor_name, action, result) SELECT sequence + 1099511627776, at, actor_kind, actor_id, actor_name, action, result FROM audit_log ORDER BY sequence LIMIT 1");
        await RechainAsync();
        return "far behind the last one";
    }

    private async Task<string?> NoteAsync()
    {
        var chain = (await AnyAsync("SELECT chain FROM audit_chain_seals"))!;
        await ExecuteAsync($"UPDATE audit_chain_seals SET sequence = sequence + 1, is_open = {(_random.Next(2) == 0 ? "true" : "false")} WHERE chain = '{chain}'");
        return chain;
    }

    /// <summary>Makes every chain whole again.</summary>
    private async Task RechainAsync()
    {
        var rows = await RowsAsync("SELECT instance_id, sequence, at, kind, node_id, execution_id, payload, (SELECT definition_version_id FROM workflow_instances WHERE id = instance_id) FROM journal ORDER BY instance_id, sequence");
        var line = new ChainLine();
        foreach (var run in rows.GroupBy(r => (string)r[0]!))
        {
            var first = run.First();
            var head = JournalChain.Genesis(run.Key, first[7] as string ?? "", ChainedRow.DefinitionSha256Of((string)first[3]!, (string)first[6]!));
            foreach (var row in run)
            {
                head = line.Hash(run.Key, (long)row[1]!, new((long)row[2]!, TimeSpan.Zero), (string)row[3]!, row[4] as string, row[5] as string, (string)row[6]!, head);
                await ExecuteAsync("UPDATE journal SET hash = @h WHERE instance_id = @i AND sequence = @s", ("h", head), ("i", run.Key), ("s", row[1]));
            }

            await ExecuteAsync("UPDATE workflow_instances SET chain_head = @h WHERE id = @i", ("h", head), ("i", run.Key));
        }

        var audit = AuditChain.Genesis;
        foreach (var row in await RowsAsync("SELECT sequence, at, actor_kind, actor_id, actor_name, address, action, subject, reason, result FROM audit_log ORDER BY sequence"))
        {
            audit = JournalChain.Hash(AuditChain.Line(
                new((long)row[0]!, new(new((long)row[1]!, TimeSpan.Zero), new(Enum.Parse<Engine.ActorKind>((string)row[2]!), (string)row[3]!, (string)row[4]!, row[5] as string), (string)row[6]!, row[7] as string, row[8] as string, (string)row[9]!)),
                audit));
            await ExecuteAsync("UPDATE audit_log SET hash = @h WHERE sequence = @s", ("h", audit), ("s", row[0]));
        }
    }

    /// <summary>Makes the checkpoints of the database anew over what is there now, with a key of his own.</summary>
    private async Task ResealAsync()
    {
        var heads = (await RowsAsync("SELECT id, last_sequence, chain_head FROM workflow_instances WHERE chain_head IS NOT NULL"))
            .Select(r => new SealedHead((string)r[0]!, (long)r[1]!, (string)r[2]!)).OrderBy(h => h.Chain, StringComparer.Ordinal).ToList();
        await ExecuteAsync("DELETE FROM audit_checkpoints");
        await ExecuteAsync("DELETE FROM audit_sealed_heads");
        var file = Path.Combine(_site.Folder.Path, $"own-{Guid.NewGuid():N}.pem");
        using var key = SealingKey.Make(file);
        File.Delete(file);
        var checkpoint = new Checkpoint(1, _site.Time.GetUtcNow(), heads.Count, heads.Count, key.Id, key.PublicKey, Checkpoint.Nothing, MerkleTree.Root([.. heads.Select(h => h.Line)]));
        await ExecuteAsync("INSERT INTO audit_checkpoints (number, line, signature) VALUES (1, @l, @s)", ("l", checkpoint.Line), ("s", key.Sign(checkpoint.Line)));
        foreach (var head in heads)
        {
            await ExecuteAsync("INSERT INTO audit_sealed_heads (checkpoint, chain, sequence, head) VALUES (1, @c, @q, @h)", ("c", head.Chain), ("q", head.Sequence), ("h", head.Head));
        }
    }

    private async Task SwapAsync(string run, long sequence, string otherRun, long otherSequence)
    {
        foreach (var (fromRun, from, toRun, to) in new[] { (run, sequence, run, -1L), (otherRun, otherSequence, run, sequence), (run, -1L, otherRun, otherSequence) })
        {
            await ExecuteAsync("UPDATE journal SET instance_id = @tr, sequence = @ts WHERE instance_id = @fr AND sequence = @fs", ("tr", toRun), ("ts", to), ("fr", fromRun), ("fs", from));
        }
    }

    /// <summary>Moves the events from a number on, by way of numbers that nobody has.</summary>
    private async Task ShiftAsync(string run, long from, int by)
    {
        await ExecuteAsync($"UPDATE journal SET sequence = -sequence WHERE instance_id = '{run}' AND sequence >= {from}");
        await ExecuteAsync($"UPDATE journal SET sequence = -sequence + {by} WHERE instance_id = '{run}' AND sequence < 0");
    }

    private async Task<(string Run, long Sequence)> AnyEventAsync()
    {
        var count = Convert.ToInt64(await ScalarAsync("SELECT COUNT(*) FROM journal"));
        var row = (await RowsAsync($"SELECT instance_id, sequence FROM journal ORDER BY instance_id, sequence LIMIT 1 OFFSET {_random.NextInt64(count)}"))[0];
        return ((string)row[0]!, (long)row[1]!);
    }

    private async Task<long> AnyRecordAsync()
    {
        var rows = await RowsAsync("SELECT sequence FROM audit_log ORDER BY sequence");
        return (long)rows[_random.Next(rows.Count)][0]!;
    }

    private async Task<long> AnyCheckpointAsync()
    {
        var rows = await RowsAsync("SELECT number FROM audit_checkpoints ORDER BY number");
        return (long)rows[_random.Next(rows.Count)][0]!;
    }

    private async Task<string?> AnyAsync(string sql)
    {
        var rows = await RowsAsync($"{sql} ORDER BY 1");
        return rows.Count == 0 ? null : (string)rows[_random.Next(rows.Count)][0]!;
    }

    /// <summary>Everything that was sealed, as one text.</summary>
    private async Task<string> ContentAsync()
    {
        var all = new List<object?[]>();
        foreach (var sql in new[]
        {
            "SELECT * FROM journal ORDER BY instance_id, sequence", "SELECT id, definition_version_id, last_sequence, chain_head FROM workflow_instances ORDER BY id",
            "SELECT * FROM audit_log ORDER BY sequence", "SELECT * FROM audit_checkpoints ORDER BY number", "SELECT * FROM audit_sealed_heads ORDER BY checkpoint, chain",
            "SELECT id, json, sha256 FROM workflow_definitions ORDER BY id", "SELECT * FROM audit_chain_seals ORDER BY chain",
        })
        {
            all.AddRange(await RowsAsync(sql));
        }

        return string.Join('\n', all.Select(row => string.Join('\t', row)));
    }

    private async Task<List<object?[]>> RowsAsync(string sql)
    {
        await using var command = Command(sql);
        await using var reader = await command.ExecuteReaderAsync();
        var rows = new List<object?[]>();
        while (await reader.ReadAsync())
        {
            rows.Add([.. Enumerable.Range(0, reader.FieldCount).Select(i => reader.IsDBNull(i) ? null : reader.GetValue(i))]);
        }

        return rows;
    }

    private async Task<object?> ScalarAsync(string sql)
    {
        await using var command = Command(sql);
        return await command.ExecuteScalarAsync();
    }

    private async Task ExecuteAsync(string sql, params (string Name, object? Value)[] parameters)
    {
        await using var command = Command(sql);
        foreach (var (name, value) in parameters)
        {
            var parameter = command.CreateParameter();
            (parameter.ParameterName, parameter.Value) = (name, value ?? DBNull.Value);
            command.Parameters.Add(parameter);
        }

        await command.ExecuteNonQueryAsync();
    }

    private DbCommand Command(string sql)
    {
        var command = _connection.CreateCommand();
        command.Transaction = _transaction;
        command.CommandText = sql;
        return command;
    }
}
