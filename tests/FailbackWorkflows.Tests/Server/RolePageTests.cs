using System.Net;
using System.Text.RegularExpressions;
using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Testing.Failback;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc.Infrastructure;
using Microsoft.AspNetCore.Mvc.RazorPages;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Server;

/// <summary>
/// What somebody may not do is visible and says which role it needs: not missing, not failing on click. Pages and buttons are counted by their sources, so that
/// neither a new page nor a new button is forgotten.
/// </summary>
public sealed partial class RolePageTests(RoleSite site) : IClassFixture<RoleSite>
{
    /// <summary>They lead elsewhere at once, are about one's own session, or have the designer or the player of the replay in them, which ask nothing for a role.</summary>
    private static readonly string[] NotLookedAt = ["", "failover-log/{entryId}/duty", "sign-in", "problem/{code:int}", "studio/workflows/{list:regex(^(definitions|instances)$)}/{id?}/{view?}", "runs/{runId}/replay"];

    [Fact]
    public async Task WhatAnAdministratorCanPress_IsThereForEveryRole_OrSaysWhichRoleItNeeds()
    {
        var found = new List<string>();
        foreach (var path in site.Paths)
        {
            var pages = new Dictionary<string, RolePage>();
            foreach (var role in Roles.All)
            {
                if (await site.OpenAsync(role, path) is { } page)
                {
                    pages.Add(role, page);
                }
            }

            found.AddRange(RolePage.Unexplained(pages).Select(complaint => $"{path}: {complaint}"));
        }

        found.ShouldBeEmpty();
    }

    [Theory]
    [InlineData(Roles.Viewer)]
    [InlineData(Roles.Operator)]
    [InlineData(Roles.Integrator)]
    [InlineData(Roles.Auditor)]
    public async Task WhatARoleIsLedTo_IsOpenToIt(string role)
    {
        var addresses = new SortedSet<string>();
        foreach (var path in site.Paths)
        {
            addresses.UnionWith((await site.OpenAsync(role, path))?.Controls.Select(c => c.Address?.Split('#')[0]).OfType<string>().Where(a => a.StartsWith('/')) ?? []);
        }

        addresses.Count.ShouldBeGreaterThan(50);
        var refused = new List<string>();
        foreach (var address in addresses)
        {
            using var answer = await site.GetAsync(role, address);
            if (answer.StatusCode == HttpStatusCode.Forbidden || RoleSite.IsDenied(answer))
            {
                refused.Add(address);
            }
        }

        refused.ShouldBeEmpty();
    }

    /// <summary>That every form but those of the own account would be refused is tested with the access.</summary>
    [Fact]
    public async Task WhoMayOnlyLook_FindsNoFormToSend()
    {
        foreach (var path in site.Paths.Where(path => path is not ("/account/password" or "/sign-out")))
        {
            (await site.OpenAsync(Roles.Viewer, path))?.Forms.ShouldAllBe(action => action == "/sign-out", path);
        }
    }

    [Fact]
    public void EveryPage_IsLookedAt() => Policies().Keys.Except(NotLookedAt).Except(site.Templates).ShouldBeEmpty("give RoleSite something to show there");

    /// <summary>A button that none of these pages shows to an administrator would not be compared with anything.</summary>
    [Fact]
    public async Task EveryButtonOfThePages_IsShownByOneOfThem()
    {
        var policies = Policies();
        var keys = new List<(string File, string Key)>();
        foreach (var file in Directory.EnumerateFiles(RepositoryFiles.PathOf("src", "FailbackWorkflows.Server", "Pages"), "*.cshtml", SearchOption.AllDirectories))
        {
            var source = await File.ReadAllTextAsync(file);
            // A page that only one permission opens is there as a whole or not at all.
            if (Route().Match(source) is { Success: true } route && (NotLookedAt.Contains(route.Groups[1].Value) || policies[route.Groups[1].Value] != Permissions.Read))
            {
                continue;
            }

            keys.AddRange(from Match button in Button().Matches(source) from Match key in Key().Matches(button.Groups[1].Value) select (Path.GetFileName(file), Regex.Unescape(key.Groups[1].Value)));
        }

        keys.Count.ShouldBeGreaterThan(40);
        var shown = new HashSet<string>();
        foreach (var path in site.Paths)
        {
            shown.UnionWith((await site.OpenAsync(Roles.Administrator, path))!.Controls.Where(c => c.IsUsable).Select(c => c.Label));
        }

        keys.Distinct().Where(use => !shown.Any(label => Regex.IsMatch(label, $"^{Regex.Replace(Regex.Escape(use.Key), @"\\\{\d+}", ".+")}$"))).ShouldBeEmpty("give RoleSite something with that button");
    }

    [Theory]
    [InlineData("""<button type="button" disabled aria-describedby="why">Go</button><p class="why" id="why">Needs the role administrator.</p>""", null)]
    [InlineData("""<button type="button" disabled title="Needs the role administrator.">Go</button>""", null)]
    [InlineData("""<fieldset disabled><button aria-describedby="why">Go</button></fieldset><p class="why" id="why">Going needs the role administrator.</p>""", null)]
    [InlineData("""<p class="why">Going needs the role administrator.</p>""", null)]
    [InlineData("", "is missing, and no line says that it needs the role administrator")]
    [InlineData("""<p class="why">Going is not possible.</p>""", "is missing, and no line says that it needs the role administrator")]
    [InlineData("""<button disabled aria-describedby="why">Stay</button><p class="why" id="why">Needs the role administrator.</p>""", "is missing, and no line says that it needs the role administrator")]
    [InlineData("""<button disabled>Go</button>""", "does not say that it needs the role administrator")]
    [InlineData("""<button disabled aria-describedby="nothing">Go</button><p class="why" id="why">Needs the role administrator.</p>""", "does not say that it needs the role administrator")]
    [InlineData("""<button disabled title="Needs the role operator or administrator.">Go</button>""", "does not say that it needs the role administrator")]
    [InlineData("""</section><section class="card" id="other"><p class="why">Needs the role administrator.</p>""", "is missing, and no line says that it needs the role administrator")]
    [InlineData(null, "is left out with everything around it")]
    public void Unexplained_IsWhatAViewerIsNotTold(string? viewer, string? complaint)
    {
        var pages = new Dictionary<string, RolePage>
        {
            [Roles.Viewer] = new(viewer is null ? "<main></main>" : $"<main><section class=\"card\" id=\"it\">{viewer}</section></main>"),
            [Roles.Administrator] = new("""<main><section class="card" id="it"><form method="post"><input name="reason" required><button type="submit">Go</button></form></section></main>"""),
        };

        RolePage.Unexplained(pages).ShouldBe(complaint is null ? [] : [$"viewer: 'Go' in 'it' {complaint}"]);
    }

    [Theory]
    [InlineData("""<p class="why">Seeing keys needs the role administrator.</p>""", null)]
    [InlineData("", "viewer: 'Revoke' in 'keys > row door' is missing, and no line says that it needs the role administrator")]
    public void Unexplained_InAListThatAViewerMayNotSee_IsExplainedByItsCard(string viewer, string? complaint)
    {
        var pages = new Dictionary<string, RolePage>
        {
            [Roles.Viewer] = new($"<section class=\"card\" id=\"keys\">{viewer}</section>"),
            [Roles.Administrator] = new("""<section class="card" id="keys"><table><tr><td>door</td><td><button type="submit">Revoke</button></td></tr></table></section>"""),
        };

        RolePage.Unexplained(pages).ShouldBe(complaint is null ? [] : [complaint]);
    }

    /// <summary>The permission of each page, by its route.</summary>
    private Dictionary<string, string?> Policies() => site.Server.App.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
        .Where(endpoint => endpoint.Metadata.GetMetadata<PageActionDescriptor>() is not null)
        .GroupBy(endpoint => endpoint.RoutePattern.RawText!.Trim('/'))
        .ToDictionary(same => same.Key, same => same.First().Metadata.GetOrderedMetadata<IAuthorizeData>().Select(data => data.Policy).OfType<string>().LastOrDefault());

    [GeneratedRegex("""^\uFEFF?@page "/([^"]*)""")]
    private static partial Regex Route();

    // What stands between the last bracket and the end of a button is its label.
    [GeneratedRegex("""<button\b(?:(?!</button>).)*>((?:(?!</button>)[^>])*)</button>""", RegexOptions.Singleline)]
    private static partial Regex Button();

    [GeneratedRegex("""T\["((?:[^"\\]|\\.)*)""")]
    private static partial Regex Key();
}
