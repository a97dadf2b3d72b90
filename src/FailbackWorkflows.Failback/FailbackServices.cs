using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Failback.Abandonment;
using FailbackWorkflows.Failback.Adoption;
using FailbackWorkflows.Failback.AutomaticFailback;
using FailbackWorkflows.Failback.AutomaticFailover;
using FailbackWorkflows.Failback.Clocks;
using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.Failover;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Licensing;
using FailbackWorkflows.Failback.Maintenance;
using FailbackWorkflows.Failback.MaterialCopy;
using FailbackWorkflows.Failback.Obligations;
using FailbackWorkflows.Failback.Policies;
using FailbackWorkflows.Failback.Readiness;
using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Failback.VmsServers;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace FailbackWorkflows.Failback;

/// <summary>Registers the product's use cases. The host adds the engine with <see cref="FailbackActivities"/>, the stores, a recorder client and an <see cref="ISecretProtector"/>; before the engine, so that its hooks are these.</summary>
public static class FailbackServices
{
    public static IServiceCollection AddFailback(this IServiceCollection services, LicenseOptions? license = null)
    {
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton<DutyHooks>();
        services.AddSingleton<MaterialCopyHooks>();
        services.AddSingleton<AutomaticFailbackHooks>();
        services.AddSingleton<AutomaticFailoverHooks>();
        services.AddSingleton<IWorkflowHooks, RunHooks>();
        services.AddSingleton<DutyCalls>();
        services.AddSingleton<SeenDuties>();
        services.AddSingleton<EpochDraw>();
        services.AddSingleton<ObligationsInTheWay>();
        services.AddSingleton<HoldEnds>();
        services.AddSingleton<HolderLook>();
        services.AddSingleton<DeliverObligations>();
        services.AddSingleton<RecorderClocks>();
        services.AddSingleton<FailbackPolicies>();
        services.AddSingleton(license ?? new LicenseOptions());
        services.AddSingleton<LicenseCheck>();
        services.TryAddSingleton<PollOptions>();
        services.TryAddSingleton<RefreshSettingsOptions>();
        services.TryAddSingleton<ConnectivityRetention>();
        services.AddSingleton<PruneConnectivity>();
        services.AddSingleton<PublishTransitions>();
        services.AddSingleton<PollRecorder>();
        services.AddSingleton<PollRecorders>();
        services.AddSingleton<AutomaticFailbackCheck>();
        services.AddSingleton<AutomaticFailbacks>();
        services.AddSingleton<FailedPolls>();
        services.AddSingleton<AutomaticFailoverCheck>();
        services.AddSingleton<AutomaticFailovers>();
        services.AddSingleton<FailoverAlerts>();
        services.AddSingleton<ChangeMaintenanceMode>();
        services.AddSingleton<ChangeGeneralSettings>();
        services.AddSingleton<IRunReports, RunReports>();
        services.AddSingleton<EntryAlerts>();
        services.TryAddSingleton<ReadinessOptions>();
        services.AddSingleton<ReadinessStamps>();
        services.AddSingleton<DryRunParts>();
        services.AddSingleton<CheckReadiness>();
        services.AddSingleton<CheckReadinessOfAll>();
        services.AddSingleton<SettingsAges>();
        services.AddSingleton<RefreshSettings>();
        services.AddSingleton<SettingsHistory>();
        services.AddSingleton<EntrySettings>();
        services.AddSingleton<StartSettingsRollback>();
        services.AddSingleton<StartFailback>();
        services.AddSingleton<FailoverServerSelection>();
        services.AddSingleton<StartFailover>();
        services.AddSingleton<SettleFailedFailovers>();
        services.AddSingleton<StartAdoption>();
        services.AddSingleton<AbandonFailback>();
        services.AddSingleton<ReplaceMachine>();
        services.AddSingleton<RegisterVmsServer>();
        services.AddSingleton<CopyCalls>();
        services.AddSingleton<MergeTaskStates>();
        services.AddSingleton<StartMaterialCopy>();
        services.AddSingleton<StartDueCopies>();
        services.AddSingleton<DisputedMaterial>();
        services.AddSingleton<CopyDisputedMaterial>();
        services.AddSingleton<ControlMaterialCopy>();
        services.AddSingleton<AcceptLosses>();
        services.AddSingleton<RestoredMaterial>();
        services.AddSingleton<DeliverOwed>();
        services.AddSingleton<PollCopyTasks>();
        return services;
    }
}
