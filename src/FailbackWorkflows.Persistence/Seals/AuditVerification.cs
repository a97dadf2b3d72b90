using System.Data.Common;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Persistence.Identity;

namespace FailbackWorkflows.Persistence.Seals;

/// <summary>
/// Follows the chain of the audit log from its beginning to its end. What is wrong at one place is no reason to look at nothing after it: it is followed on from the
/// hash that stands there.
/// </summary>
/// <param name="from">First and, with <paramref name="to"/>, last record that findings are asked of.</param>
internal sealed class AuditVerification(long from = 0, long to = long.MaxValue)
{
    private const string Sql = "SELECT sequence, at, actor_kind, actor_id, actor_name, address, action, subject, reason, result, hash FROM audit_log ORDER BY sequence";

    private const int MostFindings = 100;

    private readonly List<Finding> _findings = [];
    private long _more;

    public long Records { get; private set; }

    /// <summary>Records after the last seal.</summary>
    public long Unsealed { get; private set; }

    /// <summary>In ticks; the largest number when there is none.</summary>
    public long OldestUnsealed { get; private set; } = long.MaxValue;

    /// <summary>Number of the oldest of them.</summary>
    public long OldestUnsealedRecord { get; private set; }

    /// <summary>The last seal took in as many records as one may: the next one goes on.</summary>
    public bool IsCatchingUp { get; private set; }

    /// <summary>What is wrong.</summary>
    public IReadOnlyList<Finding> Findings => _more == 0
        ? _findings
        : [.. _findings, new(FindingKind.AuditChanged, AuditChain.Name, null, $"{_more} more things are wrong with the audit log.")];

    /// <param name="command">On the connection; its text is set here.</param>
    /// <param name="sealedHeads">In the order of their checkpoints.</param>
    public async Task VerifyAsync(DbCommand command, List<(long Sequence, string Head, long Checkpoint)> sealedHeads, CancellationToken cancellationToken)
    {
        command.CommandText = Sql;
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var heads = WithoutOvertaken(sealedHeads);
        var replaced = new List<(long Sequence, string Head, long Checkpoint)>();
        var (head, next, last, whole, records) = (AuditChain.Genesis, 0, 0L, 0L, 0);
        while (await reader.ReadAsync(cancellationToken))
        {
            Records++;
            var entry = ReadAudit(reader);
            var (sequence, hash) = (entry.Sequence, reader.IsDBNull(10) ? null : reader.GetString(10));
            if (heads.Count == 0 || sequence > heads[^1].Sequence)
            {
                Unsealed++;
                if (entry.Record.At.UtcTicks < OldestUnsealed)
                {
                    (OldestUnsealed, OldestUnsealedRecord) = (entry.Record.At.UtcTicks, sequence);
                }

                if (hash is null)
                {
                    continue;
                }

                Find(FindingKind.AuditChanged, sequence, sequence, $"Record {sequence} of the audit log is chained, but no checkpoint has sealed it: records are chained only when they are sealed.");
            }

            for (; next < heads.Count && sequence > heads[next].Sequence; next++)
            {
                Find(FindingKind.AuditMissing, heads[next].Sequence, heads[next].Sequence, $"Record {heads[next].Sequence} of the audit log is missing.");
            }

            var right = JournalChain.Hash(AuditChain.Line(entry, head));
            if (hash != right)
            {
                Find(FindingKind.AuditChanged, sequence, sequence, $"Record {sequence} of the audit log is not what was sealed: it was changed, or a record before it was inserted or deleted.");
            }

            (head, last) = (hash ?? right, sequence);
            records++;
            for (; next < heads.Count && heads[next].Sequence == sequence; next++)
            {
                if (heads[next].Head != head)
                {
                    replaced.Add(heads[next]);
                    continue;
                }

                FindReplaced(replaced, whole);
                whole = sequence;
                (IsCatchingUp, records) = (records >= IHistorySeals.MostNew, 0);
            }
        }

        FindReplaced(replaced, whole);
        if (next < heads.Count)
        {
            Find(FindingKind.AuditMissing, last + 1, heads[^1].Sequence, $"The end of the audit log is missing: checkpoint {heads[^1].Checkpoint} has sealed it up to record {heads[^1].Sequence}, and it ends with {last}.");
        }
    }

    /// <summary>
    /// The heads that must be there. One that a later checkpoint is behind cannot be: the database was set back, and other records have its place. Which ones were lost by it is
    /// said once.
    /// </summary>
    private List<(long Sequence, string Head, long Checkpoint)> WithoutOvertaken(List<(long Sequence, string Head, long Checkpoint)> sealedHeads)
    {
        var kept = new List<(long Sequence, string Head, long Checkpoint)>(sealedHeads.Count);
        foreach (var head in sealedHeads)
        {
            var first = kept.Count;
            while (first > 0 && kept[first - 1].Sequence > head.Sequence)
            {
                first--;
            }

            if (first < kept.Count)
            {
                var (begin, end) = (first == 0 ? 1 : kept[first - 1].Sequence + 1, kept[^1].Sequence);
                Find(
                    FindingKind.AuditMissing, begin, end,
                    $"Records {begin} to {end} of the audit log are not all there as checkpoints {kept[first].Checkpoint} to {kept[^1].Checkpoint} have sealed them: checkpoint {head.Checkpoint} has sealed it up to record {head.Sequence} afterwards. The database was restored from an older backup, or somebody has deleted them.");
                kept.RemoveRange(first, kept.Count - first);
            }

            kept.Add(head);
        }

        return kept;
    }

    /// <summary>Heads one after the other that are not there belong to one change.</summary>
    private void FindReplaced(List<(long Sequence, string Head, long Checkpoint)> replaced, long whole)
    {
        if (replaced.Count == 0)
        {
            return;
        }

        var by = replaced.Count == 1 ? $"checkpoint {replaced[0].Checkpoint} has" : $"checkpoints {replaced[0].Checkpoint} to {replaced[^1].Checkpoint} have";
        Find(
            FindingKind.AuditChanged, whole + 1, replaced[^1].Sequence,
            $"The audit log from record {whole + 1} to {replaced[^1].Sequence} is not what {by} sealed: it was changed and chained anew.");
        replaced.Clear();
    }

    private static AuditEntry ReadAudit(DbDataReader reader)
    {
        string? Text(int column) => reader.IsDBNull(column) ? null : reader.GetString(column);
        return new(
            reader.GetInt64(0),
            new AuditRecord(
                new DateTimeOffset(Math.Clamp(reader.GetInt64(1), 0, DateTime.MaxValue.Ticks), TimeSpan.Zero),
                new Actor(Enum.TryParse<ActorKind>(reader.GetString(2), out var kind) ? kind : (ActorKind)(-1), reader.GetString(3), reader.GetString(4), Text(5)),
                reader.GetString(6),
                Text(7),
                Text(8),
                reader.GetString(9)));
    }

    private void Find(FindingKind kind, long first, long last, string message)
    {
        if (last < from || first > to)
        {
            return;
        }

        if (_findings.Count < MostFindings)
        {
            _findings.Add(new(kind, AuditChain.Name, first, message));
        }
        else
        {
            _more++;
        }
    }
}
