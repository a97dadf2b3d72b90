using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Failback.Abandonment;
using FailbackWorkflows.Failback.Adoption;
using FailbackWorkflows.Failback.AutomaticFailback;
using FailbackWorkflows.Failback.AutomaticFailover;
using FailbackWorkflows.Failback.Checks;
using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.Failover;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.MaterialCopy;
using FailbackWorkflows.Failback.Obligations;
using FailbackWorkflows.Failback.RestoreRoles;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Failback.Undo;

namespace FailbackWorkflows.Failback;

/// <summary>The product's activities, one line each: what is not here cannot be used in a definition.</summary>
public static class FailbackActivities
{
    public static void AddTo(ActivityCatalog catalog)
    {
        // The 11 steps of a failback, in their order.
        catalog.Add<CheckFailoverLogEntry>();
        catalog.Add<CheckFailoverServerActing>();
        catalog.Add<CheckFailedServerBroken>();
        catalog.Add<CheckLicense>();
        catalog.Add<CheckNoFailbackRunning>();
        catalog.Add<LogFailbackStarted>();
        catalog.Add<GetRecorderSettings>();
        catalog.AddComposite<SetRecorderSettings>();
        catalog.AddComposite<RestoreRoles.RestoreRoles>();
        catalog.AddComposite<RestoreRolesOrOwe>();
        catalog.Add<LogFailbackPerformed>();
        catalog.Add<NotifyClients>();

        // Its other endings.
        catalog.Add<LogRefusal>();
        catalog.AddComposite<UndoFailback>();
        catalog.AddComposite<UndoOrGoForward>();
        catalog.Add<LogFailbackFailed>();

        // Failover.
        catalog.Add<CheckFailover>();
        catalog.Add<LogFailoverStarted>();
        catalog.Add<LogFailoverPerformed>();
        catalog.Add<LogFailoverFailed>();

        // Ways out for people.
        catalog.Add<CheckAdoption>();
        catalog.Add<CheckAbandonment>();

        // What is still owed to recorders.
        catalog.Add<DeliverObligation>();
        catalog.Add<OweToServer>();

        // Settings rollback.
        catalog.Add<CheckSettingsRollback>();
        catalog.Add<ConfirmSettingsInForce>();
        catalog.Add<UndoSettingsRollback>();
        catalog.Add<LogSettingsRollback>();

        // Connectivity, and what follows from it by itself.
        catalog.Add<RecorderConnected>();
        catalog.Add<RecorderDisconnected>();
        catalog.Add<CheckAutomaticFailback>();
        catalog.Add<RunFailback>();
        catalog.Add<CheckAutomaticFailover>();
        catalog.Add<RunFailover>();

        // Material copy, in its order.
        catalog.Add<CheckMaterialCopy>();
        catalog.Add<EndOwedHold>();
        catalog.Add<IssueReadToken>();
        catalog.Add<StartDataCopyAtTarget>();
        catalog.Add<RetryDataCopy>();
        catalog.Add<UpdateClientInfoAtTarget>();
        catalog.Add<WaitForDataCopy>();
        catalog.Add<OrderDataCopy>();
        catalog.Add<UpdateTaskStatesAtTarget>();
        catalog.Add<KeepCoverageReport>();
        catalog.Add<ReleaseRetentionHold>();
        catalog.Add<RevokeReadToken>();
        catalog.Add<LogMaterialCopy>();
        catalog.AddComposite<CancelMaterialCopy>();

        // Parts of the composites.
        catalog.Add<CancelDataCopy>();
        catalog.Add<ValidateSettings>();
        catalog.Add<StageSettings>();
        catalog.Add<ActivateSettings>();
        catalog.Add<FreezeSettings>();
        catalog.Add<RollBackSettings>();
        catalog.Add<RecheckBeforeSwitch>();
        catalog.Add<AllocateEpoch>();
        catalog.Add<AssignDuty>();
        catalog.Add<StartRecording>();
        catalog.Add<ConfirmRecording>();
        catalog.Add<PointOfNoReturn>();
        catalog.Add<StopFailoverServer>();
        catalog.Add<EndRetentionHold>();
        catalog.Add<MarkFailedServerOk>();
        catalog.Add<BeginUndo>();
        catalog.Add<LookWhoAnswers>();
    }
}
