using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Server.Studio.Definitions;
using FailbackWorkflows.Server.Studio.Descriptors;
using FailbackWorkflows.Server.Studio.Hosting;
using FailbackWorkflows.Server.Studio.Hub;
using FailbackWorkflows.Server.Studio.Instances;
using FailbackWorkflows.Server.Studio.Running;
using Microsoft.AspNetCore.Mvc;

namespace FailbackWorkflows.Server.Studio;

/// <summary>The designer: its page, the API that Elsa Studio expects, and its live connection.</summary>
internal static class StudioSetup
{
    /// <summary>Where the designer finds its API. The hub's address is made from it by the designer itself.</summary>
    public const string ApiPath = "/elsa/api";

    /// <summary>What a definition may weigh on its way here: more than the engine's reader accepts, so that it is the reader who says so.</summary>
    private const long MostDefinitionBytes = 12 * 1024 * 1024;

    public static void Add(IServiceCollection services)
    {
        services.AddSingleton<DesignerFolder>();
        services.AddSingleton<DefinitionViews>();
        services.AddSingleton<ActivityDescriptors>();
        services.AddSingleton<InputOptions>();
        services.AddSingleton<JournalIndexes>();
        services.AddSingleton<RunViews>();
        services.AddSingleton<RunPermits>();
        services.AddSingleton<InstanceWatch>();
        services.AddHostedService(provider => provider.GetRequiredService<InstanceWatch>());
        services.AddSignalR(hub => hub.MaximumReceiveMessageSize = 16 * 1024);
    }

    public static void MapStudio(this IEndpointRouteBuilder routes)
    {
        routes.MapGet(DesignerFolder.BasePath, () => Results.Redirect($"{DesignerFolder.BasePath}/workflows/definitions")).RequireAuthorization(Permissions.Read).ExcludeFromDescription();
        routes.MapGet(QuietRequests.SessionPath, () => Results.NoContent()).RequireAuthorization(Permissions.OwnAccount).ExcludeFromDescription();
        var api = routes.MapGroup(ApiPath).ExcludeFromDescription().WithMetadata(new RequestSizeLimitAttribute(MostDefinitionBytes)).AddEndpointFilter<StudioErrors>();

        // Much of what only reads is sent as POST by the designer; it needs no line in the audit log.
        var reading = api.MapGroup("").RequireAuthorization(Permissions.Read);
        reading.MapDefinitionReading();
        reading.MapDescriptors();
        reading.MapRunReading();
        reading.MapRunQuestions();

        var changing = api.MapGroup("").AddEndpointFilter<AuditFilter>().AddEndpointFilter<AntiforgeryFilter>();
        var editing = changing.MapGroup("").RequireAuthorization(Permissions.Integrate);
        editing.MapSaving();
        editing.MapDeleting();
        editing.MapImport();
        editing.MapTests();
        var operating = changing.MapGroup("").RequireAuthorization(Permissions.Operate);
        operating.MapRunning();
        operating.MapRunChanges();

        routes.MapHub<InstanceHub>("/elsa/hubs/workflow-instance").RequireAuthorization(Permissions.Read).ExcludeFromDescription();
        api.Map("/{**path}", UnknownRoutes.Answer).RequireAuthorization(Permissions.Read);
    }
}
