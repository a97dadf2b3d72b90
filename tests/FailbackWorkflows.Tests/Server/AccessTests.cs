using System.Net;
using FailbackWorkflows.Server.Identity;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
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
            if (pattern.StartsWith("api/", StringComparison.Ordinal) || pattern.StartsWith("openapi", StringComparison.Ordinal))
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

        tried.ShouldBeGreaterThan(25);
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
        foreach (var (endpoint, method) in Endpoints().Where(pair => pair.Endpoint.RoutePattern.RawText!.TrimStart('/').StartsWith("api/", StringComparison.Ordinal)))
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
