using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Microsoft.Playwright;
using Shouldly;

namespace FailbackWorkflows.Scenarios;

/// <summary>The genuine designer in a browser, in the words of whoever uses it.</summary>
internal sealed class DesignerPage(IPage page)
{
    /// <summary>Scripts that the designer writes into its page and our policy stops; our own script does their work. Nothing else may be stopped.</summary>
    private static readonly string[] StoppedScripts = ["sha256-snlP1jz0gjwc5cTz9ErZcliXuCK63+Mmf68RRCeptgc=", "sha256-vu6sQrKXQHR4Yn3FMMihA/9TxxfIXnCxKwvLrTPJ5ts="];

    private const int MostAttempts = 4;
    private const float Soon = 15_000;

    public IPage Page => page;

    public ILocator Nodes => page.Locator(".x6-node");

    public ILocator Edges => page.Locator(".x6-edge");

    /// <summary>The name of the workflow that is shown. Other things may have the word in their labels.</summary>
    public ILocator NameOfDefinition => page.GetByLabel("Name").And(page.Locator("input")).First;

    /// <summary>How a run that is looked at stands.</summary>
    public ILocator SubStatus => page.Locator("tr").Filter(new() { HasText = "Sub status" }).First;

    /// <summary>What our page says above the designer.</summary>
    public ILocator Messages => page.Locator(".designer-message");

    /// <summary>What the designer itself says.</summary>
    public ILocator Toasts => page.Locator(".mud-snackbar");

    public ILocator Message(string sentence) => Messages.Filter(new() { HasText = sentence }).First;

    public ILocator Toast(string sentence) => Toasts.Filter(new() { HasText = sentence }).First;

    /// <summary>What the list of workflows says of a published version.</summary>
    public ILocator PublishedVersion(string definition) => Row(definition).Locator("td[data-label='Published version']");

    /// <summary>The bar of a fault that the designer did not expect. It does nothing after that.</summary>
    public ILocator Fault => page.Locator("#blazor-error-ui");

    /// <summary>A sentence says why not, once, and the designer goes on. The sentence is closed, so that the next one is seen as such.</summary>
    public async Task ShouldRefuseAsync(string sentence)
    {
        await Assertions.Expect(Message(sentence)).ToBeVisibleAsync();
        await Assertions.Expect(Messages.Filter(new() { HasText = sentence })).ToHaveCountAsync(1);
        await Assertions.Expect(Fault).ToBeHiddenAsync();
        await Message(sentence).GetByRole(AriaRole.Button).ClickAsync();
        await Assertions.Expect(Message(sentence)).ToHaveCountAsync(0);
    }

    public static IReadOnlyList<string> Unexpected(IEnumerable<string> complaints) => [.. complaints.Where(c => !StoppedScripts.Any(c.Contains))];

    public async Task OpenListAsync()
    {
        await page.GotoAsync("/studio/workflows/definitions");
        await page.GetByText("Definition ID").First.WaitForAsync();
    }

    public async Task OpenEditorAsync(string definitionId, bool mayEdit = true)
    {
        await page.GotoAsync($"/studio/workflows/definitions/{definitionId}/edit");
        await Nodes.First.WaitForAsync();
        // The panels come after the drawing.
        if (mayEdit)
        {
            await page.GetByText("Auto-save").WaitForAsync();
        }

        await Tab("Version history").WaitForAsync();
    }

    /// <summary>Its list of runs.</summary>
    public async Task OpenRunsAsync()
    {
        await page.GotoAsync("/studio/workflows/instances");
        await page.GetByText("Correlation ID").First.WaitForAsync();
    }

    /// <summary>The row of a table that has the text as the whole of a cell.</summary>
    public ILocator Row(string cell) => page.Locator("tr").Filter(new() { Has = page.Locator("td").Filter(new() { HasTextRegex = new Regex($"^\\s*{Regex.Escape(cell)}\\s*$") }) }).First;

    /// <summary>Rows with a menu of their own.</summary>
    public ILocator Rows => page.Locator("tr").Filter(new() { Has = page.Locator(".mud-menu-icon-button-activator") });

    /// <summary>Opens the menu of a row and picks an entry.</summary>
    public Task PickAsync(ILocator row, string entry) => PickFromAsync(row.Locator(".mud-menu-icon-button-activator"), entry);

    /// <summary>Picks an entry of the menu beside the designer's main button: <em>Create workflow</em> in the list, <em>Publish</em> in the editor.</summary>
    public Task PickAsync(string entry) => PickFromAsync(page.Locator(".mud-button-group-root .mud-menu-icon-button-activator").First, entry);

    /// <summary>Picks an entry of a menu that has a name: <em>Bulk actions</em>, <em>Actions</em>.</summary>
    public Task PickFromAsync(string menu, string entry) => PickFromAsync(Menu(menu), entry);

    private async Task PickFromAsync(ILocator button, string entry)
    {
        var item = Entries.Filter(new() { HasTextRegex = new Regex($"^\\s*{Regex.Escape(entry)}") }).First;
        await TryAgainAsync(async () =>
        {
            // The list draws itself anew when its answers come, and takes an open menu with it.
            if (!await item.IsVisibleAsync())
            {
                await button.ClickAsync(new() { Timeout = Soon });
            }

            await item.ClickAsync(new() { Timeout = Soon });
        });
    }

    /// <summary>A menu that has a name has these entries: some can be clicked, the others are grey.</summary>
    public Task ShouldOfferAsync(string menu, string[]? these = null, string[]? nothing = null) => CompareMenuAsync(Menu(menu), these ?? [], nothing ?? []);

    /// <summary>As <see cref="ShouldOfferAsync(string, string[], string[])"/>, of a row's menu.</summary>
    public Task ShouldOfferAsync(ILocator row, string[]? these = null, string[]? nothing = null) => CompareMenuAsync(row.Locator(".mud-menu-icon-button-activator"), these ?? [], nothing ?? []);

    private async Task CompareMenuAsync(ILocator button, string[] these, string[] nothing)
    {
        var (offered, grey) = (new List<string>(), new List<string>());
        await TryAgainAsync(async () =>
        {
            offered.Clear();
            grey.Clear();
            if (!await Entries.First.IsVisibleAsync())
            {
                await button.ClickAsync(new() { Timeout = Soon });
            }

            await Entries.First.WaitForAsync(new() { Timeout = Soon });
            foreach (var entry in await Entries.AllAsync())
            {
                var isGrey = await entry.EvaluateAsync<bool>("entry => entry.matches('.mud-disabled, [disabled], [aria-disabled=true]')", null, new() { Timeout = Soon });
                (isGrey ? grey : offered).Add((await entry.InnerTextAsync(new() { Timeout = Soon })).Trim());
            }
        });
        // A menu is left by a click beside it.
        await page.Mouse.ClickAsync(page.ViewportSize!.Width - 20, page.ViewportSize.Height - 20);
        await Assertions.Expect(Entries).ToHaveCountAsync(0);
        offered.ShouldBe(these, ignoreOrder: true);
        grey.ShouldBe(nothing, ignoreOrder: true);
    }

    private ILocator Entries => page.Locator(".mud-popover-open .mud-menu-item");

    private ILocator Menu(string name) => page.GetByRole(AriaRole.Button, new() { Name = name, Exact = true });

    /// <summary>Chooses rows by the boxes before them; nothing else is chosen then.</summary>
    public Task ChooseAsync(params string[] cells) => TryAgainAsync(async () =>
    {
        var chosen = page.Locator("tbody tr .mud-checkbox input:checked");
        while (await chosen.CountAsync() > 0)
        {
            await chosen.First.UncheckAsync(new() { Force = true, Timeout = Soon });
        }

        foreach (var cell in cells)
        {
            await Row(cell).Locator(".mud-checkbox input").CheckAsync(new() { Force = true, Timeout = Soon });
        }
    });

    /// <summary>Answers the designer's question, e.g. whether something is to be deleted.</summary>
    public Task ConfirmAsync(string button) => page.Locator(".mud-dialog").GetByRole(AriaRole.Button, new() { NameRegex = new Regex($"^{button}$", RegexOptions.IgnoreCase) }).ClickAsync();

    public Task ApplyToAllMatchesAsync() => page.Locator(".mud-dialog").GetByText("Apply to all matches").ClickAsync();

    /// <summary>Answers the question of our own page, which is about the reason.</summary>
    public async Task GiveReasonAsync(string reason)
    {
        await page.Locator("#ask").GetByLabel("Reason").FillAsync(reason);
        await page.Locator("#ask-go").ClickAsync();
    }

    public Task GiveNoReasonAsync() => page.Locator("#ask").GetByRole(AriaRole.Button, new() { Name = "Cancel" }).ClickAsync();

    /// <summary>Fills in the designer's dialog about a new workflow.</summary>
    public async Task NameAsync(string name)
    {
        await FillNameAsync(name);
        await ConfirmAsync("ok");
    }

    private async Task FillNameAsync(string name)
    {
        var field = page.Locator(".mud-dialog").GetByLabel("Name").First;
        await field.FillAsync(name, new() { Timeout = Soon });
        await Assertions.Expect(field).ToHaveValueAsync(name, new() { Timeout = Soon });
    }

    /// <summary>Chooses files where the designer asks for them.</summary>
    public Task ImportAsync(params FilePayload[] files) => ImportAsync(() => PickAsync("Import"), files);

    /// <summary>Chooses files where a menu that has a name asks for them.</summary>
    public Task ImportFromAsync(string menu, params FilePayload[] files) => ImportAsync(() => PickFromAsync(menu, "Import"), files);

    private async Task ImportAsync(Func<Task> pick, FilePayload[] files)
    {
        var chooser = await page.RunAndWaitForFileChooserAsync(pick);
        await chooser.SetFilesAsync(files);
    }

    /// <summary>What the browser is given to keep. Where it may have more in it, the designer asks first.</summary>
    public async Task<Stream> DownloadAsync(Func<Task> pick)
    {
        var coming = page.WaitForDownloadAsync();
        await pick();
        var asked = page.Locator(".mud-dialog").WaitForAsync();
        if (await Task.WhenAny(coming, asked) == asked)
        {
            await asked;
            await ConfirmAsync("ok|export");
        }

        var download = await coming;
        await using var content = await download.CreateReadStreamAsync();
        var all = new MemoryStream();
        await content.CopyToAsync(all);
        all.Position = 0;
        return all;
    }

    /// <summary>Opens a container that lies on the drawing.</summary>
    public Task OpenContainerAsync(string title, int nodesInside) => TryAgainAsync(async () =>
    {
        if (await Nodes.CountAsync() != nodesInside)
        {
            var (x, y) = await CentreAsync(Node(title).First);
            await page.Mouse.DblClickAsync(x, y);
        }

        await Assertions.Expect(Nodes).ToHaveCountAsync(nodesInside, new() { Timeout = Soon });
    });

    /// <summary>Shows another definition without loading the page again.</summary>
    public Task SwitchToAsync(string definitionId) =>
        page.EvaluateAsync("id => document.querySelector('elsa-workflow-definition-editor').setAttribute('definition-id', id)", definitionId);

    public async Task CreateAsync(string name)
    {
        var dialog = page.Locator(".mud-dialog");
        await TryAgainAsync(async () =>
        {
            // The list may draw itself anew when its answers come, and takes an open dialog with it.
            if (!await dialog.IsVisibleAsync())
            {
                await page.GetByRole(AriaRole.Button, new() { Name = "Create workflow" }).ClickAsync();
            }

            await FillNameAsync(name);
        });
        await ConfirmAsync("ok");
        await page.IsAtAsync("*/edit");
        await page.Locator(".x6-graph").First.WaitForAsync();
        await Tab("Version history").WaitForAsync();
    }

    /// <summary>Drags an activity out of the palette.</summary>
    public async Task DropAsync(string activity, int x, int y)
    {
        await page.GetByPlaceholder("Search").First.FillAsync(activity);
        var item = page.Locator("[draggable='true']").Filter(new() { Has = page.GetByText(activity, new() { Exact = true }) }).First;
        for (var opened = 0; !await IsSoonVisibleAsync(item) && opened < 5; opened++)
        {
            // The search leaves the groups with something in them, folded as they were.
            var closed = page.Locator(".mud-expand-panel:not(.mud-panel-expanded) > .mud-expand-panel-header").First;
            if (await closed.IsVisibleAsync())
            {
                await closed.ClickAsync();
            }
        }

        var before = await Nodes.CountAsync();
        await TryAgainAsync(async () =>
        {
            if (await Nodes.CountAsync() == before)
            {
                await item.DragToAsync(page.Locator(".x6-graph").First, new() { TargetPosition = new() { X = x, Y = y } });
            }

            await Assertions.Expect(Nodes).ToHaveCountAsync(before + 1, new() { Timeout = Soon });
        });
    }

    public ILocator Node(string title) => Nodes.Filter(new() { HasText = title });

    /// <summary>Selects an activity. One that is selected already has a frame above it, so it is the place that is clicked.</summary>
    public Task SelectAsync(string title) => TryAgainAsync(async () =>
    {
        var (x, y) = await CentreAsync(Node(title).First);
        await page.Mouse.ClickAsync(x, y);
        await Assertions.Expect(page.Locator(".x6-node-selected").Filter(new() { HasText = title })).ToHaveCountAsync(1, new() { Timeout = Soon });
    });

    /// <summary>Draws a connection from a port to the next activity.</summary>
    public async Task ConnectAsync(string from, string port, string to)
    {
        var graph = await page.Locator(".x6-graph").First.BoundingBoxAsync() ?? throw new InvalidOperationException("It is not drawn.");
        var before = await Edges.CountAsync();
        await TryAgainAsync(async () =>
        {
            if (await Edges.CountAsync() == before)
            {
                // The frame of a selected activity lies above its ports.
                await page.Mouse.ClickAsync(graph.X + 15, graph.Y + 15);
                await Assertions.Expect(page.Locator(".x6-node-selected")).ToHaveCountAsync(0, new() { Timeout = Soon });
                var (fromX, fromY) = await CentreAsync(Node(from).Locator($"[port='{port}']").First);
                var (toX, toY) = await CentreAsync(Node(to).Locator("[port='In']").First);
                await page.Mouse.MoveAsync(fromX, fromY);
                await page.Mouse.DownAsync();
                await page.Mouse.MoveAsync((fromX + toX) / 2, toY + 10, new() { Steps = 5 });
                await page.Mouse.MoveAsync(toX, toY, new() { Steps = 8 });
                await page.Mouse.UpAsync();
            }

            await Assertions.Expect(Edges).ToHaveCountAsync(before + 1, new() { Timeout = Soon });
        });
    }

    /// <summary>What the mouse does is lost when the drawing is redrawn at that moment; a person does it once more then.</summary>
    private static async Task TryAgainAsync(Func<Task> act)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await act();
                return;
            }
            catch (Exception exception) when (exception is PlaywrightException or TimeoutException && attempt < MostAttempts)
            {
                // The next look decides whether it has to be done again.
            }
        }
    }

    /// <summary>
    /// Types into an input of the selected activity, known by the sentence below it, and waits until that is saved. A save of what was done before may still be on its way: what counts is
    /// the one that holds the value.
    /// </summary>
    public async Task FillInputAsync(string sentence, string value)
    {
        var input = page.Locator(".mud-input-control").Filter(new() { HasText = sentence }).Locator("input,textarea").First;
        await TryAgainAsync(() => WaitForSaveAsync(
            async () =>
            {
                await input.FillAsync(value, new() { Timeout = Soon });
                await input.PressAsync("Tab", new() { Timeout = Soon });
            },
            sent => sent.Contains($"\"{value}\"", StringComparison.Ordinal),
            // What was typed is gone when the answer to a save before puts the server's word into the input at that moment.
            patience: 20_000));
    }

    /// <summary>Does something that the designer saves by itself, and waits for the answer to what <paramref name="isIt"/> knows by its text; to any save, if that is null.</summary>
    public Task<IResponse> WaitForSaveAsync(Func<Task> act, Func<string, bool>? isIt = null, float patience = 60_000) => page.RunAndWaitForResponseAsync(
        act,
        response => response.Request.Method == "POST" && new Uri(response.Url).AbsolutePath == "/elsa/api/workflow-definitions" && (isIt is null || isIt(response.Request.PostData ?? "")),
        new() { Timeout = patience });

    /// <summary>Saves by the keys that every editor has.</summary>
    public Task<IResponse> SaveAsync() => WaitForSaveAsync(() => page.Keyboard.PressAsync("Control+s"));

    /// <summary>Presses the designer's own button; our page asks for the reason.</summary>
    public async Task PublishAsync(string reason)
    {
        await page.Locator("button.mud-primary-text").First.ClickAsync();
        var answer = await WaitForSaveAsync(() => GiveReasonAsync(reason), sent => JsonNode.Parse(sent)!["publish"]?.GetValue<bool>() == true);
        // The page is loaded again after that, and its answers are gone with it; a refusal stays.
        answer.Status.ShouldBe(200, answer.Status == 200 ? null : await answer.TextAsync());
    }

    public Task RunAsync() => page.Locator("button.mud-success-text").First.ClickAsync();

    public ILocator Tab(string name) => page.Locator(".mud-tab").Filter(new() { HasText = name }).First;

    /// <summary>Makes the drawing smaller, so that more of it is seen.</summary>
    public async Task ZoomOutAsync(int steps)
    {
        var graph = await page.Locator(".x6-graph").First.BoundingBoxAsync() ?? throw new InvalidOperationException("It is not drawn.");
        await page.Mouse.MoveAsync(graph.X + (graph.Width / 2), graph.Y + (graph.Height / 2));
        for (var step = 0; step < steps; step++)
        {
            var before = await CentreAsync(Nodes.First);
            await page.Mouse.WheelAsync(0, 100);
            await Testing.Processes.Eventually.GetAsync("the drawing is smaller", () => CentreAsync(Nodes.First), now => now != before);
        }
    }

    /// <summary>Takes the connection between two activities away, by the button that comes when the mouse is on it.</summary>
    public async Task DisconnectAsync(string from, string port, string to)
    {
        var before = await Edges.CountAsync();
        var button = page.Locator(".x6-edge-tool.x6-cell-tool-button").First;
        await WaitForSaveAsync(() => TryAgainAsync(async () =>
        {
            if (await Edges.CountAsync() == before)
            {
                var point = await page.EvaluateAsync<float[]>(PointOfEdge, new[] { from, port, to });
                await page.Mouse.MoveAsync(point[0], point[1]);
                await button.WaitForAsync(new() { Timeout = Soon });
                var (x, y) = await CentreAsync(button);
                await page.Mouse.ClickAsync(x, y);
            }

            await Assertions.Expect(Edges).ToHaveCountAsync(before - 1, new() { Timeout = Soon });
        }));
    }

    /// <summary>A point of the screen at which the connection lies on top.</summary>
    private const string PointOfEdge =
        """
        ([from, port, to]) => {
          const node = (text) => [...document.querySelectorAll(".x6-node")].find((n) => n.textContent.includes(text));
          const centre = (element) => { const box = element.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; };
          const [ax, ay] = centre(node(from).querySelector(`[port="${port}"]`));
          const [bx, by] = centre(node(to).querySelector('[port="In"]'));
          const isNear = (x, y, u, v) => Math.hypot(x - u, y - v) < 16;
          for (const edge of document.querySelectorAll(".x6-edge")) {
            const path = edge.querySelector("path");
            const toScreen = path.getScreenCTM();
            const length = path.getTotalLength();
            const at = (way) => { const point = path.getPointAtLength(way).matrixTransform(toScreen); return [point.x, point.y]; };
            if (!isNear(...at(0), ax, ay) || !isNear(...at(length), bx, by)) continue;
            for (let step = 1; step < 40; step++) {
              const point = at((length * step) / 40);
              if (document.elementFromPoint(...point)?.closest(".x6-edge") === edge) return point;
            }
          }
          throw new Error(`There is no connection from ${from} (${port}) to ${to} that can be seen.`);
        }
        """;

    private static async Task<bool> IsSoonVisibleAsync(ILocator locator)
    {
        try
        {
            await locator.WaitForAsync(new() { Timeout = 2_000 });
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }

    /// <summary>Of what is drawn. While the drawing is redrawn, its parts are away for a moment.</summary>
    private static async Task<(float X, float Y)> CentreAsync(ILocator locator)
    {
        var box = await Testing.Processes.Eventually.GetAsync("it is drawn", () => locator.BoundingBoxAsync(), box => box is not null);
        return (box!.X + (box.Width / 2), box.Y + (box.Height / 2));
    }
}
