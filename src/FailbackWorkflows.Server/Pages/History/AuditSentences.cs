using FailbackWorkflows.Persistence.Identity;
using FailbackWorkflows.Server.Api;
using FailbackWorkflows.Server.Resources;

namespace FailbackWorkflows.Server.Pages.History;

/// <summary>What the subject of a record is known to be.</summary>
internal enum AuditSubjectKind
{
    Other,
    Entry,
    Server,
    Run,
}

/// <summary>
/// Says in a sentence what a record of the audit log is about. Records stay as they were written, for they are chained: the sentence is made anew from the stored
/// action each time it is shown. Every action that can be written has one; a test walks them all.
/// </summary>
internal static class AuditSentences
{
    private const string Overridden = "maintenance-mode-overridden";

    private static readonly HashSet<string> Refusals = new(
        typeof(Problems).GetFields().Select(field => field.GetValue(null)).OfType<ProblemKind>().Select(kind => kind.Name)
            .Concat(["failed", "unknown", "no-reason", "run-in-the-way", "locked-out", "no-such-run"]),
        StringComparer.Ordinal);

    /// <summary>The sentence; what did not happen is not told as if it had. Null: an action of no version we know.</summary>
    public static string? Of(AuditRecord record, AuditSubjectKind subject)
    {
        var told = Of(record.Action, record, subject);
        return told is not null && IsInVain(record.Result) ? Texts.Of("Tried, not done: {0}", told) : told;
    }

    /// <summary>The reason, without the announcement that older versions wrote when there was none.</summary>
    public static string? ReasonOf(AuditRecord record) => record.Reason is { } reason && string.Equals(Joined(reason.Trim().TrimEnd(':')), Overridden, StringComparison.OrdinalIgnoreCase) ? Texts.Of("Maintenance mode overridden") : record.Reason;

    /// <summary>Whether what was asked for did not come about.</summary>
    public static bool IsInVain(string result) => Joined(result) is var one
        && (Refusals.Contains(one) || one.StartsWith("not-published", StringComparison.Ordinal) || one.StartsWith("not-started", StringComparison.Ordinal) || (one.Length == 3 && one.All(char.IsAsciiDigit)));

    private static string? Of(string action, AuditRecord record, AuditSubjectKind subject)
    {
        // "POST /api/v1/servers/" and "read audit log" alike: the first word, and what comes after it. Routes of groups end with a slash.
        var parts = action.Split(' ', 2);
        var (verb, what) = (parts[0], parts.Length == 2 ? Joined(parts[1].Trim('/')) : string.Empty);
        if (what == "servers/{serverId}/replace-machine" && record.Result == "looked")
        {
            return Texts.Of("New machine of a server looked at");
        }

        return OfDuties(verb, what) ?? OfCopies(verb, what) ?? OfServers(verb, what) ?? OfPeople(verb, what) ?? OfHistory(verb, what) ?? OfWorkflows(verb, what)
            ?? OfDesigner(verb, what) ?? OfOlder(verb, what, record, subject) ?? OfNothing(verb, what);
    }

    private static string Joined(string text) => text.Replace(' ', '-');

    private static string? OfDuties(string verb, string what) => (verb, what) switch
    {
        ("POST", "api/v1/failover-log/{entryId}/failback" or "failover-log?handler=StartFailback" or "failover-log/{entryId}?handler=StartFailback") => Texts.Of("Failback started"),
        ("POST", "api/v1/failover-log/{entryId}/failback?withoutFailoverServer=true" or "failover-log/{entryId}/duty?handler=WithoutFailoverServer") =>
            Texts.Of("Failback started without the failover server"),
        ("POST", "api/v1/failover-log/{entryId}/adopt" or "failover-log/{entryId}/duty?handler=Adopt") => Texts.Of("Adoption of a duty started"),
        ("POST", "api/v1/runs/{runId}/abandon" or "failover-log/{entryId}/duty?handler=Abandon") => Texts.Of("Run abandoned"),
        ("POST", "api/v1/failover-log") => Texts.Of("Failover reported"),
        ("POST", "api/v1/servers/{serverId}/failover" or "servers/{serverId}/failover") => Texts.Of("Failover started"),
        ("POST", "api/v1/runs/{runId}/cancel" or "runs/{runId}?handler=Cancel" or "failover-log/{entryId}?handler=Cancel" or "elsa/api/cancel/workflow-instances/{id}") =>
            Texts.Of("Cancelling a run asked for"),
        ("POST", "api/v1/runs/{runId}/redrive" or "runs/{runId}?handler=Redrive" or "failover-log/{entryId}?handler=Redrive") => Texts.Of("Run retried from the failed step"),
        ("PUT", "api/v1/maintenance" or "api/v1/servers/{serverId}/maintenance") or ("POST", "servers?handler=MaintenanceOn" or "servers/{serverId}?handler=MaintenanceOn") =>
            Texts.Of("Maintenance mode begun"),
        ("DELETE", "api/v1/maintenance" or "api/v1/servers/{serverId}/maintenance") or ("POST", "servers?handler=MaintenanceOff" or "servers/{serverId}?handler=MaintenanceOff") =>
            Texts.Of("Maintenance mode ended"),
        _ => null,
    };

    private static string? OfCopies(string verb, string what) => verb != "POST" ? null : what switch
    {
        "api/v1/failover-log/{entryId}/material-copy" or "api/v1/servers/{serverId}/material-copy" or "failover-log?handler=StartCopy" or "failover-log/{entryId}?handler=StartCopy" =>
            Texts.Of("Copy of material started"),
        "api/v1/failover-log/{entryId}/material-copy:pause" or "failover-log/{entryId}?handler=OrderCopy&order=pause" => Texts.Of("Copy of material paused"),
        "api/v1/failover-log/{entryId}/material-copy:resume" or "failover-log/{entryId}?handler=OrderCopy&order=resume" => Texts.Of("Copy of material resumed"),
        "api/v1/failover-log/{entryId}/material-copy:cancel" or "failover-log/{entryId}?handler=OrderCopy&order=cancel" => Texts.Of("Copy of material cancelled"),
        "failover-log/{entryId}?handler=OrderCopy" => Texts.Of("Copy of material paused, resumed or cancelled"),
        "api/v1/failover-log/{entryId}/material-copy:limits" or "failover-log/{entryId}?handler=LimitCopy" => Texts.Of("Limits of the copy of material changed"),
        "api/v1/failover-log/{entryId}/material-copy/accept-losses" or "failover-log/{entryId}/coverage?handler=Accept" => Texts.Of("Losses of material accepted"),
        "api/v1/failover-log/{entryId}/material-copy/disputed" or "failover-log/{entryId}/coverage?handler=Disputed" => Texts.Of("Copy of disputed material started"),
        "api/v1/failover-log/{entryId}/material-copy/disputed:pause" or "failover-log/{entryId}/coverage?handler=OrderDisputed&order=pause" => Texts.Of("Copy of disputed material paused"),
        "api/v1/failover-log/{entryId}/material-copy/disputed:resume" or "failover-log/{entryId}/coverage?handler=OrderDisputed&order=resume" => Texts.Of("Copy of disputed material resumed"),
        "api/v1/failover-log/{entryId}/material-copy/disputed:cancel" or "failover-log/{entryId}/coverage?handler=OrderDisputed&order=cancel" => Texts.Of("Copy of disputed material cancelled"),
        "failover-log/{entryId}/coverage?handler=OrderDisputed" => Texts.Of("Copy of disputed material paused, resumed or cancelled"),
        "api/v1/failover-log/{entryId}/material-copy/disputed:limits" or "failover-log/{entryId}/coverage?handler=LimitDisputed" => Texts.Of("Limits of the copy of disputed material changed"),
        "api/v1/failover-log/{entryId}/material-copy/disputed/release" or "failover-log/{entryId}/coverage?handler=ReleaseDisputed" => Texts.Of("Disputed material given up"),
        _ => null,
    };

    private static string? OfServers(string verb, string what) => (verb, what) switch
    {
        ("POST", "api/v1/servers" or "servers/add") => Texts.Of("Server added"),
        ("PUT", "api/v1/servers/{serverId}/address") or ("POST", "servers/{serverId}/edit?handler=Save") => Texts.Of("Name or address of a server changed"),
        ("DELETE", "api/v1/servers/{serverId}") or ("POST", "servers/{serverId}/edit?handler=Remove") => Texts.Of("Server removed"),
        ("PUT", "api/v1/servers/{serverId}/general-settings") or ("POST", "servers/{serverId}?handler=Settings") => Texts.Of("General settings of a server changed"),
        ("PUT", "api/v1/servers/{serverId}/failover-settings") or ("POST", "servers/{serverId}?handler=Failover") => Texts.Of("Failover settings changed"),
        ("PUT", "api/v1/servers/{serverId}/credential") or ("POST", "servers/{serverId}?handler=Credential") => Texts.Of("Credential of a server changed"),
        ("POST", "api/v1/servers/{serverId}/readiness" or "servers?handler=CheckReadiness" or "servers/{serverId}?handler=CheckReadiness") => Texts.Of("Readiness checked"),
        ("POST", "api/v1/readiness" or "servers?handler=CheckAll") => Texts.Of("Readiness of all servers checked"),
        ("POST", "api/v1/servers/{serverId}/reconcile" or "servers?handler=Reconcile") => Texts.Of("Duty of a server reconciled"),
        ("POST", "api/v1/servers/{serverId}/replace-machine" or "servers/{serverId}/replace-machine") => Texts.Of("Machine of a server replaced"),
        ("POST", "api/v1/servers/{serverId}/settings/rollback" or "servers/{serverId}/settings?handler=RollBack") => Texts.Of("Going back to former settings started"),
        ("PUT", "api/v1/settings/failback-policy") => Texts.Of("Failback policy changed"),
        ("read", "settings") => Texts.Of("Whole settings of a server read"),
        _ => null,
    };

    private static string? OfPeople(string verb, string what) => (verb, what) switch
    {
        ("POST", "sign-in") => Texts.Of("Signed in"),
        ("POST", "sign-out") => Texts.Of("Signed out"),
        ("POST", "account/password") => Texts.Of("Own password changed"),
        ("POST", "api/v1/users" or "system/users?handler=Add") => Texts.Of("User added"),
        ("PUT", "api/v1/users/{userName}/roles") or ("POST", "system/users?handler=Roles") => Texts.Of("Roles of a user changed"),
        ("PUT", "api/v1/users/{userName}/password") or ("POST", "system/users?handler=Password") => Texts.Of("New first password given to a user"),
        ("PUT", "api/v1/users/{userName}/lock?locked=true") or ("POST", "system/users?handler=Lock&locked=true") => Texts.Of("User locked out"),
        ("PUT", "api/v1/users/{userName}/lock?locked=false") or ("POST", "system/users?handler=Lock&locked=false") => Texts.Of("User let in again"),
        ("PUT", "api/v1/users/{userName}/lock") or ("POST", "system/users?handler=Lock") => Texts.Of("User locked out or let in again"),
        ("administrator", "created") => Texts.Of("First administrator made"),
        ("POST", "api/v1/api-keys" or "system?handler=CreateKey") => Texts.Of("API key made"),
        ("DELETE", "api/v1/api-keys/{keyId}") or ("POST", "system?handler=RevokeKey") => Texts.Of("API key revoked"),
        ("PUT", "api/v1/license") or ("POST", "system?handler=License") => Texts.Of("Licence installed"),
        _ => null,
    };

    private static string? OfHistory(string verb, string what) => (verb, what) switch
    {
        ("verify", "history") or ("POST", "history?handler=Verify") => Texts.Of("History verified"),
        ("read", "audit-log") => Texts.Of("Audit log read"),
        ("view", "restored-material") => Texts.Of("Restored material looked at"),
        ("export", "evidence") => Texts.Of("Evidence exported"),
        ("export", "checkpoints") => Texts.Of("Checkpoints exported"),
        ("checkpoints", "put-back") => Texts.Of("Checkpoints put back from their file"),
        ("history", "chained") => Texts.Of("Events of an older version chained"),
        ("POST", "api/v1/seals/key") => Texts.Of("New sealing key made"),
        _ => null,
    };

    private static string? OfWorkflows(string verb, string what) => (verb, what) switch
    {
        ("workflow", "published") or ("POST", "workflows/{definitionId}?handler=Publish" or "elsa/api/workflow-definitions/{definitionId}/publish") => Texts.Of("Workflow published"),
        ("POST", "elsa/api/bulk-actions/publish/workflow-definitions/by-definition-ids") => Texts.Of("Several workflows published"),
        ("POST", "workflows/{definitionId}?handler=Retract" or "elsa/api/workflow-definitions/{definitionId}/retract") => Texts.Of("Workflow retracted"),
        ("POST", "elsa/api/bulk-actions/retract/workflow-definitions/by-definition-ids") => Texts.Of("Several workflows retracted"),
        ("POST", "workflows/{definitionId}?handler=RollBack" or "elsa/api/workflow-definitions/{definitionId}/revert/{version}") => Texts.Of("Former version made the draft"),
        ("POST", "workflows/{definitionId}?handler=Restore") => Texts.Of("Deleted version put back into the lists"),
        ("POST", "workflows/{definitionId}?handler=RestoreSave") => Texts.Of("Former save made the draft"),
        ("POST", "elsa/api/workflow-definitions") => Texts.Of("Workflow saved in the designer"),
        ("POST", "elsa/api/workflow-definitions/import") => Texts.Of("Workflow imported in the designer"),
        ("POST", "elsa/api/workflow-definitions/{definitionId}/update-references") => Texts.Of("References of a workflow brought up to date"),
        ("DELETE", "elsa/api/workflow-definitions/{definitionId}") => Texts.Of("Workflow deleted"),
        ("POST", "elsa/api/bulk-actions/delete/workflow-definitions/by-definition-id") => Texts.Of("Several workflows deleted"),
        ("DELETE", "elsa/api/workflow-definition-versions/{versionId}") => Texts.Of("Version of a workflow deleted"),
        ("POST", "elsa/api/bulk-actions/delete/workflow-definitions/by-id") => Texts.Of("Several versions of workflows deleted"),
        _ => null,
    };

    private static string? OfDesigner(string verb, string what) => (verb, what) switch
    {
        ("POST", "elsa/api/tests/activities") => Texts.Of("Activity tried in the designer"),
        ("POST", "elsa/api/workflow-definitions/{definitionId}/execute" or "elsa/api/workflow-definitions/{definitionId}/dispatch") => Texts.Of("Workflow run in the designer"),
        ("POST", "elsa/api/bulk-actions/cancel/workflow-instances" or "elsa/api/alterations/submit") => Texts.Of("Cancelling several runs asked for"),
        ("DELETE", "elsa/api/workflow-instances/{id}") => Texts.Of("Run taken out of the lists"),
        ("POST", "elsa/api/bulk-actions/delete/workflow-instances/by-id") => Texts.Of("Several runs taken out of the lists"),
        ("POST", "elsa/api/bulk-actions/import/workflow-instances") => Texts.Of("Import of runs asked for"),
        ("POST", "api/v1/events/{name}") => Texts.Of("Event sent to workflows"),
        ("POST", "api/v1/tasks/{taskId}/complete") => Texts.Of("Task of a workflow answered"),

        // What only reads is written down when it was refused.
        ("POST", "elsa/api/workflow-instances" or "elsa/api/workflow-instances/{id}/journal" or "elsa/api/activity-executions/report") => Texts.Of("Runs read in the designer"),
        ("POST", "elsa/api/bulk-actions/export/workflow-instances" or "elsa/api/bulk-actions/export/workflow-definitions") => Texts.Of("Runs or workflows exported in the designer"),
        ("POST", "elsa/api/descriptors/activities/{typeName}/options/{inputName}" or "elsa/api/scripting/javascript/type-definitions/{definitionId}") => Texts.Of("Help for editing read in the designer"),
        ("POST", "elsa/hubs/workflow-instance" or "elsa/hubs/workflow-instance/negotiate") => Texts.Of("Watching runs in the designer begun"),
        (_, "elsa/api/{**path}") => Texts.Of("Something asked of the designer that it does not have"),
        _ => null,
    };

    /// <summary>Older records of pages name the page and not the button. Often the rest of the record tells which it was.</summary>
    private static string? OfOlder(string verb, string what, AuditRecord record, AuditSubjectKind subject) => verb != "POST" ? null : what switch
    {
        "history" when record.Subject is not null => Texts.Of("History verified"),
        "failover-log" when subject == AuditSubjectKind.Entry => Texts.Of("Failback started"),
        "failover-log" when subject == AuditSubjectKind.Server => Texts.Of("Copy of material started"),
        "failover-log/{entryId}" when record.Reason is { } reason && Joined(reason).StartsWith(Overridden, StringComparison.OrdinalIgnoreCase) => Texts.Of("Failback started"),
        "failover-log" or "failover-log/{entryId}" => Texts.Of("Something of a failover, as a failback or a copy (the record does not say what)"),
        "failover-log/{entryId}/coverage" => Texts.Of("Something of the material of a failover (the record does not say what)"),
        "failover-log/{entryId}/duty" => Texts.Of("Something of a duty (the record does not say what)"),
        "runs/{runId}" => Texts.Of("Run cancelled or retried (the record does not say which)"),
        "servers" when record.Subject == "all servers" => Texts.Of("Readiness of all servers checked"),
        "servers" when record.Subject == "system" => record.Reason is null && record.Result != "no reason" ? Texts.Of("Maintenance mode ended") : Texts.Of("Maintenance mode begun"),
        "servers" when record.Reason is not null => Texts.Of("Duty of a server reconciled"),
        "servers/{serverId}" when record.Reason is not null || record.Result == "no reason" => Texts.Of("Maintenance mode begun"),
        "servers" or "servers/{serverId}" => Texts.Of("Something of a server (the record does not say what)"),
        "servers/{serverId}/edit" => record.Reason is null ? Texts.Of("Server changed or removed (the record does not say which)") : Texts.Of("Server removed"),
        "servers/{serverId}/settings" when record.Subject is not null => Texts.Of("Going back to former settings started"),
        "system" when record.Subject == "license" => Texts.Of("Licence installed"),
        "system" when record.Subject == "api key" || record.Result.StartsWith("done: ", StringComparison.Ordinal) => Texts.Of("API key made"),
        "system" => Texts.Of("Something of licences or API keys (the record does not say what)"),
        "system/users" when record.Result.Contains('→', StringComparison.Ordinal) => Texts.Of("Roles of a user changed"),
        "system/users" when record.Result.StartsWith("done: ", StringComparison.Ordinal) => Texts.Of("User added"),
        "system/users" => Texts.Of("Something of a user (the record does not say what)"),
        "workflows/{definitionId}" when Joined(record.Result) is "published" or "not-published" => Texts.Of("Workflow published"),
        "workflows/{definitionId}" => Texts.Of("Something of a workflow (the record does not say what)"),
        _ => null,
    };

    private static string? OfNothing(string verb, string what) => verb == "POST" && what is "" or "denied" or "history" or "history/audit-log" or "problem/{code:int}" or "runs/{runId}/replay"
        or "servers/{serverId}/settings" or "workflows" or "workflows/{definitionId}/diff" or "studio/workflows/{list:regex(^(definitions|instances)$)}/{id?}/{view?}"
        ? Texts.Of("Something sent to a page that takes nothing")
        : null;
}
