using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace FailbackWorkflows.Persistence.Migrations.Sqlite
{
    /// <inheritdoc />
    public partial class IndexesOfLargeLists : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "IX_workflow_instances_status_updated_at",
                table: "workflow_instances");

            migrationBuilder.CreateIndex(
                name: "IX_workflow_instances_status_created_at_id",
                table: "workflow_instances",
                columns: new[] { "status", "created_at", "id" });

            migrationBuilder.CreateIndex(
                name: "IX_failover_log_failover_server_id",
                table: "failover_log",
                column: "failover_server_id",
                filter: "material_copy NOT IN ('Copied', 'NothingToCopy', 'LossesAccepted')");

            migrationBuilder.CreateIndex(
                name: "IX_failover_log_failover_server_id_failover_started_at",
                table: "failover_log",
                columns: new[] { "failover_server_id", "failover_started_at" });

            migrationBuilder.CreateIndex(
                name: "IX_failover_log_failover_started_at",
                table: "failover_log",
                column: "failover_started_at",
                filter: "failover = 'Failed' AND material_copy = 'NotStarted' AND last_times IS NULL");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "IX_workflow_instances_status_created_at_id",
                table: "workflow_instances");

            migrationBuilder.DropIndex(
                name: "IX_failover_log_failover_server_id",
                table: "failover_log");

            migrationBuilder.DropIndex(
                name: "IX_failover_log_failover_server_id_failover_started_at",
                table: "failover_log");

            migrationBuilder.DropIndex(
                name: "IX_failover_log_failover_started_at",
                table: "failover_log");

            migrationBuilder.CreateIndex(
                name: "IX_workflow_instances_status_updated_at",
                table: "workflow_instances",
                columns: new[] { "status", "updated_at" });
        }
    }
}
