using FailbackWorkflows.Engine.Activities;

namespace FailbackWorkflows.Failback.RestoreRoles;

/// <summary>
/// Step 9, the switch: (a) freeze and re-check, (b) new epoch to the failed server, (c) it records and confirms, (d) point of no return,
/// (e) the failover server stops and its hold gets its end, (f) it is failover server again, (g) the failed server is marked ok.
/// Source of the order: design, "Failback, step by step".
/// </summary>
[Activity("Failback.RestoreRoles", Category = "Failback", DisplayName = "Restore roles", Description = "Moves the duty back: the failed server records, the failover server stands by.")]
[FlowNode("Restored", "SettingsChanged", "FailedServerLost", "Failed")]
public sealed class RestoreRoles : Composite
{
    [Input(DisplayName = "Failover log entry", UIHint = ActivityHints.FailoverLogEntry)]
    public required Input<string> EntryId { get; init; }

    [Input(DisplayName = "Failed server", UIHint = ActivityHints.VmsServer)]
    public required Input<string> FailedServer { get; init; }

    [Input(DisplayName = "Failover server", UIHint = ActivityHints.VmsServer)]
    public required Input<string> FailoverServer { get; init; }

    [Input(Description = "Digest of the settings that were applied.")]
    public required Input<string> Sha256 { get; init; }

    [Input(Description = "How often the settings have been read in this run.")]
    public required Input<int> Round { get; init; }

    [Output(DisplayName = "First frames", Description = "First confirmed frame per channel at the failed server.")]
    public Output<IReadOnlyDictionary<string, DateTimeOffset>>? FirstFrames { get; init; }

    [Output(DisplayName = "Last times", Description = "Last written time per channel at the failover server.")]
    public Output<IReadOnlyDictionary<string, DateTimeOffset>>? LastTimes { get; init; }

    [Output(Description = "Why it failed.")]
    public Output<string>? Failure { get; init; }

    /// <inheritdoc/>
    public override string DefinitionJson => """
        {
          "id": "flow", "type": "Elsa.Flowchart", "start": "freeze",
          "variables": [
            { "name": "firstFrames", "typeName": "ObjectDictionary" },
            { "name": "lastTimes", "typeName": "ObjectDictionary" },
            { "name": "failure", "typeName": "String" }
          ],
          "activities": [
            { "id": "freeze", "type": "Failback.FreezeSettings", "metadata": { "displayText": "a · Freeze settings at the failover server" },
              "identity": { "expression": { "type": "Input", "value": "failedServer" } },
              "server": { "expression": { "type": "Input", "value": "failoverServer" } } },
            { "id": "recheck", "type": "Failback.RecheckBeforeSwitch", "metadata": { "displayText": "a · Check licence and settings again" },
              "identity": { "expression": { "type": "Input", "value": "failedServer" } },
              "failoverServer": { "expression": { "type": "Input", "value": "failoverServer" } },
              "sha256": { "expression": { "type": "Input", "value": "sha256" } },
              "round": { "expression": { "type": "Input", "value": "round" } },
              "failure": { "memoryReference": { "id": "failure" } } },
            { "id": "allocate", "type": "Failback.AllocateEpoch", "metadata": { "displayText": "b · Draw a new epoch" },
              "identity": { "expression": { "type": "Input", "value": "failedServer" } },
              "server": { "expression": { "type": "Input", "value": "failedServer" } },
              "otherServer": { "expression": { "type": "Input", "value": "failoverServer" } } },
            { "id": "grant", "type": "Failback.AssignDuty", "metadata": { "displayText": "b · Give the duty to the failed server" },
              "identity": { "expression": { "type": "Input", "value": "failedServer" } },
              "server": { "expression": { "type": "Input", "value": "failedServer" } },
              "role": "recorder" },
            { "id": "startRecording", "type": "Failback.StartRecording", "metadata": { "displayText": "c · Start recording at the failed server" },
              "identity": { "expression": { "type": "Input", "value": "failedServer" } },
              "server": { "expression": { "type": "Input", "value": "failedServer" } } },
            { "id": "confirm", "type": "Failback.ConfirmRecording", "metadata": { "displayText": "c · Wait for frames on every channel" },
              "identity": { "expression": { "type": "Input", "value": "failedServer" } },
              "server": { "expression": { "type": "Input", "value": "failedServer" } },
              "firstFrames": { "memoryReference": { "id": "firstFrames" } },
              "failure": { "memoryReference": { "id": "failure" } } },
            { "id": "noReturn", "type": "Failback.PointOfNoReturn", "metadata": { "displayText": "d · Point of no return" } },
            { "id": "stop", "type": "Failback.StopFailoverServer", "metadata": { "displayText": "e · Stop the failover server" },
              "identity": { "expression": { "type": "Input", "value": "failedServer" } },
              "failedServer": { "expression": { "type": "Input", "value": "failedServer" } },
              "failoverServer": { "expression": { "type": "Input", "value": "failoverServer" } },
              "firstFrames": { "expression": { "type": "Variable", "value": { "name": "firstFrames" } } },
              "lastTimes": { "memoryReference": { "id": "lastTimes" } },
              "failure": { "memoryReference": { "id": "failure" } } },
            { "id": "endHold", "type": "Failback.EndRetentionHold", "metadata": { "displayText": "e · Give the retention hold its end" },
              "entryId": { "expression": { "type": "Input", "value": "entryId" } },
              "lastTimes": { "expression": { "type": "Variable", "value": { "name": "lastTimes" } } } },
            { "id": "standBy", "type": "Failback.AssignDuty", "metadata": { "displayText": "f · Failover server back to standby" },
              "identity": { "expression": { "type": "Input", "value": "failedServer" } },
              "server": { "expression": { "type": "Input", "value": "failoverServer" } },
              "role": "failoverServer", "giveUpAfter": 0 },
            { "id": "unfreeze", "type": "Failback.FreezeSettings", "metadata": { "displayText": "f · Lift the freeze" },
              "identity": { "expression": { "type": "Input", "value": "failedServer" } },
              "server": { "expression": { "type": "Input", "value": "failoverServer" } },
              "frozen": false, "keepTrying": true },
            { "id": "markOk", "type": "Failback.MarkFailedServerOk", "metadata": { "displayText": "g · Mark the failed server ok" },
              "failedServer": { "expression": { "type": "Input", "value": "failedServer" } } },
            { "id": "restored", "type": "Elsa.Complete", "outcomes": "Restored" },
            { "id": "changed", "type": "Elsa.Complete", "outcomes": "SettingsChanged" },
            { "id": "lost", "type": "Elsa.Complete", "outcomes": "FailedServerLost" },
            { "id": "setUnreachable", "type": "Elsa.SetVariable", "variable": { "name": "failure" }, "value": "A recorder did not answer during the switch." },
            { "id": "failed", "type": "Elsa.Complete", "outcomes": "Failed" }
          ],
          "connections": [
            { "source": { "activity": "freeze" }, "target": { "activity": "recheck" } },
            { "source": { "activity": "freeze", "port": "Unreachable" }, "target": { "activity": "setUnreachable" } },
            { "source": { "activity": "setUnreachable" }, "target": { "activity": "failed" } },
            { "source": { "activity": "recheck", "port": "Ready" }, "target": { "activity": "allocate" } },
            { "source": { "activity": "recheck", "port": "SettingsChanged" }, "target": { "activity": "changed" } },
            { "source": { "activity": "recheck", "port": "Failed" }, "target": { "activity": "failed" } },
            { "source": { "activity": "allocate", "port": "Allocated" }, "target": { "activity": "grant" } },
            { "source": { "activity": "grant" }, "target": { "activity": "startRecording" } },
            { "source": { "activity": "grant", "port": "Unreachable" }, "target": { "activity": "setUnreachable" } },
            { "source": { "activity": "startRecording" }, "target": { "activity": "confirm" } },
            { "source": { "activity": "confirm", "port": "Confirmed" }, "target": { "activity": "noReturn" } },
            { "source": { "activity": "confirm", "port": "Dark" }, "target": { "activity": "failed" } },
            { "source": { "activity": "noReturn" }, "target": { "activity": "stop" } },
            { "source": { "activity": "stop", "port": "Stopped" }, "target": { "activity": "endHold" } },
            { "source": { "activity": "stop", "port": "FailedServerLost" }, "target": { "activity": "lost" } },
            { "source": { "activity": "endHold" }, "target": { "activity": "standBy" } },
            { "source": { "activity": "standBy" }, "target": { "activity": "unfreeze" } },
            { "source": { "activity": "unfreeze" }, "target": { "activity": "markOk" } },
            { "source": { "activity": "markOk", "port": "MarkedOk" }, "target": { "activity": "restored" } },
            { "source": { "activity": "markOk", "port": "StillBroken" }, "target": { "activity": "restored" } }
          ]
        }
        """;
}
