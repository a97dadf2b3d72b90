using System.Net;
using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Testing.Failback;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc.Infrastructure;
using Microsoft.AspNetCore.Mvc.RazorPages;
using Microsoft.AspNetCore.Mvc.RazorPages.Infrastructure;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Server;

/// <summary>Nothing is open by accident: walks every endpoint there is, so that a new one cannot be forgotten.</summary>
[Collection(ServerTests.Name)]
public sealed class AccessTests(ServerHarness server)
{
    private static readonly string[] OpenToAll = ["health/live", "health/ready", "sign-in", "problem/{code:int}"];

    [Fact]
    public async Task EveryEndpoint_WithoutSigningIn_IsTurnedAway()
    {
        using var client = server.Anonymous();
        var tried = 0;
        foreach (var (endpoint, method) in Endpoints())
        {
            var pattern = endpoint.RoutePattern.RawText!.Trim('/');
            if (OpenToAll.Contains(pattern, StringComparer.OrdinalIgnoreCase))
            {
                continue;
            }

            using var request = new HttpRequestMessage(new HttpMethod(method), PathOf(endpoint));
            if (method is "POST" or "PUT")
            {
                request.Content = ServerHarness.Json("{}");
            }

            using var answer = await client.SendAsync(request);
            tried++;
            if (IsForPrograms(pattern) || pattern.StartsWith("openapi", StringComparison.Ordinal) || pattern == "studio/session")
            {
                answer.StatusCode.ShouldBe(HttpStatusCode.Unauthorized, $"{method} {pattern}");
                answer.Content.Headers.ContentType!.MediaType.ShouldBe("application/problem+json", $"{method} {pattern}");
            }
            else
            {
                answer.StatusCode.ShouldBe(HttpStatusCode.Redirect, $"{method} {pattern}");
                answer.Headers.Location!.ToString().ShouldContain("/sign-in?returnUrl=");
            }
        }

        tried.ShouldBeGreaterThan(80);
    }

    [Fact]
    public void EveryEndpoint_NamesItsPermission()
    {
        var without = Endpoints()
            .Where(pair => pair.Endpoint.Metadata.GetMetadata<IAllowAnonymous>() is null)
            .Where(pair => pair.Endpoint.Metadata.GetOrderedMetadata<IAuthorizeData>().All(data => data.Policy is null))
            .Select(pair => $"{pair.Method} {pair.Endpoint.RoutePattern.RawText}");
        without.ShouldBeEmpty();
    }

    [Theory]
    [InlineData(Roles.Viewer)]
    [InlineData(Roles.Operator)]
    [InlineData(Roles.Integrator)]
    [InlineData(Roles.Auditor)]
    [InlineData(Roles.Administrator)]
    public async Task EveryApiEndpoint_ForARole_IsAllowedExactlyWhenItsPermissionSaysSo(string role)
    {
        using var client = await server.WithRoleAsync(role);
        foreach (var (endpoint, method) in Endpoints().Where(pair => IsForPrograms(pair.Endpoint.RoutePattern.RawText!.TrimStart('/'))))
        {
            var policy = endpoint.Metadata.GetOrderedMetadata<IAuthorizeData>().Select(data => data.Policy).OfType<string>().Last();
            var allowed = policy == Permissions.OwnAccount || Permissions.ByName[policy].Contains(role);
            using var request = new HttpRequestMessage(new HttpMethod(method), PathOf(endpoint));
            if (method is "POST" or "PUT")
            {
                // Malformed on purpose: who may pass is told what is wrong with it, and nothing changes.
                request.Content = ServerHarness.Json("{");
            }

            using var answer = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
            (answer.StatusCode != HttpStatusCode.Forbidden).ShouldBe(allowed, $"{role}: {method} {endpoint.RoutePattern.RawText} answered {(int)answer.StatusCode}");
            ((int)answer.StatusCode).ShouldBeLessThan(500, $"{method} {endpoint.RoutePattern.RawText}");
        }
    }

    /// <summary>Whoever may only look is turned away by every form of every page, except those of the own account and what an auditor verifies with, which changes nothing; nothing happens, and the attempt is written down.</summary>
    [Theory]
    [InlineData(Roles.Viewer)]
    [InlineData(Roles.Auditor)]
    [InlineData(Roles.Integrator)]
    public async Task EveryFormOfEveryPage_ForWhoMayOnlyLook_IsRefused(string role)
    {
        var name = $"looks-{Guid.NewGuid():N}";
        await server.CreateUserAsync(name, role);
        using var browser = await server.SignInAsync(name);
        var entry = await server.AddEntryAsync();
        await server.AddBrokenServerAsync(entry.FailedServerId);
        var starts = server.Runs.Starts.Count;
        var (tried, asked) = (0, server.Runs.Asked.Count);
        var html = await browser.GetStringAsync("/failover-log");
        var token = System.Text.RegularExpressions.Regex.Match(html, "name=\"__RequestVerificationToken\" type=\"hidden\" value=\"([^\"]+)\"").Groups[1].Value;
        foreach (var (route, handler) in await FormsAsync())
        {
            if (route.StartsWith("account/", StringComparison.Ordinal) || route is "sign-in" or "sign-out" || route.StartsWith("problem", StringComparison.Ordinal) || (role == Roles.Integrator && route.StartsWith("workflows", StringComparison.Ordinal))
                || (role == Roles.Auditor && route == "history"))
            {
                continue;
            }

            var path = "/" + route.Replace("{entryId}", entry.Id, StringComparison.Ordinal).Replace("{serverId}", entry.FailedServerId, StringComparison.Ordinal).Replace("{runId}", "run-1", StringComparison.Ordinal);
            using var form = new FormUrlEncodedContent([KeyValuePair.Create("__RequestVerificationToken", token), KeyValuePair.Create("reason", "tried"), KeyValuePair.Create("requestId", "tried")]);
            using var answer = await browser.PostAsync(handler is null ? path : $"{path}?handler={handler}", form);
            answer.StatusCode.ShouldBe(HttpStatusCode.Redirect, $"{role}: {path} {handler}");
            answer.Headers.Location!.ToString().ShouldContain("/denied", Case.Sensitive, $"{role}: {path} {handler}");
            tried++;
        }

        tried.ShouldBeGreaterThan(25);
        server.Runs.Starts.Count.ShouldBe(starts);
        server.Runs.Asked.Count.ShouldBe(asked);
        server.Audit.Records.Count(r => r.Actor.Name == name && r.Result == "not-allowed").ShouldBe(tried);
    }

    /// <summary><c>docs/access.md</c> is what is in force. FAILBACK_WRITE_DOCS=1 writes it anew.</summary>
    [Fact]
    public async Task AccessTable_IsWhatTheEndpointsSay()
    {
        var table = AccessTable.Write(Endpoints().Where(pair => pair.Method is not ("HEAD" or "TRACE")).Select(pair => (pair.Method, pair.Endpoint.RoutePattern.RawText!, PolicyOf(pair.Endpoint))));
        var path = Path.Combine(RepositoryFiles.Root, "docs", "access.md");
        if (Environment.GetEnvironmentVariable("FAILBACK_WRITE_DOCS") == "1")
        {
            await File.WriteAllTextAsync(path, table);
        }

        (await File.ReadAllTextAsync(path)).ShouldBe(table, "run this test with FAILBACK_WRITE_DOCS=1");
    }

    /// <summary>Route and handler of everything that a page takes by POST.</summary>
    private async Task<IReadOnlyList<(string Route, string? Handler)>> FormsAsync()
    {
        var pages = server.App.Services.GetRequiredService<IActionDescriptorCollectionProvider>().ActionDescriptors.Items.OfType<PageActionDescriptor>();
        var loader = server.App.Services.GetRequiredService<PageLoader>();
        var forms = new List<(string, string?)>();
        foreach (var page in pages)
        {
            var compiled = await loader.LoadAsync(page, EndpointMetadataCollection.Empty);
            forms.AddRange(compiled.HandlerMethods.Where(handler => handler.HttpMethod == "Post").Select(handler => (page.AttributeRouteInfo!.Template!, handler.Name)));
        }

        return forms;
    }

    private static string? PolicyOf(RouteEndpoint endpoint) =>
        endpoint.Metadata.GetMetadata<IAllowAnonymous>() is not null ? null : endpoint.Metadata.GetOrderedMetadata<IAuthorizeData>().Select(data => data.Policy).OfType<string>().Last();

    /// <summary>Our API and the one of the designer.</summary>
    private static bool IsForPrograms(string pattern) => pattern.StartsWith("api/", StringComparison.Ordinal) || pattern.StartsWith("elsa/", StringComparison.Ordinal);

    private IEnumerable<(RouteEndpoint Endpoint, string Method)> Endpoints() =>
        from endpoint in server.App.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
        let methods = endpoint.Metadata.GetMetadata<IHttpMethodMetadata>()?.HttpMethods
        from method in methods is { Count: > 0 } ? methods : ["GET", "POST"]
        select (endpoint, method);

    private static string PathOf(RouteEndpoint endpoint) =>
        "/" + string.Join('/', endpoint.RoutePattern.PathSegments.Select(segment => string.Concat(segment.Parts.Select(part => part switch
        {
            Microsoft.AspNetCore.Routing.Patterns.RoutePatternLiteralPart literal => literal.Content,
            Microsoft.AspNetCore.Routing.Patterns.RoutePatternSeparatorPart separator => separator.Content,
            _ => "v1",
        }))));
}
