using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using FailbackWorkflows.Testing.Processes;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>A wrong input of any kind gets a problem answer that says what to do, changes nothing and loses nothing.</summary>
public sealed class Wrong_inputs_change_nothing
{
    [Fact]
    public async Task Requests_that_make_no_sense_are_answered_with_a_problem()
    {
        await using var site = await Site.StartAsync();
        var server = site.Server;
        var before = await ServersAsync(server);
        var changes = (await server.ListChangesAsync()).Count;
        var failback = new JsonObject { ["requestId"] = "r", ["reason"] = "wrong" };

        await ProblemAsync("unknown-server", HttpStatusCode.NotFound, site.StartFailoverAsync("vms-9"));
        await ProblemAsync("unknown-server", HttpStatusCode.NotFound, site.StartFailoverAsync(Site.MainId, "vms-9"));
        await ProblemAsync("refused", HttpStatusCode.Conflict, site.StartFailoverAsync(Site.MainId, Site.MainId));
        await ProblemAsync("unknown-server", HttpStatusCode.NotFound, server.GetAsync("api/v1/servers/vms-9"));
        await ProblemAsync("unknown-entry", HttpStatusCode.NotFound, server.PostAsync("api/v1/failover-log/nothing/failback", failback.DeepClone()));
        await ProblemAsync("unknown-run", HttpStatusCode.NotFound, server.GetAsync("api/v1/runs/nothing"));
        await ProblemAsync("invalid-fields", HttpStatusCode.BadRequest, server.PostAsync("api/v1/failover-log/nothing/failback", new JsonObject { ["requestId"] = "" }));
        await ProblemAsync("invalid-request", HttpStatusCode.BadRequest, server.SendAsync(HttpMethod.Post, "api/v1/servers", Text("{\"id\": ")));
        await ProblemAsync("invalid-request", HttpStatusCode.BadRequest, server.SendAsync(HttpMethod.Post, "api/v1/servers", Text("{\"surprise\": 1}")));
        await ProblemAsync("unsupported-media-type", HttpStatusCode.UnsupportedMediaType, server.SendAsync(HttpMethod.Post, "api/v1/servers", new StringContent("{}", Encoding.UTF8, "text/plain")));
        await ProblemAsync("server-exists", HttpStatusCode.Conflict, server.PostAsync("api/v1/servers", Site.ServerOf(site.Main)));
        await ProblemAsync("not-signed-in", HttpStatusCode.Unauthorized, server.GetAsync("api/v1/servers", ""));
        await ProblemAsync("not-signed-in", HttpStatusCode.Unauthorized, server.GetAsync("api/v1/servers", "fbk_wrong"));

        (await ServersAsync(server)).ShouldBe(before);
        (await server.ListChangesAsync()).Count.ShouldBe(changes);
        await Invariants.AssertAsync(site);
    }

    [Fact]
    public async Task A_recorder_that_does_not_answer_or_does_not_take_the_token_is_not_added()
    {
        await using var site = await Site.StartAsync(recorders: 3, isRegistered: false);
        var wrongToken = Site.ServerOf(site.Main);
        wrongToken["credential"] = "another-token-0123456789";

        await ProblemAsync("server-not-added", HttpStatusCode.UnprocessableEntity, site.Server.PostAsync("api/v1/servers", wrongToken));
        await site.Third.KillAsync();
        await ProblemAsync("server-not-added", HttpStatusCode.UnprocessableEntity, site.Server.PostAsync("api/v1/servers", Site.ServerOf(site.Third)));

        (await site.Server.GetAsync("api/v1/servers")).Json!["items"]!.AsArray().ShouldBeEmpty();
    }

    [Fact]
    public async Task A_licence_that_is_expired_or_forged_is_refused_and_the_installed_one_stays()
    {
        var (site, entryId) = await Site.StartFailedOverAsync();
        await using var _ = site;
        var installed = (await site.Server.GetAsync("api/v1/license")).Text;

        await ProblemAsync("license-not-valid", HttpStatusCode.UnprocessableEntity, site.InstallLicenseAsync(validFor: TimeSpan.FromDays(-1)));
        await ProblemAsync("license-not-valid", HttpStatusCode.UnprocessableEntity, site.Server.PutAsync("api/v1/license", new JsonObject { ["document"] = "{}", ["signature"] = "AAAA" }));

        (await site.Server.GetAsync("api/v1/license")).Text.ShouldBe(installed);
        (await site.FailBackAsync(entryId)).Result.ShouldBe("done");
    }

    [Fact]
    public async Task A_second_server_on_the_same_database_or_port_is_refused()
    {
        await using var site = await Site.StartAsync();
        await using var sameDatabase = site.Server.Begin(site.Server.Folder, new Uri($"http://127.0.0.1:{FreePort.Next()}/"));
        (await sameDatabase.WaitForExitAsync(TimeSpan.FromSeconds(60))).ShouldBe(4, sameDatabase.Output);
        sameDatabase.Output.ShouldContain("in use by another management server");

        await using var samePort = site.Server.Begin(site.NewFolder("another"), site.Server.BaseUrl);
        (await samePort.WaitForExitAsync(TimeSpan.FromSeconds(60))).ShouldBe(3, samePort.Output);

        (await site.Server.GetAsync("api/v1/servers")).Status.ShouldBe(HttpStatusCode.OK);
    }

    /// <summary>The servers as they are listed, but for what only says how much time has passed.</summary>
    private static async Task<string> ServersAsync(ManagementServerProcess server)
    {
        var list = (await server.GetAsync("api/v1/servers")).Json!;
        foreach (var item in list["items"]!.AsArray())
        {
            item!.AsObject().Remove("lastSeenAt");
            (item["settings"] as JsonObject)?.Remove("age");
            (item["settings"] as JsonObject)?.Remove("confirmedAt");
        }

        return list.ToJsonString();
    }

    private static StringContent Text(string json) => new(json, Encoding.UTF8, "application/json");

    private static async Task ProblemAsync(string kind, HttpStatusCode status, Task<Answer> asking)
    {
        var answer = await asking;
        answer.Status.ShouldBe(status, answer.Text);
        answer.Problem.ShouldBe(kind, answer.Text);
        ((string?)answer.Json!["detail"]).ShouldNotBeNullOrWhiteSpace();
        ((string?)answer.Json!["traceId"]).ShouldNotBeNullOrWhiteSpace();
    }
}
