using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Persistence;
using Npgsql;

namespace FailbackWorkflows.Server.Hosting;

/// <summary>Which database the server works on: PostgreSQL when <c>Failback:Postgres</c> names one, else the embedded one in the data folder.</summary>
internal static class DatabaseChoice
{
    private const string Setting = $"{ServerOptions.Section}:{nameof(ServerOptions.Postgres)}";

    /// <summary>The connection string, or null: embedded. What it says is never repeated, because it may hold a password.</summary>
    public static string? ReadPostgres(IConfiguration configuration)
    {
        if (configuration[Setting] is not { } text || string.IsNullOrWhiteSpace(text))
        {
            return null;
        }

        NpgsqlConnectionStringBuilder parts;
        try
        {
            parts = new NpgsqlConnectionStringBuilder(text);
        }
        catch (Exception exception) when (exception is ArgumentException or FormatException or OverflowException)
        {
            // Without the inner exception: the piece it complains of may be the end of a password with a semicolon in it.
            throw new StartRefusedException(
                ExitCodes.BadSettings,
                $"{Setting} is not a connection string like Host=db.example;Database=failback;Username=failback;Passfile=FILE. Put a value with ; or = in it into double quotes. (It is not shown here, because it may hold a password.)");
        }

        return parts is { Host.Length: > 0, Database.Length: > 0, Username.Length: > 0 }
            ? text
            : throw new StartRefusedException(ExitCodes.BadSettings, $"{Setting} must name Host, Database and Username.");
    }

    /// <summary>The name of this node: as set, or that of the machine where several may share a database.</summary>
    public static string NodeOf(IConfiguration configuration, string? postgres) => configuration["Failback:Engine:Node"] is { Length: > 0 } name
        ? name
        : postgres is null ? new WorkflowEngineOptions().Node : Environment.MachineName;

    public static void Add(IServiceCollection services, DataFolder data, string? epochsPath, string? sealsPath, string? postgres, string node)
    {
        if (postgres is null)
        {
            services.AddPersistence(data.Database, epochsPath, sealsPath ?? data.Seals);
        }
        else
        {
            services.AddPostgresPersistence(postgres, epochsPath ?? data.Path, node, sealsFolder: sealsPath ?? data.Seals);
        }
    }
}
