using System.Text;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Library;
using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Server.Resources;
using FailbackWorkflows.Server.Studio.Definitions;
using FailbackWorkflows.Server.Studio.Hosting;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;

namespace FailbackWorkflows.Server.Pages.Workflows;

/// <summary>All versions of a workflow: who published what, when and why; the draft and its saves; and what can be done with them.</summary>
[Authorize(Permissions.Read)]
public sealed class VersionsModel(IWorkflowLibrary library, WorkflowEditing editing, DesignerFolder designer) : PageModel
{
    private const int ShownSaves = 50;
    private const int LongestReason = 1000;

    [BindProperty(SupportsGet = true)]
    public required string DefinitionId { get; set; }

    public IReadOnlyList<WorkflowVersion> Versions { get; private set; } = [];

    public IReadOnlyList<DraftRevision> Saves { get; private set; } = [];

    public IReadOnlyList<WorkflowVersion> Conflicts { get; private set; } = [];

    public IReadOnlyDictionary<string, InstanceCount> Runs { get; private set; } = new Dictionary<string, InstanceCount>();

    public WorkflowVersion? Latest => Versions.FirstOrDefault(v => v.IsLatest);

    public WorkflowVersion? Published => Versions.FirstOrDefault(v => v.IsPublished);

    /// <summary>Somebody has published since the draft was begun.</summary>
    public bool IsOvertaken => Latest is { IsDraft: true } draft && Published is { } published && draft.BasedOn < published.Version;

    public bool HasDesigner => designer.IsInstalled;

    public bool MayEdit => User.May(Permissions.Integrate);

    /// <summary>What stood in the way of publishing.</summary>
    public IReadOnlyList<string> Errors { get; private set; } = [];

    public async Task<IActionResult> OnGetAsync(CancellationToken cancellationToken) => await ReadAsync(cancellationToken) ? Page() : NotFound();

    /// <summary>The file of a version, as it is committed to the workflow folder.</summary>
    public async Task<IActionResult> OnGetFileAsync(int version, CancellationToken cancellationToken) =>
        await library.FindAsync(DefinitionId, VersionChoice.Number, version, cancellationToken) is { } found
            ? File(Encoding.UTF8.GetBytes(found.Json), "application/json", DefinitionReading.FileNameOf(found))
            : NotFound();

    public Task<IActionResult> OnPostPublishAsync(string? reason, bool overtakes, CancellationToken cancellationToken) => ChangeAsync(
        async () =>
        {
            if (string.IsNullOrWhiteSpace(reason) || reason.Length > LongestReason)
            {
                HttpContext.Audit(DefinitionId).Result = "no reason";
                Errors = [Texts.Of("A reason of 1 to 1,000 characters is needed: it is kept with the version.")];
                return null;
            }

            var saved = await editing.PublishAsync(DefinitionId, new PublishDefinition(CurrentActor.Of(HttpContext), reason.Trim(), User.IsInRole(Roles.Administrator)) { Overtakes = overtakes }, cancellationToken);
            Errors = saved.Errors;
            HttpContext.Audit(saved.Version.Id, reason).Result = Errors.Count > 0 ? "not published" : "published";
            TempData["Warning"] = saved.Warnings.Count > 0 ? string.Join(" ", saved.Warnings) : null;
            var running = saved.Pinned.Sum(p => p.Running);
            return saved.WasPublishedAlready ? Texts.Of("The published version says the same; nothing was changed.")
                : running == 1 ? Texts.Of("Version {0} is published; new runs use it. 1 run stays with the version it was started with.", saved.Version.Version)
                : running > 0 ? Texts.Of("Version {0} is published; new runs use it. {1} runs stay with the version they were started with.", saved.Version.Version, running)
                : Texts.Of("Version {0} is published; new runs use it.", saved.Version.Version);
        },
        cancellationToken);

    public Task<IActionResult> OnPostRetractAsync(CancellationToken cancellationToken) => ChangeAsync(
        async () =>
        {
            await editing.RetractAsync(DefinitionId, CurrentActor.Of(HttpContext), cancellationToken);
            return Texts.Of("The workflow is not published any more. Runs that have begun go on.");
        },
        cancellationToken);

    public Task<IActionResult> OnPostRollBackAsync(int version, CancellationToken cancellationToken) => ChangeAsync(
        async () =>
        {
            var draft = await editing.RollBackAsync(DefinitionId, version, CurrentActor.Of(HttpContext), cancellationToken);
            return Texts.Of("Version {0} is the draft again, as version {1}. Publish it to have new runs use it.", version, draft.Version);
        },
        cancellationToken);

    public Task<IActionResult> OnPostRestoreAsync(int version, CancellationToken cancellationToken) => ChangeAsync(
        async () =>
        {
            await editing.RestoreVersionAsync(DefinitionId, version, CurrentActor.Of(HttpContext), cancellationToken);
            return Texts.Of("Version {0} is in the lists again.", version);
        },
        cancellationToken);

    public Task<IActionResult> OnPostRestoreSaveAsync(long revision, CancellationToken cancellationToken) => ChangeAsync(
        async () =>
        {
            var draft = await editing.RestoreSaveAsync(DefinitionId, revision, CurrentActor.Of(HttpContext), cancellationToken);
            return Texts.Of("Save {0} is the draft of version {1} again.", revision, draft.Version);
        },
        cancellationToken);

    private async Task<IActionResult> ChangeAsync(Func<Task<string?>> change, CancellationToken cancellationToken)
    {
        var audit = HttpContext.Audit(DefinitionId);
        if (!MayEdit)
        {
            return Forbid();
        }

        string? done = null;
        try
        {
            done = await change();
        }
        catch (WorkflowRefusedException refused)
        {
            Errors = [refused.Message];
        }

        if (Errors.Count == 0)
        {
            TempData["Notice"] = done;
            return Redirect($"/workflows/{Uri.EscapeDataString(DefinitionId)}");
        }

        audit.Result ??= "refused";
        return await ReadAsync(cancellationToken) ? Page() : NotFound();
    }

    private async Task<bool> ReadAsync(CancellationToken cancellationToken)
    {
        Versions = (await library.ListAsync(new VersionQuery { DefinitionIds = [DefinitionId], WithDeleted = true, OrderBy = VersionOrder.Version, IsDescending = true, Take = 200 }, cancellationToken)).Items;
        Conflicts = [.. Versions.Where(v => IndexModel.IsOpen(v, Versions))];
        Runs = (await library.CountInstancesAsync(DefinitionId, cancellationToken)).ToDictionary(c => c.DefinitionVersionId);
        Saves = await library.ListRevisionsAsync(DefinitionId, ShownSaves, cancellationToken);
        return Versions.Count > 0;
    }
}
