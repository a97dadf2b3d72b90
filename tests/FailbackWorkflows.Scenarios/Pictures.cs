using FailbackWorkflows.Testing.Processes;
using Microsoft.Playwright;

namespace FailbackWorkflows.Scenarios;

/// <summary>Pictures for the documentation, made by the scenarios themselves when they are asked for.</summary>
internal static class Pictures
{
    public static async Task TakeAsync(IPage page, string name)
    {
        if (BrowserFiles.WantsPictures)
        {
            await page.ScreenshotAsync(new() { Path = BrowserFiles.PictureOf(name) });
        }
    }
}
