using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace FailbackWorkflows.Persistence.Migrations.Sqlite
{
    /// <inheritdoc />
    public partial class AddSettingsHistory : Migration
    {
        // Written by hand: the rows get numbers and their contents move to a table of their own, which the scaffolded steps would have dropped.
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "IX_settings_bundles_identity_sha256",
                table: "settings_bundles");

            migrationBuilder.RenameTable(
                name: "settings_bundles",
                newName: "settings_bundles_1");

            migrationBuilder.CreateTable(
                name: "settings_contents",
                columns: table => new
                {
                    sha256 = table.Column<string>(type: "TEXT", nullable: false),
                    content = table.Column<string>(type: "TEXT", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_settings_contents", x => x.sha256);
                });

            migrationBuilder.CreateTable(
                name: "settings_bundles",
                columns: table => new
                {
                    identity = table.Column<string>(type: "TEXT", nullable: false),
                    number = table.Column<long>(type: "INTEGER", nullable: false),
                    source_server_id = table.Column<string>(type: "TEXT", nullable: false),
                    epoch = table.Column<long>(type: "INTEGER", nullable: false),
                    revision = table.Column<long>(type: "INTEGER", nullable: false),
                    sha256 = table.Column<string>(type: "TEXT", nullable: false),
                    seen_at = table.Column<long>(type: "INTEGER", nullable: false),
                    taken_at = table.Column<long>(type: "INTEGER", nullable: false),
                    activated_at = table.Column<long>(type: "INTEGER", nullable: true),
                    changed_by = table.Column<string>(type: "TEXT", nullable: true),
                    reason = table.Column<string>(type: "TEXT", nullable: true),
                    run_id = table.Column<string>(type: "TEXT", nullable: true)
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

            migrationBuilder.Sql("INSERT INTO settings_contents (sha256, content) SELECT sha256, MIN(content) FROM settings_bundles_1 GROUP BY sha256");

            migrationBuilder.Sql(
                """
                INSERT INTO settings_bundles (identity, number, source_server_id, epoch, revision, sha256, seen_at, taken_at)
                SELECT identity, ROW_NUMBER() OVER (PARTITION BY identity ORDER BY taken_at, epoch, revision), source_server_id, epoch, revision, sha256, taken_at, taken_at
                FROM settings_bundles_1
                """);

            migrationBuilder.DropTable(
                name: "settings_bundles_1");

            migrationBuilder.CreateIndex(
                name: "IX_settings_bundles_identity_sha256",
                table: "settings_bundles",
                columns: new[] { "identity", "sha256" });

            migrationBuilder.CreateIndex(
                name: "IX_settings_bundles_identity_source_server_id_epoch_seen_at_number",
                table: "settings_bundles",
                columns: new[] { "identity", "source_server_id", "epoch", "seen_at", "number" });

            migrationBuilder.CreateIndex(
                name: "IX_settings_bundles_sha256",
                table: "settings_bundles",
                column: "sha256");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "IX_settings_bundles_identity_sha256",
                table: "settings_bundles");

            migrationBuilder.DropIndex(
                name: "IX_settings_bundles_identity_source_server_id_epoch_seen_at_number",
                table: "settings_bundles");

            migrationBuilder.DropIndex(
                name: "IX_settings_bundles_sha256",
                table: "settings_bundles");

            migrationBuilder.RenameTable(
                name: "settings_bundles",
                newName: "settings_bundles_2");

            migrationBuilder.CreateTable(
                name: "settings_bundles",
                columns: table => new
                {
                    identity = table.Column<string>(type: "TEXT", nullable: false),
                    source_server_id = table.Column<string>(type: "TEXT", nullable: false),
                    epoch = table.Column<long>(type: "INTEGER", nullable: false),
                    revision = table.Column<long>(type: "INTEGER", nullable: false),
                    sha256 = table.Column<string>(type: "TEXT", nullable: false),
                    taken_at = table.Column<long>(type: "INTEGER", nullable: false),
                    content = table.Column<string>(type: "TEXT", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_settings_bundles", x => new { x.identity, x.epoch, x.source_server_id, x.revision });
                });

            // Of a revision that came twice the later one is kept; what was seen without the duty has no place there.
            migrationBuilder.Sql(
                """
                INSERT INTO settings_bundles (identity, source_server_id, epoch, revision, sha256, taken_at, content)
                SELECT b.identity, b.source_server_id, b.epoch, b.revision, b.sha256, b.taken_at, c.content
                FROM settings_bundles_2 AS b JOIN settings_contents AS c ON c.sha256 = b.sha256
                WHERE b.epoch > 0 AND b.number = (
                    SELECT MAX(o.number) FROM settings_bundles_2 AS o
                    WHERE o.identity = b.identity AND o.epoch = b.epoch AND o.source_server_id = b.source_server_id AND o.revision = b.revision)
                """);

            migrationBuilder.DropTable(
                name: "settings_bundles_2");

            migrationBuilder.DropTable(
                name: "settings_contents");

            migrationBuilder.CreateIndex(
                name: "IX_settings_bundles_identity_sha256",
                table: "settings_bundles",
                columns: new[] { "identity", "sha256" });
        }
    }
}
