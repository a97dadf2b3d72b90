using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Design;

namespace FailbackWorkflows.Persistence.Sqlite;

/// <summary>The model on SQLite.</summary>
public sealed class SqliteFailbackDbContext(DbContextOptions<SqliteFailbackDbContext> options) : FailbackDbContext(options)
{
    /// <summary>Where the context goes when its user is done with it; null: it is disposed.</summary>
    internal SqliteReaders? Readers { get; set; }

    /// <inheritdoc/>
    public override void Dispose()
    {
        if (Readers?.TryKeep(this) != true)
        {
            base.Dispose();
        }
    }

    /// <inheritdoc/>
    public override ValueTask DisposeAsync() => Readers?.TryKeep(this) == true ? ValueTask.CompletedTask : base.DisposeAsync();
}

/// <summary>Lets the migration tool make a context; the file is never opened.</summary>
public sealed class SqliteDesignTimeFactory : IDesignTimeDbContextFactory<SqliteFailbackDbContext>
{
    public SqliteFailbackDbContext CreateDbContext(string[] args) =>
        new(new DbContextOptionsBuilder<SqliteFailbackDbContext>().UseSqlite("Data Source=design-time.db").Options);
}
