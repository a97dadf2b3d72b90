using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace FailbackWorkflows.Persistence.Migrations.Postgres
{
    /// <inheritdoc />
    public partial class AddWorkflowLibrary : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<int>(
                name: "based_on",
                table: "workflow_definitions",
                type: "integer",
                nullable: true);

            migrationBuilder.AddColumn<string>(
                name: "conflict",
                table: "workflow_definitions",
                type: "text",
                nullable: true,
                collation: "C");

            migrationBuilder.AddColumn<long>(
                name: "deleted_at",
                table: "workflow_definitions",
                type: "bigint",
                nullable: true);

            migrationBuilder.AddColumn<string>(
                name: "deleted_by",
                table: "workflow_definitions",
                type: "text",
                nullable: true,
                collation: "C");

            migrationBuilder.AddColumn<string>(
                name: "description",
                table: "workflow_definitions",
                type: "text",
                nullable: true,
                collation: "C");

            migrationBuilder.AddColumn<bool>(
                name: "is_draft",
                table: "workflow_definitions",
                type: "boolean",
                nullable: false,
                defaultValue: false);

            migrationBuilder.AddColumn<bool>(
                name: "is_latest",
                table: "workflow_definitions",
                type: "boolean",
                nullable: false,
                defaultValue: false);

            migrationBuilder.AddColumn<string>(
                name: "origin",
                table: "workflow_definitions",
                type: "text",
                nullable: false,
                defaultValue: "File");

            migrationBuilder.AddColumn<string>(
                name: "reason",
                table: "workflow_definitions",
                type: "text",
                nullable: true,
                collation: "C");

            migrationBuilder.AddColumn<long>(
                name: "revision",
                table: "workflow_definitions",
                type: "bigint",
                nullable: false,
                defaultValue: 0L);

            // What is there already was published from files or through the API; its newest version is the latest one.
            migrationBuilder.Sql(
                """
                UPDATE workflow_definitions SET
                    origin = CASE WHEN published_by = 'file' THEN 'File' ELSE 'Designer' END,
                    is_latest = NOT EXISTS (SELECT 1 FROM workflow_definitions newer WHERE newer.definition_id = workflow_definitions.definition_id AND newer.version > workflow_definitions.version)
                """);

            migrationBuilder.CreateTable(
                name: "hidden_instances",
                columns: table => new
                {
                    instance_id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    hidden_at = table.Column<long>(type: "bigint", nullable: false),
                    hidden_by = table.Column<string>(type: "text", nullable: false, collation: "C")
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_hidden_instances", x => x.instance_id);
                });

            migrationBuilder.CreateTable(
                name: "workflow_draft_revisions",
                columns: table => new
                {
                    definition_id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    revision = table.Column<long>(type: "bigint", nullable: false),
                    kind = table.Column<string>(type: "text", nullable: false),
                    version = table.Column<int>(type: "integer", nullable: false),
                    author_id = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    author_name = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    saved_at = table.Column<long>(type: "bigint", nullable: false),
                    sha256 = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    json = table.Column<string>(type: "text", nullable: false, collation: "C")
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_workflow_draft_revisions", x => new { x.definition_id, x.revision });
                });

            migrationBuilder.CreateIndex(
                name: "IX_workflow_definitions_is_latest_name",
                table: "workflow_definitions",
                columns: new[] { "is_latest", "name" });
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(
                name: "hidden_instances");

            migrationBuilder.DropTable(
                name: "workflow_draft_revisions");

            migrationBuilder.DropIndex(
                name: "IX_workflow_definitions_is_latest_name",
                table: "workflow_definitions");

            migrationBuilder.DropColumn(
                name: "based_on",
                table: "workflow_definitions");

            migrationBuilder.DropColumn(
                name: "conflict",
                table: "workflow_definitions");

            migrationBuilder.DropColumn(
                name: "deleted_at",
                table: "workflow_definitions");

            migrationBuilder.DropColumn(
                name: "deleted_by",
                table: "workflow_definitions");

            migrationBuilder.DropColumn(
                name: "description",
                table: "workflow_definitions");

            migrationBuilder.DropColumn(
                name: "is_draft",
                table: "workflow_definitions");

            migrationBuilder.DropColumn(
                name: "is_latest",
                table: "workflow_definitions");

            migrationBuilder.DropColumn(
                name: "origin",
                table: "workflow_definitions");

            migrationBuilder.DropColumn(
                name: "reason",
                table: "workflow_definitions");

            migrationBuilder.DropColumn(
                name: "revision",
                table: "workflow_definitions");
        }
    }
}
