using System.Data.Common;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Failover;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Readiness;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Persistence;
using FailbackWorkflows.Testing;
using FailbackWorkflows.Testing.Failback;

namespace FailbackWorkflows.Tests.Failback.Readiness;

/// <summary>Makes dry runs in a <see cref="FailbackWorld"/>, on whose clock retries pass at once, and sees what they leave behind.</summary>
internal static class DryRuns
{
    /// <summary>Calls that only read.</summary>
    public static readonly IReadOnlyList<string> Looks = ["GetStatus", "Probe", "GetRecording", "GetSettings", "FindChangedSettings", "ValidateSettings"];

    public static Actor Olga => FailbackWorld.Operator;

    /// <summary>As the node's own, but nobody waits for retries.</summary>
    public static CheckReadiness Check(this FailbackWorld world, ReadinessOptions? options = null)
    {
        var node = world.Node;
        return new(
            node.Get<IVmsServers>(),
            node.Get<ReadinessStamps>(),
            new WorkflowRehearsal(node.Get<WorkflowDefinitions>(), node.Get<IWorkflowHooks>(), node.Get<IWorkflowIds>(), new ImpatientTimeProvider(world.Time)),
            node.Get<DryRunParts>(),
            node.Get<StartFailback>(),
            node.Get<StartFailover>(),
            node.Get<FailoverServerSelection>(),
            node.Get<IReadinessResults>(),
            options ?? new ReadinessOptions(),
            node.Get<IDomainWriter>(),
            world.Time);
    }

    /// <summary>Checks a server and keeps the result.</summary>
    public static async Task<ReadinessResult> CheckAsync(this FailbackWorld world, string serverId = FailbackWorld.Failed) =>
        await world.Check().ExecuteAsync(serverId, Olga, CancellationToken.None) ?? throw new InvalidOperationException($"There is no server {serverId}.");

    /// <summary>The failback of one entry, whichever is the newest; nothing is kept.</summary>
    public static async Task<ReadinessResult> LookAtEntryAsync(this FailbackWorld world, FailoverLogEntry entry)
    {
        var subject = await world.Node.Get<ReadinessStamps>().ReadAsync(await world.ServerAsync(), CancellationToken.None);
        return await world.Check().LookAsync(subject with { Entry = entry }, Olga, CancellationToken.None);
    }

    /// <summary>Every row of every table, but of the results of dry runs.</summary>
    public static async Task<IReadOnlyList<string>> RowsAsync(this FailbackWorld world)
    {
        await using var session = await world.Get<IDatabase>().BeginWriteAsync(CancellationToken.None);
        var rows = new List<string>();
        foreach (var table in await ReadAsync(session, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name <> 'readiness' ORDER BY name"))
        {
            rows.AddRange((await ReadAsync(session, $"SELECT * FROM \"{table}\"")).Select(row => $"{table}: {row}"));
        }

        return rows;
    }

    private static async Task<List<string>> ReadAsync(WriteSession session, string sql)
    {
        await using var command = session.Command(sql);
        await using DbDataReader reader = await command.ExecuteReaderAsync();
        var rows = new List<string>();
        while (await reader.ReadAsync())
        {
            rows.Add(string.Join('|', Enumerable.Range(0, reader.FieldCount).Select(i => reader.GetValue(i) is byte[] bytes ? Convert.ToHexString(bytes) : $"{reader.GetValue(i)}")));
        }

        return rows;
    }

    /// <summary>A clock on which whoever wants to wait has waited already: its hands move on at once.</summary>
    private sealed class ImpatientTimeProvider(FakeTimeProvider time) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => time.GetUtcNow();

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            time.Advance(dueTime);
            ThreadPool.QueueUserWorkItem(_ => callback(state));
            return new NoTimer();
        }

        private sealed class NoTimer : ITimer
        {
            public bool Change(TimeSpan dueTime, TimeSpan period) => true;

            public void Dispose()
            {
            }

            public ValueTask DisposeAsync() => ValueTask.CompletedTask;
        }
    }
}
