using FailbackWorkflows.Persistence.FailoverLog;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Design;

namespace FailbackWorkflows.Persistence.Postgres;

/// <summary>
/// The model on PostgreSQL. Texts order by their bytes, as they do on SQLite and in the code, whatever language the database was made for; lengths
/// of time are ticks for the reason instants are.
/// </summary>
public sealed class PostgresFailbackDbContext(DbContextOptions<PostgresFailbackDbContext> options) : FailbackDbContext(options)
{
    /// <inheritdoc/>
    protected override void ConfigureConventions(ModelConfigurationBuilder configurationBuilder)
    {
        base.ConfigureConventions(configurationBuilder);
        configurationBuilder.Properties<string>().UseCollation("C");
        configurationBuilder.Properties<TimeSpan>().HaveConversion<long>();
    }

    /// <summary>By one look into the index per server, which a join to the entry of that id would be followed by another.</summary>
    internal override IQueryable<FailoverLogRow> NewestOfBroken() => FailoverLog.FromSqlRaw(
        """
        SELECT newest.* FROM servers s CROSS JOIN LATERAL
            (SELECT * FROM failover_log WHERE failed_server_id = s.id ORDER BY failover_started_at DESC, id DESC LIMIT 1) newest
        WHERE s.state = 'Broken'
        """);
}

/// <summary>Lets the migration tool make a context; nothing is connected to.</summary>
public sealed class PostgresDesignTimeFactory : IDesignTimeDbContextFactory<PostgresFailbackDbContext>
{
    public PostgresFailbackDbContext CreateDbContext(string[] args) =>
        new(new DbContextOptionsBuilder<PostgresFailbackDbContext>().UseNpgsql("Host=design-time").Options);
}
