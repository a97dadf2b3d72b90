using System.Data.Common;
using System.Text;
using FailbackWorkflows.Engine.Journal;
using Microsoft.Data.Sqlite;

namespace FailbackWorkflows.Persistence.Seals;

/// <summary>
/// Verifies a history: every event follows from the one before, and everything that was sealed is there as it was. Only reads; needs a connection and, to
/// find what a database superuser has done, the file of checkpoints outside of the database.
/// </summary>
public sealed class HistoryVerification(DbConnection connection, CheckpointFile? file, TimeProvider time)
{
    private const string JournalSql = "SELECT instance_id, sequence, at, kind, node_id, execution_id, payload, hash FROM journal";

    /// <summary>What is older than the last seal by so much was left out of it: whoever seals looks back as far for what comes late.</summary>
    private static readonly TimeSpan Late = HistorySeals.Overlap;

    /// <summary>A run that a server with a wrong clock has begun is seen when all are looked at.</summary>
    private static readonly TimeSpan LateBegun = HistorySeals.LookAtAllEvery + HistorySeals.Overlap;

    private readonly List<Finding> _findings = [];
    private readonly ChainLine _line = new();
    private readonly byte[] _hash = new byte[ChainLine.HashLength];
    private readonly Dictionary<(string VersionId, string Sha256), string> _pinned = [];
    private long _runs;
    private long _events;
    private long _unsealedEvents;
    private long _oldestUnsealed = long.MaxValue;

    /// <summary>Ids of keys that somebody has compared with those on the servers' disks; null: nobody has. A key that nobody vouches for must be one of them.</summary>
    public IReadOnlySet<string>? TrustedKeys { get; init; }

    /// <summary>Verifies everything, or one run. The connection is open; may be called once.</summary>
    /// <param name="runId">Null: all runs, the audit log and the definitions.</param>
    public Task<VerificationReport> VerifyAsync(string? runId, CancellationToken cancellationToken) =>
        SnapshotAsync(outside => VerifyAsync(runId, outside, cancellationToken), cancellationToken);

    /// <summary>As <see cref="VerifyAsync(string?, CancellationToken)"/>, of some runs and of a part of the audit log.</summary>
    /// <param name="audit">First and last record; null: the audit log is not looked at.</param>
    public Task<VerificationReport> VerifyAsync(IReadOnlyCollection<string> runIds, (long From, long To)? audit, CancellationToken cancellationToken) =>
        SnapshotAsync(outside => VerifyAsync(runIds, audit, outside, cancellationToken), cancellationToken);

    /// <summary>As <see cref="VerifyAsync(string?, CancellationToken)"/>, in the transaction that the connection is in.</summary>
    internal Task<VerificationReport> VerifyWithinAsync(string? runId, CancellationToken cancellationToken) => VerifyAsync(runId, OutsideCheckpoints.Read(file), cancellationToken);

    private Task<VerificationReport> VerifyAsync(string? runId, OutsideCheckpoints outside, CancellationToken cancellationToken) =>
        runId is null ? VerifyAsync(null, (0, long.MaxValue), outside, cancellationToken) : VerifyAsync([runId], null, outside, cancellationToken);

    private async Task<VerificationReport> SnapshotAsync(Func<OutsideCheckpoints, Task<VerificationReport>> verify, CancellationToken cancellationToken)
    {
        var outside = OutsideCheckpoints.Read(file);

        // One snapshot for all of it: what a running server writes meanwhile must not look like a contradiction.
        await ExecuteAsync(connection is SqliteConnection ? "BEGIN" : "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", cancellationToken);
        try
        {
            return await verify(outside);
        }
        finally
        {
            await ExecuteAsync("ROLLBACK", CancellationToken.None);
        }
    }

    private async Task<VerificationReport> VerifyAsync(IReadOnlyCollection<string>? runIds, (long From, long To)? ofAudit, OutsideCheckpoints outside, CancellationToken cancellationToken)
    {
        var checkpoints = await SealedCheckpoints.ReadAsync(connection, Transaction, outside, cancellationToken);
        _findings.AddRange(checkpoints.Findings);
        VerifyKeys(checkpoints);
        foreach (var runId in runIds ?? [null!])
        {
            await VerifyRunsAsync(runId, checkpoints, cancellationToken);
        }

        await VerifyDefinitionsAsync(runIds is null, cancellationToken);
        var audit = new AuditVerification(ofAudit?.From ?? 0, ofAudit?.To ?? 0);
        if (ofAudit is not null)
        {
            await using var command = Command("", null, "");
            await audit.VerifyAsync(command, checkpoints.Heads.GetValueOrDefault(AuditChain.Name) ?? [], cancellationToken);
            _findings.AddRange(audit.Findings);
            _oldestUnsealed = Math.Min(_oldestUnsealed, audit.OldestUnsealed);
            if (!audit.IsCatchingUp && IsLate(audit.OldestUnsealed, Late, checkpoints) is { } late)
            {
                Add(FindingKind.NotSealed, AuditChain.Name, audit.OldestUnsealedRecord, $"Record {audit.OldestUnsealedRecord} of the audit log is not sealed. {late}");
            }
        }

        return new(
            time.GetUtcNow(),
            _runs,
            _events,
            audit.Records,
            checkpoints.Last?.Checkpoint.Number ?? 0,
            checkpoints.Last?.Checkpoint.At,
            checkpoints.HasOutsideFile,
            _unsealedEvents,
            audit.Unsealed,
            _oldestUnsealed == long.MaxValue ? null : new DateTimeOffset(Math.Clamp(_oldestUnsealed, 0, DateTime.MaxValue.Ticks), TimeSpan.Zero),
            checkpoints.Keys,
            _findings);
    }

    /// <param name="runId">Null: all.</param>
    private async Task VerifyRunsAsync(string? runId, SealedCheckpoints checkpoints, CancellationToken cancellationToken)
    {
        var runs = await ReadRunsAsync(runId, cancellationToken);
        await VerifyJournalAsync(runId, runs, checkpoints, cancellationToken);
        foreach (var missing in runs.Values.Where(r => !r.HasJournal && r.LastSequence > 0))
        {
            Add(FindingKind.EventMissing, missing.Id, 1, $"Run {missing.Id} has no journal, although its last event is {missing.LastSequence}.");
        }

        var vanished = checkpoints.Heads.Keys.Where(chain => chain != AuditChain.Name && !runs.ContainsKey(chain) && (runId is null || chain == runId)).Order(StringComparer.Ordinal);
        foreach (var chain in vanished)
        {
            var last = checkpoints.Heads[chain][^1];
            Add(FindingKind.RunMissing, chain, null, $"Run {chain} is gone. Checkpoint {last.Checkpoint} has sealed {last.Sequence} events of it.");
        }

        await VerifyNotesAsync(runId, runs, checkpoints, cancellationToken);
    }

    private void VerifyKeys(SealedCheckpoints checkpoints)
    {
        foreach (var key in checkpoints.Keys.Where(k => k.VouchedBy is null && TrustedKeys?.Contains(k.Id) == false))
        {
            Add(FindingKind.CheckpointWrong, "checkpoints", key.Since, $"The key {key.Id}, which introduced itself in checkpoint {key.Since}, is none of the keys that are trusted: unless a management server has it, somebody else has signed.");
        }
    }

    /// <summary>By what is noted of a chain whoever seals finds what has grown. Whoever changes it keeps a chain from being sealed.</summary>
    private async Task VerifyNotesAsync(string? runId, Dictionary<string, RunRow> runs, SealedCheckpoints checkpoints, CancellationToken cancellationToken)
    {
        await using var command = Command("SELECT chain, sequence, is_open FROM audit_chain_seals", runId, "chain");
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var noted = new HashSet<string>(StringComparer.Ordinal);
        while (await reader.ReadAsync(cancellationToken))
        {
            var (chain, sequence, isOpen) = (reader.GetString(0), reader.GetInt64(1), reader.GetBoolean(2));
            noted.Add(chain);
            var sealedUpTo = SealedUpTo(chain, checkpoints);
            if (sequence != sealedUpTo || (!isOpen && runs.GetValueOrDefault(chain) is { } run && run.LastSequence > sequence))
            {
                AddNote(chain, sealedUpTo, $"The database notes it as sealed up to {sequence}{(isOpen ? "" : " and at its end")}");
            }
        }

        foreach (var run in runs.Values.Where(r => !noted.Contains(r.Id) && SealedUpTo(r.Id, checkpoints) is > 0 and var upTo && r.LastSequence > upTo))
        {
            AddNote(run.Id, SealedUpTo(run.Id, checkpoints), "The database does not note that any more");
        }
    }

    private void AddNote(string chain, long sealedUpTo, string noted) => Add(
        FindingKind.NotSealed, chain, sealedUpTo + 1,
        $"{(chain == AuditChain.Name ? "The audit log" : $"Run {chain}")} was sealed up to {sealedUpTo}. {noted}: somebody has kept from being sealed what comes after it.");

    /// <summary>What the database can note: it may be older than the file.</summary>
    private static long SealedUpTo(string chain, SealedCheckpoints checkpoints) =>
        checkpoints.Heads.GetValueOrDefault(chain)?.FindLast(h => h.Checkpoint <= checkpoints.LastInDatabase).Sequence ?? 0;

    /// <summary>A sentence on why something of a time should be sealed, or null. A server that was off has not sealed anything else either.</summary>
    private static string? IsLate(long at, TimeSpan late, SealedCheckpoints checkpoints) =>
        at != long.MaxValue && checkpoints.Last is { } last && last.Checkpoint.At.UtcTicks - Math.Clamp(at, 0, DateTime.MaxValue.Ticks) > late.Ticks
            ? $"It is of {Instant(at)}, and checkpoint {last.Checkpoint.Number} of {Instant(last.Checkpoint.At.UtcTicks)}: what is older than the last seal by far was left out of it."
            : null;

    private static string Instant(long ticks) => JournalChain.Instant(new(Math.Clamp(ticks, 0, DateTime.MaxValue.Ticks), TimeSpan.Zero));

    private async Task<Dictionary<string, RunRow>> ReadRunsAsync(string? runId, CancellationToken cancellationToken)
    {
        await using var command = Command("SELECT id, definition_version_id, last_sequence, chain_head, created_at FROM workflow_instances", runId, "id");
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var runs = new Dictionary<string, RunRow>(StringComparer.Ordinal);
        while (await reader.ReadAsync(cancellationToken))
        {
            runs[reader.GetString(0)] = new(reader.GetString(0), reader.GetString(1), reader.GetInt64(2), reader.IsDBNull(3) ? null : reader.GetString(3));
        }

        return runs;
    }

    private async Task VerifyJournalAsync(string? runId, Dictionary<string, RunRow> runs, SealedCheckpoints checkpoints, CancellationToken cancellationToken)
    {
        await using var command = Command(JournalSql, runId, "instance_id", " ORDER BY instance_id, sequence");
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var rows = new Utf8Rows(reader);
        RunChain? chain = null;
        while (await rows.NextAsync(cancellationToken))
        {
            _events++;
            if (chain is null || !rows.Text(0).SequenceEqual(chain.Utf8Id))
            {
                End(chain, checkpoints);
                chain = Begin(Encoding.UTF8.GetString(rows.Text(0)), runs, checkpoints, Encoding.UTF8.GetString(rows.Text(3)), rows.Text(6));
            }

            Next(chain, rows);
        }

        End(chain, checkpoints);
    }

    private RunChain Begin(string id, Dictionary<string, RunRow> runs, SealedCheckpoints checkpoints, string kind, ReadOnlySpan<byte> payload)
    {
        _runs++;
        var row = runs.GetValueOrDefault(id);
        row?.HasJournal = true;
        var sealedHeads = checkpoints.Heads.GetValueOrDefault(id);
        if (row is null)
        {
            // One that was sealed is named as gone with the others.
            if (sealedHeads is null)
            {
                Add(FindingKind.RunMissing, id, null, $"There is a journal of a run {id}, but no such run.");
            }

            return new RunChain(id, null, sealedHeads, "") { IsBroken = true };
        }

        var definitionSha256 = ChainedRow.DefinitionSha256Of(kind, Encoding.UTF8.GetString(payload));
        _pinned.TryAdd((row.DefinitionVersionId, definitionSha256), id);
        return new RunChain(id, row, sealedHeads, JournalChain.Genesis(id, row.DefinitionVersionId, definitionSha256));
    }

    /// <summary>After the first finding in a chain the rest of it says nothing more.</summary>
    private void Next(RunChain chain, Utf8Rows rows)
    {
        var (sequence, at) = (rows.Number(1), rows.Number(2));
        chain.Unseal(sequence, at);
        if (chain.IsBroken)
        {
            return;
        }

        if (sequence != chain.Last + 1)
        {
            Break(chain, FindingKind.EventMissing, chain.Last + 1, $"Event {chain.Last + 1} of run {chain.Id} is missing: after {chain.Last} comes {sequence}.");
            return;
        }

        if (chain.HasFinished)
        {
            Break(chain, FindingKind.EventChanged, sequence, $"Event {sequence} of run {chain.Id} was added after the run's end.");
            return;
        }

        // A time that is none has no line; whatever stands there was not written by us.
        _line.Make(chain.Utf8Id, sequence, Math.Clamp(at, 0, DateTime.MaxValue.Ticks), rows.Text(3), rows.IsNull(4), rows.Text(4), rows.IsNull(5), rows.Text(5), rows.Text(6), chain.Head);
        _line.HashTo(_hash);
        if (!rows.Text(7).SequenceEqual(_hash))
        {
            Break(chain, FindingKind.EventChanged, sequence, $"Event {sequence} of run {chain.Id} is not what was written: its content, its place or the run's definition was changed.");
            return;
        }

        _hash.CopyTo(chain.Head, 0);
        chain.Last = sequence;
        chain.HasFinished = rows.Text(3).SequenceEqual("instanceFinished"u8);
        while (chain.NextSealed is { } head && head.Sequence == sequence)
        {
            if (head.Head != chain.HeadText)
            {
                Break(chain, FindingKind.ChainReplaced, chain.LastSealed + 1, $"Run {chain.Id} is not what checkpoint {head.Checkpoint} has sealed: at least one of the events {chain.LastSealed + 1} to {sequence} was changed and the chain made anew.");
                return;
            }

            chain.PassSealed();
        }
    }

    private void End(RunChain? chain, SealedCheckpoints checkpoints)
    {
        if (chain is null)
        {
            return;
        }

        _unsealedEvents += chain.Unsealed;
        _oldestUnsealed = Math.Min(_oldestUnsealed, chain.OldestUnsealed);

        // One seal takes in only so many that it has not seen before: then the next one goes on.
        if ((chain.WasSealed || checkpoints.Last?.Heads.Count < IHistorySeals.MostNew) && IsLate(chain.OldestUnsealed, chain.WasSealed ? Late : LateBegun, checkpoints) is { } late)
        {
            Add(FindingKind.NotSealed, chain.Id, chain.OldestUnsealedEvent, $"Event {chain.OldestUnsealedEvent} of run {chain.Id} is not sealed. {late}");
        }

        if (chain.IsBroken)
        {
            return;
        }

        if (chain.NextSealed is { } head)
        {
            Break(chain, FindingKind.EventMissing, chain.Last + 1, $"Events {chain.Last + 1} to {head.Sequence} of run {chain.Id}, which checkpoint {head.Checkpoint} has sealed, are missing.");
        }
        else if (chain.Row is { } row && (row.LastSequence != chain.Last || row.ChainHead != chain.HeadText))
        {
            Add(FindingKind.RunChanged, chain.Id, chain.Last, $"Run {chain.Id} says that its last event is {row.LastSequence}; its journal ends with {chain.Last}, or with another hash.");
        }
    }

    /// <param name="isAll">False: only those that the runs were pinned to.</param>
    private async Task VerifyDefinitionsAsync(bool isAll, CancellationToken cancellationToken)
    {
        var ofRuns = _pinned.Keys.Select(p => p.VersionId).ToHashSet(StringComparer.Ordinal);
        await using var command = Command("SELECT id, json, sha256 FROM workflow_definitions WHERE NOT is_draft ORDER BY id", null, "id");
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var published = new Dictionary<string, string>(StringComparer.Ordinal);
        while (await reader.ReadAsync(cancellationToken))
        {
            var (id, sha256) = (reader.GetString(0), reader.GetString(2));
            published[id] = sha256;
            if ((isAll || ofRuns.Contains(id)) && JournalChain.Hash(reader.GetString(1)) != sha256)
            {
                Add(FindingKind.DefinitionChanged, id, null, $"The definition {id} is not the one that was published: its text no longer has its hash.");
            }
        }

        foreach (var ((id, sha256), run) in _pinned.Where(p => p.Key.Sha256.Length > 0).OrderBy(p => p.Value, StringComparer.Ordinal))
        {
            if (published.GetValueOrDefault(id) != sha256)
            {
                Add(FindingKind.DefinitionChanged, id, null, $"The definition {id} that run {run} was pinned to (SHA-256 {sha256}) is not in the database any more, or is another one now.");
            }
        }
    }

    /// <summary>Only in <see cref="VerifyWithinAsync"/>, and there only where a command must be told.</summary>
    internal DbTransaction? Transaction { get; init; }

    private async Task ExecuteAsync(string sql, CancellationToken cancellationToken)
    {
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private DbCommand Command(string sql, string? runId, string column, string order = "")
    {
        var command = connection.CreateCommand();
        command.CommandTimeout = 0;
        command.Transaction = Transaction;
        command.CommandText = runId is null ? sql + order : $"{sql} WHERE {column} = @id{order}";
        if (runId is not null)
        {
            var parameter = command.CreateParameter();
            (parameter.ParameterName, parameter.Value) = ("id", runId);
            command.Parameters.Add(parameter);
        }

        return command;
    }

    private void Break(RunChain chain, FindingKind kind, long sequence, string message)
    {
        chain.IsBroken = true;
        Add(kind, chain.Id, sequence, message);
    }

    private void Add(FindingKind kind, string chain, long? sequence, string message) => _findings.Add(new(kind, chain, sequence, message));
}
