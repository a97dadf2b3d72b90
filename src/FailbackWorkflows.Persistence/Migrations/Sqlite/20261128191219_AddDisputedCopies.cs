using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace FailbackWorkflows.Persistence.Migrations.Sqlite
{
    /// <inheritdoc />
    public partial class AddDisputedCopies : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "IX_material_copy_tasks_entry_id_source_server_id",
                table: "material_copy_tasks");

            migrationBuilder.AddColumn<bool>(
                name: "is_disputed",
                table: "material_copy_tasks",
                type: "INTEGER",
                nullable: false,
                defaultValue: false);

            migrationBuilder.CreateIndex(
                name: "IX_material_copy_tasks_entry_id_source_server_id_is_disputed",
                table: "material_copy_tasks",
                columns: new[] { "entry_id", "source_server_id", "is_disputed" },
                unique: true);
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "IX_material_copy_tasks_entry_id_source_server_id_is_disputed",
                table: "material_copy_tasks");

            migrationBuilder.DropColumn(
                name: "is_disputed",
                table: "material_copy_tasks");

            migrationBuilder.CreateIndex(
                name: "IX_material_copy_tasks_entry_id_source_server_id",
                table: "material_copy_tasks",
                columns: new[] { "entry_id", "source_server_id" },
                unique: true);
        }
    }
}
