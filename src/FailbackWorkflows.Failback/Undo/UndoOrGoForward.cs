using FailbackWorkflows.Engine.Activities;

namespace FailbackWorkflows.Failback.Undo;

/// <summary>
/// Gives the duty back to the failover server, as <see cref="UndoFailback"/>, which waits for it as long as it takes: here it is asked first
/// whether it answers. If it does not, a failed server that records goes forward; otherwise the re-grant is owed and the run ends. The failed
/// server is told to stand by only after the failover server was seen to record. What cannot be told to it then is owed and delays nothing.
/// </summary>
[Activity("Failback.UndoFailback", Version = 2, Category = "Failback", DisplayName = "Undo failback", Description = "Takes back what was changed; the failover server goes on recording.")]
[FlowNode("Done", "GoForward", "RegrantOwed")]
public sealed class UndoOrGoForward : Composite
{
    [Input(DisplayName = "Failover log entry", UIHint = ActivityHints.FailoverLogEntry)]
    public required Input<string> EntryId { get; init; }

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
            { "id": "look", "type": "Failback.LookWhoAnswers", "metadata": { "displayText": "Does the failover server answer?" },
              "identity": { "expression": { "type": "Input", "value": "failedServer" } },
              "failoverServer": { "expression": { "type": "Input", "value": "failoverServer" } } },
            { "id": "allocate", "type": "Failback.AllocateEpoch", "metadata": { "displayText": "Draw a new epoch for the failover server" },
              "identity": { "expression": { "type": "Input", "value": "failedServer" } },
              "server": { "expression": { "type": "Input", "value": "failoverServer" } },
              "otherServer": { "expression": { "type": "Input", "value": "failedServer" } },
              "onlyWhenHeldBy": { "expression": { "type": "Input", "value": "failedServer" } } },
            { "id": "grant", "type": "Failback.AssignDuty", "metadata": { "displayText": "Give the duty back to the failover server" },
              "identity": { "expression": { "type": "Input", "value": "failedServer" } },
              "server": { "expression": { "type": "Input", "value": "failoverServer" } },
              "role": "recorder" },
            { "id": "unfreeze", "type": "Failback.FreezeSettings", "metadata": { "displayText": "Lift the freeze at the failover server" },
              "identity": { "expression": { "type": "Input", "value": "failedServer" } },
              "server": { "expression": { "type": "Input", "value": "failoverServer" } },
              "frozen": false },
            { "id": "startRecording", "type": "Failback.StartRecording", "metadata": { "displayText": "Make sure the failover server records" },
              "identity": { "expression": { "type": "Input", "value": "failedServer" } },
              "server": { "expression": { "type": "Input", "value": "failoverServer" } },
              "leavesUnreachable": true },
            { "id": "confirm", "type": "Failback.ConfirmRecording", "metadata": { "displayText": "Wait for frames at the failover server" },
              "identity": { "expression": { "type": "Input", "value": "failedServer" } },
              "server": { "expression": { "type": "Input", "value": "failoverServer" } },
              "leavesUnreachable": true,
              "acceptDark": true },
            { "id": "standBy", "type": "Failback.AssignDuty", "metadata": { "displayText": "Failed server to standby" },
              "identity": { "expression": { "type": "Input", "value": "failedServer" } },
              "server": { "expression": { "type": "Input", "value": "failedServer" } },
              "role": "standby", "giveUpAfter": 3 },
            { "id": "rollBack", "type": "Failback.RollBackSettings", "metadata": { "displayText": "Failed server back to its former settings" },
              "identity": { "expression": { "type": "Input", "value": "failedServer" } },
              "server": { "expression": { "type": "Input", "value": "failedServer" } },
              "formerRevision": { "expression": { "type": "Input", "value": "formerRevision" } } },
            { "id": "oweStandBy", "type": "Failback.OweToServer", "metadata": { "displayText": "Owe the failed server its standby" },
              "identity": { "expression": { "type": "Input", "value": "failedServer" } },
              "server": { "expression": { "type": "Input", "value": "failedServer" } },
              "entryId": { "expression": { "type": "Input", "value": "entryId" } },
              "kinds": "standBy, rollback",
              "formerRevision": { "expression": { "type": "Input", "value": "formerRevision" } },
              "why": "Its failback was undone while it did not answer, or the failover server was not seen to record." },
            { "id": "oweRollBack", "type": "Failback.OweToServer", "metadata": { "displayText": "Owe the failed server its former settings" },
              "identity": { "expression": { "type": "Input", "value": "failedServer" } },
              "server": { "expression": { "type": "Input", "value": "failedServer" } },
              "entryId": { "expression": { "type": "Input", "value": "entryId" } },
              "kinds": "rollback",
              "formerRevision": { "expression": { "type": "Input", "value": "formerRevision" } },
              "why": "Its failback was undone, and it did not answer when its settings should have gone back." },
            { "id": "drawUnseen", "type": "Failback.AllocateEpoch", "metadata": { "displayText": "Draw a new epoch for the failover server, unseen" },
              "identity": { "expression": { "type": "Input", "value": "failedServer" } },
              "server": { "expression": { "type": "Input", "value": "failoverServer" } },
              "otherServer": { "expression": { "type": "Input", "value": "failedServer" } },
              "onlyWhenHeldBy": { "expression": { "type": "Input", "value": "failedServer" } } },
            { "id": "oweGrant", "type": "Failback.OweToServer", "metadata": { "displayText": "Owe the failover server its duty" },
              "identity": { "expression": { "type": "Input", "value": "failedServer" } },
              "server": { "expression": { "type": "Input", "value": "failoverServer" } },
              "entryId": { "expression": { "type": "Input", "value": "entryId" } },
              "kinds": "grant, unfreeze",
              "why": "It did not answer when a failback was undone: it has the duty." },
            { "id": "oweFailedServer", "type": "Failback.OweToServer", "metadata": { "displayText": "Owe the failed server its standby" },
              "identity": { "expression": { "type": "Input", "value": "failedServer" } },
              "server": { "expression": { "type": "Input", "value": "failedServer" } },
              "entryId": { "expression": { "type": "Input", "value": "entryId" } },
              "kinds": "standBy, rollback",
              "formerRevision": { "expression": { "type": "Input", "value": "formerRevision" } },
              "why": "Its failback failed; the duty is with the failover server." },
            { "id": "done", "type": "Elsa.Complete", "outcomes": "Done" },
            { "id": "forward", "type": "Elsa.Complete", "outcomes": "GoForward" },
            { "id": "owed", "type": "Elsa.Complete", "outcomes": "RegrantOwed" }
          ],
          "connections": [
            { "source": { "activity": "begin" }, "target": { "activity": "look" } },
            { "source": { "activity": "look", "port": "FailoverServerAnswers" }, "target": { "activity": "allocate" } },
            { "source": { "activity": "look", "port": "FailedServerRecords" }, "target": { "activity": "forward" } },
            { "source": { "activity": "look", "port": "NobodyAnswers" }, "target": { "activity": "drawUnseen" } },
            { "source": { "activity": "allocate", "port": "Allocated" }, "target": { "activity": "grant" } },
            { "source": { "activity": "allocate", "port": "NotNeeded" }, "target": { "activity": "grant" } },
            { "source": { "activity": "grant" }, "target": { "activity": "unfreeze" } },
            { "source": { "activity": "grant", "port": "Unreachable" }, "target": { "activity": "look" } },
            { "source": { "activity": "unfreeze" }, "target": { "activity": "startRecording" } },
            { "source": { "activity": "unfreeze", "port": "Unreachable" }, "target": { "activity": "look" } },
            { "source": { "activity": "startRecording" }, "target": { "activity": "confirm" } },
            { "source": { "activity": "startRecording", "port": "Unreachable" }, "target": { "activity": "look" } },
            { "source": { "activity": "confirm", "port": "Confirmed" }, "target": { "activity": "standBy" } },
            { "source": { "activity": "confirm", "port": "Dark" }, "target": { "activity": "oweStandBy" } },
            { "source": { "activity": "confirm", "port": "Unreachable" }, "target": { "activity": "look" } },
            { "source": { "activity": "standBy" }, "target": { "activity": "rollBack" } },
            { "source": { "activity": "standBy", "port": "Unreachable" }, "target": { "activity": "oweStandBy" } },
            { "source": { "activity": "oweStandBy" }, "target": { "activity": "done" } },
            { "source": { "activity": "rollBack" }, "target": { "activity": "done" } },
            { "source": { "activity": "rollBack", "port": "NotNeeded" }, "target": { "activity": "done" } },
            { "source": { "activity": "rollBack", "port": "Unreachable" }, "target": { "activity": "oweRollBack" } },
            { "source": { "activity": "oweRollBack" }, "target": { "activity": "done" } },
            { "source": { "activity": "drawUnseen", "port": "Allocated" }, "target": { "activity": "oweGrant" } },
            { "source": { "activity": "drawUnseen", "port": "NotNeeded" }, "target": { "activity": "oweGrant" } },
            { "source": { "activity": "oweGrant" }, "target": { "activity": "oweFailedServer" } },
            { "source": { "activity": "oweFailedServer" }, "target": { "activity": "owed" } }
          ]
        }
        """;
}
