using System.Data;
using System.Data.Common;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Persistence.Tests;

public sealed class WriteSessionTests
{
    [Fact]
    public async Task Dispose_RollbackFails_LetsTheNextWriterIn()
    {
        var released = 0;
        var session = new WriteSession(null!, new BrokenTransaction(), _ => null!, () =>
        {
            released++;
            return ValueTask.CompletedTask;
        });

        await Should.ThrowAsync<IOException>(async () => await session.DisposeAsync());

        released.ShouldBe(1, "one failed rollback must not stop every later writer");
    }

    /// <summary>The disk is gone: not even a rollback succeeds.</summary>
    private sealed class BrokenTransaction : DbTransaction
    {
        public override IsolationLevel IsolationLevel => IsolationLevel.Serializable;

        protected override DbConnection? DbConnection => null;

        public override void Commit()
        {
        }

        public override void Rollback()
        {
        }

        public override ValueTask DisposeAsync() => throw new IOException("The disk is gone.");
    }
}
