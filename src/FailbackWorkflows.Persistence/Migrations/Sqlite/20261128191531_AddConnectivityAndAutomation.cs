using System;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace FailbackWorkflows.Persistence.Migrations.Sqlite
{
    /// <inheritdoc />
    public partial class AddConnectivityAndAutomation : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<TimeSpan>(
                name: "clock_offset",
                table: "servers",
                type: "TEXT",
                nullable: true);

            migrationBuilder.AddColumn<long>(
                name: "connected_since",
                table: "servers",
                type: "INTEGER",
                nullable: true);

            migrationBuilder.AddColumn<long>(
                name: "connection_episode",
                table: "servers",
                type: "INTEGER",
                nullable: false,
                defaultValue: 0L);

            migrationBuilder.AddColumn<TimeSpan>(
                name: "poll_interval",
                table: "servers",
                type: "TEXT",
                nullable: true);

            migrationBuilder.AddColumn<TimeSpan>(
                name: "stability_delay",
                table: "servers",
                type: "TEXT",
                nullable: false,
                defaultValue: new TimeSpan(0, 0, 0, 0, 0));

            migrationBuilder.CreateTable(
                name: "automatic_failbacks",
                columns: table => new
                {
                    entry_id = table.Column<string>(type: "TEXT", nullable: false),
                    attempts = table.Column<int>(type: "INTEGER", nullable: false),
                    episode = table.Column<string>(type: "TEXT", nullable: true),
                    failures = table.Column<int>(type: "INTEGER", nullable: false),
                    next_at = table.Column<long>(type: "INTEGER", nullable: true),
                    run_id = table.Column<string>(type: "TEXT", nullable: true),
                    last_run_id = table.Column<string>(type: "TEXT", nullable: true),
                    last_ended_at = table.Column<long>(type: "INTEGER", nullable: true),
                    last_message = table.Column<string>(type: "TEXT", nullable: true),
                    refusal_code = table.Column<string>(type: "TEXT", nullable: true),
                    refusal = table.Column<string>(type: "TEXT", nullable: true),
                    refused_at = table.Column<long>(type: "INTEGER", nullable: true),
                    revision = table.Column<long>(type: "INTEGER", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_automatic_failbacks", x => x.entry_id);
                });

            migrationBuilder.CreateTable(
                name: "connectivity_transitions",
                columns: table => new
                {
                    sequence = table.Column<long>(type: "INTEGER", nullable: false)
                        .Annotation("Sqlite:Autoincrement", true),
                    server_id = table.Column<string>(type: "TEXT", nullable: false),
                    at = table.Column<long>(type: "INTEGER", nullable: false),
                    kind = table.Column<string>(type: "TEXT", nullable: false),
                    from_state = table.Column<string>(type: "TEXT", nullable: false),
                    to_state = table.Column<string>(type: "TEXT", nullable: false),
                    reason = table.Column<string>(type: "TEXT", nullable: false),
                    noticed_by = table.Column<string>(type: "TEXT", nullable: false),
                    boot_id = table.Column<string>(type: "TEXT", nullable: true),
                    episode = table.Column<long>(type: "INTEGER", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_connectivity_transitions", x => x.sequence);
                });

            migrationBuilder.CreateTable(
                name: "maintenance_modes",
                columns: table => new
                {
                    scope = table.Column<string>(type: "TEXT", nullable: false),
                    is_on = table.Column<bool>(type: "INTEGER", nullable: false),
                    reason = table.Column<string>(type: "TEXT", nullable: false),
                    started_by = table.Column<string>(type: "TEXT", nullable: false),
                    started_at = table.Column<long>(type: "INTEGER", nullable: false),
                    ends_at = table.Column<long>(type: "INTEGER", nullable: true),
                    ended_by = table.Column<string>(type: "TEXT", nullable: true),
                    ended_at = table.Column<long>(type: "INTEGER", nullable: true),
                    episode = table.Column<long>(type: "INTEGER", nullable: false),
                    revision = table.Column<long>(type: "INTEGER", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_maintenance_modes", x => x.scope);
                });

            migrationBuilder.CreateTable(
                name: "workflow_triggers",
                columns: table => new
                {
                    definition_id = table.Column<string>(type: "TEXT", nullable: false),
                    node_id = table.Column<string>(type: "TEXT", nullable: false),
                    key = table.Column<string>(type: "TEXT", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_workflow_triggers", x => new { x.definition_id, x.node_id });
                });

            migrationBuilder.CreateIndex(
                name: "IX_automatic_failbacks_run_id",
                table: "automatic_failbacks",
                column: "run_id",
                unique: true);

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
                name: "IX_workflow_triggers_key",
                table: "workflow_triggers",
                column: "key");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(
                name: "automatic_failbacks");

            migrationBuilder.DropTable(
                name: "connectivity_transitions");

            migrationBuilder.DropTable(
                name: "maintenance_modes");

            migrationBuilder.DropTable(
                name: "workflow_triggers");

            migrationBuilder.DropColumn(
                name: "clock_offset",
                table: "servers");

            migrationBuilder.DropColumn(
                name: "connected_since",
                table: "servers");

            migrationBuilder.DropColumn(
                name: "connection_episode",
                table: "servers");

            migrationBuilder.DropColumn(
                name: "poll_interval",
                table: "servers");

            migrationBuilder.DropColumn(
                name: "stability_delay",
                table: "servers");
        }
    }
}
