using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace FailbackWorkflows.Persistence.Migrations.Sqlite
{
    /// <inheritdoc />
    public partial class KeepRecorderWords : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<bool>(
                name: "has_asked_everybody",
                table: "watches",
                type: "INTEGER",
                nullable: false,
                defaultValue: false);

            migrationBuilder.AddColumn<int>(
                name: "in_flight",
                table: "watches",
                type: "INTEGER",
                nullable: false,
                defaultValue: 0);

            migrationBuilder.AddColumn<bool>(
                name: "is_round_done",
                table: "watches",
                type: "INTEGER",
                nullable: false,
                defaultValue: false);

            migrationBuilder.AddColumn<long>(
                name: "longest_gap",
                table: "watches",
                type: "INTEGER",
                nullable: false,
                defaultValue: 0L);

            migrationBuilder.AddColumn<long>(
                name: "longest_lag",
                table: "watches",
                type: "INTEGER",
                nullable: false,
                defaultValue: 0L);

            migrationBuilder.AddColumn<int>(
                name: "recorders",
                table: "watches",
                type: "INTEGER",
                nullable: false,
                defaultValue: 0);

            migrationBuilder.AddColumn<long>(
                name: "swept_at",
                table: "watches",
                type: "INTEGER",
                nullable: true);

            migrationBuilder.AddColumn<long>(
                name: "term",
                table: "watches",
                type: "INTEGER",
                nullable: false,
                defaultValue: 0L);

            migrationBuilder.AddColumn<string>(
                name: "told_node",
                table: "watches",
                type: "TEXT",
                nullable: false,
                defaultValue: "");

            migrationBuilder.AddColumn<long>(
                name: "told_term",
                table: "watches",
                type: "INTEGER",
                nullable: false,
                defaultValue: 0L);

            migrationBuilder.AddColumn<int>(
                name: "unasked",
                table: "watches",
                type: "INTEGER",
                nullable: false,
                defaultValue: 0);

            migrationBuilder.CreateTable(
                name: "recorder_words",
                columns: table => new
                {
                    identity = table.Column<string>(type: "TEXT", nullable: false),
                    server_id = table.Column<string>(type: "TEXT", nullable: false),
                    assigned_role = table.Column<string>(type: "TEXT", nullable: false),
                    epoch = table.Column<long>(type: "INTEGER", nullable: false),
                    allocation_id = table.Column<string>(type: "TEXT", nullable: true),
                    fence = table.Column<long>(type: "INTEGER", nullable: false),
                    largest_epoch = table.Column<long>(type: "INTEGER", nullable: false),
                    largest_fence = table.Column<long>(type: "INTEGER", nullable: false),
                    asked_at = table.Column<long>(type: "INTEGER", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_recorder_words", x => new { x.identity, x.server_id });
                });
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(
                name: "recorder_words");

            migrationBuilder.DropColumn(
                name: "has_asked_everybody",
                table: "watches");

            migrationBuilder.DropColumn(
                name: "in_flight",
                table: "watches");

            migrationBuilder.DropColumn(
                name: "is_round_done",
                table: "watches");

            migrationBuilder.DropColumn(
                name: "longest_gap",
                table: "watches");

            migrationBuilder.DropColumn(
                name: "longest_lag",
                table: "watches");

            migrationBuilder.DropColumn(
                name: "recorders",
                table: "watches");

            migrationBuilder.DropColumn(
                name: "swept_at",
                table: "watches");

            migrationBuilder.DropColumn(
                name: "term",
                table: "watches");

            migrationBuilder.DropColumn(
                name: "told_node",
                table: "watches");

            migrationBuilder.DropColumn(
                name: "told_term",
                table: "watches");

            migrationBuilder.DropColumn(
                name: "unasked",
                table: "watches");
        }
    }
}
