using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Journal;

namespace FailbackWorkflows.Failback.Undo;

/// <summary>
/// Takes back what steps 7 to 9c did: first the failover server gets a newly drawn epoch (if the failed server had been given one), its
/// freeze is lifted and it confirms recording; then the failed server goes to standby under that epoch and back to its former settings.
/// Without a new epoch the failover server is told its present one again, in case it was restarted meanwhile and waits to hear.
/// What an unreachable failed server cannot be told delays nothing: it learns the epoch when it is seen again.
/// </summary>
[Activity("Failback.UndoFailback", Category = "Failback", DisplayName = "Undo failback", Description = "Takes back what was changed; the failover server goes on recording.")]
public sealed class UndoFailback : Composite
{
    [Input(DisplayName = "Failed server", UIHint = ActivityHints.VmsServer)]
    public required Input<string> FailedServer { get; init; }

    [Input(DisplayName = "Failover server", UIHint = ActivityHints.VmsServer)]
    public required Input<string> FailoverServer { get; init; }

    [Input(DisplayName = "Former revision", Description = "Settings revision that was active at the failed server before.")]
    public Input<long?>? FormerRevision { get; init; }

    /// <inheritdoc/>
    public override string DefinitionJson => """
        {
          "id": "flow", "type": "Elsa.Flowchart", "start": "begin",
          "activities": [
            { "id": "begin", "type": "Failback.BeginUndo", "metadata": { "displayText": "Rolling back" } },
            { "id": "allocate", "type": "Failback.AllocateEpoch", "metadata": { "displayText": "Draw a new epoch for the failover server" },
              "identity": { "expression": { "type": "Input", "value": "failedServer" } },
              "server": { "expression": { "type": "Input", "value": "failoverServer" } },
              "otherServer": { "expression": { "type": "Input", "value": "failedServer" } },
              "onlyWhenHeldBy": { "expression": { "type": "Input", "value": "failedServer" } } },
            { "id": "grant", "type": "Failback.AssignDuty", "metadata": { "displayText": "Give the duty back to the failover server" },
              "identity": { "expression": { "type": "Input", "value": "failedServer" } },
              "server": { "expression": { "type": "Input", "value": "failoverServer" } },
              "role": "recorder", "giveUpAfter": 0 },
            { "id": "unfreeze", "type": "Failback.FreezeSettings", "metadata": { "displayText": "Lift the freeze at the failover server" },
              "identity": { "expression": { "type": "Input", "value": "failedServer" } },
              "server": { "expression": { "type": "Input", "value": "failoverServer" } },
              "frozen": false, "keepTrying": true },
            { "id": "startRecording", "type": "Failback.StartRecording", "metadata": { "displayText": "Make sure the failover server records" },
              "identity": { "expression": { "type": "Input", "value": "failedServer" } },
              "server": { "expression": { "type": "Input", "value": "failoverServer" } },
              "giveUpAfter": 0 },
            { "id": "confirm", "type": "Failback.ConfirmRecording", "metadata": { "displayText": "Wait for frames at the failover server" },
              "identity": { "expression": { "type": "Input", "value": "failedServer" } },
              "server": { "expression": { "type": "Input", "value": "failoverServer" } },
              "acceptDark": true },
            { "id": "standBy", "type": "Failback.AssignDuty", "metadata": { "displayText": "Failed server to standby" },
              "identity": { "expression": { "type": "Input", "value": "failedServer" } },
              "server": { "expression": { "type": "Input", "value": "failedServer" } },
              "role": "standby", "giveUpAfter": 3 },
            { "id": "rollBack", "type": "Failback.RollBackSettings", "metadata": { "displayText": "Failed server back to its former settings" },
              "identity": { "expression": { "type": "Input", "value": "failedServer" } },
              "server": { "expression": { "type": "Input", "value": "failedServer" } },
              "formerRevision": { "expression": { "type": "Input", "value": "formerRevision" } } },
            { "id": "done", "type": "Elsa.Complete", "outcomes": "Done" }
          ],
          "connections": [
            { "source": { "activity": "begin" }, "target": { "activity": "allocate" } },
            { "source": { "activity": "allocate", "port": "Allocated" }, "target": { "activity": "grant" } },
            { "source": { "activity": "allocate", "port": "NotNeeded" }, "target": { "activity": "grant" } },
            { "source": { "activity": "grant" }, "target": { "activity": "unfreeze" } },
            { "source": { "activity": "unfreeze" }, "target": { "activity": "startRecording" } },
            { "source": { "activity": "startRecording" }, "target": { "activity": "confirm" } },
            { "source": { "activity": "confirm", "port": "Confirmed" }, "target": { "activity": "standBy" } },
            { "source": { "activity": "confirm", "port": "Dark" }, "target": { "activity": "standBy" } },
            { "source": { "activity": "standBy" }, "target": { "activity": "rollBack" } },
            { "source": { "activity": "standBy", "port": "Unreachable" }, "target": { "activity": "done" } },
            { "source": { "activity": "rollBack" }, "target": { "activity": "done" } },
            { "source": { "activity": "rollBack", "port": "NotNeeded" }, "target": { "activity": "done" } },
            { "source": { "activity": "rollBack", "port": "Unreachable" }, "target": { "activity": "done" } }
          ]
        }
        """;
}

/// <summary>From here the run can only finish undoing.</summary>
[Activity("Failback.BeginUndo", Category = "Failback parts", Description = "From here the run can only finish undoing.")]
public sealed class BeginUndo : DutyActivity
{
    /// <inheritdoc/>
    protected override ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken) =>
        ValueTask.FromResult(ActivityResult.Completed()
            .WithCancellation(CancellationMode.Refuse)
            .WithChanges(Tell(context, "run", context.InstanceId, "The failback is being undone.")));
}
