using System.Text.Json;
using FailbackWorkflows.Server.Resources;

namespace FailbackWorkflows.Server.Pages.Runs;

/// <summary>What the script of the replay says; the page hands it over, because scripts have no texts of their own.</summary>
internal static class ReplayTexts
{
    /// <summary>Name in the script → text. Places are filled by the script.</summary>
    public static string ToJson() => JsonSerializer.Serialize(new Dictionary<string, string>
    {
        ["notExecuted"] = Texts.Of("Not reached"),
        ["running"] = Texts.Of("Running"),
        ["waiting"] = Texts.Of("Waiting"),
        ["done"] = Texts.Of("Done"),
        ["failed"] = Texts.Of("Failed"),
        ["faulted"] = Texts.Of("Stopped the run"),
        ["cancelled"] = Texts.Of("Cancelled"),
        ["instanceStarted"] = Texts.Of("The run was started"),
        ["activityStarted"] = Texts.Of("An activity starts"),
        ["activityCompleted"] = Texts.Of("An activity has ended"),
        ["activityFaulted"] = Texts.Of("An attempt failed"),
        ["activitySuspended"] = Texts.Of("An activity waits"),
        ["bookmarkDue"] = Texts.Of("The time has come"),
        ["stimulusReceived"] = Texts.Of("What was waited for has happened"),
        ["activityCancelled"] = Texts.Of("An activity was ended"),
        ["cancelRequested"] = Texts.Of("Somebody asked to cancel"),
        ["cancelRefused"] = Texts.Of("Cancelling was refused"),
        ["redriveRequested"] = Texts.Of("Somebody retried"),
        ["instanceFaulted"] = Texts.Of("An error stopped the run"),
        ["instanceFinished"] = Texts.Of("The run has ended"),
        ["answered"] = Texts.Of("The server answered {0}."),
        ["tryAgain"] = Texts.Of("{0} Try again."),
        ["follows"] = Texts.Of("Follows from what was before"),
        ["whole"] = Texts.Of("The run as a whole"),
        ["where"] = Texts.Of("Event {0} of {1}: {2}"),
        ["whereIn"] = Texts.Of("Event {0} of {1}: {2}, {3}"),
        ["whereSoFar"] = Texts.Of("Event {0} of {1} so far: {2}"),
        ["whereInSoFar"] = Texts.Of("Event {0} of {1} so far: {2}, {3}"),
        ["none"] = Texts.Of("none"),
        ["reason"] = Texts.Of("Reason"),
        ["input"] = Texts.Of("Input"),
        ["inputs"] = Texts.Of("Inputs"),
        ["outcome"] = Texts.Of("Outcome"),
        ["outputs"] = Texts.Of("Outputs"),
        ["variables"] = Texts.Of("Variables set"),
        ["fault"] = Texts.Of("Fault"),
        ["payload"] = Texts.Of("What came"),
        ["notes"] = Texts.Of("Notes"),
        ["call"] = Texts.Of("Call: {0}"),
        ["clock"] = Texts.Of("Clock of {0}"),
        ["offset"] = Texts.Of("offset, ms"),
        ["uncertainty"] = Texts.Of("uncertain by, ms"),
        ["play"] = Texts.Of("Play"),
        ["pause"] = Texts.Of("Pause"),
    });
}
