using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace FailbackWorkflows.Persistence.Migrations.Postgres
{
    /// <inheritdoc />
    public partial class AddUpGroups : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "IX_servers_failover_group",
                table: "servers");

            migrationBuilder.AddColumn<long>(
                name: "traits_digest",
                table: "servers",
                type: "bigint",
                nullable: false,
                defaultValue: 0L);

            migrationBuilder.CreateIndex(
                name: "IX_servers_failover_group_traits_digest",
                table: "servers",
                columns: new[] { "failover_group", "traits_digest" });
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "IX_servers_failover_group_traits_digest",
                table: "servers");

            migrationBuilder.DropColumn(
                name: "traits_digest",
                table: "servers");

            migrationBuilder.CreateIndex(
                name: "IX_servers_failover_group",
                table: "servers",
                column: "failover_group");
        }
    }
}
