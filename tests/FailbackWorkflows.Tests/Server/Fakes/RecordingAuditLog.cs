using System.Collections.Concurrent;
using FailbackWorkflows.Persistence.Identity;

namespace FailbackWorkflows.Tests.Server.Fakes;

/// <summary>Keeps what goes into the audit log.</summary>
internal sealed class RecordingAuditLog : IAuditLog
{
    public ConcurrentQueue<AuditRecord> Records { get; } = [];

    public Task AppendAsync(AuditRecord record, CancellationToken cancellationToken)
    {
        Records.Enqueue(record);
        return Task.CompletedTask;
    }

    public Task<IReadOnlyList<AuditEntry>> ReadAsync(long afterSequence, int take, CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyList<AuditEntry>>([.. Records.Select((record, index) => new AuditEntry(index + 1, record)).Where(entry => entry.Sequence > afterSequence).Take(take)]);
}
