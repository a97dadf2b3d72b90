using FailbackWorkflows.Benchmarks.Polling;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Readiness;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Persistence;
using FailbackWorkflows.Testing.Persistence;
using Microsoft.EntityFrameworkCore;

namespace FailbackWorkflows.Benchmarks.Durable;

/// <summary>
/// What a large site has in PostgreSQL after years: one failover every three minutes, and their runs. In one statement each: a row at a time would
/// take a day.
/// </summary>
internal static class LargeSite
{
    public const int Recorders = 10_000;
    public const int FailoverServers = 100;
    public const int ActiveEntries = 500;
    public const string LongRun = "run-long";
    private const int EventsPerRun = 100;

    /// <summary>Up to a day of this year.</summary>
    private const string Start = "638700000000000000";
    private const string Apart = "1800000000::bigint";

    public static string EntryId(int number) => $"entry-{number:D9}";

    /// <summary>The recorders first, then the failover servers.</summary>
    public static string ServerId(int number) => number < Recorders ? $"vms-{number}" : $"failover-{number - Recorders}";

    public static string RunId(int number) => $"run-{number:D9}";

    /// <summary>One event in ten belongs to one run that never ends; the others to runs of a hundred.</summary>
    public static long LongRunEvents(int events) => Math.Max(500, events / 10);

    public static int Runs(int events) => Math.Max(1, (int)((events - LongRunEvents(events)) / EventsPerRun));

    public static async Task LoadLogAsync(TestDatabase database, int entries)
    {
        await LoadAsync(
            database,
            $"""
            INSERT INTO failover_log (id, failed_server_id, failover_server_id, failover, failback, material_copy, is_active, failover_started_at, failover_ended_at,
                failback_started_at, failback_ended_at, failover_run_id, failback_run_id, started_by, reason, revision)
            SELECT 'entry-' || lpad(n::text, 9, '0'), 'vms-' || (n::bigint * 7919) % {Recorders}, 'failover-' || n % {FailoverServers},
                CASE WHEN NOT active AND n % 50 = 0 THEN '{nameof(FailoverState.Failed)}' ELSE '{nameof(FailoverState.Done)}' END,
                CASE WHEN active THEN '{nameof(FailbackState.NotStarted)}' ELSE '{nameof(FailbackState.Done)}' END,
                CASE WHEN active THEN '{nameof(MaterialCopyState.NotStarted)}' WHEN n % 3 = 0 THEN '{nameof(MaterialCopyState.NothingToCopy)}' ELSE '{nameof(MaterialCopyState.Copied)}' END,
                active, {Start} + n * {Apart}, {Start} + n * {Apart} + 50000000,
                CASE WHEN active THEN NULL ELSE {Start} + n * {Apart} + 60000000 END, CASE WHEN active THEN NULL ELSE {Start} + n * {Apart} + 90000000 END,
                md5('over' || n), CASE WHEN active THEN NULL ELSE md5('back' || n) END, 'Olga Operator', 'It did not answer any more.', 5
            FROM (SELECT n, n >= {entries - ActiveEntries} AS active FROM generate_series(0, {entries - 1}) n) numbers
            """);
        await SettleAsync(database.Get<IDatabase>(), "failover_log");
    }

    /// <summary>
    /// The recorders of the log, each with its duty, its settings and the result of a dry run; those of the active entries broken, and their duty where the entry says.
    /// They answer as <see cref="PollSimulator"/> does, at its addresses, and are polled once an hour: what polls cost is measured by another benchmark.
    /// </summary>
    public static async Task LoadServersAsync(IDatabase database, string protectedCredential, int entries, int port)
    {
        const string Hour = "36000000000";
        const string Failed = "'vms-' || (n::bigint * 7919) % 10000";
        var active = $"(SELECT {Failed} AS failed, 'failover-' || n % {FailoverServers} AS over FROM generate_series({entries - ActiveEntries}, {entries - 1}) n)";
        var all = $"(SELECT 'vms-' || n AS id, n, n AS place, 'group-' || n / 100 AS grp FROM generate_series(0, {Recorders - 1}) n UNION ALL SELECT 'failover-' || n, n, {Recorders} + n, 'group-' || n FROM generate_series(0, {FailoverServers - 1}) n)";
        string[] statements =
        [
            $"""
            INSERT INTO servers (id, name, base_url, protected_credential, machine_id, software_version, state, failover_group, is_failover_enabled, is_automatic_failback_enabled,
                is_automatic_failover_enabled, failover_after_polls, most_duties_of_others, room_per_duty_bytes, poll_interval, stability_delay, connection, connection_episode,
                last_seen_at, boot_id, created_at, revision)
            SELECT s.id, 'Recorder ' || s.id, 'http://127.1.' || s.place / 250 || '.' || 1 + s.place % 250 || ':{port}/', '{protectedCredential}', 'machine-' || lpad(s.place::text, 5, '0'), '{PollSimulator.SoftwareVersion}', CASE WHEN a.failed IS NULL THEN '{nameof(VmsServerState.Ok)}' ELSE '{nameof(VmsServerState.Broken)}' END,
                s.grp, TRUE, FALSE, FALSE, 3, 1, 1000000000, {Hour}, 0, CASE WHEN a.failed IS NULL THEN '{nameof(ConnectionState.Connected)}' ELSE '{nameof(ConnectionState.Disconnected)}' END, 1,
                {Start}, 'boot-of-' || s.id, {Start}, 1
            FROM {all} s LEFT JOIN {active} a ON a.failed = s.id
            """,
            $"INSERT INTO duties (identity, holder_server_id, epoch, allocation_id, fence) SELECT s.id, COALESCE(a.over, s.id), 1, 'seed', 1 FROM {all} s LEFT JOIN {active} a ON a.failed = s.id",
            "INSERT INTO settings_contents (sha256, content) VALUES ('digest', '{}')",
            $"INSERT INTO settings_bundles (identity, number, source_server_id, epoch, revision, sha256, seen_at, taken_at) SELECT s.id, 1, s.id, 1, 1, 'digest', {Start}, {Start} FROM {all} s",
            $$"""
            INSERT INTO readiness (server_id, kind, outcome, checks, checked_at, checked_by, stamp)
            SELECT s.id, CASE WHEN a.failed IS NULL THEN '{{nameof(ReadinessKind.Failover)}}' ELSE '{{nameof(ReadinessKind.Failback)}}' END, '{{nameof(ReadinessOutcome.Ready)}}', '[]', {{Start}}, 'Schedule',
                '{"definition":"failover:2","license":"license","settings":"digest","topology":"topology","rules":"rules"}'
            FROM {{all}} s LEFT JOIN {{active}} a ON a.failed = s.id
            """,
            """
            INSERT INTO users (id, user_name, normalized_user_name, display_name, email_confirmed, phone_number_confirmed, two_factor_enabled, lockout_enabled, access_failed_count)
            SELECT 'user-' || n, 'person' || n, 'PERSON' || n, 'Person ' || n, FALSE, FALSE, FALSE, TRUE, 0 FROM generate_series(1, 2000) n
            """,
            "INSERT INTO user_roles (user_id, role_id) SELECT u.id, r.id FROM users u, roles r WHERE u.id LIKE 'user-%' AND r.name = 'viewer'",
        ];
        foreach (var statement in statements)
        {
            await LoadAsync(database, statement);
        }

        await SettleAsync(database, "servers", "duties", "settings_bundles", "readiness", "users", "user_roles");
    }

    public static async Task LoadRunsAsync(TestDatabase database, int entries, int events)
    {
        var runs = Runs(events);
        await LoadAsync(
            database,
            $$"""
            INSERT INTO workflow_instances (id, definition_id, definition_version_id, definition_version, name, correlation_id, status, sub_status, incident_count, created_at,
                updated_at, finished_at, last_sequence, last_fence, snapshot)
            SELECT 'run-' || lpad(n::text, 9, '0'), definition, definition || ':1', 1, definition, 'entry-' || lpad((n % {{entries}})::text, 9, '0'),
                CASE WHEN running THEN '{{nameof(Engine.WorkflowStatus.Running)}}' ELSE '{{nameof(Engine.WorkflowStatus.Finished)}}' END,
                CASE WHEN running THEN '{{nameof(Engine.WorkflowSubStatus.Suspended)}}' ELSE '{{nameof(Engine.WorkflowSubStatus.Finished)}}' END,
                0, {{Start}} + n * {{Apart}}, {{Start}} + n * {{Apart}} + 90000000, CASE WHEN running THEN NULL ELSE {{Start}} + n * {{Apart}} + 90000000 END, {{EventsPerRun}}, 1,
                '{"sequence":{{EventsPerRun}},"pad":"' || repeat(md5(n::text), 30) || '"}'
            FROM (SELECT n, n % 997 = 0 AS running, (ARRAY['failover', 'failback', 'material-copy', 'readiness'])[n % 4 + 1] AS definition FROM generate_series(0, {{runs - 1}}) n) numbers
            """);
        const string Payload = """
            '{"event":"activityCompleted","sequence":' || s || ',"at":"2026-03-01T12:00:00+00:00","isFact":true,"executionId":"' || s || '","nodeId":"flow:step' || s % 40
                || '","outcomes":["Done"],"outputs":{"Answer":"' || md5(s::text) || '"},"ends":0,"notes":["Recorder vms-' || s % 997 || ' answered in time and has taken it over."]}'
            """;
        await LoadAsync(
            database,
            $"""
            INSERT INTO journal (instance_id, sequence, at, kind, node_id, execution_id, payload)
            SELECT 'run-' || lpad(n::text, 9, '0'), s, {Start} + n * {Apart} + s * 100000::bigint, 'activityCompleted', 'flow:step' || s % 40, s::text, {Payload}
            FROM generate_series(0, {runs - 1}) n, generate_series(1, {EventsPerRun}) s
            """);
        await LoadAsync(
            database,
            $"""
            INSERT INTO journal (instance_id, sequence, at, kind, node_id, execution_id, payload)
            SELECT '{LongRun}', s, {Start} + s * 100000::bigint, 'activityCompleted', 'flow:step' || s % 40, s::text, {Payload} FROM generate_series(1, {LongRunEvents(events)}) s
            """);
        await SettleAsync(database.Get<IDatabase>(), "workflow_instances", "journal");
    }

    /// <summary>What the server does by itself within the first hours, instead of in the middle of what is measured.</summary>
    public static async Task SettleAsync(IDatabase database, params IReadOnlyList<string> tables)
    {
        await using var db = database.CreateReadContext();
        await db.Database.OpenConnectionAsync();
        foreach (var table in tables)
        {
            await using var command = db.Database.GetDbConnection().CreateCommand();
            command.CommandText = $"VACUUM (ANALYZE) {table}";
            command.CommandTimeout = 0;
            await command.ExecuteNonQueryAsync();
        }
    }

    private static Task LoadAsync(TestDatabase database, string sql) => LoadAsync(database.Get<IDatabase>(), sql);

    private static async Task LoadAsync(IDatabase database, string sql)
    {
        await using var session = await database.BeginWriteAsync(CancellationToken.None);
        await using var command = session.Command(sql);
        command.CommandTimeout = 0;
        await command.ExecuteNonQueryAsync();
        await session.CommitAsync(CancellationToken.None);
    }
}
