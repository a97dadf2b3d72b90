using FailbackWorkflows.Persistence;
using FailbackWorkflows.Persistence.Seals;
using FailbackWorkflows.Server.Hosting;

namespace FailbackWorkflows.Server.Api.Seals;

/// <summary>
/// <c>FailbackWorkflows.Server verify</c>: verifies the history of a database, beside a running server or without one, against the checkpoints outside of it.
/// Changes nothing.
/// </summary>
internal sealed class VerifyTool(TextWriter output, TextWriter error, TimeProvider time)
{
    public const string Command = "verify";

    public const string Usage = """
        verify [--run ID] [--checkpoints FILE] [--keys ID,…] [--data DIR] [--Failback:Postgres CONNECTION] [--Failback:SealsPath DIR]
            Verifies all runs, the audit log and the definitions, or one run. FILE is a copy of checkpoints.ndjson that was kept elsewhere; default: the server's own.
            Of the keys, ID is what somebody has compared with the servers' disks: any other key that no key before it vouches for is wrong.
            Ends with 0: nothing is wrong; 1: something is; 2: it could not be looked at.
        """;

    private static readonly string[] Known = ["run", "checkpoints", "keys", "data", "Failback:Postgres", "Failback:SealsPath"];

    /// <summary>Runs the subcommand; the exit code is for scripts.</summary>
    public async Task<int> RunAsync(IReadOnlyList<string> args, CancellationToken cancellationToken)
    {
        try
        {
            var configuration = Read(args);
            var postgres = DatabaseChoice.ReadPostgres(configuration);
            var data = Path.GetFullPath(configuration["data"] ?? "data");
            var folder = new SealFolder(configuration["Failback:SealsPath"] ?? Path.Combine(data, "seals"));
            var file = configuration["checkpoints"] is { } given ? new CheckpointFile(Path.GetFullPath(given)) : folder.Checkpoints;
            if (configuration["checkpoints"] is not null && !File.Exists(file.Path))
            {
                throw new StartRefusedException(ExitCodes.BadSettings, $"There is no file '{file.Path}'.");
            }

            await using var connection = await VerifiedDatabase.OpenAsync(postgres, Path.Combine(data, "failback.db"), cancellationToken);
            var trusted = configuration["keys"]?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).ToHashSet(StringComparer.OrdinalIgnoreCase);
            var report = await new HistoryVerification(connection, file, time) { TrustedKeys = trusted }.VerifyAsync(configuration["run"], cancellationToken);
            if (configuration["run"] is { } run && report.IsOfNoRun)
            {
                throw new StartRefusedException(ExitCodes.BadSettings, $"There is no run '{run}', and none was sealed.");
            }

            await WriteAsync(report, file, configuration["run"]);
            return (report.IsClean, report.HasOutsideFile) switch
            {
                (false, _) => ExitCodes.Failed,
                (_, true) => ExitCodes.Ended,
                _ => ExitCodes.BadSettings,
            };
        }
        catch (Exception exception) when (exception is StartRefusedException or DatabaseNotOpenedException)
        {
            await error.WriteLineAsync(exception.Message);
            return ExitCodes.BadSettings;
        }
    }

    private async Task WriteAsync(VerificationReport report, CheckpointFile file, string? runId)
    {
        await output.WriteLineAsync(FormattableString.Invariant(
            $"{report.Runs} runs with {report.Events} events, {report.AuditRecords} records of the audit log, {report.Checkpoints} checkpoints (last {report.LastSealedAt?.ToString("u") ?? "never"})."));
        await output.WriteLineAsync(report.HasOutsideFile
            ? $"Compared with {file.Path}."
            : $"There is no file of checkpoints at {file.Path}: only the database speaks for itself, and whoever may change all of it is not found out.");
        foreach (var key in report.Keys)
        {
            await output.WriteLineAsync($"Key {key.Id} signs since checkpoint {key.Since}, {(key.VouchedBy is null ? "introduced by itself: compare this id with the server's" : $"vouched for by {key.VouchedBy}")}.");
        }

        if (report.UnsealedEvents + report.UnsealedAuditRecords > 0)
        {
            await output.WriteLineAsync(FormattableString.Invariant(
                $"Not sealed yet: {report.UnsealedEvents} events and {report.UnsealedAuditRecords} audit records, the oldest of {report.OldestUnsealedAt:u}."));
        }

        foreach (var finding in report.Findings)
        {
            await output.WriteLineAsync($"WRONG: {finding.Message}");
        }

        await output.WriteLineAsync(report.IsClean && !report.HasOutsideFile
            ? "Nothing contradicts itself, but that proves nothing without the file of checkpoints."
            : report.IsClean
            ? runId is null ? "Nothing is wrong." : $"Nothing is wrong with run {runId}."
            : $"{report.Findings.Count} things are wrong. Keep the database and the file as they are, and take copies of both before anything else.");
    }

    private static IConfiguration Read(IReadOnlyList<string> args)
    {
        for (var i = 0; i < args.Count; i += 2)
        {
            if (!args[i].StartsWith("--", StringComparison.Ordinal) || i + 1 == args.Count || !Known.Contains(args[i][2..], StringComparer.OrdinalIgnoreCase))
            {
                throw new StartRefusedException(ExitCodes.BadSettings, $"'{args[i]}' was not understood.{Environment.NewLine}{Usage}");
            }
        }

        return new ConfigurationBuilder().AddEnvironmentVariables().AddCommandLine([.. args]).Build();
    }
}
