using System.Diagnostics;
using System.Globalization;
using System.Text;
using Npgsql;

namespace FailbackWorkflows.Testing.Persistence;

/// <summary>A temporary PostgreSQL server that listens on a socket in a folder of its own, with real flushes to the disk. It ends with this process at the latest.</summary>
public sealed class PostgresServer : IAsyncDisposable
{
    /// <summary>
    /// Runs as the server's user until its input ends, however this process ends, and leaves nothing behind. The socket is in a folder only that
    /// user (and root) can enter, so nobody else on the machine can connect. <c>kill</c> and <c>start</c> on the input are what they say; a server that was killed
    /// can be started when the last of its processes has noticed.
    /// </summary>
    private const string Script = """
        umask 077
        dir=$(mktemp -d "${TMPDIR:-/tmp}/failback-postgres-XXXXXX") || exit 1
        trap 'rm -rf "$dir"' EXIT
        trap '' INT TERM HUP
        programs=$1
        "$programs/initdb" -D "$dir/data" -U failback -A trust --no-locale -E UTF8 --no-sync >"$dir/log" 2>&1 || { cat "$dir/log" >&2; exit 1; }
        start() {
          "$programs/postgres" -D "$dir/data" -k "$dir" -c listen_addresses= -c fsync=on -c max_connections=200 </dev/null >>"$dir/log" 2>&1 &
          server=$!
        }
        start
        echo "$dir"
        while read -r command; do
          case "$command" in
            kill) kill -KILL "$server"; wait "$server" 2>/dev/null; echo killed ;;
            start) until "$programs/pg_isready" -q -h "$dir" -U failback; do kill -0 "$server" 2>/dev/null || start; sleep 0.2; done; echo started ;;
          esac
        done
        "$programs/pg_ctl" stop -D "$dir/data" -m immediate >/dev/null 2>&1
        wait "$server"
        """;

    private readonly Process _script;

    private PostgresServer(Process script, string folder)
    {
        _script = script;
        ConnectionString = new NpgsqlConnectionStringBuilder { Host = folder, Username = "failback", Database = "postgres", IncludeErrorDetail = true }.ToString();
        AppDomain.CurrentDomain.ProcessExit += EndInput;
    }

    /// <summary>Of the server, without a database for a test.</summary>
    public string ConnectionString { get; }

    public static async Task<PostgresServer> StartAsync()
    {
        var start = new ProcessStartInfo("sh")
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = "/",
        };
        if (Environment.IsPrivilegedProcess)
        {
            // PostgreSQL refuses to run as root.
            start.FileName = "runuser";
            foreach (var argument in new[] { "-u", "postgres", "--", "sh" })
            {
                start.ArgumentList.Add(argument);
            }
        }

        start.ArgumentList.Add("-c");
        start.ArgumentList.Add(Script);
        start.ArgumentList.Add("postgres-server");
        start.ArgumentList.Add(FindPrograms());
        var errors = new StringBuilder();
        var script = Process.Start(start) ?? throw new InvalidOperationException("The PostgreSQL server could not be started.");
        script.ErrorDataReceived += (_, line) => errors.AppendLine(line.Data);
        script.BeginErrorReadLine();
        if (await script.StandardOutput.ReadLineAsync() is not { } folder)
        {
            await script.WaitForExitAsync();
            throw new InvalidOperationException($"The PostgreSQL server could not be started: {errors}");
        }

        var server = new PostgresServer(script, folder);
        await WaitUntilItAnswersAsync(server.ConnectionString, script, Path.Combine(folder, "log"));
        return server;
    }

    /// <summary>SIGKILL.</summary>
    public Task KillAsync() => CommandAsync("kill", "killed");

    /// <summary>After <see cref="KillAsync"/>: on the same data. It answers when this returns.</summary>
    public Task RestartAsync() => CommandAsync("start", "started");

    public async ValueTask DisposeAsync()
    {
        AppDomain.CurrentDomain.ProcessExit -= EndInput;
        _script.StandardInput.Close();
        await _script.WaitForExitAsync();
        _script.Dispose();
    }

    private async Task CommandAsync(string command, string answer)
    {
        await _script.StandardInput.WriteLineAsync(command);
        await _script.StandardInput.FlushAsync();
        var said = await _script.StandardOutput.ReadLineAsync().WaitAsync(TimeSpan.FromMinutes(1));
        if (said != answer)
        {
            throw new InvalidOperationException($"The PostgreSQL server was told to {command} and said '{said}'.");
        }
    }

    private void EndInput(object? sender, EventArgs e) => _script.StandardInput.Close();

    private static async Task WaitUntilItAnswersAsync(string connectionString, Process script, string log)
    {
        for (var patience = Stopwatch.StartNew(); ;)
        {
            try
            {
                await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false }.ToString());
                await connection.OpenAsync();
                return;
            }
            catch (NpgsqlException) when (!script.HasExited && patience.Elapsed < TimeSpan.FromMinutes(2))
            {
                await Task.Delay(TimeSpan.FromMilliseconds(50));
            }
            catch (NpgsqlException exception)
            {
                throw new InvalidOperationException($"The PostgreSQL server does not answer. {(File.Exists(log) ? await File.ReadAllTextAsync(log) : "")}", exception);
            }
        }
    }

    /// <summary>The newest that Debian has installed, else what the path leads to.</summary>
    private static string FindPrograms()
    {
        var folders = Directory.Exists("/usr/lib/postgresql")
            ? Directory.EnumerateDirectories("/usr/lib/postgresql")
                .Select(folder => (Folder: Path.Combine(folder, "bin"), Version: int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0))
                .OrderByDescending(found => found.Version)
                .Select(found => found.Folder)
            : [];
        return folders.Concat((Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)).FirstOrDefault(folder => File.Exists(Path.Combine(folder, "initdb")) && File.Exists(Path.Combine(folder, "postgres")))
            ?? throw new InvalidOperationException($"These tests need PostgreSQL. Install it (for example: sudo apt-get install postgresql), or set FAILBACK_TEST_POSTGRES to the connection string of a server.");
    }
}
