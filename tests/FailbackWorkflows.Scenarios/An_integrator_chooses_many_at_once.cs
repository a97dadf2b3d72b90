using System.IO.Compression;
using System.Net;
using FailbackWorkflows.Testing.Processes;
using Microsoft.Playwright;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>
/// The designer's <em>Bulk actions</em> and <em>Actions</em>, clicked: rows are chosen by their boxes, questions are answered, and what became of it is read in the page
/// and asked of the server. What cannot be done to one of several is said, and is done to the others.
/// </summary>
[Collection(Designers.Name)]
public sealed class An_integrator_chooses_many_at_once
{
    private const string Bulk = "Bulk actions";
    private const string Door = "a-door";
    private const string Gate = "a-gate";
    private const string Wall = "a-wall";
    private const string Line = "a-line";

    [Fact]
    public async Task Of_the_workflows_and_of_the_runs()
    {
        await using var site = await Site.StartAsync(recorders: 0, isLicensed: false, isRegistered: false);
        await site.ImportAsync("event", Door, "A door");
        await site.ImportAsync("event", Gate, "A gate");
        await site.ImportAsync("event", Wall, "A wall that cannot be", wall => wall["root"]!["activities"]![0]!.AsObject().Remove("eventName"));
        await site.ImportAsync("write-line", Line, "A line");
        await using var browser = await BrowserOfASite.OpenAsync(site.Server.BaseUrl);
        var designer = new DesignerPage(await browser.NewPersonAsync("admin", width: 1700, height: 1000));

        await designer.OpenListAsync();
        await PublishAsync(site, designer);
        await UnpublishAsync(site, designer);
        await ExportAsync(designer);
        await CancelTheRunsOfAWorkflowAsync(site, designer);
        await DeleteAsync(site, designer);

        var (waiting, ended) = await StartRunsAsync(site);
        await designer.OpenRunsAsync();
        await designer.ShouldOfferAsync("Actions", ["Refresh", "Pause Polling", "Import"]);
        await designer.ShouldOfferAsync(designer.Row(waiting[0]), ["View", "Cancel", "Delete"]);
        await ImportRunsAsync(site, designer);
        await DeleteRunsAsync(site, designer, waiting[0], ended);
        await CancelRunsAsync(site, designer, waiting[..2]);
        await CancelAllMatchesAsync(site, designer, waiting[2], waiting[3]);
        await Assertions.Expect(designer.Fault).ToBeHiddenAsync();
        DesignerPage.Unexpected(browser.Complaints).ShouldBeEmpty();
    }

    private static async Task PublishAsync(Site site, DesignerPage designer)
    {
        await designer.ShouldOfferAsync(Bulk, nothing: ["Delete", "Publish", "Unpublish", "Export"]);
        await designer.ChooseAsync(Door, Gate, Wall);
        await designer.ShouldOfferAsync(Bulk, ["Delete", "Publish", "Unpublish", "Export"]);

        // Who gives no reason has published nothing; what was chosen stays chosen.
        await designer.PickFromAsync(Bulk, "Publish");
        await designer.ConfirmAsync("publish");
        await designer.GiveNoReasonAsync();
        await Assertions.Expect(designer.Message("Publishing was cancelled.")).ToBeVisibleAsync();
        (await site.IsPublishedAsync(Door)).ShouldBeFalse();

        await designer.PickFromAsync(Bulk, "Publish");
        await designer.ConfirmAsync("publish");
        await designer.GiveReasonAsync("both were tried");
        await Assertions.Expect(designer.Toast("2 workflows are published")).ToBeVisibleAsync();
        await Assertions.Expect(designer.Message("“A wall that cannot be” was not published.")).ToBeVisibleAsync();
        await Assertions.Expect(designer.Message("“A gate” is published")).ToBeVisibleAsync();
        await Assertions.Expect(designer.PublishedVersion(Door)).ToHaveTextAsync("1");
        await Assertions.Expect(designer.PublishedVersion(Wall)).ToHaveTextAsync("-");
        (await site.IsPublishedAsync(Gate)).ShouldBeTrue();
        (await site.IsPublishedAsync(Wall)).ShouldBeFalse();

        await designer.ChooseAsync(Door);
        await designer.PickFromAsync(Bulk, "Publish");
        await designer.ConfirmAsync("publish");
        await designer.GiveReasonAsync("once more");
        await Assertions.Expect(designer.Toast("One workflow is already published")).ToBeVisibleAsync();
    }

    private static async Task UnpublishAsync(Site site, DesignerPage designer)
    {
        await designer.ChooseAsync(Door, Gate, Wall);
        await designer.PickFromAsync(Bulk, "Unpublish");
        await designer.ConfirmAsync("unpublish");
        await Assertions.Expect(designer.Toast("2 workflows are unpublished")).ToBeVisibleAsync();
        await Assertions.Expect(designer.Toast("One workflow is already unpublished")).ToBeVisibleAsync();
        await Assertions.Expect(designer.Message("“A door” is not published any more")).ToBeVisibleAsync();
        await Assertions.Expect(designer.PublishedVersion(Gate)).ToHaveTextAsync("-");
        (await site.IsPublishedAsync(Door)).ShouldBeFalse();
        (await site.IsPublishedAsync(Gate)).ShouldBeFalse();
    }

    private static async Task ExportAsync(DesignerPage designer)
    {
        await designer.ChooseAsync(Door, Gate);
        await using var content = await designer.DownloadAsync(() => designer.PickFromAsync(Bulk, "Export"));
        using var archive = new ZipArchive(content);
        archive.Entries.Select(e => e.FullName).ShouldBe([$"{Door}.v1.json", $"{Gate}.v1.json"], ignoreOrder: true);
    }

    private static async Task CancelTheRunsOfAWorkflowAsync(Site site, DesignerPage designer)
    {
        await site.RunAsync(Gate);
        await Eventually.HoldsAsync("it waits", async () => (await site.ListRunsAsync(Gate)).Any(r => r.IsWaiting));
        await designer.PickAsync(designer.Row(Gate), "Cancel");
        await designer.ConfirmAsync("yes");
        await Assertions.Expect(designer.Message("One run was asked to cancel.")).ToBeVisibleAsync();
        await Eventually.HoldsAsync("it is cancelled", async () => (await site.ListRunsAsync(Gate)).All(r => r.IsCancelled));
    }

    private static async Task DeleteAsync(Site site, DesignerPage designer)
    {
        await designer.ChooseAsync(Door, Gate, Wall);
        await designer.PickFromAsync(Bulk, "Delete");
        await designer.ConfirmAsync("delete");
        await Assertions.Expect(designer.Message("has 1 run")).ToBeVisibleAsync();
        await Assertions.Expect(designer.Row(Door)).ToHaveCountAsync(0);
        await Assertions.Expect(designer.Row(Wall)).ToHaveCountAsync(0);
        await Assertions.Expect(designer.Row(Gate)).ToBeVisibleAsync();
        (await site.FindDefinitionAsync(Door)).ShouldBeNull();
        (await site.FindDefinitionAsync(Wall)).ShouldBeNull();
        (await site.FindDefinitionAsync(Gate)).ShouldNotBeNull();
    }

    /// <summary>Four that wait, and one that has ended.</summary>
    private static async Task<(string[] Waiting, string Ended)> StartRunsAsync(Site site)
    {
        for (var run = 0; run < 4; run++)
        {
            await site.RunAsync(Gate);
        }

        await site.RunAsync(Line);
        await Eventually.HoldsAsync("four wait", async () => (await site.ListRunsAsync(Gate)).Count(r => r.IsWaiting) == 4);
        await Eventually.HoldsAsync("one has ended", async () => (await site.ListRunsAsync(Line)).All(r => r.HasEnded));
        return ([.. (await site.ListRunsAsync(Gate)).Where(r => r.IsWaiting).Select(r => r.Id)], (await site.ListRunsAsync(Line)).Single().Id);
    }

    private static async Task ImportRunsAsync(Site site, DesignerPage designer)
    {
        await designer.ImportFromAsync("Actions", DesignedWorkflows.FileOf("run.json", "{}"));
        await Assertions.Expect(designer.Message("Runs are not imported")).ToBeVisibleAsync();
        (await site.ListRunsAsync(Line)).Count.ShouldBe(1);
    }

    private static async Task DeleteRunsAsync(Site site, DesignerPage designer, string waiting, string ended)
    {
        await designer.ShouldOfferAsync(Bulk, nothing: ["Delete", "Cancel"]);
        await designer.ChooseAsync(waiting, ended);
        await designer.PickFromAsync(Bulk, "Delete");
        await designer.ConfirmAsync("delete");
        await Assertions.Expect(designer.Message("Runs that are still going on were left in the list.")).ToBeVisibleAsync();
        await Assertions.Expect(designer.Message("The run was taken out of the list.")).ToBeVisibleAsync();
        await Assertions.Expect(designer.Row(ended)).ToHaveCountAsync(0);
        await Assertions.Expect(designer.Row(waiting)).ToBeVisibleAsync();
        (await site.ListRunsAsync(Line)).ShouldBeEmpty();
        (await site.Server.GetAsync($"api/v1/runs/{ended}")).Status.ShouldBe(HttpStatusCode.OK, "its history is kept");
    }

    private static async Task CancelRunsAsync(Site site, DesignerPage designer, string[] chosen)
    {
        await designer.ChooseAsync(chosen);
        await designer.PickFromAsync(Bulk, "Cancel");
        await designer.ConfirmAsync("yes");
        await Assertions.Expect(designer.Message("2 runs were asked to cancel.")).ToBeVisibleAsync();
        await Eventually.HoldsAsync("the chosen ones are cancelled", async () => (await site.ListRunsAsync(Gate)).Where(r => chosen.Contains(r.Id)).All(r => r.IsCancelled));
        (await site.ListRunsAsync(Gate)).Count(r => r.IsWaiting).ShouldBe(2, "the others go on");
        await designer.PickFromAsync("Actions", "Refresh");
        await Assertions.Expect(designer.Row(chosen[1])).ToContainTextAsync("Cancelled");
    }

    private static async Task CancelAllMatchesAsync(Site site, DesignerPage designer, string chosen, string other)
    {
        await designer.ChooseAsync(chosen);
        await designer.PickFromAsync(Bulk, "Cancel");
        await designer.ApplyToAllMatchesAsync();
        await designer.ConfirmAsync("yes");
        await Assertions.Expect(designer.Toast("Workflow instances are being cancelled.")).ToBeVisibleAsync();
        await Eventually.HoldsAsync("nothing waits any more", async () => (await site.ListRunsAsync(Gate)).All(r => r.IsCancelled));
        await designer.PickFromAsync("Actions", "Refresh");
        await Assertions.Expect(designer.Row(other)).ToContainTextAsync("Cancelled");
    }
}
