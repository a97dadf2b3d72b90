using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace FailbackWorkflows.Persistence.Migrations.Sqlite
{
    /// <inheritdoc />
    public partial class IndexWhatIsOpen : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.CreateIndex(
                name: "IX_servers_broken",
                table: "servers",
                columns: new[] { "name", "id" },
                filter: "state = 'Broken'");

            migrationBuilder.CreateIndex(
                name: "IX_readiness_turned_not_ready_at",
                table: "readiness",
                column: "turned_not_ready_at",
                filter: "turned_not_ready_at IS NOT NULL");

            migrationBuilder.CreateIndex(
                name: "IX_failover_log_open",
                table: "failover_log",
                column: "failed_server_id",
                filter: "is_active AND failback <> 'Done'");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "IX_servers_broken",
                table: "servers");

            migrationBuilder.DropIndex(
                name: "IX_readiness_turned_not_ready_at",
                table: "readiness");

            migrationBuilder.DropIndex(
                name: "IX_failover_log_open",
                table: "failover_log");
        }
    }
}
