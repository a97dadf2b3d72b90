using FailbackWorkflows.Failback.PublishRules;
using Microsoft.Extensions.Options;

namespace FailbackWorkflows.Server.Hosting;

/// <summary>Settings of the management server: section <c>Failback</c> of the configuration.</summary>
public sealed class ServerOptions
{
    public const string Section = "Failback";

    /// <summary>How often a recorder is asked for its state that has no interval of its own; 1 s to 1 h. Default: 5 s.</summary>
    public TimeSpan PollInterval { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>How often every recorder is asked whether its settings are still those in the cache; 1 s to 1 day. Default: 30 s.</summary>
    public TimeSpan SettingsInterval { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>Recorders asked at the same time, of those that answered last time; those that did not have as many for themselves. 1 to 10,000. Default: 256.</summary>
    public int MaxConcurrentPolls { get; set; } = 256;

    /// <summary>How long one recorder may take to say whether its settings are those in the cache; 1 s to 5 min. Default: 10 s.</summary>
    public TimeSpan SettingsPatience { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Recorders asked for their settings at the same time, of those that answered the last time; a quarter of that for the others. 1 to 10,000. Default: 64.</summary>
    public int MaxConcurrentSettings { get; set; } = 64;

    /// <summary>How long changes of recorders' connections are kept; a recorder's newest one always is. 1 day to 100 years. Default: 400 days.</summary>
    public TimeSpan ConnectivityKeptFor { get; set; } = TimeSpan.FromDays(400);

    /// <summary>How often it is looked at whether every server is ready for its failback or failover: 1 min to 7 days, or 0: only when somebody asks. Default: 15 min.</summary>
    public TimeSpan ReadinessInterval { get; set; } = TimeSpan.FromMinutes(15);

    /// <summary>Servers looked at at the same time; 1 to 256. Default: 8.</summary>
    public int MaxConcurrentReadinessChecks { get; set; } = 8;

    /// <summary>Folder with the workflow definitions to import at start. Default: <c>workflows</c> beside the program.</summary>
    public string? WorkflowsPath { get; set; }

    /// <summary>How much the rules about workflows weigh when one is published. Default: each is an error.</summary>
    public PublishRuleOptions WorkflowRules { get; set; } = new();

    /// <summary>Folder with the files of the designer's package. Default: <c>studio</c> beside the program, where a build with Node puts them.</summary>
    public string? DesignerPath { get; set; }

    /// <summary>
    /// Folder of the file with the largest epochs ever drawn, which must not go back when the database is restored from a backup. Default: the
    /// data folder; another disk is better.
    /// </summary>
    public string? EpochsPath { get; set; }

    /// <summary>
    /// Folder of the key that seals the history and of the checkpoints outside of the database, <c>checkpoints.ndjson</c>. Default: <c>seals</c> in the data folder; another disk,
    /// that the database's administrators cannot write to, is better.
    /// </summary>
    public string? SealsPath { get; set; }

    /// <summary>How often what was written since is sealed; 1 s to 60 s. Default: 30 s. The end of each run on a duty is sealed at once.</summary>
    public TimeSpan SealInterval { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// Connection string of the PostgreSQL database to work on, as Npgsql reads it. It may hold a password: better given by the environment
    /// (<c>Failback__Postgres</c>) or a password file (<c>Passfile=…</c>) than on the command line. Default: a SQLite file in the data folder.
    /// </summary>
    public string? Postgres { get; set; }

    /// <summary>Attempts to sign in per minute and address before further ones are turned away; 1 to 10,000. Default: 10.</summary>
    public int SignInAttemptsPerMinute { get; set; } = 10;

    /// <summary>How long a session lasts without use; 5 min to 30 days. Default: 12 h.</summary>
    public TimeSpan SessionLifetime { get; set; } = TimeSpan.FromHours(12);

    /// <summary>How often a quiet change feed says that it is alive; 1 s to 1 min. Default: 15 s.</summary>
    public TimeSpan FeedHeartbeat { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>
    /// Address of an OpenTelemetry collector that takes OTLP over HTTP, e.g. <c>http://127.0.0.1:4318</c>; traces and metrics are sent to it. Default: none, unless
    /// <c>OTEL_EXPORTER_OTLP_ENDPOINT</c> names one.
    /// </summary>
    public string? OtlpEndpoint { get; set; }
}

/// <summary>Stops the start with sentences when a setting makes no sense.</summary>
internal sealed class ServerOptionsCheck : IValidateOptions<ServerOptions>
{
    public ValidateOptionsResult Validate(string? name, ServerOptions options)
    {
        var mistakes = new List<string>();
        Between("PollInterval", options.PollInterval, TimeSpan.FromSeconds(1), TimeSpan.FromHours(1));
        Between("SettingsInterval", options.SettingsInterval, TimeSpan.FromSeconds(1), TimeSpan.FromDays(1));
        Between("SettingsPatience", options.SettingsPatience, TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(5));
        Between("MaxConcurrentSettings", options.MaxConcurrentSettings, 1, 10_000);
        Between("ConnectivityKeptFor", options.ConnectivityKeptFor, TimeSpan.FromDays(1), TimeSpan.FromDays(36_525));

        if (options.ReadinessInterval != TimeSpan.Zero)
        {
            Between("ReadinessInterval", options.ReadinessInterval, TimeSpan.FromMinutes(1), TimeSpan.FromDays(7));
        }

        Between("MaxConcurrentReadinessChecks", options.MaxConcurrentReadinessChecks, 1, 256);
        Between("MaxConcurrentPolls", options.MaxConcurrentPolls, 1, 10_000);
        Between("SessionLifetime", options.SessionLifetime, TimeSpan.FromMinutes(5), TimeSpan.FromDays(30));
        Between("SealInterval", options.SealInterval, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(60));
        Between("FeedHeartbeat", options.FeedHeartbeat, TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(1));
        Between("SignInAttemptsPerMinute", options.SignInAttemptsPerMinute, 1, 10_000);
        if (!string.IsNullOrWhiteSpace(options.OtlpEndpoint) && !(Uri.TryCreate(options.OtlpEndpoint, UriKind.Absolute, out var collector) && collector.Scheme is "http" or "https"))
        {
            mistakes.Add("Failback:OtlpEndpoint must be the address of a collector, such as http://127.0.0.1:4318.");
        }

        if (options.WorkflowsPath is { } path && !Directory.Exists(path))
        {
            mistakes.Add($"Failback:WorkflowsPath names '{path}', which is not a folder. Create it or leave the setting out.");
        }

        return mistakes.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(mistakes);

        void Between<T>(string setting, T value, T least, T most)
            where T : IComparable<T>
        {
            if (value.CompareTo(least) < 0 || value.CompareTo(most) > 0)
            {
                mistakes.Add($"Failback:{setting} is {value}, but must be from {least} to {most}.");
            }
        }
    }
}
