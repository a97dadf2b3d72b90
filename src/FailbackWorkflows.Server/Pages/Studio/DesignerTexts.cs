using System.Text.Json;
using FailbackWorkflows.Server.Resources;

namespace FailbackWorkflows.Server.Pages.Studio;

/// <summary>What the script around the designer says; the page hands it over, because scripts have no texts of their own. The designer's own texts are Elsa Studio's.</summary>
internal static class DesignerTexts
{
    /// <summary>Name in the script → text.</summary>
    public static string ToJson() => JsonSerializer.Serialize(new Dictionary<string, string>
    {
        ["open"] = Texts.Of("Open"),
        ["close"] = Texts.Of("Close this message"),
        ["publishTitle"] = Texts.Of("Publish this workflow"),
        ["publishText"] = Texts.Of("From now on every new run uses this version; runs that have begun stay with theirs. The reason is kept with the version."),
        ["publish"] = Texts.Of("Publish"),
        ["reason"] = Texts.Of("Reason"),
        ["publishReason"] = Texts.Of("What was changed, and why. Everybody sees it in the list of versions."),
        ["publishCancelled"] = Texts.Of("Publishing was cancelled. The draft stays as it was saved."),
        ["runReason"] = Texts.Of("Kept with the run."),
        ["run"] = Texts.Of("Run"),
        ["notStarted"] = Texts.Of("The run was not started."),
        ["notAltered"] = Texts.Of("A run is not altered: its journal says what happened. It is cancelled and retried on its own page."),
        ["stepsOfTheRun"] = Texts.Of("Steps of this run"),
        ["noCode"] = Texts.Of("The code is shown where the latest version is edited. The file of each version is on the page of the versions."),
        ["versions"] = Texts.Of("Versions of this workflow"),
        ["refused"] = Texts.Of("The server has refused this."),
        ["denied"] = Texts.Of("Your role does not allow this."),
    });
}
