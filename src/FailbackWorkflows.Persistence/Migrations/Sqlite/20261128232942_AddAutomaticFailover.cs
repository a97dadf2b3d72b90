using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace FailbackWorkflows.Persistence.Migrations.Sqlite
{
    /// <inheritdoc />
    public partial class AddAutomaticFailover : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            // Servers that are there already get the defaults of VmsServer; automatic failover stays off until somebody turns it on.
            migrationBuilder.AddColumn<int>(
                name: "failover_after_polls",
                table: "servers",
                type: "INTEGER",
                nullable: false,
                defaultValue: 3);

            migrationBuilder.AddColumn<bool>(
                name: "is_automatic_failover_enabled",
                table: "servers",
                type: "INTEGER",
                nullable: false,
                defaultValue: false);

            migrationBuilder.AddColumn<int>(
                name: "most_duties_of_others",
                table: "servers",
                type: "INTEGER",
                nullable: false,
                defaultValue: 1);

            migrationBuilder.AddColumn<long>(
                name: "room_per_duty_bytes",
                table: "servers",
                type: "INTEGER",
                nullable: false,
                defaultValue: 1_000_000_000L);

            migrationBuilder.CreateTable(
                name: "automatic_failovers",
                columns: table => new
                {
                    identity = table.Column<string>(type: "TEXT", nullable: false),
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
                    table.PrimaryKey("PK_automatic_failovers", x => x.identity);
                });

            migrationBuilder.CreateIndex(
                name: "IX_automatic_failovers_run_id",
                table: "automatic_failovers",
                column: "run_id",
                unique: true);
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(
                name: "automatic_failovers");

            migrationBuilder.DropColumn(
                name: "failover_after_polls",
                table: "servers");

            migrationBuilder.DropColumn(
                name: "is_automatic_failover_enabled",
                table: "servers");

            migrationBuilder.DropColumn(
                name: "most_duties_of_others",
                table: "servers");

            migrationBuilder.DropColumn(
                name: "room_per_duty_bytes",
                table: "servers");
        }
    }
}
