using FailbackWorkflows.Server.Api.Audit;
using FailbackWorkflows.Server.Api.Changes;
using FailbackWorkflows.Server.Api.Duties;
using FailbackWorkflows.Server.Api.Evidence;
using FailbackWorkflows.Server.Api.Events;
using FailbackWorkflows.Server.Api.FailoverLog;
using FailbackWorkflows.Server.Api.Keys;
using FailbackWorkflows.Server.Api.Licenses;
using FailbackWorkflows.Server.Api.Maintenance;
using FailbackWorkflows.Server.Api.MaterialCopy;
using FailbackWorkflows.Server.Api.Readiness;
using FailbackWorkflows.Server.Api.Reconciliation;
using FailbackWorkflows.Server.Api.Runs;
using FailbackWorkflows.Server.Api.Seals;
using FailbackWorkflows.Server.Api.Servers;
using FailbackWorkflows.Server.Api.Settings;
using FailbackWorkflows.Server.Api.SettingsCache;
using FailbackWorkflows.Server.Api.Users;
using FailbackWorkflows.Server.Identity;

namespace FailbackWorkflows.Server.Api;

/// <summary>The HTTP API: everything under <c>/api/v1</c>, with what is common to all of it.</summary>
internal static class ApiRoutes
{
    public static void MapApi(this IEndpointRouteBuilder routes)
    {
        var api = routes.MapGroup("/api/v1")
            .AddEndpointFilter<AuditFilter>()
            .AddEndpointFilter<AntiforgeryFilter>()
            .ProducesProblem(400)
            .ProducesProblem(401)
            .ProducesProblem(403);
        api.MapMe();
        api.MapServers();
        api.MapReadiness();
        api.MapSettingsCache();
        api.MapMaintenance();
        api.MapFailoverLog();
        api.MapDuties();
        api.MapReconciliations();
        api.MapMaterialCopy();
        api.MapRestoredMaterial();
        api.MapRuns();
        api.MapEvents();
        api.MapReplay();
        api.MapChanges();
        api.MapLicense();
        api.MapSettings();
        api.MapApiKeys();
        api.MapUsers();
        api.MapAudit();
        api.MapSeals();
        api.MapEvidence();
        routes.MapOpenApi().RequireAuthorization(Permissions.Read);
    }
}
