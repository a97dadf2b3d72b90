using System.Collections.Concurrent;
using FailbackWorkflows.Persistence.Identity;

namespace FailbackWorkflows.Tests.Server.Fakes;

/// <summary>Keeps what goes into the audit log, which has no reader yet.</summary>
internal sealed class RecordingAuditLog : IAuditLog
{
    public ConcurrentQueue<AuditRecord> Records { get; } = [];

    public Task AppendAsync(AuditRecord record, CancellationToken cancellationToken)
    {
        Records.Enqueue(record);
        return Task.CompletedTask;
    }
}
