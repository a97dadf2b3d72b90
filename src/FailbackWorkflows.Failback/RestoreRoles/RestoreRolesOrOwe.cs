using FailbackWorkflows.Engine.Activities;

namespace FailbackWorkflows.Failback.RestoreRoles;

/// <summary>
/// Step 9 as <see cref="RestoreRoles"/>, which waits for the failover server in 9e and 9f: here what a server does not confirm within the
/// hand-over timeout is owed, and the run goes on. A failover server that was away from the start need not take part at all. With
/// <see cref="Forward"/> it begins after 9a: the failover server was lost during an undo and the failed server records, so the switch is
/// finished with the channels it has.
/// </summary>
[Activity("Failback.RestoreRoles", Version = 2, Category = "Failback", DisplayName = "Restore roles", Description = "Moves the duty back: the failed server records, the failover server stands by, now or when it is seen again.")]
[FlowNode("Restored", "SettingsChanged", "FailedServerLost", "Failed")]
public sealed class RestoreRolesOrOwe : Composite
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

    [Input(DisplayName = "Failover server is away", Description = "It did not answer from the start, and that was confirmed.")]
    public Input<bool>? IsAway { get; init; }

    [Input(Description = "Only finish what an undo could not take back.")]
    public Input<bool>? Forward { get; init; }

    [Output(DisplayName = "First frames", Description = "First confirmed frame per channel at the failed server.")]
    public Output<IReadOnlyDictionary<string, DateTimeOffset>>? FirstFrames { get; init; }

    [Output(DisplayName = "Last times", Description = "Last written time per channel at the failover server; not set while they are owed.")]
    public Output<IReadOnlyDictionary<string, DateTimeOffset>>? LastTimes { get; init; }

    [Output(Description = "Why it failed.")]
    public Output<string>? Failure { get; init; }

    /// <inheritdoc/>
    public override string DefinitionJson => """
        {
          "id": "flow", "type": "Elsa.Flowchart", "start": "isForward",
          "variables": [
            { "name": "firstFrames", "typeName": "ObjectDictionary" },
            { "name": "lastTimes", "typeName": "ObjectDictionary" },
            { "name": "failure", "typeName": "String" }
          ],
          "activities": [
            { "id": "isForward", "type": "Elsa.FlowDecision", "metadata": { "displayText": "Finish only?" },
              "condition": { "expression": { "type": "Input", "value": "forward" } } },
            { "id": "freeze", "type": "Failback.FreezeSettings", "metadata": { "displayText": "a · Freeze settings at the failover server" },
              "identity": { "expression": { "type": "Input", "value": "failedServer" } },
              "server": { "expression": { "type": "Input", "value": "failoverServer" } } },
            { "id": "isAway", "type": "Elsa.FlowDecision", "metadata": { "displayText": "Failover server away?" },
              "condition": { "expression": { "type": "Input", "value": "isAway" } } },
            { "id": "recheck", "type": "Failback.RecheckBeforeSwitch", "metadata": { "displayText": "a · Check licence and settings again" },
              "identity": { "expression": { "type": "Input", "value": "failedServer" } },
              "failoverServer": { "expression": { "type": "Input", "value": "failoverServer" } },
              "sha256": { "expression": { "type": "Input", "value": "sha256" } },
              "round": { "expression": { "type": "Input", "value": "round" } },
              "mayBeAway": { "expression": { "type": "Input", "value": "isAway" } },
              "failure": { "memoryReference": { "id": "failure" } } },
            { "id": "allocate", "type": "Failback.AllocateEpoch", "metadata": { "displayText": "b · Draw a new epoch" },
              "identity": { "expression": { "type": "Input", "value": "failedServer" } },
              "server": { "expression": { "type": "Input", "value": "failedServer" } },
              "otherServer": { "expression": { "type": "Input", "value": "failoverServer" } },
              "onlyWhenHeldBy": { "expression": { "type": "Input", "value": "failoverServer" } } },
            { "id": "grant", "type": "Failback.AssignDuty", "metadata": { "displayText": "b · Give the duty to the failed server" },
              "identity": { "expression": { "type": "Input", "value": "failedServer" } },
              "server": { "expression": { "type": "Input", "value": "failedServer" } },
              "role": "recorder" },
            { "id": "startRecording", "type": "Failback.StartRecording", "metadata": { "displayText": "c · Start recording at the failed server" },
              "identity": { "expression": { "type": "Input", "value": "failedServer" } },
              "server": { "expression": { "type": "Input", "value": "failedServer" } },
              "leavesUnreachable": true },
            { "id": "confirm", "type": "Failback.ConfirmRecording", "metadata": { "displayText": "c · Wait for frames on every channel" },
              "identity": { "expression": { "type": "Input", "value": "failedServer" } },
              "server": { "expression": { "type": "Input", "value": "failedServer" } },
              "acceptDark": { "expression": { "type": "Input", "value": "forward" } },
              "leavesUnreachable": true,
              "firstFrames": { "memoryReference": { "id": "firstFrames" } },
              "failure": { "memoryReference": { "id": "failure" } } },
            { "id": "noReturn", "type": "Failback.PointOfNoReturn", "metadata": { "displayText": "d · Point of no return" } },
            { "id": "stop", "type": "Failback.StopFailoverServer", "metadata": { "displayText": "e · Stop the failover server" },
              "identity": { "expression": { "type": "Input", "value": "failedServer" } },
              "failedServer": { "expression": { "type": "Input", "value": "failedServer" } },
              "failoverServer": { "expression": { "type": "Input", "value": "failoverServer" } },
              "firstFrames": { "expression": { "type": "Variable", "value": { "name": "firstFrames" } } },
              "owesAfterTimeout": true,
              "lastTimes": { "memoryReference": { "id": "lastTimes" } },
              "failure": { "memoryReference": { "id": "failure" } } },
            { "id": "endHold", "type": "Failback.EndRetentionHold", "metadata": { "displayText": "e · Give the retention hold its end" },
              "entryId": { "expression": { "type": "Input", "value": "entryId" } },
              "lastTimes": { "expression": { "type": "Variable", "value": { "name": "lastTimes" } } },
              "withinHandOver": true },
            { "id": "standBy", "type": "Failback.AssignDuty", "metadata": { "displayText": "f · Failover server back to standby" },
              "identity": { "expression": { "type": "Input", "value": "failedServer" } },
              "server": { "expression": { "type": "Input", "value": "failoverServer" } },
              "role": "failoverServer", "withinHandOver": true },
            { "id": "unfreeze", "type": "Failback.FreezeSettings", "metadata": { "displayText": "f · Lift the freeze" },
              "identity": { "expression": { "type": "Input", "value": "failedServer" } },
              "server": { "expression": { "type": "Input", "value": "failoverServer" } },
              "frozen": false, "withinHandOver": true },
            { "id": "oweStop", "type": "Failback.OweToServer", "metadata": { "displayText": "e · Owe the stop" },
              "identity": { "expression": { "type": "Input", "value": "failedServer" } },
              "server": { "expression": { "type": "Input", "value": "failoverServer" } },
              "entryId": { "expression": { "type": "Input", "value": "entryId" } },
              "kinds": "stop, lastTimes, holdEnd, standBy, unfreeze", "role": "failoverServer", "alarm": true,
              "why": "The failover server did not confirm its stop within the hand-over timeout." },
            { "id": "oweHoldEnd", "type": "Failback.OweToServer", "metadata": { "displayText": "e · Owe the hold's end" },
              "identity": { "expression": { "type": "Input", "value": "failedServer" } },
              "server": { "expression": { "type": "Input", "value": "failoverServer" } },
              "entryId": { "expression": { "type": "Input", "value": "entryId" } },
              "kinds": "holdEnd, standBy, unfreeze", "role": "failoverServer", "alarm": true,
              "why": "The failover server had stopped, and did not answer when its hold should have got its end." },
            { "id": "oweStandBy", "type": "Failback.OweToServer", "metadata": { "displayText": "f · Owe the standby" },
              "identity": { "expression": { "type": "Input", "value": "failedServer" } },
              "server": { "expression": { "type": "Input", "value": "failoverServer" } },
              "entryId": { "expression": { "type": "Input", "value": "entryId" } },
              "kinds": "standBy, unfreeze", "role": "failoverServer",
              "why": "The failover server had stopped, and did not answer when it should have become failover server again." },
            { "id": "oweUnfreeze", "type": "Failback.OweToServer", "metadata": { "displayText": "f · Owe the end of the freeze" },
              "identity": { "expression": { "type": "Input", "value": "failedServer" } },
              "server": { "expression": { "type": "Input", "value": "failoverServer" } },
              "entryId": { "expression": { "type": "Input", "value": "entryId" } },
              "kinds": "unfreeze",
              "why": "The failover server did not answer when the freeze of its settings should have been lifted." },
            { "id": "markOk", "type": "Failback.MarkFailedServerOk", "metadata": { "displayText": "g · Mark the failed server ok" },
              "failedServer": { "expression": { "type": "Input", "value": "failedServer" } } },
            { "id": "restored", "type": "Elsa.Complete", "outcomes": "Restored" },
            { "id": "changed", "type": "Elsa.Complete", "outcomes": "SettingsChanged" },
            { "id": "lost", "type": "Elsa.Complete", "outcomes": "FailedServerLost" },
            { "id": "setUnreachable", "type": "Elsa.SetVariable", "variable": { "name": "failure" }, "value": "A recorder did not answer during the switch." },
            { "id": "failed", "type": "Elsa.Complete", "outcomes": "Failed" }
          ],
          "connections": [
            { "source": { "activity": "isForward", "port": "False" }, "target": { "activity": "freeze" } },
            { "source": { "activity": "isForward", "port": "True" }, "target": { "activity": "allocate" } },
            { "source": { "activity": "freeze" }, "target": { "activity": "recheck" } },
            { "source": { "activity": "freeze", "port": "Unreachable" }, "target": { "activity": "isAway" } },
            { "source": { "activity": "isAway", "port": "True" }, "target": { "activity": "recheck" } },
            { "source": { "activity": "isAway", "port": "False" }, "target": { "activity": "setUnreachable" } },
            { "source": { "activity": "setUnreachable" }, "target": { "activity": "failed" } },
            { "source": { "activity": "recheck", "port": "Ready" }, "target": { "activity": "allocate" } },
            { "source": { "activity": "recheck", "port": "SettingsChanged" }, "target": { "activity": "changed" } },
            { "source": { "activity": "recheck", "port": "Failed" }, "target": { "activity": "failed" } },
            { "source": { "activity": "allocate", "port": "Allocated" }, "target": { "activity": "grant" } },
            { "source": { "activity": "allocate", "port": "NotNeeded" }, "target": { "activity": "grant" } },
            { "source": { "activity": "grant" }, "target": { "activity": "startRecording" } },
            { "source": { "activity": "grant", "port": "Unreachable" }, "target": { "activity": "setUnreachable" } },
            { "source": { "activity": "startRecording" }, "target": { "activity": "confirm" } },
            { "source": { "activity": "startRecording", "port": "Unreachable" }, "target": { "activity": "setUnreachable" } },
            { "source": { "activity": "confirm", "port": "Confirmed" }, "target": { "activity": "noReturn" } },
            { "source": { "activity": "confirm", "port": "Dark" }, "target": { "activity": "failed" } },
            { "source": { "activity": "confirm", "port": "Unreachable" }, "target": { "activity": "setUnreachable" } },
            { "source": { "activity": "noReturn" }, "target": { "activity": "stop" } },
            { "source": { "activity": "stop", "port": "Stopped" }, "target": { "activity": "endHold" } },
            { "source": { "activity": "stop", "port": "Owed" }, "target": { "activity": "oweStop" } },
            { "source": { "activity": "stop", "port": "FailedServerLost" }, "target": { "activity": "lost" } },
            { "source": { "activity": "endHold" }, "target": { "activity": "standBy" } },
            { "source": { "activity": "endHold", "port": "Unreachable" }, "target": { "activity": "oweHoldEnd" } },
            { "source": { "activity": "standBy" }, "target": { "activity": "unfreeze" } },
            { "source": { "activity": "standBy", "port": "Unreachable" }, "target": { "activity": "oweStandBy" } },
            { "source": { "activity": "unfreeze" }, "target": { "activity": "markOk" } },
            { "source": { "activity": "unfreeze", "port": "Unreachable" }, "target": { "activity": "oweUnfreeze" } },
            { "source": { "activity": "oweStop" }, "target": { "activity": "markOk" } },
            { "source": { "activity": "oweHoldEnd" }, "target": { "activity": "markOk" } },
            { "source": { "activity": "oweStandBy" }, "target": { "activity": "markOk" } },
            { "source": { "activity": "oweUnfreeze" }, "target": { "activity": "markOk" } },
            { "source": { "activity": "markOk", "port": "MarkedOk" }, "target": { "activity": "restored" } },
            { "source": { "activity": "markOk", "port": "StillBroken" }, "target": { "activity": "restored" } }
          ]
        }
        """;
}
