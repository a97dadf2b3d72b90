using System.Diagnostics;
using FailbackWorkflows.Testing.Processes;
using Microsoft.Playwright;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>A licence from the issuing tool to the System page: the file is chosen in the browser, and one for another site is refused with its sentence.</summary>
public sealed class An_administrator_installs_a_licence
{
    [Fact]
    public async Task That_the_tool_has_issued()
    {
        var folder = Directory.CreateTempSubdirectory("failback-licence-");
        try
        {
            string At(string name) => Path.Combine(folder.FullName, name);
            await RunToolAsync("new-key", "--out", At("issuer.pem"));
            await RunToolAsync("issue", "--key", At("issuer.pem"), "--site", "south", "--licensee", "Port authority", "--recorders", "12", "--out", At("south.json"));
            await RunToolAsync("issue", "--key", At("issuer.pem"), "--site", "north", "--licensee", "Port authority", "--recorders", "12", "--out", At("north.json"));
            await using var server = new ManagementServerProcess(
                At("server"),
                new Dictionary<string, string> { ["Failback__License__PublicKey"] = await File.ReadAllTextAsync(At("issuer.pem.pub")), ["Failback__License__Site"] = "north" });
            await server.StartAsync();
            using var playwright = await Playwright.CreateAsync();
            await using var browser = await playwright.Chromium.LaunchAsync(new() { ExecutablePath = An_operator_clicks_start_failback.Browser, Args = ["--no-sandbox"] });
            var page = await browser.NewPageAsync(new() { ViewportSize = new() { Width = 1280, Height = 900 } });
            page.SetDefaultTimeout(60_000);

            await page.GotoAsync(new Uri(server.BaseUrl, "system").ToString());
            await page.GetByLabel("User name").FillAsync("admin");
            await page.GetByLabel("Password").FillAsync(ManagementServerProcess.Password);
            await page.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();
            await Assertions.Expect(page.Locator("#license")).ToContainTextAsync("No licence is installed.");
            await InstallAsync(page, At("south.json"));
            await Assertions.Expect(page.GetByRole(AriaRole.Alert)).ToContainTextAsync("The licence was issued for the site 'south', this is 'north'.");
            await Assertions.Expect(page.Locator("#license")).ToContainTextAsync("No licence is installed.");
            await InstallAsync(page, At("issuer.pem.pub"));
            await Assertions.Expect(page.GetByRole(AriaRole.Alert)).ToContainTextAsync("It is not a licence file.");
            await InstallAsync(page, At("north.json"));

            await Assertions.Expect(page.Locator("#license")).ToContainTextAsync("Valid");
            await Assertions.Expect(page.Locator("#license")).ToContainTextAsync("0 of 12");
            await Assertions.Expect(page.Locator("#license")).ToContainTextAsync("14 days after that");
            if (Environment.GetEnvironmentVariable("FAILBACK_SCREENSHOTS") == "1")
            {
                await page.ScreenshotAsync(new() { Path = Path.Combine(Directory.CreateTempSubdirectory("failback-pages-").FullName, "system.png") });
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static async Task InstallAsync(IPage page, string file)
    {
        if (!await page.GetByLabel("Licence file").IsVisibleAsync())
        {
            await page.GetByText("Install a licence…").ClickAsync();
        }

        await page.GetByLabel("Licence file").SetInputFilesAsync(file);
        await page.GetByRole(AriaRole.Button, new() { Name = "Install" }).ClickAsync();
    }

    private static async Task RunToolAsync(params string[] args)
    {
        using var tool = Process.Start(new ProcessStartInfo(ProgramFiles.Dotnet, [ProgramFiles.Server, "license", .. args]) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        var error = await tool.StandardError.ReadToEndAsync();
        await tool.WaitForExitAsync();
        tool.ExitCode.ShouldBe(0, error);
    }
}
