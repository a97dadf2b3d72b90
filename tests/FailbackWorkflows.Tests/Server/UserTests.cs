using System.Net;
using FailbackWorkflows.Persistence.Identity;
using FailbackWorkflows.Server.Identity;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.DependencyInjection;
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

    // Each looks at the others before it writes; only the write itself can see that the other one has written meanwhile.
    [Fact]
    public async Task Roles_OfTheLastTwo_WithdrawnAtTheSameMoment_AreNotBothWithdrawn()
    {
        // A role of its own: whoever else is administrator here is of no concern.
        var needed = $"needed-{Guid.NewGuid():N}";
        await using var scope = server.App.Services.CreateAsyncScope();
        (await scope.ServiceProvider.GetRequiredService<RoleManager<IdentityRole>>().CreateAsync(new IdentityRole(needed))).Succeeded.ShouldBeTrue();
        var users = scope.ServiceProvider.GetRequiredService<UserManager<FailbackUser>>();
        var ids = new List<string>();
        foreach (var name in new[] { $"one-{needed[..12]}", $"two-{needed[..12]}" })
        {
            await server.CreateUserAsync(name, Roles.Viewer);
            ids.Add((await users.FindByNameAsync(name))!.Id);
        }

        var roles = server.App.Services.GetRequiredService<IUserRoles>();
        for (var round = 0; round < 20; round++)
        {
            foreach (var id in ids)
            {
                (await roles.SetAsync(id, [needed], needed, default)).IsRefused.ShouldBeFalse();
            }

            var changes = await Task.WhenAll(ids.Select(id => Task.Run(() => roles.SetAsync(id, [Roles.Viewer], needed, default))));

            changes.Count(change => change.IsRefused).ShouldBe(1);
            changes.ShouldAllBe(change => change.Before.Single() == needed);
            (await users.GetUsersInRoleAsync(needed)).Count.ShouldBe(1);
        }
    }

    [Fact]
    public async Task Roles_OfTheLastWhoCanSignIn_StayAsTheyAre()
    {
        var needed = $"needed-{Guid.NewGuid():N}";
        await using var scope = server.App.Services.CreateAsyncScope();
        (await scope.ServiceProvider.GetRequiredService<RoleManager<IdentityRole>>().CreateAsync(new IdentityRole(needed))).Succeeded.ShouldBeTrue();
        var users = scope.ServiceProvider.GetRequiredService<UserManager<FailbackUser>>();
        var people = new List<FailbackUser>();
        foreach (var name in new[] { $"in-{needed[..12]}", $"out-{needed[..12]}" })
        {
            await server.CreateUserAsync(name, Roles.Viewer);
            people.Add((await users.FindByNameAsync(name))!);
            (await users.AddToRoleAsync(people[^1], needed)).Succeeded.ShouldBeTrue();
        }

        var (inside, outside) = (people[0], people[1]);
        var roles = server.App.Services.GetRequiredService<IUserRoles>();
        (await users.SetLockoutEndDateAsync(outside, DateTimeOffset.MaxValue)).Succeeded.ShouldBeTrue();

        (await roles.SetAsync(inside.Id, [Roles.Viewer], needed, default)).IsRefused.ShouldBeTrue("the other one cannot sign in");
        (await users.SetLockoutEndDateAsync(outside, TimeProvider.System.GetUtcNow().AddMinutes(5))).Succeeded.ShouldBeTrue();
        (await roles.SetAsync(inside.Id, [Roles.Viewer], needed, default)).IsRefused.ShouldBeFalse("what ends by itself takes nobody's place");
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

    [Fact]
    public async Task Person_LockedOut_IsOutAtOnceAndInAgainWhenLetIn()
    {
        var name = $"lock-{Guid.NewGuid():N}";
        await server.CreateUserAsync(name, Roles.Operator);
        using var browser = await server.SignInAsync(name);
        using var administrator = server.Administrator();

        (await administrator.PutAsync($"/api/v1/users/{name}/lock", ServerHarness.Json("""{"locked":true,"reason":"left the company"}"""))).StatusCode.ShouldBe(HttpStatusCode.NoContent);
        (await browser.GetAsync("/failover-log")).Headers.Location!.ToString().ShouldContain("/sign-in");
        await Should.ThrowAsync<InvalidOperationException>(() => server.SignInAsync(name));
        (await administrator.PutAsync($"/api/v1/users/{name}/lock", ServerHarness.Json("""{"locked":false}"""))).StatusCode.ShouldBe(HttpStatusCode.NoContent);
        using var again = await server.SignInAsync(name);

        (await again.GetAsync("/failover-log")).StatusCode.ShouldBe(HttpStatusCode.OK);
        (await Answers.ProblemAsync(await administrator.PutAsync("/api/v1/users/admin/lock", ServerHarness.Json("""{"locked":true}""")))).Detail.ShouldContain("Withdraw the role");
        server.Audit.Records.ShouldContain(r => r.Subject == name && r.Reason == "left the company");
    }

    [Fact]
    public async Task Password_GivenAnew_EndsSessionsAndIsHeldToTheSameRules()
    {
        var name = $"password-{Guid.NewGuid():N}";
        await server.CreateUserAsync(name, Roles.Viewer);
        using var browser = await server.SignInAsync(name);
        using var administrator = server.Administrator();

        var weak = await Answers.ProblemAsync(await administrator.PutAsync($"/api/v1/users/{name}/password", ServerHarness.Json("""{"password":"short"}""")));
        (await browser.GetAsync("/failover-log")).StatusCode.ShouldBe(HttpStatusCode.OK);
        (await administrator.PutAsync($"/api/v1/users/{name}/password", ServerHarness.Json("""{"password":"another long password"}"""))).StatusCode.ShouldBe(HttpStatusCode.NoContent);

        weak.Body.GetProperty("errors").GetProperty("password")[0].GetString().ShouldNotBeNull().ShouldContain("12");
        (await browser.GetAsync("/failover-log")).Headers.Location!.ToString().ShouldContain("/sign-in");
        await Should.ThrowAsync<InvalidOperationException>(() => server.SignInAsync(name));
        using var again = await server.SignInAsync(name, "another long password");
    }

    [Fact]
    public async Task UsersPage_AddsChangesAndRefusesWithASentence()
    {
        var name = $"page-{Guid.NewGuid():N}";
        using var browser = await server.SignInAsync();

        (await ServerHarness.PostFormAsync(browser, "/system/users", "/system/users?handler=Add", ("userName", name), ("password", ServerHarness.AdminPassword), ("roles", Roles.Viewer), ("roles", Roles.Auditor)))
            .StatusCode.ShouldBe(HttpStatusCode.Redirect);
        var twice = await ServerHarness.PostFormAsync(browser, "/system/users", "/system/users?handler=Add", ("userName", name), ("password", ServerHarness.AdminPassword));
        (await ServerHarness.PostFormAsync(browser, "/system/users", "/system/users?handler=Roles", ("userName", name), ("roles", Roles.Operator), ("reason", "moved"))).StatusCode.ShouldBe(HttpStatusCode.Redirect);
        var last = await ServerHarness.PostFormAsync(browser, "/system/users", "/system/users?handler=Roles", ("userName", "admin"), ("roles", Roles.Viewer));

        (await twice.Content.ReadAsStringAsync()).ShouldContain($"There is a user &#x27;{name}&#x27; already.");
        (await last.Content.ReadAsStringAsync()).ShouldContain("This is the last administrator.");
        server.Audit.Records.ShouldContain(r => r.Subject == name && r.Reason == "moved" && r.Result == "done: auditor, viewer → operator");
        server.Audit.Records.ShouldContain(r => r.Subject == "admin" && r.Result == "refused");
        using var viewer = await server.SignInAsync(name);
        (await viewer.GetAsync("/system/users")).Headers.Location!.ToString().ShouldContain("/denied");
    }
}
