namespace FailbackWorkflows.Testing.Persistence;

/// <summary>
/// The PostgreSQL server that the tests of this process share: a temporary one (<see cref="PostgresServer"/>). <c>FAILBACK_TEST_POSTGRES</c> names another
/// server instead, as a connection string of a user who may create databases. There is no third way: without a server the tests fail.
/// </summary>
public static class PostgresCluster
{
    private const string Variable = "FAILBACK_TEST_POSTGRES";
    private static readonly Lazy<Task<string>> Server = new(StartAsync);

    /// <summary>Connection string of the server, without a database. Started at the first call.</summary>
    public static Task<string> ConnectionStringAsync() => Server.Value;

    /// <summary>True when the server goes away with this process, and every database with it.</summary>
    public static bool IsTemporary => Environment.GetEnvironmentVariable(Variable) is null or "";

    private static async Task<string> StartAsync() => IsTemporary ? (await PostgresServer.StartAsync()).ConnectionString : Environment.GetEnvironmentVariable(Variable)!;
}
