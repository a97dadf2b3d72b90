using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace FailbackWorkflows.Persistence.Migrations.Postgres
{
    /// <inheritdoc />
    public partial class IndexHoldersAndNewestEntries : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "IX_failover_log_failed_server_id_failover_started_at",
                table: "failover_log");

            migrationBuilder.CreateIndex(
                name: "IX_failover_log_failed_server_id_failover_started_at_id",
                table: "failover_log",
                columns: new[] { "failed_server_id", "failover_started_at", "id" });

            migrationBuilder.CreateIndex(
                name: "IX_duties_holder_server_id",
                table: "duties",
                column: "holder_server_id");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "IX_failover_log_failed_server_id_failover_started_at_id",
                table: "failover_log");

            migrationBuilder.DropIndex(
                name: "IX_duties_holder_server_id",
                table: "duties");

            migrationBuilder.CreateIndex(
                name: "IX_failover_log_failed_server_id_failover_started_at",
                table: "failover_log",
                columns: new[] { "failed_server_id", "failover_started_at" });
        }
    }
}
