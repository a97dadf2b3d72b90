using System.Text.RegularExpressions;
using FailbackWorkflows.Testing.Processes;
using Microsoft.Playwright;

namespace FailbackWorkflows.Scenarios;

/// <summary>Waits for where a page has come to.</summary>
internal static class PageAddress
{
    /// <summary>
    /// Playwright's own way waits for the page to be loaded besides when it is there already, which a busy browser sometimes tells nobody. Whoever needs something of
    /// the page waits for that.
    /// </summary>
    public static async Task IsAtAsync(this IPage page, Func<Uri, bool> isThere) =>
        await Eventually.GetAsync("the page is where it leads to", () => Task.FromResult(page.Url), url => isThere(new Uri(url)));

    /// <inheritdoc cref="IsAtAsync(IPage, Func{Uri, bool})"/>
    /// <param name="path">With <c>*</c> for any part of it, such as an id; without what follows a question mark.</param>
    public static Task IsAtAsync(this IPage page, string path)
    {
        var pattern = $"^{Regex.Escape(path).Replace(@"\*", ".+", StringComparison.Ordinal)}$";
        return page.IsAtAsync(url => Regex.IsMatch(url.AbsolutePath, pattern));
    }
}
