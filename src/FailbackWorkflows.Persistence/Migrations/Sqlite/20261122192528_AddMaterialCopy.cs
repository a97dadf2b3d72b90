using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace FailbackWorkflows.Persistence.Migrations.Sqlite
{
    /// <inheritdoc />
    public partial class AddMaterialCopy : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.CreateTable(
                name: "copy_fences",
                columns: table => new
                {
                    task_id = table.Column<string>(type: "TEXT", nullable: false),
                    fence = table.Column<long>(type: "INTEGER", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_copy_fences", x => x.task_id);
                });

            migrationBuilder.CreateTable(
                name: "coverage_reports",
                columns: table => new
                {
                    task_id = table.Column<string>(type: "TEXT", nullable: false),
                    entry_id = table.Column<string>(type: "TEXT", nullable: false),
                    sha256 = table.Column<string>(type: "TEXT", nullable: false),
                    is_verified = table.Column<bool>(type: "INTEGER", nullable: false),
                    losses = table.Column<int>(type: "INTEGER", nullable: false),
                    kept_at = table.Column<long>(type: "INTEGER", nullable: false),
                    report = table.Column<string>(type: "TEXT", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_coverage_reports", x => x.task_id);
                });

            migrationBuilder.CreateTable(
                name: "hold_releases",
                columns: table => new
                {
                    entry_id = table.Column<string>(type: "TEXT", nullable: false),
                    server_id = table.Column<string>(type: "TEXT", nullable: false),
                    identity = table.Column<string>(type: "TEXT", nullable: false),
                    task_id = table.Column<string>(type: "TEXT", nullable: false),
                    release = table.Column<string>(type: "TEXT", nullable: false),
                    reason = table.Column<string>(type: "TEXT", nullable: false),
                    ordered_at = table.Column<long>(type: "INTEGER", nullable: false),
                    refusals = table.Column<int>(type: "INTEGER", nullable: false),
                    last_error = table.Column<string>(type: "TEXT", nullable: true),
                    released_at = table.Column<long>(type: "INTEGER", nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_hold_releases", x => new { x.entry_id, x.server_id });
                });

            migrationBuilder.CreateTable(
                name: "material_copy_tasks",
                columns: table => new
                {
                    task_id = table.Column<string>(type: "TEXT", nullable: false),
                    entry_id = table.Column<string>(type: "TEXT", nullable: false),
                    identity = table.Column<string>(type: "TEXT", nullable: false),
                    source_server_id = table.Column<string>(type: "TEXT", nullable: false),
                    target_server_id = table.Column<string>(type: "TEXT", nullable: false),
                    period_from = table.Column<long>(type: "INTEGER", nullable: true),
                    period_to = table.Column<long>(type: "INTEGER", nullable: true),
                    definition = table.Column<string>(type: "TEXT", nullable: true),
                    limits = table.Column<string>(type: "TEXT", nullable: false),
                    is_pause_wished = table.Column<bool>(type: "INTEGER", nullable: false),
                    told_wish = table.Column<string>(type: "TEXT", nullable: true),
                    told_wish_at = table.Column<long>(type: "INTEGER", nullable: true),
                    run_id = table.Column<string>(type: "TEXT", nullable: true),
                    last_run_id = table.Column<string>(type: "TEXT", nullable: true),
                    stopped_run_id = table.Column<string>(type: "TEXT", nullable: true),
                    runs = table.Column<int>(type: "INTEGER", nullable: false),
                    token_generation = table.Column<int>(type: "INTEGER", nullable: false),
                    protected_token = table.Column<string>(type: "TEXT", nullable: true),
                    token_drawn_at = table.Column<long>(type: "INTEGER", nullable: true),
                    token_refusals = table.Column<int>(type: "INTEGER", nullable: false),
                    is_revocation_owed = table.Column<bool>(type: "INTEGER", nullable: false),
                    is_cancellation_owed = table.Column<bool>(type: "INTEGER", nullable: false),
                    told_source_url = table.Column<string>(type: "TEXT", nullable: true),
                    state = table.Column<string>(type: "TEXT", nullable: true),
                    pause_reason = table.Column<string>(type: "TEXT", nullable: true),
                    bytes_done = table.Column<long>(type: "INTEGER", nullable: false),
                    bytes_total = table.Column<long>(type: "INTEGER", nullable: true),
                    segments_done = table.Column<long>(type: "INTEGER", nullable: false),
                    records_done = table.Column<long>(type: "INTEGER", nullable: false),
                    reported = table.Column<string>(type: "TEXT", nullable: true),
                    reported_at = table.Column<long>(type: "INTEGER", nullable: true),
                    noted_state = table.Column<string>(type: "TEXT", nullable: true),
                    noted_pause_reason = table.Column<string>(type: "TEXT", nullable: true),
                    is_out_of_touch = table.Column<bool>(type: "INTEGER", nullable: false),
                    is_unknown_at_target = table.Column<bool>(type: "INTEGER", nullable: false),
                    waits_for_server_id = table.Column<string>(type: "TEXT", nullable: true),
                    coverage_sha256 = table.Column<string>(type: "TEXT", nullable: true),
                    created_at = table.Column<long>(type: "INTEGER", nullable: false),
                    ended_at = table.Column<long>(type: "INTEGER", nullable: true),
                    revision = table.Column<long>(type: "INTEGER", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_material_copy_tasks", x => x.task_id);
                });

            migrationBuilder.CreateIndex(
                name: "IX_coverage_reports_entry_id",
                table: "coverage_reports",
                column: "entry_id");

            migrationBuilder.CreateIndex(
                name: "IX_hold_releases_released_at",
                table: "hold_releases",
                column: "released_at");

            migrationBuilder.CreateIndex(
                name: "IX_material_copy_tasks_entry_id_source_server_id",
                table: "material_copy_tasks",
                columns: new[] { "entry_id", "source_server_id" },
                unique: true);

            migrationBuilder.CreateIndex(
                name: "IX_material_copy_tasks_run_id",
                table: "material_copy_tasks",
                column: "run_id");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(
                name: "copy_fences");

            migrationBuilder.DropTable(
                name: "coverage_reports");

            migrationBuilder.DropTable(
                name: "hold_releases");

            migrationBuilder.DropTable(
                name: "material_copy_tasks");
        }
    }
}
