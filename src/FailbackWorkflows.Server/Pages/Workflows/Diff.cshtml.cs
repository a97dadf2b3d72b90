using FailbackWorkflows.Engine.Library;
using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Server.Resources;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;

namespace FailbackWorkflows.Server.Pages.Workflows;

/// <summary>What differs between two versions of a workflow, or between a kept save and the latest version, told to a person.</summary>
[Authorize(Permissions.Read)]
public sealed class DiffModel(IWorkflowLibrary library) : PageModel
{
    [BindProperty(SupportsGet = true)]
    public required string DefinitionId { get; set; }

    public string Name { get; private set; } = "";

    public string Earlier { get; private set; } = "";

    public string Later { get; private set; } = "";

    public IReadOnlyList<Difference> Differences { get; private set; } = [];

    public async Task<IActionResult> OnGetAsync(int? from, int? to, long? save, CancellationToken cancellationToken)
    {
        var later = to is { } number
            ? await library.FindAsync(DefinitionId, VersionChoice.Number, number, cancellationToken) ?? await library.FindByIdAsync($"{DefinitionId}:{number}", cancellationToken)
            : await library.FindAsync(DefinitionId, VersionChoice.Latest, null, cancellationToken);
        if (later is null || await ReadEarlierAsync(from, save, cancellationToken) is not { } earlier)
        {
            return NotFound();
        }

        Name = later.Name;
        Later = Describe(later);
        Earlier = earlier.Title;
        Differences = DefinitionDiff.Compare(earlier.Json, later.Json);
        return Page();
    }

    private async Task<(string Title, string Json)?> ReadEarlierAsync(int? from, long? save, CancellationToken cancellationToken)
    {
        if (save is { } revision)
        {
            return await library.FindRevisionAsync(DefinitionId, revision, cancellationToken) is { } kept ? (Texts.Of("Save {0} of {1}", kept.Revision, kept.AuthorName), kept.Json) : null;
        }

        var version = from is { } number
            ? await library.FindAsync(DefinitionId, VersionChoice.Number, number, cancellationToken) ?? await library.FindByIdAsync($"{DefinitionId}:{number}", cancellationToken)
            : await library.FindAsync(DefinitionId, VersionChoice.Published, null, cancellationToken);
        return version is null ? null : (Describe(version), version.Json);
    }

    private static string Describe(WorkflowVersion version) => version.IsDraft
        ? Texts.Of("Draft of version {0} ({1})", version.Version, Wording.Author(version))
        : Texts.Of("Version {0} ({1})", version.Version, Wording.Author(version));
}
