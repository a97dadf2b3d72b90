using Microsoft.EntityFrameworkCore.Migrations;
using Npgsql.EntityFrameworkCore.PostgreSQL.Metadata;

#nullable disable

namespace FailbackWorkflows.Persistence.Migrations.Postgres
{
    /// <inheritdoc />
    public partial class Initial : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            // For people at a SQL prompt: instants are ticks. Not for indexes, so it need not be immutable.
            migrationBuilder.Sql("""
                CREATE FUNCTION as_instant(ticks bigint) RETURNS timestamptz LANGUAGE sql STABLE RETURNS NULL ON NULL INPUT
                AS $$ SELECT timestamptz 'epoch' + (ticks - 621355968000000000) / 10 * interval '1 microsecond' $$;
                """);

            migrationBuilder.CreateTable(
                name: "api_keys",
                columns: table => new
                {
                    id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    name = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    sha256 = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    role = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    created_at = table.Column<long>(type: "bigint", nullable: false),
                    created_by = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    expires_at = table.Column<long>(type: "bigint", nullable: true),
                    revoked_at = table.Column<long>(type: "bigint", nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_api_keys", x => x.id);
                });

            migrationBuilder.CreateTable(
                name: "audit_log",
                columns: table => new
                {
                    sequence = table.Column<long>(type: "bigint", nullable: false)
                        .Annotation("Npgsql:ValueGenerationStrategy", NpgsqlValueGenerationStrategy.IdentityByDefaultColumn),
                    at = table.Column<long>(type: "bigint", nullable: false),
                    actor_kind = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    actor_id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    actor_name = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    address = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    action = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    subject = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    reason = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    result = table.Column<string>(type: "text", nullable: false, collation: "C")
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_audit_log", x => x.sequence);
                });

            migrationBuilder.CreateTable(
                name: "automatic_failbacks",
                columns: table => new
                {
                    entry_id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    attempts = table.Column<int>(type: "integer", nullable: false),
                    episode = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    failures = table.Column<int>(type: "integer", nullable: false),
                    next_at = table.Column<long>(type: "bigint", nullable: true),
                    run_id = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    last_run_id = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    last_ended_at = table.Column<long>(type: "bigint", nullable: true),
                    last_message = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    refusal_code = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    refusal = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    refused_at = table.Column<long>(type: "bigint", nullable: true),
                    revision = table.Column<long>(type: "bigint", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_automatic_failbacks", x => x.entry_id);
                });

            migrationBuilder.CreateTable(
                name: "automatic_failovers",
                columns: table => new
                {
                    identity = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    attempts = table.Column<int>(type: "integer", nullable: false),
                    episode = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    failures = table.Column<int>(type: "integer", nullable: false),
                    next_at = table.Column<long>(type: "bigint", nullable: true),
                    run_id = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    last_run_id = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    last_ended_at = table.Column<long>(type: "bigint", nullable: true),
                    last_message = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    refusal_code = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    refusal = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    refused_at = table.Column<long>(type: "bigint", nullable: true),
                    revision = table.Column<long>(type: "bigint", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_automatic_failovers", x => x.identity);
                });

            migrationBuilder.CreateTable(
                name: "bookmarks",
                columns: table => new
                {
                    instance_id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    node_id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    name = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    key = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    due_at = table.Column<long>(type: "bigint", nullable: true),
                    created_at = table.Column<long>(type: "bigint", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_bookmarks", x => new { x.instance_id, x.id });
                });

            migrationBuilder.CreateTable(
                name: "change_notifications",
                columns: table => new
                {
                    cursor = table.Column<long>(type: "bigint", nullable: false)
                        .Annotation("Npgsql:ValueGenerationStrategy", NpgsqlValueGenerationStrategy.IdentityByDefaultColumn),
                    kind = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    subject = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    text = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    at = table.Column<long>(type: "bigint", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_change_notifications", x => x.cursor);
                });

            migrationBuilder.CreateTable(
                name: "connectivity_transitions",
                columns: table => new
                {
                    sequence = table.Column<long>(type: "bigint", nullable: false)
                        .Annotation("Npgsql:ValueGenerationStrategy", NpgsqlValueGenerationStrategy.IdentityByDefaultColumn),
                    server_id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    at = table.Column<long>(type: "bigint", nullable: false),
                    kind = table.Column<string>(type: "text", nullable: false),
                    from_state = table.Column<string>(type: "text", nullable: false),
                    to_state = table.Column<string>(type: "text", nullable: false),
                    reason = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    noticed_by = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    boot_id = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    episode = table.Column<long>(type: "bigint", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_connectivity_transitions", x => x.sequence);
                });

            migrationBuilder.CreateTable(
                name: "copy_fences",
                columns: table => new
                {
                    task_id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    fence = table.Column<long>(type: "bigint", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_copy_fences", x => x.task_id);
                });

            migrationBuilder.CreateTable(
                name: "coverage_reports",
                columns: table => new
                {
                    task_id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    entry_id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    sha256 = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    is_verified = table.Column<bool>(type: "boolean", nullable: false),
                    losses = table.Column<int>(type: "integer", nullable: false),
                    kept_at = table.Column<long>(type: "bigint", nullable: false),
                    report = table.Column<string>(type: "text", nullable: false, collation: "C")
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_coverage_reports", x => x.task_id);
                });

            migrationBuilder.CreateTable(
                name: "data_protection_keys",
                columns: table => new
                {
                    friendly_name = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    xml = table.Column<string>(type: "text", nullable: false, collation: "C")
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_data_protection_keys", x => x.friendly_name);
                });

            migrationBuilder.CreateTable(
                name: "duties",
                columns: table => new
                {
                    identity = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    holder_server_id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    epoch = table.Column<long>(type: "bigint", nullable: false),
                    allocation_id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    fence = table.Column<long>(type: "bigint", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_duties", x => x.identity);
                });

            migrationBuilder.CreateTable(
                name: "duty_claims",
                columns: table => new
                {
                    key = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    instance_id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    kind = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    taken_at = table.Column<long>(type: "bigint", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_duty_claims", x => x.key);
                });

            migrationBuilder.CreateTable(
                name: "failover_log",
                columns: table => new
                {
                    id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    failed_server_id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    failover_server_id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    failover = table.Column<string>(type: "text", nullable: false),
                    failback = table.Column<string>(type: "text", nullable: false),
                    material_copy = table.Column<string>(type: "text", nullable: false),
                    is_active = table.Column<bool>(type: "boolean", nullable: false),
                    failover_started_at = table.Column<long>(type: "bigint", nullable: false),
                    failover_ended_at = table.Column<long>(type: "bigint", nullable: true),
                    failback_started_at = table.Column<long>(type: "bigint", nullable: true),
                    failback_ended_at = table.Column<long>(type: "bigint", nullable: true),
                    failover_run_id = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    failback_run_id = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    started_by = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    reason = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    external_id = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    message = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    closed_by_entry_id = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    last_times = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    authority_ends = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    clocks = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    revision = table.Column<long>(type: "bigint", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_failover_log", x => x.id);
                });

            migrationBuilder.CreateTable(
                name: "hold_releases",
                columns: table => new
                {
                    entry_id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    server_id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    identity = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    task_id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    release = table.Column<string>(type: "text", nullable: false),
                    reason = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    ordered_at = table.Column<long>(type: "bigint", nullable: false),
                    refusals = table.Column<int>(type: "integer", nullable: false),
                    last_error = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    released_at = table.Column<long>(type: "bigint", nullable: true),
                    revision = table.Column<long>(type: "bigint", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_hold_releases", x => new { x.entry_id, x.server_id });
                });

            migrationBuilder.CreateTable(
                name: "inbox",
                columns: table => new
                {
                    id = table.Column<long>(type: "bigint", nullable: false)
                        .Annotation("Npgsql:ValueGenerationStrategy", NpgsqlValueGenerationStrategy.IdentityByDefaultColumn),
                    instance_id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    kind = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    bookmark_key = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    payload = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    actor = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    reason = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    at = table.Column<long>(type: "bigint", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_inbox", x => x.id);
                });

            migrationBuilder.CreateTable(
                name: "journal",
                columns: table => new
                {
                    instance_id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    sequence = table.Column<long>(type: "bigint", nullable: false),
                    at = table.Column<long>(type: "bigint", nullable: false),
                    kind = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    node_id = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    execution_id = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    payload = table.Column<string>(type: "text", nullable: false, collation: "C")
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_journal", x => new { x.instance_id, x.sequence });
                });

            migrationBuilder.CreateTable(
                name: "licenses",
                columns: table => new
                {
                    id = table.Column<long>(type: "bigint", nullable: false)
                        .Annotation("Npgsql:ValueGenerationStrategy", NpgsqlValueGenerationStrategy.IdentityByDefaultColumn),
                    document = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    signature = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    installed_at = table.Column<long>(type: "bigint", nullable: false),
                    installed_by = table.Column<string>(type: "text", nullable: false, collation: "C")
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_licenses", x => x.id);
                });

            migrationBuilder.CreateTable(
                name: "maintenance_modes",
                columns: table => new
                {
                    scope = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    is_on = table.Column<bool>(type: "boolean", nullable: false),
                    reason = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    started_by = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    started_at = table.Column<long>(type: "bigint", nullable: false),
                    ends_at = table.Column<long>(type: "bigint", nullable: true),
                    ended_by = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    ended_at = table.Column<long>(type: "bigint", nullable: true),
                    episode = table.Column<long>(type: "bigint", nullable: false),
                    revision = table.Column<long>(type: "bigint", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_maintenance_modes", x => x.scope);
                });

            migrationBuilder.CreateTable(
                name: "material_copy_tasks",
                columns: table => new
                {
                    task_id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    entry_id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    identity = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    source_server_id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    target_server_id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    is_disputed = table.Column<bool>(type: "boolean", nullable: false),
                    period_from = table.Column<long>(type: "bigint", nullable: true),
                    period_to = table.Column<long>(type: "bigint", nullable: true),
                    definition = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    limits = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    is_pause_wished = table.Column<bool>(type: "boolean", nullable: false),
                    told_wish = table.Column<string>(type: "text", nullable: true),
                    told_wish_at = table.Column<long>(type: "bigint", nullable: true),
                    run_id = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    last_run_id = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    stopped_run_id = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    runs = table.Column<int>(type: "integer", nullable: false),
                    token_generation = table.Column<int>(type: "integer", nullable: false),
                    protected_token = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    token_drawn_at = table.Column<long>(type: "bigint", nullable: true),
                    token_refusals = table.Column<int>(type: "integer", nullable: false),
                    is_revocation_owed = table.Column<bool>(type: "boolean", nullable: false),
                    is_cancellation_owed = table.Column<bool>(type: "boolean", nullable: false),
                    told_source_url = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    state = table.Column<string>(type: "text", nullable: true),
                    pause_reason = table.Column<string>(type: "text", nullable: true),
                    bytes_done = table.Column<long>(type: "bigint", nullable: false),
                    bytes_total = table.Column<long>(type: "bigint", nullable: true),
                    segments_done = table.Column<long>(type: "bigint", nullable: false),
                    records_done = table.Column<long>(type: "bigint", nullable: false),
                    reported = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    reported_at = table.Column<long>(type: "bigint", nullable: true),
                    noted_state = table.Column<string>(type: "text", nullable: true),
                    noted_pause_reason = table.Column<string>(type: "text", nullable: true),
                    is_out_of_touch = table.Column<bool>(type: "boolean", nullable: false),
                    is_unknown_at_target = table.Column<bool>(type: "boolean", nullable: false),
                    waits_for_server_id = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    coverage_sha256 = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    created_at = table.Column<long>(type: "bigint", nullable: false),
                    ended_at = table.Column<long>(type: "bigint", nullable: true),
                    revision = table.Column<long>(type: "bigint", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_material_copy_tasks", x => x.task_id);
                });

            migrationBuilder.CreateTable(
                name: "obligations",
                columns: table => new
                {
                    id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    server_id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    identity = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    entry_id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    kind = table.Column<string>(type: "text", nullable: false),
                    kind_order = table.Column<int>(type: "integer", nullable: false),
                    epoch = table.Column<long>(type: "bigint", nullable: false),
                    role = table.Column<string>(type: "text", nullable: true),
                    revision = table.Column<long>(type: "bigint", nullable: true),
                    reason = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    created_at = table.Column<long>(type: "bigint", nullable: false),
                    attempts = table.Column<int>(type: "integer", nullable: false),
                    next_attempt_at = table.Column<long>(type: "bigint", nullable: false),
                    last_error = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    settled_at = table.Column<long>(type: "bigint", nullable: true),
                    settlement = table.Column<string>(type: "text", nullable: true, collation: "C")
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_obligations", x => x.id);
                });

            migrationBuilder.CreateTable(
                name: "readiness",
                columns: table => new
                {
                    server_id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    kind = table.Column<string>(type: "text", nullable: false),
                    outcome = table.Column<string>(type: "text", nullable: false),
                    number = table.Column<int>(type: "integer", nullable: true),
                    sentence = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    offer = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    entry_id = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    failover_server_id = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    checks = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    checked_at = table.Column<long>(type: "bigint", nullable: false),
                    checked_by = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    due_at = table.Column<long>(type: "bigint", nullable: true),
                    turned_not_ready_at = table.Column<long>(type: "bigint", nullable: true),
                    stamp = table.Column<string>(type: "text", nullable: false, collation: "C")
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_readiness", x => new { x.server_id, x.kind });
                });

            migrationBuilder.CreateTable(
                name: "reconciliations",
                columns: table => new
                {
                    id = table.Column<long>(type: "bigint", nullable: false)
                        .Annotation("Npgsql:ValueGenerationStrategy", NpgsqlValueGenerationStrategy.IdentityByDefaultColumn),
                    identity = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    at = table.Column<long>(type: "bigint", nullable: false),
                    done_by = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    reason = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    epoch_before = table.Column<long>(type: "bigint", nullable: true),
                    holder_before = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    holder_server_id = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    epoch = table.Column<long>(type: "bigint", nullable: false),
                    checkpoint = table.Column<long>(type: "bigint", nullable: false),
                    changes = table.Column<string>(type: "text", nullable: false, collation: "C")
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_reconciliations", x => x.id);
                });

            migrationBuilder.CreateTable(
                name: "retention_holds",
                columns: table => new
                {
                    entry_id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    server_id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    identity = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    from_utc = table.Column<long>(type: "bigint", nullable: false),
                    to_utc = table.Column<long>(type: "bigint", nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_retention_holds", x => new { x.entry_id, x.server_id });
                });

            migrationBuilder.CreateTable(
                name: "roles",
                columns: table => new
                {
                    id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    name = table.Column<string>(type: "character varying(256)", maxLength: 256, nullable: true, collation: "C"),
                    normalized_name = table.Column<string>(type: "character varying(256)", maxLength: 256, nullable: true, collation: "C"),
                    concurrency_stamp = table.Column<string>(type: "text", nullable: true, collation: "C")
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_roles", x => x.id);
                });

            migrationBuilder.CreateTable(
                name: "servers",
                columns: table => new
                {
                    id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    name = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    base_url = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    protected_credential = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    machine_id = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    software_version = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    state = table.Column<string>(type: "text", nullable: false),
                    failover_group = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    is_failover_enabled = table.Column<bool>(type: "boolean", nullable: false),
                    is_automatic_failback_enabled = table.Column<bool>(type: "boolean", nullable: false),
                    is_automatic_failover_enabled = table.Column<bool>(type: "boolean", nullable: false),
                    failover_after_polls = table.Column<int>(type: "integer", nullable: false),
                    most_duties_of_others = table.Column<int>(type: "integer", nullable: false),
                    room_per_duty_bytes = table.Column<long>(type: "bigint", nullable: false),
                    poll_interval = table.Column<long>(type: "bigint", nullable: true),
                    stability_delay = table.Column<long>(type: "bigint", nullable: false),
                    connection = table.Column<string>(type: "text", nullable: false),
                    connected_since = table.Column<long>(type: "bigint", nullable: true),
                    connection_episode = table.Column<long>(type: "bigint", nullable: false),
                    clock_offset = table.Column<long>(type: "bigint", nullable: true),
                    last_seen_at = table.Column<long>(type: "bigint", nullable: true),
                    boot_id = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    created_at = table.Column<long>(type: "bigint", nullable: false),
                    revision = table.Column<long>(type: "bigint", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_servers", x => x.id);
                });

            migrationBuilder.CreateTable(
                name: "settings_contents",
                columns: table => new
                {
                    sha256 = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    content = table.Column<string>(type: "text", nullable: false, collation: "C")
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_settings_contents", x => x.sha256);
                });

            migrationBuilder.CreateTable(
                name: "system_settings",
                columns: table => new
                {
                    key = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    json = table.Column<string>(type: "text", nullable: false, collation: "C")
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_system_settings", x => x.key);
                });

            migrationBuilder.CreateTable(
                name: "users",
                columns: table => new
                {
                    id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    display_name = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    user_name = table.Column<string>(type: "character varying(256)", maxLength: 256, nullable: true, collation: "C"),
                    normalized_user_name = table.Column<string>(type: "character varying(256)", maxLength: 256, nullable: true, collation: "C"),
                    email = table.Column<string>(type: "character varying(256)", maxLength: 256, nullable: true, collation: "C"),
                    normalized_email = table.Column<string>(type: "character varying(256)", maxLength: 256, nullable: true, collation: "C"),
                    email_confirmed = table.Column<bool>(type: "boolean", nullable: false),
                    password_hash = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    security_stamp = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    concurrency_stamp = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    phone_number = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    phone_number_confirmed = table.Column<bool>(type: "boolean", nullable: false),
                    two_factor_enabled = table.Column<bool>(type: "boolean", nullable: false),
                    lockout_end = table.Column<long>(type: "bigint", nullable: true),
                    lockout_enabled = table.Column<bool>(type: "boolean", nullable: false),
                    access_failed_count = table.Column<int>(type: "integer", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_users", x => x.id);
                });

            migrationBuilder.CreateTable(
                name: "wake_ups",
                columns: table => new
                {
                    instance_id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    due_at = table.Column<long>(type: "bigint", nullable: true),
                    seq = table.Column<long>(type: "bigint", nullable: false),
                    ran = table.Column<long>(type: "bigint", nullable: false),
                    owner = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    lease_until = table.Column<long>(type: "bigint", nullable: true),
                    fence = table.Column<long>(type: "bigint", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_wake_ups", x => x.instance_id);
                });

            migrationBuilder.CreateTable(
                name: "workflow_definitions",
                columns: table => new
                {
                    id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    definition_id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    version = table.Column<int>(type: "integer", nullable: false),
                    name = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    json = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    sha256 = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    published_at = table.Column<long>(type: "bigint", nullable: false),
                    published_by = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    is_published = table.Column<bool>(type: "boolean", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_workflow_definitions", x => x.id);
                });

            migrationBuilder.CreateTable(
                name: "workflow_instances",
                columns: table => new
                {
                    id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    definition_id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    definition_version_id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    definition_version = table.Column<int>(type: "integer", nullable: false),
                    name = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    correlation_id = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    start_key = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    status = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    sub_status = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    incident_count = table.Column<int>(type: "integer", nullable: false),
                    created_at = table.Column<long>(type: "bigint", nullable: false),
                    updated_at = table.Column<long>(type: "bigint", nullable: false),
                    finished_at = table.Column<long>(type: "bigint", nullable: true),
                    last_sequence = table.Column<long>(type: "bigint", nullable: false),
                    last_fence = table.Column<long>(type: "bigint", nullable: false),
                    snapshot = table.Column<string>(type: "text", nullable: false, collation: "C")
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_workflow_instances", x => x.id);
                });

            migrationBuilder.CreateTable(
                name: "workflow_triggers",
                columns: table => new
                {
                    definition_id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    node_id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    key = table.Column<string>(type: "text", nullable: false, collation: "C")
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_workflow_triggers", x => new { x.definition_id, x.node_id });
                });

            migrationBuilder.CreateTable(
                name: "role_claims",
                columns: table => new
                {
                    id = table.Column<int>(type: "integer", nullable: false)
                        .Annotation("Npgsql:ValueGenerationStrategy", NpgsqlValueGenerationStrategy.IdentityByDefaultColumn),
                    role_id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    claim_type = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    claim_value = table.Column<string>(type: "text", nullable: true, collation: "C")
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_role_claims", x => x.id);
                    table.ForeignKey(
                        name: "FK_role_claims_roles_role_id",
                        column: x => x.role_id,
                        principalTable: "roles",
                        principalColumn: "id",
                        onDelete: ReferentialAction.Cascade);
                });

            migrationBuilder.CreateTable(
                name: "settings_bundles",
                columns: table => new
                {
                    identity = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    number = table.Column<long>(type: "bigint", nullable: false),
                    source_server_id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    epoch = table.Column<long>(type: "bigint", nullable: false),
                    revision = table.Column<long>(type: "bigint", nullable: false),
                    sha256 = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    seen_at = table.Column<long>(type: "bigint", nullable: false),
                    taken_at = table.Column<long>(type: "bigint", nullable: false),
                    activated_at = table.Column<long>(type: "bigint", nullable: true),
                    changed_by = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    reason = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    run_id = table.Column<string>(type: "text", nullable: true, collation: "C")
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_settings_bundles", x => new { x.identity, x.number });
                    table.ForeignKey(
                        name: "FK_settings_bundles_settings_contents_sha256",
                        column: x => x.sha256,
                        principalTable: "settings_contents",
                        principalColumn: "sha256",
                        onDelete: ReferentialAction.Restrict);
                });

            migrationBuilder.CreateTable(
                name: "user_claims",
                columns: table => new
                {
                    id = table.Column<int>(type: "integer", nullable: false)
                        .Annotation("Npgsql:ValueGenerationStrategy", NpgsqlValueGenerationStrategy.IdentityByDefaultColumn),
                    user_id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    claim_type = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    claim_value = table.Column<string>(type: "text", nullable: true, collation: "C")
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_user_claims", x => x.id);
                    table.ForeignKey(
                        name: "FK_user_claims_users_user_id",
                        column: x => x.user_id,
                        principalTable: "users",
                        principalColumn: "id",
                        onDelete: ReferentialAction.Cascade);
                });

            migrationBuilder.CreateTable(
                name: "user_logins",
                columns: table => new
                {
                    login_provider = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    provider_key = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    provider_display_name = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    user_id = table.Column<string>(type: "text", nullable: false, collation: "C")
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_user_logins", x => new { x.login_provider, x.provider_key });
                    table.ForeignKey(
                        name: "FK_user_logins_users_user_id",
                        column: x => x.user_id,
                        principalTable: "users",
                        principalColumn: "id",
                        onDelete: ReferentialAction.Cascade);
                });

            migrationBuilder.CreateTable(
                name: "user_roles",
                columns: table => new
                {
                    user_id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    role_id = table.Column<string>(type: "text", nullable: false, collation: "C")
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_user_roles", x => new { x.user_id, x.role_id });
                    table.ForeignKey(
                        name: "FK_user_roles_roles_role_id",
                        column: x => x.role_id,
                        principalTable: "roles",
                        principalColumn: "id",
                        onDelete: ReferentialAction.Cascade);
                    table.ForeignKey(
                        name: "FK_user_roles_users_user_id",
                        column: x => x.user_id,
                        principalTable: "users",
                        principalColumn: "id",
                        onDelete: ReferentialAction.Cascade);
                });

            migrationBuilder.CreateTable(
                name: "user_tokens",
                columns: table => new
                {
                    user_id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    login_provider = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    name = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    value = table.Column<string>(type: "text", nullable: true, collation: "C")
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_user_tokens", x => new { x.user_id, x.login_provider, x.name });
                    table.ForeignKey(
                        name: "FK_user_tokens_users_user_id",
                        column: x => x.user_id,
                        principalTable: "users",
                        principalColumn: "id",
                        onDelete: ReferentialAction.Cascade);
                });

            migrationBuilder.CreateIndex(
                name: "IX_api_keys_sha256",
                table: "api_keys",
                column: "sha256",
                unique: true);

            migrationBuilder.CreateIndex(
                name: "IX_automatic_failbacks_run_id",
                table: "automatic_failbacks",
                column: "run_id",
                unique: true);

            migrationBuilder.CreateIndex(
                name: "IX_automatic_failovers_run_id",
                table: "automatic_failovers",
                column: "run_id",
                unique: true);

            migrationBuilder.CreateIndex(
                name: "IX_bookmarks_key",
                table: "bookmarks",
                column: "key");

            migrationBuilder.CreateIndex(
                name: "IX_connectivity_transitions_at",
                table: "connectivity_transitions",
                column: "at");

            migrationBuilder.CreateIndex(
                name: "IX_connectivity_transitions_server_id_at",
                table: "connectivity_transitions",
                columns: new[] { "server_id", "at" });

            migrationBuilder.CreateIndex(
                name: "IX_connectivity_transitions_server_id_sequence",
                table: "connectivity_transitions",
                columns: new[] { "server_id", "sequence" });

            migrationBuilder.CreateIndex(
                name: "IX_coverage_reports_entry_id",
                table: "coverage_reports",
                column: "entry_id");

            migrationBuilder.CreateIndex(
                name: "IX_duty_claims_instance_id",
                table: "duty_claims",
                column: "instance_id");

            migrationBuilder.CreateIndex(
                name: "IX_failover_log_external_id",
                table: "failover_log",
                column: "external_id",
                unique: true);

            migrationBuilder.CreateIndex(
                name: "IX_failover_log_failed_server_id_failover_started_at",
                table: "failover_log",
                columns: new[] { "failed_server_id", "failover_started_at" });

            migrationBuilder.CreateIndex(
                name: "IX_failover_log_failover_started_at_id",
                table: "failover_log",
                columns: new[] { "failover_started_at", "id" });

            migrationBuilder.CreateIndex(
                name: "IX_failover_log_is_active_failover_started_at_id",
                table: "failover_log",
                columns: new[] { "is_active", "failover_started_at", "id" });

            migrationBuilder.CreateIndex(
                name: "IX_hold_releases_released_at",
                table: "hold_releases",
                column: "released_at");

            migrationBuilder.CreateIndex(
                name: "IX_inbox_instance_id_id",
                table: "inbox",
                columns: new[] { "instance_id", "id" });

            migrationBuilder.CreateIndex(
                name: "IX_material_copy_tasks_entry_id_source_server_id_is_disputed",
                table: "material_copy_tasks",
                columns: new[] { "entry_id", "source_server_id", "is_disputed" },
                unique: true);

            migrationBuilder.CreateIndex(
                name: "IX_material_copy_tasks_run_id",
                table: "material_copy_tasks",
                column: "run_id");

            migrationBuilder.CreateIndex(
                name: "IX_obligations_entry_id",
                table: "obligations",
                column: "entry_id");

            migrationBuilder.CreateIndex(
                name: "IX_obligations_server_id_identity_entry_id_kind",
                table: "obligations",
                columns: new[] { "server_id", "identity", "entry_id", "kind" },
                unique: true,
                filter: "settled_at IS NULL");

            migrationBuilder.CreateIndex(
                name: "IX_readiness_outcome_server_id",
                table: "readiness",
                columns: new[] { "outcome", "server_id" });

            migrationBuilder.CreateIndex(
                name: "IX_reconciliations_identity_id",
                table: "reconciliations",
                columns: new[] { "identity", "id" });

            migrationBuilder.CreateIndex(
                name: "IX_retention_holds_server_id",
                table: "retention_holds",
                column: "server_id");

            migrationBuilder.CreateIndex(
                name: "IX_role_claims_role_id",
                table: "role_claims",
                column: "role_id");

            migrationBuilder.CreateIndex(
                name: "RoleNameIndex",
                table: "roles",
                column: "normalized_name",
                unique: true);

            migrationBuilder.CreateIndex(
                name: "IX_servers_machine_id",
                table: "servers",
                column: "machine_id",
                unique: true);

            migrationBuilder.CreateIndex(
                name: "IX_settings_bundles_identity_sha256",
                table: "settings_bundles",
                columns: new[] { "identity", "sha256" });

            migrationBuilder.CreateIndex(
                name: "IX_settings_bundles_identity_source_server_id_epoch_seen_at_nu~",
                table: "settings_bundles",
                columns: new[] { "identity", "source_server_id", "epoch", "seen_at", "number" });

            migrationBuilder.CreateIndex(
                name: "IX_settings_bundles_sha256",
                table: "settings_bundles",
                column: "sha256");

            migrationBuilder.CreateIndex(
                name: "IX_user_claims_user_id",
                table: "user_claims",
                column: "user_id");

            migrationBuilder.CreateIndex(
                name: "IX_user_logins_user_id",
                table: "user_logins",
                column: "user_id");

            migrationBuilder.CreateIndex(
                name: "IX_user_roles_role_id",
                table: "user_roles",
                column: "role_id");

            migrationBuilder.CreateIndex(
                name: "EmailIndex",
                table: "users",
                column: "normalized_email");

            migrationBuilder.CreateIndex(
                name: "UserNameIndex",
                table: "users",
                column: "normalized_user_name",
                unique: true);

            migrationBuilder.CreateIndex(
                name: "IX_wake_ups_owner_due_at",
                table: "wake_ups",
                columns: new[] { "owner", "due_at" });

            migrationBuilder.CreateIndex(
                name: "IX_workflow_definitions_definition_id_is_published",
                table: "workflow_definitions",
                columns: new[] { "definition_id", "is_published" });

            migrationBuilder.CreateIndex(
                name: "IX_workflow_definitions_definition_id_version",
                table: "workflow_definitions",
                columns: new[] { "definition_id", "version" },
                unique: true);

            migrationBuilder.CreateIndex(
                name: "IX_workflow_instances_correlation_id_created_at",
                table: "workflow_instances",
                columns: new[] { "correlation_id", "created_at" });

            migrationBuilder.CreateIndex(
                name: "IX_workflow_instances_created_at_id",
                table: "workflow_instances",
                columns: new[] { "created_at", "id" });

            migrationBuilder.CreateIndex(
                name: "IX_workflow_instances_definition_id_created_at",
                table: "workflow_instances",
                columns: new[] { "definition_id", "created_at" });

            migrationBuilder.CreateIndex(
                name: "IX_workflow_instances_start_key",
                table: "workflow_instances",
                column: "start_key",
                unique: true);

            migrationBuilder.CreateIndex(
                name: "IX_workflow_instances_status_updated_at",
                table: "workflow_instances",
                columns: new[] { "status", "updated_at" });

            migrationBuilder.CreateIndex(
                name: "IX_workflow_triggers_key",
                table: "workflow_triggers",
                column: "key");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.Sql("DROP FUNCTION as_instant");

            migrationBuilder.DropTable(
                name: "api_keys");

            migrationBuilder.DropTable(
                name: "audit_log");

            migrationBuilder.DropTable(
                name: "automatic_failbacks");

            migrationBuilder.DropTable(
                name: "automatic_failovers");

            migrationBuilder.DropTable(
                name: "bookmarks");

            migrationBuilder.DropTable(
                name: "change_notifications");

            migrationBuilder.DropTable(
                name: "connectivity_transitions");

            migrationBuilder.DropTable(
                name: "copy_fences");

            migrationBuilder.DropTable(
                name: "coverage_reports");

            migrationBuilder.DropTable(
                name: "data_protection_keys");

            migrationBuilder.DropTable(
                name: "duties");

            migrationBuilder.DropTable(
                name: "duty_claims");

            migrationBuilder.DropTable(
                name: "failover_log");

            migrationBuilder.DropTable(
                name: "hold_releases");

            migrationBuilder.DropTable(
                name: "inbox");

            migrationBuilder.DropTable(
                name: "journal");

            migrationBuilder.DropTable(
                name: "licenses");

            migrationBuilder.DropTable(
                name: "maintenance_modes");

            migrationBuilder.DropTable(
                name: "material_copy_tasks");

            migrationBuilder.DropTable(
                name: "obligations");

            migrationBuilder.DropTable(
                name: "readiness");

            migrationBuilder.DropTable(
                name: "reconciliations");

            migrationBuilder.DropTable(
                name: "retention_holds");

            migrationBuilder.DropTable(
                name: "role_claims");

            migrationBuilder.DropTable(
                name: "servers");

            migrationBuilder.DropTable(
                name: "settings_bundles");

            migrationBuilder.DropTable(
                name: "system_settings");

            migrationBuilder.DropTable(
                name: "user_claims");

            migrationBuilder.DropTable(
                name: "user_logins");

            migrationBuilder.DropTable(
                name: "user_roles");

            migrationBuilder.DropTable(
                name: "user_tokens");

            migrationBuilder.DropTable(
                name: "wake_ups");

            migrationBuilder.DropTable(
                name: "workflow_definitions");

            migrationBuilder.DropTable(
                name: "workflow_instances");

            migrationBuilder.DropTable(
                name: "workflow_triggers");

            migrationBuilder.DropTable(
                name: "settings_contents");

            migrationBuilder.DropTable(
                name: "roles");

            migrationBuilder.DropTable(
                name: "users");
        }
    }
}
