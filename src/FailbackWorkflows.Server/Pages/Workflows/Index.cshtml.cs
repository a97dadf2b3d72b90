using FailbackWorkflows.Engine.Library;
using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Server.Studio.Hosting;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc.RazorPages;

namespace FailbackWorkflows.Server.Pages.Workflows;

/// <summary>The workflows with what is published and what is being edited, and the way into the designer.</summary>
[Authorize(Permissions.Read)]
public sealed class IndexModel(IWorkflowLibrary library, DesignerFolder designer) : PageModel
{
    private const int PageSize = 50;

    public bool HasDesigner => designer.IsInstalled;

    public IReadOnlyList<WorkflowLine> Lines { get; private set; } = [];

    public IReadOnlyList<WorkflowVersion> Conflicts { get; private set; } = [];

    /// <summary>From 0.</summary>
    public int Number { get; private set; }

    public bool HasMore { get; private set; }

    public async Task OnGetAsync(int number, CancellationToken cancellationToken)
    {
        Number = Math.Clamp(number, 0, 100_000);
        var latest = await library.ListAsync(new VersionQuery { Choice = VersionChoice.Latest, Skip = Number * PageSize, Take = PageSize }, cancellationToken);
        HasMore = (Number + 1) * PageSize < latest.TotalCount;
        var ids = latest.Items.Select(v => v.DefinitionId).ToList();
        if (ids.Count == 0)
        {
            return;
        }

        var all = (await library.ListAsync(new VersionQuery { DefinitionIds = ids }, cancellationToken)).Items;
        Lines = [.. latest.Items.Select(v => new WorkflowLine(v, all.FirstOrDefault(o => o.DefinitionId == v.DefinitionId && o.IsPublished)))];
        Conflicts = [.. all.Where(v => IsOpen(v, all))];
    }

    /// <summary>A conflict is over when somebody has published after it.</summary>
    internal static bool IsOpen(WorkflowVersion version, IReadOnlyList<WorkflowVersion> all) =>
        version.Conflict is not null && !all.Any(o => o.DefinitionId == version.DefinitionId && o.IsPublished && o.Version > version.Version);
}

/// <summary>A workflow of the list.</summary>
public sealed record WorkflowLine(WorkflowVersion Latest, WorkflowVersion? Published)
{
    public WorkflowVersion? Draft => Latest.IsDraft ? Latest : null;
}
