using System.IO.Compression;
using FailbackWorkflows.Testing.Processes;
using Microsoft.Playwright;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>
/// The designer before a person who may only look: what it greys out because our server gives no link for it, and what it offers all the same. That is refused, with a
/// sentence that names the role, and the designer goes on.
/// </summary>
[Collection(Designers.Name)]
public sealed class A_viewer_uses_the_menus
{
    private const string Bulk = "Bulk actions";
    private const string Door = "a-door";
    private const string Line = "a-line";
    private const string NeedsOperator = "This needs the role operator or administrator.";
    private const string NeedsIntegrator = "This needs the role integrator or administrator.";

    [Fact]
    public async Task And_changes_nothing()
    {
        await using var site = await Site.StartAsync(recorders: 0, isLicensed: false, isRegistered: false);
        await site.ImportAsync("event", Door, "A door");
        await site.ImportAsync("write-line", Line, "A line");
        await site.RunAsync(Door);
        await Eventually.HoldsAsync("a run waits", async () => (await site.ListRunsAsync(Door)).Any(r => r.IsWaiting));
        var run = (await site.ListRunsAsync(Door)).Single().Id;
        var definitions = await CountDefinitionsAsync(site);
        await site.CreateUserAsync("vera", "viewer");
        await using var browser = await BrowserOfASite.OpenAsync(site.Server.BaseUrl);
        var designer = new DesignerPage(await browser.NewPersonAsync("vera", width: 1700, height: 1000));

        await designer.OpenListAsync();
        await LookAtTheListAsync(designer);
        await UseWhatItOffersOfAWorkflowAsync(designer);
        await LookAtAWorkflowAsync(designer);
        await designer.OpenRunsAsync();
        await UseWhatItOffersOfTheRunsAsync(designer, run);
        await LookAtARunAsync(designer, run);

        (await site.ListRunsAsync(Door)).Single().IsWaiting.ShouldBeTrue();
        (await site.ListRunsAsync(Line)).ShouldBeEmpty();
        (await CountDefinitionsAsync(site)).ShouldBe(definitions);
        DesignerPage.Unexpected(browser.Complaints).ShouldBeEmpty();
    }

    private static async Task LookAtTheListAsync(DesignerPage designer)
    {
        // The designer draws what it has heard of the role at the latest with the first thing that is done.
        await designer.ChooseAsync(Door, Line);
        await Assertions.Expect(designer.Page.GetByText("You are running in read-only mode")).ToBeVisibleAsync();
        await Assertions.Expect(designer.Page.GetByRole(AriaRole.Button, new() { Name = "Create workflow" })).ToBeDisabledAsync();
        await designer.ShouldOfferAsync(Bulk, ["Export"], ["Delete", "Publish", "Unpublish"]);
        await designer.ShouldOfferAsync(designer.Row(Door), ["View", "Run", "Duplicate", "Cancel", "Export"], ["Delete", "Publish", "Unpublish"]);

        await using var content = await designer.DownloadAsync(() => designer.PickFromAsync(Bulk, "Export"));
        using var archive = new ZipArchive(content);
        archive.Entries.Count.ShouldBe(2, "a file may be read by whoever may look");
    }

    private static async Task UseWhatItOffersOfAWorkflowAsync(DesignerPage designer)
    {
        // Nobody is asked for inputs, or for a reason, who may not run it whatever the answer.
        await designer.PickAsync(designer.Row(Line), "Run");
        await Assertions.Expect(designer.Toast("The workflow cannot be started")).ToBeVisibleAsync();
        await designer.ShouldRefuseAsync(NeedsOperator);

        await designer.PickAsync(designer.Row(Door), "Cancel");
        await designer.ConfirmAsync("yes");
        await designer.ShouldRefuseAsync(NeedsOperator);

        await designer.PickAsync(designer.Row(Door), "Duplicate");
        await designer.ConfirmAsync("ok");
        await Assertions.Expect(designer.Toast(NeedsIntegrator)).ToBeVisibleAsync();
        await Assertions.Expect(designer.Messages).ToHaveCountAsync(0);
    }

    private static async Task LookAtAWorkflowAsync(DesignerPage designer)
    {
        await designer.OpenEditorAsync(Door, mayEdit: false);
        await designer.RunAsync();
        await designer.ShouldRefuseAsync(NeedsOperator);

        await designer.SelectAsync("Disk replaced");
        await designer.Tab("Test").ClickAsync();
        await designer.Page.GetByRole(AriaRole.Button, new() { Name = "Start", Exact = true }).ClickAsync();
        await designer.ShouldRefuseAsync(NeedsIntegrator);

        // The designer's own code view would stop it here.
        await designer.Tab("Code View").ClickAsync();
        await designer.ShouldRefuseAsync("The code is shown where the latest version is edited.");

        await designer.Tab("Version history").ClickAsync();
        await Assertions.Expect(designer.Page.GetByRole(AriaRole.Button, new() { Name = Bulk, Exact = true })).ToBeDisabledAsync();
        await designer.ShouldOfferAsync(designer.Row("1"), ["View"], ["Rollback to this version", "Delete"]);
    }

    private static async Task UseWhatItOffersOfTheRunsAsync(DesignerPage designer, string run)
    {
        await designer.ChooseAsync(run);
        await designer.PickFromAsync(Bulk, "Delete");
        await designer.ConfirmAsync("delete");
        await designer.ShouldRefuseAsync(NeedsOperator);

        await designer.PickFromAsync(Bulk, "Cancel");
        await designer.ConfirmAsync("yes");
        await designer.ShouldRefuseAsync(NeedsOperator);

        await designer.PickFromAsync(Bulk, "Cancel");
        await designer.ApplyToAllMatchesAsync();
        await designer.ConfirmAsync("yes");
        await designer.ShouldRefuseAsync(NeedsOperator);

        await designer.PickAsync(designer.Row(run), "Cancel");
        await designer.ConfirmAsync("yes");
        await designer.ShouldRefuseAsync(NeedsOperator);

        await designer.PickAsync(designer.Row(run), "Delete");
        await designer.ConfirmAsync("delete");
        await designer.ShouldRefuseAsync(NeedsOperator);

        await designer.ImportFromAsync("Actions", DesignedWorkflows.FileOf("run.json", "{}"));
        await designer.ShouldRefuseAsync(NeedsOperator);
    }

    private static async Task LookAtARunAsync(DesignerPage designer, string run)
    {
        await designer.PickAsync(designer.Row(run), "View");
        await designer.Page.IsAtAsync($"*/instances/{run}/view");
        await Assertions.Expect(designer.SubStatus).ToContainTextAsync("Suspended");
    }

    private static async Task<int> CountDefinitionsAsync(Site site) => (int)(await site.Server.GetAsync("elsa/api/workflow-definitions/query/count")).Json!["count"]!;
}
