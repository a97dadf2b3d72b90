using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace FailbackWorkflows.Persistence.Migrations.Sqlite
{
    /// <inheritdoc />
    public partial class IndexServers : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.CreateIndex(
                name: "IX_servers_failover_group",
                table: "servers",
                column: "failover_group");

            migrationBuilder.CreateIndex(
                name: "IX_servers_name_id",
                table: "servers",
                columns: new[] { "name", "id" });
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "IX_servers_failover_group",
                table: "servers");

            migrationBuilder.DropIndex(
                name: "IX_servers_name_id",
                table: "servers");
        }
    }
}
