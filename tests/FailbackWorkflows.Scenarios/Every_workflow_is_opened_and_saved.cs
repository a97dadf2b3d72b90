using System.Net;
using System.Text.Json.Nodes;
using FailbackWorkflows.Engine.Library;
using FailbackWorkflows.Testing.Failback;
using Microsoft.Playwright;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>The designer draws every workflow there is, and what it saves says what was there: nothing is lost on its way through it.</summary>
[Collection(Designers.Name)]
public sealed class Every_workflow_is_opened_and_saved
{
    [Fact]
    public async Task And_says_what_it_said_before()
    {
        await using var site = await Testing.Processes.Site.StartAsync(recorders: 0, isLicensed: false, isRegistered: false);
        var samples = await ImportSamplesAsync(site);
        samples.Count.ShouldBeGreaterThanOrEqualTo(30);
        var shipped = Directory.EnumerateDirectories(RepositoryFiles.Workflows).Select(d => Path.GetFileName(d)!).Order().ToList();
        await using var browser = await BrowserOfASite.OpenAsync(site.Server.BaseUrl);
        var designer = new DesignerPage(await browser.NewPersonAsync("admin", width: 1500, height: 900));
        await designer.OpenEditorAsync(shipped[0]);

        var changed = new List<string>();
        // A sixth of the samples, unless all are asked for: each costs the designer some seconds.
        var isAll = Environment.GetEnvironmentVariable("FAILBACK_SAMPLES") == "all";
        foreach (var id in shipped.Concat(samples.Where((_, i) => isAll || i % 6 == 0)))
        {
            if (await OpenAndSaveAsync(site, designer, id) is { } difference)
            {
                changed.Add($"{id}: {difference}");
            }
        }

        changed.ShouldBeEmpty();
        DesignerPage.Unexpected(browser.Complaints).ShouldBeEmpty();
    }

    /// <summary>Null: it says the same. The designer's own request is compared, so that nothing the server does on the way hides a loss.</summary>
    private static async Task<string?> OpenAndSaveAsync(Testing.Processes.Site site, DesignerPage designer, string id)
    {
        var before = (JsonObject)(await site.Server.GetAsync($"elsa/api/workflow-definitions/by-definition-id/{id}?versionOptions=Latest")).Json!;
        var activities = before["root"]!["type"]!.GetValue<string>() == "Elsa.Flowchart" ? before["root"]!["activities"]?.AsArray().Count ?? 0 : -1;
        var first = activities > 0 ? (string?)before["root"]!["activities"]![0]!["id"] : null;
        if (!await ShowAsync(designer, id, (string)before["name"]!, activities, first))
        {
            return "it is not drawn";
        }

        // It reads the descriptors again when it has taken the answer in; whoever shows another workflow before that gets this one back.
        IResponse? saved = null;
        await designer.Page.RunAndWaitForResponseAsync(
            async () => saved = await designer.SaveAsync(),
            response => new Uri(response.Url).AbsolutePath == "/elsa/api/descriptors/activities");
        var answer = saved!;
        var sent = JsonNode.Parse(answer.Request.PostData!)!["model"]!.AsObject();
        var kept = (await site.Server.GetAsync($"elsa/api/workflow-definitions/{id}/export?versionOptions=Latest")).Json!.AsObject();
        if (answer.Status != (int)HttpStatusCode.OK)
        {
            return $"the save was answered {answer.Status}: {await answer.TextAsync()}";
        }

        if (sent["definitionId"]!.GetValue<string>() != id)
        {
            return $"{sent["definitionId"]} was saved";
        }

        var normalised = DefinitionText.Normalise(sent, id, 1, false, before);
        return DefinitionText.SaysTheSame(before, normalised) && DefinitionText.SaysTheSame(before, kept)
            ? null
            : string.Join(" ", DefinitionDiff.Compare(before.ToJsonString(), normalised.ToJsonString()).Take(5).Select(d => $"{d.Sentence} {d.Before} → {d.After}"));
    }

    /// <summary>Shown in the page that is open, and if that does not draw it, in a page of its own: what counts is that it can be drawn.</summary>
    private static async Task<bool> ShowAsync(DesignerPage designer, string id, string name, int activities, string? first)
    {
        await designer.SwitchToAsync(id);
        if (await IsDrawnAsync(designer, name, activities, first, 12_000))
        {
            return true;
        }

        await designer.Page.GotoAsync($"/studio/workflows/definitions/{id}/edit");
        return await IsDrawnAsync(designer, name, activities, first, 60_000);
    }

    /// <summary>The number of its activities and the id of one: the drawing of the one before may have as many.</summary>
    private static async Task<bool> IsDrawnAsync(DesignerPage designer, string name, int activities, string? first, float patience)
    {
        try
        {
            await Assertions.Expect(designer.NameOfDefinition).ToHaveValueAsync(name, new() { Timeout = patience });
            if (activities >= 0)
            {
                await Assertions.Expect(designer.Nodes).ToHaveCountAsync(activities, new() { Timeout = patience });
            }

            if (first is not null)
            {
                await Assertions.Expect(designer.Page.Locator($".x6-node[data-cell-id='{first}']")).ToHaveCountAsync(1, new() { Timeout = patience });
            }

            return true;
        }
        catch (PlaywrightException)
        {
            return false;
        }
    }

    /// <summary>The samples of all activities, brought in as files as the designer does it.</summary>
    private static async Task<IReadOnlyList<string>> ImportSamplesAsync(Testing.Processes.Site site)
    {
        var ids = new List<string>();
        foreach (var file in Directory.EnumerateFiles(RepositoryFiles.PathOf("tests/FailbackWorkflows.Tests/Workflows/Samples"), "*.json").Order(StringComparer.Ordinal))
        {
            var model = (JsonObject)JsonNode.Parse(await File.ReadAllTextAsync(file))!;
            if (model["definitionId"] is null)
            {
                continue;
            }

            var answer = await site.Server.PostAsync("elsa/api/workflow-definitions/import", model);
            answer.Status.ShouldBe(HttpStatusCode.OK, $"{Path.GetFileName(file)}: {answer}");
            ids.Add((string)answer.Json!["definitionId"]!);
        }

        return ids;
    }
}
