using System.Net;
using FailbackWorkflows.Server.Identity;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Server;

/// <summary>Who may do what, who changes it, and what the audit log says of it.</summary>
[Collection(ServerTests.Name)]
public sealed class UserTests(ServerHarness server)
{
    [Fact]
    public async Task Role_Withdrawn_IsRefusedInTheOpenSessionAtOnce()
    {
        var entry = await server.AddEntryAsync();
        await server.CreateUserAsync($"user-{entry.Id}", Roles.Operator);
        using var browser = await server.SignInAsync($"user-{entry.Id}");
        (await browser.GetStringAsync($"/failover-log/{entry.Id}")).ShouldContain("id=\"start-failback\"");
        using var administrator = server.Administrator();

        var answer = await administrator.PutAsync($"/api/v1/users/user-{entry.Id}/roles", ServerHarness.Json("""{"roles":["viewer"],"reason":"left"}"""));
        var click = await ServerHarness.PostFormAsync(browser, $"/failover-log/{entry.Id}", $"/failover-log/{entry.Id}?handler=StartFailback", ("requestId", "a"));

        (await Answers.JsonAsync(answer)).GetProperty("roles")[0].GetString().ShouldBe("viewer");
        click.Headers.Location!.ToString().ShouldContain("/denied");
        var change = server.Audit.Records.Single(r => r.Subject == $"user-{entry.Id}" && r.Action.StartsWith("PUT", StringComparison.Ordinal));
        (change.Reason, change.Result).ShouldBe(("left", "done: operator → viewer"));
        server.Audit.Records.ShouldContain(r => r.Actor.Name == $"user-{entry.Id}" && r.Subject == entry.Id && r.Result == "not-allowed");
    }

    [Fact]
    public async Task Roles_OfTheLastAdministrator_StayAsTheyAre()
    {
        using var administrator = server.Administrator();

        var problem = await Answers.ProblemAsync(await administrator.PutAsync("/api/v1/users/admin/roles", ServerHarness.Json("""{"roles":[]}""")));

        problem.Type.ShouldBe("urn:failback:refused");
        problem.Detail.ShouldContain("last administrator");
    }

    [Theory]
    [InlineData("""{"userName":"a b","password":"a long first password","roles":["viewer"]}""", HttpStatusCode.BadRequest, "userName")]
    [InlineData("""{"userName":"short","password":"short","roles":["viewer"]}""", HttpStatusCode.BadRequest, "password")]
    [InlineData("""{"userName":"who","password":"a long first password","roles":["king"]}""", HttpStatusCode.BadRequest, "roles")]
    [InlineData("""{"userName":"who","password":"a long first password"}""", HttpStatusCode.BadRequest, "roles")]
    [InlineData("""{"userName":"Admin","password":"a long first password","roles":[]}""", HttpStatusCode.Conflict, null)]
    public async Task User_ThatMakesNoSense_IsNotAdded(string body, HttpStatusCode status, string? field)
    {
        using var administrator = server.Administrator();
        var before = await administrator.GetStringAsync("/api/v1/users");

        var answer = await administrator.PostAsync("/api/v1/users", ServerHarness.Json(body));

        answer.StatusCode.ShouldBe(status);
        var problem = await Answers.ProblemAsync(answer);
        if (field is not null)
        {
            problem.Body.GetProperty("errors").TryGetProperty(field, out _).ShouldBeTrue(problem.Body.ToString());
        }

        (await administrator.GetStringAsync("/api/v1/users")).ShouldBe(before);
    }

    [Fact]
    public async Task AuditLog_IsReadByAnAuditorOnly()
    {
        using var auditor = await server.WithRoleAsync(Roles.Auditor);
        using var @operator = await server.WithRoleAsync(Roles.Operator);
        await @operator.PostAsync("/api/v1/users", ServerHarness.Json("{}"));

        (await @operator.GetAsync("/api/v1/audit-log")).StatusCode.ShouldBe(HttpStatusCode.Forbidden);
        var page = await Answers.JsonAsync(await auditor.GetAsync("/api/v1/audit-log?take=1000"));

        page.GetProperty("items").EnumerateArray().Select(i => i.GetProperty("record"))
            .ShouldContain(r => r.GetProperty("action").GetString()!.StartsWith("POST /api/v1/users", StringComparison.Ordinal) && r.GetProperty("result").GetString() == "not-allowed");
    }
}
