using FailbackWorkflows.Server.Identity;

namespace FailbackWorkflows.Tests.Server;

/// <summary>Something to press on a page.</summary>
/// <param name="Place">The card, banner or row it is in.</param>
/// <param name="Address">Where a link leads; null: it is no link.</param>
/// <param name="Reason">Why it cannot be used, as the page says beside it or when one points at it; null: it does not say.</param>
internal sealed record PageControl(string Place, string Label, string? Address, bool IsUsable, string? Reason)
{
    public bool IsLike(PageControl other) => Place == other.Place && (Label == other.Label || (Address is not null && Address == other.Address));
}

/// <summary>A page as somebody of a role gets it: what can be pressed, and what it says about the rest.</summary>
internal sealed class RolePage
{
    private const string Within = " > ";
    private const string Row = "row ";
    private const string RowMark = Within + Row;

    private readonly HashSet<string> places;
    private readonly ILookup<string, string> lines;

    public RolePage(string html)
    {
        var page = PageElement.Read(html);
        List<PageElement> all = [.. page.All];
        var texts = all.Where(e => e.Of("id") is not null).ToLookup(e => e.Of("id")!);
        var reasons = all.Select(e => e.Of("aria-describedby")).OfType<string>().ToHashSet();
        places = [.. all.Select(PlaceOf)];
        // A reason that belongs to one button says nothing about what else is in its card.
        lines = all.Where(e => e.HasClass("why") && !reasons.Contains(e.Of("id") ?? "")).ToLookup(PlaceOf, e => e.Text);
        Controls =
        [
            .. from element in all
               where element.Name is "button" or "summary" || (element.Name == "a" && element.Of("href") is not null)
               // Its label is the name of whoever is signed in.
               where !(element.Name == "summary" && element.Parent!.HasClass("menu"))
               let why = element.Of("aria-describedby") is { } id ? texts[id].FirstOrDefault(e => e.HasClass("why"))?.Text : element.Of("title")
               let isDisabled = element.Name == "button" && element.Ancestors.Where(a => a.Name == "fieldset").Prepend(element).Any(e => e.Of("disabled") is not null)
               select new PageControl(PlaceOf(element), element.Text, element.Of("href"), !isDisabled, why),
        ];
        Forms = [.. all.Where(e => e.Name == "form" && e.Of("method") == "post" && e.All.Any(b => b.Name == "button" && b.Of("disabled") is null && !b.Ancestors.Any(a => a.Name == "fieldset" && a.Of("disabled") is not null))).Select(e => e.Of("action") ?? "")];
    }

    public IReadOnlyList<PageControl> Controls { get; }

    /// <summary>Addresses that a usable form of the page sends to.</summary>
    public IReadOnlyList<string> Forms { get; }

    /// <summary>
    /// What an administrator can press and somebody else neither finds usable in the same card, banner or row, nor disabled with the roles it needs, nor named by
    /// them in a line of its own there. Who has a control is read from the pages themselves: the roles that can press it.
    /// </summary>
    public static IReadOnlyList<string> Unexplained(IReadOnlyDictionary<string, RolePage> pages)
    {
        var found = new List<string>();
        foreach (var same in pages[Roles.Administrator].Controls.Where(c => c.IsUsable).GroupBy(c => (c.Place, c.Label)))
        {
            var control = same.First();
            var usable = pages.ToDictionary(page => page.Key, page => page.Value.Controls.Count(c => c.IsUsable && c.IsLike(control)));
            var needs = $"role {string.Join(" or ", Roles.All.Where(role => usable.GetValueOrDefault(role) >= same.Count()))}";
            foreach (var (role, page) in pages.Where(page => usable[page.Key] < same.Count()))
            {
                var disabled = page.Controls.Where(c => !c.IsUsable && c.IsLike(control)).ToList();
                // Of a list that a role may not see, the card says so.
                var place = page.places.Contains(control.Place) ? control.Place : OutOfTheRow(control.Place);
                var complaint = !page.places.Contains(place) ? "is left out with everything around it"
                    : usable[role] + disabled.Count >= same.Count() ? disabled.All(c => Names(c.Reason, needs)) ? null : $"does not say that it needs the {needs}"
                    : page.lines[place].Any(line => Names(line, needs)) ? null
                    : $"is missing, and no line says that it needs the {needs}";
                if (complaint is not null)
                {
                    found.Add($"{role}: '{control.Label}' in '{control.Place}' {complaint}");
                }
            }
        }

        return found;
    }

    private static bool Names(string? reason, string needs) => reason?.Contains(needs, StringComparison.Ordinal) == true;

    private static string OutOfTheRow(string place) => place.LastIndexOf(RowMark, StringComparison.Ordinal) is var end and > 0 ? place[..end] : place;

    private static string PlaceOf(PageElement element) => string.Join(Within, element.Ancestors.Prepend(element).Where(IsPlace).Select(NameOf).Reverse());

    private static bool IsPlace(PageElement element) => element.Name is "section" or "tr" || element.HasClass("card") || element.HasClass("banner") || element.HasClass("head-actions");

    private static string NameOf(PageElement place) =>
        place.Name == "tr" ? $"{Row}{place.All.FirstOrDefault(e => e.Name is "td" or "th")?.Text}"
        : place.HasClass("banner") ? $"banner {place.All.FirstOrDefault(e => e.HasClass("banner-title"))?.Text}"
        : place.Of("aria-labelledby") ?? place.Of("id") ?? place.Of("aria-label") ?? place.Of("class") ?? place.Name;
}
